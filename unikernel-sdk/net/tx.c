/* SPDX-License-Identifier: MIT
 *
 * tx.c: packets on their way to the device, without a copy: a request refers to lwIP's pbufs and
 * holds references until the device has sent them; lwIP does not touch a segment that is so held.
 * Consecutive TCP segments of one flow, long ones (tcp_long.c) or of one MSS, are merged into one
 * request, which the device cuts up again (HOST_TSO): lwIP keeps its segments for retransmission
 * and never knows. Runs on the one vCPU.
 */
#include "net/netif.h"

#include <string.h>

#include "lwip/inet_chksum.h"
#include "lwip/priv/tcp_priv.h"
#include "net/mem.h"

#define ETH_HDR	    14u
#define MERGE_MAX   44u /* 44 * 1460 and the headers fit 64 KiB */
#define TCP_CSUM_AT 16u

/* Where the headers of a TCP segment are, and what decides whether another one may follow it. */
struct seg {
	uint8_t *ip, *tcp;	  /* tcp NULL: not a TCP segment */
	uint16_t ip_len, hdr_len; /* IP header; all headers with Ethernet's */
	uint16_t payload, unit;	  /* bytes; and what they are to be cut into */
	bool v6;
	uint8_t flags;
	uint32_t seq;
};

struct uk_txreq {
	struct uk_nic_hdr hdr;
	uint16_t n, ndesc;
	bool closed; /* the last segment was short, or pushes: nothing may follow */
	uint32_t payload;
	struct seg first;
	struct uk_txreq *next;
	struct pbuf *p[MERGE_MAX];
};

static struct uk_txreq *spare;

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static struct seg parse(const struct pbuf *p)
{
	uint8_t *eth = p->payload, *ip = eth + ETH_HDR;
	struct seg s = {.ip = ip};
	unsigned type;

	if (p->len < ETH_HDR + 20u + 20u)
		return s;
	type = be16(eth + 12);
	if (type == 0x0800 && ip[9] == 6 && !(be16(ip + 6) & 0x3fff)) {
		s.ip_len = (uint16_t)((ip[0] & 15) * 4);
	} else if (type == 0x86dd && ip[6] == 6 && p->len >= ETH_HDR + 40u + 20u) {
		s.ip_len = 40;
		s.v6 = true;
	} else {
		return s;
	}
	s.tcp = ip + s.ip_len;
	s.hdr_len = (uint16_t)(ETH_HDR + s.ip_len + (s.tcp[12] >> 4) * 4);
	s.payload = (uint16_t)(p->tot_len - s.hdr_len);
	s.unit = p->gso_size ? p->gso_size : s.payload;
	s.flags = s.tcp[13];
	s.seq = be32(s.tcp + 4);
	return s;
}

/* Same flow and same headers but for what segmentation counts on: sequence, length, checksums, IP
 * id. */
static bool same_headers(const struct seg *a, const struct seg *b)
{
	unsigned addrs = a->v6 ? 32 : 8;

	if (a->v6 != b->v6 || a->hdr_len != b->hdr_len || a->ip_len != b->ip_len)
		return false;
	if (memcmp(a->tcp, b->tcp, 4) != 0 || memcmp(a->tcp + 8, b->tcp + 8, 4) != 0 ||
	    memcmp(a->tcp + 14, b->tcp + 14, 2) != 0)
		return false;
	/* TTL or hop limit, and the class of service */
	if (a->ip[1] != b->ip[1] || a->ip[a->v6 ? 7 : 8] != b->ip[a->v6 ? 7 : 8])
		return false;
	return memcmp(a->ip + a->ip_len - addrs, b->ip + b->ip_len - addrs, addrs) == 0;
}

static bool may_lead(const struct uk_nif *nif, const struct seg *s)
{
	if (!s->tcp || !(s->v6 ? nif->nic.tso6 : nif->nic.tso4))
		return false;
	/* Options other than none would have to be repeated in every piece. */
	return s->payload > 0 && s->flags == TCP_ACK && s->hdr_len == ETH_HDR + s->ip_len + 20u;
}

static bool may_follow(const struct uk_txreq *r, const struct seg *s, unsigned ndesc,
		       unsigned limit)
{
	const struct seg *first = &r->first;

	if (r->closed || r->n >= MERGE_MAX || r->ndesc + ndesc > limit || !s->tcp)
		return false;
	if (s->payload == 0 || s->unit > first->unit || (s->flags & ~TCP_PSH) != TCP_ACK)
		return false;
	/* A long one that would be cut elsewhere. */
	if (s->payload > s->unit && s->unit != first->unit)
		return false;
	if (first->hdr_len + r->payload + s->payload > 0xffff)
		return false;
	return s->seq == first->seq + r->payload && same_headers(first, s);
}

static struct uk_txreq *get_req(void)
{
	struct uk_txreq *r = spare;

	if (r)
		spare = r->next;
	else
		r = uk__net_alloc(sizeof(*r));
	return r;
}

static void put_req(struct uk_txreq *r)
{
	for (unsigned i = 0; i < r->n; i++)
		pbuf_free(r->p[i]);
	r->next = spare;
	spare = r;
}

/* The sum over the pseudo header, folded but not inverted: the device adds the rest (5.1.6.2). */
static uint16_t pseudo_sum(const struct seg *s, uint32_t tcp_len)
{
	unsigned addrs = s->v6 ? 32 : 8;
	uint64_t sum = lwip_htonl(tcp_len) + (uint64_t)lwip_htonl(6);
	uint32_t w;

	for (unsigned i = 0; i < addrs; i += 4) {
		memcpy(&w, s->ip + s->ip_len - addrs + i, 4);
		sum += w;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void offload_csum(struct uk_txreq *r)
{
	const struct seg *s = &r->first;
	uint16_t sum = pseudo_sum(s, s->hdr_len - ETH_HDR - s->ip_len + r->payload);

	r->hdr.flags = UK_HDR_NEEDS_CSUM;
	r->hdr.csum_start = (uint16_t)(ETH_HDR + s->ip_len);
	r->hdr.csum_offset = TCP_CSUM_AT;
	memcpy(s->tcp + TCP_CSUM_AT, &sum, 2);
}

/* Make the first segment's headers those of the whole. It is rebuilt before any retransmission. */
static void offload_gso(struct uk_txreq *r)
{
	const struct seg *s = &r->first;
	uint32_t ip_total = s->hdr_len - ETH_HDR + r->payload;

	r->hdr.gso_type = s->v6 ? UK_HDR_GSO_TCPV6 : UK_HDR_GSO_TCPV4;
	r->hdr.gso_size = s->unit;
	r->hdr.hdr_len = s->hdr_len;
	if (s->v6) {
		put16(s->ip + 4, (uint16_t)(ip_total - s->ip_len));
		return;
	}
	put16(s->ip + 2, (uint16_t)ip_total);
	memset(s->ip + 10, 0, 2);
	uint16_t sum = inet_chksum(s->ip, s->ip_len);
	memcpy(s->ip + 10, &sum, 2);
}

/* Hand the open request to the ring; room for it was checked when it grew. */
static void close_req(struct uk_nif *nif)
{
	struct uk_txreq *r = nif->cur;

	if (!r)
		return;
	nif->cur = NULL;
	if (r->payload > r->first.unit)
		offload_gso(r);
	if (r->first.tcp)
		offload_csum(r);
	if (uk__vq_add(&nif->nic.tx, nif->sg, r->ndesc, 0, r) < 0)
		put_req(r);
}

void uk__nif_reap(struct uk_nif *nif)
{
	struct uk_vq *tx = &nif->nic.tx;
	struct uk_txreq *r;
	uint32_t len;

	while ((r = uk__vq_get(tx, &len)) != NULL)
		put_req(r);
	if (nif->tx_full && tx->nfree > tx->size / 4) {
		nif->tx_full = false;
		/* Connections whose segment was refused try again. */
		tcp_txnow();
	}
}

/* Room for so many descriptors beyond those of the open request. */
static bool room(struct uk_nif *nif, unsigned ndesc)
{
	struct uk_vq *tx = &nif->nic.tx;

	if (tx->nfree >= ndesc)
		return true;
	for (struct uk_txreq *r; tx->nfree < ndesc;) {
		uint32_t len;

		r = uk__vq_get(tx, &len);
		if (!r)
			break;
		put_req(r);
	}
	if (tx->nfree >= ndesc)
		return true;
	uk__vq_kick(tx, true);
	nif->tx_full = true;
	return false;
}

/* Add p without its first skip bytes. The places are noted now: lwIP may move p->payload later. */
static void append(struct uk_nif *nif, struct uk_txreq *r, struct pbuf *p, uint16_t skip)
{
	for (const struct pbuf *q = p; q; q = q->next) {
		uint16_t len = (uint16_t)(q->len - skip);

		if (len)
			nif->sg[r->ndesc++] =
				(struct uk_sg){.p = (uint8_t *)q->payload + skip, .len = len};
		skip = 0;
	}
	pbuf_ref(p);
	r->p[r->n++] = p;
}

static bool merge(struct uk_nif *nif, struct pbuf *p, const struct seg *s, unsigned clen)
{
	struct uk_txreq *r = nif->cur;
	unsigned limit = nif->nic.tx.size / 2u;

	if (limit > UK_TX_SG)
		limit = UK_TX_SG;
	if (!r || !may_follow(r, s, clen, limit) || !room(nif, r->ndesc + clen))
		return false;
	append(nif, r, p, s->hdr_len);
	r->payload += s->payload;
	if (s->flags & TCP_PSH)
		r->first.tcp[13] |= TCP_PSH;
	r->closed = (s->flags & TCP_PSH) || s->payload % r->first.unit;
	return true;
}

static bool start(struct uk_nif *nif, struct pbuf *p, const struct seg *s, unsigned clen)
{
	struct uk_txreq *r;

	close_req(nif);
	if (!room(nif, clen + 1))
		return false;
	r = get_req();
	if (!r)
		return false;
	memset(&r->hdr, 0, sizeof(r->hdr));
	r->first = *s;
	r->payload = s->payload;
	r->closed = !may_lead(nif, s) || s->payload % s->unit;
	r->n = 0;
	r->ndesc = 1;
	nif->sg[0] = (struct uk_sg){.p = &r->hdr, .len = UK_NIC_HDR};
	append(nif, r, p, 0);
	nif->cur = r;
	return true;
}

err_t uk__nif_output(struct netif *netif, struct pbuf *p)
{
	struct uk_nif *nif = netif->state;
	unsigned clen = pbuf_clen(p);
	struct seg s = {.tcp = NULL};
	struct pbuf *flat = NULL;
	bool ok;

	/* Many small writes in one segment: one copy is cheaper than so many descriptors. */
	if (clen > 8 || clen >= nif->nic.tx.size) {
		flat = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
		if (!flat)
			return ERR_MEM;
		flat->gso_size = p->gso_size;
		p = flat;
		clen = 1;
	}
	if (nif->nic.csum)
		s = parse(p);
	if (p->gso_size && (!s.tcp || !(s.v6 ? nif->nic.tso6 : nif->nic.tso4))) {
		/* Cut for another interface than the route now leads to: lwIP cuts it again. */
		if (flat)
			pbuf_free(flat);
		return ERR_IF;
	}
	ok = merge(nif, p, &s, clen) || start(nif, p, &s, clen);
	if (flat)
		pbuf_free(flat);
	return ok ? ERR_OK : ERR_MEM;
}

void uk__nif_flush(struct uk_nif *nif)
{
	close_req(nif);
	uk__vq_kick(&nif->nic.tx, false);
}
