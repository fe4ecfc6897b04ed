/* SPDX-License-Identifier: MIT
 *
 * client.h: one client: bytes in, requests to the API, answers out, descriptors beside them. Never
 * blocks; what a client does not read stops it from being read. API thread.
 */
#ifndef MONITOR_API_CLIENT_H
#define MONITOR_API_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/api/api.h"

#define CLIENT_IN_MAX 4096

struct client {
	int fd; /* -1: free */
	struct http_parser *parser;
	char in[CLIENT_IN_MAX]; /* bytes [in_at, in_len) are not parsed yet */
	size_t in_at, in_len;
	char *out; /* bytes [out_at, out_len) are not sent yet */
	size_t out_at, out_len, out_cap;
	int fds[API_FDS_MAX];
	unsigned nfds;
	bool last;	   /* close when all is sent */
	bool linger;	   /* but read on for a while: see client.c */
	size_t drain;	   /* all is sent; bytes that are still read and thrown away */
	bool stream;	   /* gets events */
	uint64_t event;	   /* the next one it gets */
	uint64_t deadline; /* ns: a request or an answer is under way; 0 = none is */
	uint64_t used;	   /* ns: when something last came */
};

/* Takes fd. 0 or -ENOMEM. */
int client_open(struct client *c, int fd, uint64_t now);
void client_close(struct client *c);
/* What to poll for. */
short client_wants(const struct client *c);
/* Do what is possible now. False: close it. timeout: ns that a request or an answer may take. */
bool client_serve(struct client *c, struct api *api, short revents, uint64_t now, uint64_t timeout);
/* The deadline is over. False: close it. */
bool client_expired(struct client *c, struct api *api, uint64_t now);

#endif
