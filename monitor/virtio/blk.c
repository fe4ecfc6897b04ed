/* SPDX-License-Identifier: MIT
 *
 * blk.c: see blk.h. A request is popped into a slot, its header is copied and judged, and the slot
 * either is done at once or keeps the request while io_uring works on it. Writes to a cached file
 * only copy into the page cache, so they are always inline: io_uring would hand them to a worker
 * thread.
 */
#include "monitor/virtio/blk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/log.h"
#include "monitor/backend/file.h"
#include "monitor/backend/uring.h"
#include "monitor/config.h"
#include "monitor/virtio/dev.h"
#include "monitor/virtio/iov.h"

#define F_SEG_MAX      (UINT64_C(1) << 2)
#define F_RO	       (UINT64_C(1) << 5)
#define F_BLK_SIZE     (UINT64_C(1) << 6)
#define F_FLUSH	       (UINT64_C(1) << 9)
#define F_TOPOLOGY     (UINT64_C(1) << 10)
#define F_CONFIG_WCE   (UINT64_C(1) << 11)
#define F_MQ	       (UINT64_C(1) << 12)
#define F_DISCARD      (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)

#define T_IN	       0u
#define T_OUT	       1u
#define T_FLUSH	       4u
#define T_GET_ID       8u
#define T_DISCARD      11u
#define T_WRITE_ZEROES 13u

#define ST_OK	  0u
#define ST_IOERR  1u
#define ST_UNSUPP 2u

#define SECTOR		 512u
#define PHYS_BLOCK	 4096u
#define ID_LEN		 20u
#define MAX_SEGS	 16u	  /* ranges of one DISCARD or WRITE_ZEROES */
#define MAX_DISCARD_SECT 4194304u /* 2 GiB a range */
#define MAX_ZERO_SECT	 32768u	  /* 16 MiB: it may have to be written out */
#define RANGE_F_UNMAP	 1u
#define DEPTH		 64u /* requests in io_uring */
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

struct blk_hdr {
	uint32_t type, reserved;
	uint64_t sector;
};

struct blk_range {
	uint64_t sector;
	uint32_t count, flags;
};

/* One request, from pop to used entry. The small fields come first: a short request touches one
 * page. */
struct blk_slot {
	uint16_t q;
	uint32_t type;
	uint8_t *status;
	uint64_t off, len;
	struct iovec *data; /* into chain.iov */
	unsigned ndata;
	struct virtq_chain chain;
};

struct vblk {
	struct virtio_dev dev;
	struct blk_metrics m;
	struct bfile file;
	const struct blk_config *cfg;
	bool wce, wce_set; /* wce_set: the driver chose through the config space */
	uint32_t starved;  /* queues with requests that wait for a free slot or another turn */
	struct log_once err_log;

	struct buring uring;
	bool no_uring;
	struct blk_slot *slots; /* DEPTH of them once io_uring is up */
	uint16_t free[DEPTH];
	unsigned nfree;
	struct blk_slot first; /* serves until then, and what is never in flight */
};

static struct vblk *vblk_of(struct virtio_dev *dev)
{
	return (struct vblk *)(void *)((char *)dev - offsetof(struct vblk, dev));
}

static const struct vblk *vblk_of_const(const struct virtio_dev *dev)
{
	return (const struct vblk *)(const void *)((const char *)dev - offsetof(struct vblk, dev));
}

/* --- config space
 * ----------------------------------------------------------------------------------------- */

static bool writeback(const struct vblk *vb)
{
	return vb->wce_set ? vb->wce : (vb->dev.features & F_FLUSH) != 0;
}

static void blk_config_read(const struct virtio_dev *dev, uint32_t off, void *buf, uint32_t len)
{
	const struct vblk *vb = vblk_of_const(dev);
	uint32_t blk = vb->file.align > SECTOR ? vb->file.align : SECTOR;
	struct blk_cfg_space c = {
		.capacity = vb->file.size / SECTOR,
		.seg_max = VIRTIO_QUEUE_SIZE - 2,
		.blk_size = blk,
		.physical_block_exp = (uint8_t)__builtin_ctz(PHYS_BLOCK / blk),
		.min_io_size = (uint16_t)(PHYS_BLOCK / blk),
		.writeback = dev->status & S_FEATURES_OK ? writeback(vb) : 0,
		.num_queues = (uint16_t)dev->nqueues,
		.max_discard_sectors = MAX_DISCARD_SECT,
		.max_discard_seg = MAX_SEGS,
		.discard_sector_alignment = PHYS_BLOCK / SECTOR,
		.max_write_zeroes_sectors = MAX_ZERO_SECT,
		.max_write_zeroes_seg = MAX_SEGS,
		.write_zeroes_may_unmap = 1,
	};

	memcpy(buf, (const uint8_t *)&c + off, len);
}

static void blk_config_write(struct virtio_dev *dev, uint32_t off, const void *buf, uint32_t len)
{
	struct vblk *vb = vblk_of(dev);
	bool on = *(const uint8_t *)buf & 1;

	if (off != offsetof(struct blk_cfg_space, writeback) || len != 1 ||
	    !(dev->features & F_CONFIG_WCE))
		return;
	/* Write-through from here on covers what was written before, too. */
	if (writeback(vb) && !on && bfile_sync(&vb->file))
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

/* --- completion
 * ------------------------------------------------------------------------------------------- */

static const char *type_name(uint32_t type)
{
	switch (type) {
	case T_IN:
		return "read";
	case T_OUT:
		return "write";
	case T_FLUSH:
		return "flush";
	case T_DISCARD:
		return "discard";
	default:
		return "write-zeroes";
	}
}

/* ret: 0 or -errno of the host's I/O. */
static uint8_t host_status(struct vblk *vb, const struct blk_slot *s, int ret)
{
	if (!ret)
		return ST_OK;
	if (log_first(&vb->err_log))
		log_warn("%s: %s: %s of %llu bytes at %llu: %s; the guest sees an I/O error "
			 "(further ones are only "
			 "counted)",
			 vb->dev.id, vb->cfg->path, type_name(s->type), (unsigned long long)s->len,
			 (unsigned long long)s->off,
			 ret == -EIO ? "input/output error or a file cut short" : strerror(-ret));
	return ST_IOERR;
}

/* written: bytes put into writable buffers besides the status. */
static void finish(struct vblk *vb, struct blk_slot *s, uint8_t status, uint32_t written)
{
	if (status != ST_OK)
		vb->m.errors++;
	if (!virtio_dev_live(&vb->dev))
		return;
	*s->status = status;
	virtq_push(&vb->dev.q[s->q], s->chain.head, (status == ST_OK ? written : 0) + 1);
}

static void finish_rw(struct vblk *vb, struct blk_slot *s, int ret)
{
	finish(vb, s, host_status(vb, s, ret), s->type == T_IN ? (uint32_t)s->len : 0);
}

static void reap(struct vblk *vb)
{
	uint64_t tag;
	int res;

	while (buring_reap(&vb->uring, &tag, &res)) {
		struct blk_slot *s = &vb->slots[tag];
		uint64_t done = res > 0 ? (uint64_t)res : 0;

		if (res == -EINTR || res == -EAGAIN || (res >= 0 && done < s->len)) {
			/* Cut short: the rest inline, from where it stopped. */
			unsigned n = iov_slice(s->data, s->data, s->ndata, done, s->len - done);

			if (s->type == T_FLUSH)
				res = bfile_sync(&vb->file);
			else if (s->type == T_IN)
				res = bfile_read(&vb->file, s->data, n, s->off + done);
			else
				res = bfile_write(&vb->file, s->data, n, s->off + done,
						  !writeback(vb));
		}
		finish_rw(vb, s, res < 0 ? res : 0);
		vb->free[vb->nfree++] = (uint16_t)tag;
	}
}

/* Wait until nothing is in flight. Only a live device's driver hears of it. */
static void drain(struct vblk *vb)
{
	while (vb->uring.inflight) {
		int ret = buring_submit(&vb->uring, true);

		reap(vb);
		if (ret && ret != -EAGAIN && ret != -EBUSY && vb->uring.inflight) {
			/* The kernel refuses to wait; it must not write into guest memory later. */
			log_err("%s: io_uring: %s", vb->dev.id, strerror(-ret));
			abort();
		}
	}
}

/* --- requests
 * --------------------------------------------------------------------------------------------- */

/* sector and len come from the driver. */
static bool in_capacity(const struct vblk *vb, uint64_t sector, uint64_t len)
{
	uint64_t cap = vb->file.size / SECTOR;

	return len % SECTOR == 0 && sector <= cap && len / SECTOR <= cap - sector;
}

/* Does this request gain from io_uring? deep: it is not alone. */
static bool async(struct vblk *vb, const struct blk_slot *s, bool deep)
{
	if (!deep || vb->no_uring || s == &vb->first)
		return false;
	if (s->type == T_OUT && vb->file.align == 1 && writeback(vb))
		return false;
	if (s->type == T_OUT && !writeback(vb) && vb->file.no_dsync)
		return false;
	return s->type == T_FLUSH || bfile_aligned(&vb->file, s->data, s->ndata, s->off);
}

/* true: in flight, the slot is taken. */
static bool do_rw(struct vblk *vb, struct blk_slot *s, bool deep)
{
	bool write = s->type == T_OUT;
	bool stable = write && !writeback(vb);
	int ret;

	if (async(vb, s, deep)) {
		vb->m.uring_reqs++;
		buring_rw(&vb->uring, write, vb->file.fd, s->data, s->ndata, s->off,
			  stable ? RWF_DSYNC : 0, (uint64_t)(s - vb->slots));
		return true;
	}
	/* A block that is only partly written is read first: nobody else may be writing it. */
	if (vb->uring.inflight && !bfile_aligned(&vb->file, s->data, s->ndata, s->off))
		drain(vb);
	vb->m.inline_reqs++;
	ret = write ? bfile_write(&vb->file, s->data, s->ndata, s->off, stable)
		    : bfile_read(&vb->file, s->data, s->ndata, s->off);
	finish_rw(vb, s, ret);
	return false;
}

static bool do_flush(struct vblk *vb, struct blk_slot *s, bool deep)
{
	/* It covers the writes that had completed before it came (5.2.6.2), so nothing waits for
	 * it. */
	s->len = s->off = 0;
	if (async(vb, s, deep)) {
		vb->m.uring_reqs++;
		buring_fdatasync(&vb->uring, vb->file.fd, (uint64_t)(s - vb->slots));
		return true;
	}
	vb->m.inline_reqs++;
	finish(vb, s, host_status(vb, s, vb->file.ro ? 0 : bfile_sync(&vb->file)), 0);
	return false;
}

static uint8_t check_range(const struct vblk *vb, uint32_t type, const struct blk_range *r)
{
	uint32_t max = type == T_DISCARD ? MAX_DISCARD_SECT : MAX_ZERO_SECT;

	if (r->flags & ~(type == T_DISCARD ? 0 : RANGE_F_UNMAP))
		return ST_UNSUPP;
	if (r->count > max || !in_capacity(vb, r->sector, (uint64_t)r->count * SECTOR))
		return ST_IOERR;
	return ST_OK;
}

static int do_range(struct vblk *vb, struct blk_slot *s, const struct blk_range *r)
{
	bool stable = !writeback(vb);

	s->off = r->sector * SECTOR;
	s->len = (uint64_t)r->count * SECTOR;
	if (!s->len)
		return 0;
	if (s->type == T_DISCARD)
		return bfile_discard(&vb->file, s->off, s->len);
	return bfile_zero(&vb->file, s->off, s->len, r->flags & RANGE_F_UNMAP, stable);
}

static void do_ranges(struct vblk *vb, struct blk_slot *s)
{
	struct blk_range r[MAX_SEGS];
	unsigned n = (unsigned)(s->len / sizeof r[0]);
	uint8_t st = ST_OK;

	if (!(vb->dev.features & (s->type == T_DISCARD ? F_DISCARD : F_WRITE_ZEROES))) {
		finish(vb, s, vb->file.ro ? ST_IOERR : ST_UNSUPP, 0);
		return;
	}
	if (!s->len || s->len > sizeof r || s->len % sizeof r[0]) {
		finish(vb, s, ST_IOERR, 0);
		return;
	}
	iov_read(s->data, s->ndata, 0, r, s->len);
	for (unsigned i = 0; i < n && st == ST_OK; i++)
		st = check_range(vb, s->type, &r[i]);
	/* O_DIRECT zeroing may read, change and write back. */
	if (vb->file.align != 1)
		drain(vb);
	for (unsigned i = 0; i < n && st == ST_OK; i++)
		st = host_status(vb, s, do_range(vb, s, &r[i]));
	finish(vb, s, st, 0);
}

static void do_get_id(struct vblk *vb, struct blk_slot *s)
{
	char id[ID_LEN] = {0};

	memcpy(id, vb->dev.id, strnlen(vb->dev.id, ID_LEN));
	finish(vb, s, ST_OK, (uint32_t)iov_write(s->data, s->ndata, 0, id, ID_LEN));
}

/* Cut status (last writable byte), data and header apart, however the driver laid them out. 0, or
 * -EPROTO when there is nowhere to put a status. hdr is valid when ret_hdr_ok. */
static int parse(struct blk_slot *s, struct blk_hdr *hdr, bool *ret_hdr_ok)
{
	struct virtq_chain *c = &s->chain;

	if (!c->nwrite)
		return -EPROTO;
	struct iovec *last = &c->iov[c->nread + c->nwrite - 1];

	s->status = (uint8_t *)last->iov_base + --last->iov_len;
	*ret_hdr_ok = iov_read(c->iov, c->nread, 0, hdr, sizeof *hdr) == sizeof *hdr;
	if (!*ret_hdr_ok)
		return 0;
	s->type = hdr->type;
	if (s->type == T_IN || s->type == T_GET_ID) {
		s->data = c->iov + c->nread;
		s->ndata = c->nwrite - (last->iov_len == 0);
		s->len = c->write_len - 1;
		return 0;
	}
	s->len = c->read_len - sizeof *hdr;
	s->data = c->iov;
	if (c->iov[0].iov_len == sizeof *hdr) { /* the usual cut */
		s->data++;
		s->ndata = c->nread - 1u;
	} else {
		s->ndata = iov_slice(c->iov, c->iov, c->nread, sizeof *hdr, s->len);
	}
	return 0;
}

/* One popped request. 1 in flight, 0 done, -EPROTO when the device is broken. */
static int request(struct vblk *vb, struct blk_slot *s, bool deep)
{
	struct blk_hdr hdr;
	bool hdr_ok;

	if (parse(s, &hdr, &hdr_ok))
		return -EPROTO;
	if (!hdr_ok) {
		finish(vb, s, ST_IOERR, 0);
		return 0;
	}
	switch (s->type) {
	case T_IN:
	case T_OUT:
		if (s->type == T_IN)
			vb->m.read_reqs++;
		else
			vb->m.write_reqs++;
		if (!in_capacity(vb, hdr.sector, s->len) || (s->type == T_OUT && vb->file.ro)) {
			finish(vb, s, ST_IOERR, 0);
			return 0;
		}
		*(s->type == T_IN ? &vb->m.read_bytes : &vb->m.write_bytes) += s->len;
		s->off = hdr.sector * SECTOR;
		return do_rw(vb, s, deep);
	case T_FLUSH:
		vb->m.flush_reqs++;
		return do_flush(vb, s, deep);
	case T_GET_ID:
		vb->m.other_reqs++;
		do_get_id(vb, s);
		return 0;
	case T_DISCARD:
		vb->m.discard_reqs++;
		do_ranges(vb, s);
		return 0;
	case T_WRITE_ZEROES:
		vb->m.zero_reqs++;
		do_ranges(vb, s);
		return 0;
	default:
		vb->m.other_reqs++;
		finish(vb, s, ST_UNSUPP, 0);
		return 0;
	}
}

/* --- queues
 * -----------------------------------------------------------------------------------------------
 */

/* First deep batch. When io_uring is refused everything stays inline. */
static void go_deep(struct vblk *vb)
{
	void *mem = mmap(NULL, DEPTH * sizeof(struct blk_slot), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED || buring_init(&vb->uring, DEPTH)) {
		if (mem != MAP_FAILED)
			munmap(mem, DEPTH * sizeof(struct blk_slot));
		vb->no_uring = true;
		return;
	}
	vb->slots = mem;
	for (vb->nfree = 0; vb->nfree < DEPTH; vb->nfree++)
		vb->free[vb->nfree] = (uint16_t)(DEPTH - 1 - vb->nfree);
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
		ret = request(vb, s, deep);
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
		drain(vb);
	/* What the page cache had is done already. */
	reap(vb);
}

static void notify_all(struct vblk *vb)
{
	for (unsigned i = 0; i < vb->dev.nqueues; i++)
		virtio_dev_notify(&vb->dev, &vb->dev.q[i]);
}

static void blk_serve(struct virtio_dev *dev, unsigned qi)
{
	struct vblk *vb = vblk_of(dev);
	struct virtq *q = &dev->q[qi];
	unsigned budget = SERVE_BUDGET;
	int ret;

	if (!virtio_dev_live(dev))
		return;
	reap(vb);
	do {
		vb->starved &= ~(1u << qi);
		virtq_kick_off(q);
		ret = drain_queue(vb, qi, &budget);
		submit(vb);
	} while (!ret && (!(vb->starved & 1u << qi) || vb->nfree) && budget && virtq_kick_on(q));
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
	reap(vb);
	for (unsigned i = 0; starved && i < dev->nqueues; i++) {
		if (starved & 1u << i)
			blk_serve(dev, i);
	}
	if (virtio_dev_live(dev))
		notify_all(vb);
}

static int blk_activate(struct virtio_dev *dev)
{
	(void)dev;
	return 0;
}

static void blk_reset(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	drain(vb);
	vb->starved = 0;
	vb->wce_set = false;
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
};

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

int vblk_create(struct virtio_dev **ret_dev, const struct blk_config *cfg, const struct gmem *gm,
		char *err, size_t errlen)
{
	struct vblk *vb = calloc(1, sizeof *vb);

	if (!vb) {
		snprintf(err, errlen, "--block id=%s: out of memory", cfg->id);
		return -ENOMEM;
	}
	int ret = bfile_open(&vb->file, cfg, err, errlen);

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
			  F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE |
			  (cfg->queues > 1 ? F_MQ : 0) |
			  (cfg->ro ? F_RO : F_DISCARD | F_WRITE_ZEROES);
	virtio_mmio_init(&vb->dev);
	*ret_dev = &vb->dev;
	return 0;
}

void vblk_destroy(struct virtio_dev *dev)
{
	if (!dev)
		return;
	struct vblk *vb = vblk_of(dev);

	drain(vb);
	buring_fini(&vb->uring);
	if (vb->slots)
		munmap(vb->slots, DEPTH * sizeof(struct blk_slot));
	bfile_close(&vb->file);
	free(vb);
}

const struct blk_metrics *vblk_metrics(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	vb->m.notifications = dev->notifications;
	vb->m.interrupts = dev->interrupts;
	return &vb->m;
}

int vblk_sync(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);

	drain(vb);
	notify_all(vb);
	return vb->file.ro ? 0 : bfile_sync(&vb->file);
}

int vblk_resize(struct virtio_dev *dev)
{
	struct vblk *vb = vblk_of(dev);
	uint64_t before = vb->file.size;
	int ret = bfile_measure(&vb->file);

	if (!ret && vb->file.size != before)
		virtio_dev_config_changed(dev);
	return ret;
}
