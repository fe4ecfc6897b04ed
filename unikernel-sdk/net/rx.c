/* SPDX-License-Identifier: MIT
 *
 * rx.c: received packets on their way to lwIP. A device buffer becomes a pbuf in place and goes
 * back to the ring when lwIP frees it; only when the application holds too many are packets copied.
 * What the header says about checksums is believed, since the host could forge them anyway. Runs on
 * the one vCPU.
 */
#include "net/netif.h"

#include <string.h>

#include "lwip/pbuf.h"
#include "net/mem.h"
#include "net/sock.h"
#include "net/timers.h"

#define ETH_HDR	       14u
#define PIECE	       1520u /* headers and a full segment */
#define PROTO_TCP      6
#define PROTO_UDP      17
#define PROTO_FRAGMENT 44

_Static_assert(sizeof(struct pbuf_custom) <= sizeof(((struct uk_rxbuf *)0)->owner), "pbuf fits");

static void give_back(struct pbuf *p)
{
	uk__nic_rx_done(
		(struct uk_rxbuf *)(void *)((uint8_t *)p - offsetof(struct uk_rxbuf, owner)));
}

static struct pbuf *wrap(struct uk_rxbuf *buf, uint32_t off, uint32_t len)
{
	struct pbuf_custom *pc = (struct pbuf_custom *)(void *)buf->owner;

	pc->custom_free_function = give_back;
	return pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, pc, buf->data + off, (u16_t)len);
}

/* Append the other buffers of a packet that was spread over n; false when the device left some out.
 */
static bool gather(struct uk_nif *nif, struct pbuf *first, unsigned n)
{
	while (n-- > 0) {
		uint32_t len;
		struct uk_rxbuf *buf = uk__nic_rx(&nif->nic, &len);

		if (!buf)
			return false;
		if (len + first->tot_len > 0xffff) {
			uk__nic_rx_done(buf);
			return false;
		}
		pbuf_cat(first, wrap(buf, 0, len));
	}
	return true;
}

static void set_checks(struct uk_nif *nif, uint8_t flags)
{
	u16_t checks = NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP;
	bool vouched = nif->nic.guest_csum && (flags & (UK_HDR_NEEDS_CSUM | UK_HDR_DATA_VALID));

	if (vouched)
		nif->netif.chksum_flags &= (u16_t)~checks;
	else
		nif->netif.chksum_flags |= checks;
}

/* What becomes of a packet when receive buffers run short. */
enum keep { PASS, COPY, COPY_FAIR };

/* May lwIP or a socket hold on to it? Everything else (ARP, acknowledgements, ICMP) is freed at
 * once and must get through, since it is what frees memory. Data for a connection that has next to
 * nothing to read may use the last of the heap, so that those who do not read cannot starve it. */
static enum keep keep_of(const struct pbuf *p)
{
	const uint8_t *eth = p->payload, *ip = eth + ETH_HDR;
	unsigned type = (unsigned)eth[12] << 8 | eth[13], proto, at, len, head;
	bool v6 = type == 0x86dd;

	if (type == 0x0800 && p->len >= ETH_HDR + 20u) {
		if ((ip[6] & 0x3f) || ip[7]) /* a fragment */
			return COPY;
		proto = ip[9];
		at = (ip[0] & 15u) * 4;
		len = (unsigned)ip[2] << 8 | ip[3];
	} else if (v6 && p->len >= ETH_HDR + 40u) {
		proto = ip[6];
		at = 40;
		len = 40 + ((unsigned)ip[4] << 8 | ip[5]);
	} else {
		return PASS;
	}
	if (proto != PROTO_TCP || p->len < ETH_HDR + at + 20u)
		return proto == PROTO_UDP || proto == PROTO_FRAGMENT ? COPY : PASS;
	head = at + (ip[at + 12] >> 4) * 4u;
	if (len <= head)
		return PASS;
	return uk__tcp_starved(ip + (v6 ? 8 : 12), v6, ip + at, len - head) ? COPY_FAIR : COPY;
}

struct copy {
	struct pbuf_custom pc;
	uint8_t data[PIECE];
};

static void free_copy(struct pbuf *p)
{
	uk__net_rx_free(p);
}

static struct pbuf *new_copy(u16_t len, bool fair)
{
	struct copy *c = uk__net_rx_alloc(offsetof(struct copy, data) + len, fair);

	if (!c)
		return NULL;
	c->pc.custom_free_function = free_copy;
	return pbuf_alloced_custom(PBUF_RAW, len, PBUF_REF, &c->pc, c->data, len);
}

/* A copy in pieces: one block for a merged packet might be hard to find. NULL when memory is short.
 */
static struct pbuf *to_heap(struct pbuf *p, bool fair)
{
	struct pbuf *head = NULL;
	u16_t at = 0;

	while (at < p->tot_len) {
		unsigned left = (unsigned)(p->tot_len - at);
		u16_t n = (u16_t)(left < PIECE ? left : PIECE);
		struct pbuf *q = new_copy(n, fair);

		if (!q)
			break;
		at = (u16_t)(at + pbuf_copy_partial(p, q->payload, n, at));
		if (head)
			pbuf_cat(head, q);
		else
			head = q;
	}
	if (head && head->tot_len < p->tot_len) {
		pbuf_free(head);
		head = NULL;
	}
	pbuf_free(p);
	return head;
}

/* From the loopback's address, to it, or from our own, which programs would trust; or from nobody,
 * but to all, as DHCP has it. */
static bool forged(const struct uk_nif *nif, const struct pbuf *p)
{
	static const uint8_t one6[16] = {[15] = 1};
	const uint8_t *eth = p->payload, *ip = eth + ETH_HDR;
	unsigned type = (unsigned)eth[12] << 8 | eth[13];
	u32_t src, dst;

	if (type == 0x0800 && p->len >= ETH_HDR + 20u) {
		memcpy(&src, ip + 12, 4);
		memcpy(&dst, ip + 16, 4);
		if (ip[12] == 0)
			return dst != IPADDR_BROADCAST;
		return ip[12] == IP_LOOPBACKNET || ip[16] == IP_LOOPBACKNET ||
		       src == netif_ip4_addr(&nif->netif)->addr;
	}
	return type == 0x86dd && p->len >= ETH_HDR + 40u &&
	       (memcmp(ip + 8, one6, 16) == 0 || memcmp(ip + 24, one6, 16) == 0);
}

static void one(struct uk_nif *nif, struct uk_rxbuf *buf, uint32_t len)
{
	struct uk_nic_hdr hdr;
	struct pbuf *p;

	if (len < UK_NIC_HDR + ETH_HDR) {
		uk__nic_rx_done(buf);
		return;
	}
	memcpy(&hdr, buf->data, sizeof(hdr));
	p = wrap(buf, UK_NIC_HDR, len - UK_NIC_HDR);
	if (nif->nic.mrg && hdr.num_buffers > 1 && !gather(nif, p, hdr.num_buffers - 1u)) {
		pbuf_free(p);
		return;
	}
	if (forged(nif, p)) {
		pbuf_free(p);
		return;
	}
	if (uk__nic_rx_tight(&nif->nic)) {
		enum keep k = keep_of(p);

		if (k != PASS)
			p = to_heap(p, k == COPY_FAIR);
	}
	if (!p)
		return;
	set_checks(nif, hdr.flags);
	if (nif->netif.input(p, &nif->netif) != ERR_OK)
		pbuf_free(p);
}

bool uk__nif_rx(struct uk_nif *nif)
{
	uint32_t len;
	struct uk_rxbuf *buf = uk__nic_rx(&nif->nic, &len);
	unsigned n = 0;

	if (!buf)
		return false;
	uk__net_timers_touch();
	uk__vq_irq_disable(&nif->nic.rx);
	do {
		one(nif, buf, len);
		/* Buffers return to a busy host before it runs dry. */
		if (++n % 32 == 0)
			uk__nic_refill(&nif->nic);
	} while (n < nif->nic.rx.size && (buf = uk__nic_rx(&nif->nic, &len)) != NULL);
	set_checks(nif, nif->nic.guest_csum ? UK_HDR_DATA_VALID : 0);
	uk__nic_refill(&nif->nic);
	uk__vq_kick(&nif->nic.rx, false);
	return true;
}
