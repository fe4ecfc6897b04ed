/* SPDX-License-Identifier: MIT
 *
 * conn.c: see conn.h.
 */
#include "monitor/serve/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/buf.h"
#include "monitor/http/response.h"

#define SEC	  UINT64_C(1000000000)
#define SLOW_PEER (30 * SEC)   /* for a whole request, and for any piece of an answer */
#define IDLE_PEER (60 * SEC)   /* between requests */
#define OUT_MAX	  (128u << 20) /* bytes that all connections together keep for slow peers */
#define HEAD_ROOM 512u
/* A refused request is read on for so long and so far: closing a socket with unread bytes tells the
 * peer of a broken connection, and it may never see why. */
#define LINGER	  (2 * SEC)
#define DRAIN_MAX (64u << 20)

static size_t out_kept; /* by all connections */

int conn_open(struct conn *c, int fd, size_t body_max, uint64_t now)
{
	*c = (struct conn){.fd = -1, .since = now};
	c->parser = http_parser_create(body_max);
	c->in = malloc(CONN_IN);
	if (!c->parser || !c->in) {
		conn_close(c);
		return -ENOMEM;
	}
	c->fd = fd;
	return 0;
}

static void forget_out(struct conn *c)
{
	out_kept -= c->out ? c->out_len : 0;
	free(c->out);
	c->out = NULL;
}

void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->parser)
		http_parser_destroy(c->parser);
	free(c->in);
	forget_out(c);
	memset(c, 0, sizeof *c);
	c->fd = -1;
}

/* All is sent. */
static void finish(struct conn *c)
{
	if (!c->linger || shutdown(c->fd, SHUT_WR)) {
		conn_close(c);
		return;
	}
	c->drain = DRAIN_MAX;
	c->in_at = c->in_len = 0;
}

/* --- out --- */

static int keep(struct conn *c, const struct iovec *iov, unsigned n, size_t skip)
{
	size_t total = 0, at = 0;

	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (total - skip > OUT_MAX - out_kept)
		return -EFBIG;
	c->out = malloc(total - skip);
	if (!c->out)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		size_t from = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		memcpy(c->out + at, (const char *)iov[i].iov_base + from, iov[i].iov_len - from);
		at += iov[i].iov_len - from;
		skip -= from;
	}
	c->out_len = at;
	out_kept += at;
	c->out_at = 0;
	return 0;
}

/* Nothing waits to be sent yet. */
static void send_now(struct conn *c, struct iovec *iov, unsigned n)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
	size_t total = 0;
	ssize_t sent;

	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	do
		sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN) {
		conn_close(c);
		return;
	}
	if (sent < 0)
		sent = 0;
	if ((size_t)sent == total) {
		if (c->closing)
			finish(c);
	} else if (keep(c, iov, n, (size_t)sent)) {
		conn_close(c);
	}
}

void conn_flush(struct conn *c, uint64_t now)
{
	while (c->out && c->out_at < c->out_len) {
		struct iovec iov = {c->out + c->out_at, c->out_len - c->out_at};
		const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			conn_close(c);
			return;
		}
		c->out_at += (size_t)n;
		c->since = now;
	}
	forget_out(c);
	if (c->closing)
		finish(c);
	else
		conn_parse(c, now);
}

void conn_answer(struct conn *c, int status, const char *type, const void *body, size_t len,
		 uint64_t now)
{
	const struct http_request *r = c->ready ? http_parser_request(c->parser) : NULL;
	bool head = r && r->method == METHOD_HEAD;
	char text[HEAD_ROOM];
	struct buf b;

	buf_init(&b, text, sizeof text);
	c->closing = c->closing || !r || !r->keep_alive;
	http_response_head(&b, &(struct http_response){.status = status,
						       .type = type ? type : "text/plain",
						       .body_len = len,
						       .keep_alive = !c->closing});
	struct iovec iov[2] = {{.iov_base = text, .iov_len = b.len},
			       {.iov_base = (void *)(uintptr_t)body, .iov_len = head ? 0 : len}};
	c->ready = false;
	c->since = now;
	if (r)
		http_parser_next(c->parser);
	send_now(c, iov, 2);
	if (c->fd >= 0 && !c->out && !c->closing)
		conn_parse(c, now);
}

/* --- in --- */

/* As much as is there, but not for ever: others wait. */
static void drain(struct conn *c)
{
	for (unsigned i = 0; i < 16; i++) {
		ssize_t n = recv(c->fd, c->in, CONN_IN, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || (size_t)n >= c->drain) {
			conn_close(c);
			return;
		}
		c->drain -= (size_t)n;
	}
}

static void refuse(struct conn *c, uint64_t now)
{
	const char *why = http_parser_reason(c->parser);

	c->closing = c->linger = true;
	conn_answer(c, http_parser_status(c->parser), NULL, why, strlen(why), now);
}

void conn_parse(struct conn *c, uint64_t now)
{
	while (c->fd >= 0 && !c->ready && !c->out && c->in_at < c->in_len) {
		size_t used = 0;
		enum http_verdict v =
			http_parser_feed(c->parser, c->in + c->in_at, c->in_len - c->in_at, &used);

		c->in_at += used;
		if (v == HTTP_READY) {
			c->ready = true;
		} else if (v == HTTP_BAD) {
			refuse(c, now);
			return;
		} else if (v == HTTP_CONTINUE) {
			struct iovec iov = {.iov_base = (void *)(uintptr_t)http_continue,
					    .iov_len = strlen(http_continue)};

			send_now(c, &iov, 1);
		}
	}
}

void conn_read(struct conn *c, uint64_t now)
{
	if (c->drain) {
		drain(c);
		return;
	}
	/* What is there already comes first: the peer waits in its socket. */
	if (c->in_at == c->in_len) {
		ssize_t n = recv(c->fd, c->in, CONN_IN, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_close(c);
			return;
		}
		/* Patience is for the whole request: a byte now and then does not renew it. */
		if (http_parser_idle(c->parser))
			c->since = now;
		c->in_at = 0;
		c->in_len = (size_t)n;
	}
	conn_parse(c, now);
}

short conn_events(const struct conn *c)
{
	if (c->fd < 0 || c->ready)
		return 0;
	return c->out ? POLLOUT : POLLIN;
}

uint64_t conn_deadline(const struct conn *c)
{
	if (c->ready)
		return UINT64_MAX;
	if (c->drain)
		return c->since + LINGER;
	return c->since + (c->out || !http_parser_idle(c->parser) ? SLOW_PEER : IDLE_PEER);
}
