/* SPDX-License-Identifier: MIT
 *
 * net-loopback: the socket layer tested against itself over 127.0.0.1 and ::1. Also runs as a Linux
 * process, which is how the expectations were made. Prints PASS and exits 0, or names what failed
 * and exits 1.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int failures;

static socklen_t loopback(int family, unsigned short port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (family == AF_INET) {
		struct sockaddr_in in = {.sin_family = AF_INET,
					 .sin_port = htons(port),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

int tcp_listener(int family, unsigned short *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, 0, &ss);
	int fd = socket(family, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&ss, len) == 0);
	CHECK(listen(fd, 100) == 0);
	len = sizeof(ss);
	CHECK(getsockname(fd, (struct sockaddr *)&ss, &len) == 0);
	*ret_port = ntohs(((struct sockaddr_in *)&ss)->sin_port); /* same place in both families */
	CHECK(*ret_port != 0);
	return fd;
}

int tcp_connect(int family, unsigned short port, int flags)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, port, &ss);
	int fd = socket(family, SOCK_STREAM | flags, 0), r, e;

	CHECK(fd >= 0);
	r = connect(fd, (struct sockaddr *)&ss, len);
	e = errno;
	if (r < 0 && !(flags & SOCK_NONBLOCK && e == EINPROGRESS)) {
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

void tcp_pair(int family, int ret_fds[2])
{
	unsigned short port;
	int listener = tcp_listener(family, &port);

	ret_fds[1] = tcp_connect(family, port, 0);
	CHECK(ret_fds[1] >= 0);
	ret_fds[0] = accept(listener, NULL, NULL);
	CHECK(ret_fds[0] >= 0);
	close(listener);
}

int wait_for(int fd, int events, int ms)
{
	struct pollfd p = {.fd = fd, .events = (short)events};

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_unix();
	test_udp();
	test_tcp();
	test_tcp_errors();
	test_tcp_bulk();
	printf(failures ? "FAIL: %d checks\n" : "PASS\n", failures);
	return failures ? 1 : 0;
}
