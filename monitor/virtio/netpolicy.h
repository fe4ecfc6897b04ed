/* SPDX-License-Identifier: MIT
 *
 * netpolicy.h: may this frame leave the VM? Pure: it looks at a copy of the frame's first bytes,
 * which are the bytes that will be sent, and remembers nothing. The guest is hostile: what cannot
 * be understood is denied.
 *
 * Anti-spoofing: the source MAC is the NIC's; ARP and IP sources are in addrs[]. Besides that a VM
 * may ask before it has an address: DHCP from 0.0.0.0, ARP probes, IPv6 duplicate address detection
 * and MLD from ::, and the link-local address made of its MAC. A VM is no router: advertisements
 * and redirects are denied. Destinations: ARP, neighbour discovery and MLD always pass, all else
 * must match an entry of allow[]: DHCP and DNS too. Later fragments carry no ports and match only
 * entries for any port. Under either policy: no VLAN tags, no protocols but ARP and IP, no source
 * routing, and a checksum that the host is asked to fill in must be TCP's or UDP's own (else it
 * would rewrite bytes that were judged here).
 */
#ifndef MONITOR_VIRTIO_NETPOLICY_H
#define MONITOR_VIRTIO_NETPOLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_policy;

/* Bytes of a frame that must be copied for the judgement (all of it when it is shorter). */
#define NETPOLICY_HEAD 192u

enum netpolicy_verdict { NETPOLICY_PASS, NETPOLICY_SPOOF, NETPOLICY_DEST };

struct netpolicy_frame {
	const uint8_t *p;
	size_t have; /* bytes at p */
	bool csum;   /* the host is to store a checksum at csum_start + csum_offset */
	uint16_t csum_start, csum_offset;
};

enum netpolicy_verdict netpolicy_check(const struct net_policy *pol, const uint8_t mac[6],
				       const struct netpolicy_frame *f);

#endif
