/* SPDX-License-Identifier: MIT
 *
 * net-echo: the guest as a server: echoes TCP and UDP on port 7 over both families, and answers GET
 * /N on port 8080 with N bytes of a pattern. "QUIT" by UDP ends it with status 0. One thread,
 * epoll, non-blocking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF (32 << 10)

enum kind { TCP_LISTEN_FD, HTTP_LISTEN_FD, UDP_FD, TCP_CONN, HTTP_CONN };

struct conn {
	enum kind kind;
	int fd;
	int eof;
	uint32_t events;
	uint64_t left, at; /* HTTP: body bytes to send, and sent */
	size_t have, off;  /* of buf: echo not sent yet; HTTP: request so far */
	char buf[BUF];
};

static int ep;

static void watch(struct conn *c, uint32_t events, int op)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (op == EPOLL_CTL_MOD && events == c->events)
		return;
	c->events = events;
	if (epoll_ctl(ep, op, c->fd, &ev) < 0)
		perror("epoll_ctl");
}

static struct conn *add(enum kind kind, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || fd < 0) {
		perror("net-echo");
		exit(1);
	}
	c->kind = kind;
	c->fd = fd;
	watch(c, EPOLLIN, EPOLL_CTL_ADD);
	return c;
}

static int open_port(int type, unsigned short port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0), one = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -1;
	if (type == SOCK_STREAM && listen(fd, 128) < 0)
		return -1;
	return fd;
}

static void drop(struct conn *c)
{
	close(c->fd);
	free(c);
}

static void echo_udp(struct conn *c)
{
	struct sockaddr_in6 from;
	socklen_t len;
	ssize_t n;

	for (;;) {
		len = sizeof(from);
		n = recvfrom(c->fd, c->buf, sizeof(c->buf), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		sendto(c->fd, c->buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		if (n == 4 && memcmp(c->buf, "QUIT", 4) == 0)
			exit(0);
	}
}

static int echo_tcp(struct conn *c)
{
	for (;;) {
		ssize_t n;

		if (c->off < c->have) {
			n = write(c->fd, c->buf + c->off, c->have - c->off);
			if (n < 0)
				return errno == EAGAIN ? (watch(c, EPOLLOUT, EPOLL_CTL_MOD), 0)
						       : -1;
			c->off += (size_t)n;
			continue;
		}
		if (c->eof)
			return -1;
		n = read(c->fd, c->buf, sizeof(c->buf));
		if (n < 0)
			return errno == EAGAIN ? (watch(c, EPOLLIN, EPOLL_CTL_MOD), 0) : -1;
		c->eof = n == 0;
		c->off = 0;
		c->have = (size_t)n;
	}
}

static int start_body(struct conn *c)
{
	char head[128];
	int n;

	c->left = strtoull(c->buf + 5, NULL, 10);
	c->at = 0;
	c->have = 0;
	n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
		     (unsigned long long)c->left);
	return send(c->fd, head, (size_t)n, MSG_MORE) == n ? 0 : -1;
}

/* The body: byte i is (i / 7 + i) mod 256, so that the client can compute its checksum. */
static int send_body(struct conn *c)
{
	while (c->left > 0) {
		size_t len = c->left < BUF ? (size_t)c->left : BUF;
		ssize_t n;

		for (size_t i = 0; i < len; i++)
			c->buf[i] = (char)((c->at + i) / 7 + c->at + i);
		n = write(c->fd, c->buf, len);
		if (n < 0)
			return errno == EAGAIN ? (watch(c, EPOLLOUT, EPOLL_CTL_MOD), 0) : -1;
		c->left -= (uint64_t)n;
		c->at += (uint64_t)n;
	}
	watch(c, EPOLLIN, EPOLL_CTL_MOD);
	return 0;
}

static int serve_http(struct conn *c)
{
	ssize_t n;

	if (c->left)
		return send_body(c);
	n = read(c->fd, c->buf + c->have, sizeof(c->buf) - 1 - c->have);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	c->have += (size_t)n;
	c->buf[c->have] = '\0';
	if (!strstr(c->buf, "\r\n\r\n"))
		return c->have < sizeof(c->buf) - 1 ? 0 : -1;
	return start_body(c) < 0 ? -1 : send_body(c);
}

static void on_event(struct conn *c)
{
	int fd, bad = 0;

	switch (c->kind) {
	case TCP_LISTEN_FD:
	case HTTP_LISTEN_FD:
		while ((fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
			add(c->kind == TCP_LISTEN_FD ? TCP_CONN : HTTP_CONN, fd);
		return;
	case UDP_FD:
		echo_udp(c);
		return;
	case TCP_CONN:
		bad = echo_tcp(c);
		break;
	case HTTP_CONN:
		bad = serve_http(c);
		break;
	}
	if (bad)
		drop(c);
}

int main(void)
{
	struct epoll_event got[32];

	ep = epoll_create1(0);
	add(TCP_LISTEN_FD, open_port(SOCK_STREAM, 7));
	add(HTTP_LISTEN_FD, open_port(SOCK_STREAM, 8080));
	add(UDP_FD, open_port(SOCK_DGRAM, 7));
	printf("net-echo: listening\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, got, 32, -1);

		for (int i = 0; i < n; i++)
			on_event(got[i].data.ptr);
	}
}
