/* SPDX-License-Identifier: MIT
 *
 * net_rx.c: frames from the backend straight into the driver's buffers with one system call each.
 * The window is the next few chains of the ring; a spill area behind it catches what does not fit,
 * so that a frame is never cut in silence: with MRG_RXBUF more chains are taken for it, else it is
 * dropped and counted.
 */
#include <errno.h>

#include "lib/clock.h"
#include "lib/vec.h"
#include "monitor/virtio/iov.h"
#include "monitor/virtio/net_priv.h"

#define WIN_CHAINS  64u
#define WIN_IOV	    VIRTQ_MAX_SIZE
/* After this many small frames in a row, the window for large ones is given up again. */
#define SMALL_AGAIN 64u

struct window {
	unsigned chains, iovs;
	uint64_t cap;
	uint16_t head[WIN_CHAINS], niov[WIN_CHAINS];
	uint64_t len[WIN_CHAINS];
	struct iovec iov[WIN_IOV + 1]; /* and one for the spill area */
};

/* One more chain. 1, 0 when there is none (or no room for its iovecs), -EPROTO. */
static int window_add(struct vnet *vn, struct window *w)
{
	struct virtq *q = &vn->dev.q[NET_RX];
	struct virtq_chain c;
	int ret;

	if (w->chains == WIN_CHAINS)
		return 0;
	ret = virtq_pop(q, &c);
	if (ret <= 0)
		return ret;
	if (c.nread || c.write_len < NET_HDR) {
		q->why = "receive buffer that is readable or has no room for a header";
		return -EPROTO;
	}
	if (w->iovs + c.nwrite > WIN_IOV) {
		virtq_unpop(q, 1);
		return 0;
	}
	memcpy(w->iov + w->iovs, c.iov, c.nwrite * sizeof c.iov[0]);
	w->head[w->chains] = c.head;
	w->niov[w->chains] = c.nwrite;
	w->len[w->chains++] = c.write_len;
	w->iovs += c.nwrite;
	w->cap += c.write_len;
	return 1;
}

/* Chains for at least `bytes`, when that many are there; always one without MRG_RXBUF. 0 or
 * -EPROTO. */
static int window_fill(struct vnet *vn, struct window *w, uint64_t bytes)
{
	unsigned max = vn->dev.features & NET_F_MRG_RXBUF ? WIN_CHAINS : 1;
	int ret = 1;

	while (ret > 0 && w->chains < max && w->cap < bytes)
		ret = window_add(vn, w);
	return ret < 0 ? ret : 0;
}

static void window_drop(struct window *w, unsigned n)
{
	unsigned iovs = 0;

	for (unsigned i = 0; i < n; i++) {
		iovs += w->niov[i];
		w->cap -= w->len[i];
	}
	w->chains -= n;
	w->iovs -= iovs;
	if (!w->chains)
		return;
	memmove(w->head, w->head + n, w->chains * sizeof w->head[0]);
	memmove(w->niov, w->niov + n, w->chains * sizeof w->niov[0]);
	memmove(w->len, w->len + n, w->chains * sizeof w->len[0]);
	memmove(w->iov, w->iov + iovs, w->iovs * sizeof w->iov[0]);
}

/* A frame into the window and the spill area. Bytes with header, 0 when nothing waits, -errno. */
static ssize_t receive(struct vnet *vn, struct window *w, size_t spill)
{
	static const struct net_hdr none;
	struct iovec raw[WIN_IOV + 1], *iov = w->iov;
	unsigned n = w->iovs;
	ssize_t ret;

	if (!vn->vnet_hdr) {
		n = iov_slice(raw, w->iov, w->iovs, NET_HDR, w->cap - NET_HDR);
		iov = raw;
	}
	iov[n++] = (struct iovec){.iov_base = vn->spill, .iov_len = spill};
	do {
		ret = vec_read(vn->fd, iov, n, VEC_STREAM);
	} while (ret < 0 && errno == EINTR);
	/* Out of memory passes; anything else is the end of the backend. */
	if (ret < 0)
		return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS ? 0 : -errno;
	if (!ret)
		return -EPIPE;
	if (vn->vnet_hdr)
		return ret;
	iov_write(w->iov, w->iovs, 0, &none, sizeof none);
	return ret + NET_HDR;
}

/* Hand out a frame that lies in the window. */
static void deliver(struct vnet *vn, struct window *w, uint64_t len)
{
	struct virtq *q = &vn->dev.q[NET_RX];
	uint64_t left = len;
	uint16_t n = 0;

	for (unsigned i = 0; left; i++, n++) {
		uint64_t part = left < w->len[i] ? left : w->len[i];

		virtq_push(q, w->head[i], (uint32_t)part);
		left -= part;
	}
	/* The tap fills 10 of the 12 bytes. Without GUEST_CSUM flags must say nothing (5.1.6.4.1).
	 */
	iov_write(w->iov, w->iovs, offsetof(struct net_hdr, num_buffers), &n, sizeof n);
	if (!(vn->dev.features & NET_F_GUEST_CSUM))
		iov_write(w->iov, w->iovs, 0, "", 1);
	window_drop(w, n);
	vn->m.rx_frames++;
	vn->m.rx_bytes += len - NET_HDR;
}

/* The frame is longer than the window was: take more chains and copy the rest. 0 or -EPROTO. */
static int spilled(struct vnet *vn, struct window *w, uint64_t len, size_t spill)
{
	uint64_t fits = w->cap;
	int ret = 0;

	vn->rx_big = vn->dev.features & NET_F_MRG_RXBUF;
	vn->rx_small = 0;
	if (vn->rx_big && len - fits <= spill)
		ret = window_fill(vn, w, len);
	if (ret)
		return ret;
	if (w->cap < len || len - fits > spill) {
		vn->m.rx_dropped++;
		return 0;
	}
	iov_write(w->iov, w->iovs, fits, vn->spill, len - fits);
	deliver(vn, w, len);
	return 0;
}

static uint64_t window_goal(struct vnet *vn)
{
	uint64_t small = NET_HDR + vn->mtu + NET_ETH_HLEN + NET_VLAN_HLEN;

	if (vn->rx_big && ++vn->rx_small > SMALL_AGAIN)
		vn->rx_big = false;
	return vn->rx_big ? NET_HDR + NET_GSO_MAX : small;
}

/* A frame's length is known when it has been read: it pays after the fact, and while something is
 * owed no other is read. */
static bool rate_ok(struct vnet *vn)
{
	uint64_t t = ratelimit_ready(&vn->rx_limit, clock_mono_ns());

	if (!t)
		return true;
	vn->m.rx_throttled++;
	net_throttle(vn, &vn->rx_wake, t);
	return false;
}

/* 1 a frame was moved or dropped, 0 nothing to do, -errno of the backend, -EPROTO of the ring. */
static int rx_one(struct vnet *vn, struct window *w)
{
	size_t spill = NET_HDR + NET_GSO_MAX;
	uint64_t goal;
	ssize_t len;
	int ret;

	if (vn->rx_limit.on && !rate_ok(vn))
		return 0;
	goal = window_goal(vn);
	ret = window_fill(vn, w, goal);
	if (ret)
		return ret;
	if (!w->chains) {
		vn->rx_starved = true;
		return 0;
	}
	len = receive(vn, w, spill);
	if (len <= 0)
		return (int)len;
	if (vn->rx_limit.on)
		ratelimit_charge(&vn->rx_limit, len > NET_HDR ? (uint64_t)len - NET_HDR : 0, 1,
				 clock_mono_ns());
	if (len < (ssize_t)(NET_HDR + NET_ETH_HLEN)) {
		vn->m.rx_dropped++;
		return 1;
	}
	if ((uint64_t)len > NET_HDR + vn->mtu + NET_ETH_HLEN + NET_VLAN_HLEN)
		vn->rx_small = 0;
	if ((uint64_t)len > w->cap)
		ret = spilled(vn, w, (uint64_t)len, spill);
	else
		deliver(vn, w, (uint64_t)len);
	return ret ? ret : 1;
}

void net_rx(struct vnet *vn)
{
	struct virtq *q = &vn->dev.q[NET_RX];
	struct window w;
	int ret = 1;

	if (!q->started || vn->dead || vn->rx_wake)
		return;
	memset(&w, 0, offsetof(struct window, iov)); /* not the iovecs: most are never used */
	vn->rx_starved = false;
	virtq_kick_off(q);
	for (unsigned budget = NET_BUDGET; ret > 0 && budget; budget--) {
		ret = rx_one(vn, &w);
		/* Out of buffers: ask to be told of new ones, unless they have just come. */
		if (!ret && vn->rx_starved && virtq_kick_on(q)) {
			vn->rx_starved = false;
			virtq_kick_off(q);
			ret = 1;
		}
	}
	virtq_unpop(q, w.chains);
	if (ret == -EPROTO && q->why) {
		virtio_dev_broken(&vn->dev, q->why);
		return;
	}
	virtio_dev_notify(&vn->dev, q);
	if (ret < 0)
		net_dead(vn, ret == -EPIPE ? "it has closed the connection" : strerror(-ret));
}

void net_rx_discard(struct vnet *vn)
{
	struct iovec iov = {.iov_base = vn->spill, .iov_len = NET_HDR + NET_GSO_MAX};

	for (unsigned i = 0; i < NET_BUDGET && !vn->dead; i++)
		if (vec_read(vn->fd, &iov, 1, VEC_STREAM) <= 0)
			return; /* what is wrong with the backend, net_rx finds out */
}
