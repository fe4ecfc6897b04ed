/* SPDX-License-Identifier: MIT
 *
 * blk_req.c: one block request, from its popped chain to its used entry. The header is copied once
 * and judged, the data's place in the chain is free (virtio 1.2, 2.7.4.1 and 5.2.6). Writes to a
 * cached file only copy into the page cache, so they are always inline: io_uring would hand them to
 * a worker thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "monitor/virtio/blk_priv.h"
#include "monitor/virtio/iov.h"

#define T_IN	       0u
#define T_OUT	       1u
#define T_FLUSH	       4u
#define T_GET_ID       8u
#define T_DISCARD      11u
#define T_WRITE_ZEROES 13u
#define ST_OK	       0u
#define ST_IOERR       1u
#define ST_UNSUPP      2u

#define ID_LEN	      20u
#define RANGE_F_UNMAP 1u

struct blk_hdr {
	uint32_t type, reserved;
	uint64_t sector;
};

struct blk_range {
	uint64_t sector;
	uint32_t count, flags;
};

bool blk_writeback(const struct vblk *vb)
{
	return vb->wce_set ? vb->wce : (vb->dev.features & BLK_F_FLUSH) != 0;
}

/* --- the disk: a file, or an image below and an overlay --- */

#define RING_FILE    0 /* places in io_uring */
#define RING_OVERLAY 1

_Static_assert(OVERLAY_IOV_MAX >= VIRTQ_MAX_SIZE, "a chain fits");

static bool read_only(const struct vblk *vb)
{
	return vb->file.ro && !vb->ov;
}

static int disk_read(struct vblk *vb, struct iovec *iov, unsigned n, uint64_t off)
{
	return vb->ov ? overlay_read(vb->ov, iov, n, off) : bfile_read(&vb->file, iov, n, off);
}

static int disk_write(struct vblk *vb, struct iovec *iov, unsigned n, uint64_t off)
{
	bool stable = !blk_writeback(vb);

	return vb->ov ? overlay_write(vb->ov, iov, n, off, stable)
		      : bfile_write(&vb->file, iov, n, off, stable);
}

static int disk_discard(struct vblk *vb, uint64_t off, uint64_t len)
{
	return vb->ov ? overlay_discard(vb->ov, off, len) : bfile_discard(&vb->file, off, len);
}

static int disk_zero(struct vblk *vb, uint64_t off, uint64_t len, bool unmap)
{
	bool stable = !blk_writeback(vb);

	return vb->ov ? overlay_zero(vb->ov, off, len, unmap, stable)
		      : bfile_zero(&vb->file, off, len, unmap, stable);
}

static uint64_t zeroes_written(const struct vblk *vb)
{
	return vb->ov ? overlay_zeroes_written(vb->ov) : vb->file.zeroes_written;
}

int blk_flush(struct vblk *vb)
{
	if (vb->ov)
		return overlay_sync(vb->ov);
	return vb->file.ro ? 0 : bfile_sync(&vb->file);
}

/* --- completion --- */

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
			 ret == -EIO		    ? "input/output error or a file cut short"
			 : ret == -ENOSPC && vb->ov ? "its overlay is full, see overlay-max"
						    : strerror(-ret));
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

void blk_reap(struct vblk *vb)
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
				res = blk_flush(vb);
			else if (s->type == T_IN)
				res = disk_read(vb, s->data, n, s->off + done);
			else
				res = disk_write(vb, s->data, n, s->off + done);
		}
		finish_rw(vb, s, res < 0 ? res : 0);
		vb->free[vb->nfree++] = (uint16_t)tag;
	}
}

void blk_drain(struct vblk *vb)
{
	while (vb->uring.inflight) {
		int ret = buring_submit(&vb->uring, true);

		blk_reap(vb);
		if (ret && ret != -EAGAIN && ret != -EBUSY && vb->uring.inflight) {
			/* The kernel refuses to wait; it must not write into guest memory later. */
			log_err("%s: io_uring: %s", vb->dev.id, strerror(-ret));
			abort();
		}
	}
}

/* --- requests --- */

/* sector and len come from the driver. */
static bool in_capacity(const struct vblk *vb, uint64_t sector, uint64_t len)
{
	uint64_t cap = vb->file.size / BLK_SECTOR;

	return len % BLK_SECTOR == 0 && sector <= cap && len / BLK_SECTOR <= cap - sector;
}

/* Over an image: a read that lies in one file, or a flush of nothing but data. */
static bool overlay_async(const struct vblk *vb, const struct blk_slot *s, int *ret_file,
			  uint64_t *ret_shift)
{
	bool here = true;
	uint64_t shift;
	int fd = overlay_fd(vb->ov, &shift);

	if (s->type == T_IN) {
		if (!s->len || overlay_extent(vb->ov, s->off, s->len, &here) < s->len)
			return false;
	} else if (s->type != T_FLUSH || !overlay_sync_is_plain(vb->ov)) {
		return false;
	}
	if (here && fd < 0)
		return false;
	*ret_file = here ? RING_OVERLAY : RING_FILE;
	*ret_shift = here ? shift : 0;
	return true;
}

/* Does this request gain from io_uring? deep: it is not alone. Where it goes then, and how far from
 * its place on the disk. */
static bool async(struct vblk *vb, const struct blk_slot *s, bool deep, int *ret_file,
		  uint64_t *ret_shift)
{
	if (!deep || vb->no_uring || s == &vb->first)
		return false;
	if (vb->ov)
		return overlay_async(vb, s, ret_file, ret_shift);
	*ret_file = RING_FILE;
	*ret_shift = 0;
	if (s->type == T_OUT && vb->file.align == 1 && blk_writeback(vb))
		return false;
	if (s->type == T_OUT && !blk_writeback(vb) && vb->file.no_dsync)
		return false;
	return s->type == T_FLUSH || bfile_aligned(&vb->file, s->data, s->ndata, s->off);
}

/* true: in flight, the slot is taken. */
static bool do_rw(struct vblk *vb, struct blk_slot *s, bool deep)
{
	bool write = s->type == T_OUT;
	bool stable = write && !blk_writeback(vb);
	uint64_t shift;
	int ret, file;

	if (async(vb, s, deep, &file, &shift)) {
		vb->m.uring_reqs++;
		buring_rw(&vb->uring, file, write, s->data, s->ndata, s->off + shift,
			  stable ? RWF_DSYNC : 0, (uint64_t)(s - vb->slots));
		return true;
	}
	/* A block that is only partly written is read first: nobody else may be writing it. */
	if (vb->uring.inflight && !bfile_aligned(&vb->file, s->data, s->ndata, s->off))
		blk_drain(vb);
	vb->m.inline_reqs++;
	ret = write ? disk_write(vb, s->data, s->ndata, s->off)
		    : disk_read(vb, s->data, s->ndata, s->off);
	finish_rw(vb, s, ret);
	return false;
}

static bool do_flush(struct vblk *vb, struct blk_slot *s, bool deep)
{
	/* It covers the writes that had completed before it came (5.2.6.2), so nothing waits for
	 * it. */
	uint64_t shift;
	int file;

	s->len = s->off = 0;
	if (async(vb, s, deep, &file, &shift)) {
		vb->m.uring_reqs++;
		buring_fdatasync(&vb->uring, file, (uint64_t)(s - vb->slots));
		return true;
	}
	vb->m.inline_reqs++;
	finish(vb, s, host_status(vb, s, blk_flush(vb)), 0);
	return false;
}

static uint8_t check_range(const struct vblk *vb, uint32_t type, const struct blk_range *r)
{
	uint32_t max = type == T_DISCARD ? BLK_MAX_DISCARD_SECT : BLK_MAX_ZERO_SECT;

	if (r->flags & ~(type == T_DISCARD ? 0 : RANGE_F_UNMAP))
		return ST_UNSUPP;
	if (r->count > max || !in_capacity(vb, r->sector, (uint64_t)r->count * BLK_SECTOR))
		return ST_IOERR;
	return ST_OK;
}

static int do_range(struct vblk *vb, struct blk_slot *s, const struct blk_range *r)
{
	s->off = r->sector * BLK_SECTOR;
	s->len = (uint64_t)r->count * BLK_SECTOR;
	if (!s->len)
		return 0;
	if (s->type == T_DISCARD)
		return disk_discard(vb, s->off, s->len);
	return disk_zero(vb, s->off, s->len, r->flags & RANGE_F_UNMAP);
}

static void do_ranges(struct vblk *vb, struct blk_slot *s)
{
	struct blk_range r[BLK_MAX_SEGS] = {{0}};
	unsigned n = (unsigned)(s->len / sizeof r[0]);
	uint64_t before = zeroes_written(vb);
	uint8_t st = ST_OK;

	if (!(vb->dev.features & (s->type == T_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES))) {
		finish(vb, s, read_only(vb) ? ST_IOERR : ST_UNSUPP, 0);
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
		blk_drain(vb);
	for (unsigned i = 0; i < n && st == ST_OK; i++)
		st = host_status(vb, s, do_range(vb, s, &r[i]));
	/* Where the file has no holes this was a write like any other. */
	if (vb->limit.on)
		ratelimit_charge(&vb->limit, zeroes_written(vb) - before, 0, clock_mono_ns());
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

/* Does the rate limit let s pass? Reads and writes pay for their bytes, all pay for one operation.
 */
static bool rate_ok(struct vblk *vb, const struct blk_slot *s)
{
	uint64_t bytes = s->type == T_IN || s->type == T_OUT ? s->len : 0;
	uint64_t t = ratelimit_take(&vb->limit, bytes, 1, clock_mono_ns());

	if (!t)
		return true;
	vb->m.throttled++;
	vb->dev.wake_at = t;
	return false;
}

int blk_request(struct vblk *vb, struct blk_slot *s, bool deep)
{
	struct blk_hdr hdr;
	bool hdr_ok;

	if (parse(s, &hdr, &hdr_ok))
		return -EPROTO;
	if (!hdr_ok) {
		finish(vb, s, ST_IOERR, 0);
		return 0;
	}
	if (vb->limit.on && !rate_ok(vb, s))
		return -EAGAIN;
	switch (s->type) {
	case T_IN:
	case T_OUT:
		if (s->type == T_IN)
			vb->m.read_reqs++;
		else
			vb->m.write_reqs++;
		if (!in_capacity(vb, hdr.sector, s->len) || (s->type == T_OUT && read_only(vb))) {
			finish(vb, s, ST_IOERR, 0);
			return 0;
		}
		*(s->type == T_IN ? &vb->m.read_bytes : &vb->m.write_bytes) += s->len;
		s->off = hdr.sector * BLK_SECTOR;
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
