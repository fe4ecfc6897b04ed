/* SPDX-License-Identifier: MIT
 *
 * respond.h: from a parsed request to a response that only has to be sent: status, head, and which
 * bytes of which file follow. Knows HTTP's rules (conditions, ranges, redirects), nothing of
 * sockets.
 */
#ifndef HTTPD_RESPOND_H
#define HTTPD_RESPOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file_cache.h"
#include "http_parse.h"

#define HTTP_PATH_MAX 512  /* decoded path of a request; a longer one is 414 */
#define HEAD_MAX      2048 /* fits a Location of HTTP_PATH_MAX bytes, each one escaped */

struct response {
	int status;
	bool keep_alive;
	size_t head_len, head_sent; /* the head and a short body, if one was made up */
	struct file *file;	    /* NULL = nothing after the head; else one reference */
	uint64_t off, left;	    /* what remains of the file */
	uint64_t body_len;	    /* for the log */
	char head[HEAD_MAX];
};

/* Time as responses need it, read once per turn of the event loop. */
struct now {
	int64_t mono_ms;
	int64_t wall;
	char date[HTTP_DATE_SIZE]; /* of wall */
};

/* Makes the response to req. Never fails: what goes wrong becomes a status. */
void respond(struct file_cache *c, const struct http_req *req, const struct now *now,
	     struct response *ret);

/* Makes an error response after which the connection closes unless keep_alive. head_only: for HEAD.
 */
void respond_error(int status, bool keep_alive, bool head_only, const struct now *now,
		   struct response *ret);

/* Gives back the file. */
void response_fini(struct file_cache *c, struct response *r);

#endif
