/* SPDX-License-Identifier: MIT
 *
 * http_load.c: one request over kept-alive connections, to several servers in turn: each is visited
 * for a fraction of a second, round by round, so that whatever happens to the machine happens to
 * all of them. wrk, which cannot do less than a second, would take an hour for that. One thread,
 * epoll, each connection asks again as soon as it has its answer.
 *
 *   http_load [-c CONNECTIONS] [-n ROUNDS] [-t MS] [-w WARM_UP_MS] [-p PORT] [-d POSTED] PATH BYTES
 *             ADDRESS...
 *
 * BYTES is the answer's size; one that is not a 200 with that length ends everything with
 * status 1. Prints one line of JSON per server: requests a second of each visit, and the
 * percentiles in us over all requests of all visits: {"rps": [...], "p50": .., "p99": .., "n": ..}.
 * What completes during the warm-up of a visit is not counted: by its end the connections are at
 * different places of their answers.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNS   256
#define MAX_TARGETS 8
#define HEAD_MAX    4096
#define PATIENCE_MS 30000 /* only so that a server that hangs ends the run */

struct conn {
	int fd;
	uint64_t asked_ns;
	uint64_t left;	/* of the body; valid once the head is whole */
	unsigned nhead; /* bytes of the head so far */
	bool in_body;
	char head[HEAD_MAX + 1];
};

struct target {
	const char *addr;
	struct conn *conn;
	int epoll;
	double *rps;	  /* one a round */
	uint32_t *lat_ns; /* one a counted request */
	size_t nlat, room;
};

struct plan {
	unsigned conns, rounds, ms, warm_ms, port;
	const char *posted; /* NULL: GET */
	uint64_t bytes;
	char request[1024];
	size_t nrequest;
	struct target target[MAX_TARGETS];
	unsigned ntargets;
};

/* One visit to one server. */
struct visit {
	uint64_t from, until; /* what completes between these counts */
	uint64_t counted;
	unsigned busy; /* connections that wait for an answer */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void ask(const struct plan *p, struct conn *c, struct visit *v, uint64_t now)
{
	c->nhead = 0;
	c->in_body = false;
	c->asked_ns = now;
	if (send(c->fd, p->request, p->nrequest, MSG_NOSIGNAL) != (ssize_t)p->nrequest)
		err(1, "send");
	v->busy++;
}

/* A whole head: judge it, and say how much of what came with it is body. */
static void judge(const struct plan *p, struct conn *c, size_t head_len)
{
	const char *len = strcasestr(c->head, "\r\nContent-Length:");

	if (strncmp(c->head, "HTTP/1.1 200 ", 13))
		errx(1, "%.60s", c->head);
	if (!len || strtoull(len + 17, NULL, 10) != p->bytes)
		errx(1, "the answer is not the file of %llu bytes", (unsigned long long)p->bytes);
	if (c->nhead - head_len > p->bytes)
		errx(1, "more than was asked for");
	c->in_body = true;
	c->left = p->bytes - (c->nhead - head_len);
}

/* What is there of an answer. true: it is whole. */
static bool receive(const struct plan *p, struct conn *c)
{
	static char body[256 << 10];
	ssize_t n;

	for (;;) {
		char *to = c->in_body ? body : c->head + c->nhead;
		size_t room = c->in_body ? sizeof body : HEAD_MAX - c->nhead;

		n = recv(c->fd, to, room, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0)
			errx(1, "the server closed a connection: %s", n ? strerror(errno) : "end");
		if (!c->in_body) {
			char *end;

			c->nhead += (unsigned)n;
			c->head[c->nhead] = '\0';
			end = strstr(c->head, "\r\n\r\n");
			if (!end && c->nhead == HEAD_MAX)
				errx(1, "an endless head");
			if (!end)
				continue;
			judge(p, c, (size_t)(end + 4 - c->head));
		} else if ((uint64_t)n > c->left) {
			errx(1, "more than was asked for");
		} else {
			c->left -= (uint64_t)n;
		}
		if (c->in_body && !c->left)
			return true;
	}
}

static void count(struct target *t, struct visit *v, uint64_t now, uint64_t asked)
{
	if (now < v->from || now >= v->until)
		return;
	if (t->nlat == t->room) {
		t->room = t->room ? 2 * t->room : 65536;
		t->lat_ns = realloc(t->lat_ns, t->room * sizeof *t->lat_ns);
		if (!t->lat_ns)
			err(1, "realloc");
	}
	t->lat_ns[t->nlat++] = now - asked < UINT32_MAX ? (uint32_t)(now - asked) : UINT32_MAX;
	v->counted++;
}

/* Requests a second, between the warm-up's end and the visit's. */
static double visit(const struct plan *p, struct target *t)
{
	uint64_t now = now_ns();
	struct visit v = {.from = now + p->warm_ms * 1000000u};
	struct epoll_event ev[MAX_CONNS];

	v.until = v.from + p->ms * 1000000u;
	for (unsigned i = 0; i < p->conns; i++)
		ask(p, &t->conn[i], &v, now_ns());
	while (v.busy) {
		int n = epoll_wait(t->epoll, ev, MAX_CONNS, PATIENCE_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			errx(1, "%s: %u connections have no answer", t->addr, v.busy);
		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (!receive(p, c))
				continue;
			now = now_ns();
			count(t, &v, now, c->asked_ns);
			v.busy--;
			if (now < v.until)
				ask(p, c, &v, now);
		}
	}
	return (double)v.counted * 1000 / p->ms;
}

static void connect_all(const struct plan *p, struct target *t)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port)};
	int on = 1;

	if (inet_pton(AF_INET, t->addr, &sa.sin_addr) != 1)
		errx(2, "%s: not an IPv4 address", t->addr);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->conn = calloc(p->conns, sizeof *t->conn);
	t->rps = calloc(p->rounds, sizeof *t->rps);
	if (t->epoll < 0 || !t->conn || !t->rps)
		err(1, "%s", t->addr);
	for (unsigned i = 0; i < p->conns; i++) {
		struct conn *c = &t->conn[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
		    ioctl(c->fd, FIONBIO, &on) < 0 ||
		    epoll_ctl(t->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
			err(1, "%s", t->addr);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(const struct plan *p, struct target *t)
{
	if (!t->nlat)
		errx(1, "%s: no answer within a visit", t->addr);
	qsort(t->lat_ns, t->nlat, sizeof *t->lat_ns, by_value);
	printf("{\"rps\": [");
	for (unsigned i = 0; i < p->rounds; i++)
		printf("%s%.1f", i ? ", " : "", t->rps[i]);
	printf("], \"p50\": %.2f, \"p99\": %.2f, \"n\": %zu}\n", t->lat_ns[t->nlat / 2] / 1e3,
	       t->lat_ns[t->nlat - 1 - t->nlat / 100] / 1e3, t->nlat);
}

static unsigned number(const char *s, unsigned long max)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || errno || *end || v > max)
		errx(2, "%s: not a number up to %lu", s, max);
	return (unsigned)v;
}

static void parse(int argc, char **argv, struct plan *p)
{
	static const char usage[] =
		"usage: http_load [-c CONNECTIONS] [-n ROUNDS] [-t MS] [-w WARM_UP_MS] [-p PORT] "
		"[-d POSTED] PATH BYTES ADDRESS...";
	int opt;

	while ((opt = getopt(argc, argv, "c:n:t:w:p:d:")) != -1) {
		if (opt == 'c')
			p->conns = number(optarg, MAX_CONNS);
		else if (opt == 'n')
			p->rounds = number(optarg, 1000000);
		else if (opt == 't')
			p->ms = number(optarg, 3600000);
		else if (opt == 'w')
			p->warm_ms = number(optarg, 3600000);
		else if (opt == 'p')
			p->port = number(optarg, 65535);
		else if (opt == 'd')
			p->posted = optarg;
		else
			errx(2, "%s", usage);
	}
	if (argc - optind < 3 || argc - optind - 2 > MAX_TARGETS || !p->conns || !p->rounds ||
	    !p->ms)
		errx(2, "%s", usage);
	p->nrequest = (size_t)(p->posted ? snprintf(p->request, sizeof p->request,
						    "POST %s HTTP/1.1\r\nHost: bench\r\n"
						    "Content-Length: %zu\r\n\r\n%s",
						    argv[optind], strlen(p->posted), p->posted)
					 : snprintf(p->request, sizeof p->request,
						    "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n",
						    argv[optind]));
	if (p->nrequest >= sizeof p->request)
		errx(2, "that request is too long");
	p->bytes = number(argv[optind + 1], 1u << 30);
	for (int i = optind + 2; i < argc; i++)
		p->target[p->ntargets++].addr = argv[i];
}

int main(int argc, char **argv)
{
	static struct plan p = {.port = 80, .conns = 1, .rounds = 100, .ms = 200, .warm_ms = 40};

	parse(argc, argv, &p);
	for (unsigned i = 0; i < p.ntargets; i++)
		connect_all(&p, &p.target[i]);
	for (unsigned r = 0; r < p.rounds; r++)
		for (unsigned i = 0; i < p.ntargets; i++)
			p.target[i].rps[r] = visit(&p, &p.target[i]);
	for (unsigned i = 0; i < p.ntargets; i++)
		report(&p, &p.target[i]);
	return 0;
}
