/* SPDX-License-Identifier: MIT
 *
 * request.h: HTTP/1.x requests out of a stream of bytes that a hostile peer sends. llhttp (Debian's
 * node-llhttp, in its strict mode) parses; this unit bounds what it may take, and refuses what two
 * parsers could read in two ways: bare CR or LF, folded lines, several lengths, a length beside
 * chunking, other transfer codings, trailers. No socket, no clock, no globals: one parser per
 * connection, one thread per parser.
 *
 *	p = http_parser_create(max);
 *	for each piece of input:
 *		r = http_parser_feed(p, data, len, &used);
 *		HTTP_MORE      all was used; read on
 *		HTTP_CONTINUE  send http_continue, feed the rest
 *		HTTP_READY     http_parser_request(p); answer; http_parser_next(p); feed the rest
 *		HTTP_BAD       answer http_parser_status(p), close
 */
#ifndef MONITOR_HTTP_REQUEST_H
#define MONITOR_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX	 8192 /* request line and header fields, bytes */
#define HTTP_HEADERS_MAX 64

enum http_method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_PUT,
	METHOD_POST,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OTHER
};

enum http_verdict { HTTP_MORE, HTTP_CONTINUE, HTTP_READY, HTTP_BAD };

struct http_header {
	const char *name, *value; /* as sent, value trimmed */
};

/* Valid until http_parser_next(). Strings are NUL-terminated and hold no NUL, CR or LF. */
struct http_request {
	enum http_method method;
	const char *method_name;
	const char *target; /* origin form: starts with '/', query included */
	const char *body;   /* NUL-terminated for convenience; body_len counts */
	size_t body_len;
	bool keep_alive;
	const struct http_header *headers;
	unsigned nheaders;
};

struct http_parser;

extern const char http_continue[]; /* what HTTP_CONTINUE asks to send */

/* body_max: larger bodies are HTTP_BAD with 413, before they are read when the length is announced.
 * Memory for a body is taken as it arrives. NULL: out of memory. */
struct http_parser *http_parser_create(size_t body_max);
void http_parser_destroy(struct http_parser *p);

/* How much was taken is in *ret_used; less than len unless HTTP_MORE. After HTTP_READY and HTTP_BAD
 * nothing more is taken until http_parser_next(), and after HTTP_BAD nothing ever. */
enum http_verdict http_parser_feed(struct http_parser *p, const char *data, size_t len,
				   size_t *ret_used);
const struct http_request *http_parser_request(const struct http_parser *p);
/* 400, 413, 414, 431, 501 or 505; the reason is one sentence for the peer. */
int http_parser_status(const struct http_parser *p);
const char *http_parser_reason(const struct http_parser *p);
/* Forget this request, await the next. */
void http_parser_next(struct http_parser *p);
/* Nothing of a request has arrived: the peer may go without being told. */
bool http_parser_idle(const struct http_parser *p);

/* First value of the field, whose name is compared without case; NULL when it is not there. */
const char *http_request_header(const struct http_request *r, const char *name);

#endif
