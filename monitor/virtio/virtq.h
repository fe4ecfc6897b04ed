/* SPDX-License-Identifier: MIT
 *
 * virtq.h: the split virtqueue (virtio 1.2, 2.7) as its device sees it, and the only code that
 * reads or writes a ring. The driver is trusted with nothing: every field is read once into host
 * memory and judged there. A queue belongs to one device and is served by one thread at a time; the
 * driver's CPU runs against it.
 */
#ifndef MONITOR_VIRTIO_VIRTQ_H
#define MONITOR_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "monitor/gmem.h"

#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)

#define VIRTQ_MAX_SIZE 256 /* entries; a chain is never longer, so this bounds the iovecs too */

struct virtq {
	/* what the driver programs; mmio.c */
	uint16_t size_max; /* 0 = the queue does not exist */
	uint16_t size;	   /* power of two <= size_max; 0 = the driver asked for nonsense */
	bool ready;
	gpa_t desc_gpa, avail_gpa, used_gpa;

	/* from virtq_start on */
	bool started;
	bool event_idx, indirect;
	bool no_kick;	 /* the driver was told not to notify (flags, no EVENT_IDX) */
	const char *why; /* what the driver broke; NULL while sane */
	const struct gmem *gm;
	uint64_t *desc;	 /* 2 words a descriptor */
	uint16_t *avail; /* flags, idx, ring[size], used_event */
	uint16_t *used;	 /* flags, idx, {le32 id, le32 len}[size], avail_event */
	/* free-running indices: these, size and the addresses are all there is to save */
	uint16_t last_avail;	 /* next chain to take */
	uint16_t avail_seen;	 /* avail.idx as last read */
	uint16_t used_idx;	 /* next used entry to write */
	uint16_t used_pub;	 /* used.idx as the driver sees it */
	uint16_t used_signalled; /* used_pub when an interrupt was last considered */
};

struct virtq_chain {
	uint16_t head;
	uint16_t nread, nwrite; /* iov[0..nread) is device-readable, the next nwrite are writable */
	uint64_t read_len, write_len;
	struct iovec iov[VIRTQ_MAX_SIZE];
};

/* Ring addresses are checked (alignment, wholly in RAM) and cached: RAM must not move until
 * virtq_reset. -EINVAL: no such size, misaligned or outside RAM. */
int virtq_start(struct virtq *q, const struct gmem *gm, uint64_t features)
	__attribute__((warn_unused_result));
/* Back to power-on; size_max stays. */
void virtq_reset(struct virtq *q);

/* Chains the driver has made available and nobody took; 0 when not started. Can be more than size
 * when the driver lies: virtq_pop says so. */
unsigned virtq_pending(const struct virtq *q);
/* 1 and a chain, 0 when there is none, -EPROTO when the driver broke the rules (q->why says which;
 * the queue gives nothing until reset). Zero-length buffers are left out of iov. */
int virtq_pop(struct virtq *q, struct virtq_chain *ret_chain) __attribute__((warn_unused_result));
/* Give back the last n popped chains, none of which was pushed: they are popped again later. */
void virtq_unpop(struct virtq *q, unsigned n);
/* Write one used entry; len is the number of bytes written to writable buffers. Invisible until
 * published. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);
/* Make pushed entries visible. True when something new is visible and the driver wants an interrupt
 * for it. */
bool virtq_publish(struct virtq *q);

/* While the device serves the queue it needs no doorbells. */
void virtq_kick_off(struct virtq *q);
/* Ask for a doorbell at the next chain. True: a chain arrived meanwhile, serve it; no doorbell will
 * come. */
bool virtq_kick_on(struct virtq *q);

#endif
