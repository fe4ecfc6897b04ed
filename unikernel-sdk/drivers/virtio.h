/* SPDX-License-Identifier: MIT
 *
 * virtio.h: the guest's side of virtio-mmio v2 and the split virtqueue (virtio 1.2, 2.7 and 4.2),
 * shared by the net and block drivers. The host is trusted for our own safety only as far as memory
 * goes: lengths and ids it returns are checked, so that a broken VMM gives an error and not a wild
 * write.
 */
#ifndef UK_VIRTIO_H
#define UK_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

struct uk_virtio {
	uint64_t va;	    /* registers */
	uint32_t device_id; /* 1 net, 2 block */
	uint32_t vector;
	uint64_t features; /* negotiated */
};

struct uk_sg {
	const void *p;
	uint32_t len;
};

struct uk_vq {
	struct uk_virtio *dev;
	uint16_t index, size;			     /* size: power of two */
	uint16_t nfree, free_head, last_used, added; /* added: since the last kick */
	bool event_idx;
	bool broken; /* the device lied: nothing more comes out; the owner fails what is outstanding
		      */
	struct vring_desc *desc;
	uint16_t *avail;	 /* flags, idx, ring[size], used_event */
	volatile uint16_t *used; /* flags, idx, then {le32 id, le32 len}[size], avail_event */
	void **cookie;		 /* by head descriptor */
};

/* The nth device (from 0) of that id; -ENODEV. Empty slots (id 0) are passed over. */
int uk__virtio_find(uint32_t device_id, unsigned nth, struct uk_virtio *ret_dev);
/* reset, ACKNOWLEDGE, DRIVER, features = offered & wanted | VERSION_1, FEATURES_OK checked.
 * -ENOTSUP. */
int uk__virtio_begin(struct uk_virtio *dev, uint64_t wanted);
/* Allocate and register queue `index` with min(max_size, QueueSizeMax) entries, interrupts off.
 * -ENOMEM, -ENODEV. */
int uk__vq_init(struct uk_vq *vq, struct uk_virtio *dev, uint16_t index, uint16_t max_size);
void uk__virtio_driver_ok(struct uk_virtio *dev);
uint8_t uk__virtio_cfg8(const struct uk_virtio *dev, unsigned off);
uint32_t uk__virtio_cfg32(const struct uk_virtio *dev, unsigned off);
uint64_t uk__virtio_cfg64(const struct uk_virtio *dev, unsigned off); /* one generation */

/* Queue out readable then in writable buffers as one chain; cookie (not NULL) comes back from
 * uk__vq_get. -ENOSPC when too few descriptors are free, -EIO when broken. Publishes avail.idx;
 * does not notify. */
int uk__vq_add(struct uk_vq *vq, const struct uk_sg *sg, unsigned out, unsigned in, void *cookie);
/* Next completed chain's cookie, NULL when none; *ret_len = bytes that the device says it wrote:
 * unchecked, the caller bounds it by its buffer. */
void *uk__vq_get(struct uk_vq *vq, uint32_t *ret_len);
/* Notify the device if it wants that (EVENT_IDX or flags). With uk__idle_serves_queues() only when
 * the ring is half used, unless force. */
void uk__vq_kick(struct uk_vq *vq, bool force);
/* Ask for an interrupt at the next completion (before idling by HLT) or not at all. enable returns
 * true when something completed meanwhile: look again before idling. */
bool uk__vq_irq_enable(struct uk_vq *vq);
void uk__vq_irq_disable(struct uk_vq *vq);

#endif
