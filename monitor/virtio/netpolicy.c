/* SPDX-License-Identifier: MIT
 *
 * netpolicy.c: see netpolicy.h. One pass over the headers fills a struct flow; the two policies
 * judge that.
 */
#include "monitor/virtio/netpolicy.h"

#include <string.h>

#include "monitor/config.h"

#define ETH_HLEN     14u
#define ETH_IPV4     0x0800u
#define ETH_ARP	     0x0806u
#define ETH_IPV6     0x86ddu
#define IPV4_OPT_END 0u
#define IPV4_OPT_NOP 1u
#define IPV4_LSRR    131u
#define IPV4_SSRR    137u

#define P_HOPOPT 0u
#define P_TCP	 6u
#define P_UDP	 17u
#define P_FRAG	 44u
#define P_ICMPV6 58u
#define P_DSTOPT 60u

#define ND_RS	    133u
#define ND_RA	    134u
#define ND_NS	    135u
#define ND_NA	    136u
#define ND_REDIRECT 137u
#define MLD_REPORT  131u
#define MLD_DONE    132u
#define MLD2_REPORT 143u

#define ND_OPT_SRC_LL 1u
#define ND_OPT_DST_LL 2u

enum kind { K_ARP, K_IPV4, K_IPV6 };

/* What a frame says, taken apart. Addresses are v4-mapped or IPv6. */
struct flow {
	enum kind kind;
	uint8_t src[16], dst[16];
	uint8_t proto;
	bool later_fragment; /* no upper-layer header in here */
	bool fragment;
	size_t l4; /* its offset */
	bool has_ports;
	uint16_t sport, dport;
	uint8_t icmp_type; /* ICMPv6 */
};

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t unspecified[16];

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* [off, off + len) of the copy, or NULL. */
static const uint8_t *at(const struct netpolicy_frame *f, size_t off, size_t len)
{
	return off <= f->have && len <= f->have - off ? f->p + off : NULL;
}

static void map4(uint8_t dst[16], const uint8_t *v4)
{
	memcpy(dst, mapped_prefix, sizeof mapped_prefix);
	memcpy(dst + 12, v4, 4);
}

/* Ports or ICMPv6 type. False: cut off before them. */
static bool parse_l4(const struct netpolicy_frame *f, struct flow *fl)
{
	const uint8_t *p;

	if (fl->later_fragment)
		return true;
	if (fl->proto == P_TCP || fl->proto == P_UDP) {
		p = at(f, fl->l4, 4);
		if (!p)
			return false;
		fl->has_ports = true;
		fl->sport = be16(p);
		fl->dport = be16(p + 2);
	} else if (fl->proto == P_ICMPV6) {
		p = at(f, fl->l4, 1);
		if (!p)
			return false;
		fl->icmp_type = *p;
	}
	return true;
}

static bool source_routed(const uint8_t *opt, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (opt[i] == IPV4_OPT_END)
			return false;
		if (opt[i] == IPV4_OPT_NOP) {
			i++;
			continue;
		}
		if (opt[i] == IPV4_LSRR || opt[i] == IPV4_SSRR || i + 1 >= len || opt[i + 1] < 2)
			return true;
		i += opt[i + 1];
	}
	return false;
}

static bool parse_ipv4(const struct netpolicy_frame *f, struct flow *fl)
{
	const uint8_t *ip = at(f, ETH_HLEN, 20);

	if (!ip || ip[0] >> 4 != 4)
		return false;
	size_t hlen = (size_t)(ip[0] & 15) * 4;

	if (hlen < 20 || !at(f, ETH_HLEN, hlen) || source_routed(ip + 20, hlen - 20))
		return false;
	fl->kind = K_IPV4;
	map4(fl->src, ip + 12);
	map4(fl->dst, ip + 16);
	fl->proto = ip[9];
	fl->later_fragment = be16(ip + 6) & 0x1fff;
	fl->fragment = be16(ip + 6) & 0x3fff;
	fl->l4 = ETH_HLEN + hlen;
	return parse_l4(f, fl);
}

static bool parse_ipv6(const struct netpolicy_frame *f, struct flow *fl)
{
	const uint8_t *ip = at(f, ETH_HLEN, 40), *ext;
	uint8_t next;
	size_t off = ETH_HLEN + 40;

	if (!ip || ip[0] >> 4 != 6)
		return false;
	fl->kind = K_IPV6;
	memcpy(fl->src, ip + 8, 16);
	memcpy(fl->dst, ip + 24, 16);
	/* An IPv6 packet must not claim what entries for IPv4 allow. */
	if (!memcmp(fl->src, mapped_prefix, sizeof mapped_prefix) ||
	    !memcmp(fl->dst, mapped_prefix, sizeof mapped_prefix))
		return false;
	next = ip[6];
	/* Hop-by-hop, destination options and fragment headers are passed over. A routing header
	 * (43) is an upper layer to this loop and matches no allow entry but "any": refused
	 * outright below. */
	while (next == P_HOPOPT || next == P_DSTOPT || next == P_FRAG) {
		ext = at(f, off, 8);
		if (!ext)
			return false;
		if (next == P_FRAG) {
			fl->fragment = true;
			fl->later_fragment = be16(ext + 2) & 0xfff8;
			off += 8;
			next = ext[0];
			if (fl->later_fragment)
				break;
		} else {
			off += 8u + 8u * ext[1];
			next = ext[0];
		}
	}
	if (next == 43)
		return false;
	fl->proto = next;
	fl->l4 = off;
	return parse_l4(f, fl);
}

/* --- anti-spoofing --- */

static bool own_addr(const struct net_policy *pol, const uint8_t addr[16])
{
	for (unsigned i = 0; i < pol->naddrs; i++) {
		if (!memcmp(pol->addrs[i], addr, 16))
			return true;
	}
	return false;
}

static bool own_link_local(const uint8_t mac[6], const uint8_t addr[16])
{
	const uint8_t eui[16] = {0xfe,	     0x80,   0,	     0,	   0,	 0,	 0,	 0,
				 mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	return !memcmp(eui, addr, 16);
}

static bool arp_ok(const struct net_policy *pol, const uint8_t mac[6],
		   const struct netpolicy_frame *f)
{
	const uint8_t *arp = at(f, ETH_HLEN, 28);
	uint8_t sender[16];

	/* Ethernet, IPv4, request or reply */
	if (!arp || memcmp(arp, "\0\1\10\0\6\4\0", 7) != 0 || (arp[7] != 1 && arp[7] != 2))
		return false;
	map4(sender, arp + 14);
	if (memcmp(arp + 8, mac, 6) != 0)
		return false;
	/* RFC 5227: a probe has no sender address yet */
	if (arp[7] == 1 && !memcmp(arp + 14, "\0\0\0", 4))
		return true;
	return own_addr(pol, sender);
}

/* Link-layer addresses that neighbour discovery tells of must be ours. */
static bool nd_options_ok(const struct netpolicy_frame *f, size_t off, const uint8_t mac[6])
{
	const uint8_t *opt;

	while ((opt = at(f, off, 8)) != NULL) {
		if (!opt[1])
			return false;
		if ((opt[0] == ND_OPT_SRC_LL || opt[0] == ND_OPT_DST_LL) &&
		    memcmp(opt + 2, mac, 6) != 0)
			return false;
		off += 8u * opt[1];
	}
	return off >= f->have; /* an option that is cut off was not seen */
}

static bool icmpv6_ok(const struct net_policy *pol, const uint8_t mac[6],
		      const struct netpolicy_frame *f, const struct flow *fl)
{
	const uint8_t *target;

	switch (fl->icmp_type) {
	case ND_RA:
	case ND_REDIRECT:
		return false;
	case ND_RS:
		return !fl->fragment && nd_options_ok(f, fl->l4 + 8, mac);
	case ND_NA:
		target = at(f, fl->l4 + 8, 16);
		if (!target || !(own_addr(pol, target) || own_link_local(mac, target)))
			return false;
		return !fl->fragment && nd_options_ok(f, fl->l4 + 24, mac);
	case ND_NS:
		return !fl->fragment && at(f, fl->l4 + 8, 16) && nd_options_ok(f, fl->l4 + 24, mac);
	default:
		return true;
	}
}

static bool spoofed(const struct net_policy *pol, const uint8_t mac[6],
		    const struct netpolicy_frame *f, const struct flow *fl)
{
	if (memcmp(f->p + 6, mac, 6) != 0)
		return true;
	if (fl->kind == K_ARP)
		return !arp_ok(pol, mac, f);
	if (fl->kind == K_IPV6 && fl->proto == P_ICMPV6 && !fl->later_fragment &&
	    !icmpv6_ok(pol, mac, f, fl))
		return true;
	if (own_addr(pol, fl->src))
		return false;
	if (fl->kind == K_IPV4)
		/* DHCP before there is an address: 0.0.0.0:68 to :67 */
		return !(!memcmp(fl->src + 12, "\0\0\0", 4) && fl->proto == P_UDP &&
			 fl->has_ports && !fl->fragment && fl->sport == 68 && fl->dport == 67);
	if (!memcmp(fl->src, unspecified, 16))
		/* RFC 4862 and RFC 3810: duplicate address detection, and the reports that go with
		 * it */
		return !(fl->proto == P_ICMPV6 && !fl->fragment &&
			 (fl->icmp_type == ND_NS || fl->icmp_type == ND_RS ||
			  fl->icmp_type == MLD_REPORT || fl->icmp_type == MLD2_REPORT));
	return !own_link_local(mac, fl->src);
}

/* --- destinations --- */

static bool prefix_matches(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

static bool entry_allows(const struct net_allow *e, const struct flow *fl)
{
	bool any_port = e->port_lo == 0 && e->port_hi == UINT16_MAX;

	if (!prefix_matches(e->addr, fl->dst, e->prefix < 128 ? e->prefix : 128))
		return false;
	if (e->proto && e->proto != fl->proto)
		return false;
	if (any_port)
		return true;
	return fl->has_ports && fl->dport >= e->port_lo && fl->dport <= e->port_hi;
}

/* Needed for any IPv6 at all, and no wider than the link. */
static bool link_upkeep(const struct flow *fl)
{
	if (fl->kind != K_IPV6 || fl->proto != P_ICMPV6 || fl->fragment)
		return false;
	switch (fl->icmp_type) {
	case ND_RS:
	case ND_NS:
	case ND_NA:
		return true;
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return fl->dst[0] == 0xff && (fl->dst[1] & 15) <= 2;
	default:
		return false;
	}
}

static bool dest_allowed(const struct net_policy *pol, const struct flow *fl)
{
	if (fl->kind == K_ARP || link_upkeep(fl))
		return true;
	for (unsigned i = 0; i < pol->nallow && i < CONFIG_MAX_ALLOW; i++) {
		if (entry_allows(&pol->allow[i], fl))
			return true;
	}
	return false;
}

/* The host's sum goes where TCP or UDP has it, and nowhere else. */
static bool csum_ok(const struct netpolicy_frame *f, const struct flow *fl)
{
	if (!f->csum)
		return true;
	return fl->kind != K_ARP && fl->has_ports && !fl->fragment && f->csum_start == fl->l4 &&
	       f->csum_offset == (fl->proto == P_TCP ? 16 : 6);
}

static bool parse(const struct netpolicy_frame *f, struct flow *fl)
{
	const uint8_t *eth = at(f, 0, ETH_HLEN);

	if (!eth)
		return false;
	switch (be16(eth + 12)) {
	case ETH_ARP:
		fl->kind = K_ARP;
		return true;
	case ETH_IPV4:
		return parse_ipv4(f, fl);
	case ETH_IPV6:
		return parse_ipv6(f, fl);
	default:
		return false;
	}
}

enum netpolicy_verdict netpolicy_check(const struct net_policy *pol, const uint8_t mac[6],
				       const struct netpolicy_frame *f)
{
	struct flow fl = {0};

	if (!parse(f, &fl) || !csum_ok(f, &fl))
		return pol->antispoof ? NETPOLICY_SPOOF : NETPOLICY_DEST;
	if (pol->antispoof && spoofed(pol, mac, f, &fl))
		return NETPOLICY_SPOOF;
	if (pol->restrict_dest && !dest_allowed(pol, &fl))
		return NETPOLICY_DEST;
	return NETPOLICY_PASS;
}
