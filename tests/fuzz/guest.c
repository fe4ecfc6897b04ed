/* SPDX-License-Identifier: MIT
 *
 * guest.c: see guest.h.
 */
#include "tests/fuzz/guest.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RING_AT(q) (0x1000u + 0x3000u * (q))
#define RING_SIZE  16u
#define QUEUES	   2u

uint64_t fuzz_take(struct fuzz_in *in, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && in->n; i++, in->n--)
		v |= (uint64_t)*in->p++ << (8 * i);
	return v;
}

struct gmem fuzz_ram(void)
{
	static uint8_t *ram;

	/* an unreadable page behind it: a step out of RAM is a crash */
	if (!ram) {
		ram = mmap(NULL, FUZZ_RAM + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (ram == MAP_FAILED || mprotect(ram, FUZZ_RAM, PROT_READ | PROT_WRITE))
			abort();
	}
	return (struct gmem){.base = ram, .size = FUZZ_RAM};
}

static void wr(struct virtio_dev *dev, uint32_t off, uint32_t val)
{
	virtio_mmio_write(dev, off, val, 4);
}

static void bring_up(struct virtio_dev *dev, uint64_t features)
{
	wr(dev, 0x70, 0);
	wr(dev, 0x70, 1);
	wr(dev, 0x70, 3);
	wr(dev, 0x24, 0);
	wr(dev, 0x20, (uint32_t)features);
	wr(dev, 0x24, 1);
	wr(dev, 0x20, (uint32_t)(features >> 32));
	wr(dev, 0x70, 0xb);
	for (unsigned q = 0; q < dev->nqueues; q++) {
		wr(dev, 0x30, q);
		wr(dev, 0x38, RING_SIZE);
		wr(dev, 0x80, RING_AT(q));
		wr(dev, 0x90, RING_AT(q) + 0x1000);
		wr(dev, 0xa0, RING_AT(q) + 0x2000);
		wr(dev, 0x44, 1);
	}
	wr(dev, 0x70, 0xf);
}

static void poke(struct gmem *gm, gpa_t at, const void *src, size_t len)
{
	void *p = gmem_ptr(gm, at, len);

	if (p)
		memcpy(p, src, len);
}

static void poke16(struct gmem *gm, gpa_t at, uint64_t v)
{
	poke(gm, at, &v, 2);
}

static void set_desc(struct gmem *gm, struct fuzz_in *in, gpa_t table)
{
	uint64_t i = fuzz_take(in, 1) % RING_SIZE, addr = fuzz_take(in, 3), len = fuzz_take(in, 2);
	uint64_t flags = fuzz_take(in, 1), next = fuzz_take(in, 1);
	uint64_t d[2];

	/* mostly inside RAM and short, sometimes anything */
	if (flags & 0x80)
		addr = addr << 40 | addr;
	else
		addr %= FUZZ_RAM;
	if (flags & 0x40)
		len <<= 16;
	d[0] = addr;
	d[1] = len | (flags & 7) << 32 | (next & 0x20 ? next << 8 : next % RING_SIZE) << 48;
	poke(gm, table + 16 * i, d, sizeof d);
}

static void events(struct virtio_dev *dev)
{
	struct pollfd pfd;

	for (unsigned i = 0; i < 8 && dev->ops->pollfds && dev->ops->pollfds(dev, &pfd, 1) == 1;
	     i++) {
		if (poll(&pfd, 1, 0) <= 0)
			return;
		dev->ops->on_event(dev, &pfd);
	}
}

static void command(struct virtio_dev *dev, struct gmem *gm, struct fuzz_in *in, uint16_t *avail,
		    void (*host)(struct fuzz_in *in))
{
	uint64_t op = fuzz_take(in, 1), q = op >> 4 & 1, a, b;

	switch (op & 15) {
	case 0:
		wr(dev, 0x50, (uint32_t)q);
		break;
	case 1: /* bytes anywhere */
		a = fuzz_take(in, 3) % FUZZ_RAM;
		b = fuzz_take(in, 8);
		poke(gm, a, &b, 8);
		break;
	case 2:
	case 3:
		set_desc(gm, in, RING_AT(q));
		break;
	case 4: /* an indirect table, behind the rings */
		set_desc(gm, in, 0x8000);
		break;
	case 5:
	case 6: /* offer a head that exists */
		a = fuzz_take(in, 1) % RING_SIZE;
		poke16(gm, RING_AT(q) + 0x1000 + 4 + 2 * (avail[q] % RING_SIZE), a);
		poke16(gm, RING_AT(q) + 0x1000 + 2, ++avail[q]);
		break;
	case 7: /* offer nonsense */
		poke16(gm, RING_AT(q) + 0x1000 + 4 + 2 * (avail[q] % RING_SIZE), fuzz_take(in, 2));
		poke16(gm, RING_AT(q) + 0x1000 + 2, fuzz_take(in, 2));
		break;
	case 8:
		a = fuzz_take(in, 1) * 4;
		wr(dev, (uint32_t)a, (uint32_t)fuzz_take(in, 4));
		break;
	case 9:
		a = fuzz_take(in, 2) % 0x140;
		b = fuzz_take(in, 1) % 9;
		virtio_mmio_read(dev, a, (unsigned)b);
		virtio_mmio_write(dev, a, fuzz_take(in, 4), (unsigned)b);
		break;
	case 10:
		a = fuzz_take(in, 4) | VIRTIO_F_VERSION_1;
		bring_up(dev, a & dev->offered);
		avail[0] = avail[1] = 0;
		poke16(gm, RING_AT(0) + 0x1000 + 2, 0);
		poke16(gm, RING_AT(1) + 0x1000 + 2, 0);
		break;
	case 11: /* used_event */
		poke16(gm, RING_AT(q) + 0x1000 + 4 + 2 * RING_SIZE, fuzz_take(in, 2));
		break;
	case 12: /* a request header as block devices know it, or bytes of a frame */
		a = 0xa000 + fuzz_take(in, 1) % 16 * 32;
		b = fuzz_take(in, 1) % 16;
		poke(gm, a, &b, 8);
		b = fuzz_take(in, 2);
		poke(gm, a + 8, &b, 8);
		break;
	case 13:
		if (host)
			host(in);
		break;
	default:
		events(dev);
	}
}

void fuzz_run(struct virtio_dev *dev, struct gmem *gm, struct fuzz_in *in,
	      void (*host)(struct fuzz_in *in))
{
	uint16_t avail[QUEUES] = {0};

	wr(dev, 0x70, 0);
	memset(gm->base, 0, gm->size);
	dev->broken_log.count = 1;
	bring_up(dev, (fuzz_take(in, 4) | VIRTIO_F_VERSION_1) & dev->offered);
	while (in->n)
		command(dev, gm, in, avail, host);
	events(dev);
	wr(dev, 0x70, 0);
	if (virtio_mmio_read(dev, 0x70, 4))
		abort();
}
