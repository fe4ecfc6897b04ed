/* SPDX-License-Identifier: MIT
 *
 * config.c: addresses, routes and name servers: from the command line, DHCP, and IPv6 router
 * advertisements. A setting that does not parse is named on the console and passed over.
 */
#include "net/net.h"

#include <errno.h>
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/ip6_addr.h"
#include "lwip/nd6.h"
#include "net/netif.h"
#include "net/rebind.h"
#include "platform.h"
#include "sys.h"
#include "uk_hooks.h"
#include "wait.h"

#define DHCP_PATIENCE 4000000000ull /* ns */
#define MAX_DNS	      3

static ip_addr_t static_dns[MAX_DNS], learned_dns[4]; /* learned: two by DHCP, two by RA */
static ip6_addr_t static_gw6[UK_MAX_NICS];
static uint64_t dhcp_patience; /* deadline; 0 = not waiting for anybody */

/* mayfly.NAME= for the first interface, mayfly.ethN.NAME= for any. */
static const char *setting(unsigned i, const char *name)
{
	char full[16] = "eth0.";
	const char *v;

	full[3] = (char)('0' + i);
	memcpy(full + 5, name, strlen(name) + 1);
	v = uk__setting(full);
	if (!v && i == 0)
		v = uk__setting(name);
	return v;
}

/* The piece of s up to sep, the end or a blank; cut to n. Returns what follows sep, NULL at the
 * end. */
static const char *piece(const char *s, char sep, char *buf, size_t n)
{
	size_t len = 0;

	while (s[len] && s[len] != sep && s[len] != ' ')
		len++;
	memcpy(buf, s, len < n ? len : n - 1);
	buf[len < n ? len : n - 1] = '\0';
	return s[len] == sep ? s + len + 1 : NULL;
}

static void bad(const char *name, const char *value)
{
	char word[48];

	piece(value, ' ', word, sizeof(word));
	uk__log("mayfly.%s=%s is not understood", name, word);
}

static bool parse_len(const char *s, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!s || !*s)
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (unsigned)(*s - '0');
	if ((*s && *s != ' ') || v > max)
		return false;
	*ret = v;
	return true;
}

static bool set_ip4(struct uk_nif *nif, unsigned i, const char *value)
{
	const char *gw_value = setting(i, "gw");
	ip4_addr_t ip, mask, gw = {0};
	char word[48];
	unsigned plen;
	const char *rest = piece(value, '/', word, sizeof(word));

	if (!ip4addr_aton(word, &ip) || !parse_len(rest, 32, &plen)) {
		bad("ip", value);
		return false;
	}
	mask.addr = plen ? lwip_htonl(0xffffffffu << (32 - plen)) : 0;
	if (gw_value) {
		piece(gw_value, ' ', word, sizeof(word));
		if (!ip4addr_aton(word, &gw))
			bad("gw", gw_value);
	}
	netif_set_addr(&nif->netif, &ip, &mask, &gw);
	return true;
}

static void set_ip6(struct uk_nif *nif, unsigned i)
{
	const char *value = setting(i, "ip6"), *gw = setting(i, "gw6");
	char word[64];
	ip6_addr_t addr;
	s8_t slot;

	netif_create_ip6_linklocal_address(&nif->netif, 1);
	netif_set_ip6_autoconfig_enabled(&nif->netif, 1);
	if (value) {
		piece(value, '/', word, sizeof(word));
		if (!ip6addr_aton(word, &addr) ||
		    netif_add_ip6_address(&nif->netif, &addr, &slot) != ERR_OK)
			bad("ip6", value);
		else
			netif_ip6_addr_set_state(&nif->netif, slot, IP6_ADDR_PREFERRED);
	}
	if (gw) {
		piece(gw, ' ', word, sizeof(word));
		if (!ip6addr_aton(word, &static_gw6[i]))
			bad("gw6", gw);
		ip6_addr_assign_zone(&static_gw6[i], IP6_UNICAST, &nif->netif);
	}
}

static void show(struct netif *netif)
{
	struct uk_nif *nif = netif->state;
	const ip4_addr_t *ip = netif_ip4_addr(netif), *gw = netif_ip4_gw(netif);
	char a[16], g[16];
	unsigned i = 0;

	if (ip->addr == nif->shown || ip4_addr_isany(ip))
		return;
	nif->shown = ip->addr;
	if (uk__boot->flags & UK_BOOT_QUIET)
		return;
	while (i < UK_MAX_NICS - 1 && uk__nifs[i] != nif)
		i++;
	ip4addr_ntoa_r(ip, a, sizeof(a));
	ip4addr_ntoa_r(gw, g, sizeof(g));
	uk__log("eth%u %s/%d%s%s", i, a, __builtin_popcount(netif_ip4_netmask(netif)->addr),
		ip4_addr_isany(gw) ? "" : " gw ", ip4_addr_isany(gw) ? "" : g);
}

static void configure(struct uk_nif *nif, unsigned i)
{
	const char *ip = setting(i, "ip");

	netif_set_status_callback(&nif->netif, show);
	set_ip6(nif, i);
	if (uk__net_given(nif, i) || (ip && strncmp(ip, "none", 4) == 0))
		return;
	if (ip && strncmp(ip, "dhcp", 4) != 0 && set_ip4(nif, i, ip))
		return;
	nif->dhcp = dhcp_start(&nif->netif) == ERR_OK;
	if (nif->dhcp)
		dhcp_patience = uk__mono_ns() + DHCP_PATIENCE;
}

void uk__net_configure(void)
{
	const char *dns = uk__setting("dns");
	unsigned n = 0;
	char word[64];

	while (dns && n < MAX_DNS) {
		const char *rest = piece(dns, ',', word, sizeof(word));

		if (ipaddr_aton(word, &static_dns[n]))
			n++;
		else
			bad("dns", dns);
		dns = rest;
	}
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		configure(uk__nifs[i], i);
}

static bool answered(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		if (uk__nifs[i]->dhcp && ip4_addr_isany(netif_ip4_addr(&uk__nifs[i]->netif)))
			return false;
	return true;
}

void uk__net_wait_addr(void)
{
	if (!dhcp_patience)
		return;
	if (!answered(NULL) && uk__wait(answered, NULL, dhcp_patience) == -EINTR)
		return; /* by a signal: the next caller waits on */
	dhcp_patience = 0;
}

/* --- name servers
 * ------------------------------------------------------------------------------------ */

void dns_setserver(u8_t i, const ip_addr_t *addr)
{
	unsigned slot = i & 1u;

	if (addr && IP_IS_V6(addr))
		slot += 2;
	if (addr)
		learned_dns[slot] = *addr;
}

const ip_addr_t *dns_getserver(u8_t i)
{
	return &learned_dns[2 + (i & 1u)]; /* asked about router advertisements only */
}

bool uk__net_dns(unsigned n, ip_addr_t *ret_addr)
{
	for (unsigned i = 0; i < MAX_DNS + 4; i++) {
		const ip_addr_t *a = i < MAX_DNS ? &static_dns[i] : &learned_dns[i - MAX_DNS];

		/* What the user said stands alone. */
		if (i == MAX_DNS && !ip_addr_isany(&static_dns[0]))
			break;
		if (!ip_addr_isany(a) && n-- == 0) {
			*ret_addr = *a;
			return true;
		}
	}
	return false;
}

int uk__net_resolv_conf(char *buf, size_t len)
{
	static const char word[] = "nameserver ";
	size_t at = 0;
	ip_addr_t a;

	uk__net_start();
	uk__net_wait_addr();
	for (unsigned n = 0; n < MAX_DNS && uk__net_dns(n, &a); n++) {
		if (at + sizeof(word) + IPADDR_STRLEN_MAX + 1 > len)
			break;
		memcpy(buf + at, word, sizeof(word) - 1);
		at += sizeof(word) - 1;
		ipaddr_ntoa_r(&a, buf + at, IPADDR_STRLEN_MAX);
		at += strlen(buf + at);
		buf[at++] = '\n';
	}
	return (int)at;
}

/* --- routes
 * ------------------------------------------------------------------------------------------ */

struct netif *uk__net_route4(const ip4_addr_t *src, const ip4_addr_t *dest)
{
	if (!src || ip4_addr_isany(src) || !uk__nifs[1])
		return NULL;
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++) {
		struct netif *n = &uk__nifs[i]->netif;

		if (ip4_addr_cmp(src, netif_ip4_addr(n)) &&
		    (!ip4_addr_isany(netif_ip4_gw(n)) ||
		     ip4_addr_netcmp(dest, netif_ip4_addr(n), netif_ip4_netmask(n))))
			return n;
	}
	return NULL;
}

const ip6_addr_t *uk__net_gw6(struct netif *netif, const ip6_addr_t *dest)
{
	(void)dest;
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		if (&uk__nifs[i]->netif == netif && !ip6_addr_isany(&static_gw6[i]))
			return &static_gw6[i];
	return NULL;
}
