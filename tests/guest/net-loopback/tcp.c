/* SPDX-License-Identifier: MIT
 *
 * tcp.c: what works: connecting, half-closing, names, peeking, vectors, timeouts, readiness.
 */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void half_close(int family)
{
	char buf[64];
	int fd[2];

	tcp_pair(family, fd);
	CHECK(write(fd[1], "question", 8) == 8);
	CHECK(shutdown(fd[1], SHUT_WR) == 0);
	CHECK(recv(fd[0], buf, sizeof(buf), MSG_WAITALL) == 8);
	CHECK(memcmp(buf, "question", 8) == 0);
	CHECK(read(fd[0], buf, sizeof(buf)) == 0);
	CHECK(wait_for(fd[0], POLLIN | POLLRDHUP | POLLOUT, 1000) ==
	      (POLLIN | POLLRDHUP | POLLOUT));
	CHECK(write(fd[0], "answer", 6) == 6);
	close(fd[0]);
	CHECK(recv(fd[1], buf, sizeof(buf), MSG_WAITALL) == 6);
	CHECK(read(fd[1], buf, sizeof(buf)) == 0);
	CHECK(wait_for(fd[1], POLLIN, 1000) & POLLHUP);
	CHECK_ERR(write(fd[1], "x", 1), EPIPE);
	close(fd[1]);
}

static void names(void)
{
	struct sockaddr_in a, b;
	socklen_t len = sizeof(a);
	int fd[2];

	tcp_pair(AF_INET, fd);
	CHECK(getpeername(fd[1], (struct sockaddr *)&a, &len) == 0);
	CHECK(len == sizeof(a) && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(getsockname(fd[0], (struct sockaddr *)&b, &len) == 0);
	CHECK(a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr);
	CHECK(getsockname(fd[1], (struct sockaddr *)&a, &len) == 0);
	CHECK(getpeername(fd[0], (struct sockaddr *)&b, &len) == 0);
	CHECK(a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr);
	close(fd[0]);
	close(fd[1]);
}

/* An IPv6 listener takes IPv4 connections and shows them as mapped addresses. */
static void dual_stack(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6}, peer;
	socklen_t len = sizeof(any);
	int listener = socket(AF_INET6, SOCK_STREAM, 0), a, b, off = 0;

	CHECK(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0);
	CHECK(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0);
	CHECK(listen(listener, 5) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&any, &len) == 0);
	for (int v6 = 0; v6 < 2; v6++) {
		a = tcp_connect(v6 ? AF_INET6 : AF_INET, ntohs(any.sin6_port), 0);
		CHECK(a >= 0);
		len = sizeof(peer);
		b = accept(listener, (struct sockaddr *)&peer, &len);
		CHECK(b >= 0 && len == sizeof(peer) && peer.sin6_family == AF_INET6);
		CHECK(IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr) == !v6);
		close(a);
		close(b);
	}
	/* The other way: an IPv6 socket connects to a mapped address. */
	unsigned short port;
	int l4 = tcp_listener(AF_INET, &port);
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
	a = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(connect(a, (struct sockaddr *)&to, sizeof(to)) == 0);
	close(a);
	close(l4);
	close(listener);
}

static void peek_and_vectors(void)
{
	char a[4], b[8];
	struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdefgh", 6}}, in[2] = {{a, 4}, {b, 8}};
	struct msghdr m = {.msg_iov = in, .msg_iovlen = 2};
	int fd[2], n = 0, one = 1;

	tcp_pair(AF_INET, fd);
	CHECK(setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	CHECK(writev(fd[0], out, 3) == 8);
	CHECK(wait_for(fd[1], POLLIN, 1000) == POLLIN);
	CHECK(recv(fd[1], a, 4, MSG_PEEK) == 4 && memcmp(a, "abcd", 4) == 0);
	CHECK(ioctl(fd[1], FIONREAD, &n) == 0 && n == 8);
	CHECK(recvmsg(fd[1], &m, 0) == 8);
	CHECK(memcmp(a, "abcd", 4) == 0 && memcmp(b, "efgh", 4) == 0);
	CHECK_ERR(recv(fd[1], a, 4, MSG_DONTWAIT), EAGAIN);
	CHECK(ioctl(fd[1], FIONBIO, &one) == 0);
	CHECK_ERR(read(fd[1], a, 4), EAGAIN);
	CHECK(fcntl(fd[1], F_GETFL) & O_NONBLOCK);
	CHECK(send(fd[0], "12", 2, MSG_MORE) == 2 && send(fd[0], "3", 1, 0) == 1);
	CHECK(wait_for(fd[1], POLLIN, 1000) == POLLIN);
	CHECK(recv(fd[1], a, 3, MSG_WAITALL) == 3 && memcmp(a, "123", 3) == 0);
	close(fd[0]);
	close(fd[1]);
}

static long ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void timeouts(void)
{
	struct timeval tv = {.tv_usec = 50000}, back;
	socklen_t len = sizeof(back);
	long start;
	char c;
	int fd[2];

	tcp_pair(AF_INET, fd);
	CHECK(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	CHECK(getsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &back, &len) == 0);
	CHECK(back.tv_sec == 0 && back.tv_usec >= 50000); /* Linux rounds up to its ticks */
	start = ms_now();
	CHECK_ERR(read(fd[0], &c, 1), EAGAIN);
	CHECK(ms_now() - start >= 49);
	close(fd[0]);
	close(fd[1]);
}

static void edge_triggered(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET}, got;
	int fd[2], ep = epoll_create1(0);
	char c;

	tcp_pair(AF_INET, fd);
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev) == 0);
	CHECK(epoll_wait(ep, &got, 1, 0) == 0);
	CHECK(write(fd[1], "ab", 2) == 2);
	CHECK(epoll_wait(ep, &got, 1, 1000) == 1 && got.events == EPOLLIN);
	CHECK(read(fd[0], &c, 1) == 1);
	CHECK(epoll_wait(ep, &got, 1, 0) == 0); /* half is left, but nothing is new */
	CHECK(write(fd[1], "c", 1) == 1);
	CHECK(epoll_wait(ep, &got, 1, 1000) == 1 && got.events == EPOLLIN);
	close(fd[1]);
	CHECK(epoll_wait(ep, &got, 1, 1000) == 1);
	CHECK(got.events == (EPOLLIN | EPOLLRDHUP));
	close(fd[0]);
	close(ep);
}

static void nonblocking_connect(void)
{
	unsigned short port;
	int listener = tcp_listener(AF_INET, &port), fd, err = -1, peer;
	socklen_t len = sizeof(err);

	CHECK(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
	CHECK_ERR(accept(listener, NULL, NULL), EAGAIN);
	fd = tcp_connect(AF_INET, port, SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(wait_for(fd, POLLOUT, 1000) == POLLOUT);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0);
	CHECK(wait_for(listener, POLLIN, 1000) == POLLIN);
	peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	CHECK(peer >= 0 && (fcntl(peer, F_GETFL) & O_NONBLOCK));
	close(peer);
	close(fd);
	close(listener);
}

void test_tcp(void)
{
	half_close(AF_INET);
	half_close(AF_INET6);
	names();
	dual_stack();
	peek_and_vectors();
	timeouts();
	edge_triggered();
	nonblocking_connect();
}
