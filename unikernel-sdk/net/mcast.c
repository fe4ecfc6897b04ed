/* SPDX-License-Identifier: MIT
 *
 * mcast.c: membership in multicast groups: joined and left by setsockopt, left at the latest when
 * the socket is closed. Runs on the one vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "lwip/netif.h"
#include "net/mem.h"
#include "net/net.h"

struct uk_mcast {
	struct uk_mcast *next;
	ip_addr_t group;
	struct netif *netif;
};

struct request {
	ip_addr_t group;
	struct netif *netif;
	bool join;
};

static struct netif *by_index(unsigned i)
{
	struct netif *n = i ? netif_get_by_index((u8_t)i) : netif_default;

	return n ? n : netif_list;
}

static struct netif *by_addr(u32_t addr)
{
	if (!addr)
		return by_index(0);
	for (struct netif *n = netif_list; n; n = n->next)
		if (netif_ip4_addr(n)->addr == addr)
			return n;
	return NULL;
}

static int parse4(const void *val, socklen_t len, struct request *r)
{
	struct ip_mreqn m;

	memset(&m, 0, sizeof(m));
	if (len < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&m, val, len < sizeof(m) ? len : sizeof(m));
	ip_addr_set_ip4_u32_val(r->group, m.imr_multiaddr.s_addr);
	r->netif =
		m.imr_ifindex ? by_index((unsigned)m.imr_ifindex) : by_addr(m.imr_address.s_addr);
	return 0;
}

static int parse6(const void *val, socklen_t len, struct request *r)
{
	struct ipv6_mreq m;

	if (len < sizeof(m))
		return -EINVAL;
	memcpy(&m, val, sizeof(m));
	r->netif = by_index(m.ipv6mr_interface);
	memset(&r->group, 0, sizeof(r->group));
	IP_SET_TYPE_VAL(r->group, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(&r->group)->addr, &m.ipv6mr_multiaddr, 16);
	if (r->netif)
		ip6_addr_assign_zone(ip_2_ip6(&r->group), IP6_MULTICAST, r->netif);
	return 0;
}

static err_t change(const struct uk_mcast *m, bool join)
{
	const ip4_addr_t *g4 = ip_2_ip4(&m->group);
	const ip6_addr_t *g6 = ip_2_ip6(&m->group);

	if (IP_IS_V6_VAL(m->group))
		return join ? mld6_joingroup_netif(m->netif, g6)
			    : mld6_leavegroup_netif(m->netif, g6);
	if (!(m->netif->flags & NETIF_FLAG_IGMP))
		return ERR_OK; /* loopback: nobody to tell */
	return join ? igmp_joingroup_netif(m->netif, g4) : igmp_leavegroup_netif(m->netif, g4);
}

static struct uk_mcast **find(struct uk_mcast **list, const struct request *r)
{
	while (*list && !((*list)->netif == r->netif && ip_addr_cmp(&(*list)->group, &r->group)))
		list = &(*list)->next;
	return list;
}

static int join(struct uk_mcast **list, const struct request *r)
{
	struct uk_mcast **at = find(list, r), *m;

	if (*at)
		return -EADDRINUSE;
	m = uk__net_alloc(sizeof(*m));
	if (!m)
		return -ENOBUFS;
	*m = (struct uk_mcast){.group = r->group, .netif = r->netif};
	if (change(m, true) != ERR_OK) {
		uk__net_free(m);
		return -ENOBUFS;
	}
	*at = m;
	return 0;
}

static int leave(struct uk_mcast **at)
{
	struct uk_mcast *m = *at;

	if (!m)
		return -EADDRNOTAVAIL;
	*at = m->next;
	change(m, false);
	uk__net_free(m);
	return 0;
}

int uk__mcast_setopt(struct uk_mcast **list, int level, int name, const void *val, socklen_t len)
{
	struct request r;
	int err;

	if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP)) {
		r.join = name == IP_ADD_MEMBERSHIP;
		err = parse4(val, len, &r);
	} else if (level == IPPROTO_IPV6 && (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP)) {
		r.join = name == IPV6_JOIN_GROUP;
		err = parse6(val, len, &r);
	} else {
		return -ENOPROTOOPT;
	}
	if (err < 0)
		return err;
	if (!list || !ip_addr_ismulticast(&r.group))
		return -EINVAL;
	if (!r.netif)
		return -ENODEV;
	return r.join ? join(list, &r) : leave(find(list, &r));
}

void uk__mcast_leave_all(struct uk_mcast **list)
{
	while (*list)
		leave(list);
}
