/* SPDX-License-Identifier: MIT
 *
 * uk_hooks.h: the places where lwIP calls out to us. Included by lwIP's own files
 * (LWIP_HOOK_FILENAME).
 */
#ifndef UK_LWIP_HOOKS_H
#define UK_LWIP_HOOKS_H

#include "lwip/err.h"
#include "lwip/ip_addr.h"

/* nd6.c forgets the prefix once. */
#define htonl(x) lwip_htonl(x)

struct netif;
struct pbuf;

/* A name server was learned by DHCP (IPv4) or from a router advertisement (IPv6); NULL withdraws
 * it. */
void dns_setserver(u8_t i, const ip_addr_t *addr);
const ip_addr_t *dns_getserver(u8_t i);

/* Initial sequence numbers are random: lwIP's own start at a constant. */
#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport) uk__net_rand()

/* A packet with the address of one interface leaves through that interface when it can. */
struct netif *uk__net_route4(const ip4_addr_t *src, const ip4_addr_t *dest);

/* mayfly.gw6=, NULL when not set: lwIP's own routers come from advertisements only. */
const ip6_addr_t *uk__net_gw6(struct netif *netif, const ip6_addr_t *dest);
#define LWIP_HOOK_ND6_GET_GW(netif, dest) uk__net_gw6(netif, dest)

/* How long the next segment shall be of `left` bytes to send: whole MSS, or one less; and whether
 * an interface cuts up longer ones. */
struct tcp_pcb;
u16_t uk__tcp_long_seg(const struct tcp_pcb *pcb, u16_t left);
int uk__nif_long_segs(const struct netif *netif, const ip_addr_t *dest);
#define LWIP_HOOK_TCP_LONG_SEG(pcb, left)      uk__tcp_long_seg(pcb, left)
#define LWIP_HOOK_NETIF_LONG_SEGS(netif, dest) uk__nif_long_segs(netif, dest)

/* A segment's acknowledgement must be possible, and its window counts when that is new. */
struct tcp_hdr;
err_t uk__tcp_judge(struct tcp_pcb *pcb, const struct tcp_hdr *hdr);
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p) uk__tcp_judge(pcb, hdr)

/* See every packet first: ICMP errors become socket errors. 0 = go on. */
int uk__net_ip4_input(struct pbuf *p, struct netif *inp);
int uk__net_ip6_input(struct pbuf *p, struct netif *inp);
#define LWIP_HOOK_IP4_INPUT(p, inp) uk__net_ip4_input(p, inp)
#define LWIP_HOOK_IP6_INPUT(p, inp) uk__net_ip6_input(p, inp)

#endif
