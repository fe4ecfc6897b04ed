/* SPDX-License-Identifier: MIT
 *
 * netif.c: makes an lwIP interface of every virtio-net device. Runs on the one vCPU.
 */
#include "net/netif.h"

#include <errno.h>
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "netif/ethernet.h"
#include "net/mem.h"
#include "platform.h"

struct uk_nif *uk__nifs[UK_MAX_NICS];

static err_t setup(struct netif *netif)
{
	struct uk_nif *nif = netif->state;
	u16_t sums = NETIF_CHECKSUM_ENABLE_ALL;

	netif->name[0] = 'e';
	netif->name[1] = 'n';
	netif->mtu = nif->nic.mtu;
	netif->hwaddr_len = sizeof(nif->nic.mac);
	memcpy(netif->hwaddr, nif->nic.mac, sizeof(nif->nic.mac));
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = uk__nif_output;
	/* Checks of what the device did not vouch for are switched on per packet: rx.c. */
	sums &= (u16_t) ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
	if (nif->nic.csum)
		sums &= (u16_t)~NETIF_CHECKSUM_GEN_TCP;
	NETIF_SET_CHECKSUM_CTRL(netif, sums);
	return ERR_OK;
}

static int open_one(unsigned i, unsigned max_bufs)
{
	struct uk_nif *nif = uk__net_calloc(1, sizeof(*nif));
	int r;

	if (!nif)
		return -ENOMEM;
	r = uk__nic_open(&nif->nic, i, max_bufs);
	if (r == 0 && !netif_add(&nif->netif, NULL, NULL, NULL, nif, setup, ethernet_input))
		r = -EIO;
	if (r < 0) {
		uk__net_free(nif);
		return r;
	}
	uk__nifs[i] = nif;
	if (!nif->nic.link)
		uk__log("eth%u: the link is down", i);
	if (i == 0)
		netif_set_default(&nif->netif);
	netif_set_up(&nif->netif);
	/* A link that is down now may come up unnoticed, since we ask for no interrupt on it: send
	 * anyway. */
	netif_set_link_up(&nif->netif);
	return 0;
}

unsigned uk__nif_open_all(unsigned max_bufs)
{
	for (unsigned i = 0; i < UK_MAX_NICS; i++) {
		int r = open_one(i, max_bufs);

		if (r == 0)
			continue;
		if (r != -ENODEV)
			uk__log("eth%u does not come up: error %d", i, r);
		return i;
	}
	return UK_MAX_NICS;
}
