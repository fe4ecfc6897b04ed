/* SPDX-License-Identifier: MIT
 *
 * blk.h: a virtio block device on a raw file or block device (virtio 1.2, 5.2). Served by one
 * thread at a time; requests and everything in them are hostile. A lone request is served inline; a
 * deep queue goes through io_uring, whose descriptor is among ops->pollfds while requests are in
 * flight.
 */
#ifndef MONITOR_VIRTIO_BLK_H
#define MONITOR_VIRTIO_BLK_H

#include <stddef.h>

#include "monitor/gmem.h"
#include "monitor/metrics.h"

struct blk_config;
struct overlay;
struct token_bucket;
struct virtio_dev;

/* Opens and locks the file, or the image and its overlay. cfg and gm are borrowed for the device's
 * life. 0 or -errno, with a message in err that names the option and the fix. The caller sets
 * dev->irq before the guest runs.
 */
int vblk_create(struct virtio_dev **ret_dev, const struct blk_config *cfg, const struct gmem *gm,
		char *err, size_t errlen) __attribute__((warn_unused_result));
/* Waits for I/O in flight. Does not flush: see vblk_sync. Accepts NULL. */
void vblk_destroy(struct virtio_dev *dev);
/* The VM is over, nothing is in flight: others may have its file. */
void vblk_leave(struct virtio_dev *dev);
struct confine;
/* Nothing can be set up later: do now what a deep queue would need. */
void vblk_prepare(struct virtio_dev *dev);
/* What the device needs from its thread's filter. */
void vblk_confine(const struct virtio_dev *dev, struct confine *c);
/* What vblk_rewind needs on the vCPU's thread where that is not the device's. */
void vblk_confine_rewind(const struct virtio_dev *dev, struct confine *c);
/* Counters so far; the pointer stays valid. */
const struct blk_metrics *vblk_metrics(struct virtio_dev *dev);
/* Requests that were begun so far; whether one is in flight, or waits for its turn or the rate
 * limit. Both may be asked by any thread, and are then as of a moment ago. */
uint64_t vblk_requests(const struct virtio_dev *dev);
bool vblk_busy(const struct virtio_dev *dev);
/* New rate limits for reads and writes together, from now on: full buckets, NULL leaves that one
 * alone, size or refill time 0 takes it away. What waited is served as far as they allow. An
 * operation is a request of any kind, bytes are those of reads and writes (and of zeroes that had
 * to be written out). On the thread that serves the device, or under the VM lock; an I/O thread is
 * to be kicked after. */
void vblk_set_limits(struct virtio_dev *dev, const struct token_bucket *bw,
		     const struct token_bucket *ops);
/* The VM stops: finish what is in flight, then fdatasync. 0 or -errno. */
int vblk_sync(struct virtio_dev *dev) __attribute__((warn_unused_result));
/*
 * Another file in the place of the one it has, opened as cfg says but for the path; the old one is
 * finished and flushed first, and stays when the new one cannot be used. The guest is told to look
 * at the capacity. The descriptor keeps its number. Where vblk_set_limits may be called. 0 or
 * -errno, with a message in err.
 */
int vblk_swap(struct virtio_dev *dev, const char *path, char *err, size_t errlen)
	__attribute__((warn_unused_result));
/*
 * A disk with an overlay: what is written from here on can be taken back; is taken back, and
 * nothing of it remains (0 or -errno). Nothing may be in flight. For other disks both do nothing.
 */
void vblk_mark(struct virtio_dev *dev);
int vblk_rewind(struct virtio_dev *dev) __attribute__((warn_unused_result));
/* In a forked process: dev takes over the memory of the original's overlay, if both have one over
 * the same file. */
void vblk_inherit(struct virtio_dev *dev, struct virtio_dev *from);
/* NULL: there is none. */
struct overlay *vblk_overlay(struct virtio_dev *dev);
/* The file was grown or cut on purpose: tell the guest its new capacity. 0 or -errno. */
int vblk_resize(struct virtio_dev *dev) __attribute__((warn_unused_result));

#endif
