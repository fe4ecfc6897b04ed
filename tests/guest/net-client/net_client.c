/* SPDX-License-Identifier: MIT
 *
 * net-client: the guest as a client: net-client HOST PORT [BYTES]. Resolves HOST, sends BYTES
 * (default 1 MiB) of a pattern by TCP, half-closes, and checks that the same comes back; then 10
 * datagrams. Exit 0 when all did.
 * net-client --dns NAME: asks port 53 of 127.0.0.1, which leads to the configured name server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (16 << 10)

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * 31 + i / 253);
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/* Send and receive at the same time: the echo of much data would block both sides otherwise. */
static int tcp_echo(const struct addrinfo *ai, uint64_t total)
{
	static uint8_t buf[CHUNK];
	uint64_t sent = 0, got = 0;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		return fail("connect");
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (sent < total)
			p.events |= POLLOUT;
		if (poll(&p, 1, 10000) <= 0)
			return fail("poll");
		if (p.revents & POLLOUT && sent < total) {
			size_t len = total - sent < CHUNK ? (size_t)(total - sent) : CHUNK;

			for (size_t i = 0; i < len; i++)
				buf[i] = byte_at(sent + i);
			n = send(fd, buf, len, MSG_DONTWAIT);
			sent += n > 0 ? (uint64_t)n : 0;
			if (sent == total && shutdown(fd, SHUT_WR) < 0)
				return fail("shutdown");
		}
		if (p.revents & POLLIN) {
			n = read(fd, buf, sizeof(buf));
			if (n < 0)
				return fail("read");
			if (n == 0)
				break;
			for (ssize_t i = 0; i < n; i++)
				if (buf[i] != byte_at(got + (uint64_t)i)) {
					printf("wrong byte at %llu\n", (unsigned long long)got);
					return 1;
				}
			got += (uint64_t)n;
		}
	}
	close(fd);
	printf("tcp: %llu of %llu bytes came back\n", (unsigned long long)got,
	       (unsigned long long)total);
	return got != total;
}

static int udp_echo(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_DGRAM, 0), ok = 0;

	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		return fail("connect (udp)");
	for (int i = 0; i < 10; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char out[64], in[64];
		int len = snprintf(out, sizeof(out), "datagram %d", i);

		if (send(fd, out, (size_t)len, 0) != len)
			return fail("send");
		if (poll(&p, 1, 5000) == 1 && recv(fd, in, sizeof(in), 0) == len &&
		    memcmp(in, out, (size_t)len) == 0)
			ok++;
	}
	close(fd);
	printf("udp: %d of 10 datagrams came back\n", ok);
	return ok != 10;
}

/* As musl does it without an /etc/resolv.conf: the answer must seem to come from where the query
 * went. */
static int ask_loopback(const char *name)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(53),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   from;
	socklen_t len = sizeof(from);
	unsigned char q[300], a[512];
	int n = res_mkquery(0, name, 1, 1, NULL, 0, NULL, q, sizeof(q));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t got;

	if (sendto(fd, q, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)) != n)
		return fail("sendto");
	if (poll(&p, 1, 5000) != 1)
		return fail("poll");
	got = recvfrom(fd, a, sizeof(a), 0, (struct sockaddr *)&from, &len);
	if (got < 12 || memcmp(a, q, 2) != 0 || (a[3] & 15) != 0)
		return fail("answer");
	printf("dns: %zd bytes, %d answers, from %s\n", got, a[7], inet_ntoa(from.sin_addr));
	return from.sin_addr.s_addr != to.sin_addr.s_addr || from.sin_port != to.sin_port;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai;
	uint64_t total = argc > 3 ? strtoull(argv[3], NULL, 10) : 1 << 20;
	int r;

	if (argc == 3 && strcmp(argv[1], "--dns") == 0)
		return ask_loopback(argv[2]);
	if (argc < 3) {
		printf("usage: net-client HOST PORT [BYTES]\n");
		return 2;
	}
	r = getaddrinfo(argv[1], argv[2], &hints, &ai);
	if (r) {
		printf("%s: %s\n", argv[1], gai_strerror(r));
		return 1;
	}
	r = tcp_echo(ai, total);
	r = r ? r : udp_echo(ai);
	freeaddrinfo(ai);
	return r;
}
