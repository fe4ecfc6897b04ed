/* SPDX-License-Identifier: MIT
 *
 * net_priv.h: what net.c (device), net_rx.c and net_tx.c share. One thread serves a device at a
 * time.
 */
#ifndef MONITOR_VIRTIO_NET_PRIV_H
#define MONITOR_VIRTIO_NET_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/log.h"
#include "monitor/backend/usernet.h"
#include "monitor/metrics.h"
#include "monitor/virtio/dev.h"
#include "monitor/virtio/ratelimit.h"

#define NET_F_CSUM	 (UINT64_C(1) << 0)
#define NET_F_GUEST_CSUM (UINT64_C(1) << 1)
#define NET_F_MTU	 (UINT64_C(1) << 3)
#define NET_F_MAC	 (UINT64_C(1) << 5)
#define NET_F_GUEST_TSO4 (UINT64_C(1) << 7)
#define NET_F_GUEST_TSO6 (UINT64_C(1) << 8)
#define NET_F_HOST_TSO4	 (UINT64_C(1) << 11)
#define NET_F_HOST_TSO6	 (UINT64_C(1) << 12)
#define NET_F_MRG_RXBUF	 (UINT64_C(1) << 15)
#define NET_F_STATUS	 (UINT64_C(1) << 16)

#define NET_RX 0u
#define NET_TX 1u

#define NET_HDR	      12u
#define NET_ETH_HLEN  14u
#define NET_VLAN_HLEN 4u
#define NET_GSO_MAX \
	(65535u + NET_ETH_HLEN + NET_VLAN_HLEN) /* largest frame with segmentation offload */

/* Frames of one call: a peer or a driver that never stops must not hold the thread. */
#define NET_BUDGET 256u

/* virtio_net_hdr_v1 */
struct net_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

_Static_assert(sizeof(struct net_hdr) == NET_HDR, "virtio 1.2, 5.1.6");

struct vnet {
	struct virtio_dev dev;
	struct net_metrics m;
	const struct net_config *cfg;
	struct usernet un; /* NET_USER; fd < 0 otherwise */
	int fd;		   /* frames: tap, or a packet socket */
	bool tap;	   /* readv/writev; otherwise sendmsg */
	bool vnet_hdr;	   /* frames on fd carry struct net_hdr */
	bool dead;	   /* the backend is gone for good */
	uint8_t mac[6];
	uint16_t mtu;
	bool policy; /* any of it on */

	bool rx_starved;   /* the driver has no buffers out: fd is not polled */
	bool rx_big;	   /* recent frames needed a window of NET_GSO_MAX */
	unsigned rx_small; /* frames since then that did not */
	uint8_t *spill; /* NET_GSO_MAX + NET_HDR bytes: what did not fit the window; untouched until
			   then */
	bool offloading; /* TUNSETOFFLOAD is not 0 */
	bool tx_blocked; /* the backend is full: wait until fd is writable */
	struct ratelimit rx_limit, tx_limit;
	uint64_t rx_wake, tx_wake; /* the limit keeps frames till then; 0: it does not */
	struct log_once rx_log, tx_log;
};

/* Move frames until there are none, no buffers, or the budget is spent. */
void net_rx(struct vnet *vn);
void net_tx(struct vnet *vn);
/* Frames that wait are for a guest that is no more: a budget of them is thrown away. */
void net_rx_discard(struct vnet *vn);
/* Frames of one direction wait for the rate limit until t; 0: not any more. */
void net_throttle(struct vnet *vn, uint64_t *wake, uint64_t t);
/* The backend failed for good: link down. */
void net_dead(struct vnet *vn, const char *why);

#endif
