/* SPDX-License-Identifier: MIT
 *
 * blk.c: see blk.h. The device proper: features, config space, queues, io_uring's set-up and life.
 * A request is popped into a slot; blk_req.c either finishes it at once or leaves it there while
 * io_uring works on it.
 */
#include "monitor/virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/snapshot/state.h"
#include "lib/clock.h"
#include "monitor/confine.h"
#include "monitor/virtio/blk_priv.h"

#define PHYS_BLOCK 4096u
#define SERVE_BUDGET \
	512u /* requests of one call: a driver that never stops must not hold the thread */
#define S_FEATURES_OK 8u

struct blk_cfg_space {
	uint64_t capacity;
	uint32_t size_max, seg_max;
	uint16_t cylinders;
	uint8_t heads, sectors;
	uint32_t blk_size;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
} __attribute__((packed));

_Static_assert(sizeof(struct blk_cfg_space) == 60, "virtio_blk_config");

static struct vblk *vblk_of(struct virtio_dev *dev)
{
	return (struct vblk *)(void *)((char *)dev - offsetof(struct vblk, dev));
}

static const struct vblk *vblk_of_const(const struct virtio_dev *dev)
{
	return (const struct vblk *)(const void *)((const char *)dev - offsetof(struct vblk, dev));
}

/* --- config space --- */

static void blk_config_read(const struct virtio_dev *dev, uint32_t off, void *buf, uint32_t len)
{
	const struct vblk *vb = vblk_of_const(dev);
	uint32_t blk = vb->file.align > BLK_SECTOR ? vb->file.align : BLK_SECTOR;
	struct blk_cfg_space c = {
		.capacity = vb->file.size / BLK_SECTOR,
		.seg_max = VIRTIO_QUEUE_SIZE - 2,
		.blk_size = blk,
		.physical_block_exp = (uint8_t)__builtin_ctz(PHYS_BLOCK / blk),
		.min_io_size = (uint16_t)(PHYS_BLOCK / blk),
		.writeback = dev->status & S_FEATURES_OK ? blk_writeback(vb) : 0,
		.num_queues = (uint16_t)dev->nqueues,
		.max_discard_sectors = BLK_MAX_DISCARD_SECT,
		.max_discard_seg = BLK_MAX_SEGS,
		.discard_sector_alignment = PHYS_BLOCK / BLK_SECTOR,
		.max_write_zeroes_sectors = BLK_MAX_ZERO_SECT,
		.max_write_zeroes_seg = BLK_MAX_SEGS,
		.write_zeroes_may_unmap = 1,
	};

	memcpy(buf, (const uint8_t *)&c + off, len);
}

static void blk_config_write(struct virtio_dev *dev, uint32_t off, const void *buf, uint32_t len)
{
	struct vblk *vb = vblk_of(dev);
	bool on = *(const uint8_t *)buf & 1;

	if (off != offsetof(struct blk_cfg_space, writeback) || len != 1 ||
	    !(dev->features & BLK_F_CONFIG_WCE))
		return;
	/* Write-through from here on covers what was written before, too. */
	if (blk_writeback(vb) && !on && blk_flush(vb))
		return;
	vb->wce = on;
	vb->wce_set = true;
}

static bool blk_features_ok(const struct virtio_dev *dev, uint64_t features)
{
	(void)dev;
	(void)features;
	return true; /* block features do not depend on one another */
}

/* The file that is written to; -1: an overlay in memory. */
static int own_fd(const struct vblk *vb)
{
	uint64_t off;

	return vb->ov ? overlay_fd(vb->ov, &off) : vb->file.fd;
}

/* --- queues --- */

/* First deep batch, or before the filter falls. When io_uring is refused everything stays inline.
 */
static void go_deep(struct vblk *vb)
{
	void *mem = mmap(NULL, BLK_DEPTH * sizeof(struct blk_slot), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int fds[] = {vb->file.fd, vb->ov ? own_fd(vb) : -1};

	if (mem == MAP_FAILED || buring_init(&vb->uring, BLK_DEPTH, fds, fds[1] >= 0 ? 2 : 1)) {
		if (mem != MAP_FAILED)
			munmap(mem, BLK_DEPTH * sizeof(struct blk_slot));
		vb->no_uring = true;
		return;
	}
	vb->slots = mem;
	for (vb->nfree = 0; vb->nfree < BLK_DEPTH; vb->nfree++)
		vb->free[vb->nfree] = (uint16_t)(BLK_DEPTH - 1 - vb->nfree);
}

/* Until the queue is empty, slots or budget run out. 0 or -EPROTO. */
static int drain_queue(struct vblk *vb, unsigned qi, unsigned *budget)
{
	struct virtq *q = &vb->dev.q[qi];
	bool deep = vb->uring.inflight || virtq_pending(q) > 1;

	if (deep && !vb->slots && !vb->no_uring)
		go_deep(vb);
	for (;;) {
		bool slots = deep && vb->slots;

		if (!*budget || (slots && !vb->nfree)) {
			if (virtq_pending(q))
				vb->starved |= 1u << qi;
			return 0;
		}
		struct blk_slot *s = slots ? &vb->slots[vb->free[vb->nfree - 1]] : &vb->first;
		int ret = virtq_pop(q, &s->chain);

		if (ret <= 0)
			return ret;
		s->q = (uint16_t)qi;
		--*budget;
		ret = blk_request(vb, s, deep);
		if (ret == -EAGAIN) {
			virtq_unpop(q, 1);
			vb->throttled |= 1u << qi;
			return 0;
		}
		if (ret < 0) {
			q->why = "request without a status byte";
			return ret;
		}
		vb->nfree -= (unsigned)ret;
	}
}

static void submit(struct vblk *vb)
{
	int ret = vb->uring.queued ? buring_submit(&vb->uring, false) : 0;

	/* Not taken now: completions make room, and the next submission takes the rest along. */
	if (ret && vb->uring.inflight > vb->uring.queued)
		ret = 0;
	if (ret)
		blk_drain(vb);
	/* What the page cache had is done already. */
	blk_reap(vb);
}

static void notify_all(struct vblk *vb)
{
	for (unsigned i = 0; i < vb->dev.nqueues; i++)
		virtio_dev_notify(&vb->dev, &vb->dev.q[i]);
}

/* May queue qi go on? While one waits for the rate limit all do, so that short requests of one
 * cannot keep a long one of another out for ever. */
static bool admitted(struct vblk *vb, unsigned qi)
{
	if (!vb->throttled)
		return true;
	if (clock_mono_ns() < vb->dev.wake_at) {
		vb->throttled |= 1u << qi;
		vb->starved &= ~(1u << qi);
		return false;
	}
	vb->throttled = 0;
	vb->dev.wake_at = UINT64_MAX;
	return true;
}

static void blk_serve(struct virtio_dev *dev, unsigned qi)
{
	struct vblk *vb = vblk_of(dev);
	struct virtq *q = &dev->q[qi];
	unsigned budget = SERVE_BUDGET;
	int ret;

	/* The guest's idle exit comes by here: with nothing to do, not a byte of its memory is
	 * written. */
	if (!virtio_dev_live(dev))
		return;
	if (!virtq_pending(q) && !vb->uring.inflight) {
		vb->starved &= ~(1u << qi);
		return;
	}
	blk_reap(vb);
	if (!admitted(vb, qi)) {
		notify_all(vb);
		return;
	}
	do {
		vb->starved &= ~(1u << qi);
		virtq_kick_off(q);
		ret = drain_queue(vb, qi, &budget);
		submit(vb);
	} while (!ret && (!(vb->starved & 1u << qi) || vb->nfree) && budget &&
		 !(vb->throttled & 1u << qi) && virtq_kick_on(q));
	if (ret)
		virtio_dev_broken(dev, q->why);
	else
		notify_all(vb);
}

static unsigned blk_pollfds(const struct virtio_dev *dev, struct pollfd *pfd, unsigned max)
{
	const struct vblk *vb = vblk_of_const(dev);

	if (!max || !virtio_dev_live(dev))
		return 0;
	if (vb->uring.inflight) {
		*pfd = (struct pollfd){.fd = vb->uring.ring.ring_fd, .events = POLLIN};
		return 1;
	}
	if (vb->starved) {
		/* Only the budget ran out: a file is always ready, so the loop comes straight back.
		 */
		*pfd = (struct pollfd){.fd = vb->file.fd, .events = POLLIN};
		return 1;
	}
	return 0;
}

static void blk_on_event(struct virtio_dev *dev, const struct pollfd *pfd)
{
	struct vblk *vb = vblk_of(dev);
	uint32_t starved = vb->starved;

	(void)pfd;
	if (vb->uring.queued)
		submit(vb);
	blk_reap(vb);
	for (unsigned i = 0; starved && i < dev->nqueues; i++) {
		if (starved & 1u << i)
			blk_serve(dev, i);
	}
	if (virtio_dev_live(dev))
		notify_all(vb);
}

/* Serve what waited for the rate limit, each time beginning with another queue. */
static void blk_on_wake(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);
	uint32_t waiting = vb->throttled;
	unsigned turn = vb->turn++;

	vb->throttled = 0;
	dev->wake_at = UINT64_MAX;
	for (unsigned i = 0; i < dev->nqueues; i++) {
		unsigned qi = (turn + i) % dev->nqueues;

		if (waiting & 1u << qi)
			blk_serve(dev, qi);
	}
}

static int blk_activate(struct virtio_dev *dev)
{
	(void)dev;
	return 0;
}

static void blk_reset(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	blk_drain(vb);
	vb->starved = vb->throttled = 0;
	vb->wce_set = false;
}

static void blk_save(struct virtio_dev *dev, struct dev_state *st)
{
	struct vblk *vb = vblk_of(dev);

	blk_drain(vb);
	notify_all(vb);
	st->wce = vb->wce;
	st->wce_set = vb->wce_set;
	st->blk_size = vb->file.size;
}

static void blk_quiesce(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	blk_drain(vb);
	vb->starved = vb->throttled = 0;
	dev->wake_at = UINT64_MAX;
}

/* A disk of another size is the driver's to find out: it reads the capacity when told to look. */
static int blk_load(struct virtio_dev *dev, const struct dev_state *st)
{
	struct vblk *vb = vblk_of(dev);

	vb->wce = st->wce;
	vb->wce_set = st->wce_set;
	vb->starved = (1u << dev->nqueues) - 1; /* what was made available and not taken */
	if (vb->file.size != st->blk_size)
		virtio_dev_config_changed(dev);
	return 0;
}

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.device_id = 2,
	.features_ok = blk_features_ok,
	.activate = blk_activate,
	.reset = blk_reset,
	.serve = blk_serve,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.pollfds = blk_pollfds,
	.on_event = blk_on_event,
	.save = blk_save,
	.quiesce = blk_quiesce,
	.load = blk_load,
	.on_wake = blk_on_wake,
};

/* --- life --- */

/* The file, or the image that others have too and what this VM writes to it. */
static int open_disk(struct vblk *vb, const struct blk_config *cfg, char *err, size_t errlen)
{
	struct blk_config below = *cfg;

	below.ro |= cfg->overlay != NULL;
	int ret = bfile_open(&vb->file, &below, err, errlen);

	if (!ret && cfg->overlay)
		ret = overlay_open(&vb->ov, &vb->file, cfg, err, errlen);
	if (ret)
		bfile_close(&vb->file);
	return ret;
}

int vblk_create(struct virtio_dev **ret_dev, const struct blk_config *cfg, const struct gmem *gm,
		char *err, size_t errlen)
{
	struct vblk *vb = calloc(1, sizeof *vb);

	if (!vb) {
		snprintf(err, errlen, "--block id=%s: out of memory", cfg->id);
		return -ENOMEM;
	}
	int ret = open_disk(vb, cfg, err, errlen);

	if (ret) {
		free(vb);
		return ret;
	}
	vb->cfg = cfg;
	vb->dev.ops = &blk_ops;
	vb->dev.id = cfg->id;
	vb->dev.gm = gm;
	vb->dev.config_size = sizeof(struct blk_cfg_space);
	vb->dev.nqueues = cfg->queues ? cfg->queues : 1;
	vb->dev.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
			  BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY |
			  BLK_F_CONFIG_WCE | (cfg->queues > 1 ? BLK_F_MQ : 0) |
			  (cfg->ro ? BLK_F_RO : BLK_F_DISCARD | BLK_F_WRITE_ZEROES);
	if (cfg->limit.bw.refill_ms || cfg->limit.ops.refill_ms)
		ratelimit_set(&vb->limit, &cfg->limit.bw, &cfg->limit.ops, clock_mono_ns());
	virtio_mmio_init(&vb->dev);
	*ret_dev = &vb->dev;
	return 0;
}

void vblk_destroy(struct virtio_dev *dev)
{
	if (!dev)
		return;
	struct vblk *vb = vblk_of(dev);

	blk_drain(vb);
	buring_fini(&vb->uring);
	if (vb->slots)
		munmap(vb->slots, BLK_DEPTH * sizeof(struct blk_slot));
	overlay_close(vb->ov);
	bfile_close(&vb->file);
	free(vb);
}

void vblk_leave(struct virtio_dev *dev)
{
	int fd = own_fd(vblk_of(dev));

	/* The lock of an image below an overlay is shared, and in nobody's way. */
	if (fd >= 0)
		bfile_unlock(fd);
}

void vblk_prepare(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	if (!vb->slots && !vb->no_uring)
		go_deep(vb);
	vb->no_uring = !vb->slots;
}

void vblk_confine(const struct virtio_dev *dev, struct confine *c)
{
	const struct vblk *vb = vblk_of_const(dev);
	int fd = own_fd(vb);

	if (vb->ov)
		confine_use(c, "base", "disk", vb->file.fd, NULL);
	if (vb->ov && fd < 0)
		confine_use(c, "overlay-mem", NULL);
	if (fd >= 0)
		confine_use(c, "disk", "disk", fd, NULL);
	if (fd >= 0 && (vb->ov || !vb->file.ro))
		confine_use(c, dev->elsewhere ? "hlt-disk-rw" : "exit-disk-rw", "disk", fd, NULL);
	if (vb->slots)
		confine_use(c, "ring", "ring", vb->uring.ring.ring_fd, NULL);
}

void vblk_confine_rewind(const struct virtio_dev *dev, struct confine *c)
{
	const struct vblk *vb = vblk_of_const(dev);

	if (vb->ov && dev->elsewhere && own_fd(vb) >= 0)
		confine_use(c, "serve-overlay", "disk", own_fd(vb), NULL);
}

const struct blk_metrics *vblk_metrics(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	if (vb->ov) {
		struct overlay_metrics m = overlay_metrics(vb->ov);

		vb->m.overlay_clusters = m.clusters;
		vb->m.overlay_copyups = m.copyups;
		vb->m.overlay_full = m.full;
	}
	vb->m.notifications = dev->notifications;
	vb->m.interrupts = dev->interrupts;
	return &vb->m;
}

uint64_t vblk_requests(const struct virtio_dev *dev)
{
	const struct blk_metrics *m = &vblk_of_const(dev)->m;

	return m->read_reqs + m->write_reqs + m->flush_reqs + m->discard_reqs + m->zero_reqs +
	       m->other_reqs;
}

bool vblk_busy(const struct virtio_dev *dev)
{
	const struct vblk *vb = vblk_of_const(dev);

	return vb->uring.inflight || vb->starved || vb->throttled;
}

void vblk_set_limits(struct virtio_dev *dev, const struct token_bucket *bw,
		     const struct token_bucket *ops)
{
	struct vblk *vb = vblk_of(dev);

	ratelimit_set(&vb->limit, bw, ops, clock_mono_ns());
	if (vb->throttled)
		blk_on_wake(dev);
}

int vblk_sync(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	blk_drain(vb);
	notify_all(vb);
	return blk_flush(vb);
}

/* io_uring and its slots as before the first deep queue. Nothing is in flight. */
static void forget_uring(struct vblk *vb)
{
	buring_fini(&vb->uring);
	vb->uring = (struct buring){0};
	if (vb->slots)
		munmap(vb->slots, BLK_DEPTH * sizeof(struct blk_slot));
	vb->slots = NULL;
	vb->nfree = 0;
}

/* For another file, under the number that filters know. */
static void renew_uring(struct vblk *vb)
{
	int number = vb->slots ? vb->uring.ring.ring_fd : -1;

	forget_uring(vb);
	if (number < 0)
		return;
	go_deep(vb);
	if (vb->slots && buring_renumber(&vb->uring, number)) {
		forget_uring(vb);
		vb->no_uring = true;
	}
}

static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int vblk_swap(struct virtio_dev *dev, const char *path, char *err, size_t errlen)
{
	struct vblk *vb = vblk_of(dev);
	struct blk_config cfg = *vb->cfg;
	struct bfile f;

	cfg.path = path;
	int ret = vblk_sync(dev);
	if (ret) {
		snprintf(err, errlen, "%s: the file that it has cannot be flushed: %s", cfg.id,
			 strerror(-ret));
		return ret;
	}
	if (same_file(vb->file.fd, path)) /* only its size may be another */
		return vblk_resize(dev);
	if (vb->ov) {
		snprintf(err, errlen,
			 "%s: what was written lies in an overlay over the file that it has: start "
			 "a VM for another one",
			 cfg.id);
		return -EINVAL;
	}
	ret = bfile_open(&f, &cfg, err, errlen);
	if (ret)
		return ret;
	/* Filters and copies know it by its number. */
	if (dup3(f.fd, vb->file.fd, O_CLOEXEC) < 0) {
		ret = -errno;
		snprintf(err, errlen, "%s: %s", cfg.id, strerror(-ret));
		bfile_close(&f);
		return ret;
	}
	close(f.fd);
	f.fd = vb->file.fd;
	free(vb->file.bounce);
	vb->file = f;
	renew_uring(vb);
	virtio_dev_config_changed(dev);
	return 0;
}

int vblk_resize(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);
	uint64_t before = vb->file.size;
	int ret = vb->ov ? 0 : bfile_measure(&vb->file); /* an overlay keeps its size */

	if (!ret && vb->file.size != before)
		virtio_dev_config_changed(dev);
	return ret;
}

/* --- rewinding and copies --- */

void vblk_mark(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	if (vb->ov)
		overlay_mark(vb->ov);
}

int vblk_rewind(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	return vb->ov ? overlay_rewind(vb->ov) : 0;
}

void vblk_inherit(struct virtio_dev *dev, struct virtio_dev *from)
{
	struct vblk *vb = vblk_of(dev), *old = vblk_of(from);

	if (vb->ov && old->ov && overlay_in_memory(vb->ov) && overlay_in_memory(old->ov) &&
	    vb->file.size == old->file.size && strcmp(vb->cfg->path, old->cfg->path) == 0)
		overlay_inherit(vb->ov, old->ov);
}

struct overlay *vblk_overlay(struct virtio_dev *dev)
{
	return vblk_of(dev)->ov;
}
