/* SPDX-License-Identifier: MIT
 *
 * test_blk.c: the block device on real files and a real io_uring, driven as a guest would. Two
 * calls are watched on their way to the kernel (fdatasync, pwritev2), one can be made to fail
 * (io_uring set-up).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "monitor/backend/uring.h"
#include "monitor/config.h"
#include "monitor/snapshot/state.h"
#include "monitor/virtio/blk.h"
#include "tests/unit/clock.h"
#include "tests/unit/guest.h"

#define DISK (1u << 20)
#define N    256u

#define F_FLUSH	 (UINT64_C(1) << 9)
#define F_WCE	 (UINT64_C(1) << 11)
#define F_DISC	 (UINT64_C(1) << 13)
#define F_ZEROES (UINT64_C(1) << 14)
#define F_ALL                                                                                  \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | F_FLUSH | F_DISC | \
	 F_ZEROES)

#define HDR    0x10000u /* headers, 16 bytes each */
#define STATUS 0x18000u /* status bytes */
#define DATA   0x20000u

struct hdr {
	uint32_t type, reserved;
	uint64_t sector;
};

static unsigned syncs, dsyncs, plain_writes;
static bool refuse_uring, refuse_holes;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	syncs++;
	return __real_fdatasync(fd);
}

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	dsyncs += nr == SYS_pwritev2 && f & RWF_DSYNC;
	plain_writes += nr == SYS_pwritev2 && !(f & RWF_DSYNC);
	return __real_syscall(nr, a, b, c, d, e, f);
}

int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return refuse_uring ? -EPERM : __real_io_uring_queue_init(entries, ring, flags);
}

int __real_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len)
{
	if (!refuse_holes)
		return __real_fallocate(fd, mode, off, len);
	errno = EOPNOTSUPP;
	return -1;
}

static char path[64];
static struct blk_config cfg;
static struct virtio_dev *dev;
static struct gmem gm;
static struct g_ring ring[8];
static unsigned irqs;

static uint8_t pattern(uint64_t off)
{
	return (uint8_t)(off * 7 + (off >> 9) * 13 + (off >> 17));
}

static void make_disk(uint64_t size)
{
	static uint8_t buf[DISK];

	snprintf(path, sizeof path, "/tmp/mayfly-blk-XXXXXX");
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	for (uint64_t i = 0; i < sizeof buf; i++)
		buf[i] = pattern(i);
	cr_assert_eq(write(fd, buf, size < sizeof buf ? size : sizeof buf),
		     size < sizeof buf ? size : sizeof buf);
	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	close(fd);
	cfg = (struct blk_config){.id = "root", .path = path, .queues = 1};
}

static void irq(void *arg)
{
	(void)arg;
	irqs++;
}

static void create(void)
{
	char err[320] = "";

	gm = g_ram(1u << 22);
	cr_assert_eq(vblk_create(&dev, &cfg, &gm, err, sizeof err), 0, "%s", err);
	dev->irq = irq;
}

static void up(uint64_t features)
{
	cr_assert_eq(g_negotiate(dev, features), 11);
	for (unsigned i = 0; i < cfg.queues; i++) {
		g_ring_init(&ring[i], &gm, N, 0x1000 * (1 + 3 * i) + (i ? 0x200000 : 0));
		g_queue(dev, i, &ring[i]);
	}
	cr_assert_eq(g_driver_ok(dev), 15);
}

static void setup(void)
{
	make_disk(DISK);
	create();
	up(F_ALL);
}

static void teardown(void)
{
	vblk_destroy(dev);
	unlink(path);
}

TestSuite(blk, .init = setup, .fini = teardown, .timeout = 60);
TestSuite(blk_file, .timeout = 60);

static void *mem(gpa_t gpa)
{
	return gm.base + gpa;
}

static void put_hdr(unsigned i, uint32_t type, uint64_t sector)
{
	*(struct hdr *)mem(HDR + 16 * i) = (struct hdr){.type = type, .sector = sector};
	*(uint8_t *)mem(STATUS + i) = 0xaa;
}

/* Request i of a batch: header, data, status as three buffers. */
static void offer(struct g_ring *r, unsigned i, uint32_t type, uint64_t sector, gpa_t data,
		  uint32_t len)
{
	bool in = type == 0 || type == 8;
	struct g_buf b[3] = {{HDR + 16 * i, 16, false}, {data, len, in}, {STATUS + i, 1, true}};

	put_hdr(i, type, sector);
	if (!len)
		b[1] = b[2];
	g_chain(r, b, len ? 3 : 2);
}

/* Let host events happen until n used entries are there. */
static void wait_used(struct g_ring *r, uint16_t n)
{
	struct pollfd pfd;

	while ((uint16_t)(g_used_idx(r) - n) > 0x8000) {
		cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1, "waiting for %u, used %u", n,
			     g_used_idx(r));
		cr_assert_eq(poll(&pfd, 1, -1), 1);
		dev->ops->on_event(dev, &pfd);
	}
}

/* One request alone; its status. */
static uint8_t run(uint32_t type, uint64_t sector, gpa_t data, uint32_t len, uint32_t *ret_len)
{
	uint32_t id, used;

	offer(&ring[0], 0, type, sector, data, len);
	g_kick(dev, 0);
	cr_assert(g_used(&ring[0], &id, &used));
	if (ret_len)
		*ret_len = used;
	return *(uint8_t *)mem(STATUS);
}

static uint8_t disk_byte(uint64_t off)
{
	uint8_t b = 0;
	int fd = open(path, O_RDONLY);

	cr_assert_eq(pread(fd, &b, 1, (off_t)off), 1);
	close(fd);
	return b;
}

static void expect_pattern(gpa_t at, uint64_t off, uint32_t len)
{
	const uint8_t *p = mem(at);

	for (uint32_t i = 0; i < len; i++)
		cr_assert_eq(p[i], pattern(off + i), "byte %u", i);
}

Test(blk, config_space)
{
	cr_assert_eq(g_rd(dev, 8), 2);
	cr_assert_eq(g_rd(dev, 0x100), DISK / 512);
	cr_assert_eq(g_rd(dev, 0x104), 0);
	cr_assert_eq(virtio_mmio_read(dev, 0x100, 8), DISK / 512);
	cr_assert_eq(g_rd(dev, 0x10c), 254);
	cr_assert_eq(g_rd(dev, 0x114), 512);
	cr_assert_eq(virtio_mmio_read(dev, 0x122, 2), 1);
	cr_assert_eq(g_rd(dev, 0x13c), 0);
}

Test(blk, read_and_write)
{
	uint32_t used;

	cr_assert_eq(run(0, 3, DATA, 4096, &used), 0);
	cr_assert_eq(used, 4097);
	expect_pattern(DATA, 3 * 512, 4096);
	memset(mem(DATA), 0x5a, 1024);
	cr_assert_eq(run(1, 7, DATA, 1024, &used), 0);
	cr_assert_eq(used, 1, "rule 13");
	cr_assert_eq(disk_byte(7 * 512), 0x5a);
	cr_assert_eq(disk_byte(9 * 512 - 1), 0x5a);
	cr_assert_eq(disk_byte(9 * 512), pattern(9 * 512));
	cr_assert_eq(disk_byte(7 * 512 - 1), pattern(7 * 512 - 1));
	cr_assert_eq(run(0, DISK / 512 - 1, DATA, 512, NULL), 0, "the last sector");
	cr_assert_eq(run(0, DISK / 512, DATA, 0, NULL), 0, "no bytes at the very end");
	const struct blk_metrics *m = vblk_metrics(dev);

	cr_assert_eq(m->read_reqs, 3);
	cr_assert_eq(m->write_reqs, 1);
	cr_assert_eq(m->read_bytes, 4096 + 512);
	cr_assert_eq(m->write_bytes, 1024);
	cr_assert_eq(m->inline_reqs, 4);
	cr_assert_eq(m->notifications, 4);
	cr_assert_eq(m->errors, 0);
}

Test(blk, rule12_framing_is_free)
{
	/* cuts of header+data (16 + 1024) and of data+status (1024 + 1); 0 ends a list */
	static const uint32_t out_cuts[][6] = {{1040},		 {16, 1024}, {1, 15, 1024},
					       {8, 8, 1000, 24}, {20, 1020}, {4, 4, 4, 4, 1024}};
	static const uint32_t in_cuts[][6] = {{1025},	  {1024, 1},	    {1, 1024},
					      {1000, 25}, {512, 511, 1, 1}, {100, 924, 1}};

	for (unsigned k = 0; k < 6; k++) {
		struct g_buf b[8];
		unsigned n = 0;
		gpa_t at = DATA;
		uint32_t id, used;

		*(struct hdr *)mem(DATA) = (struct hdr){.type = 1, .sector = 20 + 2 * k};
		memset(mem(DATA + 16), 0xc0 + (int)k, 1024);
		for (unsigned i = 0; out_cuts[k][i]; at += out_cuts[k][i++])
			b[n++] = (struct g_buf){at, out_cuts[k][i], false};
		b[n++] = (struct g_buf){STATUS, 1, true};
		*(uint8_t *)mem(STATUS) = 0xaa;
		g_chain(&ring[0], b, n);
		g_kick(dev, 0);
		cr_assert(g_used(&ring[0], &id, &used));
		cr_assert_eq(*(uint8_t *)mem(STATUS), 0, "cut %u", k);
		cr_assert_eq(used, 1);
		for (unsigned i = 0; i < 1024; i++)
			cr_assert_eq(disk_byte((20 + 2 * k) * 512 + i), 0xc0 + k, "cut %u byte %u",
				     k, i);
		cr_assert_eq(disk_byte((22 + 2 * k) * 512), pattern((22 + 2 * k) * 512));

		n = 0;
		put_hdr(0, 0, 100 + k);
		b[n++] = (struct g_buf){HDR, 16, false};
		at = DATA;
		memset(mem(DATA), 0xee, 2048);
		for (unsigned i = 0; in_cuts[k][i]; at += in_cuts[k][i++])
			b[n++] = (struct g_buf){at, in_cuts[k][i], true};
		g_chain(&ring[0], b, n);
		g_kick(dev, 0);
		cr_assert(g_used(&ring[0], &id, &used));
		cr_assert_eq(used, 1025);
		expect_pattern(DATA, (100 + k) * 512, 1024);
		cr_assert_eq(*(uint8_t *)mem(DATA + 1024), 0, "the status is the last byte");
		cr_assert_eq(*(uint8_t *)mem(DATA + 1025), 0xee);
	}
}

Test(blk, rule12_flush_as_header_and_status)
{
	uint32_t used;

	cr_assert_eq(run(4, 0, 0, 0, &used), 0);
	cr_assert_eq(used, 1);
	cr_assert_eq(syncs, 1);
}

Test(blk, rule12_no_room_for_a_status_breaks_the_device)
{
	struct g_buf b = {HDR, 16, false};

	put_hdr(0, 4, 0);
	g_chain(&ring[0], &b, 1);
	g_kick(dev, 0);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
	cr_assert_eq(g_used_idx(&ring[0]), 0);
}

Test(blk, short_header_is_an_error)
{
	struct g_buf b[] = {{HDR, 15, false}, {STATUS, 1, true}};

	put_hdr(0, 0, 0);
	g_chain(&ring[0], b, 2);
	g_kick(dev, 0);
	cr_assert_eq(g_used_idx(&ring[0]), 1);
	cr_assert_eq(*(uint8_t *)mem(STATUS), 1);
}

Test(blk, rule10_broken_ring)
{
	g_offer(&ring[0], 0xffff);
	g_kick(dev, 0);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
	up(F_ALL);
	cr_assert_eq(run(0, 0, DATA, 512, NULL), 0);
}

Test(blk, rule18_bad_requests)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		uint8_t status;
	} bad[] = {
		{0, 0, 511, 1},
		{0, 0, 513, 1},
		{1, 0, 100, 1},
		{0, DISK / 512, 512, 1},
		{0, DISK / 512 - 1, 1024, 1},
		{1, DISK / 512 - 1, 1024, 1},
		{0, UINT64_MAX, 512, 1},
		{1, UINT64_MAX - 1, 1024, 1},
		{0, UINT64_MAX / 512, 512, 1},
		{1, (UINT64_C(1) << 55) + 1, 512, 1},
		{2, 0, 512, 2},
		{0xffffffff, 0, 512, 2},
		{0x80000000, 0, 0, 2},
	};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint32_t used;

		memset(mem(DATA), 0x11, 2048);
		cr_assert_eq(run(bad[i].type, bad[i].sector, DATA, bad[i].len, &used),
			     bad[i].status, "case %u", i);
		cr_assert_eq(used, 1, "nothing but the status was written");
		cr_assert_eq(*(uint8_t *)mem(DATA), 0x11);
	}
	struct stat st;

	stat(path, &st);
	cr_assert_eq(st.st_size, DISK);
	cr_assert_eq(disk_byte(0), pattern(0));
	cr_assert_eq(disk_byte(DISK - 512), pattern(DISK - 512));
	cr_assert_eq(vblk_metrics(dev)->errors, sizeof bad / sizeof bad[0]);
}

Test(blk, rule18_get_id)
{
	uint32_t used;

	memset(mem(DATA), 0xff, 64);
	cr_assert_eq(run(8, 0, DATA, 20, &used), 0);
	cr_assert_eq(used, 21);
	cr_assert_eq(memcmp(mem(DATA), "root\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff", 21), 0);
	memset(mem(DATA), 0xff, 64);
	cr_assert_eq(run(8, 0, DATA, 3, &used), 0);
	cr_assert_eq(used, 4);
	cr_assert_eq(memcmp(mem(DATA), "roo\xff", 4), 0);
	cr_assert_eq(run(8, 0, DATA, 60, &used), 0);
	cr_assert_eq(used, 21);
}

Test(blk, rule19_flush_after_plain_writes)
{
	memset(mem(DATA), 1, 512);
	cr_assert_eq(run(1, 0, DATA, 512, NULL), 0);
	cr_assert_eq(plain_writes, 1);
	cr_assert_eq(dsyncs, 0);
	cr_assert_eq(syncs, 0);
	cr_assert_eq(run(4, 0, 0, 0, NULL), 0);
	cr_assert_eq(syncs, 1);
}

Test(blk, rule19_without_flush_writes_are_stable)
{
	up(VIRTIO_F_VERSION_1 | F_ZEROES);
	memset(mem(DATA), 1, 512);
	cr_assert_eq(run(1, 0, DATA, 512, NULL), 0);
	cr_assert_eq(dsyncs, 1);
	cr_assert_eq(plain_writes, 0);
	uint64_t range[2] = {8, (UINT64_C(1) << 32) | 8};

	memcpy(mem(DATA), range, 16);
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 0);
	cr_assert_eq(syncs, 1);
}

Test(blk, rule19_config_wce)
{
	cr_assert_eq(dev->offered & F_FLUSH, F_FLUSH, "CONFIG_WCE implies FLUSH");
	cr_assert_neq(dev->offered & F_WCE, 0);
	g_wr(dev, 0x70, 0);
	cr_assert_eq(virtio_mmio_read(dev, 0x120, 1), 0, "before FEATURES_OK");
	virtio_mmio_write(dev, 0x120, 1, 1);
	up(F_ALL | F_WCE);
	cr_assert_eq(virtio_mmio_read(dev, 0x120, 1), 1);
	cr_assert_eq(run(1, 0, DATA, 512, NULL), 0);
	cr_assert_eq(dsyncs, 0);
	virtio_mmio_write(dev, 0x120, 0, 1);
	cr_assert_eq(syncs, 1, "going write-through covers what is written");
	cr_assert_eq(virtio_mmio_read(dev, 0x120, 1), 0);
	cr_assert_eq(run(1, 0, DATA, 512, NULL), 0);
	cr_assert_eq(dsyncs, 1);
	/* CONFIG_WCE without FLUSH starts write-through */
	up(VIRTIO_F_VERSION_1 | F_WCE);
	cr_assert_eq(virtio_mmio_read(dev, 0x120, 1), 0);
	/* not negotiated: the byte cannot be changed */
	up(VIRTIO_F_VERSION_1 | F_FLUSH);
	virtio_mmio_write(dev, 0x120, 0, 1);
	cr_assert_eq(virtio_mmio_read(dev, 0x120, 1), 1);
	virtio_mmio_write(dev, 0x100, 0, 1);
	cr_assert_eq(g_rd(dev, 0x100), DISK / 512);
}

static void put_range(unsigned i, uint64_t sector, uint32_t count, uint32_t flags)
{
	uint64_t r[2] = {sector, (uint64_t)flags << 32 | count};

	memcpy(mem(DATA + 16 * i), r, 16);
}

Test(blk, discard_frees_blocks)
{
	struct stat before, after;

	sync();
	stat(path, &before);
	put_range(0, 0, 512, 0);
	put_range(1, 1024, 512, 0);
	cr_assert_eq(run(11, 0, DATA, 32, NULL), 0);
	stat(path, &after);
	cr_assert_eq(after.st_size, before.st_size);
	cr_assert_lt(after.st_blocks, before.st_blocks);
	cr_assert_eq(disk_byte(512 * 512), pattern(512 * 512));
	cr_assert_eq(vblk_metrics(dev)->discard_reqs, 1);
}

Test(blk, write_zeroes)
{
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		uint64_t at = 3 + 600 * unmap;

		put_range(0, at, 301, unmap);
		cr_assert_eq(run(13, 0, DATA, 16, NULL), 0);
		cr_assert_eq(disk_byte(at * 512 - 1), pattern(at * 512 - 1));
		for (uint64_t o = 0; o < 301 * 512; o += 100)
			cr_assert_eq(disk_byte(at * 512 + o), 0);
		cr_assert_eq(disk_byte((at + 301) * 512 - 1), 0);
		cr_assert_eq(disk_byte((at + 301) * 512), pattern((at + 301) * 512));
	}
	struct stat st;

	stat(path, &st);
	cr_assert_eq(st.st_size, DISK);
}

Test(blk, ranges_that_lie)
{
	static const struct {
		uint32_t type, len;
		uint64_t sector;
		uint32_t count, flags;
		uint8_t status;
	} bad[] = {
		{11, 16, 0, 1, 1, 2},		/* unmap makes no sense for DISCARD */
		{11, 16, 0, 1, 2, 2},		/* reserved flag */
		{13, 16, 0, 1, 2, 2},		/* */
		{13, 16, 0, 1, 0x80000001u, 2}, /* */
		{11, 16, DISK / 512, 1, 0, 1},	/* behind the end */
		{13, 16, DISK / 512 - 1, 2, 0, 1},
		{13, 16, UINT64_MAX, 1, 0, 1},
		{11, 16, 0, UINT32_MAX, 0, 1},
		{13, 16, 0, 32769, 0, 1},
		{11, 15, 0, 1, 0, 1},
		{11, 17, 0, 1, 0, 1},
		{13, 16 * 17, 0, 1, 0, 1}, /* more ranges than max_*_seg */
		{13, 0, 0, 1, 0, 1},
	};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		memset(mem(DATA), 0, 512);
		put_range(0, bad[i].sector, bad[i].count, bad[i].flags);
		cr_assert_eq(run(bad[i].type, 0, DATA, bad[i].len, NULL), bad[i].status, "case %u",
			     i);
	}
	/* all ranges are judged before the first is acted on */
	put_range(0, 0, 1, 0);
	put_range(1, DISK / 512, 1, 0);
	cr_assert_eq(run(13, 0, DATA, 32, NULL), 1);
	cr_assert_eq(disk_byte(1), pattern(1));
}

Test(blk, ranges_that_were_not_negotiated)
{
	up(VIRTIO_F_VERSION_1);
	put_range(0, 0, 1, 0);
	cr_assert_eq(run(11, 0, DATA, 16, NULL), 2);
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 2);
	cr_assert_eq(disk_byte(1), pattern(1));
}

/* n reads of 4 KiB from scattered places in one batch */
static void batch(unsigned n)
{
	uint16_t base = g_used_idx(&ring[0]);

	for (unsigned i = 0; i < n; i++)
		offer(&ring[0], i, 0, (i * 37 % 248) * 8, DATA + 4096 * i, 4096);
	g_kick(dev, 0);
	wait_used(&ring[0], (uint16_t)(base + n));
	for (unsigned i = 0; i < n; i++) {
		uint32_t id, len;

		cr_assert(g_used(&ring[0], &id, &len));
		cr_assert_eq(len, 4097);
	}
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(*(uint8_t *)mem(STATUS + i), 0);
		expect_pattern(DATA + 4096 * i, (i * 37 % 248) * 4096, 4096);
	}
}

Test(blk, deep_queue_goes_through_io_uring)
{
	batch(32);
	cr_assert_eq(vblk_metrics(dev)->uring_reqs, 32);
	cr_assert_eq(vblk_metrics(dev)->inline_reqs, 0);
	batch(1);
	cr_assert_eq(vblk_metrics(dev)->inline_reqs, 1, "a lone request does not");
	batch(2);
	cr_assert_eq(vblk_metrics(dev)->uring_reqs, 34);
}

/* Clusters 0 and 37 are written with what is there, so that reads find the pattern in either layer.
 */
static void over(const char *overlay)
{
	make_disk(DISK);
	cfg.overlay = overlay;
	create();
	up(F_ALL);
	for (unsigned c = 0; c <= 37; c += 37) {
		for (uint32_t i = 0; i < 4096; i++)
			*(uint8_t *)mem(DATA + i) = pattern(c * 4096 + i);
		cr_assert_eq(run(1, c * 8, DATA, 4096, NULL), 0);
	}
	cr_assert_eq(vblk_metrics(dev)->overlay_clusters, 2);
	cr_assert_eq(vblk_metrics(dev)->overlay_copyups, 0);
}

Test(blk_file, reads_over_an_image_go_through_io_uring)
{
	over("mem");
	batch(32);
	cr_assert_eq(vblk_metrics(dev)->uring_reqs, 30, "what is in memory is copied");
	cr_assert_eq(run(0, 36 * 8, DATA, 3 * 4096, NULL), 0, "three pieces");
	expect_pattern(DATA, 36 * 4096, 3 * 4096);
	teardown();
}

Test(blk_file, both_files_of_an_overlay_are_in_the_ring)
{
	char overlay[80];

	snprintf(overlay, sizeof overlay, "/tmp/mayfly-blk-overlay-%d", getpid());
	over(overlay);
	cr_assert_eq(run(4, 0, 0, 0, NULL), 0);
	batch(32);
	cr_assert_eq(vblk_metrics(dev)->uring_reqs, 32);
	cr_assert_eq(run(0, 36 * 8, DATA, 3 * 4096, NULL), 0, "three pieces");
	expect_pattern(DATA, 36 * 4096, 3 * 4096);
	teardown();
	unlink(overlay);
}

Test(blk_file, an_overlay_leaves_the_image_alone)
{
	make_disk(DISK);
	cfg.overlay = "mem";
	cfg.overlay_max = 8192;
	create();
	up(F_ALL);
	memset(mem(DATA), 0x5a, 8192);
	cr_assert_eq(run(1, 8, DATA, 8192, NULL), 0);
	cr_assert_eq(disk_byte(4096), pattern(4096));
	cr_assert_eq(run(0, 8, DATA + 8192, 4096, NULL), 0);
	cr_assert_eq(*(uint8_t *)mem(DATA + 8192), 0x5a);
	cr_assert_eq(run(1, 80, DATA, 512, NULL), 1, "it is full: IOERR");
	cr_assert_eq(vblk_metrics(dev)->overlay_full, 1);
	vblk_mark(dev);
	cr_assert_eq(run(1, 8, DATA, 4096, NULL), 1, "no room for what a rewind needs");
	char err[320] = "";

	cr_assert_eq(vblk_swap(dev, "/dev/null", err, sizeof err), -EINVAL);
	cr_assert(strstr(err, "lies in an overlay"), "%s", err);
	teardown();
}

Test(blk, deeper_than_io_uring)
{
	for (unsigned i = 0; i < 20; i++)
		batch(84); /* 84 chains of three fill the descriptor table */
	cr_assert_eq(vblk_metrics(dev)->uring_reqs, 20 * 84);
}

Test(blk, io_uring_refused)
{
	refuse_uring = true;
	batch(40);
	cr_assert_eq(vblk_metrics(dev)->uring_reqs, 0);
	cr_assert_eq(vblk_metrics(dev)->inline_reqs, 40);
}

Test(blk, one_interrupt_for_a_batch)
{
	up(VIRTIO_F_VERSION_1 | F_FLUSH);
	refuse_uring = true;
	irqs = 0;
	batch(40);
	cr_assert_eq(irqs, 1);
}

Test(blk, mixed_batch)
{
	memset(mem(DATA), 0x77, 4096);
	offer(&ring[0], 0, 1, 0, DATA, 4096);
	offer(&ring[0], 1, 4, 0, 0, 0);
	offer(&ring[0], 2, 0, 8, DATA + 4096, 4096);
	offer(&ring[0], 3, 8, 0, DATA + 8192, 20);
	offer(&ring[0], 4, 0, UINT64_MAX, DATA + 12288, 512);
	offer(&ring[0], 5, 1, 16, DATA, 4096);
	g_kick(dev, 0);
	wait_used(&ring[0], 6);
	cr_assert_eq(memcmp(mem(STATUS), "\0\0\0\0\1\0", 6), 0);
	expect_pattern(DATA + 4096, 4096, 4096);
	cr_assert_eq(disk_byte(0), 0x77);
	cr_assert_eq(disk_byte(16 * 512 + 4095), 0x77);
}

Test(blk, rule19_deep_stable_writes)
{
	up(VIRTIO_F_VERSION_1);
	for (unsigned i = 0; i < 16; i++) {
		memset(mem(DATA + 512 * i), (int)i, 512);
		offer(&ring[0], i, 1, i, DATA + 512 * i, 512);
	}
	g_kick(dev, 0);
	wait_used(&ring[0], 16);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(disk_byte(512 * i + 7), i);
	cr_assert_eq(plain_writes, 0);
}

Test(blk, rule3_reset_with_requests_in_flight)
{
	static uint8_t after[84 * 4096];

	for (unsigned round = 0; round < 50; round++) {
		memset(mem(DATA), 0, sizeof after);
		for (unsigned i = 0; i < 84; i++)
			offer(&ring[0], i, 0, (i * 29 % 248) * 8, DATA + 4096 * i, 4096);
		g_kick(dev, 0);
		g_wr(dev, 0x70, 0);
		cr_assert_eq(g_rd(dev, 0x70), 0);
		unsigned n = irqs;
		uint16_t used = g_used_idx(&ring[0]);
		struct pollfd pfd;

		memcpy(after, mem(DATA), sizeof after);
		cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 0);
		virtio_dev_serve_all(dev);
		cr_assert_eq(irqs, n);
		cr_assert_eq(g_used_idx(&ring[0]), used);
		cr_assert_eq(memcmp(after, mem(DATA), sizeof after), 0);
		up(F_ALL);
	}
	batch(8);
}

Test(blk, broken_with_requests_in_flight)
{
	for (unsigned i = 0; i < 32; i++)
		offer(&ring[0], i, 0, i * 8, DATA + 4096 * i, 4096);
	g_offer(&ring[0], 0x8000);
	g_kick(dev, 0);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
	up(F_ALL);
	batch(8);
}

Test(blk, file_that_shrinks)
{
	cr_assert_eq(truncate(path, 4096), 0);
	cr_assert_eq(run(0, 0, DATA, 4096, NULL), 0);
	cr_assert_eq(run(0, 8, DATA, 4096, NULL), 1);
	cr_assert_eq(run(0, 7, DATA, 1024, NULL), 1, "half of it is gone");
	offer(&ring[0], 0, 0, 0, DATA, 4096);
	offer(&ring[0], 1, 0, 16, DATA + 4096, 4096);
	offer(&ring[0], 2, 0, 4, DATA + 8192, 4096);
	g_kick(dev, 0);
	wait_used(&ring[0], 6);
	cr_assert_eq(memcmp(mem(STATUS), "\0\1\1", 3), 0);
	cr_assert_eq(vblk_metrics(dev)->errors, 4);
}

Test(blk, indirect_request)
{
	struct g_desc t[3] = {
		{HDR, 16, G_NEXT, 1}, {DATA, 1024, G_NEXT | G_WRITE, 2}, {STATUS, 1, G_WRITE, 0}};
	uint32_t id, used;

	put_hdr(0, 0, 2);
	memcpy(mem(0x1c000), t, sizeof t);
	g_set(&ring[0], 5, 0x1c000, sizeof t, G_INDIRECT, 0);
	g_offer(&ring[0], 5);
	g_kick(dev, 0);
	cr_assert(g_used(&ring[0], &id, &used));
	cr_assert_eq(id, 5);
	cr_assert_eq(used, 1025);
	expect_pattern(DATA, 1024, 1024);
}

Test(blk, rule17_resize)
{
	uint32_t gen = g_rd(dev, 0xfc);

	cr_assert_eq(vblk_resize(dev), 0);
	cr_assert_eq(g_rd(dev, 0xfc), gen, "nothing changed");
	cr_assert_eq(truncate(path, 3 * DISK + 700), 0);
	cr_assert_eq(vblk_resize(dev), 0);
	cr_assert_neq(g_rd(dev, 0xfc), gen);
	cr_assert_eq(g_rd(dev, 0x60) & 2, 2);
	cr_assert_eq(g_rd(dev, 0x100), 3 * DISK / 512 + 1);
	cr_assert_eq(run(0, 3 * DISK / 512, DATA, 512, NULL), 0);
}

Test(blk, sync_finishes_what_is_in_flight)
{
	for (unsigned i = 0; i < 32; i++)
		offer(&ring[0], i, 0, i * 8, DATA + 4096 * i, 4096);
	g_kick(dev, 0);
	cr_assert_eq(vblk_sync(dev), 0);
	cr_assert_eq(g_used_idx(&ring[0]), 32);
	cr_assert_eq(syncs, 1);
}

#define SEC UINT64_C(1000000000)

/* Keep `depth` requests of len bytes in the ring for `secs` of a clock that jumps from one wake-up
 * to the next. Requests served. */
static uint64_t flood(uint32_t type, uint32_t len, unsigned depth, uint64_t secs)
{
	uint64_t end = fake_now + secs * SEC, done = 0, wakes = 0;
	unsigned offered = 0;
	uint32_t id, used;

	up(F_ALL);
	while (fake_now < end) {
		for (; offered < depth; offered++)
			offer(&ring[0], offered, type, 0, DATA, len);
		g_kick(dev, 0);
		/* the queue has stopped by itself: nothing to poll, a time to wake up */
		for (; g_used(&ring[0], &id, &used); offered--)
			done++;
		if (offered == depth) {
			struct pollfd pfd;

			cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 0, "that would spin");
			cr_assert_gt(dev->wake_at, fake_now);
			cr_assert_lt(dev->wake_at, fake_now + 10 * SEC);
			virtio_dev_wake(dev, dev->wake_at - 1);
			g_kick(dev, 0); /* ringing does not help */
			virtio_dev_serve_all(dev);
			cr_assert_eq(g_used_idx(&ring[0]), ring[0].last_used);
			fake_now = dev->wake_at;
			virtio_dev_wake(dev, fake_now);
			wakes++;
		}
	}
	cr_assert_gt(wakes, 0);
	return done;
}

Test(blk, rate_of_bytes)
{
	static const uint32_t len[] = {512, 4096, 65536};

	fake_now = SEC;
	refuse_uring = true;
	vblk_set_limits(dev, &(struct token_bucket){100000, 0, 100}, NULL);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t n = flood(i & 1, len[i], 16, 20) * len[i];

		cr_assert_geq(n, 20 * 950000, "%u", len[i]);
		cr_assert_leq(n, 20 * 1050000, "%u", len[i]);
	}
	cr_assert_gt(vblk_metrics(dev)->throttled, 0);
}

Test(blk, rate_of_operations)
{
	fake_now = SEC;
	refuse_uring = true;
	vblk_set_limits(dev, NULL, &(struct token_bucket){10, 0, 100});
	uint64_t n = flood(4, 0, 8, 50) + flood(0, 4096, 8, 50);

	cr_assert_geq(n, 100 * 95);
	cr_assert_leq(n, 100 * 105);
}

Test(blk, limits_change_while_requests_wait)
{
	fake_now = SEC;
	vblk_set_limits(dev, &(struct token_bucket){4096, 0, 1000}, NULL);
	for (unsigned i = 0; i < 4; i++)
		offer(&ring[0], i, 0, 0, DATA, 4096);
	g_kick(dev, 0);
	wait_used(&ring[0], 1);
	cr_assert_eq(g_used_idx(&ring[0]), 1);
	cr_assert_eq(dev->wake_at, 2 * SEC);
	vblk_set_limits(dev, &(struct token_bucket){8192, 0, 1000}, NULL);
	cr_assert_eq(g_used_idx(&ring[0]), 3, "two fit into the new bucket");
	vblk_set_limits(dev, &(struct token_bucket){0}, NULL);
	cr_assert_eq(g_used_idx(&ring[0]), 4);
	cr_assert_eq(dev->wake_at, UINT64_MAX);
	cr_assert_eq(run(0, 0, DATA, 65536, NULL), 0, "without a limit");
	/* a reset does not fill the bucket, nor does it leave a wake-up behind */
	vblk_set_limits(dev, &(struct token_bucket){512, 0, 1000}, NULL);
	cr_assert_eq(run(0, 0, DATA, 512, NULL), 0);
	offer(&ring[0], 0, 0, 0, DATA, 512);
	g_kick(dev, 0);
	cr_assert_eq(dev->wake_at, fake_now + SEC);
	g_wr(dev, 0x70, 0);
	cr_assert_eq(dev->wake_at, UINT64_MAX);
	up(F_ALL);
	offer(&ring[0], 0, 0, 0, DATA, 512);
	g_kick(dev, 0);
	cr_assert_eq(g_used_idx(&ring[0]), 0);
	cr_assert_eq(dev->wake_at, fake_now + SEC);
}

Test(blk, holes_are_free_and_written_zeroes_are_not)
{
	fake_now = SEC;
	vblk_set_limits(dev, &(struct token_bucket){4096, 0, 1000}, NULL);
	put_range(0, 0, 64, 1);
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 0);
	cr_assert_eq(run(0, 0, DATA + 4096, 512, NULL), 0, "a hole is free");
	refuse_holes = true;
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 0);
	cr_assert_eq(disk_byte(0), 0);
	offer(&ring[0], 0, 0, 0, DATA, 512);
	g_kick(dev, 0);
	/* 32 KiB and 512 bytes, of which the bucket had 3.5 KiB; and 512 now */
	cr_assert_eq(dev->wake_at, fake_now + (32768 + 512 - 3584) * SEC / 4096);
}

Test(blk_file, limited_queues_take_turns)
{
	unsigned served[4] = {0};

	make_disk(DISK);
	cfg.queues = 4;
	cfg.limit.ops = (struct token_bucket){1, 0, 10};
	fake_now = SEC;
	create();
	up(F_ALL | UINT64_C(1) << 12);
	for (unsigned i = 0; i < 400; i++) {
		for (unsigned k = 0; k < 4; k++) {
			uint32_t id, used;

			if (!i || g_used(&ring[k], &id, &used)) {
				served[k] += i != 0;
				offer(&ring[k], k, 0, 0, DATA + 512 * k, 512);
				g_kick(dev, k);
			}
		}
		fake_now = dev->wake_at;
		virtio_dev_wake(dev, fake_now);
	}
	for (unsigned k = 0; k < 4; k++)
		cr_assert_geq(served[k], 60, "queue %u: %u of 400", k, served[k]);
	teardown();
}

Test(blk_file, several_queues)
{
	make_disk(DISK);
	cfg.queues = 8;
	create();
	up(F_ALL | UINT64_C(1) << 12);
	cr_assert_eq(virtio_mmio_read(dev, 0x122, 2), 8);
	for (unsigned k = 0; k < 8; k++) {
		for (unsigned i = 0; i < 4; i++)
			offer(&ring[k], 4 * k + i, 0, (4 * k + i) * 8, DATA + 4096 * (4 * k + i),
			      4096);
	}
	for (unsigned k = 0; k < 8; k++)
		g_kick(dev, k);
	for (unsigned k = 0; k < 8; k++)
		wait_used(&ring[k], 4);
	expect_pattern(DATA, 0, 32 * 4096);
	teardown();
}

Test(blk_file, read_only)
{
	make_disk(DISK);
	cfg.ro = true;
	create();
	cr_assert_eq(dev->offered & (F_DISC | F_ZEROES), 0);
	cr_assert_neq(dev->offered & (1u << 5), 0);
	up(VIRTIO_F_VERSION_1 | F_FLUSH | 1u << 5);
	cr_assert_eq(run(0, 0, DATA, 512, NULL), 0);
	expect_pattern(DATA, 0, 512);
	memset(mem(DATA), 0, 512);
	cr_assert_eq(run(1, 0, DATA, 512, NULL), 1);
	cr_assert_eq(run(11, 0, DATA, 16, NULL), 1);
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 1);
	cr_assert_eq(run(4, 0, 0, 0, NULL), 0);
	cr_assert_eq(disk_byte(1), pattern(1));
	teardown();
}

static int try_open(char *err, size_t len)
{
	struct virtio_dev *d;
	int ret = vblk_create(&d, &cfg, &gm, err, len);

	if (!ret)
		vblk_destroy(d);
	return ret;
}

Test(blk_file, two_vms_do_not_write_one_disk)
{
	char err[320] = "";

	make_disk(DISK);
	create();
	cr_assert_eq(try_open(err, sizeof err), -EBUSY);
	cr_assert_not_null(strstr(err, "in use by another VM"), "%s", err);
	cr_assert_not_null(strstr(err, path));
	cfg.ro = true;
	cr_assert_eq(try_open(err, sizeof err), -EBUSY);
	vblk_destroy(dev);
	create(); /* read-only now */
	cr_assert_eq(try_open(err, sizeof err), 0, "readers share");
	cfg.ro = false;
	cr_assert_eq(try_open(err, sizeof err), -EBUSY);
	cfg.ro = true;
	teardown();
}

/* The kernel takes a ring apart behind the process' back, and its file with it. */
Test(blk_file, a_disk_is_free_once_its_vm_is_gone)
{
	make_disk(DISK);
	for (unsigned i = 0; i < 20; i++) {
		struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		char err[320] = "";
		struct buring b = {0};
		int fd = open(path, O_RDWR | O_CLOEXEC);

		cr_assert_geq(fd, 0);
		cr_assert_eq(fcntl(fd, F_OFD_SETLK, &fl), 0);
		int r = buring_init(&b, 8, &fd, 1);
		if (r == -EPERM || r == -ENOSYS)
			cr_skip_test("no io_uring here");
		cr_assert_eq(r, 0);
		close(fd);
		buring_fini(&b);
		cr_assert_eq(try_open(err, sizeof err), 0, "round %u: %s", i, err);
	}
	unlink(path);
}

/* A deep batch of reads, so that io_uring is there (or refused) before and after. */
static void read_deep(uint16_t *used)
{
	for (unsigned i = 0; i < 8; i++)
		offer(&ring[0], i, 0, 8 * i, DATA + 4096 * i, 4096);
	g_kick(dev, 0);
	*used = (uint16_t)(*used + 8);
	wait_used(&ring[0], *used);
}

Test(blk, restored_with_nothing_to_do_it_sleeps)
{
	struct dev_state st = {0};
	struct pollfd pfd;

	offer(&ring[0], 0, 0, 0, DATA, 512);
	g_kick(dev, 0);
	wait_used(&ring[0], 1);
	dev->ops->save(dev, &st);
	cr_assert_eq(dev->ops->load(dev, &st), 0);
	/* There may be requests in the ring: it looks once. */
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
	dev->ops->on_event(dev, &pfd);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 0, "that would spin");
	offer(&ring[0], 1, 0, 8, DATA, 512);
	g_kick(dev, 0);
	wait_used(&ring[0], 2);
}

Test(blk, another_file_in_its_place)
{
	char first[sizeof path], err[320] = "", none[] = "/tmp/mayfly-no-such-disk";
	uint16_t used = 0;

	read_deep(&used);
	int number = open("/dev/null", O_RDONLY), opened;
	close(number);
	memcpy(first, path, sizeof first);
	cr_expect_eq(vblk_swap(dev, none, err, sizeof err), -ENOENT);
	cr_expect(strstr(err, none), "%s", err);
	cr_expect_eq(vblk_swap(dev, "/tmp", err, sizeof err), -EISDIR, "%s", err);
	cr_expect_eq(vblk_swap(dev, path, err, sizeof err), 0, "the same file again: %s", err);
	read_deep(&used);
	expect_pattern(DATA, 0, 8 * 4096);

	make_disk(DISK / 2);
	int fd = open(path, O_WRONLY);
	cr_assert_eq(pwrite(fd, "other", 5, 0), 5);
	close(fd);
	irqs = 0;
	cr_expect_eq(vblk_swap(dev, path, err, sizeof err), 0, "%s", err);
	cr_expect_eq(g_rd(dev, 0x100), DISK / 2 / 512, "the capacity is the new file's");
	cr_expect_geq(irqs, 1, "the driver is told to look");
	read_deep(&used);
	cr_expect_eq(memcmp(mem(DATA), "other", 5), 0);
	opened = open("/dev/null", O_RDONLY);
	cr_expect_eq(opened, number, "%d, %d: a descriptor is left over", opened, number);
	close(opened);
	unlink(first);
}

Test(blk_file, what_cannot_be_a_disk)
{
	static const struct {
		const char *path, *text;
		int ret;
	} bad[] = {
		{"/nonexistent/disk.img", "create it", -ENOENT},
		{"/dev/null", "neither a regular file nor a block device", -ENOTBLK},
		{"/proc/self/fd", "", 0},
	};
	char err[320] = "";

	cfg = (struct blk_config){.id = "root", .queues = 1};
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cfg.path = bad[i].path;
		int ret = try_open(err, sizeof err);

		cr_assert_lt(ret, 0);
		if (bad[i].ret)
			cr_assert_eq(ret, bad[i].ret);
		cr_assert_not_null(strstr(err, "--block id=root"), "%s", err);
		cr_assert_not_null(strstr(err, bad[i].text), "%s", err);
	}
	make_disk(511);
	cr_assert_eq(try_open(err, sizeof err), -EINVAL);
	cr_assert_not_null(strstr(err, "truncate -s"), "%s", err);
	unlink(path);
	snprintf(path, sizeof path, "/tmp/mayfly-fifo-%d", getpid());
	cr_assert_eq(mkfifo(path, 0600), 0);
	cfg.ro = true;
	cfg.path = path;
	cr_assert_eq(try_open(err, sizeof err), -ENOTBLK, "and it does not hang");
	unlink(path);
}

Test(blk_file, odd_size_is_rounded_down)
{
	make_disk(DISK + 511);
	create();
	cr_assert_eq(g_rd(dev, 0x100), DISK / 512);
	teardown();
}

Test(blk_file, direct)
{
	char err[320] = "";

	make_disk(DISK);
	cfg.direct = true;
	gm = g_ram(1u << 22);
	if (vblk_create(&dev, &cfg, &gm, err, sizeof err) == -EINVAL) {
		cr_assert_not_null(strstr(err, "O_DIRECT"), "%s", err);
		cr_skip_test("no O_DIRECT on /tmp: %s", err);
	}
	dev->irq = irq;
	up(F_ALL);
	/* aligned and deep; then buffers that O_DIRECT cannot take; then single sectors */
	batch(64);
	memset(mem(DATA), 0x21, 8192);
	for (unsigned i = 0; i < 4; i++) {
		memset(mem(DATA + 4096 + 3 + 512 * i), 0x40 + (int)i, 512);
		offer(&ring[0], i, 1, 9 + i, DATA + 4096 + 3 + 512 * i, 512);
	}
	uint16_t used = g_used_idx(&ring[0]);

	g_kick(dev, 0);
	wait_used(&ring[0], (uint16_t)(used + 4));
	cr_assert_eq(memcmp(mem(STATUS), "\0\0\0\0", 4), 0);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(disk_byte((9 + i) * 512), 0x40 + i);
		cr_assert_eq(disk_byte((9 + i) * 512 + 511), 0x40 + i);
	}
	cr_assert_eq(disk_byte(9 * 512 - 1), pattern(9 * 512 - 1));
	cr_assert_eq(disk_byte(13 * 512), pattern(13 * 512));
	/* a long unaligned one: several bounces */
	ring[0].last_used = g_used_idx(&ring[0]);
	cr_assert_eq(run(0, 33, DATA + 1, 512 * 401, NULL), 0);
	expect_pattern(DATA + 1, 33 * 512, 512 * 401);
	memset(mem(DATA + 1), 0x99, 512 * 401);
	cr_assert_eq(run(1, 33, DATA + 1, 512 * 401, NULL), 0);
	cr_assert_eq(disk_byte(33 * 512 - 1), pattern(33 * 512 - 1));
	for (uint64_t o = 33 * 512; o < 434 * 512; o += 511)
		cr_assert_eq(disk_byte(o), 0x99);
	cr_assert_eq(disk_byte(434 * 512), pattern(434 * 512));
	teardown();
}

Test(blk_file, full_disk_is_an_io_error)
{
	char err[320] = "";

	if (geteuid() || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "tmpfs", 0, "size=64k"))
		cr_skip_test("needs root and a mount namespace for a small filesystem");
	snprintf(path, sizeof path, "/mnt/disk");
	int fd = open(path, O_CREAT | O_RDWR, 0600);

	cr_assert_eq(ftruncate(fd, DISK), 0);
	close(fd);
	cfg = (struct blk_config){.id = "root", .path = path, .queues = 1};
	gm = g_ram(1u << 22);
	cr_assert_eq(vblk_create(&dev, &cfg, &gm, err, sizeof err), 0, "%s", err);
	dev->irq = irq;
	up(F_ALL);
	memset(mem(DATA), 1, 131072);
	cr_assert_eq(run(1, 0, DATA, 4096, NULL), 0);
	cr_assert_eq(run(1, 0, DATA, 131072, NULL), 1);
	cr_assert_eq(run(1, 1024, DATA, 4096, NULL), 1);
	cr_assert_eq(run(0, 0, DATA, 4096, NULL), 0, "reads go on");
	cr_assert_eq(run(4, 0, 0, 0, NULL), 0);
	/* tmpfs has no ZERO_RANGE: zeroes are written, and there is no room for them */
	put_range(0, 512, 1024, 0);
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 1);
	put_range(0, 0, 1024, 1);
	cr_assert_eq(run(13, 0, DATA, 16, NULL), 0, "a hole needs no room");
	cr_assert_eq(disk_byte(0), 0);
	vblk_destroy(dev);
}
