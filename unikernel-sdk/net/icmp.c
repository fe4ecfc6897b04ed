/* SPDX-License-Identifier: MIT
 *
 * icmp.c: ICMP "unreachable" messages become errors of the sockets whose packets caused them; lwIP
 * itself ignores them. The messages are hostile input: everything is read by bounded copies. One
 * vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <string.h>

#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "uk_hooks.h"

#define IP4_MIN	  20u
#define IP6_LEN	  40u
#define PROTO_TCP 6
#define PROTO_UDP 17

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 792 codes as Linux maps them. */
static int errno_of(uint8_t code)
{
	switch (code) {
	case 0:
	case 6:
	case 11:
		return ENETUNREACH;
	case 2:
		return ENOPROTOOPT;
	case 3:
		return ECONNREFUSED;
	case 4:
		return 0; /* fragmentation needed: we let routers fragment */
	default:
		return EHOSTUNREACH;
	}
}

/* ports: source and destination of our own packet, as it was quoted */
static void deliver(uint8_t proto, const uint8_t ports[4], const ip_addr_t *remote, int err)
{
	if (proto == PROTO_TCP)
		uk__tcp_icmp(be16(ports), remote, be16(ports + 2), err);
	/* Without IP_RECVERR only fatal errors reach a UDP socket. */
	if (proto == PROTO_UDP && (err == ECONNREFUSED || err == ENOPROTOOPT))
		uk__udp_icmp(be16(ports), remote, be16(ports + 2), err);
}

int uk__net_ip4_input(struct pbuf *p, struct netif *inp)
{
	uint8_t ip[IP4_MIN], icmp[8], quoted[IP4_MIN], ports[4];
	ip_addr_t remote;
	u32_t addr;
	u16_t at;
	int err;

	(void)inp;
	if (pbuf_copy_partial(p, ip, sizeof(ip), 0) != sizeof(ip) || ip[9] != 1)
		return 0;
	at = (u16_t)((ip[0] & 15) * 4);
	if (pbuf_copy_partial(p, icmp, sizeof(icmp), at) != sizeof(icmp) || icmp[0] != 3)
		return 0;
	at = (u16_t)(at + sizeof(icmp));
	if (pbuf_copy_partial(p, quoted, sizeof(quoted), at) != sizeof(quoted))
		return 0;
	at = (u16_t)(at + (quoted[0] & 15) * 4);
	if (pbuf_copy_partial(p, ports, sizeof(ports), at) != sizeof(ports))
		return 0;
	err = errno_of(icmp[1]);
	memcpy(&addr, quoted + 16, 4);
	ip_addr_set_ip4_u32_val(remote, addr);
	if (err)
		deliver(quoted[9], ports, &remote, err);
	return 0;
}

int uk__net_ip6_input(struct pbuf *p, struct netif *inp)
{
	/* Packet, ICMPv6 header, quoted packet, ports; extension headers are not looked through. */
	uint8_t b[IP6_LEN + 8 + IP6_LEN + 4];
	const uint8_t *icmp = b + IP6_LEN, *quoted = icmp + 8;
	ip_addr_t remote;

	(void)inp;
	if (pbuf_copy_partial(p, b, sizeof(b), 0) != sizeof(b) || b[6] != 58 || icmp[0] != 1)
		return 0;
	memset(&remote, 0, sizeof(remote));
	IP_SET_TYPE_VAL(remote, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(&remote)->addr, quoted + 24, 16);
	deliver(quoted[6], quoted + IP6_LEN, &remote, icmp[1] == 4 ? ECONNREFUSED : EHOSTUNREACH);
	return 0;
}
