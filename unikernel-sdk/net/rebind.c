/* SPDX-License-Identifier: MIT
 *
 * rebind.c: a clone's own MAC and IPv4 address, given at restore. Interfaces that are up change and
 * announce themselves; what is not up yet takes the address when it comes up. Connections of the
 * snapshot's address are dropped by lwIP with the address. Runs on the one vCPU.
 */
#include "net/rebind.h"

#include <string.h>

#include "core/freeze.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "net/net.h"
#include "net/netif.h"
#include "platform.h"
#include "uk_hooks.h"

static struct uk_restore_dev given[UK_MAX_NICS];

/* The nth NIC is the nth network device of the boot page. */
static unsigned nic_of(unsigned slot)
{
	unsigned n = 0;

	for (unsigned i = 0; i < slot && i < UK_MAX_DEVS; i++)
		n += uk__boot->dev[i].device_id == 1;
	return n;
}

bool uk__net_given(struct uk_nif *nif, unsigned i)
{
	const struct uk_restore_dev *g = &given[i];
	ip4_addr_t ip, mask, gw;

	if (!g->has_ip4)
		return false;
	ip.addr = lwip_htonl(g->ip4);
	mask.addr =
		g->prefix4 && g->prefix4 <= 32 ? lwip_htonl(0xffffffffu << (32 - g->prefix4)) : 0;
	gw.addr = lwip_htonl(g->gw4);
	netif_set_addr(&nif->netif, &ip, &mask, &gw);
	if (g->dns4) {
		ip_addr_t dns = IPADDR4_INIT(lwip_htonl(g->dns4));

		dns_setserver(0, &dns);
	}
	return true;
}

static void change(struct uk_nif *nif, unsigned i)
{
	const struct uk_restore_dev *g = &given[i];

	if (g->has_mac) {
		memcpy(nif->nic.mac, g->mac, sizeof(nif->nic.mac));
		memcpy(nif->netif.hwaddr, g->mac, sizeof(nif->nic.mac));
	}
	if (g->has_ip4 && nif->dhcp) {
		dhcp_stop(&nif->netif);
		nif->dhcp = false;
	}
	if (!uk__net_given(nif, i) && nif->dhcp && g->has_mac) {
		/* Another machine on the wire asks for an address of its own. */
		dhcp_stop(&nif->netif);
		dhcp_start(&nif->netif);
	} else if (!ip4_addr_isany(netif_ip4_addr(&nif->netif))) {
		etharp_gratuitous(&nif->netif);
	}
}

void uk__net_rebind(unsigned slot, const struct uk_restore_dev *who)
{
	unsigned i = nic_of(slot);

	if (i >= UK_MAX_NICS || slot >= UK_MAX_DEVS || uk__boot->dev[slot].device_id != 1)
		return;
	given[i] = *who;
	if (!uk__nifs[i])
		return;
	change(uk__nifs[i], i);
	uk__net_flush();
}
