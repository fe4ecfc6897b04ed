/* SPDX-License-Identifier: MIT
 *
 * conn.h: one client's connection: requests in, answers out, never blocking, never waiting for
 * ever. The peer is hostile. vCPU thread.
 */
#ifndef MONITOR_SERVE_CONN_H
#define MONITOR_SERVE_CONN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/http/request.h"

struct conn {
	int fd; /* -1: free slot */
	struct http_parser *parser;
	bool ready;	/* a request is complete and waits for, or is in, the guest */
	bool closing;	/* close when all is sent */
	bool linger;	/* but read on for a while: see conn.c */
	size_t drain;	/* all is sent; bytes that are still read and thrown away */
	uint64_t since; /* ns: last progress */
	uint64_t order; /* of requests: first come, first served */
	char *in;	/* bytes read and not yet fed: pipelined */
	size_t in_at, in_len;
	char *out; /* bytes the socket did not take yet */
	size_t out_at, out_len;
};

#define CONN_IN 16384u /* bytes of in */

/* Takes fd. -ENOMEM: the caller still owns it. body_max: largest request body, bytes. */
int conn_open(struct conn *c, int fd, size_t body_max, uint64_t now);
void conn_close(struct conn *c);
/* Read what there is and parse. c->ready tells of a request; a bad one has been answered. */
void conn_read(struct conn *c, uint64_t now);
/* Feed what was read before, after an answer: a pipelined request may be complete already. */
void conn_parse(struct conn *c, uint64_t now);
/*
 * Answer the request that is ready and await the next. body is only read; what the socket does not
 * take is kept. type NULL: text/plain. A HEAD request gets no body.
 */
void conn_answer(struct conn *c, int status, const char *type, const void *body, size_t len,
		 uint64_t now);
/* Send what waits. */
void conn_flush(struct conn *c, uint64_t now);
/* What to poll for; 0 when the connection waits for the guest. */
short conn_events(const struct conn *c);
/* ns at which patience with this peer ends. */
uint64_t conn_deadline(const struct conn *c);

#endif
