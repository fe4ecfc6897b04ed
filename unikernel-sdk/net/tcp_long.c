/* SPDX-License-Identifier: MIT
 *
 * tcp_long.c: how long the segments are that lwIP makes: several MSS where the device cuts them up
 * (HOST_TSO), since lwIP's work, the ring's and the host's are done once a segment. Called by lwIP
 * with long-segments.patch. Runs on the one vCPU.
 */
#include <stddef.h>

#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "net/netif.h"
#include "uk_hooks.h"

int uk__nif_long_segs(const struct netif *netif, const ip_addr_t *dest)
{
	const struct uk_nif *nif = netif->state;

	if (netif->linkoutput != uk__nif_output)
		return false; /* loopback */
	return IP_IS_V6(dest) ? nif->nic.tso6 : nif->nic.tso4;
}

/* At most a quarter of what may be under way: what does not fit the rest of the window waits, and
 * a lost segment is sent again as a whole. The lengths are those for which net/mem.c has blocks. */
u16_t uk__tcp_long_seg(const struct tcp_pcb *pcb, u16_t left)
{
	static const uint8_t counts[] = {11, 5, 2};
	uint32_t wnd = LWIP_MIN(pcb->snd_wnd, pcb->cwnd) / 4;
	const struct netif *netif;

	wnd = LWIP_MIN(wnd, left);
	if (wnd < 2u * pcb->mss)
		return pcb->mss;
	netif = ip_route(&pcb->local_ip, &pcb->remote_ip);
	if (!netif || !uk__nif_long_segs(netif, &pcb->remote_ip))
		return pcb->mss;
	for (size_t i = 0; i < sizeof(counts); i++)
		if (counts[i] * (uint32_t)pcb->mss <= wnd)
			return (u16_t)(counts[i] * pcb->mss);
	return pcb->mss;
}
