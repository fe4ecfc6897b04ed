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
#include "net/timers.h"

#define ETH_HDR 14u

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

static struct pbuf *to_heap(struct pbuf *p)
{
	struct pbuf *copy = NULL;

	/* Half of the heap stays for sending: an application that does not read may still write. */
	if (uk__net_mem_room() > uk__net_mem_cap() / 2)
		copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
	pbuf_free(p);
	return copy;
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
	if (uk__nic_rx_tight(&nif->nic))
		p = to_heap(p);
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
