/* SPDX-License-Identifier: MIT
 *
 * udp_echo.c: sends every datagram back to where it came from. Trusts nobody: a datagram is only
 * bytes, and an answer that cannot be sent is dropped like any other datagram.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 65535

static const char usage_text[] =
	"usage: udp-echo [-p PORT] [-n COUNT]\n"
	"  -p PORT   UDP port to listen on (default 7)\n"
	"  -n COUNT  exit with status 0 after COUNT datagrams (default: never)\n";

static int parse_number(const char *s, unsigned long long max, unsigned long long *ret)
{
	char *end;
	unsigned long long v;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || *end || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int bind_udp(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int echo(int fd, unsigned long long count)
{
	static char buf[DATAGRAM_MAX];
	unsigned long long done = 0;

	while (!count || done < count) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n < 0) {
			/* An ICMP error to an earlier answer shows up here; it is no reason to
			 * stop. */
			if (errno == EINTR || errno == ECONNREFUSED)
				continue;
			return -errno;
		}
		if (sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len) < 0)
			fprintf(stderr, "udp-echo: send: %s\n", strerror(errno));
		done++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long port = 7, count = 0;
	int opt, fd, r;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		return 0;
	}
	while ((opt = getopt(argc, argv, "p:n:")) != -1) {
		if ((opt == 'p' && !parse_number(optarg, 65535, &port)) ||
		    (opt == 'n' && !parse_number(optarg, UINT64_MAX, &count)))
			continue;
		fputs(usage_text, stderr);
		return 2;
	}
	fd = bind_udp((uint16_t)port);
	if (fd < 0) {
		fprintf(stderr, "udp-echo: port %llu: %s\n", port, strerror(-fd));
		return 2;
	}
	printf("echoing UDP on port %llu\n", port);
	fflush(stdout);
	r = echo(fd, count);
	if (r < 0)
		fprintf(stderr, "udp-echo: %s\n", strerror(-r));
	close(fd);
	return r < 0;
}
