/* SPDX-License-Identifier: MIT
 *
 * test_virtq.c: the ring reader against drivers that keep the rules and drivers that break each of
 * them. Numbers in test names are the rules of the virtio notes (see docs/virtio.md).
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/guest.h"

#define N   16
#define BUF 0x8000u

static struct gmem gm;
static struct g_ring r;
static struct virtq q;
static struct virtq_chain c;

static void start(uint64_t features)
{
	gm = g_ram(0x20000);
	g_ring_init(&r, &gm, N, 0x1000);
	q = (struct virtq){.size_max = VIRTQ_MAX_SIZE,
			   .size = N,
			   .desc_gpa = r.desc,
			   .avail_gpa = r.avail,
			   .used_gpa = r.used};
	cr_assert_eq(virtq_start(&q, &gm, features), 0);
}

static void plain(void)
{
	start(VIRTIO_F_VERSION_1);
}

static void events(void)
{
	start(VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
}

static void indirect(void)
{
	start(VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC);
}

static void expect_broken(void)
{
	uint16_t before = g_used_idx(&r);

	cr_assert_eq(virtq_pop(&q, &c), -EPROTO);
	cr_assert_not_null(q.why);
	/* and it stays broken, and quiet */
	cr_assert_eq(virtq_pop(&q, &c), -EPROTO);
	cr_assert_eq(virtq_pending(&q), 0);
	cr_assert_eq(virtq_kick_on(&q), false);
	cr_assert_eq(g_used_idx(&r), before);
}

TestSuite(virtq, .init = plain);
TestSuite(virtq_event, .init = events);
TestSuite(virtq_indirect, .init = indirect);

Test(virtq, empty)
{
	cr_assert_eq(virtq_pop(&q, &c), 0);
	cr_assert_eq(virtq_pending(&q), 0);
}

Test(virtq, chain_is_split_into_readable_and_writable)
{
	struct g_buf b[] = {{BUF, 16, false},
			    {BUF + 0x100, 512, false},
			    {BUF + 0x400, 100, true},
			    {BUF + 0x800, 1, true}};
	uint16_t head = g_chain(&r, b, 4);

	cr_assert_eq(virtq_pending(&q), 1);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.head, head);
	cr_assert_eq(c.nread, 2);
	cr_assert_eq(c.nwrite, 2);
	cr_assert_eq(c.read_len, 528);
	cr_assert_eq(c.write_len, 101);
	cr_assert_eq(c.iov[0].iov_base, gm.base + BUF);
	cr_assert_eq(c.iov[3].iov_base, gm.base + BUF + 0x800);
	cr_assert_eq(c.iov[3].iov_len, 1);
	cr_assert_eq(virtq_pop(&q, &c), 0);
}

Test(virtq, zero_length_buffers_are_left_out)
{
	struct g_buf b[] = {{BUF, 0, false}, {BUF, 5, false}, {BUF, 0, true}, {BUF, 3, true}};

	g_chain(&r, b, 4);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.nread, 1);
	cr_assert_eq(c.nwrite, 1);
}

Test(virtq, full_length_chain)
{
	for (unsigned i = 0; i < N; i++)
		g_set(&r, i, BUF + 16 * i, 16, i + 1 < N ? G_NEXT : 0, (uint16_t)(i + 1));
	g_offer(&r, 0);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.nread, N);
}

Test(virtq, rule10_head_out_of_range)
{
	g_offer(&r, N);
	expect_broken();
}

Test(virtq, rule10_next_out_of_range)
{
	g_set(&r, 0, BUF, 16, G_NEXT, N);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq, rule10_cycle)
{
	g_set(&r, 0, BUF, 16, G_NEXT, 1);
	g_set(&r, 1, BUF, 16, G_NEXT, 0);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq, rule10_cycle_of_one)
{
	g_set(&r, 3, BUF, 0, G_NEXT, 3);
	g_offer(&r, 3);
	expect_broken();
}

Test(virtq, rule10_avail_idx_jump)
{
	*g_avail_idx(&r) = N + 1;
	cr_assert_eq(virtq_pending(&q), N + 1);
	expect_broken();
}

Test(virtq, rule10_avail_idx_backwards)
{
	*g_avail_idx(&r) = 0xffff;
	expect_broken();
}

Test(virtq, rule10_full_ring_is_not_a_jump)
{
	for (unsigned i = 0; i < N; i++) {
		g_set(&r, i, BUF, 1, 0, 0);
		g_offer(&r, (uint16_t)i);
	}
	for (unsigned i = 0; i < N; i++)
		cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(virtq_pop(&q, &c), 0);
}

Test(virtq, rule10_sum_of_lengths)
{
	/* needs RAM of more than a third of 4 GiB: nothing of it is touched */
	struct gmem big = g_ram(UINT64_C(3) << 30);

	memcpy(big.base + r.desc, gm.base + r.desc, 0x1000);
	r.gm = &big;
	cr_assert_eq(virtq_start(&q, &big, VIRTIO_F_VERSION_1), 0);
	g_set(&r, 0, 0, 0x80000000u, G_NEXT, 1);
	g_set(&r, 1, 0, 0x80000000u, 0, 0);
	g_set(&r, 4, 0, 0x80000000u, G_NEXT, 5);
	g_set(&r, 5, 0, 0x80000000u, G_NEXT, 6);
	g_set(&r, 6, 0, 1, G_WRITE, 0);
	g_offer(&r, 0);
	cr_assert_eq(virtq_pop(&q, &c), 1, "2^32 exactly is allowed");
	cr_assert_eq(c.read_len, UINT64_C(1) << 32);
	g_offer(&r, 4);
	expect_broken();
}

Test(virtq, rule11_readable_after_writable)
{
	struct g_buf b[] = {{BUF, 16, true}, {BUF, 16, false}};

	g_chain(&r, b, 2);
	expect_broken();
}

Test(virtq, rule11_indirect_not_negotiated)
{
	g_set(&r, 0, BUF, 16, G_INDIRECT, 0);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq, rule21_buffer_outside_ram)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {{0x20000, 1},	  {0x1ffff, 2},	   {UINT64_MAX, 1},
		   {UINT64_MAX - 15, 16}, {0, UINT32_MAX}, {UINT64_C(1) << 63, 4096},
		   {0x20001, 0}};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		plain();
		g_set(&r, 0, bad[i].addr, bad[i].len, 0, 0);
		g_offer(&r, 0);
		expect_broken();
	}
}

Test(virtq, rule21_ring_addresses)
{
	static const struct {
		gpa_t desc, avail, used;
		bool ok;
	} cases[] = {
		{0x1000, 0x2000, 0x3000, true},
		{0x1008, 0x2000, 0x3000, false},
		{0x1000, 0x2001, 0x3000, false},
		{0x1000, 0x2000, 0x3002, false},
		{0x20000, 0x2000, 0x3000, false},
		{0x20000 - 16 * N, 0x2000, 0x3000, true},
		{0x20000 - 16 * N + 16, 0x2000, 0x3000, false},
		{0x1000, 0x20000 - 6 - 2 * N, 0x3000, true},
		{0x1000, 0x20000 - 4 - 2 * N, 0x3000, false},
		{0x1000, 0x2000, 0x20000 - 8 - 8 * N, true},
		{0x1000, 0x2000, 0x20000 - 4 - 8 * N, false},
		{UINT64_MAX - 15, 0x2000, 0x3000, false},
		{0x1000, UINT64_MAX - 1, 0x3000, false},
		{0x1000, 0x2000, UINT64_MAX - 3, false},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		q = (struct virtq){.size_max = 256,
				   .size = N,
				   .desc_gpa = cases[i].desc,
				   .avail_gpa = cases[i].avail,
				   .used_gpa = cases[i].used};
		cr_assert_eq(virtq_start(&q, &gm, 0) == 0, cases[i].ok, "case %u", i);
	}
}

Test(virtq, sizes)
{
	static const uint16_t bad[] = {0, 3, 17, 512, 0x8000, 0xffff};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		q.size = bad[i];
		cr_assert_eq(virtq_start(&q, &gm, 0), -EINVAL);
	}
	q.size_max = 8;
	q.size = 16;
	cr_assert_eq(virtq_start(&q, &gm, 0), -EINVAL);
}

Test(virtq, not_started_gives_nothing)
{
	virtq_reset(&q);
	cr_assert_eq(q.size_max, VIRTQ_MAX_SIZE);
	cr_assert_eq(virtq_pop(&q, &c), 0);
	virtq_push(&q, 0, 0);
	cr_assert_eq(virtq_publish(&q), false);
	cr_assert_eq(virtq_kick_on(&q), false);
}

Test(virtq, rule13_len_before_idx_and_one_idx_per_batch)
{
	for (uint16_t i = 0; i < 3; i++) {
		g_set(&r, i, BUF, 1, G_WRITE, 0);
		g_offer(&r, i);
	}
	for (uint16_t i = 0; i < 3; i++) {
		cr_assert_eq(virtq_pop(&q, &c), 1);
		virtq_push(&q, c.head, 10u + i);
		cr_assert_eq(g_used_idx(&r), 0, "not visible before publish");
	}
	cr_assert(virtq_publish(&q));
	cr_assert_eq(g_used_idx(&r), 3);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t id, len;

		cr_assert(g_used(&r, &id, &len));
		cr_assert_eq(id, i);
		cr_assert_eq(len, 10 + i);
	}
}

Test(virtq, rule8_no_interrupt_without_news_or_when_unwanted)
{
	g_set(&r, 0, BUF, 1, 0, 0);
	cr_assert_eq(virtq_publish(&q), false);
	g_offer(&r, 0);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	virtq_push(&q, 0, 0);
	*g_avail_flags(&r) = 1;
	cr_assert_eq(virtq_publish(&q), false);
	cr_assert_eq(g_used_idx(&r), 1);
	*g_avail_flags(&r) = 0;
	cr_assert_eq(virtq_publish(&q), false, "nothing new since");
	g_offer(&r, 0);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	virtq_push(&q, 0, 0);
	cr_assert(virtq_publish(&q));
}

Test(virtq, kick_flags)
{
	virtq_kick_off(&q);
	cr_assert_eq(g_used_flags(&r), 1);
	cr_assert_eq(virtq_kick_on(&q), false);
	cr_assert_eq(g_used_flags(&r), 0);
	virtq_kick_off(&q);
	g_set(&r, 0, BUF, 1, 0, 0);
	g_offer(&r, 0);
	cr_assert(virtq_kick_on(&q), "what arrived while kicks were off is seen");
}

Test(virtq, unpop)
{
	for (uint16_t i = 0; i < 3; i++) {
		g_set(&r, i, BUF + i, 1, 0, 0);
		g_offer(&r, i);
		cr_assert_eq(virtq_pop(&q, &c), 1);
	}
	virtq_unpop(&q, 2);
	cr_assert_eq(virtq_pending(&q), 2);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.head, 1);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.head, 2);
	cr_assert_eq(virtq_pop(&q, &c), 0);
}

Test(virtq, indices_wrap)
{
	g_set(&r, 0, BUF, 1, 0, 0);
	for (unsigned i = 0; i < 70000; i++) {
		uint32_t id, len;

		g_offer(&r, 0);
		cr_assert_eq(virtq_pop(&q, &c), 1);
		virtq_push(&q, c.head, i);
		cr_assert(virtq_publish(&q));
		cr_assert(g_used(&r, &id, &len));
		cr_assert_eq(len, i);
	}
}

static bool complete(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		g_set(&r, 0, BUF, 1, 0, 0);
		g_offer(&r, 0);
		cr_assert_eq(virtq_pop(&q, &c), 1);
		virtq_push(&q, 0, 0);
	}
	return virtq_publish(&q);
}

Test(virtq_event, rule9_first_notification)
{
	cr_assert(complete(1), "used_event 0 means: the first one");
	cr_assert_eq(complete(1), false);
}

Test(virtq_event, rule9_window)
{
	*g_used_event(&r) = 2;
	cr_assert_eq(complete(1), false); /* (0,1] */
	cr_assert_eq(complete(1), false); /* entry 1: used.idx 2; event is entry 2 */
	cr_assert(complete(1));
	*g_used_event(&r) = 5;
	cr_assert(complete(4), "inside a batch 3..7");
	*g_used_event(&r) = 6;
	cr_assert_eq(complete(1), false, "behind us");
}

Test(virtq_event, rule9_window_wraps)
{
	q.used_idx = q.used_pub = q.used_signalled = 0xfffe;
	*g_used_event(&r) = 0xffff;
	cr_assert_eq(complete(1), false);
	cr_assert(complete(3), "0xffff..2");
	*g_used_event(&r) = 0xffff;
	cr_assert_eq(complete(1), false);
}

Test(virtq_event, rule9_flags_are_ignored)
{
	*g_avail_flags(&r) = 1;
	cr_assert(complete(1));
	virtq_kick_off(&q);
	cr_assert_eq(g_used_flags(&r), 0);
}

Test(virtq_event, rule9_avail_event)
{
	cr_assert_eq(g_avail_event(&r), 0, "the very first chain is announced");
	complete(3);
	virtq_kick_off(&q);
	cr_assert_eq(g_avail_event(&r), 0);
	cr_assert_eq(virtq_kick_on(&q), false);
	cr_assert_eq(g_avail_event(&r), 3);
	g_set(&r, 0, BUF, 1, 0, 0);
	g_offer(&r, 0);
	cr_assert(virtq_kick_on(&q));
}

static void table(gpa_t at, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	((struct g_desc *)(void *)(gm.base + at))[i] =
		(struct g_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

Test(virtq_indirect, rule11_table)
{
	/* the table's chain need not be in order, and WRITE on the INDIRECT descriptor is ignored
	 */
	table(BUF, 0, BUF + 0x100, 10, G_NEXT, 2);
	table(BUF, 2, BUF + 0x200, 20, G_WRITE, 0);
	g_set(&r, 7, BUF, 48, G_INDIRECT | G_WRITE, 0);
	g_offer(&r, 7);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.head, 7);
	cr_assert_eq(c.read_len, 10);
	cr_assert_eq(c.write_len, 20);
}

Test(virtq_indirect, rule11_after_plain_ones)
{
	table(BUF, 0, BUF + 0x100, 10, G_WRITE, 0);
	g_set(&r, 0, BUF + 0x300, 16, G_NEXT, 1);
	g_set(&r, 1, BUF, 16, G_INDIRECT, 0);
	g_offer(&r, 0);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.read_len, 16);
	cr_assert_eq(c.write_len, 10);
}

Test(virtq_indirect, rule11_whole_ring_size)
{
	for (unsigned i = 0; i < N; i++)
		table(BUF, i, BUF + 0x1000, 8, i + 1 < N ? G_NEXT : 0, (uint16_t)(i + 1));
	g_set(&r, 0, BUF, 16 * N, G_INDIRECT, 0);
	g_offer(&r, 0);
	cr_assert_eq(virtq_pop(&q, &c), 1);
	cr_assert_eq(c.nread, N);
}

Test(virtq_indirect, rule11_broken_tables)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
	} bad[] = {
		{BUF, 0, G_INDIRECT},
		{BUF, 15, G_INDIRECT},
		{BUF, 24, G_INDIRECT},
		{BUF + 8, 16, G_INDIRECT},
		{0x20000, 16, G_INDIRECT},
		{0x1fff0, 32, G_INDIRECT},
		{UINT64_MAX - 15, 16, G_INDIRECT},
		{BUF, 16, G_INDIRECT | G_NEXT},
	};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		indirect();
		table(BUF, 0, BUF, 8, 0, 0);
		g_set(&r, 0, bad[i].addr, bad[i].len, bad[i].flags, 1);
		g_set(&r, 1, BUF, 8, 0, 0);
		g_offer(&r, 0);
		expect_broken();
	}
}

Test(virtq_indirect, rule11_nested)
{
	table(BUF, 0, BUF + 0x100, 16, G_INDIRECT, 0);
	table(BUF + 0x100, 0, BUF, 8, 0, 0);
	g_set(&r, 0, BUF, 16, G_INDIRECT, 0);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq_indirect, rule11_next_leaves_the_table)
{
	table(BUF, 0, BUF + 0x100, 8, G_NEXT, 1);
	g_set(&r, 0, BUF, 16, G_INDIRECT, 0);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq_indirect, rule10_cycle_in_the_table)
{
	table(BUF, 0, BUF + 0x100, 8, G_NEXT, 1);
	table(BUF, 1, BUF + 0x100, 8, G_NEXT, 0);
	g_set(&r, 0, BUF, 32, G_INDIRECT, 0);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq_indirect, rule10_longer_than_the_queue)
{
	for (unsigned i = 0; i <= N; i++)
		table(BUF, i, BUF + 0x1000, 8, i < N ? G_NEXT : 0, (uint16_t)(i + 1));
	g_set(&r, 0, BUF, 16 * (N + 1), G_INDIRECT, 0);
	g_offer(&r, 0);
	expect_broken();
}

Test(virtq_event, rule23_a_saved_queue_goes_on)
{
	complete(5);
	struct virtq saved = q;

	/* what a state file holds: programmed values and indices, no pointers */
	q = (struct virtq){.size_max = saved.size_max,
			   .size = saved.size,
			   .ready = true,
			   .desc_gpa = saved.desc_gpa,
			   .avail_gpa = saved.avail_gpa,
			   .used_gpa = saved.used_gpa,
			   .last_avail = saved.last_avail,
			   .avail_seen = saved.last_avail,
			   .used_idx = saved.used_idx,
			   .used_pub = saved.used_pub,
			   .used_signalled = saved.used_signalled};
	cr_assert_eq(virtq_start(&q, &gm, VIRTIO_F_EVENT_IDX), 0);
	*g_used_event(&r) = 5;
	cr_assert(complete(1));
	cr_assert_eq(g_used_idx(&r), 6);
}
