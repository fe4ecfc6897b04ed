/* SPDX-License-Identifier: MIT
 *
 * unix.c: socketpair(AF_UNIX): two ends, each with a ring for what the other one sent. Streams, and
 * datagrams with a length before each. A ring takes memory only while there is something in it to
 * read. Runs on the one vCPU; an end that waits for its peer within one process waits for ever
 * unless a signal handler moves the data, as on Linux.
 */
#include "net/sock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "net/mem.h"
#include "net/net.h"
#include "sys.h"
#include "wait.h"

#define RING_PAGES 16u
#define RING_SIZE  (RING_PAGES * 4096u)

struct uk_unix {
	struct uk_sock s;
	struct uk_unix *peer; /* NULL: closed */
	uint8_t *ring;	      /* what there is to read; NULL while empty */
	uint32_t head, tail;  /* free-running: [tail, head) is filled */
};

static uint32_t filled(const struct uk_unix *u)
{
	return u->head - u->tail;
}

static void ring_in(struct uk_unix *u, const void *src, size_t len)
{
	const uint8_t *p = src;

	while (len > 0) {
		size_t at = u->head % RING_SIZE;
		size_t k = RING_SIZE - at < len ? RING_SIZE - at : len;

		memcpy(u->ring + at, p, k);
		u->head += (uint32_t)k;
		p += k;
		len -= k;
	}
}

/* dst NULL skips; from: offset behind the tail */
static void ring_peek(const struct uk_unix *u, uint32_t from, void *dst, size_t len)
{
	uint8_t *p = dst;

	while (len > 0) {
		size_t at = (u->tail + from) % RING_SIZE;
		size_t k = RING_SIZE - at < len ? RING_SIZE - at : len;

		memcpy(p, u->ring + at, k);
		from += (uint32_t)k;
		p += k;
		len -= k;
	}
}

static void consume(struct uk_unix *u, uint32_t len)
{
	u->tail += len;
	if (u->tail == u->head) {
		uk__pages_free(u->ring, RING_PAGES);
		u->ring = NULL;
	}
	if (u->peer)
		uk__sock_news(&u->peer->s);
}

static bool is_stream(const struct uk_unix *u)
{
	return u->s.type == SOCK_STREAM;
}

/* Free bytes at the peer, after the length word of a datagram. */
static size_t space(const struct uk_unix *u)
{
	size_t room = RING_SIZE - filled(u->peer), word = is_stream(u) ? 0 : sizeof(uint32_t);

	return room > word ? room - word : 0;
}

static bool peer_deaf(const struct uk_unix *u)
{
	return !u->peer || (u->peer->s.shut & UK_SHUT_RD) || (u->s.shut & UK_SHUT_WR);
}

static bool can_send_some(void *arg)
{
	const struct uk_unix *u = arg;

	return peer_deaf(u) || space(u) >= RING_SIZE / 4;
}

static int put_dgram(struct uk_unix *u, const struct iovec *iov, int n, uint32_t len)
{
	struct uk_unix *to = u->peer;

	if (space(u) < len)
		return -EAGAIN;
	ring_in(to, &len, sizeof(len));
	for (int i = 0; i < n; i++)
		ring_in(to, iov[i].iov_base, iov[i].iov_len);
	uk__sock_news(&to->s);
	return 0;
}

static size_t put_stream(struct uk_unix *u, const struct iovec *iov, int n, size_t skip)
{
	size_t done = 0;

	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len, room = space(u);

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > room)
			len = room;
		ring_in(u->peer, (const uint8_t *)iov[i].iov_base + skip, len);
		done += len;
		if (skip + len < iov[i].iov_len)
			break;
		skip = 0;
	}
	if (done)
		uk__sock_news(&u->peer->s);
	return done;
}

static ssize_t unix_send(struct uk_sock *s, const struct iovec *iov, int n, int flags,
			 const struct uk_addr *to)
{
	struct uk_unix *u = (struct uk_unix *)s;
	size_t len = uk__iov_len(iov, n), done = 0;

	(void)to;
	if (!is_stream(u) && len > RING_SIZE - sizeof(uint32_t))
		return -EMSGSIZE;
	for (;;) {
		int r;

		if (peer_deaf(u))
			return done ? (ssize_t)done : -EPIPE;
		if (!u->peer->ring && (len || !is_stream(u)))
			u->peer->ring = uk__pages_alloc(RING_PAGES);
		if (!u->peer->ring && (len || !is_stream(u)))
			return -ENOBUFS;
		if (!is_stream(u)) {
			if (put_dgram(u, iov, n, (uint32_t)len) == 0)
				return (ssize_t)len;
		} else {
			done += put_stream(u, iov, n, done);
			if (done == len)
				return (ssize_t)done;
		}
		if (flags & MSG_DONTWAIT)
			return done ? (ssize_t)done : -EAGAIN;
		r = uk__sock_wait(s, can_send_some, s->sndtimeo);
		if (r < 0)
			return done ? (ssize_t)done : r;
	}
}

static bool can_recv(void *arg)
{
	const struct uk_unix *u = arg;

	return filled(u) || !u->peer || (u->peer->s.shut & UK_SHUT_WR) || (u->s.shut & UK_SHUT_RD);
}

static size_t copy_out(const struct uk_unix *u, uint32_t from, uint32_t have,
		       const struct iovec *iov, int n)
{
	size_t done = 0;

	for (int i = 0; i < n && done < have; i++) {
		size_t k = iov[i].iov_len < have - done ? iov[i].iov_len : have - done;

		ring_peek(u, from + (uint32_t)done, iov[i].iov_base, k);
		done += k;
	}
	return done;
}

static ssize_t unix_recv(struct uk_sock *s, const struct iovec *iov, int n, int *flags,
			 struct uk_addr *from)
{
	struct uk_unix *u = (struct uk_unix *)s;
	uint32_t have, word = 0;
	int in = *flags;
	size_t done;

	(void)from;
	*flags = 0;
	while (!filled(u)) {
		int r;

		if (can_recv(u))
			return 0;
		if (in & MSG_DONTWAIT)
			return -EAGAIN;
		r = uk__sock_wait(s, can_recv, s->rcvtimeo);
		if (r < 0)
			return r;
	}
	have = filled(u);
	if (!is_stream(u)) {
		word = sizeof(have);
		ring_peek(u, 0, &have, sizeof(have));
	}
	done = copy_out(u, word, have, iov, n);
	if (!is_stream(u) && done < have)
		*flags |= MSG_TRUNC;
	if (!(in & MSG_PEEK))
		consume(u, is_stream(u) ? (uint32_t)done : have + word);
	return (ssize_t)(!is_stream(u) && (in & MSG_TRUNC) ? have : done);
}

static int unix_shutdown(struct uk_sock *s, int how)
{
	if (how != SHUT_WR)
		s->shut |= UK_SHUT_RD;
	if (how != SHUT_RD)
		s->shut |= UK_SHUT_WR;
	uk__sock_news(s);
	if (((struct uk_unix *)s)->peer)
		uk__sock_news(&((struct uk_unix *)s)->peer->s);
	return 0;
}

static uint32_t unix_poll(struct uk_sock *s)
{
	const struct uk_unix *u = (struct uk_unix *)s;
	uint32_t ev = 0;

	if (can_recv(s))
		ev |= EPOLLIN | EPOLLRDNORM;
	if (!u->peer || (u->peer->s.shut & UK_SHUT_WR) || (s->shut & UK_SHUT_RD))
		ev |= EPOLLRDHUP;
	if (!u->peer || s->shut == (UK_SHUT_RD | UK_SHUT_WR))
		ev |= EPOLLHUP;
	if (can_send_some(s))
		ev |= EPOLLOUT | EPOLLWRNORM;
	return ev;
}

static long unix_pending(struct uk_sock *s)
{
	const struct uk_unix *u = (struct uk_unix *)s;
	uint32_t n = filled(u);

	if (n && !is_stream(u))
		ring_peek(u, 0, &n, sizeof(n));
	return n;
}

static void unix_close(struct uk_sock *s)
{
	struct uk_unix *u = (struct uk_unix *)s;

	if (u->peer) {
		u->peer->peer = NULL;
		uk__sock_news(&u->peer->s);
	}
	if (u->ring)
		uk__pages_free(u->ring, RING_PAGES);
	uk__net_free(u);
}

static const struct uk_sock_ops unix_ops = {
	.send = unix_send,
	.recv = unix_recv,
	.shutdown = unix_shutdown,
	.poll = unix_poll,
	.pending = unix_pending,
	.close = unix_close,
};

int uk__unix_pair(int type, struct uk_sock *ret_pair[2])
{
	struct uk_unix *a, *b;

	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	uk__net_memory();
	a = uk__net_calloc(1, sizeof(*a));
	b = uk__net_calloc(1, sizeof(*b));
	if (!a || !b) {
		uk__net_free(a);
		uk__net_free(b);
		return -ENOBUFS;
	}
	uk__sock_init(&a->s, &unix_ops, AF_UNIX, type, 0);
	uk__sock_init(&b->s, &unix_ops, AF_UNIX, type, 0);
	a->peer = b;
	b->peer = a;
	ret_pair[0] = &a->s;
	ret_pair[1] = &b->s;
	return 0;
}
