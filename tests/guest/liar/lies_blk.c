/* SPDX-License-Identifier: MIT
 *
 * lies_blk.c: lies about rings, transport and requests, told to the block device. The number in a
 * name is the rule of the design's virtio page that the lie breaks.
 */
#include <string.h>

#include "core/platform.h"
#include "raw.h"

#define VF_VERSION_1 (UINT64_C(1) << 32)
#define VF_INDIRECT  (UINT64_C(1) << 28)
#define VF_EVENT_IDX (UINT64_C(1) << 29)
#define VF_FLUSH     (UINT64_C(1) << 9)

static struct {
	uint32_t type, reserved;
	uint64_t sector;
} hdr;
static uint8_t data[4096] __attribute__((aligned(512)));
static volatile uint8_t status;
static struct desc indirect[8] __attribute__((aligned(16)));

/* The plain three-part request in descriptors 0..2. */
static void request(uint32_t type, uint64_t sector, uint32_t len)
{
	hdr.type = type;
	hdr.reserved = 0;
	hdr.sector = sector;
	status = 0xee;
	raw_desc(&blk, 0, 0, &hdr, sizeof hdr, F_NEXT, 1);
	raw_desc(&blk, 0, 1, data, len, (uint16_t)(F_NEXT | (type == 1 ? 0 : F_WRITE)), 2);
	raw_desc(&blk, 0, 2, (const void *)(uintptr_t)&status, 1, F_WRITE, 0);
}

static bool run(uint32_t *ret_len)
{
	struct ring *r = blk.ring[0];
	uint16_t old = r->used_idx;

	raw_post(&blk, 0, 0);
	if (!raw_wait(&blk, 0, old))
		return false;
	if (ret_len)
		*ret_len = r->used[old % RING].len;
	return true;
}

bool blk_honest(void)
{
	uint32_t len = 0;

	blk.features = VF_VERSION_1 | VF_FLUSH;
	if (!raw_setup(&blk))
		return false;
	memset(data, 0, 512);
	request(0, 0, 512);
	return run(&len) && status == 0 && len == 513 && !memcmp(data, "MAYFLYBLK", 9);
}

/* A chain that must break the queue: posted, not completed, NEEDS_RESET. */
static const char *must_break(uint16_t head)
{
	uint16_t old = blk.ring[0]->used_idx;

	raw_post(&blk, 0, head);
	raw_let_host_look();
	if (!raw_breaks(&blk))
		return "NEEDS_RESET is not set";
	return blk.ring[0]->used_idx == old ? NULL : "the chain was completed";
}

static const char *expect_status(uint32_t type, uint64_t sector, uint32_t len, uint8_t want)
{
	raw_setup(&blk);
	request(type, sector, len);
	if (!run(NULL))
		return "never completed";
	return status == want ? NULL : "wrong status";
}

static const char *queue_index(void)
{
	raw_setup(&blk);
	raw_w32(&blk, 0x30, 77);
	if (raw_r32(&blk, 0x34) || raw_r32(&blk, 0x44))
		return "an absent queue has a size or is ready";
	raw_w32(&blk, 0x44, 1);
	return raw_r32(&blk, 0x44) ? "an absent queue became ready" : NULL;
}

static const char *early_kick(void)
{
	raw_negotiate(&blk, blk.features);
	raw_queue(&blk, 0);
	request(0, 0, 512);
	raw_post(&blk, 0, 0);
	raw_let_host_look();
	if (blk.ring[0]->used_idx || raw_r32(&blk, 0x60))
		return "served before DRIVER_OK";
	raw_driver_ok(&blk);
	return raw_wait(&blk, 0, 0) ? NULL : "the early kick was lost";
}

static const char *reset_in_flight(void)
{
	raw_setup(&blk);
	request(0, 0, 4096);
	for (unsigned i = 0; i < 8; i++) {
		blk.ring[0]->avail[i] = 0;
	}
	blk.ring[0]->avail_idx = 8;
	raw_notify(&blk, 0);
	raw_w32(&blk, 0x70, 0);
	if (raw_r32(&blk, 0x70) || raw_r32(&blk, 0x60))
		return "status or interrupt status survive a reset";
	uint16_t used = blk.ring[0]->used_idx;
	raw_let_host_look();
	return blk.ring[0]->used_idx == used ? NULL : "the used ring moved after the reset";
}

static const char *bad_features(void)
{
	if (raw_negotiate(&blk, VF_FLUSH))
		return "accepted without VERSION_1";
	return raw_negotiate(&blk, VF_VERSION_1 | UINT64_C(1) << 50)
		       ? "accepted a bit that was not offered"
		       : NULL;
}

static const char *late_registers(void)
{
	raw_setup(&blk);
	raw_w32(&blk, 0x30, 0);
	raw_w32(&blk, 0x44, 0);
	raw_w32(&blk, 0x80, 0xfffffff0);
	raw_w32(&blk, 0x90, 0xfffffff0);
	raw_w32(&blk, 0xa0, 0xfffffff0);
	raw_w32(&blk, 0x38, 32768);
	request(0, 0, 512);
	return run(NULL) && status == 0 ? NULL : "a queue register was taken after DRIVER_OK";
}

static const char *failed_sticks(void)
{
	raw_setup(&blk);
	raw_w32(&blk, 0x70, 0x80 | 15);
	raw_w32(&blk, 0x70, 15);
	return raw_r32(&blk, 0x70) & S_FAILED ? NULL : "FAILED was cleared without a reset";
}

static const char *isr_ack(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	if (!run(NULL))
		return "never completed";
	if (!(raw_r32(&blk, 0x60) & 1))
		return "no interrupt status";
	raw_w32(&blk, 0x64, 2);
	if (!(raw_r32(&blk, 0x60) & 1))
		return "acknowledging another bit cleared it";
	raw_w32(&blk, 0x64, 1);
	return raw_r32(&blk, 0x60) ? "acknowledging did not clear it" : NULL;
}

static const char *empty_kick(void)
{
	raw_setup(&blk);
	raw_w32(&blk, 0x64, 3);
	for (unsigned i = 0; i < 100; i++)
		raw_notify(&blk, 0);
	return raw_r32(&blk, 0x60) ? "an interrupt with nothing used" : NULL;
}

static const char *event_idx_far(void)
{
	if (!raw_negotiate(&blk, VF_VERSION_1 | VF_EVENT_IDX))
		return "EVENT_IDX was refused";
	raw_queue(&blk, 0);
	blk.ring[0]->used_event = 0x4000;
	raw_driver_ok(&blk);
	request(0, 0, 512);
	if (!run(NULL))
		return "never completed";
	return raw_r32(&blk, 0x60) & 1 ? "interrupted although used_event is far away" : NULL;
}

static const char *idx_jump(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->avail_idx = 0x7fff;
	raw_notify(&blk, 0);
	raw_let_host_look();
	return raw_breaks(&blk) ? NULL : "NEEDS_RESET is not set";
}

static const char *head_range(void)
{
	raw_setup(&blk);
	return must_break(RING);
}

static const char *next_range(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[1].next = 0xffff;
	return must_break(0);
}

static const char *loop(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[1].next = 1;
	return must_break(0);
}

static const char *huge_sum(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[1].len = 0xffffffff;
	return must_break(0);
}

static const char *outside_ram(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[1].addr = uk__boot->mem_size - 100;
	const char *why = must_break(0);
	if (why)
		return why;
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[1].addr = UINT64_MAX - 100;
	return must_break(0);
}

static const char *order(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[0].flags |= F_WRITE;
	blk.ring[0]->desc[1].flags &= (uint16_t)~F_WRITE;
	return must_break(0);
}

static const char *indirect_uninvited(void)
{
	raw_setup(&blk);
	raw_desc(&blk, 0, 0, indirect, sizeof indirect, F_INDIRECT, 0);
	return must_break(0);
}

static const char *indirect_setup(void)
{
	if (!raw_negotiate(&blk, VF_VERSION_1 | VF_INDIRECT))
		return "INDIRECT was refused";
	raw_queue(&blk, 0);
	raw_driver_ok(&blk);
	request(0, 0, 512);
	memcpy(indirect, blk.ring[0]->desc, 3 * sizeof *indirect);
	return NULL;
}

static const char *indirect_length(void)
{
	const char *why = indirect_setup();

	raw_desc(&blk, 0, 0, indirect, 17, F_INDIRECT, 0);
	return why ? why : must_break(0);
}

static const char *indirect_nested(void)
{
	const char *why = indirect_setup();

	indirect[1].flags = F_INDIRECT;
	indirect[1].len = 16;
	raw_desc(&blk, 0, 0, indirect, 48, F_INDIRECT, 0);
	return why ? why : must_break(0);
}

static const char *indirect_next(void)
{
	const char *why = indirect_setup();

	raw_desc(&blk, 0, 0, indirect, 48, F_INDIRECT | F_NEXT, 1);
	return why ? why : must_break(0);
}

static const char *framing(void)
{
	raw_setup(&blk);
	request(4, 0, 0);
	blk.ring[0]->desc[0].next = 2; /* FLUSH as header and status only */
	if (!run(NULL) || status)
		return "FLUSH as header and status failed";
	request(0, 0, 512);
	static uint8_t joined[513]; /* data and status in one descriptor, the header in two */
	raw_desc(&blk, 0, 0, &hdr, 5, F_NEXT, 1);
	raw_desc(&blk, 0, 1, (const uint8_t *)&hdr + 5, 11, F_NEXT, 2);
	raw_desc(&blk, 0, 2, joined, 513, F_WRITE, 0);
	joined[512] = 0xee;
	uint32_t len = 0;
	if (!run(&len) || joined[512] || memcmp(joined, "MAYFLYBLK", 9))
		return "a split header with merged data and status failed";
	return len == 513 ? NULL : "used.len is not what was written";
}

static const char *no_status(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[0].flags = 0; /* a header, nothing to answer into */
	raw_post(&blk, 0, 0);
	raw_let_host_look();
	return NULL; /* completed or broken: both are fine, surviving is not optional */
}

static const char *short_header(void)
{
	raw_setup(&blk);
	request(0, 0, 512);
	blk.ring[0]->desc[0].len = 3;
	raw_post(&blk, 0, 0);
	raw_let_host_look();
	return NULL;
}

static const char *config_widths(void)
{
	uint64_t cap = raw_r32(&blk, 0x100) | (uint64_t)raw_r32(&blk, 0x104) << 32;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < 8; i++)
		bytes |= (uint64_t) * (volatile uint8_t *)(blk.va + 0x100 + i) << 8 * i;
	if (!cap || bytes != cap)
		return "byte reads of the capacity differ";
	return raw_r32(&blk, 0xffc) ? "a read behind the configuration is not 0" : NULL;
}

static const char *odd_length(void)
{
	return expect_status(0, 0, 100, 1);
}

static const char *beyond_end(void)
{
	return expect_status(0, UINT64_C(1) << 40, 512, 1);
}

static const char *sector_wrap(void)
{
	return expect_status(0, UINT64_MAX, 512, 1);
}

static const char *unknown_type(void)
{
	return expect_status(0x1234, 0, 512, 2);
}

static const char *bogus_notify(void)
{
	raw_setup(&blk);
	raw_w32(&blk, 0x50, 255);
	raw_w32(&blk, 0x50, 0xffffffff);
	*(volatile uint8_t *)(blk.va + 0x50) = 0;
	*(volatile uint16_t *)(blk.va + 0x71) = 0;
	*(volatile uint64_t *)(blk.va + 0x70) = 0;
	uint32_t seen = *(volatile uint16_t *)(blk.va + 0x72);
	if (seen)
		return "an unaligned read gave something";
	return raw_r32(&blk, 0x70) == 15 ? NULL : "a write of the wrong width was taken";
}

static const char *ring_address(void)
{
	static const uint64_t bad[] = {3, 0xfffffffffffff000, 0x7ffffff000, 0xd0001000};

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		raw_negotiate(&blk, blk.features);
		raw_w32(&blk, 0x30, 0);
		raw_w32(&blk, 0x38, RING);
		for (unsigned reg = 0x80; reg <= 0xa0; reg += 16) {
			raw_w32(&blk, reg, (uint32_t)bad[i]);
			raw_w32(&blk, reg + 4, (uint32_t)(bad[i] >> 32));
		}
		raw_w32(&blk, 0x44, 1);
		raw_driver_ok(&blk);
		raw_notify(&blk, 0);
		raw_let_host_look();
	}
	return NULL;
}

const struct lie blk_lies[] = {
	{"1 queue that does not exist", queue_index},
	{"2 kick before DRIVER_OK", early_kick},
	{"3 reset with requests in flight", reset_in_flight},
	{"4 unacceptable features", bad_features},
	{"5 queue registers after DRIVER_OK", late_registers},
	{"6 FAILED cleared by a write", failed_sticks},
	{"7 acknowledging the wrong bit", isr_ack},
	{"8 kick of an empty queue", empty_kick},
	{"9 used_event far away", event_idx_far},
	{"10 avail.idx jumps", idx_jump},
	{"10 head out of range", head_range},
	{"10 next out of range", next_range},
	{"10 chain that loops", loop},
	{"10 lengths beyond memory", huge_sum},
	{"11 writable before readable", order},
	{"11 indirect, not negotiated", indirect_uninvited},
	{"11 indirect table of 17 bytes", indirect_length},
	{"11 nested indirect", indirect_nested},
	{"11 indirect with next", indirect_next},
	{"12 free framing", framing},
	{"13 no room for the status", no_status},
	{"13 header of three bytes", short_header},
	{"17 configuration in bytes and behind its end", config_widths},
	{"18 length not in sectors", odd_length},
	{"18 beyond the end", beyond_end},
	{"18 sector that wraps", sector_wrap},
	{"18 unknown request", unknown_type},
	{"20 bogus notify and odd widths", bogus_notify},
	{"21 rings outside memory", ring_address},
	{"21 buffer outside memory", outside_ram},
	{0},
};
