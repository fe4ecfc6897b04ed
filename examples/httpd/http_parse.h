/* SPDX-License-Identifier: MIT
 *
 * http_parse.h: request heads of HTTP/1.0 and 1.1 (RFC 9112), byte ranges (RFC 9110, 14.1.2) and
 * entity-tag lists. Pure functions over bytes from the network: no allocation, no state, nothing is
 * trusted. Results point into the caller's buffer.
 */
#ifndef HTTPD_HTTP_PARSE_H
#define HTTPD_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_HEADERS 64

struct http_str {
	const char *s; /* not NUL-terminated; NULL = absent */
	size_t n;
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_OTHER,  /* a method of RFC 9110 or PATCH that this server does not do: 405 */
	HTTP_UNKNOWN /* 501 */
};

struct http_req {
	enum http_method method;
	int minor; /* 0 or 1 */
	bool keep_alive;
	bool transfer_encoding; /* present: the body's end is unknown to us */
	bool expect_continue, expect_other;
	uint64_t content_length;
	struct http_str target;
	struct http_str range, if_range, if_match, if_none_match;
	struct http_str if_modified_since, if_unmodified_since;
};

/*
 * Parses the head at the start of buf. Returns its length in bytes (> 0) and fills *ret; 0 when the
 * head is not complete; -400, -431 or -505 when it never will be right (*ret is then undefined).
 */
int http_parse(const char *buf, size_t len, struct http_req *ret);

/* The status for a head that fills the whole buffer without an end: 414 when it is the target, else
 * 431. */
int http_overflow_status(const char *buf, size_t len);

enum http_range { HTTP_RANGE_NONE, HTTP_RANGE_ONE, HTTP_RANGE_UNSATISFIABLE };

/*
 * Judges a Range value against a representation of `size` bytes. HTTP_RANGE_ONE fills first and
 * last (inclusive). A value with several ranges, of another unit or with bad syntax is
 * HTTP_RANGE_NONE: RFC 9110 14.2 lets a server ignore the field, and the whole file is the one
 * answer that every client understands.
 */
enum http_range http_parse_range(struct http_str value, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_last);

/* Does an If-Match or If-None-Match list name `etag` (quotes included)? weak: W/ prefixes are
 * ignored. */
bool http_etag_listed(struct http_str list, const char *etag, bool weak);

/*
 * Decodes and normalises the path of a request target (origin or absolute form) into out,
 * NUL-terminated and relative to the root: no leading slash, no empty, "." or ".." segment; a
 * directory's trailing slash stays, the root is "". Returns the length, -400 (bad escape, NUL,
 * control character, encoded slash, above the root), or -414 when it does not fit.
 */
int http_decode_path(struct http_str target, char *out, size_t size);

/* Percent-encodes path for a Location field. Returns the length or -414. */
int http_encode_path(const char *path, char *out, size_t size);

#endif
