/* SPDX-License-Identifier: MIT
 *
 * test_overlay.c: overlays against a model, byte by byte, in memory and in a file; the limit; what
 * a rewind leaves; the order of system calls that makes a flush durable; files that lie.
 */
#include "monitor/backend/overlay.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor/backend/file.h"
#include "monitor/backend/overlay_priv.h"
#include "monitor/config.h"

#define DISK ((64u << 12) + 1536) /* the last cluster is cut short */

static char base_path[64], ov_path[80], err[400];
static uint8_t model[DISK], image[DISK];
static struct blk_config cfg;
static struct bfile base;
static struct overlay *ov;

/* What reaches the kernel: 'd' a write behind the map, 'm' one to the map, 's' a sync. */
static char calls[256];
static unsigned ncalls;

static void note(char c)
{
	if (ncalls < sizeof calls - 1)
		calls[ncalls++] = c;
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	note('s');
	return __real_fdatasync(fd);
}

static bool fail_map;

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == SYS_pwritev2) {
		note(d < 8192 ? 'm' : 'd');
		if (d < 8192 && fail_map) {
			errno = EIO;
			return -1;
		}
	}
	return __real_syscall(nr, a, b, c, d, e, f);
}

static uint64_t rnd_state = 1;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rnd_state >> 33) % n;
}

static void make_base(void)
{
	snprintf(base_path, sizeof base_path, "/tmp/mayfly-base-XXXXXX");
	int fd = mkstemp(base_path);

	for (unsigned i = 0; i < DISK; i++)
		image[i] = (uint8_t)(i * 7 + (i >> 9) * 13 + 1);
	cr_assert_eq(write(fd, image, DISK), DISK);
	close(fd);
	memcpy(model, image, DISK);
	snprintf(ov_path, sizeof ov_path, "%s.ov", base_path);
	cfg = (struct blk_config){.id = "root", .path = base_path, .overlay = "mem", .queues = 1};
}

static int try_open(void)
{
	struct blk_config below = cfg;

	below.ro = true;
	cr_assert_eq(bfile_open(&base, &below, err, sizeof err), 0, "%s", err);
	int r = overlay_open(&ov, &base, &cfg, err, sizeof err);

	if (r)
		bfile_close(&base);
	return r;
}

static void up(const char *overlay, uint64_t max)
{
	if (!base_path[0])
		make_base();
	cfg.overlay = overlay;
	cfg.overlay_max = max;
	cr_assert_eq(try_open(), 0, "%s", err);
}

static void shut(void)
{
	overlay_close(ov);
	bfile_close(&base);
}

static void clean(void)
{
	uint8_t now[DISK];
	int fd = open(base_path, O_RDONLY);

	cr_assert_eq(read(fd, now, DISK), DISK);
	cr_assert_eq(memcmp(now, image, DISK), 0, "the image below is as it was");
	close(fd);
	unlink(base_path);
	unlink(ov_path);
}

TestSuite(overlay, .fini = clean);

/* --- requests of random buffers --- */

static uint8_t buf[DISK];

static unsigned cut(struct iovec *iov, uint8_t *p, uint32_t len)
{
	unsigned n = 0;

	while (len) {
		uint32_t part = n == 15 ? len : 1 + rnd(len);

		iov[n++] = (struct iovec){.iov_base = p, .iov_len = part};
		p += part;
		len -= part;
	}
	return n;
}

static void get(uint64_t off, uint32_t len)
{
	struct iovec iov[16];

	memset(buf, 0xee, len);
	cr_assert_eq(overlay_read(ov, iov, cut(iov, buf, len), off), 0);
	cr_assert_eq(memcmp(buf, model + off, len), 0, "%u bytes at %lu", len, off);
}

static int put(uint64_t off, uint32_t len)
{
	struct iovec iov[16];

	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)rnd(256);
	int r = overlay_write(ov, iov, cut(iov, buf, len), off, false);

	if (!r)
		memcpy(model + off, buf, len);
	return r;
}

static void zero(uint64_t off, uint32_t len)
{
	cr_assert_eq(overlay_zero(ov, off, len, rnd(2), false), 0);
	memset(model + off, 0, len);
}

/* Whole clusters read as the image below, the rest as before. */
static void discard(uint64_t off, uint32_t len)
{
	cr_assert_eq(overlay_discard(ov, off, len), 0);
	for (uint64_t c = 0; c * CL < DISK; c++)
		if (c * CL >= off && (c * CL + CL <= off + len || off + len == DISK))
			memcpy(model + c * CL, image + c * CL, cluster_len(ov, c));
}

static void any(void)
{
	uint32_t what = rnd(8), len = (1 + rnd(what & 1 ? 8 : 80)) * 512;
	uint64_t off = (uint64_t)rnd(DISK / 512) * 512;

	if (len > DISK - off)
		len = (uint32_t)(DISK - off);
	if (what < 4)
		cr_assert_eq(put(off, len), 0);
	else if (what < 5)
		zero(off, len);
	else if (what < 6)
		discard(off, len);
	else
		get(off, len);
}

static void against_model(void)
{
	static uint8_t marked[DISK];

	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 100; i++)
			any();
		get(0, DISK);
		if (round % 3 == 0) {
			overlay_mark(ov);
			memcpy(marked, model, DISK);
		} else {
			cr_assert_eq(overlay_rewind(ov), 0);
			memcpy(model, marked, DISK);
			get(0, DISK);
			cr_assert_eq(ov->kept, 0);
		}
	}
	uint64_t n = 0, c = 0;

	while (overlay_next(ov, c, &c)) {
		n++;
		c++;
	}
	cr_assert_eq(n, ov->used, "the count is the map's");
}

Test(overlay, in_memory_is_a_disk)
{
	up("mem", 0);
	against_model();
	shut();
}

Test(overlay, in_a_file_is_a_disk)
{
	make_base();
	up(ov_path, 0);
	against_model();
	cr_assert_eq(overlay_sync(ov), 0);
	shut();
	up(ov_path, 0);
	get(0, DISK);
	shut();
}

Test(overlay, extents_tell_the_layers_apart)
{
	bool here;

	up("mem", 0);
	cr_assert_eq(put(3 * CL, 2 * CL), 0);
	cr_assert_eq(overlay_extent(ov, 512, 10 * CL, &here), 3 * CL - 512);
	cr_assert(!here);
	cr_assert_eq(overlay_extent(ov, 3 * CL + 512, 10 * CL, &here), 2 * CL - 512);
	cr_assert(here);
	cr_assert_eq(overlay_extent(ov, 5 * CL, DISK - 5 * CL, &here), DISK - 5 * CL);
	cr_assert(!here);
	shut();
}

Test(overlay, whole_clusters_need_nothing_from_below)
{
	up("mem", 0);
	cr_assert_eq(put(CL, 4 * CL), 0);
	cr_assert_eq(put(DISK - 1536, 1536), 0);
	cr_assert_eq(overlay_metrics(ov).copyups, 0);
	cr_assert_eq(put(10 * CL + 512, CL), 0);
	cr_assert_eq(overlay_metrics(ov).copyups, 2);
	cr_assert_eq(put(20 * CL + 512, 512), 0);
	cr_assert_eq(overlay_metrics(ov).copyups, 3);
	get(0, DISK);
	shut();
}

Test(overlay, a_full_one_refuses_and_changes_nothing)
{
	up("mem", 4 * CL);
	cr_assert_eq(put(0, 3 * CL), 0);
	cr_assert_eq(put(8 * CL, 2 * CL), -ENOSPC);
	get(0, DISK);
	cr_assert_eq(overlay_metrics(ov).full, 1);
	cr_assert_eq(put(8 * CL, CL), 0);
	cr_assert_eq(put(512, 2 * CL), 0, "what is here already may change");
	discard(0, CL);
	cr_assert_eq(put(9 * CL, CL), 0, "a discarded cluster makes room");
	cr_assert_eq(put(30 * CL, CL), -ENOSPC);
	get(0, DISK);
	shut();
}

Test(overlay, what_a_rewind_needs_counts)
{
	up("mem", 4 * CL);
	cr_assert_eq(put(0, 3 * CL), 0);
	overlay_mark(ov);
	cr_assert_eq(put(0, CL), 0);
	cr_assert_eq(put(0, CL), 0, "once");
	cr_assert_eq(put(CL, CL), -ENOSPC);
	cr_assert_eq(overlay_rewind(ov), 0);
	cr_assert_eq(put(CL, CL), 0);
	shut();
}

static unsigned resident(const uint8_t *p, uint64_t clusters)
{
	static unsigned char vec[256];
	unsigned n = 0;

	cr_assert_eq(mincore((void *)(uintptr_t)p, clusters * CL, vec), 0);
	for (uint64_t i = 0; i < clusters; i++)
		n += vec[i] & 1;
	return n;
}

Test(overlay, a_rewind_leaves_no_memory)
{
	up("mem", 0);
	cr_assert_eq(put(0, CL), 0);
	uint64_t clusters = overlay_clusters(ov);

	overlay_mark(ov);
	cr_assert_eq(put(0, 40 * CL + 512), 0);
	cr_assert_gt(resident(ov->mem, clusters), 40);
	cr_assert_eq(resident(ov->mem + ov->span, clusters), 1);
	cr_assert_eq(overlay_rewind(ov), 0);
	cr_assert_eq(resident(ov->mem, clusters), 1);
	cr_assert_eq(resident(ov->mem + ov->span, clusters), 0);
	cr_assert_eq(ov->used, 1);
	shut();
}

Test(overlay, a_forked_copy_has_its_own)
{
	struct bfile again;
	struct overlay *copy;
	struct blk_config below = {.id = "root", .ro = true};
	int status;

	up("mem", 0);
	cr_assert_eq(put(CL, 3 * CL), 0);
	overlay_mark(ov);
	cr_assert_eq(put(2 * CL, CL), 0);
	pid_t pid = fork();

	if (pid == 0) {
		below.path = base_path;
		cr_assert_eq(bfile_open(&again, &below, err, sizeof err), 0);
		cr_assert_eq(overlay_open(&copy, &again, &cfg, err, sizeof err), 0);
		uint8_t *was = ov->mem + ov->span;

		overlay_inherit(copy, ov);
		cr_assert_eq(resident(was, overlay_clusters(copy)), 0, "nothing is kept twice");
		ov = copy;
		get(0, DISK);
		cr_assert_eq(ov->used, 3);
		cr_assert_eq(put(0, DISK), 0);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	get(0, DISK);
	shut();
}

/* --- the file --- */

Test(overlay, a_flush_writes_the_map_between_two_syncs)
{
	make_base();
	up(ov_path, 0);
	ncalls = 0;
	cr_assert_eq(put(CL, CL), 0);
	cr_assert(!overlay_sync_is_plain(ov));
	cr_assert_eq(overlay_sync(ov), 0);
	cr_assert_str_eq(calls, "dsms");
	cr_assert(overlay_sync_is_plain(ov));
	memset(calls, 0, sizeof calls);
	ncalls = 0;
	cr_assert_eq(put(CL, CL), 0);
	cr_assert_eq(overlay_sync(ov), 0);
	cr_assert_str_eq(calls, "ds", "no new cluster, no map");
	shut();
}

Test(overlay, what_was_not_flushed_is_the_image_below)
{
	make_base();
	up(ov_path, 0);
	cr_assert_eq(put(CL, CL), 0);
	cr_assert_eq(overlay_sync(ov), 0);
	struct iovec iov = {.iov_base = buf, .iov_len = CL};

	cr_assert_eq(overlay_write(ov, &iov, 1, 5 * CL, false), 0);
	shut(); /* no flush: as killed */
	up(ov_path, 0);
	get(0, DISK);
	cr_assert_eq(ov->used, 1);
	shut();
}

Test(overlay, stable_writes_are_there_without_a_flush)
{
	struct iovec iov = {.iov_base = buf, .iov_len = CL};

	make_base();
	up(ov_path, 0);
	memset(buf, 0x5a, CL);
	cr_assert_eq(overlay_write(ov, &iov, 1, 5 * CL, true), 0);
	memcpy(model + 5 * CL, buf, CL);
	cr_assert_eq(overlay_zero(ov, 7 * CL, 2 * CL, false, true), 0);
	memset(model + 7 * CL, 0, 2 * CL);
	shut();
	up(ov_path, 0);
	get(0, DISK);
	shut();
}

Test(overlay, a_map_that_cannot_be_written_is_tried_again)
{
	make_base();
	up(ov_path, 0);
	cr_assert_eq(put(CL, CL), 0);
	fail_map = true;
	cr_assert_eq(overlay_sync(ov), -EIO);
	fail_map = false;
	cr_assert_eq(overlay_sync(ov), 0);
	shut();
	up(ov_path, 0);
	get(0, DISK);
	shut();
}

/* A crash right after a rewind must not find clusters whose data is gone. */
Test(overlay, a_rewound_file_says_so)
{
	make_base();
	up(ov_path, 0);
	cr_assert_eq(put(3 * CL, CL), 0);
	overlay_mark(ov);
	static uint8_t marked[DISK];

	memcpy(marked, model, DISK);
	cr_assert_eq(put(0, 10 * CL), 0);
	cr_assert_eq(overlay_sync(ov), 0);
	cr_assert_eq(overlay_rewind(ov), 0);
	memcpy(model, marked, DISK);
	shut();
	up(ov_path, 0);
	get(0, DISK);
	cr_assert_eq(ov->used, 1);
	shut();
}

static void refused(int code, const char *why)
{
	int r = try_open();

	cr_assert_eq(r, code, "%d, not %d: %s", r, code, r ? err : "taken");
	cr_assert(strstr(err, why), "'%s' has no '%s'", err, why);
	cr_assert(strstr(err, "--block id=root: overlay "), "%s", err);
}

static void patch(uint64_t off, const void *p, size_t n)
{
	int fd = open(ov_path, O_WRONLY);

	cr_assert_eq(pwrite(fd, p, n, (off_t)off), (ssize_t)n);
	close(fd);
}

Test(overlay, files_that_are_no_overlay_of_this_image)
{
	static const struct {
		unsigned at;
		const char *why;
	} head[] = {{0, "is something else"},	      {8, "format version"},
		    {12, "format version"},	      {16, "belongs to an image of"},
		    {24, "belongs to another image"}, {40, "format version"},
		    {4095, "format version"}};
	uint8_t was, is;

	make_base();
	up(ov_path, 0);
	shut();
	for (unsigned i = 0; i < sizeof head / sizeof head[0]; i++) {
		int fd = open(ov_path, O_RDONLY);

		cr_assert_eq(pread(fd, &was, 1, head[i].at), 1);
		close(fd);
		is = was ^ 1;
		patch(head[i].at, &is, 1);
		refused(head[i].at == 16 || head[i].at == 24 ? -ESTALE : -EINVAL, head[i].why);
		patch(head[i].at, &was, 1);
	}
	/* 65 clusters: bit 65 is one too many. */
	is = 2;
	patch(CL + 8, &is, 1);
	refused(-EINVAL, "beyond the end");
	is = 0;
	patch(CL + 8, &is, 1);
	up(ov_path, 0);
	shut();
	cr_assert_eq(truncate(ov_path, 10), 0);
	refused(-EINVAL, "format version");
	cr_assert_eq(truncate(ov_path, 0), 0);
	up(ov_path, 0);
	get(0, DISK);
	shut();
}

Test(overlay, a_map_without_clusters_reads_as_zeroes)
{
	uint8_t all = 0xff;

	make_base();
	up(ov_path, 0);
	shut();
	patch(CL, &all, 1);
	cr_assert_eq(truncate(ov_path, 2 * CL), 0);
	memset(model, 0, 8 * CL);
	up(ov_path, 0);
	get(0, DISK);
	shut();
}

Test(overlay, other_files_are_refused)
{
	make_base();
	cfg.overlay = base_path;
	refused(-EINVAL, "is the image below");
	cfg.overlay = "/tmp";
	refused(-EISDIR, "cannot be opened");
	cfg.overlay = "/dev/null";
	refused(-EINVAL, "is no regular file");
	cfg.overlay = "/nowhere/x";
	refused(-ENOENT, "cannot be opened");
	up(ov_path, 0);
	struct overlay *first = ov;

	refused(-EBUSY, "in use by another VM");
	ov = first;
	cr_assert_eq(bfile_sync(&ov->file), 0);
	overlay_close(ov);
}

Test(overlay, an_image_that_was_written_to_is_another)
{
	struct timespec t[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	make_base();
	up(ov_path, 0);
	shut();
	cr_assert_eq(utimensat(AT_FDCWD, base_path, t, 0), 0);
	refused(-ESTALE, "was written to since");
}

Test(overlay, is_private)
{
	struct stat st;

	make_base();
	up(ov_path, 0);
	cr_assert_eq(stat(ov_path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq((uint64_t)st.st_size, ov->data + ov->span);
	shut();
}
