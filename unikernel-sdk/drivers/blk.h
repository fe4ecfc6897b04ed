/* SPDX-License-Identifier: MIT
 *
 * blk.h: virtio-block disks of the guest. Requests are asynchronous: the caller owns the request
 * struct and the buffers until its completion ran; completions run from the poller, that is from
 * uk__poll() or uk__wait(), never from within uk__blk_submit(). The synchronous calls wait in
 * uk__wait().
 */
#ifndef UK_BLK_H
#define UK_BLK_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/virtio.h"

#define UK_SECTOR     512u
#define UK_BLK_MAX    4u	 /* disks: vda..vdd */
#define UK_BLK_SG     64u	 /* data segments of one request; uk_blk.seg_max may be lower */
#define UK_BLK_IO_MAX (1u << 20) /* bytes of one request */

enum uk_blk_op { UK_BLK_READ, UK_BLK_WRITE, UK_BLK_FLUSH, UK_BLK_DISCARD, UK_BLK_ZERO };

struct uk_blk {
	struct uk_virtio dev;
	struct uk_vq vq;
	uint64_t sectors;
	uint32_t block_size; /* what the device prefers; addressing is in sectors all the same */
	uint32_t seg_max;
	uint32_t range_max; /* sectors of one DISCARD or ZERO request */
	bool ro, can_flush, can_discard, can_zero;
	unsigned inflight;
	struct uk_blk_req *outstanding; /* list, so that a broken queue can fail them all */
};

/* Caller-owned; fill done and arg. The rest belongs to the driver until done() ran. */
struct uk_blk_req {
	void (*done)(struct uk_blk_req *req,
		     int err); /* err: 0 or -EIO, -EOPNOTSUPP. May free req */
	void *arg;
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} hdr;
	struct {
		uint64_t sector;
		uint32_t count, flags;
	} range; /* of DISCARD and ZERO */
	uint8_t status;
	uint32_t bytes; /* expected from the device, status included */
	struct uk_blk_req *next, **link;
};

/* Look at the capacity again: the host may have put another file in its place. */
void uk__blk_measure(struct uk_blk *b);
/* Disk n, found and started at the first call; NULL when there is none. */
struct uk_blk *uk__blk_get(unsigned n);

/*
 * Queue one request; n segments make up the sectors from `sector` on, their total a multiple of
 * 512. DISCARD and ZERO take one segment whose p is NULL and whose len is the byte count. Not
 * kicked: call uk__blk_kick() after the last of a batch. -EAGAIN when the ring is full, -EIO beyond
 * the end or on a broken device, -EROFS, -EINVAL, -EOPNOTSUPP; done() is not called then.
 */
int uk__blk_submit(struct uk_blk *b, struct uk_blk_req *req, enum uk_blk_op op, uint64_t sector,
		   const struct uk_sg *sg, unsigned n);
/* Tell the device; without force this may be left to the next idle. */
void uk__blk_kick(struct uk_blk *b, bool force);
/* As submit, but waits for room in the ring instead of -EAGAIN. */
int uk__blk_submit_wait(struct uk_blk *b, struct uk_blk_req *req, enum uk_blk_op op,
			uint64_t sector, const struct uk_sg *sg, unsigned n);
/* Wait, whatever signals come, until *word differs from `while_value`. For completions of our own.
 */
void uk__blk_wait(struct uk_blk *b, const volatile int *word, int while_value);
/* True within uk__blk_wait(), that is when pollers run in the middle of a disk operation. */
bool uk__blk_waiting(void);

/* Synchronous: 0 or -errno. len is a multiple of 512 and may exceed UK_BLK_IO_MAX. */
int uk__blk_rw(struct uk_blk *b, bool write, uint64_t sector, void *buf, uint64_t len);
int uk__blk_flush(struct uk_blk *b); /* 0 at once when the device has no volatile cache */
/* DISCARD or ZERO of a sector range; ZERO falls back to writing zeroes. */
int uk__blk_range(struct uk_blk *b, enum uk_blk_op op, uint64_t sector, uint64_t count);

#endif
