/* SPDX-License-Identifier: MIT
 *
 * icmp.c: ICMP errors become errors of the sockets whose packets caused them; lwIP itself ignores
 * them. The messages are hostile input: everything is read by bounded copies, and what was quoted
 * has to be ours. One vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <string.h>

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "uk_hooks.h"

#define IP4_MIN	    20u
#define IP6_LEN	    40u
#define ICMP_HEAD   8u
#define PORTS	    8u /* what every error quotes of UDP and TCP: ports and the sequence number */
#define LONGEST	    1280u /* of an ICMP error, RFC 4443 2.4 */
#define PROTO_ICMP  1
#define PROTO_TCP   6
#define PROTO_UDP   17
#define PROTO_ICMP6 58

/* fatal: reported to UDP sockets too, without IP_RECVERR. As Linux maps them. */
struct meaning {
	uint8_t err;
	bool fatal;
};

static const struct meaning unreachable4[] = {
	{ENETUNREACH, false}, {EHOSTUNREACH, false}, {ENOPROTOOPT, true},  {ECONNREFUSED, true},
	{0, false}, /* fragmentation needed: we let routers fragment */
	{EOPNOTSUPP, false},  {ENETUNREACH, true},   {EHOSTDOWN, true},	   {ENONET, true},
	{ENETUNREACH, true},  {EHOSTUNREACH, true},  {ENETUNREACH, false}, {EHOSTUNREACH, false},
	{EHOSTUNREACH, true}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true},
};
static const struct meaning unreachable6[] = {
	{ENETUNREACH, false}, {EACCES, true}, {EHOSTUNREACH, false}, {EHOSTUNREACH, false},
	{ECONNREFUSED, true}, {EACCES, true}, {EACCES, true},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* err 0: no error, or none that we know. */
static struct meaning meaning4(uint8_t type, uint8_t code)
{
	if (type == 3 && code < COUNT(unreachable4))
		return unreachable4[code];
	if (type == 11)
		return (struct meaning){EHOSTUNREACH, false};
	return type == 12 ? (struct meaning){EPROTO, true} : (struct meaning){0, false};
}

static struct meaning meaning6(uint8_t type, uint8_t code)
{
	if (type == 1 && code < COUNT(unreachable6))
		return unreachable6[code];
	if (type == 3)
		return (struct meaning){EHOSTUNREACH, false};
	return type == 4 ? (struct meaning){EPROTO, true} : (struct meaning){0, false};
}

/* head: the first bytes of our own packet's payload, as they were quoted */
static void deliver(uint8_t proto, const uint8_t head[PORTS], const ip_addr_t *remote,
		    struct meaning m)
{
	uint32_t seq = (uint32_t)be16(head + 4) << 16 | be16(head + 6);

	if (proto == PROTO_TCP)
		uk__tcp_icmp(be16(head), remote, be16(head + 2), seq, m.err);
	else if (proto == PROTO_UDP && m.fatal)
		uk__udp_icmp(be16(head), remote, be16(head + 2), m.err);
}

static void icmp4(struct pbuf *p, const uint8_t ip[IP4_MIN], bool summed)
{
	uint8_t b[LONGEST];
	const uint8_t *quoted = b + ICMP_HEAD;
	unsigned head = (ip[0] & 15u) * 4, total = be16(ip + 2), len, inner;
	ip_addr_t remote = {0};
	struct meaning m;
	u32_t addr;

	if (ip[9] != PROTO_ICMP || (be16(ip + 6) & 0x3fff) || head < IP4_MIN || total < head ||
	    total - head > sizeof(b))
		return;
	len = total - head;
	if (len < ICMP_HEAD + IP4_MIN + PORTS ||
	    pbuf_copy_partial(p, b, (u16_t)len, (u16_t)head) != len ||
	    (summed && inet_chksum(b, (u16_t)len)))
		return;
	m = meaning4(b[0], b[1]);
	inner = (quoted[0] & 15u) * 4;
	if (!m.err || quoted[0] >> 4 != 4 || inner < IP4_MIN || (be16(quoted + 6) & 0x1fff) ||
	    len < ICMP_HEAD + inner + PORTS)
		return;
	memcpy(&addr, quoted + 16, 4);
	ip_addr_set_ip4_u32_val(remote, addr);
	deliver(quoted[9], quoted + inner, &remote, m);
}

/* Packet, ICMPv6 header, quoted packet, ports; extension headers are not looked through. */
static void icmp6(struct pbuf *p, const uint8_t ip[IP6_LEN], bool summed)
{
	uint8_t b[IP6_LEN + LONGEST];
	const uint8_t *icmp = b + IP6_LEN, *quoted = icmp + ICMP_HEAD;
	unsigned len = be16(ip + 4);
	ip_addr_t remote = {0};
	ip6_addr_t src = {0}, dst = {0};
	struct pbuf whole;
	struct meaning m;

	if (ip[6] != PROTO_ICMP6 || len > LONGEST || len < ICMP_HEAD + IP6_LEN + PORTS ||
	    pbuf_copy_partial(p, b, (u16_t)(IP6_LEN + len), 0) != IP6_LEN + len)
		return;
	m = meaning6(icmp[0], icmp[1]);
	if (!m.err || quoted[0] >> 4 != 6)
		return;
	memcpy(src.addr, b + 8, 16);
	memcpy(dst.addr, b + 24, 16);
	whole = (struct pbuf){.payload = b + IP6_LEN, .len = (u16_t)len, .tot_len = (u16_t)len};
	if (summed && ip6_chksum_pseudo(&whole, PROTO_ICMP6, (u16_t)len, &src, &dst))
		return;
	IP_SET_TYPE_VAL(remote, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(&remote)->addr, quoted + 24, 16);
	deliver(quoted[6], quoted + IP6_LEN, &remote, m);
}

/* Loopback has none. */
static bool has_sums(const struct netif *inp, unsigned which)
{
	return inp->chksum_flags & which;
}

int uk__net_ip4_input(struct pbuf *p, struct netif *inp)
{
	uint8_t ip[IP4_MIN];

	if (pbuf_copy_partial(p, ip, sizeof(ip), 0) == sizeof(ip))
		icmp4(p, ip, has_sums(inp, NETIF_CHECKSUM_CHECK_ICMP));
	return 0;
}

int uk__net_ip6_input(struct pbuf *p, struct netif *inp)
{
	uint8_t ip[IP6_LEN];

	if (pbuf_copy_partial(p, ip, sizeof(ip), 0) == sizeof(ip))
		icmp6(p, ip, has_sums(inp, NETIF_CHECKSUM_CHECK_ICMP6));
	return 0;
}
