/* SPDX-License-Identifier: MIT
 *
 * guest.c: see guest.h.
 */
#include "tests/unit/guest.h"

#include <sys/mman.h>

struct gmem g_ram(uint64_t size)
{
	uint8_t *p = mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + 4096, size, PROT_READ | PROT_WRITE))
		abort();
	return (struct gmem){.base = p + 4096, .size = size};
}

static gpa_t align_up(gpa_t a, gpa_t to)
{
	return (a + to - 1) / to * to;
}

void g_ring_init(struct g_ring *r, struct gmem *gm, uint16_t size, gpa_t at)
{
	*r = (struct g_ring){.gm = gm, .size = size, .desc = align_up(at, 16)};
	r->avail = r->desc + 16u * size;
	r->used = align_up(r->avail + 6 + 2u * size, 4);
	memset(gm->base + r->desc, 0, r->used + 6 + 8u * size - r->desc);
}

uint64_t g_ring_bytes(uint16_t size)
{
	return 16 + 16u * size + 6 + 2u * size + 4 + 6 + 8u * size;
}

static void *at(struct g_ring *r, gpa_t gpa)
{
	return r->gm->base + gpa;
}

struct g_desc *g_desc(struct g_ring *r, unsigned i)
{
	return (struct g_desc *)at(r, r->desc) + i;
}

void g_set(struct g_ring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*g_desc(r, i) = (struct g_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

uint16_t *g_avail_flags(struct g_ring *r)
{
	return at(r, r->avail);
}

uint16_t *g_avail_idx(struct g_ring *r)
{
	return at(r, r->avail + 2);
}

uint16_t *g_used_event(struct g_ring *r)
{
	return at(r, r->avail + 4 + 2u * r->size);
}

uint16_t g_used_flags(struct g_ring *r)
{
	return *(uint16_t *)at(r, r->used);
}

uint16_t g_used_idx(struct g_ring *r)
{
	return *(uint16_t *)at(r, r->used + 2);
}

uint16_t g_avail_event(struct g_ring *r)
{
	return *(uint16_t *)at(r, r->used + 4 + 8u * r->size);
}

uint16_t g_offer(struct g_ring *r, uint16_t head)
{
	uint16_t *ring = at(r, r->avail + 4);

	ring[r->avail_idx % r->size] = head;
	__atomic_store_n(g_avail_idx(r), ++r->avail_idx, __ATOMIC_RELEASE);
	return head;
}

uint16_t g_chain(struct g_ring *r, const struct g_buf *bufs, unsigned n)
{
	uint16_t head = r->next_desc;

	for (unsigned i = 0; i < n; i++) {
		uint16_t d = r->next_desc, next = (uint16_t)((d + 1) % r->size);
		uint16_t flags =
			(uint16_t)((bufs[i].write ? G_WRITE : 0) | (i + 1 < n ? G_NEXT : 0));

		g_set(r, d, bufs[i].gpa, bufs[i].len, flags, i + 1 < n ? next : 0);
		r->next_desc = next;
	}
	return g_offer(r, head);
}

bool g_used(struct g_ring *r, uint32_t *ret_id, uint32_t *ret_len)
{
	const uint32_t *ring = at(r, r->used + 4);

	if (__atomic_load_n((uint16_t *)at(r, r->used + 2), __ATOMIC_ACQUIRE) == r->last_used)
		return false;
	*ret_id = ring[2 * (r->last_used % r->size)];
	*ret_len = ring[2 * (r->last_used % r->size) + 1];
	r->last_used++;
	return true;
}

uint32_t g_rd(struct virtio_dev *dev, uint32_t off)
{
	return (uint32_t)virtio_mmio_read(dev, off, 4);
}

void g_wr(struct virtio_dev *dev, uint32_t off, uint32_t val)
{
	virtio_mmio_write(dev, off, val, 4);
}

uint32_t g_negotiate(struct virtio_dev *dev, uint64_t features)
{
	g_wr(dev, 0x70, 0);
	g_wr(dev, 0x70, G_S_ACK);
	g_wr(dev, 0x70, G_S_ACK | G_S_DRIVER);
	g_wr(dev, 0x24, 0);
	g_wr(dev, 0x20, (uint32_t)features);
	g_wr(dev, 0x24, 1);
	g_wr(dev, 0x20, (uint32_t)(features >> 32));
	g_wr(dev, 0x70, G_S_ACK | G_S_DRIVER | G_S_FEATURES_OK);
	return g_rd(dev, 0x70);
}

void g_queue(struct virtio_dev *dev, unsigned i, const struct g_ring *r)
{
	g_wr(dev, 0x30, i);
	g_wr(dev, 0x38, r->size);
	g_wr(dev, 0x80, (uint32_t)r->desc);
	g_wr(dev, 0x84, (uint32_t)(r->desc >> 32));
	g_wr(dev, 0x90, (uint32_t)r->avail);
	g_wr(dev, 0x94, (uint32_t)(r->avail >> 32));
	g_wr(dev, 0xa0, (uint32_t)r->used);
	g_wr(dev, 0xa4, (uint32_t)(r->used >> 32));
	g_wr(dev, 0x44, 1);
}

uint32_t g_driver_ok(struct virtio_dev *dev)
{
	g_wr(dev, 0x70, G_S_ACK | G_S_DRIVER | G_S_FEATURES_OK | G_S_DRIVER_OK);
	return g_rd(dev, 0x70);
}

void g_kick(struct virtio_dev *dev, unsigned q)
{
	g_wr(dev, 0x50, q);
}
