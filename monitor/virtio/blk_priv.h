/* SPDX-License-Identifier: MIT
 *
 * blk_priv.h: what blk.c (device, queues) and blk_req.c (requests) share. One thread serves a
 * device at a time.
 */
#ifndef MONITOR_VIRTIO_BLK_PRIV_H
#define MONITOR_VIRTIO_BLK_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/log.h"
#include "monitor/backend/file.h"
#include "monitor/backend/overlay.h"
#include "monitor/backend/uring.h"
#include "monitor/config.h"
#include "monitor/metrics.h"
#include "monitor/virtio/dev.h"
#include "monitor/virtio/ratelimit.h"

#define BLK_F_SEG_MAX	   (UINT64_C(1) << 2)
#define BLK_F_RO	   (UINT64_C(1) << 5)
#define BLK_F_BLK_SIZE	   (UINT64_C(1) << 6)
#define BLK_F_FLUSH	   (UINT64_C(1) << 9)
#define BLK_F_TOPOLOGY	   (UINT64_C(1) << 10)
#define BLK_F_CONFIG_WCE   (UINT64_C(1) << 11)
#define BLK_F_MQ	   (UINT64_C(1) << 12)
#define BLK_F_DISCARD	   (UINT64_C(1) << 13)
#define BLK_F_WRITE_ZEROES (UINT64_C(1) << 14)

#define BLK_SECTOR	     512u
#define BLK_MAX_SEGS	     16u      /* ranges of one DISCARD or WRITE_ZEROES */
#define BLK_MAX_DISCARD_SECT 4194304u /* 2 GiB a range */
#define BLK_MAX_ZERO_SECT    32768u   /* 16 MiB: it may have to be written out */
#define BLK_DEPTH	     64u      /* requests in io_uring */

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
	struct overlay *ov; /* what was written lies here, and file is read-only; NULL: in file */
	const struct blk_config *cfg;
	bool wce, wce_set; /* wce_set: the driver chose through the config space */
	uint32_t starved;  /* queues with requests that wait for a free slot or another turn */
	struct ratelimit limit;
	uint32_t throttled; /* queues whose next request waits for dev.wake_at */
	unsigned turn;	    /* the queue that is served first at the next wake-up */
	struct log_once err_log;

	struct buring uring;
	bool no_uring;
	struct blk_slot *slots; /* BLK_DEPTH of them once io_uring is up */
	uint16_t free[BLK_DEPTH];
	unsigned nfree;
	struct blk_slot first; /* serves until then, and what is never in flight */
};

/* Do the request that was popped into s. 1 it is in io_uring and keeps s, 0 it is done, -EAGAIN the
 * rate limit does not allow it before dev.wake_at (nothing has happened), -EPROTO the driver broke
 * the device. deep: it is not alone, io_uring is worth it. */
int blk_request(struct vblk *vb, struct blk_slot *s, bool deep);
/* Finish what io_uring has completed. */
void blk_reap(struct vblk *vb);
/* Wait until nothing is in flight. Only a live device's driver hears of it. */
void blk_drain(struct vblk *vb);
/* May completed writes be volatile until a flush? */
bool blk_writeback(const struct vblk *vb);
/* What was written is durable. 0 or -errno. */
int blk_flush(struct vblk *vb);

#endif
