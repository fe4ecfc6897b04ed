/* SPDX-License-Identifier: MIT
 *
 * net.c: see net.h. The device proper: offered features, config space, activation, polling, life.
 * Frames are moved by net_rx.c and net_tx.c.
 */
#include "monitor/virtio/net.h"

#include "monitor/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "monitor/backend/tap.h"
#include "monitor/config.h"
#include "monitor/snapshot/state.h"
#include "monitor/virtio/net_priv.h"

#define LINK_UP	    1u
#define MTU_DEFAULT 1500u
#define SPILL_SIZE  (NET_HDR + NET_GSO_MAX)

struct net_cfg_space {
	uint8_t mac[6];
	uint16_t status, max_pairs, mtu;
};

_Static_assert(sizeof(struct net_cfg_space) == 12, "virtio_net_config");

static struct vnet *vnet_of(struct virtio_dev *dev)
{
	return (struct vnet *)(void *)((char *)dev - offsetof(struct vnet, dev));
}

static const struct vnet *vnet_of_const(const struct virtio_dev *dev)
{
	return (const struct vnet *)(const void *)((const char *)dev - offsetof(struct vnet, dev));
}

static void net_config_read(const struct virtio_dev *dev, uint32_t off, void *buf, uint32_t len)
{
	const struct vnet *vn = vnet_of_const(dev);
	struct net_cfg_space c = {.status = vn->dead ? 0 : LINK_UP, .max_pairs = 1, .mtu = vn->mtu};

	memcpy(c.mac, vn->mac, sizeof c.mac);
	memcpy(buf, (const uint8_t *)&c + off, len);
}

/* 5.1.3.1: which bit needs which. */
static bool net_features_ok(const struct virtio_dev *dev, uint64_t f)
{
	(void)dev;
	if ((f & (NET_F_HOST_TSO4 | NET_F_HOST_TSO6)) && !(f & NET_F_CSUM))
		return false;
	return !(f & (NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6)) || (f & NET_F_GUEST_CSUM);
}

static int net_activate(struct virtio_dev *dev)
{
	struct vnet *vn = vnet_of(dev);
	uint64_t f = dev->features;

	vn->rx_starved = true; /* the first look at the ring will tell */
	vn->tx_blocked = vn->rx_big = false;
	if (!vn->tap || !vn->vnet_hdr)
		return 0;
	/* Exactly what was negotiated, also when that is nothing: a persistent tap remembers its
	 * last user. */
	vn->offloading = f & NET_F_GUEST_CSUM;
	return tap_offload(vn->fd, f & NET_F_GUEST_CSUM, f & NET_F_GUEST_TSO4,
			   f & NET_F_GUEST_TSO6);
}

static void net_reset(struct virtio_dev *dev)
{
	struct vnet *vn = vnet_of(dev);

	vn->rx_starved = vn->tx_blocked = false;
	vn->rx_wake = vn->tx_wake = 0;
	if (vn->offloading)
		(void)!tap_offload(vn->fd, false, false,
				   false); /* activation sets it again, and says so if it cannot */
	vn->offloading = false;
}

void net_throttle(struct vnet *vn, uint64_t *wake, uint64_t t)
{
	uint64_t rx, tx;

	*wake = t;
	rx = vn->rx_wake ? vn->rx_wake : UINT64_MAX;
	tx = vn->tx_wake ? vn->tx_wake : UINT64_MAX;
	vn->dev.wake_at = rx < tx ? rx : tx;
}

static void net_on_wake(struct virtio_dev *dev)
{
	struct vnet *vn = vnet_of(dev);
	uint64_t now = clock_mono_ns();
	bool rx = vn->rx_wake && now >= vn->rx_wake, tx = vn->tx_wake && now >= vn->tx_wake;

	if (rx)
		net_throttle(vn, &vn->rx_wake, 0);
	if (tx)
		net_throttle(vn, &vn->tx_wake, 0);
	if (tx && virtio_dev_live(dev))
		net_tx(vn);
	if (rx && virtio_dev_live(dev))
		net_rx(vn);
}

static void net_serve(struct virtio_dev *dev, unsigned q)
{
	struct vnet *vn = vnet_of(dev);

	if (!virtio_dev_live(dev))
		return;
	/* Whoever rings or polls instead of sleeping gets on in time as well, but not sooner. */
	if (dev->wake_at != UINT64_MAX)
		virtio_dev_wake(dev, clock_mono_ns());
	if (q == NET_TX && !vn->tx_wake)
		net_tx(vn);
	else if (q == NET_RX && vn->rx_starved)
		net_rx(vn); /* frames that wait while there are buffers are the business of on_event
			     */
}

static unsigned net_pollfds(const struct virtio_dev *dev, struct pollfd *pfd, unsigned max)
{
	const struct vnet *vn = vnet_of_const(dev);

	if (!max || !virtio_dev_live(dev) || vn->dead)
		return 0;
	*pfd = (struct pollfd){.fd = vn->fd};
	if (dev->q[NET_RX].started && !vn->rx_starved && !vn->rx_wake)
		pfd->events |= POLLIN;
	if (vn->tx_blocked && !vn->tx_wake)
		pfd->events |= POLLOUT;
	/* A helper that ends is noticed (POLLHUP needs no asking); a tap without news is left
	 * alone. */
	return pfd->events || !vn->tap;
}

static void net_on_event(struct virtio_dev *dev, const struct pollfd *pfd)
{
	struct vnet *vn = vnet_of(dev);

	if (!virtio_dev_live(dev))
		return;
	if ((pfd->revents & POLLOUT) && !vn->tx_wake)
		net_tx(vn);
	if (virtio_dev_live(dev) && (pfd->revents & POLLIN))
		net_rx(vn);
	else if (pfd->revents & (POLLHUP | POLLERR | POLLNVAL))
		net_dead(vn, "it has gone");
}

void net_dead(struct vnet *vn, const char *why)
{
	if (vn->dead)
		return;
	vn->dead = true;
	log_warn("%s: network backend: %s; the link is down from here on", vn->dev.id, why);
	virtio_dev_config_changed(&vn->dev);
}

static void net_save(struct virtio_dev *dev, struct dev_state *st)
{
	const struct vnet *vn = vnet_of(dev);

	memcpy(st->mac, vn->mac, sizeof st->mac);
	st->mtu = vn->mtu;
}

static void net_quiesce(struct virtio_dev *dev)
{
	struct vnet *vn = vnet_of(dev);

	vn->rx_starved = true; /* the first look at the ring will tell */
	vn->tx_blocked = vn->rx_big = false;
	net_rx_discard(vn);
	vn->rx_wake = vn->tx_wake = 0;
	dev->wake_at = UINT64_MAX;
}

/* The MAC is the saved one unless the user gave this VM its own. */
static int net_load(struct virtio_dev *dev, const struct dev_state *st)
{
	struct vnet *vn = vnet_of(dev);

	if (!vn->cfg->has_mac)
		memcpy(vn->mac, st->mac, sizeof vn->mac);
	/* Frames that waited when this was saved: the backend's being writable brings us to them.
	 */
	vn->tx_blocked = virtq_pending(&dev->q[NET_TX]);
	return 0;
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.device_id = 1,
	.features_ok = net_features_ok,
	.activate = net_activate,
	.reset = net_reset,
	.serve = net_serve,
	.config_read = net_config_read,
	.pollfds = net_pollfds,
	.on_event = net_on_event,
	.save = net_save,
	.quiesce = net_quiesce,
	.load = net_load,
	.on_wake = net_on_wake,
};

/* --- life --- */

/* A packet socket that was handed over: one frame a message. */
static int adopt_socket(struct vnet *vn, const struct net_config *cfg, char *err, size_t errlen)
{
	int type = 0, flags = fcntl(cfg->fd, F_GETFL);
	socklen_t len = sizeof type;

	if (getsockopt(cfg->fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    (type != SOCK_SEQPACKET && type != SOCK_DGRAM)) {
		snprintf(err, errlen,
			 "--net id=%s: fd %d is neither a tap nor a SOCK_SEQPACKET or SOCK_DGRAM "
			 "socket",
			 cfg->id, cfg->fd);
		return -EINVAL;
	}
	if (flags < 0 || fcntl(cfg->fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(cfg->fd, F_SETFD, FD_CLOEXEC)) {
		int ret = -errno;

		snprintf(err, errlen, "--net id=%s: fd %d: %s", cfg->id, cfg->fd, strerror(-ret));
		return ret;
	}
	vn->fd = cfg->fd;
	return 0;
}

static int open_backend(struct vnet *vn, const struct net_config *cfg, char *err, size_t errlen)
{
	int ret;

	switch (cfg->backend) {
	case NET_TAP:
		vn->fd = tap_open(cfg->id, cfg->tap, err, errlen);
		vn->tap = vn->vnet_hdr = true;
		return vn->fd < 0 ? vn->fd : 0;
	case NET_USER:
		ret = usernet_spawn(&vn->un, cfg, err, errlen);
		vn->fd = vn->un.fd;
		return ret;
	case NET_FD:
		ret = tap_adopt(cfg->id, cfg->fd, &vn->vnet_hdr, err, errlen);
		if (ret == 0)
			return adopt_socket(vn, cfg, err, errlen);
		vn->tap = ret > 0;
		vn->fd = cfg->fd;
		return ret < 0 ? ret : 0;
	}
	return -EINVAL;
}

static int choose_mac(struct vnet *vn, const struct net_config *cfg)
{
	if (cfg->has_mac) {
		memcpy(vn->mac, cfg->mac, sizeof vn->mac);
		return 0;
	}
	if (getrandom(vn->mac, sizeof vn->mac, 0) != sizeof vn->mac)
		return -EIO;
	vn->mac[0] = (uint8_t)((vn->mac[0] & 0xfc) | 2); /* locally administered, unicast */
	return 0;
}

static void set_limits(struct ratelimit *rl, const struct rate_config *cfg)
{
	if (cfg->bw.refill_ms || cfg->ops.refill_ms)
		ratelimit_set(rl, &cfg->bw, &cfg->ops, clock_mono_ns());
}

int vnet_create(struct virtio_dev **ret_dev, const struct net_config *cfg, const struct gmem *gm,
		char *err, size_t errlen)
{
	struct vnet *vn = calloc(1, sizeof *vn);
	int ret = -ENOMEM;

	if (vn) {
		vn->fd = vn->un.fd = -1;
		/* Not touched until a frame does not fit. */
		vn->spill = mmap(NULL, SPILL_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ret = vn->spill == MAP_FAILED ? -ENOMEM : choose_mac(vn, cfg);
	}
	if (ret)
		snprintf(err, errlen, "--net id=%s: %s", cfg->id, strerror(-ret));
	else
		ret = open_backend(vn, cfg, err, errlen);
	if (ret) {
		if (vn && vn->spill != MAP_FAILED)
			munmap(vn->spill, SPILL_SIZE);
		free(vn);
		return ret;
	}
	vn->cfg = cfg;
	vn->mtu = cfg->mtu ? cfg->mtu : MTU_DEFAULT;
	vn->policy = cfg->policy.antispoof || cfg->policy.restrict_dest;
	vn->dev.ops = &net_ops;
	vn->dev.id = cfg->id;
	vn->dev.gm = gm;
	vn->dev.config_size = sizeof(struct net_cfg_space);
	vn->dev.nqueues = 2;
	vn->dev.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
			  NET_F_MAC | NET_F_MTU | NET_F_STATUS | NET_F_MRG_RXBUF;
	/* Offloads are the kernel's: without vnet headers nobody would fill in a checksum. */
	if (vn->vnet_hdr)
		vn->dev.offered |= NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_HOST_TSO4 |
				   NET_F_HOST_TSO6 | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6;
	/* Unikraft acknowledges GUEST_CSUM whether or not it is offered. */
	vn->dev.ignored = NET_F_GUEST_CSUM;
	set_limits(&vn->rx_limit, &cfg->rx_limit);
	set_limits(&vn->tx_limit, &cfg->tx_limit);
	virtio_mmio_init(&vn->dev);
	*ret_dev = &vn->dev;
	return 0;
}

int vnet_wait_ready(struct virtio_dev *dev, char *err, size_t errlen)
{
	struct vnet *vn = vnet_of(dev);

	return vn->cfg->backend == NET_USER ? usernet_wait_ready(&vn->un, vn->cfg, err, errlen) : 0;
}

void vnet_destroy(struct virtio_dev *dev)
{
	if (!dev)
		return;
	struct vnet *vn = vnet_of(dev);

	if (vn->offloading)
		net_reset(dev);
	if (vn->cfg->backend == NET_USER)
		usernet_stop(&vn->un);
	else
		close(vn->fd);
	munmap(vn->spill, SPILL_SIZE);
	free(vn);
}

void vnet_confine(const struct virtio_dev *dev, struct confine *c)
{
	const struct vnet *vn = vnet_of_const(dev);

	confine_use(c, "nic", "nic", vn->fd, NULL);
	if (vn->vnet_hdr)
		confine_use(c, "tap", "nic", vn->fd, NULL);
}

void vnet_leave(struct virtio_dev *dev)
{
	struct vnet *vn = vnet_of(dev);

	if (vn->cfg->backend == NET_USER)
		usernet_leave(&vn->un);
}

const struct net_metrics *vnet_metrics(struct virtio_dev *dev)
{
	struct vnet *vn = vnet_of(dev);

	vn->m.notifications = dev->notifications;
	vn->m.interrupts = dev->interrupts;
	return &vn->m;
}

void vnet_set_limits(struct virtio_dev *dev, const struct token_bucket *rx_bw,
		     const struct token_bucket *rx_ops, const struct token_bucket *tx_bw,
		     const struct token_bucket *tx_ops)
{
	struct vnet *vn = vnet_of(dev);
	uint64_t now = clock_mono_ns();

	ratelimit_set(&vn->rx_limit, rx_bw, rx_ops, now);
	ratelimit_set(&vn->tx_limit, tx_bw, tx_ops, now);
	/* Whoever waits asks the new buckets. */
	vn->rx_wake = vn->rx_wake ? now : 0;
	vn->tx_wake = vn->tx_wake ? now : 0;
	net_on_wake(dev);
}

const uint8_t *vnet_mac(const struct virtio_dev *dev)
{
	return vnet_of_const(dev)->mac;
}
