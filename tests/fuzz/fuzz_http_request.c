/* SPDX-License-Identifier: MIT
 *
 * fuzz_http_request.c: any stream of bytes as HTTP requests, twice: in one piece, and cut where the
 * first byte says. Both have to see the same requests.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/http/request.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum over all that was seen. */
static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t see(uint64_t h, const struct http_request *r)
{
	if (*r->target != '/' || r->body[r->body_len] || r->body_len > BODY_MAX)
		abort();
	h = mix(h, r->method_name, strlen(r->method_name) + 1);
	h = mix(h, r->target, strlen(r->target) + 1);
	for (unsigned i = 0; i < r->nheaders; i++) {
		h = mix(h, r->headers[i].name, strlen(r->headers[i].name) + 1);
		h = mix(h, r->headers[i].value, strlen(r->headers[i].value) + 1);
	}
	return mix(mix(h, r->body, r->body_len), &r->keep_alive, 1);
}

static uint64_t stream(const char *data, size_t len, size_t piece)
{
	struct http_parser *p = http_parser_create(BODY_MAX);
	uint64_t h = 1;
	size_t at = 0;

	while (at < len) {
		size_t n = len - at < piece ? len - at : piece, used = 0;
		enum http_verdict v = http_parser_feed(p, data + at, n, &used);

		at += used;
		if (v == HTTP_BAD) {
			h = mix(h, "bad", 3);
			break;
		}
		if (v == HTTP_READY) {
			h = see(h, http_parser_request(p));
			http_parser_next(p);
		} else if (v == HTTP_MORE && used != n) {
			abort();
		}
	}
	http_parser_destroy(p);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (stream((const char *)data + 1, size - 1, size) !=
	    stream((const char *)data + 1, size - 1, 1 + data[0] % 64))
		abort();
	return 0;
}
