/* SPDX-License-Identifier: MIT
 *
 * raw.c: see raw.h.
 */
#include "raw.h"

#include <string.h>

#include "core/platform.h"

static struct ring rings[4] __attribute__((aligned(4096)));
struct raw blk = {.nqueues = 1, .ring = {&rings[0]}};
struct raw net = {.nqueues = 2, .ring = {&rings[1], &rings[2]}};

uint32_t raw_r32(const struct raw *d, unsigned off)
{
	return uk__mmio_r32(d->va + off);
}

void raw_w32(const struct raw *d, unsigned off, uint32_t v)
{
	uk__mmio_w32(d->va + off, v);
}

bool raw_negotiate(struct raw *d, uint64_t features)
{
	raw_w32(d, 0x70, 0);
	for (unsigned q = 0; q < d->nqueues; q++)
		memset(d->ring[q], 0, sizeof *d->ring[q]);
	raw_w32(d, 0x70, S_ACK);
	raw_w32(d, 0x70, S_ACK | S_DRIVER);
	raw_w32(d, 0x24, 0);
	raw_w32(d, 0x20, (uint32_t)features);
	raw_w32(d, 0x24, 1);
	raw_w32(d, 0x20, (uint32_t)(features >> 32));
	raw_w32(d, 0x70, S_ACK | S_DRIVER | S_FEATURES_OK);
	return raw_r32(d, 0x70) & S_FEATURES_OK;
}

static void set_addr(struct raw *d, unsigned off, const volatile void *p)
{
	uint64_t gpa = uk__v2p((const void *)(uintptr_t)p);

	raw_w32(d, off, (uint32_t)gpa);
	raw_w32(d, off + 4, (uint32_t)(gpa >> 32));
}

void raw_queue(struct raw *d, unsigned q)
{
	raw_w32(d, 0x30, q);
	raw_w32(d, 0x38, RING);
	set_addr(d, 0x80, d->ring[q]->desc);
	set_addr(d, 0x90, &d->ring[q]->avail_flags);
	set_addr(d, 0xa0, &d->ring[q]->used_flags);
	raw_w32(d, 0x44, 1);
}

void raw_driver_ok(struct raw *d)
{
	raw_w32(d, 0x70, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

bool raw_setup(struct raw *d)
{
	if (!raw_negotiate(d, d->features))
		return false;
	for (unsigned q = 0; q < d->nqueues; q++)
		raw_queue(d, q);
	raw_driver_ok(d);
	return true;
}

void raw_notify(struct raw *d, unsigned q)
{
	raw_w32(d, 0x50, q);
}

void raw_post(struct raw *d, unsigned q, uint16_t head)
{
	struct ring *r = d->ring[q];

	r->avail[r->avail_idx % RING] = head;
	__atomic_store_n(&r->avail_idx, (uint16_t)(r->avail_idx + 1), __ATOMIC_RELEASE);
	raw_notify(d, q);
}

void raw_let_host_look(void)
{
	uk__idle(0);
	if (!uk__idle_serves_queues()) /* an I/O thread serves them: give it a few chances */
		for (unsigned i = 0; i < 3; i++)
			uk__idle(uk__mono_ns() + 1000000);
}

bool raw_wait(struct raw *d, unsigned q, uint16_t old)
{
	uint64_t end = uk__mono_ns() + UINT64_C(30000000000);

	while (__atomic_load_n(&d->ring[q]->used_idx, __ATOMIC_ACQUIRE) == old) {
		if (uk__mono_ns() > end || raw_broken(d))
			return false;
		uk__idle(uk__mono_ns() + 1000000);
	}
	return true;
}

bool raw_breaks(struct raw *d)
{
	uint64_t end = uk__mono_ns() + UINT64_C(30000000000);

	while (!raw_broken(d)) {
		if (uk__idle_serves_queues() || uk__mono_ns() > end)
			return false;
		uk__idle(uk__mono_ns() + 1000000);
	}
	return true;
}

bool raw_broken(const struct raw *d)
{
	return raw_r32(d, 0x70) & S_NEEDS_RESET;
}

void raw_desc(struct raw *d, unsigned q, unsigned i, const void *p, uint32_t len, uint16_t flags,
	      uint16_t next)
{
	d->ring[q]->desc[i] =
		(struct desc){.addr = uk__v2p(p), .len = len, .flags = flags, .next = next};
}
