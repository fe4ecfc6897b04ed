/* SPDX-License-Identifier: MIT
 *
 * net.c: virtio-net: feature negotiation, receive buffers and their ring. Starts with few buffers,
 * since each is memory that the host must provide, and grows when a burst nearly empties the ring.
 * Lengths that the device reports are checked against the buffer. Runs on the one vCPU.
 */
#include "drivers/net.h"

#include <errno.h>
#include <string.h>

#include "platform.h"
#include "sys.h"

#define F_CSUM	     (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_MTU	     (1ull << 3)
#define F_MAC	     (1ull << 5)
#define F_GUEST_TSO4 (1ull << 7)
#define F_GUEST_TSO6 (1ull << 8)
#define F_HOST_TSO4  (1ull << 11)
#define F_HOST_TSO6  (1ull << 12)
#define F_MRG_RXBUF  (1ull << 15)
#define F_STATUS     (1ull << 16)
#define F_EVENT_IDX  (1ull << 29)

#define CFG_STATUS 6
#define CFG_MTU	   10

#define RING_SIZE    256
/* A 64 KiB packet of GUEST_TSO takes 33 buffers: with fewer than this in the ring it would never
 * fit. */
#define MIN_BUFS_TSO 64u
#define MIN_BUFS     16u

_Static_assert(sizeof(struct uk_nic_hdr) == UK_NIC_HDR, "virtio 1.2, 5.1.6");
_Static_assert(sizeof(struct uk_rxbuf) == UK_NIC_BUF, "two buffers a page");

static uint16_t cfg16(const struct uk_virtio *dev, unsigned off)
{
	return (uint16_t)(uk__virtio_cfg8(dev, off) | uk__virtio_cfg8(dev, off + 1) << 8);
}

/* What the device left out must not be asked for alone: 5.1.3.1 lists which bit needs which. */
static int negotiate(struct uk_nic *nic, bool big)
{
	uint64_t want = F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | F_HOST_TSO4 | F_HOST_TSO6 |
			F_STATUS | F_EVENT_IDX;
	uint64_t got;
	int r = uk__virtio_begin(&nic->dev,
				 want | (big ? F_MRG_RXBUF | F_GUEST_TSO4 | F_GUEST_TSO6 : 0));

	if (r < 0)
		return r;
	got = nic->dev.features;
	/* Segments of 64 KiB without mergeable buffers would need 64 KiB buffers: begin again
	 * without. */
	if ((got & (F_GUEST_TSO4 | F_GUEST_TSO6)) &&
	    (got & (F_MRG_RXBUF | F_GUEST_CSUM)) != (F_MRG_RXBUF | F_GUEST_CSUM)) {
		r = uk__virtio_begin(&nic->dev, want);
		if (r < 0)
			return r;
		got = nic->dev.features;
	}
	nic->csum = got & F_CSUM;
	nic->guest_csum = got & F_GUEST_CSUM;
	nic->tso4 = nic->csum && (got & F_HOST_TSO4);
	nic->tso6 = nic->csum && (got & F_HOST_TSO6);
	nic->mrg = got & F_MRG_RXBUF;
	return 0;
}

static void read_config(struct uk_nic *nic)
{
	if (nic->dev.features & F_MAC) {
		for (unsigned i = 0; i < 6; i++)
			nic->mac[i] = uk__virtio_cfg8(&nic->dev, i);
	} else {
		uk__random(nic->mac, 6);
		nic->mac[0] = (uint8_t)((nic->mac[0] & 0xfe) | 2);
	}
	nic->mtu = 1500;
	if (nic->dev.features & F_MTU) {
		uint16_t mtu = cfg16(&nic->dev, CFG_MTU);

		/* IPv6 asks for 1280; beyond what a buffer holds we would have to lie. */
		if (mtu >= 576)
			nic->mtu = mtu < 1500 ? mtu : 1500;
	}
}

int uk__nic_open(struct uk_nic *nic, unsigned nth, unsigned max_bufs)
{
	bool big = max_bufs >= MIN_BUFS_TSO;
	int r;

	memset(nic, 0, sizeof(*nic));
	r = uk__virtio_find(1, nth, &nic->dev);
	if (r < 0)
		return r;
	r = negotiate(nic, big);
	if (r < 0)
		return r;
	read_config(nic);
	r = uk__vq_init(&nic->rx, &nic->dev, 0, RING_SIZE);
	if (r < 0)
		return r;
	r = uk__vq_init(&nic->tx, &nic->dev, 1, RING_SIZE);
	if (r < 0)
		return r;
	nic->max = max_bufs > MIN_BUFS ? max_bufs : MIN_BUFS;
	nic->target = nic->mrg ? MIN_BUFS_TSO : MIN_BUFS;
	if (nic->target > nic->rx.size)
		nic->target = nic->rx.size;
	uk__virtio_driver_ok(&nic->dev);
	uk__nic_refill(nic);
	uk__vq_kick(&nic->rx, true);
	return 0;
}

bool uk__nic_link(const struct uk_nic *nic)
{
	return !(nic->dev.features & F_STATUS) || (cfg16(&nic->dev, CFG_STATUS) & 1);
}

static void add_page(struct uk_nic *nic)
{
	struct uk_rxbuf *buf = uk__pages_alloc(1);

	if (!buf)
		return;
	for (unsigned i = 0; i < UK_PAGE / UK_NIC_BUF; i++) {
		buf[i].nic = nic;
		uk__nic_rx_done(&buf[i]);
	}
	nic->total += UK_PAGE / UK_NIC_BUF;
}

void uk__nic_refill(struct uk_nic *nic)
{
	while (nic->posted < nic->target) {
		struct uk_rxbuf *buf;
		struct uk_sg sg;

		if (!nic->spare && nic->total < nic->max)
			add_page(nic);
		buf = nic->spare;
		if (!buf)
			break;
		sg = (struct uk_sg){.p = buf->data, .len = sizeof(buf->data)};
		if (uk__vq_add(&nic->rx, &sg, 0, 1, buf) < 0)
			break;
		nic->spare = buf->next;
		nic->posted++;
	}
}

struct uk_rxbuf *uk__nic_rx(struct uk_nic *nic, uint32_t *ret_len)
{
	uint32_t len;
	struct uk_rxbuf *buf = uk__vq_get(&nic->rx, &len);

	if (!buf)
		return NULL;
	nic->posted--;
	/* A burst nearly emptied the ring: the next one shall find more. */
	if (nic->posted < nic->target / 4 && nic->target < nic->rx.size &&
	    nic->target * 3 / 2 <= nic->max)
		nic->target = nic->target * 2 < nic->rx.size ? nic->target * 2 : nic->rx.size;
	*ret_len = len < sizeof(buf->data) ? len : sizeof(buf->data);
	return buf;
}

void uk__nic_rx_done(struct uk_rxbuf *buf)
{
	buf->next = buf->nic->spare;
	buf->nic->spare = buf;
}

bool uk__nic_rx_tight(const struct uk_nic *nic)
{
	return !nic->spare && nic->total >= nic->max;
}
