/* SPDX-License-Identifier: MIT
 *
 * test_http.c: the request parser against RFC 9112: what has to be taken, what has to be refused,
 * and that it makes no difference where the stream is cut.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "monitor/http/request.h"
#include "monitor/http/response.h"

#define BODY_MAX 64

struct row {
	const char *text;
	int status; /* 0: taken */
	const char *body;
};

static const struct row rows[] = {
	/* taken */
	{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, ""},
	{"\r\nGET / HTTP/1.1\r\n\r\n", 0, ""},
	{"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 0, "abc"},
	{"PUT /a HTTP/1.1\r\ncontent-LENGTH:3 \r\n\r\nabc", 0, "abc"},
	{"PUT /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0, ""},
	{"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 0,
	 "abcde"},
	{"PUT /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 0, ""},
	{"PATCH /a?b=c HTTP/1.0\r\nContent-Length: 1\r\n\r\nz", 0, "z"},
	{"GET / HTTP/1.1\r\nX:\r\nY: \r\n\r\n", 0, ""},
	{"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 0, ""},

	/* line ends (2.2), folding (5.2) */
	{"GET / HTTP/1.1\nHost: x\n\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, NULL},

	/* request line (3) */
	{"GET  / HTTP/1.1\r\n\r\n", 400, NULL},
	{"GET /  HTTP/1.1\r\n\r\n", 400, NULL},
	{"GET /\tHTTP/1.1\r\n\r\n", 400, NULL},
	{"GET / a HTTP/1.1\r\n\r\n", 400, NULL},
	{" GET / HTTP/1.1\r\n\r\n", 400, NULL},
	{"GET /\r\n\r\n", 400, NULL},
	{"GET\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1 \r\n\r\n", 400, NULL},
	{"GET http://x/ HTTP/1.1\r\n\r\n", 400, NULL},
	{"OPTIONS * HTTP/1.1\r\n\r\n", 400, NULL},
	{"CONNECT x:1 HTTP/1.1\r\n\r\n", 400, NULL},
	{"BREW / HTTP/1.1\r\n\r\n", 501, NULL},
	{"get / HTTP/1.1\r\n\r\n", 501, NULL},
	{"GET / HTTP/2.0\r\n\r\n", 505, NULL},
	{"GET / HTTP/1.2\r\n\r\n", 505, NULL},
	{"GET / HTTP/11.1\r\n\r\n", 400, NULL},
	{"GET / HTTP/x.1\r\n\r\n", 400, NULL},
	{"GET / RTSP/1.0\r\n\r\n", 400, NULL},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL},

	/* fields (5.1) */
	{"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nHost\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nA(: x\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400, NULL},
	{"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, NULL},

	/* lengths and smuggling (6) */
	{"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 0x3\r\n\r\nabc", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 3 3\r\n\r\nabc", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", 413, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 65\r\n\r\n", 413, NULL},
	{"PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
	 NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400,
	 NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
	 "\r\n",
	 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", 501, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, NULL},
	{"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL},

	/* chunks (7.1) */
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nab\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n", 413, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", 400, NULL},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400, NULL},
};

/* Feed text in pieces of that many bytes until there is a verdict. */
static enum http_verdict feed(struct http_parser *p, const char *text, size_t len, size_t piece)
{
	enum http_verdict v = HTTP_MORE;
	size_t used;

	for (size_t at = 0; at < len && (v == HTTP_MORE || v == HTTP_CONTINUE); at += used) {
		size_t n = len - at < piece ? len - at : piece;

		v = http_parser_feed(p, text + at, n, &used);
		cr_assert_leq(used, n);
		cr_assert(v != HTTP_MORE || used == n, "%zu of %zu at %zu: %s", used, n, at, text);
	}
	return v;
}

/* A chunk that is too large is only known to be when it comes: give it what it announced. */
static void check(const struct row *row, size_t piece)
{
	struct http_parser *p = http_parser_create(BODY_MAX);
	char more[128];
	enum http_verdict v = feed(p, row->text, strlen(row->text), piece);

	memset(more, 'x', sizeof more);
	if (v == HTTP_MORE && row->status == 413)
		v = feed(p, more, sizeof more, piece);
	if (row->status) {
		cr_expect_eq(v, HTTP_BAD, "taken: %s", row->text);
		cr_expect(v != HTTP_BAD || http_parser_status(p) == row->status,
			  "%d, not %d (%s): %s", http_parser_status(p), row->status,
			  http_parser_reason(p), row->text);
	} else {
		cr_expect_eq(v, HTTP_READY, "%d, refused (%s): %s", v,
			     v == HTTP_BAD ? http_parser_reason(p) : "-", row->text);
		if (v == HTTP_READY)
			cr_expect_str_eq(http_parser_request(p)->body, row->body);
	}
	http_parser_destroy(p);
}

Test(http, every_row_is_judged_alike_wherever_it_is_cut)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t piece = 1; piece <= strlen(rows[i].text) + 1; piece++)
			check(&rows[i], piece);
}

Test(http, pipelined_requests_come_one_by_one)
{
	static const char text[] = "PUT /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
				   "\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n"
				   "GET /3 HTTP/1.0\r\n\r\n";
	static const struct {
		const char *target;
		bool keep;
		size_t body;
	} want[] = {{"/1", true, 2}, {"/2", false, 0}, {"/3", false, 0}};
	struct http_parser *p = http_parser_create(BODY_MAX);
	size_t at = 0, used;

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(http_parser_feed(p, text + at, sizeof text - 1 - at, &used),
			     HTTP_READY);
		at += used;
		const struct http_request *r = http_parser_request(p);
		cr_expect_str_eq(r->target, want[i].target);
		cr_expect_eq(r->keep_alive, want[i].keep);
		cr_expect_eq(r->body_len, want[i].body);
		cr_expect_eq(http_parser_feed(p, "x", 1, &used), HTTP_READY);
		cr_expect_eq(used, 0, "nothing is taken before next");
		http_parser_next(p);
		cr_expect(http_parser_idle(p));
	}
	cr_expect_eq(at, sizeof text - 1);
	http_parser_destroy(p);
}

Test(http, expect_continue_is_asked_for_once_and_not_without_a_body)
{
	static const char head[] =
		"PUT /a HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc";
	static const char none[] = "GET /a HTTP/1.1\r\nExpect: 100-continue\r\n\r\n";
	struct http_parser *p = http_parser_create(BODY_MAX);
	size_t used, n;

	cr_assert_eq(http_parser_feed(p, head, sizeof head - 1, &used), HTTP_CONTINUE);
	cr_assert_eq(used, sizeof head - 4);
	cr_assert_eq(http_parser_feed(p, head + used, 3, &n), HTTP_READY);
	cr_expect_str_eq(http_parser_request(p)->body, "abc");
	http_parser_next(p);
	cr_expect_eq(http_parser_feed(p, none, sizeof none - 1, &used), HTTP_READY);
	http_parser_destroy(p);
}

Test(http, fields_are_found_without_case_and_trimmed)
{
	static const char text[] = "PUT /a HTTP/1.1\r\nContent-Type:  a/b \t\r\nX-Y: 1\r\n\r\n";
	struct http_parser *p = http_parser_create(BODY_MAX);
	size_t used;

	cr_assert_eq(http_parser_feed(p, text, sizeof text - 1, &used), HTTP_READY);
	const struct http_request *r = http_parser_request(p);
	cr_expect_eq(r->method, METHOD_PUT);
	cr_expect_str_eq(r->method_name, "PUT");
	cr_expect_str_eq(http_request_header(r, "content-type"), "a/b");
	cr_expect_null(http_request_header(r, "x-z"));
	http_parser_destroy(p);
}

/* A flood has to end in a refusal, not in memory. */
static void flood(const char *start, const char *unit, int status)
{
	struct http_parser *p = http_parser_create(1 << 20);
	enum http_verdict v = feed(p, start, strlen(start), 4096);

	for (int i = 0; i < 1 << 20 && v == HTTP_MORE; i++)
		v = feed(p, unit, strlen(unit), 4096);
	cr_expect_eq(v, HTTP_BAD);
	cr_expect_eq(http_parser_status(p), status, "%d", http_parser_status(p));
	cr_expect_eq(feed(p, "GET / HTTP/1.1\r\n\r\n", 18, 18), HTTP_BAD, "nothing after it");
	http_parser_destroy(p);
}

Test(http, floods_end)
{
	char many[2048] = "GET / HTTP/1.1\r\n";

	flood("GET / HTTP/1.1\r\n", "A: b\r\n", 431);
	flood("GET /", "aaaaaaaa", 431);
	flood("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 413);
	flood("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "0", 413);
	for (int i = 0; i <= HTTP_HEADERS_MAX; i++)
		memcpy(many + strlen(many), "A: b\r\n", 7);
	flood(many, "\r\n", 431);
}

static void expect_head(const struct http_response *r, const char *text)
{
	char mem[512];
	struct buf b;

	buf_init(&b, mem, sizeof mem);
	http_response_head(&b, r);
	cr_expect_str_eq(mem, text);
}

Test(http, response_heads)
{
	expect_head(&(struct http_response){.status = 204, .keep_alive = true},
		    "HTTP/1.1 204 No Content\r\nServer: Mayfly\r\nConnection: keep-alive\r\n\r\n");
	expect_head(
		&(struct http_response){
			.status = 405, .allow = "GET", .body_len = 2, .type = "application/json"},
		"HTTP/1.1 405 Method Not Allowed\r\nServer: Mayfly\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nAllow: GET\r\nContent-Length: 2\r\n\r\n");
	expect_head(
		&(struct http_response){.status = 200, .type = "text/event-stream", .stream = true},
		"HTTP/1.1 200 OK\r\nServer: Mayfly\r\nConnection: close\r\n"
		"Content-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n");
}
