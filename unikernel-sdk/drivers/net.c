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

#define CFG_MTU 10
#define MTU	1500
#define MTU_MIN 576

#define RING_SIZE	  256
/* A 64 KiB packet of GUEST_TSO takes 33 buffers: with fewer than this in the ring it would never
 * fit. */
#define MIN_BUFS_RING_TSO 40u
#define MIN_BUFS_TSO	  64u
#define MIN_BUFS	  16u

_Static_assert(sizeof(struct uk_nic_hdr) == UK_NIC_HDR, "virtio 1.2, 5.1.6");
_Static_assert(sizeof(struct uk_rxbuf) == UK_NIC_BUF, "two buffers a page");

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

/* Three reads for the whole configuration: each is an exit to the host. */
static void read_config(struct uk_nic *nic)
{
	uint32_t w[2] = {0, 0};

	if (nic->dev.features & (F_MAC | F_STATUS))
		w[1] = uk__virtio_cfg32(&nic->dev, 4);
	nic->link = !(nic->dev.features & F_STATUS) || (w[1] >> 16 & 1);
	if (nic->dev.features & F_MAC) {
		w[0] = uk__virtio_cfg32(&nic->dev, 0);
		memcpy(nic->mac, w, sizeof(nic->mac));
	} else {
		uk__random(nic->mac, sizeof(nic->mac));
		nic->mac[0] = (uint8_t)((nic->mac[0] & 0xfe) | 2);
	}
	nic->mtu = MTU;
	if (nic->dev.features & F_MTU) {
		uint32_t mtu = uk__virtio_cfg32(&nic->dev, CFG_MTU - 2) >> 16;

		/* Beyond what one buffer holds we do not go. */
		if (mtu >= MTU_MIN && mtu < MTU)
			nic->mtu = (uint16_t)mtu;
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

/* A buffer that was never used, NULL when there may be no more. Its memory is not touched here: for
 * a page that no packet ever fills the host need not provide any. */
static struct uk_rxbuf *new_buf(struct uk_nic *nic)
{
	struct uk_rxbuf *buf = nic->fresh;

	nic->fresh = NULL;
	if (!buf && nic->total < nic->max) {
		buf = uk__pages_alloc(1);
		nic->fresh = buf ? buf + 1 : NULL;
		nic->total += buf ? 2 : 0;
	}
	return buf;
}

void uk__nic_refill(struct uk_nic *nic)
{
	while (nic->posted < nic->target) {
		struct uk_rxbuf *buf = nic->spare;
		struct uk_sg sg;

		if (buf)
			nic->spare = buf->next;
		else
			buf = new_buf(nic);
		if (!buf)
			break;
		sg = (struct uk_sg){.p = buf->data, .len = sizeof(buf->data)};
		if (uk__vq_add(&nic->rx, &sg, 0, 1, buf) < 0) {
			buf->next = nic->spare;
			nic->spare = buf;
			break;
		}
		nic->posted++;
	}
}

struct uk_rxbuf *uk__nic_rx(struct uk_nic *nic, uint32_t *ret_len)
{
	uint32_t len;
	struct uk_rxbuf *buf = uk__vq_get(&nic->rx, &len);

	if (!buf)
		return NULL;
	buf->nic = nic;
	nic->posted--;
	nic->lent++;
	/* A burst nearly emptied the ring: the next one shall find more. */
	if (nic->posted < nic->target / 4 && nic->target < nic->rx.size &&
	    nic->target * 3 / 2 <= nic->max)
		nic->target = nic->target * 2 < nic->rx.size ? nic->target * 2 : nic->rx.size;
	*ret_len = len < sizeof(buf->data) ? len : sizeof(buf->data);
	return buf;
}

void uk__nic_rx_done(struct uk_rxbuf *buf)
{
	struct uk_nic *nic = buf->nic;

	nic->lent--;
	buf->next = nic->spare;
	nic->spare = buf;
}

bool uk__nic_rx_tight(const struct uk_nic *nic)
{
	unsigned keep = nic->mrg ? MIN_BUFS_RING_TSO : MIN_BUFS / 2;

	return nic->lent + keep > nic->max;
}
