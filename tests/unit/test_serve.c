/* SPDX-License-Identifier: MIT
 *
 * test_serve.c: where --serve listens, and one client's connection over a socket pair: requests in
 * pieces and in pipelines, answers that the peer does not take, peers that are too slow. Time is an
 * argument.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor/serve/conn.h"
#include "monitor/serve/listen.h"

#define SEC UINT64_C(1000000000)

static struct conn c;
static int peer;

static void setup(void)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	cr_assert_eq(conn_open(&c, sv[0], 1000, SEC), 0);
	peer = sv[1];
}

static void say(const char *text)
{
	cr_assert_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
	conn_read(&c, SEC);
}

/* All that the peer has been sent so far. */
static const char *heard(void)
{
	static char buf[4096];
	ssize_t n = recv(peer, buf, sizeof buf - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

TestSuite(conn, .init = setup);

Test(conn, a_request_in_pieces)
{
	say("GET / HT");
	cr_expect_not(c.ready);
	cr_expect_eq(conn_events(&c), POLLIN);
	say("TP/1.1\r\nHost: x\r\n");
	cr_expect_not(c.ready);
	say("\r\n");
	cr_assert(c.ready);
	cr_expect_eq(conn_events(&c), 0, "the guest has it: nothing more is read");
	conn_answer(&c, 200, NULL, "yes\n", 4, SEC);
	const char *got = heard();

	cr_expect(strstr(got, "HTTP/1.1 200"));
	cr_expect(strstr(got, "Content-Length: 4\r\n"));
	cr_expect(strstr(got, "\r\n\r\nyes\n"));
	cr_expect_neq(c.fd, -1, "kept alive");
}

Test(conn, a_pipeline_is_one_request_at_a_time)
{
	say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	cr_assert(c.ready);
	cr_expect_str_eq(http_parser_request(c.parser)->target, "/1");
	conn_answer(&c, 200, NULL, "1", 1, SEC);
	cr_assert(c.ready, "the next one is there without another read");
	cr_expect_str_eq(http_parser_request(c.parser)->target, "/2");
	conn_answer(&c, 200, NULL, "2", 1, SEC);
	cr_expect_not(c.ready);
}

Test(conn, connection_close_is_obeyed)
{
	say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	conn_answer(&c, 200, NULL, "x", 1, SEC);
	cr_expect_eq(c.fd, -1);
	cr_expect(strstr(heard(), "Connection: close"));
}

Test(conn, head_gets_a_length_and_no_body)
{
	say("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
	conn_answer(&c, 200, NULL, "body", 4, SEC);
	const char *got = heard();

	cr_expect(strstr(got, "Content-Length: 4"));
	cr_expect_not(strstr(got, "body"));
}

/* The answer ends, and what still comes is read and forgotten, so that nobody sees a broken pipe.
 */
static void answered_and_drained(const char *status)
{
	char byte;

	cr_expect(strstr(heard(), status));
	cr_expect_eq(recv(peer, &byte, 1, MSG_DONTWAIT), 0, "that was all");
	say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	cr_expect_not(c.ready, "what comes after it is no request");
	cr_expect_eq(conn_events(&c), POLLIN);
	cr_expect_eq(conn_deadline(&c), 3 * SEC, "for two seconds, whatever comes");
	close(peer);
	conn_read(&c, 2 * SEC);
	cr_expect_eq(c.fd, -1);
}

Test(conn, bad_requests_are_answered_and_closed)
{
	say("BOGUS\r\n\r\n");
	answered_and_drained("HTTP/1.1 400");
}

Test(conn, too_large_a_body_is_refused_before_it_is_read)
{
	say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
	answered_and_drained("HTTP/1.1 413");
}

Test(conn, a_refused_peer_that_sends_for_ever_is_closed)
{
	static char piece[16384];
	size_t sent = 0;

	say("BOGUS\r\n\r\n");
	while (c.fd >= 0 && sent < (1u << 30)) {
		cr_assert_eq(write(peer, piece, sizeof piece), (ssize_t)sizeof piece);
		sent += sizeof piece;
		conn_read(&c, SEC);
	}
	cr_expect_eq(sent, 64u << 20);
}

Test(conn, expect_100_is_answered_before_the_body)
{
	say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	cr_expect(strstr(heard(), "100 Continue"));
	cr_expect_not(c.ready);
	say("abc");
	cr_expect(c.ready);
}

Test(conn, an_answer_that_the_peer_does_not_take_waits)
{
	size_t len = 4 << 20, got = 0;
	char *body = malloc(len), *all = malloc(len + 4096);

	memset(body, 'b', len);
	say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	conn_answer(&c, 200, NULL, body, len, SEC);
	memset(body, 'X', len); /* guest memory is rewound at once */
	cr_expect_eq(conn_events(&c), POLLOUT);
	cr_expect_eq(conn_deadline(&c), SEC + 30 * SEC);
	for (ssize_t n; c.out;) {
		while ((n = recv(peer, all + got, len + 4096 - got, MSG_DONTWAIT)) > 0)
			got += (size_t)n;
		conn_flush(&c, 5 * SEC);
	}
	for (ssize_t n; (n = recv(peer, all + got, len + 4096 - got, MSG_DONTWAIT)) > 0;)
		got += (size_t)n;
	cr_assert_gt(got, len);
	cr_expect_not(memchr(all, 'X', got));
	cr_expect_eq(conn_events(&c), POLLIN);
	free(body);
	free(all);
}

Test(conn, a_byte_now_and_then_does_not_buy_time)
{
	cr_assert_eq(write(peer, "G", 1), 1);
	conn_read(&c, 10 * SEC);
	cr_assert_eq(write(peer, "E", 1), 1);
	conn_read(&c, 35 * SEC);
	cr_expect_eq(conn_deadline(&c), 40 * SEC, "30 s from the first byte of the request");
}

Test(conn, a_peer_that_goes_away)
{
	say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	close(peer);
	conn_answer(&c, 200, NULL, "x", 1, SEC);
	cr_expect_eq(c.fd, -1);
	conn_close(&c);
}

/* --- addresses --- */

Test(listen, what_is_an_address)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
	} rows[] = {
		{"8080", AF_INET},
		{"0", AF_INET},
		{"65535", AF_INET},
		{"0.0.0.0:80", AF_INET},
		{"[::1]:80", AF_INET6},
		{"unix:/run/x", AF_UNIX},
		{"", 0},
		{":", 0},
		{":80", 0},
		{"65536", 0},
		{"80x", 0},
		{"-1", 0},
		{"localhost:80", 0},
		{"1.2.3:80", 0},
		{"1.2.3.4:", 0},
		{"[::1]", 0},
		{"[::g]:1", 0},
		{"unix:", 0},
		{"fd:", 0},
		{"fd:2", 0},
		{"fd:x", 0},
		{"fd:99999999", 0},
		{"256.1.1.1:1", 0},
		{"[1.2.3.4]:", 0},
	};
	char err[300], longer[300] = "unix:/";

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct serve_addr a;
		int r = serve_addr_parse(rows[i].text, &a, err, sizeof err);

		cr_expect_eq(r, rows[i].family ? 0 : -EINVAL, "%s: %d", rows[i].text, r);
		if (rows[i].family && !r)
			cr_expect_eq(a.addr.ss_family, rows[i].family, "%s", rows[i].text);
	}
	memset(longer + 6, 'a', 200);
	struct serve_addr a;

	cr_expect_eq(serve_addr_parse(longer, &a, err, sizeof err), -EINVAL);
	cr_expect_eq(serve_addr_parse("fd:7", &a, err, sizeof err), 0);
	cr_expect_eq(a.fd, 7);
}

Test(listen, a_stale_socket_is_replaced_and_a_live_one_is_not)
{
	char dir[] = "/tmp/test_serve.XXXXXX", path[64], text[80], err[300];

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(text, sizeof text, "unix:%s", path);
	int fd = serve_listen(text, err, sizeof err);

	cr_assert_geq(fd, 0, "%s", err);
	cr_expect_eq(serve_listen(text, err, sizeof err), -EADDRINUSE);
	cr_expect(strstr(err, path), "%s", err);
	close(fd);
	fd = serve_listen(text, err, sizeof err);
	cr_expect_geq(fd, 0, "%s", err);
	close(fd);
	unlink(path);
	rmdir(dir);
}

Test(listen, a_handed_over_socket_must_listen)
{
	char err[300], text[16];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	snprintf(text, sizeof text, "fd:%d", fd);
	cr_expect_eq(serve_listen(text, err, sizeof err), -EINVAL);
	cr_assert_eq(listen(fd, 1), 0);
	cr_expect_eq(serve_listen(text, err, sizeof err), fd);
	cr_expect_eq(serve_listen("fd:900", err, sizeof err), -EINVAL);
	close(fd);
}
