/* SPDX-License-Identifier: MIT
 *
 * guest.h: the driver's side of virtio-mmio and of a split ring, for tests that play the guest. It
 * takes every step by hand and can lie in each of them; it is no model of a good driver.
 */
#ifndef TESTS_UNIT_GUEST_H
#define TESTS_UNIT_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/gmem.h"
#include "monitor/virtio/dev.h"

#define G_NEXT	   1u
#define G_WRITE	   2u
#define G_INDIRECT 4u

#define G_S_ACK		1u
#define G_S_DRIVER	2u
#define G_S_DRIVER_OK	4u
#define G_S_FEATURES_OK 8u
#define G_S_NEEDS_RESET 64u
#define G_S_FAILED	128u

struct g_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct g_ring {
	struct gmem *gm;
	uint16_t size;
	gpa_t desc, avail, used;
	uint16_t avail_idx, last_used;
	uint16_t next_desc; /* g_chain hands descriptors out in a circle */
};

struct g_buf {
	gpa_t gpa;
	uint32_t len;
	bool write;
};

/* RAM of `size` bytes, zeroed, with an unmapped page on both sides. Freed with the process. */
struct gmem g_ram(uint64_t size);
void g_ring_init(struct g_ring *r, struct gmem *gm, uint16_t size, gpa_t at);
uint64_t g_ring_bytes(uint16_t size);

struct g_desc *g_desc(struct g_ring *r, unsigned i);
void g_set(struct g_ring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
	   uint16_t next);
uint16_t *g_avail_flags(struct g_ring *r);
uint16_t *g_avail_idx(struct g_ring *r);
uint16_t *g_used_event(struct g_ring *r);
uint16_t g_used_flags(struct g_ring *r);
uint16_t g_used_idx(struct g_ring *r);
uint16_t g_avail_event(struct g_ring *r);
/* Make a chain available; returns its head. */
uint16_t g_offer(struct g_ring *r, uint16_t head);
uint16_t g_chain(struct g_ring *r, const struct g_buf *bufs, unsigned n);
/* Next used entry, false when there is none. */
bool g_used(struct g_ring *r, uint32_t *ret_id, uint32_t *ret_len);

uint32_t g_rd(struct virtio_dev *dev, uint32_t off);
void g_wr(struct virtio_dev *dev, uint32_t off, uint32_t val);
/* ACK .. FEATURES_OK with exactly these features; the status afterwards */
uint32_t g_negotiate(struct virtio_dev *dev, uint64_t features);
void g_queue(struct virtio_dev *dev, unsigned i, const struct g_ring *r);
uint32_t g_driver_ok(struct virtio_dev *dev);
void g_kick(struct virtio_dev *dev, unsigned q);

#endif
