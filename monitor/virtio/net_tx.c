/* SPDX-License-Identifier: MIT
 *
 * net_tx.c: frames from the driver to the backend, one system call each, payload not copied. The
 * header, and under a policy the frame's first bytes, are copied once, judged, and the copy is what
 * is sent.
 */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/vec.h"
#include "monitor/config.h"
#include "monitor/virtio/iov.h"
#include "monitor/virtio/net_priv.h"
#include "monitor/virtio/netpolicy.h"

#define HDR_F_NEEDS_CSUM 1u
#define GSO_NONE	 0u
#define GSO_TCPV4	 1u
#define GSO_TCPV6	 4u

struct tx_frame {
	struct net_hdr hdr;
	uint8_t head[NETPOLICY_HEAD]; /* follows hdr without a gap: one iovec for both */
	uint64_t len;		      /* of the frame, without header */
	size_t copied;		      /* bytes in head */
};

_Static_assert(offsetof(struct tx_frame, head) == NET_HDR, "header and head go out as one");

/* Is the header one that this driver may send with this frame? Leaves in it only what the backend
 * shall see. */
static bool header_ok(const struct vnet *vn, struct tx_frame *f)
{
	struct net_hdr *h = &f->hdr;
	uint64_t features = vn->dev.features;

	h->num_buffers = 0;
	h->flags &= HDR_F_NEEDS_CSUM; /* other bits are to be ignored (5.1.6.2.1) */
	if (h->flags) {
		if (!(features & NET_F_CSUM) ||
		    (uint64_t)h->csum_start + h->csum_offset + 2 > f->len)
			return false;
	} else {
		h->csum_start = h->csum_offset = 0;
	}
	switch (h->gso_type) {
	case GSO_NONE:
		h->gso_size = h->hdr_len = 0;
		return f->len <= vn->mtu + NET_ETH_HLEN + NET_VLAN_HLEN;
	case GSO_TCPV4:
		if (!(features & NET_F_HOST_TSO4))
			return false;
		break;
	case GSO_TCPV6:
		if (!(features & NET_F_HOST_TSO6))
			return false;
		break;
	default:
		return false; /* ECN and UDP are never offered */
	}
	return h->flags && h->gso_size && h->hdr_len <= f->len && f->len <= NET_GSO_MAX;
}

static bool policy_ok(struct vnet *vn, const struct tx_frame *f)
{
	struct netpolicy_frame pf = {.p = f->head,
				     .have = f->copied,
				     .csum = f->hdr.flags & HDR_F_NEEDS_CSUM,
				     .csum_start = f->hdr.csum_start,
				     .csum_offset = f->hdr.csum_offset};

	switch (netpolicy_check(&vn->cfg->policy, vn->mac, &pf)) {
	case NETPOLICY_PASS:
		return true;
	case NETPOLICY_SPOOF:
		vn->m.tx_denied_spoof++;
		return false;
	case NETPOLICY_DEST:
		break;
	}
	vn->m.tx_denied_dest++;
	return false;
}

/* 0 or -errno of the backend. */
static int send_frame(struct vnet *vn, struct tx_frame *f, const struct virtq_chain *c)
{
	struct iovec iov[VIRTQ_MAX_SIZE + 1];
	unsigned n = 0;
	ssize_t ret;

	if (vn->vnet_hdr)
		iov[n++] = (struct iovec){.iov_base = &f->hdr, .iov_len = NET_HDR + f->copied};
	else if (f->copied)
		iov[n++] = (struct iovec){.iov_base = f->head, .iov_len = f->copied};
	n += iov_slice(iov + n, c->iov, c->nread, NET_HDR + f->copied, f->len - f->copied);
	do {
		/* The descriptor does not block, and SIGPIPE is ignored. */
		ret = vec_write(vn->fd, iov, n, VEC_STREAM, 0);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

static void tx_error(struct vnet *vn, int ret)
{
	vn->m.tx_errors++;
	if (log_first(&vn->tx_log))
		log_warn("%s: sending a frame: %s%s (further ones are only counted)", vn->dev.id,
			 strerror(-ret),
			 vn->tap && ret == -EIO ? ": the tap is down, 'ip link set NAME up'" : "");
}

static bool rate_ok(struct vnet *vn, uint64_t bytes)
{
	uint64_t t = ratelimit_take(&vn->tx_limit, bytes, 1, clock_mono_ns());

	if (!t)
		return true;
	vn->m.tx_throttled++;
	net_throttle(vn, &vn->tx_wake, t);
	return false;
}

/* 0 the chain is done with; the frame is kept because -EAGAIN the backend is full, -EBUSY the rate
 * limit says so; -EPROTO, -EPIPE. */
static int tx_one(struct vnet *vn, const struct virtq_chain *c)
{
	struct tx_frame f;
	int ret;

	if (c->nwrite) {
		vn->dev.q[NET_TX].why = "transmit buffer that is writable";
		return -EPROTO;
	}
	if (c->read_len < NET_HDR + NET_ETH_HLEN || c->read_len > NET_HDR + NET_GSO_MAX) {
		vn->m.tx_errors++;
		return 0;
	}
	f.len = c->read_len - NET_HDR;
	f.copied = 0;
	f.hdr = (struct net_hdr){0};
	if (vn->policy)
		f.copied = iov_read(c->iov, c->nread, 0, &f, NET_HDR + sizeof f.head) - NET_HDR;
	else
		iov_read(c->iov, c->nread, 0, &f.hdr, NET_HDR);
	if (!header_ok(vn, &f)) {
		vn->m.tx_errors++;
		return 0;
	}
	if (vn->policy && !policy_ok(vn, &f))
		return 0;
	if (vn->tx_limit.on && !rate_ok(vn, f.len))
		return -EBUSY;
	ret = send_frame(vn, &f, c);
	if (ret == -EAGAIN && vn->tx_limit.on)
		ratelimit_refund(&vn->tx_limit, f.len, 1);
	if (ret == -EAGAIN || ret == -EPIPE || ret == -ECONNRESET)
		return ret == -EAGAIN ? ret : -EPIPE;
	if (ret) {
		tx_error(vn, ret);
		return 0;
	}
	vn->m.tx_frames++;
	vn->m.tx_bytes += f.len;
	return 0;
}

/* 1 a chain was dealt with, 0 none is there, or what tx_one says. */
static int tx_next(struct vnet *vn)
{
	struct virtq *q = &vn->dev.q[NET_TX];
	struct virtq_chain c;
	int ret = virtq_pop(q, &c);

	if (ret <= 0)
		return ret;
	ret = tx_one(vn, &c);
	if (ret == -EAGAIN || ret == -EBUSY)
		virtq_unpop(q, 1);
	if (ret && ret != -EPIPE)
		return ret;
	virtq_push(q, c.head, 0);
	return ret ? ret : 1;
}

void net_tx(struct vnet *vn)
{
	struct virtq *q = &vn->dev.q[NET_TX];
	unsigned budget = NET_BUDGET;
	int ret = 0;

	if (!q->started || vn->dead)
		return;
	vn->tx_blocked = false;
	do {
		virtq_kick_off(q);
		do {
			ret = tx_next(vn);
		} while (ret > 0 && --budget);
	} while (!ret && virtq_kick_on(q));
	/* Full, or not finished: a writable backend brings us back, and no doorbell is needed until
	 * then. */
	if (ret == -EAGAIN || ret > 0)
		vn->tx_blocked = true;
	if (ret == -EAGAIN)
		vn->m.tx_full++;
	if (ret == -EPROTO) {
		virtio_dev_broken(&vn->dev, q->why);
		return;
	}
	virtio_dev_notify(&vn->dev, q);
	if (ret == -EPIPE)
		net_dead(vn, "it has closed the connection");
}
