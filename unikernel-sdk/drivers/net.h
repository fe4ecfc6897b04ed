/* SPDX-License-Identifier: MIT
 *
 * net.h: the virtio-net driver: packets in and out of the rings, no protocol. Received packets lie
 * in fixed-size buffers that the caller keeps as long as it likes; sent ones are described by
 * scatter lists whose memory the caller keeps until the device is done with it.
 */
#ifndef UK_DRIVERS_NET_H
#define UK_DRIVERS_NET_H

#include "drivers/virtio.h"

/* virtio 1.2, 5.1.6 */
struct uk_nic_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
#define UK_NIC_HDR	  12u
#define UK_HDR_NEEDS_CSUM 1u
#define UK_HDR_DATA_VALID 2u
#define UK_HDR_GSO_NONE	  0u
#define UK_HDR_GSO_TCPV4  1u
#define UK_HDR_GSO_TCPV6  4u

/* A receive buffer: our bookkeeping and the owner's, then the header and the packet. */
#define UK_NIC_BUF  2048u
#define UK_NIC_ROOM (UK_NIC_BUF - 80u - UK_NIC_HDR) /* packet bytes in the first buffer */
struct uk_rxbuf {
	struct uk_nic *nic;
	struct uk_rxbuf *next;
	uint64_t owner[8]; /* the stack's, e.g. a struct pbuf_custom */
	uint8_t data[UK_NIC_BUF - 80];
};

struct uk_nic {
	struct uk_virtio dev;
	struct uk_vq rx, tx;
	uint8_t mac[6];
	uint16_t mtu;
	bool csum, guest_csum, tso4, tso6, mrg; /* negotiated */
	bool link;				/* up at the start */
	struct uk_rxbuf *spare;			/* neither posted nor lent */
	struct uk_rxbuf *fresh;			/* never used: half of a page */
	unsigned posted, target; /* buffers in the ring, and how many there should be */
	unsigned lent;		 /* with the stack */
	unsigned total, max;	 /* buffers that exist, and may exist */
};

/* Bring up the nth virtio-net device with at most max_bufs receive buffers. -ENODEV when there is
 * none. */
int uk__nic_open(struct uk_nic *nic, unsigned nth, unsigned max_bufs);
/* The next filled buffer, lent to the caller, NULL when there is none; *ret_len counts header and
 * packet. */
struct uk_rxbuf *uk__nic_rx(struct uk_nic *nic, uint32_t *ret_len);
/* Give a buffer back; it is posted by the next uk__nic_refill. */
void uk__nic_rx_done(struct uk_rxbuf *buf);
/* Post spare buffers up to the target, making new ones while that is allowed. */
void uk__nic_refill(struct uk_nic *nic);
/* True when so many buffers are lent that the ring may run dry: copy or drop, and give them back.
 */
bool uk__nic_rx_tight(const struct uk_nic *nic);

#endif
