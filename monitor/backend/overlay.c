/* SPDX-License-Identifier: MIT
 *
 * overlay.c: see overlay.h: the layers, the limit, rewinding. A cluster's data is in its place
 * before its bit says so, and a bit is gone before its data is: what fails in between is read from
 * below, as if it had not been written.
 */
#include "monitor/backend/overlay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "monitor/backend/overlay_priv.h"
#include "monitor/config.h"
#include "monitor/virtio/iov.h"

#define MAX_CLUSTERS (UINT64_C(1) << 32) /* 16 TiB: the log has 32 bits for one */

/* --- life --- */

static uint64_t map_bytes(const struct overlay *ov)
{
	return (ov->clusters + 63) / 64 * 8;
}

static int64_t mtime_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	return st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

static int reserve_all(struct overlay *ov, bool mem)
{
	ov->map = store_reserve(map_bytes(ov));
	ov->touched = store_reserve(map_bytes(ov));
	ov->had = store_reserve(map_bytes(ov));
	ov->log = store_reserve(ov->clusters * sizeof *ov->log);
	if (mem)
		ov->mem = store_reserve(2 * ov->span);
	if (!ov->map || !ov->touched || !ov->had || !ov->log || (mem && !ov->mem))
		return -ENOMEM;
	if (!mem)
		return 0;
	/* A huge page for the sake of one cluster would make the limit a lie, and a core file of
	 * the monitor need not have the disk in it. */
	(void)madvise(ov->mem, 2 * ov->span, MADV_NOHUGEPAGE);
	(void)madvise(ov->mem, 2 * ov->span, MADV_DONTDUMP);
	return 0;
}

int overlay_open(struct overlay **ret_ov, struct bfile *base, const struct blk_config *cfg,
		 char *err, size_t errlen)
{
	bool mem = strcmp(cfg->overlay, "mem") == 0;
	struct overlay *ov = aligned_alloc(4096, (sizeof *ov + 4095) / 4096 * 4096);
	int r = ov ? 0 : -ENOMEM;

	if (ov) {
		*ov = (struct overlay){.base = base, .size = base->size, .file.fd = -1};
		ov->clusters = (ov->size + CL - 1) / CL;
		ov->span = ov->clusters * CL;
		ov->mtime_ns = mtime_of(base->fd);
		ov->max = cfg->overlay_max ? cfg->overlay_max / CL
			  : mem		   ? CONFIG_OVERLAY_MEM_DEF / CL
					   : UINT64_MAX / 4;
		r = ov->clusters > MAX_CLUSTERS ? -EFBIG : reserve_all(ov, mem);
	}
	if (r)
		snprintf(err, errlen, "--block id=%s: overlay=%s: %s", cfg->id, cfg->overlay,
			 r == -EFBIG ? "the image below is larger than 16 TiB" : strerror(-r));
	else if (!mem)
		r = overlay_file_open(ov, cfg, err, errlen);
	if (r)
		overlay_close(ov);
	else
		*ret_ov = ov;
	return r;
}

static void unreserve(void *p, uint64_t len)
{
	if (p)
		munmap(p, len);
}

void overlay_close(struct overlay *ov)
{
	if (!ov)
		return;
	unreserve(ov->map, map_bytes(ov));
	unreserve(ov->touched, map_bytes(ov));
	unreserve(ov->had, map_bytes(ov));
	unreserve(ov->log, ov->clusters * sizeof *ov->log);
	unreserve(ov->mem, 2 * ov->span);
	if (ov->file.fd >= 0)
		bfile_close(&ov->file);
	free(ov->stale);
	free(ov);
}

/* --- which layer --- */

/* The first bit from i on, before end, that is `on`; end when there is none. */
static uint64_t find(const uint64_t *map, uint64_t i, uint64_t end, bool on)
{
	while (i < end) {
		uint64_t w = (on ? map[i / 64] : ~map[i / 64]) >> i % 64;

		if (w) {
			i += (unsigned)__builtin_ctzll(w);
			break;
		}
		i = (i / 64 + 1) * 64;
	}
	return i < end ? i : end;
}

uint64_t overlay_extent(const struct overlay *ov, uint64_t off, uint64_t len, bool *ret_here)
{
	uint64_t first = off / CL, end = (off + len + CL - 1) / CL;
	bool here = bit_get(ov->map, first);
	uint64_t stop = find(ov->map, first, end, !here) * CL;

	*ret_here = here;
	return stop < off + len ? stop - off : len;
}

bool overlay_next(const struct overlay *ov, uint64_t c, uint64_t *ret_c)
{
	*ret_c = find(ov->map, c, ov->clusters, true);
	return *ret_c < ov->clusters;
}

static void map_set(struct overlay *ov, uint64_t c)
{
	if (bit_get(ov->map, c))
		return;
	bit_set(ov->map, c);
	ov->used++;
	store_mapped(ov, c);
}

static void map_clear(struct overlay *ov, uint64_t c)
{
	if (!bit_get(ov->map, c))
		return;
	bit_clear(ov->map, c);
	ov->used--;
	store_mapped(ov, c);
}

/* --- the limit, and what is kept for a rewind --- */

static int keep(struct overlay *ov, uint64_t c)
{
	if (bit_get(ov->touched, c))
		return 0;
	if (bit_get(ov->map, c)) {
		int r = store_get(ov, LIVE, c, ov->buf);

		r = r ? r : store_put(ov, KEPT, c, ov->buf);
		if (r)
			return r;
		bit_set(ov->had, c);
		ov->kept++;
	}
	bit_set(ov->touched, c);
	ov->log[ov->nlog++] = (uint32_t)c;
	return 0;
}

/* Clusters first to end are about to change, and may all be here afterwards if grow says so. */
static int prepare(struct overlay *ov, uint64_t first, uint64_t end, bool grow)
{
	uint64_t more = 0;
	int r = 0;

	for (uint64_t c = first; c < end; c++) {
		if (bit_get(ov->map, c))
			more += ov->marked && !bit_get(ov->touched, c);
		else
			more += grow;
	}
	if (more > ov->max || ov->used + ov->kept > ov->max - more) {
		ov->m.full++;
		return -ENOSPC;
	}
	for (uint64_t c = first; ov->marked && c < end && !r; c++)
		r = keep(ov, c);
	return r;
}

/* --- requests --- */

int overlay_read(struct overlay *ov, const struct iovec *iov, unsigned n, uint64_t off)
{
	uint64_t done = 0, part, len = 0;
	int r = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	for (; !r && done < len; done += part) {
		bool here;

		part = overlay_extent(ov, off + done, len - done, &here);
		unsigned k = iov_slice(ov->part, iov, n, done, part);

		r = here ? store_read(ov, ov->part, k, off + done)
			 : bfile_read(ov->base, ov->part, k, off + done);
	}
	return r;
}

/* Only a part of the cluster is going to be written: the rest comes from below. */
static int copy_up(struct overlay *ov, uint64_t c)
{
	struct iovec iov = {.iov_base = ov->buf, .iov_len = cluster_len(ov, c)};

	if (bit_get(ov->map, c))
		return 0;
	memset(ov->buf + iov.iov_len, 0, CL - iov.iov_len);
	int r = bfile_read(ov->base, &iov, 1, c * CL);

	ov->m.copyups++;
	return r ? r : store_put(ov, LIVE, c, ov->buf);
}

int overlay_write(struct overlay *ov, const struct iovec *iov, unsigned n, uint64_t off,
		  bool stable)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	uint64_t to = off + len, first = off / CL, end = (to + CL - 1) / CL;

	if (!len)
		return 0;
	int r = prepare(ov, first, end, true);

	if (!r && off % CL)
		r = copy_up(ov, first);
	if (!r && to % CL && to != ov->size && (end - 1 != first || !(off % CL)))
		r = copy_up(ov, end - 1);
	if (r)
		return r;
	r = store_write(ov, ov->part, iov_slice(ov->part, iov, n, 0, len), off);
	for (uint64_t c = first; !r && c < end; c++)
		map_set(ov, c);
	return r || !stable ? r : overlay_sync(ov);
}

/* The clusters that lie wholly between off and off + len. */
static void whole(const struct overlay *ov, uint64_t off, uint64_t len, uint64_t *ret_first,
		  uint64_t *ret_end)
{
	uint64_t to = off + len;

	*ret_first = (off + CL - 1) / CL;
	*ret_end = to == ov->size ? ov->clusters : to / CL;
	if (*ret_end < *ret_first)
		*ret_end = *ret_first;
}

int overlay_discard(struct overlay *ov, uint64_t off, uint64_t len)
{
	uint64_t c, end, stop;
	int r = 0;

	for (whole(ov, off, len, &c, &end); !r && c < end; c = stop) {
		c = find(ov->map, c, end, true);
		stop = find(ov->map, c, end, false);
		/* It is advice: with no room to keep what a rewind needs, nothing happens. */
		if (c == stop || prepare(ov, c, stop, false))
			continue;
		for (uint64_t i = c; i < stop; i++)
			map_clear(ov, i);
		r = store_drop(ov, LIVE, c, stop - c);
	}
	return r;
}

static int write_zeroes(struct overlay *ov, uint64_t off, uint64_t len)
{
	static uint8_t zeroes[CL]; /* never written */
	struct iovec iov = {.iov_base = zeroes, .iov_len = len};

	return len ? overlay_write(ov, &iov, 1, off, false) : 0;
}

int overlay_zero(struct overlay *ov, uint64_t off, uint64_t len, bool unmap, bool stable)
{
	uint64_t first, end, to = off + len;

	(void)unmap; /* a hole in the overlay is a zero in any case */
	whole(ov, off, len, &first, &end);
	if (first == end) { /* at most two parts */
		uint64_t cut = off / CL * CL + CL < to ? off / CL * CL + CL : to;
		int r = write_zeroes(ov, off, cut - off);

		r = r ? r : write_zeroes(ov, cut, to - cut);
		return r || !stable ? r : overlay_sync(ov);
	}
	int r = prepare(ov, first, end, true);

	r = r ? r : write_zeroes(ov, off, first * CL - off);
	if (!r && end * CL < to)
		r = write_zeroes(ov, end * CL, to - end * CL);
	r = r ? r : store_zero(ov, first, end - first);
	for (uint64_t c = first; !r && c < end; c++)
		map_set(ov, c);
	return r || !stable ? r : overlay_sync(ov);
}

int overlay_sync(struct overlay *ov)
{
	return ov->mem ? 0 : overlay_file_sync(ov);
}

/* --- rewinding --- */

/* Of the log's entries from *i on: a run of clusters that follow one another and for which bits has
 * the same to say. Its length; *i goes behind it. */
static uint64_t next_run(const struct overlay *ov, const uint64_t *bits, uint64_t *i,
			 uint64_t *ret_c)
{
	uint64_t c = ov->log[*i], n = 1;
	bool on = bit_get(bits, c);

	*ret_c = c;
	while (++*i < ov->nlog && ov->log[*i] == c + n && bit_get(bits, c + n) == on)
		n++;
	return n;
}

static int drop_kept(struct overlay *ov)
{
	uint64_t c;
	int r = 0;

	for (uint64_t i = 0; i < ov->nlog;) {
		uint64_t n = next_run(ov, ov->had, &i, &c);

		if (bit_get(ov->had, c) && !r)
			r = store_drop(ov, KEPT, c, n);
		for (uint64_t k = c; k < c + n; k++) {
			bit_clear(ov->had, k);
			bit_clear(ov->touched, k);
		}
	}
	ov->nlog = ov->kept = 0;
	return r;
}

void overlay_unmark(struct overlay *ov)
{
	/* What cannot be given back is only room. */
	(void)drop_kept(ov);
	ov->marked = false;
}

void overlay_mark(struct overlay *ov)
{
	overlay_unmark(ov);
	ov->marked = true;
}

/* What lay here at the mark lies here again. */
static int put_back(struct overlay *ov)
{
	int r = 0;

	for (uint64_t i = 0; i < ov->nlog && !r; i++) {
		uint64_t c = ov->log[i];

		if (!bit_get(ov->had, c))
			continue;
		r = store_get(ov, KEPT, c, ov->buf);
		r = r ? r : store_put(ov, LIVE, c, ov->buf);
		if (!r)
			map_set(ov, c);
	}
	return r;
}

int overlay_rewind(struct overlay *ov)
{
	uint64_t c;

	if (!ov->nlog)
		return 0;
	int r = put_back(ov);

	for (uint64_t i = 0; i < ov->nlog && !r; i++)
		if (!bit_get(ov->had, ov->log[i]))
			map_clear(ov, ov->log[i]);
	/* In a file the map goes first: with the data gone its bits would be zeroes, not the image
	 * below. */
	if (!r && !ov->mem)
		r = overlay_file_sync(ov);
	for (uint64_t i = 0; i < ov->nlog && !r;) {
		uint64_t n = next_run(ov, ov->had, &i, &c);

		if (!bit_get(ov->had, c))
			r = store_drop(ov, LIVE, c, n);
	}
	return r ? r : drop_kept(ov);
}

/* --- for others --- */

void overlay_inherit(struct overlay *ov, struct overlay *from)
{
	overlay_unmark(from);
	unreserve(ov->map, map_bytes(ov));
	unreserve(ov->mem, 2 * ov->span);
	ov->map = from->map;
	ov->mem = from->mem;
	ov->used = from->used;
	from->map = NULL;
	from->mem = NULL;
}

bool overlay_in_memory(const struct overlay *ov)
{
	return ov->mem != NULL;
}

int overlay_fd(const struct overlay *ov, uint64_t *ret_off)
{
	*ret_off = ov->data;
	return ov->file.fd;
}

int overlay_get(struct overlay *ov, uint64_t c, void *buf)
{
	return store_get(ov, LIVE, c, buf);
}

int overlay_put(struct overlay *ov, uint64_t c, const void *buf)
{
	int r = prepare(ov, c, c + 1, true);

	r = r ? r : store_put(ov, LIVE, c, buf);
	if (!r)
		map_set(ov, c);
	return r;
}

uint64_t overlay_base_size(const struct overlay *ov)
{
	return ov->size;
}

int64_t overlay_base_mtime_ns(const struct overlay *ov)
{
	return ov->mtime_ns;
}

uint64_t overlay_clusters(const struct overlay *ov)
{
	return ov->clusters;
}

struct overlay_metrics overlay_metrics(const struct overlay *ov)
{
	struct overlay_metrics m = ov->m;

	m.clusters = ov->used;
	return m;
}

uint64_t overlay_zeroes_written(const struct overlay *ov)
{
	return ov->file.zeroes_written;
}
