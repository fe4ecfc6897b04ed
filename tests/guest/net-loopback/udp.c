/* SPDX-License-Identifier: MIT
 *
 * udp.c: datagrams: boundaries, truncation, connecting, errors, large ones, vectors of messages.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int bound(struct sockaddr_in *ret_at)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*ret_at);

	*ret_at = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK(bind(fd, (struct sockaddr *)ret_at, sizeof(*ret_at)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)ret_at, &len) == 0 && ret_at->sin_port != 0);
	return fd;
}

static void boundaries(void)
{
	struct sockaddr_in at, from, me;
	socklen_t len = sizeof(from);
	char buf[16];
	int rx = bound(&at), tx = bound(&me), n = 0;

	CHECK(sendto(tx, "hello", 5, 0, (struct sockaddr *)&at, sizeof(at)) == 5);
	CHECK(sendto(tx, "", 0, 0, (struct sockaddr *)&at, sizeof(at)) == 0);
	CHECK(sendto(tx, "world", 5, 0, (struct sockaddr *)&at, sizeof(at)) == 5);
	CHECK(wait_for(rx, POLLIN, 1000) == POLLIN);
	CHECK(ioctl(rx, FIONREAD, &n) == 0 && n == 5);
	CHECK(recv(rx, buf, 2, MSG_PEEK) == 2);
	CHECK(recv(rx, buf, 2, MSG_TRUNC | MSG_PEEK) == 5);
	CHECK(recvfrom(rx, buf, 2, 0, (struct sockaddr *)&from, &len) == 2);
	CHECK(len == sizeof(from) && from.sin_port == me.sin_port);
	CHECK(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(recv(rx, buf, sizeof(buf), 0) == 0);
	CHECK(recv(rx, buf, sizeof(buf), 0) == 5 && memcmp(buf, "world", 5) == 0);
	CHECK_ERR(recv(rx, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(send(tx, "x", 1, 0), EDESTADDRREQ);
	close(rx);
	close(tx);
}

static void connected(void)
{
	struct sockaddr_in a_at, b_at, c_at, unspec = {.sin_family = AF_UNSPEC};
	char buf[16];
	int a = bound(&a_at), b = bound(&b_at), c = bound(&c_at);

	CHECK(connect(a, (struct sockaddr *)&b_at, sizeof(b_at)) == 0);
	CHECK(send(a, "1", 1, 0) == 1);
	CHECK(recv(b, buf, sizeof(buf), 0) == 1);
	/* Only the peer gets through. */
	CHECK(sendto(c, "no", 2, 0, (struct sockaddr *)&a_at, sizeof(a_at)) == 2);
	CHECK(sendto(b, "yes", 3, 0, (struct sockaddr *)&a_at, sizeof(a_at)) == 3);
	CHECK(recv(a, buf, sizeof(buf), 0) == 3 && buf[0] == 'y');
	close(b);
	CHECK(send(a, "1", 1, 0) == 1);
	CHECK(wait_for(a, POLLIN, 1000) & POLLERR);
	CHECK_ERR(recv(a, buf, sizeof(buf), 0), ECONNREFUSED);
	CHECK(connect(a, (struct sockaddr *)&unspec, sizeof(unspec)) == 0);
	CHECK_ERR(getpeername(a, (struct sockaddr *)&b_at, &(socklen_t){sizeof(b_at)}), ENOTCONN);
	close(a);
	close(c);
}

static void large(void)
{
	static char out[60000], in[60000];
	struct sockaddr_in at, me;
	int rx = bound(&at), tx = bound(&me);

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 13 + i / 255);
	CHECK(sendto(tx, out, sizeof(out), 0, (struct sockaddr *)&at, sizeof(at)) == sizeof(out));
	CHECK(recv(rx, in, sizeof(in), 0) == sizeof(in) && memcmp(in, out, sizeof(in)) == 0);
	CHECK_ERR(sendto(tx, out, 65508 > sizeof(out) ? sizeof(out) : 0, 0, NULL, 0), EDESTADDRREQ);
	close(rx);
	close(tx);
}

static void messages(void)
{
	struct sockaddr_in at, me, from[3];
	char buf[3][8];
	struct iovec out[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}}, in[3];
	struct mmsghdr v[3];
	int rx = bound(&at), tx = bound(&me);

	memset(v, 0, sizeof(v));
	for (int i = 0; i < 3; i++)
		v[i].msg_hdr = (struct msghdr){.msg_name = &at,
					       .msg_namelen = sizeof(at),
					       .msg_iov = &out[i],
					       .msg_iovlen = 1};
	CHECK(sendmmsg(tx, v, 3, 0) == 3 && v[2].msg_len == 3);
	for (int i = 0; i < 3; i++) {
		in[i] = (struct iovec){buf[i], i == 1 ? 1 : sizeof(buf[i])};
		v[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
					       .msg_namelen = sizeof(from[i]),
					       .msg_iov = &in[i],
					       .msg_iovlen = 1};
	}
	CHECK(wait_for(rx, POLLIN, 1000) == POLLIN);
	CHECK(recvmmsg(rx, v, 3, MSG_WAITFORONE, NULL) == 3);
	CHECK(v[0].msg_len == 1 && v[2].msg_len == 3 && memcmp(buf[2], "ccc", 3) == 0);
	CHECK(v[1].msg_len == 1 && (v[1].msg_hdr.msg_flags & MSG_TRUNC));
	CHECK(from[1].sin_port == me.sin_port);
	close(rx);
	close(tx);
}

void test_udp(void)
{
	boundaries();
	connected();
	large();
	messages();
}
