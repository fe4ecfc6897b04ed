/* SPDX-License-Identifier: MIT
 *
 * conn.c: reading -> sending -> reading... A request that is complete in one segment costs one
 * epoll_wait, one read and one sendmsg. "Progress" is a finished response or bytes of one taken by
 * the client; bytes of a request head are not, so that dripping them does not hold a connection
 * beyond the time-out.
 */
#define _GNU_SOURCE 1 /* accept4 */
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_MAX 65536u
#define CHUNK_MIN 8192u
#define TURN_MAX \
	(4 * CHUNK_MAX) /* bytes that one connection may send before the others get their turn */
#define LINGER_MAX (256u << 10) /* bytes read away behind the last response */
#define EVICT_IDLE_MS \
	1000 /* a full server closes a connection that waited this long for its client */

enum state {
	READING, /* for the end of a request head, or skipping a body */
	SENDING,
	LINGERING /* last response sent, our side shut: reading until the client has closed its own
		   */
};

struct conn {
	struct conn *prev, *next;
	int fd;
	enum state state;
	uint32_t interest;
	int64_t since_ms; /* last progress */
	uint64_t skip;	  /* bytes of a request body still to come */
	bool linger;	  /* the client may have more to say after the last response */
	uint32_t lingered;
	uint32_t chunk; /* how much of a file to read for the next write */
	uint32_t addr;	/* the peer's, network order, for the log */
	size_t in_len;
	struct response out;
	char in[CONN_IN_MAX];
};

static char scratch[CHUNK_MAX]; /* file data between pread and sendmsg; nothing lives here across
				   calls */

void server_clock(struct server *s)
{
	struct timespec mono, wall;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &wall);
	s->now.mono_ms = mono.tv_sec * 1000LL + mono.tv_nsec / 1000000;
	if (wall.tv_sec == s->now.wall && s->now.date[0])
		return;
	s->now.wall = wall.tv_sec;
	http_date_format(wall.tv_sec, s->now.date);
}

/* --- the list by age -----------------------------------------------------------------------------
 */

static void unlink_conn(struct server *s, struct conn *c)
{
	*(c->prev ? &c->prev->next : &s->oldest) = c->next;
	*(c->next ? &c->next->prev : &s->newest) = c->prev;
}

static void append_conn(struct server *s, struct conn *c)
{
	c->since_ms = s->now.mono_ms;
	c->next = NULL;
	c->prev = s->newest;
	*(s->newest ? &s->newest->next : &s->oldest) = c;
	s->newest = c;
}

static void progress(struct server *s, struct conn *c)
{
	if (c->since_ms == s->now.mono_ms)
		return;
	unlink_conn(s, c);
	append_conn(s, c);
}

static void set_accepting(struct server *s, bool on)
{
	struct epoll_event ev = {.events = EPOLLIN};

	if (s->accepting == on)
		return;
	/* Should the kernel refuse, the state stays and the next close or connection tries again.
	 */
	if (!epoll_ctl(s->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listen_fd, &ev))
		s->accepting = on;
}

static void conn_close(struct server *s, struct conn *c)
{
	response_fini(&s->cache, &c->out);
	close(c->fd); /* takes it out of the epoll set */
	unlink_conn(s, c);
	free(c);
	s->nconns--;
	set_accepting(s, true);
}

static void want(struct server *s, struct conn *c, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (c->interest == events)
		return;
	c->interest = events;
	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

/* --- sending -------------------------------------------------------------------------------------
 */

enum outcome { DONE, BLOCKED, BROKEN };

/* Points iov at what remains of the response, as far as the next write should go; count, or 0 when
 * the file has become shorter than promised. *ret_len: bytes in all. */
static int gather(struct conn *c, struct iovec iov[2], size_t *ret_len)
{
	struct response *r = &c->out;
	int n = 0;

	*ret_len = 0;
	if (r->head_sent < r->head_len) {
		iov[n] = (struct iovec){r->head + r->head_sent, r->head_len - r->head_sent};
		*ret_len += iov[n++].iov_len;
	}
	if (!r->file || !r->left)
		return n;
	if (r->file->body) {
		iov[n] = (struct iovec){r->file->body + r->off, r->left};
	} else {
		size_t want_bytes = r->left < c->chunk ? r->left : c->chunk;
		ssize_t got = pread(r->file->fd, scratch, want_bytes, (off_t)r->off);

		if (got <= 0)
			return 0;
		iov[n] = (struct iovec){scratch, (size_t)got};
	}
	*ret_len += iov[n++].iov_len;
	return n;
}

static void advance(struct response *r, size_t n)
{
	size_t head = r->head_len - r->head_sent;

	if (head > n)
		head = n;
	r->head_sent += head;
	r->off += n - head;
	r->left -= n - head;
}

static uint32_t chunk_of(size_t n)
{
	return n < CHUNK_MIN ? CHUNK_MIN : n > CHUNK_MAX ? CHUNK_MAX : (uint32_t)n;
}

/* Do len bytes complete the response? */
static bool is_last(const struct response *r, size_t len)
{
	return len == r->head_len - r->head_sent + r->left;
}

static enum outcome send_response(struct server *s, struct conn *c)
{
	size_t turn = 0;

	for (;;) {
		struct iovec iov[2];
		size_t len;
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)gather(c, iov, &len)};
		ssize_t n;

		if (!m.msg_iovlen)
			return BROKEN;
		/* More follows, so no push: what a turn sends may leave as one large segment. */
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL | (is_last(&c->out, len) ? 0 : MSG_MORE));
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? BLOCKED : BROKEN;
		progress(s, c);
		advance(&c->out, (size_t)n);
		if (c->out.head_sent == c->out.head_len && !c->out.left)
			return DONE;
		turn += (size_t)n;
		if ((size_t)n < len) {
			/* What was read and not taken is read again, so a turn goes out in several
			 * pieces: only of the last one something is left over. */
			c->chunk = chunk_of(turn / 4);
			return BLOCKED;
		}
		if (turn >= 8 * (size_t)c->chunk)
			c->chunk = chunk_of(2 * (size_t)c->chunk);
		if (turn >= TURN_MAX)
			return BLOCKED;
	}
}

/* --- requests ------------------------------------------------------------------------------------
 */

/* The request line as it came, with what could forge a log line replaced. */
static void log_response(const struct conn *c)
{
	struct in_addr a = {.s_addr = c->addr};
	const char *lf = memchr(c->in, '\n', c->in_len);
	size_t n = lf ? (size_t)(lf - c->in) : c->in_len;
	char line[256];

	if (n && c->in[n - 1] == '\r')
		n--;
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	for (size_t i = 0; i < n; i++)
		line[i] = c->in[i] < 0x20 || c->in[i] > 0x7e || c->in[i] == '"' ? '?' : c->in[i];
	line[n] = '\0';
	printf("%s \"%s\" %d %llu\n", inet_ntoa(a), line, c->out.status,
	       (unsigned long long)c->out.body_len);
	fflush(stdout);
}

static void consume(struct conn *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

static void fail_request(struct server *s, struct conn *c, int status)
{
	respond_error(status, false, false, &s->now, &c->out);
	c->linger = true;
	c->state = SENDING;
	if (s->verbose)
		log_response(c);
}

/* Starts the response to the request at the front of the buffer, if a whole one is there. */
static bool next_request(struct server *s, struct conn *c)
{
	struct http_req req;
	size_t skip = c->skip < c->in_len ? (size_t)c->skip : c->in_len;
	int n;

	consume(c, skip);
	c->skip -= skip;
	if (c->skip || !c->in_len)
		return false;
	n = http_parse(c->in, c->in_len, &req);
	if (n == 0 && c->in_len < sizeof(c->in))
		return false;
	if (n <= 0) {
		fail_request(s, c, n ? -n : http_overflow_status(c->in, c->in_len));
		return true;
	}
	/* A client that waits for "100 Continue" gets its answer at once and might or might not
	 * send the body. */
	if (req.expect_continue || req.content_length > CONN_SKIP_MAX)
		req.keep_alive = false;
	else
		c->skip = req.content_length;
	c->linger = req.expect_continue || req.content_length || req.transfer_encoding;
	respond(&s->cache, &req, &s->now, &c->out);
	c->chunk = CHUNK_MAX;
	c->state = SENDING;
	if (s->verbose)
		log_response(c);
	consume(c, (size_t)n);
	return true;
}

/* After the last byte of a response. False: the connection is gone. */
static bool response_sent(struct server *s, struct conn *c)
{
	bool keep_alive = c->out.keep_alive;

	response_fini(&s->cache, &c->out);
	if (keep_alive) {
		c->state = READING;
		return true;
	}
	if (!c->linger && !c->in_len) {
		conn_close(s, c);
		return false;
	}
	/* Closing now, with bytes of the client unread, would reset the connection and could take
	 * the response away before the client has read it. */
	shutdown(c->fd, SHUT_WR);
	c->state = LINGERING;
	return true;
}

/* Serves what is in the buffer until it runs out, the socket blocks or the connection ends. */
static void run(struct server *s, struct conn *c)
{
	for (;;) {
		if (c->state == READING && !next_request(s, c))
			break;
		if (c->state == LINGERING)
			break;
		switch (send_response(s, c)) {
		case DONE:
			if (!response_sent(s, c))
				return;
			break;
		case BLOCKED:
			want(s, c, EPOLLOUT);
			return;
		case BROKEN:
			conn_close(s, c);
			return;
		}
	}
	want(s, c, EPOLLIN);
}

static void linger(struct server *s, struct conn *c)
{
	ssize_t n = read(c->fd, scratch, sizeof(scratch));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && (c->lingered += (uint32_t)n) < LINGER_MAX)
		return;
	conn_close(s, c);
}

void conn_event(struct server *s, struct conn *c, uint32_t events)
{
	ssize_t n;

	if (c->state == SENDING) {
		if (events & EPOLLERR)
			conn_close(s, c);
		else
			run(s, c);
		return;
	}
	if (c->state == LINGERING) {
		linger(s, c);
		return;
	}
	/* next_request() never leaves a full buffer behind while READING. */
	n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(s, c);
		return;
	}
	c->in_len += (size_t)n;
	run(s, c);
}

/* --- coming and going ----------------------------------------------------------------------------
 */

/* Makes room by closing the connection that has waited longest for its client. */
static bool evict(struct server *s)
{
	for (struct conn *c = s->oldest; c && s->now.mono_ms - c->since_ms >= EVICT_IDLE_MS;
	     c = c->next) {
		if (c->state == SENDING)
			continue;
		conn_close(s, c);
		return true;
	}
	return false;
}

static int conn_add(struct server *s, int fd, const struct sockaddr_in *peer)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		return -ENOMEM;
	ev.data.ptr = c;
	c->fd = fd;
	c->addr = peer->sin_addr.s_addr;
	c->interest = EPOLLIN;
	c->state = READING;
	/* A response goes out by one call; there is nothing that Nagle's algorithm could wait for.
	 */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		free(c);
		return -errno;
	}
	append_conn(s, c);
	s->nconns++;
	return 0;
}

void server_accept(struct server *s)
{
	for (bool first = true;; first = false) {
		struct sockaddr_in peer = {0};
		socklen_t len = sizeof(peer);
		int fd;

		/* Full: only an event that comes now says that somebody is waiting, so only then is
		 * one ended. */
		if (s->nconns >= s->max_conns && !first)
			return;
		if (s->nconns >= s->max_conns && !evict(s)) {
			set_accepting(s, false); /* they wait in the backlog */
			return;
		}
		fd = accept4(s->listen_fd, (struct sockaddr *)&peer, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN && s->nconns)
				set_accepting(
					s,
					false); /* out of descriptors or memory: when one closes */
			return;
		}
		if (conn_add(s, fd, &peer) < 0)
			close(fd);
	}
}

int server_expire(struct server *s)
{
	int64_t left;

	while (s->oldest && s->now.mono_ms - s->oldest->since_ms >= s->timeout_ms) {
		struct conn *c = s->oldest;

		if (c->state == READING && c->in_len) {
			/* One attempt: the client is slow already. */
			fail_request(s, c, 408);
			send_response(s, c);
		}
		conn_close(s, c);
	}
	if (!s->oldest)
		return -1;
	left = s->oldest->since_ms + s->timeout_ms - s->now.mono_ms;
	/* Connections wait in the backlog: look for one to evict as soon as there may be one. */
	if (!s->accepting) {
		int64_t due = s->oldest->since_ms + EVICT_IDLE_MS - s->now.mono_ms;

		if (due <= 0)
			due = EVICT_IDLE_MS;
		left = due < left ? due : left;
	}
	return left > INT32_MAX ? INT32_MAX : (int)left;
}
