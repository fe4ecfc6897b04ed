/* SPDX-License-Identifier: MIT
 *
 * serve.c: see serve.h. The order of an answer: to the client first, then the rewind, so that the
 * rewind is off the client's path unless the next request is there already.
 */
#include "monitor/serve/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "monitor/console.h"
#include "monitor/serve/conn.h"
#include "monitor/serve/listen.h"
#include "monitor/signals.h"
#include "monitor/snapshot/freeze.h"
#include "monitor/snapshot/rewind.h"
#include "monitor/vm.h"

#define CONNS 128u

struct serve {
	int fd;
	char where[128];   /* clients find it */
	bool ready;	   /* armed: the guest can be put back */
	struct conn *cur;  /* whose request the guest has; NULL: it must not run */
	uint64_t deadline; /* of that request, ns; the timer may fire before */
	bool ticking;
	uint64_t order;
	struct serve_metrics m;
	unsigned nconns; /* slots in use are below this */
	struct conn conn[CONNS];
};

int serve_open(struct vm *vm, const struct vm_config *cfg, char *err, size_t errlen)
{
	if (!cfg->serve)
		return 0;
	struct serve *s = calloc(1, sizeof *s);

	if (!s) {
		snprintf(err, errlen, "--serve: out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < CONNS; i++)
		s->conn[i].fd = -1;
	s->fd = serve_listen(cfg->serve, err, errlen);
	int r = s->fd < 0 ? s->fd : 0;
	const int on = 1;

	/* Connections inherit it. Answers are one piece: nothing to gain from waiting. Fails on a
	 * unix socket. */
	if (!r)
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!r)
		serve_addr_print(s->fd, s->where, sizeof s->where);

	if (r)
		free(s);
	else
		vm->serve = s;
	return r;
}

void serve_close(struct vm *vm)
{
	struct serve *s = vm->serve;

	if (!s)
		return;
	for (unsigned i = 0; i < s->nconns; i++)
		conn_close(&s->conn[i]);
	close(s->fd);
	free(s);
	vm->serve = NULL;
}

int serve_fd(const struct vm *vm)
{
	return vm->serve->fd;
}

struct serve_metrics serve_metrics(const struct vm *vm)
{
	return vm->serve ? vm->serve->m : (struct serve_metrics){0};
}

/* --- the guest's side --- */

/* Nothing can be served any more. */
static void give_up(struct vm *vm, const char *what, const char *why)
{
	log_err("%s: %s", what, why);
	vm->exit_code = 1;
}

void serve_ready(struct vm *vm)
{
	struct serve *s = vm->serve;
	char err[256];

	if (s->ready) { /* the guest froze again within a request: that is not the point to return
			   to */
		vm_freeze_answer(vm, UK_WHY_NOTHING, NULL, 0);
		return;
	}
	if (!vm_freeze_request_buf(vm).len) {
		give_up(vm, "--serve",
			"the program takes no requests: it called mayfly_freeze(), not "
			"mayfly_ready()");
		return;
	}
	pthread_mutex_lock(&vm->lock);
	int r = vm_rewind_arm(vm, err, sizeof err);
	pthread_mutex_unlock(&vm->lock);
	if (r) {
		give_up(vm, "--serve", err);
		return;
	}
	s->ready = true;
	log_info("serving on %s", s->where);
}

bool serve_waiting(const struct vm *vm)
{
	return vm->serve && vm->serve->ready && !vm->serve->cur;
}

static void set_timer(struct serve *s, uint64_t ns)
{
	const struct itimerval it = {
		.it_value = {.tv_sec = (time_t)(ns / 1000000000u),
			     .tv_usec = (suseconds_t)(ns / 1000 % 1000000u + 1)}};

	s->ticking = setitimer(ITIMER_REAL, &it, NULL) == 0;
}

/* One timer for all requests: it is set again only when it fires, not with every request. */
static void start_clock(struct vm *vm, uint64_t now)
{
	struct serve *s = vm->serve;
	uint64_t limit = (uint64_t)vm->cfg->serve_timeout_ms * 1000000u;

	s->deadline = limit ? now + limit : UINT64_MAX;
	if (limit && !s->ticking)
		set_timer(s, limit);
}

void serve_alarm(struct vm *vm)
{
	struct serve *s = vm->serve;
	uint64_t now = vm_now();

	s->ticking = false;
	if (!s->cur)
		return;
	if (now >= s->deadline) {
		s->m.timeouts++;
		serve_failed(vm, 504);
		return;
	}
	set_timer(s, s->deadline - now);
}

/* Write "METHOD TARGET HTTP/1.1", header lines, an empty line and the body at b. Bytes, 0 = does
 * not fit. */
static uint64_t put_request(struct vm *vm, const struct http_request *r, struct vm_request_buf b)
{
	char head[HTTP_HEAD_MAX + HTTP_HEADERS_MAX * 4 + 64];
	struct buf t;

	buf_init(&t, head, sizeof head);
	buf_printf(&t, "%s %s HTTP/1.1\r\n", r->method_name, r->target);
	for (unsigned i = 0; i < r->nheaders; i++)
		buf_printf(&t, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
	buf_printf(&t, "\r\n");
	if (t.cut || t.len > b.len || r->body_len > b.len - t.len)
		return 0;
	if (gmem_write(&vm->gm, b.gpa, head, t.len) ||
	    gmem_write(&vm->gm, b.gpa + t.len, r->body, r->body_len))
		return 0;
	return t.len + r->body_len;
}

/* Give c's request to the guest. */
static void hand_in(struct vm *vm, struct conn *c, uint64_t now)
{
	struct serve *s = vm->serve;
	static const char too_large[] = "the request is larger than the program takes\n";
	uint64_t len = put_request(vm, http_parser_request(c->parser), vm_freeze_request_buf(vm));

	if (!len) {
		s->m.bad++;
		conn_answer(c, 413, NULL, too_large, sizeof too_large - 1, now);
		return;
	}
	s->m.requests++;
	s->cur = c;
	start_clock(vm, now);
	enum uk_why first = vm->identity ? UK_WHY_CLONE : UK_WHY_ORIGINAL;

	vm_freeze_answer(vm, s->m.requests == 1 ? first : UK_WHY_REWOUND, vm->identity, len);
}

static void put_back(struct vm *vm)
{
	char err[256];

	vm->serve->cur = NULL;
	console_drain(&vm->console, &vm->gm, vm->shared);
	pthread_mutex_lock(&vm->lock);
	int r = vm_rewind(vm, err, sizeof err);
	pthread_mutex_unlock(&vm->lock);
	if (r)
		give_up(vm, "--serve: the VM cannot be rewound", err);
	else
		vm->exit_code = -1;
}

/* A Content-Type from a guest: printable ASCII, so that no header can be smuggled in behind it. */
static bool good_type(const char *s, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return len > 0;
}

void serve_reply(struct vm *vm, uint64_t gpa)
{
	struct serve *s = vm->serve;
	struct uk_reply r;
	char type[sizeof r.type + 1];

	if (!s || !s->cur)
		return;
	const void *body = NULL;
	bool ok = !gmem_read(&vm->gm, gpa, &r, sizeof r);

	if (ok) {
		body = gmem_ptr(&vm->gm, r.body_gpa, r.body_len);
		ok = body && r.type_len < sizeof type && good_type(r.type, r.type_len) &&
		     r.status >= 200 && r.status <= 599;
	}
	if (!ok) {
		serve_failed(vm, 502);
		return;
	}
	memcpy(type, r.type, r.type_len);
	type[r.type_len] = '\0';
	conn_answer(s->cur, (int)r.status, type, body, r.body_len, vm_now());
	put_back(vm);
}

bool serve_failed(struct vm *vm, int status)
{
	struct serve *s = vm->serve;
	const char *why = status == 504	  ? "the program took too long\n"
			  : status == 502 ? "the program gave no valid answer\n"
					  : "the program failed\n";

	if (!s || !s->cur || vm->stop_signal)
		return false;
	s->m.failed++;
	conn_answer(s->cur, status, NULL, why, strlen(why), vm_now());
	put_back(vm);
	return vm->exit_code < 0;
}

/* --- the clients' side --- */

static void accept_all(struct vm *vm, uint64_t now)
{
	struct serve *s = vm->serve;

	for (unsigned i = 0; i < CONNS; i++) {
		if (s->conn[i].fd >= 0)
			continue;
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (conn_open(&s->conn[i], fd, vm_freeze_request_buf(vm).len, now))
			close(fd);
		else if (i >= s->nconns)
			s->nconns = i + 1;
	}
}

static struct conn *next_ready(struct serve *s)
{
	struct conn *best = NULL;

	for (unsigned i = 0; i < s->nconns; i++) {
		struct conn *c = &s->conn[i];

		if (c->fd < 0 || !c->ready)
			continue;
		if (!c->order)
			c->order = ++s->order;
		if (!best || c->order < best->order)
			best = c;
	}
	if (best)
		best->order = 0;
	return best;
}

/* Poll set; [0] is the listening socket, unless every slot is taken. ns until somebody's patience
 * ends. */
static uint64_t collect(struct serve *s, struct pollfd *pfd, uint64_t now)
{
	uint64_t first = UINT64_MAX;
	bool room = s->nconns < CONNS;

	for (unsigned i = 0; i < s->nconns; i++) {
		struct conn *c = &s->conn[i];
		uint64_t d = c->fd < 0 ? UINT64_MAX : conn_deadline(c);

		if (d <= now)
			conn_close(c);
		else if (d < first)
			first = d;
		room |= c->fd < 0;
		pfd[1 + i] = (struct pollfd){.fd = c->fd, .events = conn_events(c)};
	}
	while (s->nconns && s->conn[s->nconns - 1].fd < 0)
		s->nconns--;
	pfd[0] = (struct pollfd){.fd = room ? s->fd : -1, .events = POLLIN};
	return first == UINT64_MAX ? first : first - now;
}

void serve_wait(struct vm *vm)
{
	struct serve *s = vm->serve;
	struct pollfd pfd[1 + CONNS];
	uint64_t now = vm_now();

	while (!s->cur && vm->exit_code < 0 && !signals_pending() && !vm->stop_signal) {
		struct conn *c = next_ready(s);

		if (c) {
			hand_in(vm, c, now);
			continue;
		}
		uint64_t wait = collect(s, pfd, now);
		unsigned n = 1 + s->nconns;
		int ready = signals_poll(pfd, n, wait);

		now = vm_now();
		for (unsigned i = 1; ready && i < n; i++) {
			c = &s->conn[i - 1];
			if (pfd[i].revents & POLLOUT)
				conn_flush(c, now);
			else if (pfd[i].revents)
				conn_read(c, now);
		}
		if (ready && pfd[0].revents)
			accept_all(vm, now);
	}
}
