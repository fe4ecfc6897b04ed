/* SPDX-License-Identifier: MIT
 *
 * main.c: socket calls by remote control. Each datagram to port 9 is one call, "NUMBER CALL
 * ARGUMENT...", and is answered with "NUMBER RESULT ERRNO TEXT". What is to be tested is in the
 * Python files beside this one, which are also the network that the calls are made on. Runs as a
 * guest and, for comparison, as a Linux process. It trusts its controller.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 9
#define BUF  (256 << 10)

static unsigned char buf[BUF];
static char text[1300];

/* What every stream carries: byte number `at`. */
static unsigned char content(unsigned at)
{
	return (unsigned char)(at * 31 + (at >> 8) * 7);
}

static socklen_t address(const char *ip, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(ip, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((unsigned short)atoi(port));
		inet_pton(AF_INET6, ip, &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((unsigned short)atoi(port));
	inet_pton(AF_INET, ip, &in->sin_addr);
	return sizeof(*in);
}

static void tell_address(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	char ip[INET6_ADDRSTRLEN];

	if (sa->ss_family == AF_INET6)
		snprintf(text, sizeof(text), "%s %d",
			 inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip)),
			 ntohs(in6->sin6_port));
	else
		snprintf(text, sizeof(text), "%s %d",
			 inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip)), ntohs(in->sin_port));
}

static long do_socket(char **a)
{
	int family = atoi(a[0]) == 6 ? AF_INET6 : AF_INET;

	return socket(family, (*a[1] == 't' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
}

static long do_bind(char **a)
{
	struct sockaddr_storage sa;
	socklen_t len = address(a[1], a[2], &sa);

	return bind(atoi(a[0]), (void *)&sa, len);
}

static long do_connect(char **a)
{
	struct sockaddr_storage sa;
	socklen_t len = address(a[1], a[2], &sa);

	return connect(atoi(a[0]), (void *)&sa, len);
}

static long do_listen(char **a)
{
	return listen(atoi(a[0]), atoi(a[1]));
}

static long do_accept(char **a)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int fd = accept4(atoi(a[0]), (void *)&sa, &len, SOCK_NONBLOCK);

	if (fd >= 0)
		tell_address(&sa);
	return fd;
}

/* send FD FROM COUNT FLAGS: bytes FROM.. of the stream */
static long do_send(char **a)
{
	unsigned at = (unsigned)atoi(a[1]), n = (unsigned)atoi(a[2]);

	for (unsigned i = 0; i < n && i < BUF; i++)
		buf[i] = content(at + i);
	return send(atoi(a[0]), buf, n, atoi(a[3]) | MSG_NOSIGNAL);
}

/* recv FD FROM COUNT FLAGS: the text is what came in hexadecimal, or whether a longer piece is
 * right. */
static long do_recv(char **a)
{
	unsigned at = (unsigned)atoi(a[1]), n = (unsigned)atoi(a[2]);
	ssize_t r = recv(atoi(a[0]), buf, n < BUF ? n : BUF, atoi(a[3]));
	int error = errno;

	for (ssize_t i = 0; i < r && i < 32; i++)
		sprintf(text + 2 * i, "%02x", buf[i]);
	for (ssize_t i = 0; i < r && r > 32; i++)
		if (buf[i] != content(at + (unsigned)i)) {
			snprintf(text, sizeof(text), "wrong at %zd", i);
			break;
		} else if (i == r - 1) {
			strcpy(text, "right");
		}
	errno = error;
	return r;
}

static long do_sendto(char **a)
{
	struct sockaddr_storage sa;
	socklen_t len = address(a[1], a[2], &sa);

	return sendto(atoi(a[0]), buf, (size_t)atoi(a[3]), 0, (void *)&sa, len);
}

/* poll FD EVENTS MS: what holds, as a number */
static long do_poll(char **a)
{
	struct pollfd p = {.fd = atoi(a[0]), .events = (short)atoi(a[1])};
	int r = poll(&p, 1, atoi(a[2]));

	return r < 0 ? r : p.revents;
}

static long do_setopt(char **a)
{
	int v = atoi(a[3]);

	return setsockopt(atoi(a[0]), atoi(a[1]), atoi(a[2]), &v, sizeof(v));
}

static long do_linger(char **a)
{
	struct linger l = {.l_onoff = 1, .l_linger = atoi(a[1])};

	return setsockopt(atoi(a[0]), SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static long do_getopt(char **a)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return getsockopt(atoi(a[0]), atoi(a[1]), atoi(a[2]), &v, &len) ? -1 : v;
}

static long do_name(char **a)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int fd = atoi(a[0]), r = *a[1] == 'p' ? getpeername(fd, (void *)&sa, &len)
					      : getsockname(fd, (void *)&sa, &len);

	if (r == 0)
		tell_address(&sa);
	return r;
}

static long do_shutdown(char **a)
{
	return shutdown(atoi(a[0]), atoi(a[1]));
}

static long do_close(char **a)
{
	return close(atoi(a[0]));
}

static long do_block(char **a)
{
	return fcntl(atoi(a[0]), F_SETFL, 0);
}

static long do_resolve(char **a)
{
	struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *list;
	int r = getaddrinfo(a[0], NULL, &hint, &list);
	long n = 0;
	size_t at = 0;

	if (r) {
		snprintf(text, sizeof(text), "%s", gai_strerror(r));
		return -1;
	}
	for (struct addrinfo *i = list; i; i = i->ai_next, n++) {
		char ip[INET6_ADDRSTRLEN] = "";

		getnameinfo(i->ai_addr, i->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST);
		if (at + sizeof(ip) < sizeof(text))
			at += (size_t)sprintf(text + at, "%s ", ip);
	}
	freeaddrinfo(list);
	return n;
}

static const struct {
	const char *name;
	int args;
	long (*fn)(char **a);
} calls[] = {
	{"socket", 2, do_socket}, {"bind", 3, do_bind},	      {"connect", 3, do_connect},
	{"listen", 2, do_listen}, {"accept", 1, do_accept},   {"send", 4, do_send},
	{"recv", 4, do_recv},	  {"sendto", 4, do_sendto},   {"poll", 3, do_poll},
	{"setopt", 4, do_setopt}, {"getopt", 3, do_getopt},   {"linger", 2, do_linger},
	{"name", 2, do_name},	  {"close", 1, do_close},     {"shutdown", 2, do_shutdown},
	{"block", 1, do_block},	  {"resolve", 1, do_resolve},
};

/* Result and errno of one line; the text is left in `text`. */
static long call(char **word, int n, int *ret_errno)
{
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (n == calls[i].args + 1 && strcmp(word[0], calls[i].name) == 0) {
			long r;

			errno = 0;
			r = calls[i].fn(word + 1);
			*ret_errno = r < 0 ? errno : 0;
			return r;
		}
	*ret_errno = ENOSYS;
	return -1;
}

int main(void)
{
	struct sockaddr_storage sa, from;
	socklen_t len = address("0.0.0.0", "9", &sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	static char answered[32], answer[1500];

	signal(SIGPIPE, SIG_IGN);
	if (fd < 0 || bind(fd, (void *)&sa, len))
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;) {
		char line[512], *word[8], *save = NULL;
		int n = 0, error = 0;
		ssize_t got;
		long r;

		len = sizeof(from);
		got = recvfrom(fd, line, sizeof(line) - 1, 0, (void *)&from, &len);
		if (got <= 0)
			continue;
		line[got] = '\0';
		for (char *w = strtok_r(line, " ", &save); w && n < 8;
		     w = strtok_r(NULL, " ", &save))
			word[n++] = w;
		if (n < 2)
			continue;
		if (strcmp(word[1], "exit") == 0)
			return 0;
		/* Asked again: the answer was lost. */
		if (strcmp(answered, word[0]) != 0) {
			r = call(word + 1, n - 1, &error);
			snprintf(answered, sizeof(answered), "%s", word[0]);
			snprintf(answer, sizeof(answer), "%s %ld %d %s", word[0], r, error, text);
		}
		sendto(fd, answer, strlen(answer), 0, (void *)&from, len);
	}
}
