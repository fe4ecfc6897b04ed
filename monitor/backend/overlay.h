/* SPDX-License-Identifier: MIT
 *
 * overlay.h: what one VM has written to a disk image that it shares with others. The image below is
 * opened read-only; clusters of 4 KiB that were written lie here, in memory or in a file of the
 * VM's own, and a bitmap says which. Every file system that we mount has blocks of that size, so
 * that hardly a write has to fetch the rest of its cluster from below. Offsets were checked against
 * the disk's size by the caller; buffers are guest memory. The device's thread; the files are
 * hostile until they have been judged.
 */
#ifndef MONITOR_BACKEND_OVERLAY_H
#define MONITOR_BACKEND_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define OVERLAY_CLUSTER 4096u
#define OVERLAY_IOV_MAX 256u /* buffers of one request */

struct bfile;
struct blk_config;
struct overlay;

/* The counters of a VM's overlay. */
struct overlay_metrics {
	uint64_t clusters; /* that lie in it now */
	uint64_t copyups;  /* clusters of which a part was fetched from below */
	uint64_t full;	   /* requests that were refused because it was full */
};

/*
 * Over base, which is open, stays the caller's and keeps its size. cfg->overlay says where the
 * clusters lie, cfg->overlay_max how many bytes of them there may be. 0, or -errno with a message
 * in err that names the option and the fix.
 */
int overlay_open(struct overlay **ret_ov, struct bfile *base, const struct blk_config *cfg,
		 char *err, size_t errlen) __attribute__((warn_unused_result));
/* Accepts NULL. Does not flush. */
void overlay_close(struct overlay *ov);

/* How many of the len bytes from off on, at least one, lie in the same layer as the first; which.
 */
uint64_t overlay_extent(const struct overlay *ov, uint64_t off, uint64_t len, bool *ret_here);
/* The file that holds what lies here, and the offset in it of the disk's byte 0; -1 = memory. */
int overlay_fd(const struct overlay *ov, uint64_t *ret_off);

/* As their namesakes of file.h. iov has at most OVERLAY_IOV_MAX entries and is not clobbered.
 * -ENOSPC: it holds what it may hold; nothing was written. */
int overlay_read(struct overlay *ov, const struct iovec *iov, unsigned n, uint64_t off);
int overlay_write(struct overlay *ov, const struct iovec *iov, unsigned n, uint64_t off,
		  bool stable);
int overlay_sync(struct overlay *ov);
/* Would overlay_sync be one fdatasync of overlay_fd() and no more? */
bool overlay_sync_is_plain(const struct overlay *ov);
/* Whole clusters are dropped and read as the image below. */
int overlay_discard(struct overlay *ov, uint64_t off, uint64_t len);
int overlay_zero(struct overlay *ov, uint64_t off, uint64_t len, bool unmap, bool stable);

/*
 * This is the point to return to. What is changed from here on is kept a second time, once, within
 * the same limit. A second call moves the point.
 */
void overlay_mark(struct overlay *ov);
void overlay_unmark(struct overlay *ov);
/* Back to it; the price is that of the clusters written since, and nothing of them remains. 0 or
 * -errno: the disk is not to be used any more. */
int overlay_rewind(struct overlay *ov);

/*
 * In a forked process: take over what the original's overlay has in memory, which fork(2) has
 * copied. Both are in memory and lie over the same image; `from` is not used any more.
 */
void overlay_inherit(struct overlay *ov, struct overlay *from);
bool overlay_in_memory(const struct overlay *ov);

/* For snapshots: the first cluster at or after c that lies here; false when there is none. */
bool overlay_next(const struct overlay *ov, uint64_t c, uint64_t *ret_c);
/* A whole cluster out, and in. 0 or -errno. */
int overlay_get(struct overlay *ov, uint64_t c, void *buf);
int overlay_put(struct overlay *ov, uint64_t c, const void *buf);
uint64_t overlay_clusters(const struct overlay *ov); /* of the disk, the last may be cut short */
/* What tells the image below from others: bytes, time of its last change (0: a block device). */
uint64_t overlay_base_size(const struct overlay *ov);
int64_t overlay_base_mtime_ns(const struct overlay *ov);

struct overlay_metrics overlay_metrics(const struct overlay *ov);
/* Bytes of zeroes that had to be written out so far. */
uint64_t overlay_zeroes_written(const struct overlay *ov);

#endif
