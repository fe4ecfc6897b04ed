/* SPDX-License-Identifier: MIT
 *
 * test_usernet.c: the pieces of the user-mode helper that need no network: its command line, and
 * the link that keeps frames in order while the monitor is slow. The whole helper runs in
 * test_net.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor/backend/usernet/args.h"
#include "monitor/backend/usernet/link.h"

static struct usernet_args a;
static char err[320];

static int parse(const char *arg)
{
	char copy[128];
	char *argv[] = {copy, copy, NULL};

	snprintf(copy, sizeof copy, "%s", arg);
	return usernet_args_parse(&a, 2, argv, err, sizeof err);
}

Test(usernet_args, defaults)
{
	char name[] = "mayfly-usernet";
	char *argv[] = {name, NULL};

	cr_assert_eq(usernet_args_parse(&a, 1, argv, err, sizeof err), 0);
	cr_assert_eq(a.fd, 3);
	cr_assert_str_eq(a.id, "eth0");
	cr_assert_not(a.host_loopback);
	cr_assert_null(a.run);
	cr_assert_eq(a.nfwd, 0);
}

Test(usernet_args, command_to_run_is_the_rest)
{
	char name[] = "mayfly-usernet", fd[] = "--fd=5", run[] = "--run", cmd[] = "true",
	     arg[] = "--fwd=nonsense";
	char *argv[] = {name, fd, run, cmd, arg, NULL};

	cr_assert_eq(usernet_args_parse(&a, 5, argv, err, sizeof err), 0);
	cr_assert_eq(a.fd, 5);
	cr_assert_eq(a.run, argv + 3);
	cr_assert_eq(usernet_args_parse(&a, 3, argv, err, sizeof err), -EINVAL, "nothing to run");
}

Test(usernet_args, forward)
{
	cr_assert_eq(parse("--fwd=udp:192.168.1.2:5353:53"), 0);
	cr_assert_eq(a.nfwd, 1);
	cr_assert(a.fwd[0].udp);
	cr_assert_eq(ntohl(a.fwd[0].host.s_addr), 0xc0a80102);
	cr_assert_eq(a.fwd[0].host_port, 5353);
	cr_assert_eq(a.fwd[0].guest_port, 53);
	cr_assert_eq(parse("--fwd=tcp:0.0.0.0:1:65535"), 0);
	cr_assert_not(a.fwd[0].udp);
}

Test(usernet_args, nonsense_is_named)
{
	static const char *const bad[] = {"--fwd=tcp:127.0.0.1:80",
					  "--fwd=tcp:127.0.0.1:0:80",
					  "--fwd=tcp:127.0.0.1:80:0",
					  "--fwd=tcp:127.0.0.1:65536:80",
					  "--fwd=tcp:127.0.0.1:80:80:80",
					  "--fwd=sctp:127.0.0.1:80:80",
					  "--fwd=tcp:localhost:80:80",
					  "--fwd=tcp::80:80",
					  "--fwd=tcp:127.0.0.1: 80:80",
					  "--fwd=tcp:127.0.0.1:-1:80",
					  "--fwd=tcp:1111111111111111111:80:80",
					  "--fwd=",
					  "--fd=x",
					  "--fd=-1",
					  "--fd=99999999999999999999",
					  "--fd=3x",
					  "--loopback",
					  "eth0",
					  ""};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_eq(parse(bad[i]), -EINVAL, "%s", bad[i]);
		cr_assert_not_null(strstr(err, bad[i]), "%s", err);
	}
}

Test(usernet_args, too_many_forwards)
{
	char arg[] = "--fwd=tcp:127.0.0.1:80:80";
	char *argv[ARGS_MAX_FWD + 3] = {arg};

	for (int i = 1; i <= ARGS_MAX_FWD + 1; i++)
		argv[i] = arg;
	cr_assert_eq(usernet_args_parse(&a, ARGS_MAX_FWD + 1, argv, err, sizeof err), 0);
	cr_assert_eq(usernet_args_parse(&a, ARGS_MAX_FWD + 2, argv, err, sizeof err), -EINVAL);
}

static struct link l;
static int peer;

static void link_setup(void)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	l.fd = sv[0];
	peer = sv[1];
}

TestSuite(usernet_link, .init = link_setup, .timeout = 30);

static void send_number(uint32_t i)
{
	uint8_t frame[1500] = {0};

	memcpy(frame, &i, sizeof i);
	link_send(&l, frame, 100 + i % 1400);
}

static bool next_number(uint32_t *ret_i)
{
	uint8_t frame[2000];
	ssize_t n = recv(peer, frame, sizeof frame, MSG_DONTWAIT);

	if (n < 0)
		return false;
	memcpy(ret_i, frame, sizeof *ret_i);
	cr_assert_eq(n, 100 + *ret_i % 1400);
	return true;
}

Test(usernet_link, order_is_kept_and_nothing_is_lost_while_the_queue_lasts)
{
	uint32_t sent = 0, got = 0, i;

	for (unsigned round = 0; round < 50; round++) {
		while (l.count < LINK_QUEUE / 2)
			send_number(sent++);
		/* the reader takes some, then the queue moves up */
		for (unsigned k = 0; k < 37 && next_number(&i); k++, got++)
			cr_assert_eq(i, got);
		link_flush(&l);
	}
	while (got < sent) {
		while (next_number(&i))
			cr_assert_eq(i, got++);
		link_flush(&l);
	}
	cr_assert_eq(l.count, 0);
	cr_assert_gt(sent, 1000);
}

Test(usernet_link, full_queue_drops_the_newest)
{
	uint32_t sent = 0, last = 0, i;

	while (l.count < LINK_QUEUE)
		send_number(sent++);
	for (unsigned k = 0; k < 100; k++)
		send_number(1000000 + k);
	cr_assert_eq(l.count, LINK_QUEUE);
	do {
		while (next_number(&i))
			last = i;
		link_flush(&l);
	} while (l.count);
	while (next_number(&i))
		last = i;
	cr_assert_eq(last, sent - 1);
}

Test(usernet_link, frames_that_are_too_long_are_not_sent)
{
	static uint8_t frame[LINK_FRAME_MAX + 1];
	uint32_t i;

	link_send(&l, frame, sizeof frame);
	cr_assert_not(next_number(&i));
	cr_assert_eq(l.count, 0);
}

Test(usernet_link, end_of_the_monitor)
{
	uint8_t frame[64];

	cr_assert_eq(link_recv(&l, frame, sizeof frame), 0);
	cr_assert_not(l.closed);
	close(peer);
	cr_assert_eq(link_recv(&l, frame, sizeof frame), 0);
	cr_assert(l.closed);
	l.closed = false;
	send_number(1);
	cr_assert(l.closed);
	send_number(2);
	cr_assert_eq(l.count, 0);
}
