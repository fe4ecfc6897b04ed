/* SPDX-License-Identifier: MIT
 *
 * session.c: command parser and buffers. Input is hostile; memory per client is at most KV_IN_MAX +
 * KV_OUT_MAX, and a few hundred bytes when it is idle.
 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_CAP 512
#define SKIP_MAX  (UINT64_C(1) << 20) /* a larger announced value ends the connection */
#define MAX_WORDS 4

/* Makes room for `more` bytes behind len, never beyond max. */
static int reserve(struct bytes *b, size_t more, size_t max)
{
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	char *p;

	if (b->cap - b->len >= more)
		return 0;
	while (cap - b->len < more && cap < max)
		cap *= 2;
	if (cap > max)
		cap = max;
	if (cap - b->len < more)
		return -ENOBUFS;
	p = realloc(b->p, cap);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

/* Drops n bytes from the front; an empty buffer that has grown is given back. */
static void consume(struct bytes *b, size_t n)
{
	b->len -= n;
	if (b->len) {
		memmove(b->p, b->p + n, b->len);
	} else if (b->cap > FIRST_CAP) {
		free(b->p);
		*b = (struct bytes){0};
	}
}

static void reply(struct session *c, const char *text)
{
	size_t n = strlen(text);

	if (reserve(&c->out, n, KV_OUT_MAX) < 0) {
		c->broken = true;
		return;
	}
	memcpy(c->out.p + c->out.len, text, n);
	c->out.len += n;
}

static void reply_number(struct session *c, unsigned long v)
{
	char text[32];

	snprintf(text, sizeof(text), ":%lu\r\n", v);
	reply(c, text);
}

static void reply_error(struct session *c, int e)
{
	char text[96];

	snprintf(text, sizeof(text), "-ERR %s\r\n",
		 e == -ENOSPC	 ? "full"
		 : e == -EBADMSG ? "record damaged"
				 : strerror(-e));
	reply(c, text);
}

struct word {
	const char *s;
	size_t n;
};

/* Splits a line; the number of words, or MAX_WORDS + 1 for more than fit. */
static int split(const char *line, size_t n, struct word w[MAX_WORDS])
{
	int count = 0;
	size_t i = 0;

	for (;;) {
		size_t from;

		while (i < n && line[i] == ' ')
			i++;
		if (i == n)
			return count;
		if (count == MAX_WORDS)
			return MAX_WORDS + 1;
		from = i;
		while (i < n && line[i] != ' ')
			i++;
		w[count++] = (struct word){line + from, i - from};
	}
}

static bool is(struct word w, const char *name)
{
	return w.n == strlen(name) && !strncasecmp(w.s, name, w.n);
}

static bool key_ok(struct word w)
{
	if (!w.n || w.n > KV_KEY_MAX)
		return false;
	for (size_t i = 0; i < w.n; i++)
		if ((unsigned char)w.s[i] <= 0x20 || w.s[i] == 0x7f)
			return false;
	return true;
}

/* Decimal digits only, at most 18 of them. */
static int parse_length(struct word w, uint64_t *ret)
{
	uint64_t v = 0;

	if (!w.n || w.n > 18)
		return -EINVAL;
	for (size_t i = 0; i < w.n; i++) {
		if (w.s[i] < '0' || w.s[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(w.s[i] - '0');
	}
	*ret = v;
	return 0;
}

static void do_get(struct session *c, struct store *s, struct word key)
{
	char head[32];
	int n;

	if (reserve(&c->out, KV_VALUE_MAX + sizeof(head) + 2, KV_OUT_MAX) < 0) {
		c->broken = true;
		return;
	}
	/* Read to where it will be when the head has its longest form, then move it up. */
	n = store_get(s, key.s, key.n, c->out.p + c->out.len + sizeof(head));
	if (n == -ENOENT) {
		reply(c, "$-1\r\n");
	} else if (n < 0) {
		reply_error(c, n);
	} else {
		char *value = c->out.p + c->out.len + sizeof(head);
		int h = snprintf(head, sizeof(head), "$%d\r\n", n);

		memcpy(c->out.p + c->out.len, head, (size_t)h);
		memmove(c->out.p + c->out.len + h, value, (size_t)n);
		c->out.len += (size_t)(h + n);
		reply(c, "\r\n");
	}
}

/* The line is complete; is the data? Returns the bytes used, or 0 to wait for more. */
static size_t do_set(struct session *c, struct store *s, const struct word w[MAX_WORDS],
		     size_t line_len)
{
	uint64_t len;
	size_t total;
	int r;

	if (parse_length(w[2], &len) < 0 || len > SKIP_MAX) {
		/* What follows is data of unknown length: there is no way to find the next command.
		 */
		reply(c, "-ERR bad length\r\n");
		c->closing = true;
		return line_len;
	}
	if (len > KV_VALUE_MAX || !key_ok(w[1])) {
		reply(c, len > KV_VALUE_MAX ? "-ERR value too large\r\n" : "-ERR bad key\r\n");
		c->skip = len;
		return line_len;
	}
	total = line_len + (size_t)len;
	if (c->in.len <= total || (c->in.p[total] == '\r' && c->in.len == total + 1))
		return 0;
	if (c->in.p[total] != '\n' && (c->in.p[total] != '\r' || c->in.p[total + 1] != '\n')) {
		reply(c, "-ERR data longer than its length\r\n");
		c->closing = true;
		return total;
	}
	r = store_set(s, w[1].s, w[1].n, c->in.p + line_len, (size_t)len);
	if (r < 0)
		reply_error(c, r);
	else
		reply(c, "+OK\r\n");
	return total + (c->in.p[total] == '\r' ? 2 : 1);
}

static void do_key_command(struct session *c, struct store *s, const struct word w[MAX_WORDS])
{
	int r;

	if (!key_ok(w[1])) {
		reply(c, "-ERR bad key\r\n");
	} else if (is(w[0], "GET")) {
		do_get(c, s, w[1]);
	} else if (is(w[0], "DEL")) {
		r = store_del(s, w[1].s, w[1].n);
		if (r < 0)
			reply_error(c, r);
		else
			reply_number(c, (unsigned long)r);
	} else {
		reply(c, "-ERR unknown command\r\n");
	}
}

static void do_plain_command(struct session *c, struct store *s, struct word w)
{
	int r = 0;

	if (is(w, "COUNT")) {
		reply_number(c, s->index.count);
	} else if (is(w, "PING")) {
		reply(c, "+PONG\r\n");
	} else if (is(w, "SYNC")) {
		reply(c, "+OK\r\n"); /* goes out after the sync that ends this turn */
	} else if (is(w, "COMPACT")) {
		r = store_sync(s);
		if (!r)
			r = store_compact(s);
		if (r < 0)
			reply_error(c, r);
		else
			reply(c, "+OK\r\n");
	} else if (is(w, "QUIT")) {
		reply(c, "+OK\r\n");
		c->closing = true;
	} else {
		reply(c, "-ERR unknown command\r\n");
	}
}

/* Serves the command at the front of the input. Returns the bytes used, or 0 to wait for more. */
static size_t command(struct session *c, struct store *s)
{
	const char *lf = memchr(c->in.p, '\n', c->in.len);
	struct word w[MAX_WORDS];
	size_t line, n;
	int words;

	line = lf ? (size_t)(lf - c->in.p) + 1 : 0;
	if (line > KV_LINE_MAX || (!lf && c->in.len >= KV_LINE_MAX)) {
		reply(c, "-ERR line too long\r\n");
		c->closing = true;
		return c->in.len;
	}
	if (!lf)
		return 0;
	n = line - 1;
	if (n && c->in.p[n - 1] == '\r')
		n--;
	words = split(c->in.p, n, w);
	if (words == 3 && is(w[0], "SET"))
		return do_set(c, s, w, line);
	if (words == 2)
		do_key_command(c, s, w);
	else if (words == 1)
		do_plain_command(c, s, w[0]);
	else if (words)
		reply(c, "-ERR wrong number of words\r\n");
	return line;
}

/* Throws away an oversized value and the line end behind it. True when the next command may be
 * looked at. */
static bool skip_value(struct session *c)
{
	size_t n = c->skip < c->in.len ? (size_t)c->skip : c->in.len;

	consume(&c->in, n);
	c->skip -= n;
	return !c->skip;
}

bool session_run(struct session *c, struct store *s)
{
	bool did = false;

	while (c->in.len && !c->closing && !c->broken && c->out.len < KV_OUT_HIGH) {
		size_t used;

		/* An empty line is no command, so the line end behind a skipped value needs no
		 * care. */
		if (c->skip && !skip_value(c))
			break;
		if (!c->in.len)
			break;
		used = command(c, s);
		if (!used)
			break;
		consume(&c->in, used < c->in.len ? used : c->in.len);
		did = true;
	}
	return did;
}

void session_read(struct session *c)
{
	for (;;) {
		size_t room;
		ssize_t n;

		if (c->in.len == KV_IN_MAX)
			return; /* full of commands that wait for the replies to drain */
		if (reserve(&c->in, 1, KV_IN_MAX) < 0) {
			c->broken = true;
			return;
		}
		room = c->in.cap - c->in.len;
		n = read(c->fd, c->in.p + c->in.len, room);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			c->broken = true;
		if (n == 0)
			c->eof = true;
		if (n <= 0)
			return;
		/* Once nothing is served any more the input is thrown away, but read: closing a
		 * socket with unread bytes resets it and may take the last reply away from the
		 * client. */
		c->in.len += c->closing ? 0 : (size_t)n;
		if ((size_t)n < room)
			return;
	}
}

bool session_write(struct session *c)
{
	size_t sent = 0;

	while (sent < c->out.len && !c->broken) {
		ssize_t n = send(c->fd, c->out.p + sent, c->out.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			c->broken = true;
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	/* What is sent makes room at once: a reply needs all of KV_OUT_MAX behind KV_OUT_HIGH. */
	if (sent)
		consume(&c->out, sent);
	return sent;
}

void session_free(struct session *c)
{
	close(c->fd);
	free(c->in.p);
	free(c->out.p);
	free(c);
}
