/* SPDX-License-Identifier: MIT
 *
 * bulk.c: much data through few connections and little through many, compared byte for byte.
 */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOTAL (4u << 20)
#define MANY  64

/* The byte at any place of the stream: the pattern does not repeat at any power of two. */
static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void pump(int family, size_t chunk)
{
	static uint8_t buf[64 << 10];
	struct pollfd p[2];
	size_t sent = 0, got = 0, bad = 0;
	int fd[2];

	tcp_pair(family, fd);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	while (got < TOTAL) {
		ssize_t n;

		p[0] = (struct pollfd){.fd = fd[0], .events = sent < TOTAL ? POLLOUT : 0};
		p[1] = (struct pollfd){.fd = fd[1], .events = POLLIN};
		if (poll(p, 2, 5000) <= 0)
			break;
		if (p[0].revents & POLLOUT) {
			size_t len = TOTAL - sent < chunk ? TOTAL - sent : chunk;

			for (size_t i = 0; i < len; i++)
				buf[i] = byte_at(sent + i);
			n = write(fd[0], buf, len);
			CHECK(n > 0);
			sent += n > 0 ? (size_t)n : 0;
		}
		if (p[1].revents & POLLIN) {
			n = read(fd[1], buf, sizeof(buf));
			for (ssize_t i = 0; i < n; i++)
				bad += buf[i] != byte_at(got + (size_t)i);
			CHECK(n > 0);
			got += n > 0 ? (size_t)n : 0;
		}
	}
	CHECK(got == TOTAL);
	CHECK(bad == 0);
	close(fd[0]);
	close(fd[1]);
}

/* A writer that nobody reads from must be told so, and be woken when there is room again. */
static void backpressure(void)
{
	static char buf[16 << 10];
	size_t sent = 0, got = 0;
	ssize_t n;
	int fd[2];

	tcp_pair(AF_INET, fd);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	for (int idle = 0; idle < 20;) {
		n = write(fd[0], buf, sizeof(buf));
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		if (sent > (64u << 20))
			break;
		if (n < 0)
			wait_for(fd[0], POLLOUT, 10);
	}
	CHECK(sent > 0 && sent < (64u << 20));
	CHECK(wait_for(fd[0], POLLOUT, 0) == 0);
	while (got < sent && wait_for(fd[1], POLLIN, 5000) & POLLIN) {
		n = read(fd[1], buf, sizeof(buf));
		got += n > 0 ? (size_t)n : 0;
	}
	CHECK(got == sent);
	CHECK(wait_for(fd[0], POLLOUT, 1000) == POLLOUT);
	close(fd[0]);
	close(fd[1]);
}

static void many(void)
{
	static int client[MANY], server[MANY];
	struct epoll_event ev, got[16];
	unsigned short port;
	int listener = tcp_listener(AF_INET, &port), ep = epoll_create1(0), echoes = 0;
	char c;

	for (int i = 0; i < MANY; i++) {
		client[i] = tcp_connect(AF_INET, port, 0);
		CHECK(client[i] >= 0);
		server[i] = accept(listener, NULL, NULL);
		CHECK(server[i] >= 0);
		ev = (struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)i};
		CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, server[i], &ev) == 0);
	}
	for (int i = 0; i < MANY; i++) {
		c = (char)i;
		CHECK(write(client[i], &c, 1) == 1);
	}
	while (echoes < MANY) {
		int n = epoll_wait(ep, got, 16, 2000);

		CHECK(n > 0);
		if (n <= 0)
			break;
		for (int k = 0; k < n; k++) {
			int i = (int)got[k].data.u32;

			CHECK(read(server[i], &c, 1) == 1 && c == (char)i);
			CHECK(write(server[i], &c, 1) == 1);
			echoes++;
		}
	}
	for (int i = 0; i < MANY; i++) {
		CHECK(read(client[i], &c, 1) == 1 && c == (char)i);
		close(client[i]);
		CHECK(read(server[i], &c, 1) == 0);
		close(server[i]);
	}
	close(ep);
	close(listener);
}

void test_tcp_bulk(void)
{
	pump(AF_INET, 64 << 10);
	pump(AF_INET, 1000);
	pump(AF_INET6, 64 << 10);
	backpressure();
	many();
}
