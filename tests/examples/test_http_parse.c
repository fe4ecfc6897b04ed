/* SPDX-License-Identifier: MIT
 *
 * test_http_parse.c: httpd's parser of request heads, ranges, entity tags, paths and dates. Each
 * hostile input is given in a buffer of exactly its size, so that a sanitised build sees a read
 * beyond it.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "examples/httpd/http_date.h"
#include "examples/httpd/http_parse.h"

#define H "Host: x\r\n"

static struct http_req req;
static char *copy;

/* Parses n bytes; the results stay valid until the next call. */
static int parse_n(const char *s, size_t n)
{
	free(copy);
	copy = malloc(n ? n : 1);
	cr_assert(copy);
	memcpy(copy, s, n);
	memset(&req, 0xff, sizeof(req));
	return http_parse(copy, n, &req);
}

static int parse(const char *s)
{
	return parse_n(s, strlen(s));
}

static bool str_eq(struct http_str s, const char *want)
{
	return s.s && s.n == strlen(want) && !memcmp(s.s, want, s.n);
}

Test(http_parse, plain_get)
{
	const char *s = "GET /a?b HTTP/1.1\r\nHost: x\r\nRange:  bytes=1-2 \t\r\n\r\nGET ";

	cr_assert_eq(parse(s), (int)strlen(s) - 4);
	cr_assert_eq(req.method, HTTP_GET);
	cr_assert_eq(req.minor, 1);
	cr_assert(req.keep_alive);
	cr_assert(str_eq(req.target, "/a?b"));
	cr_assert(str_eq(req.range, "bytes=1-2"));
	cr_assert_null(req.if_range.s);
	cr_assert_eq(req.content_length, 0);
}

Test(http_parse, incomplete_at_every_length)
{
	const char *s = "\r\nHEAD / HTTP/1.0\r\nA: b\r\n\r\n";

	for (size_t n = 0; n < strlen(s); n++)
		cr_expect_eq(parse_n(s, n), 0, "%zu", n);
	cr_assert_eq(parse(s), (int)strlen(s));
	cr_assert_eq(req.method, HTTP_HEAD);
	cr_assert_not(req.keep_alive);
}

Test(http_parse, bare_line_feeds)
{
	cr_assert_eq(parse("GET / HTTP/1.0\n\n"), 16);
}

Test(http_parse, persistence)
{
	static const struct {
		const char *head;
		bool keep;
	} c[] = {
		{"GET / HTTP/1.1\r\n" H "\r\n", true},
		{"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "connection: foo, CLOSE\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: ,, Keep-Alive ,\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		cr_assert_gt(parse(c[i].head), 0, "%zu", i);
		cr_expect_eq(req.keep_alive, c[i].keep, "%zu", i);
	}
}

Test(http_parse, methods)
{
	cr_assert_gt(parse("POST / HTTP/1.1\r\n" H "Content-Length: 7\r\n\r\n"), 0);
	cr_assert_eq(req.method, HTTP_OTHER);
	cr_assert_eq(req.content_length, 7);
	cr_assert_gt(parse("get / HTTP/1.1\r\n" H "\r\n"), 0);
	cr_assert_eq(req.method, HTTP_UNKNOWN, "methods are case-sensitive");
	cr_assert_gt(parse("BREW / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 0);
	cr_assert_eq(req.method, HTTP_UNKNOWN);
	cr_assert(req.transfer_encoding);
}

Test(http_parse, refused)
{
	static const struct {
		const char *head;
		int status;
	} c[] = {
		{"GET /\r\n\r\n", -400},
		{"GET  / HTTP/1.1\r\n" H "\r\n", -400},
		{"GET / HTTP/1.1 \r\n" H "\r\n", -400},
		{"GET /a b HTTP/1.1\r\n" H "\r\n", -400},
		{"GET /\x80 HTTP/1.1\r\n" H "\r\n", -400},
		{"GET /\t HTTP/1.1\r\n" H "\r\n", -400},
		{" GET / HTTP/1.1\r\n" H "\r\n", -400},
		{"G(T / HTTP/1.1\r\n" H "\r\n", -400},
		{"GET / http/1.1\r\n" H "\r\n", -400},
		{"GET / HTTP/11\r\n" H "\r\n", -400},
		{"GET / HTTP/2.0\r\n" H "\r\n", -505},
		{"GET / HTTP/0.9\r\n" H "\r\n", -505},
		{"GET / HTTP/1.1\r\n\r\n", -400}, /* no Host */
		{"GET / HTTP/1.1\r\n" H H "\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", -400}, /* folded */
		{"GET / HTTP/1.1\r\n" H ": b\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "A: \x01\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Range: a\r\nRange: b\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		 -400},
		{"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -400},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
		cr_expect_eq(parse(c[i].head), c[i].status, "%zu: %s", i, c[i].head);
	cr_expect_eq(parse_n("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24), -400, "a NUL");
}

Test(http_parse, too_many_headers)
{
	char head[1024] = "GET / HTTP/1.0\r\n";
	size_t n = strlen(head);

	for (int i = 0; i < HTTP_MAX_HEADERS; i++, n += 5)
		memcpy(head + n, "a: b\n", 5);
	memcpy(head + n, "\r\n", 3);
	cr_assert_gt(parse(head), 0);
	memcpy(head + n, "a: b\n\r\n", 8);
	cr_assert_eq(parse(head), -431);
}

Test(http_parse, overflow)
{
	cr_assert_eq(http_overflow_status("GET /aaaaaa", 11), 414);
	cr_assert_eq(http_overflow_status("\r\n\r\nGET /aa", 11), 414);
	cr_assert_eq(http_overflow_status("GET / HTTP/1.1\r\nA: b", 20), 431);
}

static enum http_range range(const char *s, uint64_t size, uint64_t *first, uint64_t *last)
{
	return http_parse_range((struct http_str){s, strlen(s)}, size, first, last);
}

Test(http_range, satisfiable)
{
	static const struct {
		const char *s;
		uint64_t size, first, last;
	} c[] = {
		{"bytes=0-0", 10, 0, 0},
		{"bytes=0-", 10, 0, 9},
		{"bytes=3-5", 10, 3, 5},
		{"BYTES=3-5", 10, 3, 5},
		{"bytes= 3-5", 10, 3, 5},
		{"bytes=3-99999999999999999999999999", 10, 3, 9},
		{"bytes=9-9", 10, 9, 9},
		{"bytes=-1", 10, 9, 9},
		{"bytes=-10", 10, 0, 9},
		{"bytes=-99999999999999999999999999", 10, 0, 9},
		{"bytes=0-18446744073709551615", UINT64_MAX, 0, UINT64_MAX - 1},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		uint64_t first = 77, last = 77;

		cr_expect_eq(range(c[i].s, c[i].size, &first, &last), HTTP_RANGE_ONE, "%s", c[i].s);
		cr_expect(first == c[i].first && last == c[i].last, "%s", c[i].s);
	}
}

Test(http_range, not_satisfiable)
{
	uint64_t f, l;

	cr_expect_eq(range("bytes=10-", 10, &f, &l), HTTP_RANGE_UNSATISFIABLE);
	cr_expect_eq(range("bytes=10-20", 10, &f, &l), HTTP_RANGE_UNSATISFIABLE);
	cr_expect_eq(range("bytes=-0", 10, &f, &l), HTTP_RANGE_UNSATISFIABLE);
	cr_expect_eq(range("bytes=0-", 0, &f, &l), HTTP_RANGE_UNSATISFIABLE);
	cr_expect_eq(range("bytes=-5", 0, &f, &l), HTTP_RANGE_UNSATISFIABLE);
}

Test(http_range, ignored)
{
	static const char *const c[] = {
		"bytes=",	 "bytes=-",    "bytes=5-3",  "bytes=a-b", "lines=0-1",
		"bytes=0-1,3-4", "bytes 0-1",  "bytes=0-1x", "bytes=0",	  "",
		"bytes=--1",	 "bytes=1--2", "b"};
	uint64_t f, l;

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
		cr_expect_eq(range(c[i], 10, &f, &l), HTTP_RANGE_NONE, "%s", c[i]);
}

static bool listed(const char *s, bool weak)
{
	return http_etag_listed((struct http_str){s, strlen(s)}, "\"1-2\"", weak);
}

Test(http_etag, lists)
{
	cr_assert(listed("\"1-2\"", false));
	cr_assert(listed("\"a\" , \"1-2\"", false));
	cr_assert(listed(" * ", false));
	cr_assert(listed("W/\"1-2\"", true));
	cr_assert_not(listed("W/\"1-2\"", false));
	cr_assert_not(listed("1-2", true));
	cr_assert_not(listed("", true));
	cr_assert_not(listed("W/", true));
	cr_assert_not(listed("\"1-2", true));
}

static int decode(const char *s, char *out, size_t size)
{
	return http_decode_path((struct http_str){s, strlen(s)}, out, size);
}

Test(http_path, normalised)
{
	static const char *const c[][2] = {
		{"/", ""},
		{"/a", "a"},
		{"/a/", "a/"},
		{"//a///b", "a/b"},
		{"/./a/./b/.", "a/b/"},
		{"/a/../b", "b"},
		{"/a/b/..", "a/"},
		{"/a/b/../", "a/"},
		{"/a/..", ""},
		{"/a/b/../../c", "c"},
		{"/...", "..."},
		{"/..a/.b", "..a/.b"},
		{"/%61%2e%2E", "a.."},
		{"/a%20b?c/../d", "a b"},
		{"/%25", "%"},
		{"/%C3%A9", "\xc3\xa9"},
		{"http://host/x/y", "x/y"},
		{"HTTP://host", ""},
		{"/a?", "a"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		cr_expect_eq(decode(c[i][0], out, sizeof(out)), (int)strlen(c[i][1]), "%s",
			     c[i][0]);
		cr_expect_str_eq(out, c[i][1], "%s", c[i][0]);
	}
}

Test(http_path, refused)
{
	static const char *const c[] = {"/..",
					"/../a",
					"/a/../..",
					"/%2e%2e/a",
					"/.%2e/",
					"/%2e./x",
					"/a%2fb",
					"/%00",
					"/a%0ab",
					"/%7f",
					"/%",
					"/%4",
					"/%zz",
					"a",
					"*",
					"",
					"?/a",
					"http:/a",
					"/a/./../..//../etc/passwd"};
	char out[64];

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
		cr_expect_eq(decode(c[i], out, sizeof(out)), -400, "%s", c[i]);
}

Test(http_path, bounds)
{
	char *out = malloc(8);

	cr_assert_eq(decode("/123456", out, 8), 6);
	cr_assert_eq(decode("/1234567", out, 8), -414);
	cr_assert_eq(decode("/1/3/5/7/9/", out, 8), -414);
	cr_assert_eq(decode("/123/../123456", out, 8), 6);
	free(out);
}

Test(http_path, encoded)
{
	char out[16];

	cr_assert_eq(http_encode_path("a b/\xc3", out, sizeof(out)), 9);
	cr_assert_str_eq(out, "a%20b/%C3");
	cr_assert_eq(http_encode_path("\r\n\r\n\r\n", out, sizeof(out)), -414);
}

static int date(const char *s, int64_t *t)
{
	return http_date_parse((struct http_str){s, strlen(s)}, t);
}

Test(http_date, three_forms)
{
	static const char *const c[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
					"Sunday, 06-Nov-94 08:49:37 GMT",
					"Sun Nov  6 08:49:37 1994"};
	int64_t t;

	for (size_t i = 0; i < 3; i++) {
		t = 0;
		cr_expect_eq(date(c[i], &t), 0, "%s", c[i]);
		cr_expect_eq(t, 784111777, "%s", c[i]);
	}
}

Test(http_date, refused)
{
	static const char *const c[] = {"",
					"Sun, 06 Nov 1994 08:49:37",
					"Sun, 06 Nov 1994 08:49:37 CET",
					"Sun, 06 Nox 1994 08:49:37 GMT",
					"Sun, 00 Nov 1994 08:49:37 GMT",
					"Sun, 06 Nov 1994 24:49:37 GMT",
					"Sun, 06 Nov 1994 08:60:37 GMT",
					"Sun, 6  Nov 1994 08:49:37 GMT",
					"Sun, 06 Nov 1969 08:49:37 GMT",
					"Sunday, 06-Nov-1994 08:49:37 GMT",
					"Sun Nov 6 08:49:37 1994",
					", , ,"};
	int64_t t;

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
		cr_expect_lt(date(c[i], &t), 0, "%s", c[i]);
}

Test(http_date, round_trip)
{
	char text[HTTP_DATE_SIZE];

	/* Steps of a bit more than ten days pass every month and leap year from 1970 to 2400. */
	for (int64_t t = 0, back = -1; t < INT64_C(13600000000); t += 876543, back = -1) {
		http_date_format(t, text);
		cr_assert_eq(strlen(text), HTTP_DATE_SIZE - 1);
		cr_assert_eq(date(text, &back), 0, "%s", text);
		cr_assert_eq(back, t, "%s", text);
	}
	http_date_format(951782400, text);
	cr_assert_str_eq(text, "Tue, 29 Feb 2000 00:00:00 GMT");
	http_date_format(-5, text);
	cr_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date_format(INT64_MAX, text);
	cr_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}
