/* SPDX-License-Identifier: MIT
 *
 * sock_udp.c: UDP sockets. Datagrams wait in a queue bounded by SO_RCVBUF. Names resolve even when
 * the program has no file system: musl then asks 127.0.0.1, and a query sent to port 53 there goes
 * to the name server that DHCP or the command line gave, unless somebody here listens on that port.
 * One vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"
#include "net/mem.h"
#include "net/net.h"
#include "platform.h"
#include "wait.h"

#define MAX_DATAGRAM   65507u
#define RCVBUF	       212992u
#define OVERHEAD       256u /* of a queued datagram, for the bound */
#define DNS_PORT       53
#define PIECE	       1472u
#define SENDS_PER_POLL 32u
#define SEND_PATIENCE  1000000000ull /* ns that a blocking send waits for the device */

struct dgram {
	struct dgram *next;
	struct pbuf *p;
	struct uk_addr from;
};

struct uk_udp {
	struct uk_sock s;
	struct udp_pcb *pcb;
	struct dgram *head, *tail;
	size_t queued;
	bool connected;
	bool dns; /* queries to 127.0.0.1 were redirected to dns_server */
	ip_addr_t dns_server;
	struct uk_mcast *groups;
};

static void on_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *ip, u16_t port)
{
	struct uk_udp *u = arg;
	struct dgram *d = NULL;

	(void)pcb;
	if (!(u->s.shut & UK_SHUT_RD) && u->queued + p->tot_len <= u->s.rcvbuf &&
	    uk__net_mem_room() > 0)
		d = uk__net_alloc(sizeof(*d));
	if (!d) {
		pbuf_free(p);
		return;
	}
	*d = (struct dgram){.p = p, .from = {.ip = *ip, .port = port}};
	if (u->dns && port == DNS_PORT && ip_addr_cmp(ip, &u->dns_server))
		ip_addr_set_loopback(0, &d->from.ip);
	u->queued += p->tot_len + OVERHEAD;
	if (u->tail)
		u->tail->next = d;
	else
		u->head = d;
	u->tail = d;
	uk__sock_news(&u->s);
}

static void pop(struct uk_udp *u)
{
	struct dgram *d = u->head;

	u->head = d->next;
	if (!u->head)
		u->tail = NULL;
	u->queued -= d->p->tot_len + OVERHEAD;
	pbuf_free(d->p);
	uk__net_free(d);
}

/* --- sending
 * ----------------------------------------------------------------------------------------- */

static bool dns_listener(void)
{
	for (const struct udp_pcb *p = udp_pcbs; p; p = p->next)
		if (p->local_port == DNS_PORT)
			return true;
	return false;
}

static void redirect_dns(struct uk_udp *u, struct uk_addr *to)
{
	if (to->port != DNS_PORT || !IP_IS_V4_VAL(to->ip) || !ip_addr_isloopback(&to->ip))
		return;
	if (dns_listener())
		return;
	uk__net_wait_addr();
	if (!uk__net_dns(0, &u->dns_server))
		return;
	to->ip = u->dns_server;
	u->dns = true;
}

/* The datagram in pieces of a packet: lwIP fragments chains as well, and large blocks may be hard
 * to get. */
static struct pbuf *gather(const struct iovec *iov, int n, size_t len)
{
	struct pbuf *head = NULL, *p = NULL;
	size_t at = 0; /* in p */

	for (size_t left = len;;) {
		size_t k = left < PIECE ? left : PIECE;

		p = pbuf_alloc(head ? PBUF_RAW : PBUF_TRANSPORT, (u16_t)k, PBUF_RAM);
		if (!p) {
			if (head)
				pbuf_free(head);
			return NULL;
		}
		if (head)
			pbuf_cat(head, p);
		else
			head = p;
		left -= k;
		if (!left)
			break;
	}
	p = head;
	for (int i = 0; i < n; i++) {
		const uint8_t *src = iov[i].iov_base;

		for (size_t left = iov[i].iov_len; left > 0;) {
			size_t k = p->len - at < left ? p->len - at : left;

			if (k == 0) {
				p = p->next;
				at = 0;
				continue;
			}
			memcpy((uint8_t *)p->payload + at, src, k);
			at += k;
			src += k;
			left -= k;
		}
	}
	return head;
}

static int send_errno(err_t e)
{
	if (e == ERR_VAL)
		return -EACCES; /* broadcast without SO_BROADCAST */
	return uk__net_errno(e);
}

static bool can_send(void *arg)
{
	(void)arg;
	return uk__sock_may_send();
}

static ssize_t send_once(struct uk_udp *u, const struct iovec *iov, int n, size_t len,
			 const struct uk_addr *to)
{
	struct pbuf *p = gather(iov, n, len);
	err_t e;

	if (!p)
		return -ENOBUFS;
	e = to ? udp_sendto(u->pcb, p, &to->ip, to->port) : udp_send(u->pcb, p);
	pbuf_free(p);
	return e == ERR_OK ? (ssize_t)len : send_errno(e);
}

static ssize_t udp_sock_send(struct uk_sock *s, const struct iovec *iov, int n, int flags,
			     const struct uk_addr *to)
{
	static unsigned sends;
	struct uk_udp *u = (struct uk_udp *)s;
	size_t len = uk__iov_len(iov, n);
	struct uk_addr dest;
	ssize_t r;

	/* Who only ever sends must hear, too: the answer to ARP, what ICMP says. */
	if (++sends % SENDS_PER_POLL == 0)
		uk__poll();
	if (s->err)
		return uk__sock_take_err(s);
	if (s->shut & UK_SHUT_WR)
		return -EPIPE;
	if (!to && !u->connected)
		return -EDESTADDRREQ;
	if (len > MAX_DATAGRAM)
		return -EMSGSIZE;
	if (to) {
		dest = *to;
		if (ip_addr_isany(&dest.ip))
			ip_addr_set_loopback(IP_IS_V6_VAL(dest.ip), &dest.ip);
		if (!dest.port)
			return -EINVAL;
		redirect_dns(u, &dest);
		uk__addr_prepare(&dest.ip);
		if (s->domain == AF_INET6 && s->v6only && IP_IS_V4_VAL(dest.ip))
			return -ENETUNREACH;
	}
	r = send_once(u, iov, n, len, to ? &dest : NULL);
	if (r != -ENOBUFS)
		return r;
	if (flags & MSG_DONTWAIT)
		return -EAGAIN;
	if (uk__sock_wait(s, can_send, s->sndtimeo ? s->sndtimeo : SEND_PATIENCE) == -EINTR)
		return -EINTR;
	return send_once(u, iov, n, len, to ? &dest : NULL);
}

/* --- receiving
 * --------------------------------------------------------------------------------------- */

static bool can_recv(void *arg)
{
	const struct uk_udp *u = arg;

	return u->head || u->s.err || (u->s.shut & UK_SHUT_RD);
}

static int wait_dgram(struct uk_udp *u, int flags)
{
	if (!u->head)
		uk__poll();
	while (!u->head) {
		int r;

		if (u->s.err)
			return uk__sock_take_err(&u->s);
		if (u->s.shut & UK_SHUT_RD)
			return 0;
		if (flags & MSG_DONTWAIT)
			return -EAGAIN;
		r = uk__sock_wait(&u->s, can_recv, u->s.rcvtimeo);
		if (r < 0)
			return r;
	}
	return 1;
}

static ssize_t udp_sock_recv(struct uk_sock *s, const struct iovec *iov, int n, int *flags,
			     struct uk_addr *from)
{
	struct uk_udp *u = (struct uk_udp *)s;
	int in = *flags, r = wait_dgram(u, in);
	size_t done = 0, len;

	*flags = 0;
	memset(from, 0, sizeof(*from));
	if (r <= 0)
		return r;
	len = u->head->p->tot_len;
	*from = u->head->from;
	for (int i = 0; i < n && done < len; i++) {
		size_t k = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		pbuf_copy_partial(u->head->p, iov[i].iov_base, (u16_t)k, (u16_t)done);
		done += k;
	}
	if (done < len)
		*flags |= MSG_TRUNC;
	if (!(in & MSG_PEEK))
		pop(u);
	return (ssize_t)(in & MSG_TRUNC ? len : done);
}

/* --- addresses
 * --------------------------------------------------------------------------------------- */

static void apply(struct uk_udp *u)
{
	struct udp_pcb *pcb = u->pcb;

	if (u->s.reuse)
		ip_set_option(pcb, SOF_REUSEADDR);
	else
		ip_reset_option(pcb, SOF_REUSEADDR);
	if (u->s.broadcast)
		ip_set_option(pcb, SOF_BROADCAST);
	else
		ip_reset_option(pcb, SOF_BROADCAST);
	pcb->tos = (u8_t)u->s.tos;
	pcb->ttl = u->s.ttl ? (u8_t)u->s.ttl : UDP_TTL;
}

/* Queries with guessable source ports can be answered by others: pick at random. */
static int bind_port(struct uk_udp *u, const ip_addr_t *ip, uint16_t port)
{
	err_t e;

	if (port)
		return uk__net_errno(udp_bind(u->pcb, ip, port));
	for (int i = 0; i < 16; i++) {
		e = udp_bind(u->pcb, ip, (u16_t)(0xc000 | (uk__net_rand() & 0x3fff)));
		if (e != ERR_USE)
			return uk__net_errno(e);
	}
	return uk__net_errno(udp_bind(u->pcb, ip, 0));
}

static int udp_sock_bind(struct uk_sock *s, const struct uk_addr *a)
{
	struct uk_udp *u = (struct uk_udp *)s;
	ip_addr_t ip = a->ip;
	int r;

	if (u->pcb->local_port)
		return -EINVAL;
	if (s->domain == AF_INET6 && s->v6only && IP_IS_V4_VAL(ip))
		return -EINVAL;
	if (s->domain == AF_INET6 && !s->v6only && ip_addr_isany(&ip))
		ip = *IP_ANY_TYPE;
	r = bind_port(u, &ip, a->port);
	if (r == 0 && a->port)
		uk__mark(UK_MARK_LISTEN);
	return r;
}

static int udp_sock_connect(struct uk_sock *s, const struct uk_addr *a, bool nonblock)
{
	struct uk_udp *u = (struct uk_udp *)s;
	struct uk_addr to = *a;

	(void)nonblock;
	if (a->unspec) {
		udp_disconnect(u->pcb);
		u->connected = false;
		return 0;
	}
	if (!u->pcb->local_port) {
		int r = bind_port(u, &u->pcb->local_ip, 0);

		if (r < 0)
			return r;
	}
	redirect_dns(u, &to);
	/* getsockname() after connect() tells programs which address they have: choose it now. */
	if (ip_addr_isany(&u->pcb->local_ip)) {
		struct netif *n = ip_route(&u->pcb->local_ip, &to.ip);
		const ip_addr_t *src = n ? ip_netif_get_local_ip(n, &to.ip) : NULL;

		if (!src || ip_addr_isany(src))
			return -ENETUNREACH;
		u->pcb->local_ip = *src;
	}
	u->connected = udp_connect(u->pcb, &to.ip, to.port) == ERR_OK;
	return u->connected ? 0 : -ENETUNREACH;
}

static int udp_sock_name(struct uk_sock *s, bool peer, struct uk_addr *ret_addr)
{
	const struct uk_udp *u = (struct uk_udp *)s;

	if (peer && !u->connected)
		return -ENOTCONN;
	ret_addr->ip = peer ? u->pcb->remote_ip : u->pcb->local_ip;
	ret_addr->port = peer ? u->pcb->remote_port : u->pcb->local_port;
	return 0;
}

static int udp_sock_shutdown(struct uk_sock *s, int how)
{
	const struct uk_udp *u = (struct uk_udp *)s;

	if (!u->connected)
		return -ENOTCONN;
	if (how != SHUT_WR)
		s->shut |= UK_SHUT_RD;
	if (how != SHUT_RD)
		s->shut |= UK_SHUT_WR;
	return 0;
}

static uint32_t udp_sock_poll(struct uk_sock *s)
{
	const struct uk_udp *u = (struct uk_udp *)s;
	uint32_t ev = 0;

	if (u->head || (s->shut & UK_SHUT_RD))
		ev |= EPOLLIN | EPOLLRDNORM;
	if (s->shut & UK_SHUT_RD)
		ev |= EPOLLRDHUP;
	if (s->err)
		ev |= EPOLLERR | EPOLLIN;
	if (s->shut == (UK_SHUT_RD | UK_SHUT_WR))
		ev |= EPOLLHUP;
	if (uk__sock_may_send())
		ev |= EPOLLOUT | EPOLLWRNORM;
	else
		uk__sock_starve(s);
	return ev;
}

static long udp_sock_pending(struct uk_sock *s)
{
	const struct uk_udp *u = (struct uk_udp *)s;

	return u->head ? u->head->p->tot_len : 0;
}

static void udp_sock_close(struct uk_sock *s)
{
	struct uk_udp *u = (struct uk_udp *)s;

	uk__mcast_leave_all(&u->groups);
	udp_remove(u->pcb);
	while (u->head)
		pop(u);
	uk__sock_gone(s);
	uk__net_free(u);
}

static int udp_sock_setopt(struct uk_sock *s, int level, int name, int v)
{
	struct uk_udp *u = (struct uk_udp *)s;

	if (level == IPPROTO_IP && name == IP_MULTICAST_TTL)
		udp_set_multicast_ttl(u->pcb, (u8_t)v);
	else if (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_HOPS)
		udp_set_multicast_ttl(u->pcb, v < 0 ? 1 : (u8_t)v);
	else if ((level == IPPROTO_IP && name == IP_MULTICAST_LOOP) ||
		 (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_LOOP))
		u->pcb->flags = (u8_t)(v ? u->pcb->flags | UDP_FLAGS_MULTICAST_LOOP
					 : u->pcb->flags & ~UDP_FLAGS_MULTICAST_LOOP);
	else if (level < 0) /* a common option changed */
		apply(u);
	else
		return -ENOPROTOOPT;
	return 0;
}

static const struct uk_sock_ops udp_ops = {
	.bind = udp_sock_bind,
	.connect = udp_sock_connect,
	.send = udp_sock_send,
	.recv = udp_sock_recv,
	.shutdown = udp_sock_shutdown,
	.name = udp_sock_name,
	.poll = udp_sock_poll,
	.pending = udp_sock_pending,
	.setopt = udp_sock_setopt,
	.close = udp_sock_close,
};

struct uk_mcast **uk__udp_groups(struct uk_sock *s)
{
	return s->ops == &udp_ops ? &((struct uk_udp *)s)->groups : NULL;
}

int uk__udp_new(int domain, int proto, struct uk_sock **ret_sock)
{
	struct uk_udp *u = uk__net_calloc(1, sizeof(*u));

	if (!u)
		return -ENOBUFS;
	uk__sock_init(&u->s, &udp_ops, domain, SOCK_DGRAM, proto ? proto : IPPROTO_UDP);
	u->s.rcvbuf = RCVBUF;
	u->pcb = udp_new_ip_type(domain == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
	if (!u->pcb) {
		uk__net_free(u);
		return -ENOBUFS;
	}
	udp_recv(u->pcb, on_recv, u);
	*ret_sock = &u->s;
	return 0;
}

void uk__udp_icmp(uint16_t local_port, const ip_addr_t *remote, uint16_t port, int err)
{
	for (struct udp_pcb *p = udp_pcbs; p; p = p->next) {
		struct uk_udp *u = p->recv_arg;

		/* lwIP's own (DHCP) are not sockets. Linux tells connected sockets only. */
		if (p->recv != on_recv || !u->connected || p->local_port != local_port ||
		    p->remote_port != port || !ip_addr_cmp_zoneless(&p->remote_ip, remote))
			continue;
		u->s.err = err;
		uk__sock_news(&u->s);
	}
}
