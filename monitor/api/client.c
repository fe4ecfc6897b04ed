/* SPDX-License-Identifier: MIT
 *
 * client.c: see client.h.
 */
#include "monitor/api/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "monitor/api/events.h"
#include "monitor/http/response.h"

#define OUT_MANY  65536 /* so much is waiting to be read: no further request until it is */
/* After a refusal the rest is read for so long and so far: closing a socket with unread bytes tells
 * the peer of a broken connection, and it may never see why. */
#define LINGER_NS (2 * UINT64_C(1000000000))
#define DRAIN_MAX (16u << 20)

int client_open(struct client *c, int fd, uint64_t now)
{
	*c = (struct client){.fd = fd, .used = now, .parser = http_parser_create(API_BODY_MAX)};
	if (c->parser)
		return 0;
	client_close(c);
	return -ENOMEM;
}

static void drop_fds(struct client *c)
{
	while (c->nfds)
		close(c->fds[--c->nfds]);
}

void client_close(struct client *c)
{
	drop_fds(c);
	close(c->fd);
	http_parser_destroy(c->parser);
	free(c->out);
	*c = (struct client){.fd = -1};
}

/* --- out --- */

static int put(struct client *c, const char *p, size_t n)
{
	if (c->out_at == c->out_len)
		c->out_at = c->out_len = 0;
	if (c->out_len + n > c->out_cap) {
		size_t cap = c->out_cap ? c->out_cap : 1024;

		while (cap < c->out_len + n)
			cap *= 2;
		char *out = realloc(c->out, cap);
		if (!out)
			return -ENOMEM;
		c->out = out;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
	return 0;
}

static bool flush(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_at += (size_t)n;
	}
	return true;
}

static bool answer(struct client *c, const struct api_call *call, bool keep)
{
	const struct http_response r = {
		.status = call->stream ? 200 : call->status,
		.type = call->stream ? "text/event-stream" : call->type,
		.allow = call->status == 405 ? call->allow : NULL,
		.body_len = call->text_len,
		.keep_alive = keep && !call->stream,
		.stream = call->stream,
	};
	char head[512];
	struct buf b;

	buf_init(&b, head, sizeof head);
	http_response_head(&b, &r);
	c->last = !keep && !call->stream;
	c->stream = call->stream;
	return !put(c, head, b.len) && (!call->text || !put(c, call->text, call->text_len));
}

/* --- in --- */

static bool run(struct client *c, struct api *api)
{
	const struct http_request *r = http_parser_request(c->parser);
	struct api_call call = {.nfds = c->nfds};

	memcpy(call.fds, c->fds, sizeof call.fds);
	c->nfds = 0;
	api_handle(api, r, &call);
	bool ok = answer(c, &call, r->keep_alive);
	api_call_fini(&call);
	http_parser_next(c->parser);
	return ok;
}

static bool refuse(struct client *c, struct api *api, int status, const char *code, const char *why)
{
	struct api_call call = {0};

	api_refuse(api, &call, status, code, why);
	c->linger = true;
	bool ok = answer(c, &call, false);
	api_call_fini(&call);
	return ok;
}

/* Parse what has come, as far as answers are being read. */
static bool parse(struct client *c, struct api *api)
{
	while (c->in_at < c->in_len && !c->last && !c->stream &&
	       c->out_len - c->out_at < OUT_MANY) {
		size_t used;
		bool ok = true;

		switch (http_parser_feed(c->parser, c->in + c->in_at, c->in_len - c->in_at,
					 &used)) {
		case HTTP_MORE:
			break;
		case HTTP_CONTINUE:
			ok = !put(c, http_continue, strlen(http_continue));
			break;
		case HTTP_READY:
			ok = run(c, api);
			break;
		case HTTP_BAD:
			ok = refuse(c, api, http_parser_status(c->parser),
				    http_parser_status(c->parser) == 413 ? "too_large" : "bad_http",
				    http_parser_reason(c->parser));
			break;
		}
		c->in_at += used;
		if (!ok)
			return false;
	}
	return true;
}

/* Descriptors stay beside the request that is being read; too many, and the client is mad. */
static bool take_fds(struct client *c, struct msghdr *m)
{
	bool ok = !(m->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= h->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)h + at, sizeof fd);
			if (c->nfds < API_FDS_MAX) {
				c->fds[c->nfds++] = fd;
			} else {
				close(fd);
				ok = false;
			}
		}
	}
	return ok;
}

/* Room for what API_FDS_MAX descriptors need. 0: the client is done; < 0: nothing there. */
static ssize_t receive(struct client *c, bool *ret_ok)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * API_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = c->in, .iov_len = sizeof c->in};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof control};
	ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_ok = n < 0 || take_fds(c, &m);
	return n < 0 ? -errno : n;
}

static bool fill(struct client *c, struct api *api, uint64_t now)
{
	bool ok;
	ssize_t n = receive(c, &ok);

	if (n == -EAGAIN || n == -EINTR)
		return true;
	if (n <= 0)
		return false;
	c->in_at = 0;
	c->in_len = (size_t)n;
	c->used = now;
	if (!ok)
		return refuse(c, api, 400, "bad_value", "There are too many descriptors.");
	return true;
}

/* Events, as many as it reads. */
static bool stream(struct client *c, struct api *api)
{
	char text[EVENT_TEXT_MAX], head[48];
	size_t n;

	while (c->out_len - c->out_at < OUT_MANY &&
	       (n = events_read(api->events, &c->event, text))) {
		int h = snprintf(head, sizeof head,
				 "id: %llu\ndata: ", (unsigned long long)c->event - 1);

		if (put(c, head, (size_t)h) || put(c, text, n) || put(c, "\n\n", 2))
			return false;
	}
	return true;
}

/* The answer is out; tell the peer that it is all, and wait for the same. False: close. */
static bool begin_drain(struct client *c, uint64_t now)
{
	if (!c->linger || shutdown(c->fd, SHUT_WR))
		return false;
	c->drain = DRAIN_MAX;
	c->in_at = c->in_len = 0;
	c->deadline = now + LINGER_NS;
	return true;
}

/* Descriptors that come now are the kernel's to close: there is no room for them. */
static bool drain(struct client *c)
{
	for (unsigned i = 0; i < 16; i++) {
		ssize_t n = recv(c->fd, c->in, sizeof c->in, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0 || (size_t)n >= c->drain)
			return false;
		c->drain -= (size_t)n;
	}
	return true;
}

short client_wants(const struct client *c)
{
	short wants = c->out_at < c->out_len ? POLLOUT : 0;

	if (c->drain)
		return POLLIN;

	/* A stream is read, too: to see its end. */
	if (!c->last && c->in_at == c->in_len && (c->stream || c->out_len - c->out_at < OUT_MANY))
		wants |= POLLIN;
	return wants;
}

/* The clock of a request starts with its first byte and that of an answer when it is stuck. */
static void set_deadline(struct client *c, uint64_t now, uint64_t timeout, size_t sent_before)
{
	bool busy = c->out_at < c->out_len || (!c->stream && !http_parser_idle(c->parser));

	if (!busy)
		c->deadline = 0;
	else if (!c->deadline || c->out_at != sent_before)
		c->deadline = now + timeout;
}

bool client_serve(struct client *c, struct api *api, short revents, uint64_t now, uint64_t timeout)
{
	size_t sent = c->out_at;

	if (c->drain)
		return drain(c);
	if (revents & POLLIN && c->in_at == c->in_len && !fill(c, api, now))
		return false;
	if (!(revents & (POLLIN | POLLOUT)) && revents & (POLLHUP | POLLERR))
		return false;
	if (c->stream)
		c->in_at = c->in_len; /* what it says now is of no interest */
	do {
		if (!parse(c, api) || (c->stream && !stream(c, api)) || !flush(c))
			return false;
	} while (c->in_at < c->in_len && c->out_at == c->out_len && !c->last && !c->stream);
	set_deadline(c, now, timeout, sent);
	if (c->last && c->out_at == c->out_len)
		return begin_drain(c, now);
	return true;
}

bool client_expired(struct client *c, struct api *api, uint64_t now)
{
	if (c->out_at < c->out_len || c->last)
		return false;
	if (!refuse(c, api, 408, "timeout", "The request took too long.") || !flush(c))
		return false;
	return c->out_at < c->out_len || begin_drain(c, now);
}
