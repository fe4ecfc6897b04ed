/* SPDX-License-Identifier: MIT
 *
 * fuzz_http.c: libFuzzer entry for httpd's parsers. What the parsers promise is checked, not only
 * that they survive: strings lie in the input, a decoded path can't leave the root, an accepted
 * date survives a round trip.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/http_date.h"
#include "examples/httpd/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct http_str s, const char *buf, size_t len)
{
	if (s.s)
		assert(s.s >= buf && s.s <= buf + len && s.n <= (size_t)(buf + len - s.s));
}

static void check_path(struct http_str target)
{
	char path[512], again[512], encoded[3 * sizeof(path)], *segment, *save;
	int n = http_decode_path(target, path, sizeof(path)), m;

	if (n < 0)
		return;
	assert(strlen(path) == (size_t)n && path[0] != '/' && !strstr(path, "//"));
	/* Encoding and decoding comes back to the same path: a redirect leads where it should. */
	encoded[0] = '/';
	m = http_encode_path(path, encoded + 1, sizeof(encoded) - 1);
	if (m >= 0) {
		n = http_decode_path((struct http_str){encoded, (size_t)m + 1}, again,
				     sizeof(again));
		assert(n >= 0 && !strcmp(path, again));
	}
	for (segment = strtok_r(path, "/", &save); segment; segment = strtok_r(NULL, "/", &save))
		assert(strcmp(segment, ".") && strcmp(segment, ".."));
}

static void check_range(struct http_str s)
{
	static const uint64_t sizes[] = {0, 1, 1024, UINT64_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t first, last;

		if (http_parse_range(s, sizes[i], &first, &last) == HTTP_RANGE_ONE)
			assert(first <= last && last < sizes[i]);
	}
}

static void check_date(struct http_str s)
{
	char text[HTTP_DATE_SIZE];
	int64_t t, back;

	if (http_date_parse(s, &t))
		return;
	http_date_format(t, text);
	assert(!http_date_parse((struct http_str){text, strlen(text)}, &back) && back == t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *buf = (const char *)data;
	struct http_str all = {buf, size};
	struct http_req req;
	int n = http_parse(buf, size, &req);

	assert(n <= (int)size);
	if (n <= 0) {
		assert(n == 0 || n == -400 || n == -431 || n == -505);
		http_overflow_status(buf, size);
		check_path(all);
		check_range(all);
		check_date(all);
		http_etag_listed(all, "\"1-2-3\"", true);
		return 0;
	}
	const struct http_str strs[] = {req.target,
					req.range,
					req.if_range,
					req.if_match,
					req.if_none_match,
					req.if_modified_since,
					req.if_unmodified_since};

	for (size_t i = 0; i < sizeof(strs) / sizeof(*strs); i++)
		check_inside(strs[i], buf, size);
	check_path(req.target);
	check_range(req.range);
	if (req.if_none_match.s)
		http_etag_listed(req.if_none_match, "\"1-2-3\"", true);
	if (req.if_modified_since.s)
		check_date(req.if_modified_since);
	/* A head never depends on what follows it, and never ends before its end. */
	for (int cut = 0; cut < n; cut += 1 + cut / 8)
		assert(http_parse(buf, (size_t)cut, &req) <= 0);
	return 0;
}
