/* SPDX-License-Identifier: MIT
 *
 * conn.h: client connections: a state machine per connection over non-blocking sockets and one
 * epoll. Memory is bounded: a connection is one struct (about 6.5 KiB), file data goes through one
 * buffer that all share. Clients are hostile: every one of them may stall, lie or vanish without a
 * cost to the others. One thread.
 */
#ifndef HTTPD_CONN_H
#define HTTPD_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "respond.h"

#define CONN_IN_MAX 4096 /* a request head must fit */
#define CONN_SKIP_MAX \
	65536u /* a request body up to this length is read away; above it the connection ends */

struct conn;

struct server {
	int epoll_fd, listen_fd;
	unsigned nconns, max_conns;
	int64_t timeout_ms; /* without progress */
	bool verbose;
	bool accepting; /* listen_fd is in the epoll set */
	struct now now;
	struct file_cache cache;
	struct conn *oldest, *newest; /* by time of the last progress */
};

/* Takes connections off listen_fd until there is no more or no room. */
void server_accept(struct server *s);

/* Serves one epoll event of c; may free it. */
void conn_event(struct server *s, struct conn *c, uint32_t events);

/* Ends connections without progress. Returns the milliseconds until the next one is due, -1 for
 * never. */
int server_expire(struct server *s);

/* Reads the clocks into s->now. */
void server_clock(struct server *s);

#endif
