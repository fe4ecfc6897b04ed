/* SPDX-License-Identifier: MIT
 *
 * test_netpolicy.c: frames that may leave and frames that lie, one line each.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "monitor/config.h"
#include "monitor/virtio/netpolicy.h"

static const uint8_t mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
static const uint8_t other[6] = {0x02, 0x99, 0x99, 0x99, 0x99, 0x99};
static struct net_policy pol;
static uint8_t f[1600];
static size_t len;
static struct netpolicy_frame nf;

static void addr(uint8_t dst[16], const char *s)
{
	if (strchr(s, ':')) {
		cr_assert_eq(inet_pton(AF_INET6, s, dst), 1);
		return;
	}
	memset(dst, 0, 10);
	dst[10] = dst[11] = 0xff;
	cr_assert_eq(inet_pton(AF_INET, s, dst + 12), 1);
}

static void allow(const char *a, unsigned prefix, uint8_t proto, uint16_t lo, uint16_t hi)
{
	struct net_allow *e = &pol.allow[pol.nallow++];

	addr(e->addr, a);
	e->prefix = (uint8_t)(strchr(a, ':') ? prefix : prefix + 96);
	e->proto = proto;
	e->port_lo = lo;
	e->port_hi = hi;
}

static void setup(void)
{
	memset(&pol, 0, sizeof pol);
	memset(&nf, 0, sizeof nf);
	addr(pol.addrs[0], "10.0.0.2");
	addr(pol.addrs[1], "2001:db8::2");
	pol.naddrs = 2;
}

static void spoof_setup(void)
{
	setup();
	pol.antispoof = true;
}

static void dest_setup(void)
{
	setup();
	pol.restrict_dest = true;
	allow("192.168.1.0", 24, 6, 80, 443);
	allow("192.168.2.7", 32, 0, 0, 65535);
	allow("2001:db8:1::", 48, 17, 53, 53);
	allow("2001:db8:2::", 48, 0, 0, 65535);
	allow("192.168.3.0", 24, 0, 5000, 5000);
}

static void eth(uint16_t type)
{
	memset(f, 0, sizeof f);
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	f[12] = (uint8_t)(type >> 8);
	f[13] = (uint8_t)type;
	len = 14;
}

static void ip4(const char *src, const char *dst, uint8_t proto, uint16_t frag)
{
	eth(0x800);
	f[14] = 0x45;
	f[20] = (uint8_t)(frag >> 8);
	f[21] = (uint8_t)frag;
	f[23] = proto;
	inet_pton(AF_INET, src, f + 26);
	inet_pton(AF_INET, dst, f + 30);
	len = 34;
}

static void ip6(const char *src, const char *dst, uint8_t next)
{
	eth(0x86dd);
	f[14] = 0x60;
	f[20] = next;
	inet_pton(AF_INET6, src, f + 22);
	inet_pton(AF_INET6, dst, f + 38);
	len = 54;
}

static void ext(uint8_t next, unsigned units)
{
	f[len] = next;
	f[len + 1] = (uint8_t)units;
	len += 8 + 8 * units;
}

static void frag6(uint8_t next, uint16_t off, bool more)
{
	f[len] = next;
	f[len + 2] = (uint8_t)(off >> 5);
	f[len + 3] = (uint8_t)(off << 3 | more);
	len += 8;
}

static void ports(uint16_t s, uint16_t d)
{
	f[len] = (uint8_t)(s >> 8);
	f[len + 1] = (uint8_t)s;
	f[len + 2] = (uint8_t)(d >> 8);
	f[len + 3] = (uint8_t)d;
	len += 20;
}

static void icmp6(uint8_t type, const char *target)
{
	f[len] = type;
	if (target)
		inet_pton(AF_INET6, target, f + len + 8);
	len += target ? 24 : 8;
}

static void ndopt(uint8_t type, const uint8_t *ll)
{
	f[len] = type;
	f[len + 1] = 1;
	memcpy(f + len + 2, ll, 6);
	len += 8;
}

static void arp(uint8_t op, const uint8_t *sha, const char *spa)
{
	static const uint8_t fixed[7] = {0, 1, 8, 0, 6, 4, 0};

	eth(0x806);
	memcpy(f + 14, fixed, 7);
	f[21] = op;
	memcpy(f + 22, sha, 6);
	inet_pton(AF_INET, spa, f + 28);
	len = 42;
}

static enum netpolicy_verdict verdict(void)
{
	/* exactly the bytes that were copied: a sanitizer sees a step beyond */
	size_t have = len < NETPOLICY_HEAD ? len : NETPOLICY_HEAD;
	uint8_t *copy = malloc(have ? have : 1);

	memcpy(copy, f, have);
	nf.p = copy;
	nf.have = have;
	enum netpolicy_verdict v = netpolicy_check(&pol, mac, &nf);

	free(copy);
	return v;
}

#define PASS  cr_assert_eq(verdict(), NETPOLICY_PASS)
#define SPOOF cr_assert_eq(verdict(), NETPOLICY_SPOOF)
#define DEST  cr_assert_eq(verdict(), NETPOLICY_DEST)

TestSuite(spoof, .init = spoof_setup);
TestSuite(dest, .init = dest_setup);

Test(spoof, ipv4)
{
	ip4("10.0.0.2", "8.8.8.8", 6, 0), ports(1, 2);
	PASS;
	f[6] ^= 2;
	SPOOF;
	ip4("10.0.0.3", "8.8.8.8", 6, 0), ports(1, 2);
	SPOOF;
	ip4("10.0.0.2", "8.8.8.8", 1, 0);
	PASS;
	ip4("10.0.0.3", "8.8.8.8", 17, 100);
	SPOOF;
	ip4("127.0.0.1", "8.8.8.8", 1, 0);
	SPOOF;
}

Test(spoof, dhcp_before_an_address)
{
	ip4("0.0.0.0", "255.255.255.255", 17, 0), ports(68, 67);
	PASS;
	ip4("0.0.0.0", "255.255.255.255", 17, 0), ports(67, 68);
	SPOOF;
	ip4("0.0.0.0", "255.255.255.255", 6, 0), ports(68, 67);
	SPOOF;
	ip4("0.0.0.0", "255.255.255.255", 17, 0x2000), ports(68, 67);
	SPOOF;
	ip4("10.0.0.9", "255.255.255.255", 17, 0), ports(68, 67);
	SPOOF;
}

Test(spoof, arp)
{
	arp(1, mac, "10.0.0.2");
	PASS;
	arp(2, mac, "10.0.0.2");
	PASS;
	arp(1, mac, "0.0.0.0");
	PASS;
	arp(2, mac, "0.0.0.0");
	SPOOF;
	arp(2, mac, "10.0.0.1");
	SPOOF;
	arp(2, other, "10.0.0.2");
	SPOOF;
	arp(3, mac, "10.0.0.2");
	SPOOF;
	arp(1, mac, "10.0.0.2");
	f[17] = 1;
	SPOOF;
	arp(1, mac, "10.0.0.2");
	len = 41;
	SPOOF;
}

Test(spoof, ipv6)
{
	ip6("2001:db8::2", "2001:db8::1", 6), ports(1, 2);
	PASS;
	ip6("2001:db8::3", "2001:db8::1", 6), ports(1, 2);
	SPOOF;
	ip6("fe80::11:22ff:fe33:4455", "fe80::1", 58), icmp6(128, NULL);
	PASS;
	ip6("fe80::11:22ff:fe33:4456", "fe80::1", 58), icmp6(128, NULL);
	SPOOF;
	ip6("::ffff:10.0.0.2", "2001:db8::1", 6), ports(1, 2);
	SPOOF;
	ip6("::", "ff02::1:ff00:2", 58), icmp6(135, "2001:db8::2");
	PASS;
	ip6("::", "ff02::16", 0), ext(58, 0), icmp6(143, NULL);
	PASS;
	ip6("::", "ff02::1", 58), icmp6(128, NULL);
	SPOOF;
	ip6("::", "ff02::1", 17), ports(68, 67);
	SPOOF;
}

Test(spoof, neighbour_discovery)
{
	ip6("2001:db8::2", "ff02::1", 58), icmp6(136, "2001:db8::2"), ndopt(2, mac);
	PASS;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(136, "2001:db8::1"), ndopt(2, mac);
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(136, "2001:db8::2"), ndopt(2, other);
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(136, "2001:db8::2"), ndopt(2, mac),
		ndopt(2, other);
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(136, "2001:db8::2"), ndopt(2, mac);
	len -= 3;
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(136, "2001:db8::2"), ndopt(2, mac);
	f[len - 7] = 0;
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(135, "2001:db8::1"), ndopt(1, mac);
	PASS;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(135, "2001:db8::1"), ndopt(1, other);
	SPOOF;
	ip6("2001:db8::2", "ff02::2", 58), icmp6(133, NULL), ndopt(1, mac);
	PASS;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(134, NULL);
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 58), icmp6(137, "2001:db8::1");
	SPOOF;
	/* RFC 6980: not in fragments, and not behind extension headers to hide in */
	ip6("2001:db8::2", "ff02::1", 44), frag6(58, 0, true), icmp6(136, "2001:db8::2"),
		ndopt(2, mac);
	SPOOF;
	ip6("2001:db8::2", "ff02::1", 60), ext(58, 2), icmp6(136, "2001:db8::1");
	SPOOF;
}

Test(spoof, what_cannot_be_understood)
{
	eth(0x8100);
	len = 60;
	SPOOF;
	eth(0x88a8);
	len = 60;
	SPOOF;
	eth(0x0100);
	len = 60;
	SPOOF;
	eth(0x800);
	SPOOF;
	for (len = 0; len < 14; len++)
		SPOOF;
	ip4("10.0.0.2", "8.8.8.8", 6, 0), ports(1, 2);
	f[14] = 0x55;
	SPOOF;
	f[14] = 0x44;
	SPOOF;
	f[14] = 0x4f; /* options beyond the frame */
	SPOOF;
	ip4("10.0.0.2", "8.8.8.8", 6, 0);
	len = 37;
	SPOOF;
	ip6("2001:db8::2", "2001:db8::1", 43), ext(6, 0), ports(1, 2);
	SPOOF;
	ip6("2001:db8::2", "2001:db8::1", 0), ext(6, 255);
	SPOOF;
	ip6("2001:db8::2", "2001:db8::1", 0);
	for (unsigned i = 0; i < 30; i++)
		ext(0, 0);
	SPOOF;
}

Test(spoof, source_routes)
{
	static const uint8_t lsrr[8] = {1, 1, 131, 5, 4, 1, 2, 3},
			     fine[8] = {1, 148, 4, 131, 5, 1, 1, 0}, nolen[4] = {1, 1, 1, 7},
			     zero[4] = {7, 0, 0, 0};

	ip4("10.0.0.2", "8.8.8.8", 1, 0);
	f[14] = 0x47;
	memcpy(f + 34, fine, 8);
	len = 60;
	PASS;
	memcpy(f + 34, lsrr, 8);
	SPOOF;
	f[36] = 137;
	SPOOF;
	f[14] = 0x46;
	memcpy(f + 34, nolen, 4);
	SPOOF;
	memcpy(f + 34, zero, 4);
	SPOOF;
}

Test(spoof, checksum_offload_may_not_rewrite_what_was_judged)
{
	ip4("10.0.0.2", "8.8.8.8", 6, 0), ports(1, 2);
	nf = (struct netpolicy_frame){.csum = true, .csum_start = 34, .csum_offset = 16};
	PASS;
	nf.csum_offset = 2; /* the destination port */
	SPOOF;
	nf.csum_start = 14, nf.csum_offset = 16; /* the destination address */
	SPOOF;
	ip4("10.0.0.2", "8.8.8.8", 17, 0), ports(1, 2);
	nf.csum_start = 34, nf.csum_offset = 6;
	PASS;
	ip4("10.0.0.2", "8.8.8.8", 17, 0x2000), ports(1, 2);
	SPOOF;
	ip4("10.0.0.2", "8.8.8.8", 1, 0);
	SPOOF;
	arp(1, mac, "10.0.0.2");
	SPOOF;
}

Test(spoof, no_addresses_means_none)
{
	pol.naddrs = 0;
	ip4("10.0.0.2", "8.8.8.8", 6, 0), ports(1, 2);
	SPOOF;
	ip4("0.0.0.0", "255.255.255.255", 17, 0), ports(68, 67);
	PASS;
}

Test(dest, ipv4)
{
	ip4("10.0.0.2", "192.168.1.9", 6, 0), ports(1, 80);
	PASS;
	ip4("1.2.3.4", "192.168.1.9", 6, 0), ports(1, 443);
	PASS; /* sources are not this policy's business */
	ip4("10.0.0.2", "192.168.1.9", 6, 0), ports(80, 79);
	DEST;
	ip4("10.0.0.2", "192.168.1.9", 6, 0), ports(1, 444);
	DEST;
	ip4("10.0.0.2", "192.168.1.9", 17, 0), ports(1, 80);
	DEST;
	ip4("10.0.0.2", "192.168.4.9", 6, 0), ports(1, 80);
	DEST;
	ip4("10.0.0.2", "192.168.2.7", 1, 0);
	PASS;
	ip4("10.0.0.2", "192.168.2.6", 1, 0);
	DEST;
	ip4("10.0.0.2", "192.168.2.7", 47, 0);
	PASS;
	ip4("10.0.0.2", "192.168.3.1", 6, 0), ports(1, 5000);
	PASS;
	ip4("10.0.0.2", "192.168.3.1", 17, 0), ports(1, 5000);
	PASS;
	ip4("10.0.0.2", "192.168.3.1", 1, 0), ports(1, 5000);
	DEST;
	ip4("0.0.0.0", "255.255.255.255", 17, 0), ports(68, 67);
	DEST; /* DHCP must be listed */
	allow("255.255.255.255", 32, 17, 67, 67);
	PASS;
}

Test(dest, fragments)
{
	ip4("10.0.0.2", "192.168.1.9", 6, 0x2000), ports(1, 80);
	PASS; /* the first one has ports */
	ip4("10.0.0.2", "192.168.1.9", 6, 0x2000 | 10), ports(1, 80);
	DEST;
	ip4("10.0.0.2", "192.168.2.7", 6, 10), ports(1, 80);
	PASS;
	ip6("2001:db8::2", "2001:db8:1::1", 44), frag6(17, 0, true), ports(1, 53);
	PASS;
	ip6("2001:db8::2", "2001:db8:1::1", 44), frag6(17, 8, true), ports(1, 53);
	DEST;
	ip6("2001:db8::2", "2001:db8:2::1", 44), frag6(17, 8, false), ports(1, 53);
	PASS;
}

Test(dest, ipv6)
{
	ip6("2001:db8::2", "2001:db8:1::1", 17), ports(1, 53);
	PASS;
	ip6("2001:db8::2", "2001:db8:1::1", 0), ext(60, 1), ext(17, 0), ports(1, 53);
	PASS;
	ip6("2001:db8::2", "2001:db8:1::1", 0), ext(60, 1), ext(17, 0), ports(1, 54);
	DEST;
	ip6("2001:db8::2", "2001:db8:3::1", 17), ports(1, 53);
	DEST;
	ip6("2001:db8::2", "2001:db8:2::1", 43), ext(17, 0), ports(1, 53);
	DEST; /* a routing header ends elsewhere */
	ip6("2001:db8::2", "::ffff:192.168.2.7", 17), ports(1, 53);
	DEST;
}

Test(dest, upkeep_of_the_link_always_passes)
{
	arp(1, mac, "10.0.0.2");
	PASS;
	ip6("fe80::1", "ff02::2", 58), icmp6(133, NULL);
	PASS;
	ip6("fe80::1", "2001:db8::9", 58), icmp6(135, "2001:db8::9");
	PASS;
	ip6("fe80::1", "2001:db8::9", 58), icmp6(136, "2001:db8::9");
	PASS;
	ip6("fe80::1", "ff02::16", 0), ext(58, 0), icmp6(143, NULL);
	PASS;
	ip6("fe80::1", "2001:db8::9", 58), icmp6(143, NULL);
	DEST;
	ip6("fe80::1", "2001:db8::9", 58), icmp6(128, NULL);
	DEST;
	ip6("fe80::1", "2001:db8::9", 58), icmp6(134, NULL);
	DEST;
	eth(0x8100);
	len = 60;
	DEST;
}

Test(dest, both_policies)
{
	pol.antispoof = true;
	ip4("10.0.0.2", "192.168.1.9", 6, 0), ports(1, 80);
	PASS;
	ip4("10.0.0.3", "192.168.1.9", 6, 0), ports(1, 80);
	SPOOF;
	ip4("10.0.0.2", "192.168.9.9", 6, 0), ports(1, 80);
	DEST;
}

Test(dest, prefix_of_any_length)
{
	pol.nallow = 0;
	allow("10.128.0.0", 9, 0, 0, 65535);
	ip4("10.0.0.2", "10.255.1.1", 1, 0);
	PASS;
	ip4("10.0.0.2", "10.127.1.1", 1, 0);
	DEST;
	pol.nallow = 0;
	allow("0.0.0.0", 0, 0, 0, 65535);
	PASS;
	ip6("2001:db8::2", "2001:db8:1::1", 17), ports(1, 53);
	DEST; /* all of IPv4 is not all of IPv6 */
	allow("::", 0, 0, 0, 65535);
	PASS;
}
