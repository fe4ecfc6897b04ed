/* SPDX-License-Identifier: MIT
 *
 * kv.c: a key-value server: options, sockets and the event loop. Each turn of the loop serves every
 * command that has arrived, syncs the log once if anything was written, and only then lets the
 * replies out: that is the group commit. session.h has the protocol, store.h the file format.
 */
#define _GNU_SOURCE 1 /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session.h"
#include "store.h"

#define EVENTS 32

static const char usage_text[] = "usage: kv [-p PORT] [-d DIR] [-k MAXKEYS] [-c MAXCONN]\n"
				 "  -p PORT     TCP port to listen on (default 7000)\n"
				 "  -d DIR      directory of the log kv.log (default /)\n"
				 "  -k MAXKEYS  number of keys at most (default 16384)\n"
				 "  -c MAXCONN  clients at one time (default 64)\n";

struct options {
	unsigned long port, max_keys, max_conns;
	const char *dir;
};

struct server {
	int epoll_fd, listen_fd;
	unsigned nsessions, max_sessions;
	struct session *sessions;
	uint64_t compact_at; /* after a failed compaction: not before the log has grown to this */
	struct store store;
};

static int parse_number(const char *s, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || *end || !v || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	int opt, r = 0;

	while (!r && (opt = getopt(argc, argv, "p:d:k:c:")) != -1) {
		if (opt == 'p')
			r = parse_number(optarg, 65535, &o->port);
		else if (opt == 'k')
			r = parse_number(optarg, 1u << 28, &o->max_keys);
		else if (opt == 'c')
			r = parse_number(optarg, 65536, &o->max_conns);
		else if (opt == 'd')
			o->dir = optarg;
		else
			return -EINVAL;
		if (r)
			fprintf(stderr, "kv: -%c %s: not a number in range\n", opt, optarg);
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

static int add_session(struct server *s, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct session *c;
	int one = 1;

	if (s->nsessions == s->max_sessions) {
		static const char full[] = "-ERR too many clients\r\n";

		return send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno
											 : -EUSERS;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->interest = EPOLLIN;
	ev.data.ptr = c;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int r = -errno;

		free(c);
		return r;
	}
	c->next = s->sessions;
	s->sessions = c;
	s->nsessions++;
	return 0;
}

static void accept_all(struct server *s)
{
	int fd;

	while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 ||
	       errno == ECONNABORTED || errno == EINTR)
		if (fd >= 0 && add_session(s, fd) < 0)
			close(fd);
}

/* Runs all complete commands, syncs, lets the replies out; again as long as the replies that
 * drained let more commands run. An error means that the log can no longer be trusted. */
static int turn(struct server *s)
{
	bool did;

	do {
		did = false;
		for (struct session *c = s->sessions; c; c = c->next)
			did |= session_run(c, &s->store);
		store_sync(&s->store);
		if (s->store.failed)
			return -EIO;
		for (struct session *c = s->sessions; c; c = c->next)
			did |= session_write(c);
	} while (did);
	return 0;
}

static bool session_over(struct session *c)
{
	if (c->broken)
		return true;
	if (c->out.len)
		return false;
	if (c->closing && !c->lingering) {
		shutdown(c->fd, SHUT_WR);
		c->lingering = true;
	}
	return c->eof; /* what is left in the input is no complete command */
}

static void set_interest(const struct server *s, struct session *c)
{
	bool room = c->in.len < KV_IN_MAX && c->out.len < KV_OUT_HIGH && !c->eof;
	uint32_t want = (room ? EPOLLIN : 0u) | (c->out.len ? EPOLLOUT : 0u);
	struct epoll_event ev = {.events = want, .data.ptr = c};

	if (want == c->interest)
		return;
	c->interest = want;
	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

static void sweep(struct server *s)
{
	struct session **at = &s->sessions;

	while (*at) {
		struct session *c = *at;

		if (session_over(c)) {
			*at = c->next;
			session_free(c);
			s->nsessions--;
		} else {
			set_interest(s, c);
			at = &c->next;
		}
	}
}

static int compact_if_due(struct server *s)
{
	int r;

	if (!store_wants_compact(&s->store) || s->store.end < s->compact_at)
		return 0;
	r = store_compact(&s->store);
	if (s->store.failed)
		return r;
	if (r < 0) {
		fprintf(stderr, "kv: compaction: %s\n", strerror(-r));
		s->compact_at = s->store.end + KV_COMPACT_MIN;
	}
	return 0;
}

static int serve(struct server *s)
{
	struct epoll_event ev[EVENTS] = {{.events = EPOLLIN}};
	int n, r = 0;

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, ev) < 0)
		return -errno;
	while (!r) {
		n = epoll_wait(s->epoll_fd, ev, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			struct session *c = ev[i].data.ptr;

			if (!c)
				accept_all(s);
			else if (ev[i].events & EPOLLERR)
				c->broken = true;
			else if (ev[i].events & (EPOLLIN | EPOLLHUP))
				session_read(c);
		}
		r = turn(s);
		sweep(s);
		if (!r)
			r = compact_if_due(s);
	}
	return r;
}

static int fail(const char *what, int e)
{
	fprintf(stderr, "kv: %s: %s\n", what, strerror(-e));
	return 2;
}

static int run(const struct options *o)
{
	static struct server s;
	uint32_t seed = 0;
	int r;

	/* Without randomness the hash is predictable, no worse. */
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = 0;
	s.max_sessions = (unsigned)o->max_conns;
	r = store_open(&s.store, o->dir, (uint32_t)o->max_keys, seed);
	if (r < 0)
		return fail(o->dir, r);
	s.listen_fd = listen_tcp((uint16_t)o->port);
	if (s.listen_fd < 0)
		return fail("port", s.listen_fd);
	s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s.epoll_fd < 0)
		return fail("epoll", -errno);
	if (s.store.cut)
		printf("recovered: %llu bytes cut off the end of the log\n",
		       (unsigned long long)s.store.cut);
	printf("serving %u keys on port %lu\n", s.store.index.count, o->port);
	fflush(stdout);
	r = serve(&s);
	fail("log", r);
	return 1;
}

int main(int argc, char **argv)
{
	struct options o = {.port = 7000, .max_keys = 16384, .max_conns = 64, .dir = "/"};

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
