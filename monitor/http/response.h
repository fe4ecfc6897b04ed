/* SPDX-License-Identifier: MIT
 *
 * response.h: the head of an HTTP/1.1 response, as text in the caller's buffer. No allocation, no
 * socket, no globals; any thread.
 */
#ifndef MONITOR_HTTP_RESPONSE_H
#define MONITOR_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

struct http_response {
	int status;
	const char *type;  /* Content-Type; NULL: none is said */
	const char *allow; /* of a 405; NULL: none is said */
	size_t body_len;
	bool keep_alive;
	bool stream; /* no length: the body ends with the connection */
};

/* Append status line, header fields and the empty line. A 204 has no length field. */
void http_response_head(struct buf *b, const struct http_response *r);
const char *http_status_text(int status);

#endif
