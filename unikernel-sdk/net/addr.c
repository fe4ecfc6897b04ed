/* SPDX-License-Identifier: MIT
 *
 * addr.c: addresses between the BSD and the lwIP form, and lwIP's errors as errno. Runs on the one
 * vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "lwip/err.h"
#include "lwip/netif.h"
#include "net/net.h"

int uk__addr_in(int domain, const void *sa, socklen_t len, struct uk_addr *ret_addr)
{
	struct sockaddr_in6 in;
	sa_family_t family;

	if (!sa || len < sizeof(family))
		return -EINVAL;
	memset(&in, 0, sizeof(in));
	memcpy(&in, sa, len < sizeof(in) ? len : sizeof(in));
	family = in.sin6_family;
	memset(ret_addr, 0, sizeof(*ret_addr));
	if (family == AF_UNSPEC) {
		ret_addr->unspec = true;
		return 0;
	}
	if (family == AF_INET && domain == AF_INET) {
		struct sockaddr_in in4;

		if (len < sizeof(in4))
			return -EINVAL;
		memcpy(&in4, sa, sizeof(in4));
		ip_addr_set_ip4_u32_val(ret_addr->ip, in4.sin_addr.s_addr);
		ret_addr->port = lwip_ntohs(in4.sin_port);
		return 0;
	}
	if (family != AF_INET6 || domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return -EINVAL;
	ret_addr->port = lwip_ntohs(in.sin6_port);
	IP_SET_TYPE_VAL(ret_addr->ip, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(&ret_addr->ip)->addr, &in.sin6_addr, 16);
	if (ip6_addr_isipv4mappedipv6(ip_2_ip6(&ret_addr->ip))) {
		u32_t v4 = ip_2_ip6(&ret_addr->ip)->addr[3];

		ip_addr_set_ip4_u32_val(ret_addr->ip, v4);
	} else if (ip6_addr_has_scope(ip_2_ip6(&ret_addr->ip), IP6_UNKNOWN)) {
		/* The default interface stands in for a scope that was not given. */
		u8_t zone = (u8_t)in.sin6_scope_id;

		if (!zone && netif_default)
			zone = netif_get_index(netif_default);
		ip6_addr_set_zone(ip_2_ip6(&ret_addr->ip), zone);
	}
	return 0;
}

void uk__addr_out(int domain, const struct uk_addr *a, void *sa, socklen_t *len)
{
	union {
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} u;
	socklen_t full;

	memset(&u, 0, sizeof(u));
	if (domain == AF_INET) {
		u.in4.sin_family = AF_INET;
		u.in4.sin_port = lwip_htons(a->port);
		u.in4.sin_addr.s_addr = IP_IS_V6_VAL(a->ip) ? 0 : ip_2_ip4(&a->ip)->addr;
		full = sizeof(u.in4);
	} else {
		u.in6.sin6_family = AF_INET6;
		u.in6.sin6_port = lwip_htons(a->port);
		if (IP_IS_V4_VAL(a->ip) && !ip_addr_isany_val(a->ip)) {
			ip6_addr_t mapped;

			ip4_2_ipv4_mapped_ipv6(&mapped, ip_2_ip4(&a->ip));
			memcpy(&u.in6.sin6_addr, mapped.addr, 16);
		} else if (!IP_IS_V4_VAL(a->ip)) {
			memcpy(&u.in6.sin6_addr, ip_2_ip6(&a->ip)->addr, 16);
			u.in6.sin6_scope_id = ip6_addr_zone(ip_2_ip6(&a->ip));
		}
		full = sizeof(u.in6);
	}
	if (sa)
		memcpy(sa, &u, *len < full ? *len : full);
	*len = full;
}

int uk__net_errno(int lwip_err)
{
	switch (lwip_err) {
	case ERR_OK:
		return 0;
	case ERR_MEM:
	case ERR_BUF:
		return -ENOBUFS;
	case ERR_TIMEOUT:
	case ERR_ABRT: /* lwIP gives up on a connection: retransmissions or keepalive exhausted */
		return -ETIMEDOUT;
	case ERR_RTE:
		return -ENETUNREACH;
	case ERR_INPROGRESS:
		return -EINPROGRESS;
	case ERR_WOULDBLOCK:
		return -EAGAIN;
	case ERR_USE:
		return -EADDRINUSE;
	case ERR_ALREADY:
		return -EALREADY;
	case ERR_ISCONN:
		return -EISCONN;
	case ERR_CONN:
		return -ENOTCONN;
	case ERR_RST:
		return -ECONNRESET;
	case ERR_CLSD:
		return -EPIPE;
	case ERR_VAL:
	case ERR_ARG:
		return -EINVAL;
	default:
		return -EIO;
	}
}

static bool is_loopback(const ip_addr_t *ip)
{
	return ip_addr_isloopback(ip);
}

static bool is_ours(const ip_addr_t *ip)
{
	for (const struct netif *n = netif_list; n; n = n->next) {
		if (IP_IS_V6(ip)) {
			for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
				if (!ip6_addr_isinvalid(netif_ip6_addr_state(n, i)) &&
				    ip6_addr_cmp_zoneless(netif_ip6_addr(n, i), ip_2_ip6(ip)))
					return true;
		} else if (ip4_addr_cmp(netif_ip4_addr(n), ip_2_ip4(ip))) {
			return true;
		}
	}
	return false;
}

bool uk__addr_bindable(const ip_addr_t *ip)
{
	if (ip_addr_isany(ip) || ip_addr_ismulticast(ip) || is_loopback(ip) || is_ours(ip))
		return true;
	uk__net_wait_addr();
	/* A broadcast address may be bound too; which ones there are depends on the interface. */
	if (IP_IS_V4(ip))
		for (struct netif *n = netif_list; n; n = n->next)
			if (ip4_addr_isbroadcast(ip_2_ip4(ip), n))
				return true;
	return is_ours(ip);
}

void uk__addr_prepare(const ip_addr_t *dest)
{
	if (is_loopback(dest) || IP_IS_V6(dest))
		return;
	uk__net_wait_addr();
}
