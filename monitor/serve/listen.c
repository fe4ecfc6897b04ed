/* SPDX-License-Identifier: MIT
 *
 * listen.c: see listen.h. No name is looked up: addresses are numbers.
 */
#include "monitor/serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/num.h"

#define BACKLOG 1024

static int parse_unix(const char *path, struct serve_addr *ret, char *err, size_t errlen)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->addr;
	size_t n = strlen(path);

	if (!n || n >= sizeof un->sun_path)
		return err_put(err, errlen, -EINVAL, "unix:PATH takes a path of 1 to %zu bytes",
			       sizeof un->sun_path - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n + 1);
	ret->len = sizeof *un;
	return 0;
}

static int parse_inet(const char *host, uint16_t port, struct serve_addr *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->addr;

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		ret->len = sizeof *in;
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		ret->len = sizeof *in6;
		return 0;
	}
	return -EINVAL;
}

int serve_addr_parse(const char *text, struct serve_addr *ret, char *err, size_t errlen)
{
	const char *colon = strrchr(text, ':'), *port_text = colon ? colon + 1 : text;
	char host[INET6_ADDRSTRLEN] = "127.0.0.1";
	uint64_t n;

	*ret = (struct serve_addr){.fd = -1};
	if (!strncmp(text, "unix:", 5))
		return parse_unix(text + 5, ret, err, errlen);
	if (!strncmp(text, "fd:", 3)) {
		if (num_u64(text + 3, strlen(text + 3), 3, 1 << 20, &n))
			return err_put(err, errlen, -EINVAL,
				       "fd:N takes the number of a listening socket, 3 or more");
		ret->fd = (int)n;
		return 0;
	}
	if (colon) {
		size_t len = (size_t)(colon - text);
		bool bracket = len >= 2 && text[0] == '[' && text[len - 1] == ']';

		len -= bracket ? 2 : 0;
		if (len >= sizeof host)
			len = 0;
		memcpy(host, text + bracket, len);
		host[len] = '\0';
	}
	if (num_u64(port_text, strlen(port_text), 0, 65535, &n) ||
	    parse_inet(host, (uint16_t)n, ret))
		return err_put(err, errlen, -EINVAL,
			       "'%.64s' is no address to listen on: write PORT, ADDR:PORT, "
			       "[ADDR6]:PORT, unix:PATH "
			       "or fd:N",
			       text);
	return 0;
}

/* A socket file that nobody listens on is left from before. */
static bool stale(const struct serve_addr *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)&a->addr, a->len) &&
		    errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return dead;
}

static int adopt(int fd, char *err, size_t errlen)
{
	int on = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof on;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) || !on)
		return err_put(err, errlen, -EINVAL, "--serve fd:%d: not a listening socket", fd);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return err_put(err, errlen, -errno, "--serve fd:%d: %s", fd, strerror(errno));
	return fd;
}

int serve_listen(const char *text, char *err, size_t errlen)
{
	struct serve_addr a;
	const int on = 1;
	int r = serve_addr_parse(text, &a, err, errlen);

	if (r)
		return r;
	if (a.fd >= 0)
		return adopt(a.fd, err, errlen);
	int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_put(err, errlen, -errno, "--serve %s: %s", text, strerror(errno));
	if (a.addr.ss_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	r = bind(fd, (struct sockaddr *)&a.addr, a.len);
	if (r && errno == EADDRINUSE && a.addr.ss_family == AF_UNIX && stale(&a)) {
		unlink(((struct sockaddr_un *)&a.addr)->sun_path);
		r = bind(fd, (struct sockaddr *)&a.addr, a.len);
	}
	if (!r)
		r = listen(fd, BACKLOG);
	if (r) {
		r = err_put(err, errlen, -errno, "--serve %s: %s%s", text, strerror(errno),
			    errno == EADDRINUSE ? ": stop who listens there or choose another"
						: "");
		close(fd);
		return r;
	}
	return fd;
}

void serve_addr_print(int fd, char *buf, size_t len)
{
	struct sockaddr_storage a = {0};
	socklen_t alen = sizeof a;
	char host[INET6_ADDRSTRLEN] = "?";

	getsockname(fd, (struct sockaddr *)&a, &alen);
	if (a.ss_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&a;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(buf, len, "http://%s:%u/", host, ntohs(in->sin_port));
	} else if (a.ss_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
		snprintf(buf, len, "http://[%s]:%u/", host, ntohs(in6->sin6_port));
	} else {
		snprintf(buf, len, "unix:%s", ((struct sockaddr_un *)&a)->sun_path);
	}
}
