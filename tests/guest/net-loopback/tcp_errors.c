/* SPDX-License-Identifier: MIT
 *
 * tcp_errors.c: what must fail, and with which errno.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned short closed_port(void)
{
	unsigned short port;
	int fd = tcp_listener(AF_INET, &port);

	close(fd);
	return port;
}

static void refused(void)
{
	int fd, err = 0;
	socklen_t len = sizeof(err);

	CHECK_ERR(tcp_connect(AF_INET, closed_port(), 0), ECONNREFUSED);
	CHECK_ERR(tcp_connect(AF_INET6, closed_port(), 0), ECONNREFUSED);
	fd = tcp_connect(AF_INET, closed_port(), SOCK_NONBLOCK);
	if (fd < 0) /* Linux may refuse at once on loopback */
		return;
	CHECK(wait_for(fd, POLLOUT, 1000) & POLLERR);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == ECONNREFUSED);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0);
	close(fd);
}

static void addresses(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET}, foreign = {.sin_family = AF_INET};
	unsigned short port;
	int a = tcp_listener(AF_INET, &port), b = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_ERR(bind(b, (struct sockaddr *)&in, sizeof(in)), EADDRINUSE);
	CHECK_ERR(bind(b, (struct sockaddr *)&in, 4), EINVAL);
	foreign.sin_addr.s_addr = htonl(0xc0000207); /* 192.0.2.7 */
	CHECK_ERR(bind(b, (struct sockaddr *)&foreign, sizeof(foreign)), EADDRNOTAVAIL);
	CHECK_ERR(getpeername(b, (struct sockaddr *)&in, &(socklen_t){sizeof(in)}), ENOTCONN);
	CHECK_ERR(socket(AF_INET, SOCK_STREAM, 132), EPROTONOSUPPORT);
	CHECK_ERR(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(listen(1, 1), ENOTSOCK);
	CHECK_ERR(listen(900, 1), EBADF);
	close(a);
	close(b);
}

/* A port in TIME_WAIT is free for a server that says SO_REUSEADDR, and for nobody else. */
static void reuse(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	unsigned short port;
	int listener = tcp_listener(AF_INET, &port), a, b, one = 1;
	char c;

	/* Both must have said so. */
	CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	a = tcp_connect(AF_INET, port, 0);
	b = accept(listener, NULL, NULL);
	close(listener);
	close(b); /* the server's side closes first and keeps the port */
	CHECK(read(a, &c, 1) == 0);
	close(a);
	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERR(bind(b, (struct sockaddr *)&in, sizeof(in)), EADDRINUSE);
	CHECK(setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(b, (struct sockaddr *)&in, sizeof(in)) == 0);
	CHECK(listen(b, 1) == 0);
	close(b);
}

/* Closing with data unread tells the peer that it was lost. */
static void reset_by_close(void)
{
	char c;
	int fd[2];

	tcp_pair(AF_INET, fd);
	CHECK(write(fd[0], "unread", 6) == 6);
	CHECK(wait_for(fd[1], POLLIN, 1000) == POLLIN);
	close(fd[1]);
	CHECK(wait_for(fd[0], POLLIN, 1000) & POLLERR);
	CHECK_ERR(read(fd[0], &c, 1), ECONNRESET);
	CHECK_ERR(send(fd[0], &c, 1, MSG_NOSIGNAL), EPIPE);
	close(fd[0]);
}

static void reset_by_linger(void)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};
	char c;
	int fd[2];

	tcp_pair(AF_INET, fd);
	CHECK(setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
	close(fd[0]);
	CHECK_ERR(read(fd[1], &c, 1), ECONNRESET);
	close(fd[1]);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

/* SIGPIPE comes once a write, and not at all with MSG_NOSIGNAL. */
static void broken_pipe(void)
{
	int fd[2];

	signal(SIGPIPE, on_pipe);
	tcp_pair(AF_INET, fd);
	CHECK(shutdown(fd[0], SHUT_WR) == 0);
	CHECK_ERR(write(fd[0], "x", 1), EPIPE);
	CHECK(pipes == 1);
	CHECK_ERR(send(fd[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(pipes == 1);
	signal(SIGPIPE, SIG_IGN);
	close(fd[0]);
	close(fd[1]);
}

static void not_connected(void)
{
	struct pollfd p;
	char c;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	p = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
	CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLOUT | POLLHUP));
	CHECK_ERR(read(fd, &c, 1), ENOTCONN);
	CHECK_ERR(send(fd, &c, 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERR(shutdown(fd, SHUT_RDWR), ENOTCONN);
	CHECK_ERR(accept(fd, NULL, NULL), EINVAL);
	CHECK_ERR(lseek(fd, 0, SEEK_SET), ESPIPE);
	close(fd);
}

void test_tcp_errors(void)
{
	refused();
	addresses();
	reuse();
	reset_by_close();
	reset_by_linger();
	broken_pipe();
	not_connected();
}
