/* SPDX-License-Identifier: MIT
 *
 * test_snap_files.c: snapshot files written, read back, and refused when they are not what they
 * were.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/snapshot/memfile.h"
#include "tests/unit/snap.h"

static struct snap_dir d;
static struct snap_written w;
static struct restore_config rc;
static uint8_t *mem, *back;
static char err[512];

static void setup(void)
{
	snap_dir_make(&d);
	mem = snap_memory();
	back = snap_memory();
	snap_pattern(mem, 1);
	rc = (struct restore_config){.path = d.state};
	cr_assert_eq(snap_save(&d, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
}

static void teardown(void)
{
	snap_dir_remove(&d);
}

TestSuite(snap_files, .init = setup, .fini = teardown);

static void poke(const char *path, off_t at, uint8_t xor)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &b, 1, at), 1);
	b ^= xor;
	cr_assert_eq(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	return st.st_size;
}

static void refused(const char *why)
{
	int r = snap_restore(&rc, back, err, sizeof err);

	cr_assert_lt(r, 0, "restored, but: %s", why);
	cr_assert(strstr(err, why), "says '%s', not '%s'", err, why);
}

/* Keep the time stamp: the change is to be found without its help. */
static void keep_time(const char *path, void (*fn)(void))
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	fn();
	cr_assert_eq(utimensat(AT_FDCWD, path, (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
}

Test(snap_files, comes_back_in_every_mode)
{
	static const enum restore_verify mode[] = {VERIFY_AUTO, VERIFY_NONE, VERIFY_FULL,
						   VERIFY_COPY};

	for (unsigned i = 0; i < 4; i++) {
		rc.verify = mode[i];
		back = snap_memory();
		cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
		cr_assert_eq(memcmp(mem, back, SNAP_MEM), 0);
	}
}

Test(snap_files, zero_pages_are_not_stored)
{
	struct stat st;

	cr_assert_eq(w.stored, 9);
	cr_assert_eq(stat(d.mem, &st), 0);
	cr_assert_eq((uint64_t)st.st_size, SNAP_MEM + UK_PAGE);
	cr_assert_leq(st.st_blocks * 512, 32 * 4096, "%ld blocks", (long)st.st_blocks);
	cr_assert_eq(st.st_mode & 0777, 0600);
}

Test(snap_files, writes_stay_private)
{
	cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
	memset(back, 0xee, SNAP_MEM);
	back = snap_memory();
	rc.verify = VERIFY_FULL;
	cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
	cr_assert_eq(memcmp(mem, back, SNAP_MEM), 0);
}

Test(snap_files, every_cut_of_the_state_is_refused)
{
	off_t size = size_of(d.state);

	for (off_t n = size - 1; n >= 0; n -= n <= 512 ? 1 : 97) {
		cr_assert_eq(truncate(d.state, n), 0);
		cr_assert_lt(snap_restore(&rc, back, err, sizeof err), 0, "%ld bytes restored",
			     (long)n);
	}
	cr_assert_eq(snap_save(&d, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
	cr_assert_eq(truncate(d.state, size - 8), 0);
	refused("truncated");
	cr_assert_eq(truncate(d.state, size + 8), 0);
	refused("too many");
}

Test(snap_files, every_changed_byte_of_the_state_is_refused)
{
	off_t size = size_of(d.state);

	for (off_t n = 0; n < size; n += n < 512 ? 1 : 331) {
		poke(d.state, n, 0x10);
		cr_assert_lt(snap_restore(&rc, back, err, sizeof err), 0, "byte %ld", (long)n);
		poke(d.state, n, 0x10);
	}
	cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
	poke(d.state, offsetof(struct snap_head, version), 2);
	refused("format version");
}

Test(snap_files, truncated_memory_is_refused)
{
	cr_assert_eq(truncate(d.mem, SNAP_MEM), 0);
	refused("truncated");
}

Test(snap_files, altered_memory_is_refused_by_its_time_stamp)
{
	poke(d.mem, 41 * UK_PAGE + 5, 1);
	refused("altered");
}

static void change_page(void)
{
	poke(d.mem, 41 * UK_PAGE + 5, 1);
}

static void change_hole(void)
{
	poke(d.mem, 200 * UK_PAGE + 5, 1);
}

Test(snap_files, altered_memory_is_refused_by_its_hash)
{
	keep_time(d.mem, change_page);
	rc.verify = VERIFY_FULL;
	refused("0x20000");
	rc.verify = VERIFY_COPY;
	refused("0x20000");
}

Test(snap_files, what_fills_a_hole_is_not_seen)
{
	keep_time(d.mem, change_hole);
	rc.verify = VERIFY_FULL;
	refused("altered");
	rc.verify = VERIFY_COPY;
	cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
	cr_assert_eq(memcmp(mem, back, SNAP_MEM), 0);
}

Test(snap_files, memory_of_another_snapshot_is_refused)
{
	struct snap_dir other;

	snap_dir_make(&other);
	cr_assert_eq(snap_save(&other, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
	rc.mem = other.mem;
	refused("another snapshot");
	snap_dir_remove(&other);
}

Test(snap_files, foreign_files_are_refused)
{
	rc.path = "/dev/zero";
	refused("no regular file");
	rc.path = "Makefile";
	refused("not the state file");
	rc.path = "build/there/is/none";
	refused("No such file");
	rc.path = d.state;
	rc.mem = "Makefile";
	refused("truncated");
	cr_assert_eq(snap_save(&(struct snap_dir){.state = "/dev/null", .mem = "build/x.mem"}, mem,
			       NULL, NULL, &w, err, sizeof err),
		     -EEXIST);
	cr_assert_not(snap_exists("build/x.mem"));
	cr_assert_not(snap_exists("build/x.mem.new"));
}

Test(snap_files, a_diff_has_what_changed)
{
	uint64_t only[SNAP_MEM / UK_PAGE / 64] = {[0] = 1u << 1 | 1u << 5, [4] = 1};
	struct snap_dir dd = d;
	uint8_t base_id[SNAP_ID];
	struct stat st;

	memcpy(base_id, w.id, sizeof base_id);
	snprintf(dd.state, sizeof dd.state, "%s/diff", d.dir);
	snprintf(dd.mem, sizeof dd.mem, "%s/diff.mem", d.dir);
	memset(mem + 1 * UK_PAGE, 0, UK_PAGE); /* content became zero */
	memset(mem + 5 * UK_PAGE, 7, UK_PAGE);
	memset(mem + 256 * UK_PAGE, 8, UK_PAGE);
	cr_assert_eq(snap_save(&dd, mem, only, base_id, &w, err, sizeof err), 0, "%s", err);
	cr_assert_eq(w.stored, 2);
	cr_assert_eq(stat(dd.mem, &st), 0);
	cr_assert_leq(st.st_blocks * 512, 8 * 4096);
	rc.path = dd.state;
	refused("base=");
	rc.base = d.state;
	for (rc.verify = VERIFY_AUTO; rc.verify <= VERIFY_COPY; rc.verify++) {
		back = snap_memory();
		cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
		cr_assert_eq(memcmp(mem, back, SNAP_MEM), 0, "mode %d", rc.verify);
	}
	cr_assert_eq(snap_save(&d, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
	refused("on top of");
}

Test(snap_files, signature)
{
	struct snap_signer signer;

	snap_signer_make(&signer, &d);
	rc.key = signer.key;
	refused("No such file"); /* no signature, but one is wanted */
	snap_sign(&signer, &d);
	rc.verify = VERIFY_COPY;
	cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
	poke(d.sig, 3, 1);
	refused("not the signature");
	poke(d.sig, 3, 1);
	/* A file that is whole in itself but not the signed one. */
	cr_assert_eq(snap_save(&d, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
	refused("not the signature");
	rc.key = d.mem;
	refused("too large");
	rc.key = d.sig;
	refused("no Ed25519 public key");
}
