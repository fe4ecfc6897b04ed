/* SPDX-License-Identifier: MIT
 *
 * ifconf.c: ioctl on sockets: FIONREAD, FIONBIO and the read-only interface requests. One vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lwip/netif.h"
#include "net/netif.h"

static void name_of(const struct netif *n, char *name)
{
	memset(name, 0, IFNAMSIZ);
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++) {
		if (&uk__nifs[i]->netif != n)
			continue;
		memcpy(name, "eth0", sizeof("eth0"));
		name[3] = (char)('0' + i);
		return;
	}
	memcpy(name, "lo", sizeof("lo"));
}

static struct netif *by_name(const char *name)
{
	char have[IFNAMSIZ];

	for (struct netif *n = netif_list; n; n = n->next) {
		name_of(n, have);
		if (strncmp(have, name, IFNAMSIZ) == 0)
			return n;
	}
	return NULL;
}

static void put_addr(struct sockaddr *sa, u32_t addr)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = addr};

	memcpy(sa, &in, sizeof(in));
}

static short flags_of(const struct netif *n)
{
	short f = 0;

	if (netif_is_up(n))
		f |= IFF_UP;
	if (netif_is_link_up(n))
		f |= IFF_RUNNING;
	if (n->hwaddr_len)
		f |= IFF_BROADCAST | IFF_MULTICAST;
	else
		f |= IFF_LOOPBACK;
	return f;
}

/* As the kernel: interfaces with an IPv4 address; a NULL buffer asks for the length. */
static long get_conf(struct ifconf *c)
{
	int room = c->ifc_len, used = 0;
	struct ifreq r;

	for (const struct netif *n = netif_list; n; n = n->next) {
		if (ip4_addr_isany(netif_ip4_addr(n)))
			continue;
		if (c->ifc_buf) {
			if (used + (int)sizeof(r) > room)
				break;
			memset(&r, 0, sizeof(r));
			name_of(n, r.ifr_name);
			put_addr(&r.ifr_addr, netif_ip4_addr(n)->addr);
			memcpy(c->ifc_buf + used, &r, sizeof(r));
		}
		used += (int)sizeof(r);
	}
	c->ifc_len = used;
	return 0;
}

static long get_name(struct ifreq *r)
{
	struct netif *n = netif_get_by_index((u8_t)r->ifr_ifindex);

	if (!n)
		return -ENODEV;
	name_of(n, r->ifr_name);
	return 0;
}

static long get_one(unsigned long req, struct ifreq *r)
{
	struct netif *n = by_name(r->ifr_name);

	if (!n)
		return -ENODEV;
	switch (req) {
	case SIOCGIFADDR:
		put_addr(&r->ifr_addr, netif_ip4_addr(n)->addr);
		break;
	case SIOCGIFNETMASK:
		put_addr(&r->ifr_netmask, netif_ip4_netmask(n)->addr);
		break;
	case SIOCGIFBRDADDR:
		put_addr(&r->ifr_broadaddr, netif_ip4_addr(n)->addr | ~netif_ip4_netmask(n)->addr);
		break;
	case SIOCGIFFLAGS:
		r->ifr_flags = flags_of(n);
		break;
	case SIOCGIFMTU:
		r->ifr_mtu = n->mtu ? n->mtu : 65535;
		break;
	case SIOCGIFINDEX:
		r->ifr_ifindex = netif_get_index(n);
		break;
	default:
		memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
		r->ifr_hwaddr.sa_family = n->hwaddr_len ? 1 : 772; /* ARPHRD_ETHER, _LOOPBACK */
		memcpy(r->ifr_hwaddr.sa_data, n->hwaddr, n->hwaddr_len);
	}
	return 0;
}

long uk__sock_ioctl(struct uk_file *f, unsigned long req, long arg)
{
	struct uk_sock *s = f->priv;
	long r;

	switch (req) {
	case FIONREAD:
		r = s->ops->pending ? s->ops->pending(s) : -ENOTTY;
		if (r >= 0)
			*(int *)arg = (int)r;
		return r < 0 ? r : 0;
	case FIONBIO:
		f->flags = *(const int *)arg ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK;
		return 0;
	case SIOCGIFCONF:
		return get_conf((struct ifconf *)arg);
	case SIOCGIFNAME:
		return get_name((struct ifreq *)arg);
	case SIOCGIFADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFBRDADDR:
	case SIOCGIFFLAGS:
	case SIOCGIFMTU:
	case SIOCGIFINDEX:
	case SIOCGIFHWADDR:
		return get_one(req, (struct ifreq *)arg);
	default:
		return -ENOTTY;
	}
}
