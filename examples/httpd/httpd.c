/* SPDX-License-Identifier: MIT
 *
 * httpd.c: a static file server: options, the listening socket and the event loop. A plain POSIX
 * program with epoll; the same source is a Linux process and a unikernel that serves its disk.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mayfly.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"

#define EVENTS 32

static const char usage_text[] =
	"usage: httpd [-p PORT] [-r ROOT] [-c MAXCONN] [-t SECONDS] [-f] [-v]\n"
	"  -p PORT     TCP port to listen on (default 80)\n"
	"  -r ROOT     directory to serve (default /)\n"
	"  -c MAXCONN  connections at one time (default 64); more wait, idle ones make room\n"
	"  -t SECONDS  end a connection that made no progress for so long (default 30)\n"
	"  -f          listening, let the VM be frozen here and cloned (mayfly_freeze)\n"
	"  -v          log each request to standard output\n"
	"  --help      this text\n";

struct options {
	unsigned long port, max_conns, timeout_s;
	const char *root;
	bool freeze, verbose;
};

static int parse_number(const char *s, unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	int opt, r = 0;

	while (!r && (opt = getopt(argc, argv, "p:r:c:t:fv")) != -1) {
		switch (opt) {
		case 'p':
			r = parse_number(optarg, 1, 65535, &o->port);
			break;
		case 'c':
			r = parse_number(optarg, 1, 65536, &o->max_conns);
			break;
		case 't':
			r = parse_number(optarg, 1, 86400, &o->timeout_s);
			break;
		case 'r':
			o->root = optarg;
			break;
		case 'f':
			o->freeze = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		default:
			return -EINVAL;
		}
		if (r)
			fprintf(stderr, "httpd: -%c %s: not a number in range\n", opt, optarg);
	}
	return optind < argc ? -EINVAL : r;
}

static int listen_tcp(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, r, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, SOMAXCONN))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* Returns only when the event queue itself fails. */
static int serve(struct server *s)
{
	struct epoll_event ev[EVENTS] = {{.events = EPOLLIN}};
	int timeout = -1;

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, ev) < 0)
		return -errno;
	s->accepting = true;
	for (;;) {
		int n = epoll_wait(s->epoll_fd, ev, EVENTS, timeout);
		bool knock = !s->accepting;

		if (n < 0 && errno != EINTR)
			return -errno;
		server_clock(s);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				conn_event(s, ev[i].data.ptr, ev[i].events);
			else
				knock = true;
		}
		/* New connections last: making room for one may end another that had an event in
		 * this batch. */
		if (knock)
			server_accept(s);
		timeout = server_expire(s);
	}
}

static int run(const struct options *o)
{
	struct server s = {.max_conns = (unsigned)o->max_conns,
			   .timeout_ms = (int64_t)o->timeout_s * 1000,
			   .verbose = o->verbose};
	int r;

	s.cache.root_fd = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.cache.root_fd < 0) {
		fprintf(stderr, "httpd: %s: %s\n", o->root, strerror(errno));
		return 2;
	}
	s.listen_fd = listen_tcp((uint16_t)o->port);
	if (s.listen_fd < 0) {
		fprintf(stderr, "httpd: port %lu: %s\n", o->port, strerror(-s.listen_fd));
		return 2;
	}
	s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s.epoll_fd < 0) {
		fprintf(stderr, "httpd: epoll: %s\n", strerror(errno));
		return 2;
	}
	server_clock(&s);
	printf("listening on http://0.0.0.0:%lu/\n", o->port);
	fflush(stdout);
	if (o->freeze)
		mayfly_freeze();
	r = serve(&s);
	fprintf(stderr, "httpd: %s\n", strerror(-r));
	return 1;
}

int main(int argc, char **argv)
{
	struct options o = {.port = 80, .max_conns = 64, .timeout_s = 30, .root = "/"};

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (parse_options(argc, argv, &o) < 0) {
		fputs(usage_text, stderr);
		return 2;
	}
	return run(&o);
}
