/* SPDX-License-Identifier: MIT
 *
 * tcp_io.c: data through a TCP socket: sending with backpressure from the send buffer and the heap,
 * receiving from the queue of pbufs that lwIP delivered. Runs on the one vCPU.
 */
#include "net/tcp.h"

#include <errno.h>
#include <string.h>

#include "lwip/priv/tcp_priv.h"
#include "net/mem.h"
#include "platform.h"
#include "wait.h"

#define QUEUE_MARGIN 64u
#define FAIR_SHARE   (2u * TCP_MSS)

size_t uk__tcp_writable(struct uk_tcp *t)
{
	struct tcp_pcb *pcb = t->pcb;
	size_t space, queued, room = uk__net_mem_room();

	if (!pcb || t->phase != TCP_OPEN || (t->s.shut & UK_SHUT_WR))
		return 0;
	if (tcp_sndqueuelen(pcb) >= TCP_SND_QUEUELEN - QUEUE_MARGIN)
		return 0;
	if (t->starved && t->starved_gen == uk__net_mem_frees())
		return 0;
	t->starved = false;
	space = tcp_sndbuf(pcb);
	queued = TCP_SND_BUF > space ? TCP_SND_BUF - space : 0;
	if (t->s.sndbuf && queued + space > t->s.sndbuf)
		space = t->s.sndbuf > queued ? t->s.sndbuf - queued : 0;
	/* Everybody gets a little, so that a connection with nothing under way is not starved by
	 * others. */
	if (tcp_sndqueuelen(pcb) == 0 && room < FAIR_SHARE)
		room = FAIR_SHARE;
	return space < room ? space : room;
}

/* 0 when data may be sent, an error otherwise. */
static int send_state(struct uk_tcp *t)
{
	if (t->s.err)
		return uk__sock_take_err(&t->s);
	if (t->s.shut & UK_SHUT_WR)
		return -EPIPE;
	if (t->phase == TCP_CONNECTING)
		return -EAGAIN;
	if (t->phase != TCP_OPEN)
		return -EPIPE; /* as Linux, also for one that never was connected */
	return t->pcb ? 0 : -EPIPE;
}

/* A quarter of the buffer: waking for every freed segment would make tiny ones. */
static size_t low_water(const struct uk_tcp *t)
{
	size_t buf = TCP_SND_BUF;

	if (t->s.sndbuf && t->s.sndbuf < buf)
		buf = t->s.sndbuf;
	return buf / 4;
}

static bool can_send(void *arg)
{
	struct uk_tcp *t = arg;
	size_t space;

	if (t->phase == TCP_CONNECTING)
		return false;
	if (t->s.err || !t->pcb || t->phase != TCP_OPEN || (t->s.shut & UK_SHUT_WR))
		return true;
	space = uk__tcp_writable(t);
	/* With nothing under way no ACK will come to raise it further. */
	return space >= low_water(t) || (space > 0 && tcp_sndqueuelen(t->pcb) == 0);
}

/* Hand at most len bytes to lwIP; how many it took. */
static ssize_t write_some(struct uk_tcp *t, const uint8_t *p, size_t len, bool more)
{
	size_t space = uk__tcp_writable(t);
	size_t chunk = len < space ? len : space;

	if (chunk > 0xffff)
		chunk = 0xffff;
	while (chunk > 0) {
		u8_t flags = TCP_WRITE_FLAG_COPY;
		err_t e;

		if (more || chunk < len)
			flags |= TCP_WRITE_FLAG_MORE;
		e = tcp_write(t->pcb, p, (u16_t)chunk, flags);
		if (e == ERR_OK)
			return (ssize_t)chunk;
		if (e != ERR_MEM)
			return uk__net_errno(e);
		chunk = chunk > 2 * TCP_MSS ? chunk / 2 : 0;
	}
	if (space > 0) {
		t->starved = true;
		t->starved_gen = uk__net_mem_frees();
	}
	return 0;
}

static int wait_space(struct uk_tcp *t, int flags, bool *waited)
{
	tcp_output(t->pcb);
	if (!*waited) {
		/* ACKs may be waiting in the ring: they cost less to look at than to wait for. */
		*waited = true;
		uk__poll();
		if (!t->pcb || uk__tcp_writable(t) > 0)
			return 0;
	}
	if (flags & MSG_DONTWAIT)
		return -EAGAIN;
	return uk__sock_wait(&t->s, can_send, t->s.sndtimeo);
}

ssize_t uk__tcp_send(struct uk_sock *s, const struct iovec *iov, int n, int flags,
		     const struct uk_addr *to)
{
	struct uk_tcp *t = (struct uk_tcp *)s;
	bool more = (flags & MSG_MORE) || t->cork, waited = false;
	size_t total = 0;
	int r;

	(void)to;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	r = send_state(t);
	if (r == -EAGAIN && !(flags & MSG_DONTWAIT)) {
		r = uk__sock_wait(s, can_send, s->sndtimeo);
		r = r < 0 ? r : send_state(t);
	}
	for (int i = 0; i < n && r == 0; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left > 0 && r == 0) {
			ssize_t w = write_some(t, p, left, more || i + 1 < n);

			if (w < 0) {
				r = (int)w;
			} else if (w == 0) {
				r = wait_space(t, flags, &waited);
				r = r < 0 ? r : send_state(t);
			} else {
				p += w;
				left -= (size_t)w;
				total += (size_t)w;
			}
		}
	}
	/* With MSG_MORE lwIP's timer sends the rest if nothing else follows. */
	if (t->pcb && total && (!more || uk__tcp_writable(t) < low_water(t)))
		tcp_output(t->pcb);
	/* What was taken counts; an error of the connection is kept for the next call. */
	if (total && r < 0 && r != -EAGAIN && r != -EINTR && r != -EPIPE)
		s->err = -r;
	return total ? (ssize_t)total : r;
}

/* --- receiving
 * --------------------------------------------------------------------------------------- */

err_t uk__tcp_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct uk_tcp *t = arg;

	(void)err;
	if (!p) {
		t->eof = true;
		uk__sock_news(&t->s);
		if (t->s.shut & UK_SHUT_WR)
			uk__tcp_detach(t);
		return ERR_OK;
	}
	if (t->s.shut & UK_SHUT_RD) {
		tcp_recved(pcb, p->tot_len);
		pbuf_free(p);
		return ERR_OK;
	}
	/* Merged by the device from several segments: a delayed ACK would stall the sender. */
	if (p->tot_len > pcb->mss)
		tcp_ack_now(pcb);
	t->rx_bytes += p->tot_len;
	if (t->rx_tail)
		t->rx_tail->next = p;
	else
		t->rx_head = p;
	while (p->next)
		p = p->next;
	t->rx_tail = p;
	uk__sock_news(&t->s);
	return ERR_OK;
}

static void pop_head(struct uk_tcp *t)
{
	struct pbuf *p = t->rx_head;

	t->rx_head = p->next;
	if (!t->rx_head)
		t->rx_tail = NULL;
	t->rx_off = 0;
	p->next = NULL;
	pbuf_free(p);
}

void uk__tcp_drop_rx(struct uk_tcp *t)
{
	while (t->rx_head)
		pop_head(t);
	t->rx_bytes = 0;
}

static void open_window(struct uk_tcp *t, size_t n)
{
	while (t->pcb && n > 0) {
		u16_t step = n > 0xffff ? 0xffff : (u16_t)n;

		tcp_recved(t->pcb, step);
		n -= step;
	}
}

/* Copy out and consume up to len bytes; dst NULL throws them away. */
static size_t take(struct uk_tcp *t, uint8_t *dst, size_t len)
{
	size_t done = 0;

	while (done < len && t->rx_head) {
		struct pbuf *p = t->rx_head;
		size_t n = p->len - t->rx_off;

		if (n > len - done)
			n = len - done;
		if (dst)
			memcpy(dst + done, (const uint8_t *)p->payload + t->rx_off, n);
		done += n;
		t->rx_off += (uint32_t)n;
		if (t->rx_off == p->len)
			pop_head(t);
	}
	t->rx_bytes -= done;
	return done;
}

static size_t peek(const struct uk_tcp *t, const struct iovec *iov, int n)
{
	const struct pbuf *p = t->rx_head;
	size_t off = t->rx_off, done = 0;

	for (int i = 0; i < n; i++) {
		size_t at = 0;

		while (p && at < iov[i].iov_len) {
			size_t k = p->len - off;

			if (k > iov[i].iov_len - at)
				k = iov[i].iov_len - at;
			memcpy((uint8_t *)iov[i].iov_base + at, (const uint8_t *)p->payload + off,
			       k);
			at += k;
			off += k;
			if (off == p->len) {
				p = p->next;
				off = 0;
			}
		}
		done += at;
	}
	return done;
}

static bool can_recv(void *arg)
{
	struct uk_tcp *t = arg;

	return t->rx_head || t->eof || t->s.err || (t->s.shut & UK_SHUT_RD) ||
	       (t->phase == TCP_OPEN && !t->pcb) || t->phase == TCP_FRESH;
}

/* What recv says when there is no data: 1 = wait. */
static int empty_state(struct uk_tcp *t)
{
	if (t->s.err)
		return uk__sock_take_err(&t->s);
	if (t->eof || (t->s.shut & UK_SHUT_RD))
		return 0;
	if (t->phase == TCP_CONNECTING)
		return 1;
	if (t->phase != TCP_OPEN)
		return -ENOTCONN;
	return t->pcb ? 1 : 0;
}

static int wait_data(struct uk_tcp *t, int flags)
{
	int r;

	while (!t->rx_head) {
		uk__poll();
		if (t->rx_head)
			break;
		r = empty_state(t);
		if (r <= 0)
			return r;
		if (flags & MSG_DONTWAIT)
			return -EAGAIN;
		r = uk__sock_wait(&t->s, can_recv, t->s.rcvtimeo);
		if (r < 0)
			return r;
	}
	return 1;
}

ssize_t uk__tcp_recv(struct uk_sock *s, const struct iovec *iov, int n, int *flags,
		     struct uk_addr *from)
{
	struct uk_tcp *t = (struct uk_tcp *)s;
	int in = *flags, i = 0;
	size_t want = uk__iov_len(iov, n), total = 0, at = 0;
	int r;

	(void)from;
	*flags = 0;
	if (in & MSG_OOB)
		return -EINVAL;
	if (want == 0)
		return t->phase == TCP_OPEN ? 0 : -ENOTCONN;
	r = wait_data(t, in);
	if (r <= 0)
		return r;
	if (in & MSG_PEEK)
		return (ssize_t)peek(t, iov, n);
	while (i < n) {
		uint8_t *dst = in & MSG_TRUNC ? NULL : (uint8_t *)iov[i].iov_base + at;
		size_t k = take(t, dst, iov[i].iov_len - at);

		at += k;
		total += k;
		open_window(t, k);
		if (at == iov[i].iov_len) {
			i++;
			at = 0;
		} else if (!(in & MSG_WAITALL) || wait_data(t, in) <= 0) {
			break;
		}
	}
	return (ssize_t)total;
}
