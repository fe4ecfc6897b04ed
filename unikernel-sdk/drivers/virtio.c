/* SPDX-License-Identifier: MIT
 *
 * virtio.c: virtio-mmio v2 discovery and negotiation, and the driver's half of the split ring. The
 * device is not believed: an id that is out of range or not outstanding, or a used index that runs
 * ahead of what was queued, marks the queue broken; the owner then fails its requests. Runs on the
 * one vCPU, never from an interrupt.
 */
#include "drivers/virtio.h"

#include <errno.h>
#include <string.h>

#include "platform.h"
#include "sys.h"

enum reg {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_DEV_FEATURES = 0x010,
	REG_DEV_FEATURES_SEL = 0x014,
	REG_DRV_FEATURES = 0x020,
	REG_DRV_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_SIZE_MAX = 0x034,
	REG_QUEUE_SIZE = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_INTERRUPT_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC = 0x080,
	REG_QUEUE_DRIVER = 0x090,
	REG_QUEUE_DEVICE = 0x0a0,
	REG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
};

#define VIRTIO_MAGIC 0x74726976u

#define ST_ACK	       1u
#define ST_DRIVER      2u
#define ST_DRIVER_OK   4u
#define ST_FEATURES_OK 8u
#define ST_FAILED      128u

#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)

#define DESC_NEXT	   1u
#define DESC_WRITE	   2u
#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY	   1u

#define SPINS 1000000u /* bound for a device that must answer at once */

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

_Static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");

/* Order every store so far before every load that follows; the device is another CPU. */
static inline void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint32_t rd(const struct uk_virtio *dev, unsigned reg)
{
	return uk__mmio_r32(dev->va + reg);
}

static void wr(const struct uk_virtio *dev, unsigned reg, uint32_t v)
{
	uk__mmio_w32(dev->va + reg, v);
}

static void wr64(const struct uk_virtio *dev, unsigned reg, uint64_t v)
{
	wr(dev, reg, (uint32_t)v);
	wr(dev, reg + 4, (uint32_t)(v >> 32));
}

/* The device id behind a slot; 0 for an empty slot and for anything that is not virtio-mmio v2. */
static uint32_t probe(const struct uk_dev *slot)
{
	const struct uk_virtio dev = {.va = slot->va};
	uint32_t version;

	if (slot->device_id)
		return slot->device_id;
	if (rd(&dev, REG_MAGIC) != VIRTIO_MAGIC)
		return 0;
	version = rd(&dev, REG_VERSION);
	if (version == 2)
		return rd(&dev, REG_DEVICE_ID);
	if (version == 1 && rd(&dev, REG_DEVICE_ID) != 0)
		uk__log("legacy virtio-mmio device ignored (QEMU: virtio-mmio.force-legacy=false)");
	return 0;
}

int uk__virtio_find(uint32_t device_id, unsigned nth, struct uk_virtio *ret_dev)
{
	uint32_t ndevs = uk__boot->ndevs;

	if (ndevs > UK_MAX_DEVS)
		ndevs = UK_MAX_DEVS;
	for (uint32_t i = 0; i < ndevs; i++) {
		const struct uk_dev *slot = &uk__boot->dev[i];

		if (probe(slot) != device_id)
			continue;
		if (nth--)
			continue;
		*ret_dev = (struct uk_virtio){
			.va = slot->va, .device_id = device_id, .vector = slot->vector};
		return 0;
	}
	return -ENODEV;
}

static uint64_t offered_features(const struct uk_virtio *dev)
{
	uint64_t lo, hi;

	wr(dev, REG_DEV_FEATURES_SEL, 0);
	lo = rd(dev, REG_DEV_FEATURES);
	wr(dev, REG_DEV_FEATURES_SEL, 1);
	hi = rd(dev, REG_DEV_FEATURES);
	return hi << 32 | lo;
}

static void accept_features(const struct uk_virtio *dev, uint64_t features)
{
	wr(dev, REG_DRV_FEATURES_SEL, 0);
	wr(dev, REG_DRV_FEATURES, (uint32_t)features);
	wr(dev, REG_DRV_FEATURES_SEL, 1);
	wr(dev, REG_DRV_FEATURES, (uint32_t)(features >> 32));
}

/* 3.1.1: the reset is over when the status reads back 0. */
static int reset(const struct uk_virtio *dev)
{
	wr(dev, REG_STATUS, 0);
	for (unsigned i = 0; i < SPINS; i++)
		if (rd(dev, REG_STATUS) == 0)
			return 0;
	return -ENODEV;
}

int uk__virtio_begin(struct uk_virtio *dev, uint64_t wanted)
{
	uint64_t offered;
	int r = reset(dev);

	if (r < 0)
		return r;
	wr(dev, REG_STATUS, ST_ACK);
	wr(dev, REG_STATUS, ST_ACK | ST_DRIVER);
	offered = offered_features(dev);
	dev->features = offered & (wanted | F_VERSION_1);
	if (!(offered & F_VERSION_1)) {
		wr(dev, REG_STATUS, ST_ACK | ST_DRIVER | ST_FAILED);
		return -ENOTSUP;
	}
	accept_features(dev, dev->features);
	wr(dev, REG_STATUS, ST_ACK | ST_DRIVER | ST_FEATURES_OK);
	if (!(rd(dev, REG_STATUS) & ST_FEATURES_OK)) {
		wr(dev, REG_STATUS, ST_ACK | ST_DRIVER | ST_FAILED);
		return -ENOTSUP;
	}
	return 0;
}

void uk__virtio_driver_ok(struct uk_virtio *dev)
{
	wr(dev, REG_STATUS, ST_ACK | ST_DRIVER | ST_FEATURES_OK | ST_DRIVER_OK);
}

uint8_t uk__virtio_cfg8(const struct uk_virtio *dev, unsigned off)
{
	/* Net's MAC is an array of bytes: 4.2.2.2 wants byte accesses for it. */
	uint8_t v;
	__asm__ volatile("movb (%1), %0" : "=q"(v) : "r"(dev->va + REG_CONFIG + off) : "memory");
	return v;
}

uint32_t uk__virtio_cfg32(const struct uk_virtio *dev, unsigned off)
{
	return rd(dev, REG_CONFIG + off);
}

uint64_t uk__virtio_cfg64(const struct uk_virtio *dev, unsigned off)
{
	uint64_t v = 0;

	/* A device that changes its generation for ever gets the last value read. */
	for (unsigned i = 0; i < 100; i++) {
		uint32_t before = rd(dev, REG_GENERATION);

		v = rd(dev, REG_CONFIG + off);
		v |= (uint64_t)rd(dev, REG_CONFIG + off + 4) << 32;
		if (rd(dev, REG_GENERATION) == before)
			break;
	}
	return v;
}

/* --- the ring ------------------------------------------------------------------------ */

static size_t align_up(size_t v, size_t a)
{
	return (v + a - 1) & ~(a - 1);
}

static uint16_t ring_size(uint32_t device_max, uint16_t driver_max)
{
	uint32_t n = device_max < driver_max ? device_max : driver_max;

	if (n > 32768)
		n = 32768;
	while (n & (n - 1))
		n &= n - 1;
	return (uint16_t)n;
}

/* One allocation holds descriptors, available ring, used ring and cookies. */
static int ring_alloc(struct uk_vq *vq)
{
	size_t n = vq->size;
	size_t avail = n * sizeof(struct vring_desc);
	size_t used = align_up(avail + 6 + 2 * n, 4);
	size_t cookie = align_up(used + 6 + 8 * n, sizeof(void *));
	size_t total = cookie + n * sizeof(void *);
	uint8_t *mem = uk__pages_alloc(align_up(total, UK_PAGE) / UK_PAGE);

	if (!mem)
		return -ENOMEM;
	vq->desc = (struct vring_desc *)(void *)mem;
	vq->avail = (uint16_t *)(void *)(mem + avail);
	vq->used = (volatile uint16_t *)(void *)(mem + used);
	vq->cookie = (void **)(void *)(mem + cookie);
	for (size_t i = 0; i < n; i++)
		vq->desc[i].next = (uint16_t)(i + 1);
	return 0;
}

int uk__vq_init(struct uk_vq *vq, struct uk_virtio *dev, uint16_t index, uint16_t max_size)
{
	int r;

	memset(vq, 0, sizeof(*vq));
	wr(dev, REG_QUEUE_SEL, index);
	if (rd(dev, REG_QUEUE_READY) != 0)
		return -ENODEV;
	vq->dev = dev;
	vq->index = index;
	vq->size = vq->nfree = ring_size(rd(dev, REG_QUEUE_SIZE_MAX), max_size);
	vq->event_idx = (dev->features & F_EVENT_IDX) != 0;
	if (vq->size == 0)
		return -ENODEV;
	r = ring_alloc(vq);
	if (r < 0)
		return r;
	uk__vq_irq_disable(vq);
	wr(dev, REG_QUEUE_SIZE, vq->size);
	wr64(dev, REG_QUEUE_DESC, uk__v2p(vq->desc));
	wr64(dev, REG_QUEUE_DRIVER, uk__v2p(vq->avail));
	wr64(dev, REG_QUEUE_DEVICE, uk__v2p((const void *)(uintptr_t)vq->used));
	wr(dev, REG_QUEUE_READY, 1);
	return 0;
}

int uk__vq_add(struct uk_vq *vq, const struct uk_sg *sg, unsigned out, unsigned in, void *cookie)
{
	unsigned n = out + in;
	uint16_t head = vq->free_head, d = head, idx;

	if (vq->broken)
		return -EIO;
	if (n == 0 || n > vq->nfree)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc *desc = &vq->desc[d];

		desc->addr = uk__v2p(sg[i].p);
		desc->len = sg[i].len;
		desc->flags = (uint16_t)((i + 1 < n ? DESC_NEXT : 0) | (i >= out ? DESC_WRITE : 0));
		d = desc->next;
	}
	vq->free_head = d;
	vq->nfree = (uint16_t)(vq->nfree - n);
	vq->cookie[head] = cookie;
	idx = vq->avail[1];
	vq->avail[2 + (idx & (vq->size - 1u))] = head;
	/* Release: the device that sees the index sees the chain and the ring entry too (2.7.13.2).
	 */
	__atomic_store_n(&vq->avail[1], (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	vq->added++;
	return 0;
}

/* Give the descriptors of a completed chain back. The walk is bounded by what can be outstanding.
 */
static void free_chain(struct uk_vq *vq, uint16_t head)
{
	uint16_t d = head;

	vq->cookie[head] = NULL;
	for (;;) {
		vq->nfree++;
		if (!(vq->desc[d].flags & DESC_NEXT) || vq->nfree >= vq->size)
			break;
		d = vq->desc[d].next;
	}
	vq->desc[d].next = vq->free_head;
	vq->free_head = head;
}

static void *broken(struct uk_vq *vq, const char *why)
{
	if (!vq->broken)
		uk__log("virtio device %u queue %u: %s", vq->dev->device_id, vq->index, why);
	vq->broken = true;
	return NULL;
}

static uint16_t used_idx(const struct uk_vq *vq)
{
	return __atomic_load_n(&vq->used[1], __ATOMIC_ACQUIRE);
}

void *uk__vq_get(struct uk_vq *vq, uint32_t *ret_len)
{
	const volatile uint32_t *elem;
	uint16_t done;
	uint32_t id;
	void *cookie;

	if (vq->broken)
		return NULL;
	done = (uint16_t)(used_idx(vq) - vq->last_used);
	if (done == 0)
		return NULL;
	if (done > (uint16_t)(vq->avail[1] - vq->last_used))
		return broken(vq, "used index ran ahead of the requests");
	elem = (const volatile uint32_t *)(vq->used + 2) + 2 * (vq->last_used & (vq->size - 1u));
	id = elem[0];
	if (id >= vq->size || !vq->cookie[id])
		return broken(vq, "completion of a request that is not outstanding");
	*ret_len = elem[1];
	cookie = vq->cookie[id];
	free_chain(vq, (uint16_t)id);
	vq->last_used++;
	return cookie;
}

/* 2.7.7.2: has the index that the device asked for been passed since the last kick? */
static bool device_wants_kick(const struct uk_vq *vq)
{
	if (vq->event_idx) {
		uint16_t event = vq->used[2 + 4 * vq->size];
		uint16_t now = vq->avail[1];

		return (uint16_t)(now - event - 1) < vq->added;
	}
	return !(vq->used[0] & USED_NO_NOTIFY);
}

void uk__vq_kick(struct uk_vq *vq, bool force)
{
	bool half_full = vq->nfree < vq->size / 2;

	if (vq->added == 0 || vq->broken)
		return;
	if (!force && !half_full && uk__idle_serves_queues())
		return;
	full_barrier();
	if (device_wants_kick(vq))
		wr(vq->dev, REG_QUEUE_NOTIFY, vq->index);
	vq->added = 0;
}

bool uk__vq_irq_enable(struct uk_vq *vq)
{
	/* A foreign VMM has one interrupt line per device that stays up until the status is
	 * acknowledged. Acknowledge first, then arm, then look: an event in between is either seen
	 * or raises the line. */
	if (uk__boot->flags & UK_BOOT_FOREIGN)
		wr(vq->dev, REG_INTERRUPT_ACK, 3);
	vq->avail[0] = 0;
	if (vq->event_idx)
		vq->avail[2 + vq->size] = vq->last_used;
	full_barrier();
	return used_idx(vq) != vq->last_used;
}

void uk__vq_irq_disable(struct uk_vq *vq)
{
	if (vq->event_idx)
		vq->avail[2 + vq->size] = (uint16_t)(vq->last_used - 1);
	else
		vq->avail[0] = AVAIL_NO_INTERRUPT;
}
