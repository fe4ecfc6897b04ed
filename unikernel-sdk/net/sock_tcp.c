/* SPDX-License-Identifier: MIT
 *
 * sock_tcp.c: the life of a TCP socket: bind, connect, listen, accept, shutdown, close, readiness.
 * lwIP owns a pcb from the moment both directions are closed; the socket forgets it then. Runs on
 * the one vCPU.
 */
#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>

#include "lwip/priv/tcp_priv.h"
#include "net/mem.h"
#include "platform.h"
#include "wait.h"

#define BACKLOG_MAX   255
#define RX_FAIR_SHARE 4096u

static const struct uk_sock_ops tcp_ops;

static void on_err(void *arg, err_t e)
{
	struct uk_tcp *t = arg;

	if (!t)
		return;
	t->pcb = NULL;
	if (t->phase == TCP_CONNECTING) {
		t->phase = TCP_FRESH;
		t->s.err = e == ERR_RST ? ECONNREFUSED : -uk__net_errno(e);
	} else if (e != ERR_CLSD) {
		t->s.err = -uk__net_errno(e);
	}
	uk__sock_news(&t->s);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct uk_tcp *t = arg;

	(void)pcb;
	(void)len;
	if (t)
		uk__sock_news(&t->s);
	return ERR_OK;
}

static void forget(struct tcp_pcb *pcb)
{
	tcp_arg(pcb, NULL);
	if (pcb->state == LISTEN) {
		tcp_accept(pcb, NULL);
		return;
	}
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
}

static void note_names(struct uk_tcp *t)
{
	t->local = (struct uk_addr){.ip = t->pcb->local_ip, .port = t->pcb->local_port};
	t->peer = (struct uk_addr){.ip = t->pcb->remote_ip, .port = t->pcb->remote_port};
}

void uk__tcp_detach(struct uk_tcp *t)
{
	note_names(t);
	forget(t->pcb);
	t->pcb = NULL;
}

void uk__tcp_apply(struct uk_tcp *t)
{
	struct tcp_pcb *pcb = t->pcb;

	if (!pcb)
		return;
	if (t->s.reuse)
		ip_set_option(pcb, SOF_REUSEADDR);
	else
		ip_reset_option(pcb, SOF_REUSEADDR);
	if (t->s.keepalive)
		ip_set_option(pcb, SOF_KEEPALIVE);
	else
		ip_reset_option(pcb, SOF_KEEPALIVE);
	pcb->tos = (u8_t)t->s.tos;
	if (t->s.ttl)
		pcb->ttl = (u8_t)t->s.ttl;
	if (pcb->state == LISTEN)
		return;
	if (t->nodelay)
		tcp_nagle_disable(pcb);
	else
		tcp_nagle_enable(pcb);
	if (t->keepidle)
		pcb->keep_idle = t->keepidle * 1000;
	if (t->keepintvl)
		pcb->keep_intvl = t->keepintvl * 1000;
	if (t->keepcnt)
		pcb->keep_cnt = t->keepcnt;
}

static void attach(struct uk_tcp *t, struct tcp_pcb *pcb)
{
	t->pcb = pcb;
	tcp_arg(pcb, t);
	tcp_recv(pcb, uk__tcp_on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	/* RFC 6298: 1 s until there is a measurement; lwIP begins with 3. */
	if (pcb->state == CLOSED)
		pcb->rto = pcb->sv = 1000 / TCP_SLOW_INTERVAL;
	uk__tcp_apply(t);
}

/* The pcb comes late, since its address family may depend on what it is used for. */
static int need_pcb(struct uk_tcp *t, bool v6, bool dual)
{
	u8_t type = !v6 ? IPADDR_TYPE_V4 : dual ? IPADDR_TYPE_ANY : IPADDR_TYPE_V6;
	struct tcp_pcb *pcb;

	if (t->pcb)
		return 0;
	pcb = tcp_new_ip_type(type);
	if (!pcb)
		return -ENOBUFS;
	attach(t, pcb);
	return 0;
}

static int tcp_sock_bind(struct uk_sock *s, const struct uk_addr *a)
{
	struct uk_tcp *t = (struct uk_tcp *)s;
	bool v6 = IP_IS_V6_VAL(a->ip);
	bool dual = v6 && !s->v6only && ip_addr_isany(&a->ip);
	ip_addr_t ip = a->ip;
	int r;

	if (t->phase != TCP_FRESH || (t->pcb && t->pcb->local_port))
		return -EINVAL;
	if (!v6 && s->domain == AF_INET6 && s->v6only)
		return -EINVAL;
	r = need_pcb(t, v6, dual);
	if (r < 0)
		return r;
	if (dual)
		ip = *IP_ANY_TYPE;
	r = uk__net_errno(tcp_bind(t->pcb, &ip, a->port));
	if (r == 0)
		note_names(t);
	return r;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t e)
{
	struct uk_tcp *t = arg;

	(void)pcb;
	(void)e; /* always ERR_OK: failures go to on_err */
	t->phase = TCP_OPEN;
	note_names(t);
	uk__sock_news(&t->s);
	return ERR_OK;
}

static bool connect_done(void *arg)
{
	return ((struct uk_tcp *)arg)->phase != TCP_CONNECTING;
}

static int connect_result(struct uk_tcp *t)
{
	if (t->phase == TCP_OPEN)
		return 0;
	return t->s.err ? uk__sock_take_err(&t->s) : -ECONNABORTED;
}

static int connect_start(struct uk_tcp *t, const struct uk_addr *a)
{
	bool v6 = IP_IS_V6_VAL(a->ip);
	int r = need_pcb(t, v6, false);

	if (r < 0)
		return r;
	/* A dual-stack socket bound to "any" takes the family of its peer. */
	if (ip_addr_isany(&t->pcb->local_ip))
		t->pcb->local_ip = v6 ? *IP6_ADDR_ANY : *IP4_ADDR_ANY;
	else if (IP_IS_V6_VAL(t->pcb->local_ip) != v6)
		return -ENETUNREACH;
	t->phase = TCP_CONNECTING;
	r = uk__net_errno(tcp_connect(t->pcb, &a->ip, a->port, on_connected));
	if (r < 0) {
		t->phase = TCP_FRESH;
		return r;
	}
	note_names(t);
	return 0;
}

static int tcp_sock_connect(struct uk_sock *s, const struct uk_addr *a, bool nonblock)
{
	struct uk_tcp *t = (struct uk_tcp *)s;
	int r;

	if (a->unspec)
		return -EAFNOSUPPORT;
	if (t->phase == TCP_OPEN)
		return -EISCONN;
	if (t->phase == TCP_LISTENING)
		return -EISCONN;
	if (t->phase == TCP_FRESH) {
		if (s->err)
			return uk__sock_take_err(s);
		if (a->port == 0)
			return -ECONNREFUSED;
		r = connect_start(t, a);
		if (r < 0)
			return r;
		if (nonblock)
			return -EINPROGRESS;
	} else if (nonblock) {
		return -EALREADY;
	}
	r = uk__sock_wait(s, connect_done, s->sndtimeo);
	if (r == -EAGAIN)
		return -EINPROGRESS;
	return r < 0 ? r : connect_result(t);
}

/* --- listening
 * --------------------------------------------------------------------------------------- */

static struct uk_tcp *new_tcp(int domain)
{
	struct uk_tcp *t = uk__net_calloc(1, sizeof(*t));

	if (t)
		uk__sock_init(&t->s, &tcp_ops, domain, SOCK_STREAM, IPPROTO_TCP);
	return t;
}

static void inherit(struct uk_tcp *child, const struct uk_tcp *parent)
{
	const struct uk_sock_ops *ops = child->s.ops;

	child->s = parent->s;
	child->s.ops = ops;
	child->s.err = 0;
	child->s.shut = 0;
	child->nodelay = parent->nodelay;
	child->keepidle = parent->keepidle;
	child->keepintvl = parent->keepintvl;
	child->keepcnt = parent->keepcnt;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t e)
{
	struct uk_tcp *t = arg, *child;

	if (!t || e != ERR_OK || !pcb)
		return ERR_VAL;
	child = new_tcp(t->s.domain);
	if (!child)
		return ERR_MEM; /* lwIP resets the connection */
	inherit(child, t);
	child->phase = TCP_OPEN;
	attach(child, pcb);
	note_names(child);
	tcp_backlog_delayed(pcb);
	child->listener = t;
	if (t->queue_tail)
		t->queue_tail->queue_next = child;
	else
		t->queue_head = child;
	t->queue_tail = child;
	uk__sock_news(&t->s);
	return ERR_OK;
}

static int tcp_sock_listen(struct uk_sock *s, int backlog)
{
	struct uk_tcp *t = (struct uk_tcp *)s;
	struct tcp_pcb *listener;
	err_t e;

	/* Linux lets in one more than asked for, and rounds negative up. */
	backlog = backlog < 0 || backlog >= BACKLOG_MAX ? BACKLOG_MAX : backlog + 1;
	if (t->phase == TCP_LISTENING) {
		tcp_backlog_set(t->pcb, (u8_t)backlog);
		return 0;
	}
	if (t->phase != TCP_FRESH)
		return -EINVAL;
	if (!t->pcb || !t->pcb->local_port) {
		struct uk_addr any = {.port = 0};
		int r;

		if (s->domain == AF_INET6)
			any.ip = *IP6_ADDR_ANY;
		r = tcp_sock_bind(s, &any);
		if (r < 0)
			return r;
	}
	listener = tcp_listen_with_backlog_and_err(t->pcb, (u8_t)backlog, &e);
	if (!listener)
		return uk__net_errno(e);
	t->pcb = listener; /* lwIP freed the other one */
	t->phase = TCP_LISTENING;
	tcp_arg(listener, t);
	tcp_accept(listener, on_accept);
	uk__mark(UK_MARK_LISTEN);
	return 0;
}

static bool can_accept(void *arg)
{
	struct uk_tcp *t = arg;

	return t->queue_head || t->phase != TCP_LISTENING || (t->s.shut & UK_SHUT_RD);
}

static struct uk_tcp *dequeue(struct uk_tcp *t)
{
	struct uk_tcp *child = t->queue_head;

	t->queue_head = child->queue_next;
	if (!t->queue_head)
		t->queue_tail = NULL;
	child->queue_next = NULL;
	child->listener = NULL;
	if (child->pcb)
		tcp_backlog_accepted(child->pcb);
	return child;
}

static int tcp_sock_accept(struct uk_sock *s, bool nonblock, struct uk_sock **ret_child)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	if (t->phase != TCP_LISTENING)
		return -EINVAL;
	if (!t->queue_head)
		uk__poll();
	while (!t->queue_head) {
		int r;

		if (s->shut & UK_SHUT_RD)
			return -EINVAL;
		if (nonblock)
			return -EAGAIN;
		r = uk__sock_wait(s, can_accept, s->rcvtimeo);
		if (r < 0)
			return r;
	}
	*ret_child = &dequeue(t)->s;
	return 0;
}

/* --- the end
 * ----------------------------------------------------------------------------------------- */

static int tcp_sock_shutdown(struct uk_sock *s, int how)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	if (t->phase == TCP_LISTENING) {
		if (how != SHUT_WR)
			s->shut |= UK_SHUT_RD;
		return 0;
	}
	if (t->phase != TCP_OPEN)
		return -ENOTCONN;
	if (how != SHUT_WR) {
		size_t n = t->rx_bytes;

		s->shut |= UK_SHUT_RD;
		uk__tcp_drop_rx(t);
		if (t->pcb && n)
			for (; n > 0; n -= n < 0xffff ? n : 0xffff)
				tcp_recved(t->pcb, n < 0xffff ? (u16_t)n : 0xffff);
	}
	if (how != SHUT_RD && !(s->shut & UK_SHUT_WR)) {
		s->shut |= UK_SHUT_WR;
		/* No memory for the FIN: lwIP tries again by its timer (TF_CLOSEPEND). */
		if (t->pcb)
			tcp_shutdown(t->pcb, 0, 1);
		if (t->pcb && t->eof)
			uk__tcp_detach(t);
	}
	uk__sock_news(s);
	return 0;
}

static bool all_acked(void *arg)
{
	const struct uk_tcp *t = arg;

	return !t->pcb || (!t->pcb->unsent && !t->pcb->unacked);
}

/* SO_LINGER: wait for the peer to have everything, or throw it away. */
static void linger(struct uk_tcp *t)
{
	if (t->s.linger_s && !(t->s.shut & UK_SHUT_WR)) {
		tcp_sock_shutdown(&t->s, SHUT_WR);
		uk__sock_wait(&t->s, all_acked, (uint64_t)t->s.linger_s * 1000000000u);
	}
	if (t->pcb && (!t->s.linger_s || !all_acked(t))) {
		struct tcp_pcb *pcb = t->pcb;

		uk__tcp_detach(t);
		tcp_abort(pcb);
	}
}

static void tcp_sock_close(struct uk_sock *s)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	while (t->queue_head) {
		struct uk_tcp *child = dequeue(t);

		child->s.linger = true; /* nobody will ever talk to it: reset */
		child->s.linger_s = 0;
		tcp_sock_close(&child->s);
	}
	if (s->linger && t->phase == TCP_OPEN && t->pcb)
		linger(t);
	if (t->pcb) {
		struct tcp_pcb *pcb = t->pcb;

		forget(pcb);
		t->pcb = NULL;
		/* Unread data makes this a reset, as it should. Without memory for the FIN: reset
		 * too. */
		if (tcp_close(pcb) != ERR_OK)
			tcp_abort(pcb);
	}
	uk__tcp_drop_rx(t);
	uk__sock_gone(s);
	uk__net_free(t);
}

static int tcp_sock_name(struct uk_sock *s, bool peer, struct uk_addr *ret_addr)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	if (peer && t->phase != TCP_OPEN)
		return -ENOTCONN;
	*ret_addr = peer ? t->peer : t->local;
	return 0;
}

static uint32_t tcp_sock_poll(struct uk_sock *s)
{
	struct uk_tcp *t = (struct uk_tcp *)s;
	uint32_t ev = 0;
	bool in_closed = t->eof || (s->shut & UK_SHUT_RD);

	if (t->phase == TCP_LISTENING)
		return t->queue_head ? EPOLLIN | EPOLLRDNORM : 0;
	if (s->err)
		return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
	if (t->phase == TCP_FRESH)
		return EPOLLOUT | EPOLLHUP;
	if (t->phase == TCP_CONNECTING)
		return 0;
	if (!t->pcb)
		in_closed = true;
	if (t->rx_head || in_closed)
		ev |= EPOLLIN | EPOLLRDNORM;
	if (in_closed)
		ev |= EPOLLRDHUP;
	if ((in_closed && (s->shut & UK_SHUT_WR)) || !t->pcb)
		ev |= EPOLLHUP;
	if ((s->shut & UK_SHUT_WR) || !t->pcb || uk__tcp_writable(t) >= TCP_SNDLOWAT)
		ev |= EPOLLOUT | EPOLLWRNORM;
	else if (t->starved || !uk__sock_may_send())
		uk__sock_starve(s);
	return ev;
}

static long tcp_sock_pending(struct uk_sock *s)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	return t->phase == TCP_LISTENING ? -EINVAL : (long)t->rx_bytes;
}

static int tcp_sock_setopt(struct uk_sock *s, int level, int name, int v)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	if (level == -1)
		uk__tcp_apply(t);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	if (v < 0 || ((name == TCP_KEEPIDLE || name == TCP_KEEPINTVL) && (v < 1 || v > 32767)) ||
	    (name == TCP_KEEPCNT && (v < 1 || v > 127)))
		return -EINVAL;
	switch (name) {
	case TCP_NODELAY:
		t->nodelay = v;
		break;
	case TCP_CORK:
		t->cork = v;
		break;
	case TCP_KEEPIDLE:
		t->keepidle = (uint32_t)v;
		break;
	case TCP_KEEPINTVL:
		t->keepintvl = (uint32_t)v;
		break;
	case TCP_KEEPCNT:
		t->keepcnt = (uint32_t)v;
		break;
	case TCP_QUICKACK:
	case TCP_DEFER_ACCEPT:
	case TCP_USER_TIMEOUT:
	case TCP_FASTOPEN:
		return 0; /* hints, or bounds that ours stay within */
	default:
		return -ENOPROTOOPT;
	}
	uk__tcp_apply(t);
	if (t->phase == TCP_OPEN && t->pcb && (t->nodelay || !t->cork))
		tcp_output(t->pcb);
	return 0;
}

static int tcp_sock_getopt(struct uk_sock *s, int level, int name, int *ret_value)
{
	struct uk_tcp *t = (struct uk_tcp *)s;

	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	switch (name) {
	case TCP_NODELAY:
		*ret_value = t->nodelay;
		return 0;
	case TCP_CORK:
		*ret_value = t->cork;
		return 0;
	case TCP_MAXSEG:
		*ret_value = t->pcb && t->phase == TCP_OPEN ? tcp_mss(t->pcb) : TCP_MSS;
		return 0;
	case TCP_KEEPIDLE:
		*ret_value = t->keepidle ? (int)t->keepidle : (int)(TCP_KEEPIDLE_DEFAULT / 1000);
		return 0;
	case TCP_KEEPINTVL:
		*ret_value = t->keepintvl ? (int)t->keepintvl : (int)(TCP_KEEPINTVL_DEFAULT / 1000);
		return 0;
	case TCP_KEEPCNT:
		*ret_value = t->keepcnt ? (int)t->keepcnt : (int)TCP_KEEPCNT_DEFAULT;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static const struct uk_sock_ops tcp_ops = {
	.bind = tcp_sock_bind,
	.connect = tcp_sock_connect,
	.listen = tcp_sock_listen,
	.accept = tcp_sock_accept,
	.send = uk__tcp_send,
	.recv = uk__tcp_recv,
	.shutdown = tcp_sock_shutdown,
	.name = tcp_sock_name,
	.poll = tcp_sock_poll,
	.pending = tcp_sock_pending,
	.setopt = tcp_sock_setopt,
	.getopt = tcp_sock_getopt,
	.close = tcp_sock_close,
};

int uk__tcp_new(int domain, struct uk_sock **ret_sock)
{
	struct uk_tcp *t = new_tcp(domain);

	if (!t)
		return -ENOBUFS;
	*ret_sock = &t->s;
	return 0;
}

bool uk__tcp_starved(const uint8_t *src_ip, bool v6, const uint8_t *tcp, unsigned payload)
{
	u16_t remote = (u16_t)(tcp[0] << 8 | tcp[1]), local = (u16_t)(tcp[2] << 8 | tcp[3]);
	u32_t seq = (u32_t)tcp[4] << 24 | (u32_t)tcp[5] << 16 | (u32_t)tcp[6] << 8 | tcp[7];

	if (payload > RX_FAIR_SHARE)
		return false;
	for (const struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next) {
		const struct uk_tcp *t = p->callback_arg;

		if (p->remote_port != remote || p->local_port != local || p->state < ESTABLISHED ||
		    v6 != IP_IS_V6_VAL(p->remote_ip) || p->recv != uk__tcp_on_recv ||
		    (p->ooseq && seq != p->rcv_nxt)) /* what fills the gap is let in */
			continue;
		/* The address is first in both forms. */
		if (memcmp(&p->remote_ip, src_ip, v6 ? 16 : 4) == 0)
			return t->rx_bytes + payload <= RX_FAIR_SHARE;
	}
	return false;
}

void uk__tcp_icmp(uint16_t local_port, const ip_addr_t *remote, uint16_t port, uint32_t seq,
		  int err)
{
	for (struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next) {
		struct uk_tcp *t = p->callback_arg;

		if (p->state != SYN_SENT || p->local_port != local_port || p->remote_port != port ||
		    !ip_addr_cmp_zoneless(&p->remote_ip, remote) || !t ||
		    !TCP_SEQ_BETWEEN(seq, p->lastack, p->snd_nxt))
			continue;
		uk__tcp_detach(t);
		tcp_abandon(p, 0);
		t->phase = TCP_FRESH;
		t->s.err = err;
		uk__sock_news(&t->s);
		return;
	}
}
