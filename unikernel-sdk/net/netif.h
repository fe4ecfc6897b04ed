/* SPDX-License-Identifier: MIT
 *
 * netif.h: one lwIP interface over one virtio-net device, as the files of net/ share it.
 */
#ifndef UK_NET_NETIF_H
#define UK_NET_NETIF_H

#include "drivers/net.h"
#include "lwip/netif.h"

#define UK_MAX_NICS 4
#define UK_TX_SG    64u

struct uk_txreq;

struct uk_nif {
	struct netif netif; /* netif.state points back */
	struct uk_nic nic;
	struct uk_txreq *cur; /* request that may still grow, see tx.c, and its pieces */
	struct uk_sg sg[UK_TX_SG];
	bool tx_full;	/* a packet was refused since the ring was last found roomy */
	bool dhcp;	/* address comes by DHCP */
	uint32_t shown; /* the IPv4 address that was last logged */
};

extern struct uk_nif *uk__nifs[UK_MAX_NICS]; /* found devices, then NULL */

/* netif.c: bring up every device; the number found. */
unsigned uk__nif_open_all(unsigned max_bufs);

/* rx.c: feed what the device received to lwIP, at most a ring full. True when there was something.
 */
bool uk__nif_rx(struct uk_nif *nif);

/* tx.c: lwIP's linkoutput; packets leave at the next flush, which every entry into the stack ends
 * with. */
err_t uk__nif_output(struct netif *netif, struct pbuf *p);
void uk__nif_flush(struct uk_nif *nif);
/* Let go of what the device has sent. */
void uk__nif_reap(struct uk_nif *nif);

#endif
