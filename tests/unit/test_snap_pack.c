/* SPDX-License-Identifier: MIT
 *
 * test_snap_pack.c: snapshots packed and unpacked: the same bytes come back, and whatever is not
 * what was packed is refused, with nothing left behind.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/tool/command.h"
#include "monitor/snapshot/tool/packed.h"
#include "tests/unit/snap.h"

#define DISK (UINT64_C(3) * UK_PAGE + SNAP_CHUNK) /* two pieces, the second of them short */

static struct snap_dir d, to;
static struct command pack, unpack;
static uint8_t *mem, disk[DISK];
static struct vm_state st;
static char err[1024];

static int put_disk(void *arg, int fd, uint64_t at, uint64_t *ret_len, char *text, size_t len)
{
	(void)arg;
	(void)text;
	(void)len;
	*ret_len = sizeof disk;
	return pwrite(fd, disk, sizeof disk, (off_t)at) == sizeof disk ? 0 : -EIO;
}

static void save(bool with_disk)
{
	const struct snap_cpu cpu = {.vendor = "TestTestTest"};
	struct snap_source src = {
		.state = &st, .cpu = &cpu, .config = "{\"mem\": \"2M\"}", .base = mem};
	struct snap_written w;

	if (with_disk) {
		st.ndevs = st.layout.ndevs = 1;
		st.dev[0] = (struct dev_state){.id = "root",
					       .device_id = 2,
					       .nqueues = 1,
					       .ov_off = SNAP_MEM,
					       .ov_len = DISK};
		snap_hash(st.dev[0].ov_hash, disk, sizeof disk);
		src.disks = put_disk;
	}
	cr_assert_eq(snap_files_write(&src, d.state, d.mem, &w, err, sizeof err), 0, "%s", err);
}

static void setup(void)
{
	snap_dir_make(&d);
	snap_dir_make(&to);
	snap_state(&st);
	mem = snap_memory();
	snap_pattern(mem, 1);
	for (unsigned i = 0; i < SNAP_CHUNK; i++)	   /* a chunk that no zstd makes smaller */
		mem[SNAP_CHUNK * 5 + i] = (uint8_t)rand(); // NOLINT
	memset(disk, 0x5a, UK_PAGE);
	memset(disk + SNAP_CHUNK, 0xa5, UK_PAGE);
	save(true);
	pack = (struct command){.arg = {d.state, d.packed}, .level = 3};
	unpack = (struct command){.arg = {d.packed, to.state}};
}

static void teardown(void)
{
	snap_dir_remove(&d);
	snap_dir_remove(&to);
}

TestSuite(snap_pack, .init = setup, .fini = teardown);

struct bytes {
	uint8_t *p;
	size_t len;
};

static struct bytes slurp(const char *path)
{
	struct bytes b;
	void *p;

	cr_assert_eq(snap_read(path, 1 << 24, &p, &b.len, err, sizeof err), 0, "%s", err);
	b.p = p;
	return b;
}

static void spit(const char *path, const uint8_t *p, size_t len)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	cr_assert_eq(write(fd, p, len), (ssize_t)len);
	close(fd);
}

static void do_pack(void)
{
	cr_assert_eq(command_pack(&pack, err, sizeof err), 0, "%s", err);
}

static void same(const char *a, const char *b)
{
	struct bytes x = slurp(a), y = slurp(b);

	cr_assert_eq(x.len, y.len, "%s and %s", a, b);
	cr_assert_eq(memcmp(x.p, y.p, x.len), 0, "%s and %s", a, b);
	free(x.p);
	free(y.p);
}

static void empty(const char *after)
{
	char path[120];
	const char *name[] = {to.state, to.mem, to.sig};

	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s.new", name[i]);
		cr_assert_not(snap_exists(name[i]), "%s is there after: %s", name[i], after);
		cr_assert_not(snap_exists(path), "%s is there after: %s", path, after);
	}
}

static void refused(const char *why)
{
	int r = command_unpack(&unpack, err, sizeof err);

	cr_assert_lt(r, 0, "unpacked, but: %s", why);
	cr_assert(strstr(err, why), "says '%s', not '%s'", err, why);
	empty(why);
}

Test(snap_pack, comes_back)
{
	struct stat a, b, p;

	do_pack();
	cr_assert_eq(command_unpack(&unpack, err, sizeof err), 0, "%s", err);
	same(d.state, to.state);
	same(d.mem, to.mem);
	cr_assert(!stat(d.mem, &a) && !stat(to.mem, &b) && !stat(d.packed, &p));
	cr_assert(a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec,
		  "the next restore would read all of it again");
	cr_assert_leq(b.st_blocks, a.st_blocks + 16, "holes became zeroes");
	cr_assert_lt(p.st_size, 2 * SNAP_CHUNK, "%ld bytes packed", (long)p.st_size);
	cr_assert_eq(p.st_mode & 0777, 0600);
	cr_assert_not(snap_exists(to.sig));
	for (unsigned i = 0; i < 2; i++) {
		const struct command c = {.arg = {i ? d.packed : to.state}};

		cr_assert_eq(command_verify(&c, err, sizeof err), 0, "%s", err);
	}
}

Test(snap_pack, restored_as_it_is_names_the_fix)
{
	const struct restore_config rc = {.path = d.packed};

	do_pack();
	cr_assert_lt(snap_restore(&rc, mem, err, sizeof err), 0);
	cr_assert(strstr(err, "mayfly-snapshot unpack"), "%s", err);
}

Test(snap_pack, takes_its_signature_along)
{
	struct snap_signer signer, another;

	snap_signer_make(&another, &to);
	snap_signer_make(&signer, &d);
	pack.key = signer.key;
	cr_assert_lt(command_pack(&pack, err, sizeof err), 0);
	cr_assert(strstr(err, "vm.sig: No such file"), "%s", err);
	pack.key = NULL;
	do_pack();
	unpack.key = signer.key;
	refused("has no signature");
	snap_sign(&signer, &d);
	do_pack();
	unpack.key = another.key;
	refused("is not the signature");
	unpack.key = signer.key;
	cr_assert_eq(command_unpack(&unpack, err, sizeof err), 0, "%s", err);
	same(d.sig, to.sig);
}

/* Each byte of the head, every few of the state and of the end. */
static size_t step(const struct bytes *b, size_t n)
{
	return n < sizeof(struct packed_head) ? 1 : n < 4096 || n + 4096 > b->len ? 13 : 1999;
}

/* Cut off anywhere: refused, and nothing is there. */
Test(snap_pack, truncated)
{
	do_pack();
	struct bytes b = slurp(d.packed);

	for (size_t n = 0; n < b.len; n += step(&b, n)) {
		spit(d.packed, b.p, n);
		refused(n < 8 ? "is no packed snapshot" : "is truncated");
	}
	uint8_t *more = calloc(1, b.len + 1);

	memcpy(more, b.p, b.len);
	spit(d.packed, more, b.len + 1);
	refused("bytes too many");
	free(more);
	free(b.p);
}

/* A bit anywhere: what is believed nevertheless is the same snapshot. */
Test(snap_pack, altered)
{
	unsigned accepted = 0, tried = 0;

	do_pack();
	struct bytes b = slurp(d.packed);

	for (size_t n = 0; n < b.len; n += step(&b, n), tried++) {
		b.p[n] ^= (uint8_t)(1u << n % 8);
		spit(d.packed, b.p, b.len);
		b.p[n] ^= (uint8_t)(1u << n % 8);
		if (command_unpack(&unpack, err, sizeof err)) {
			empty(err);
			continue;
		}
		accepted++;
		same(d.state, to.state);
		same(d.mem, to.mem);
		unlink(to.state);
		unlink(to.mem);
		unlink(to.sig);
	}
	/* Of the signature's bytes, of no use without one, and here and there of zstd's. */
	cr_assert_lt(accepted, tried / 4, "%u of %u", accepted, tried);
	free(b.p);
}

Test(snap_pack, what_was_altered_is_not_packed)
{
	int fd = open(d.mem, O_RDWR);

	cr_assert_eq(pwrite(fd, "x", 1, SNAP_CHUNK * 5), 1);
	cr_assert_lt(command_pack(&pack, err, sizeof err), 0);
	cr_assert(strstr(err, "vm.mem: was altered: the hash of memory from 0x50000"), "%s", err);
	cr_assert_not(snap_exists(d.packed));
	save(true);
	close(fd);
	fd = open(d.mem, O_RDWR);
	cr_assert_eq(pwrite(fd, "x", 1, SNAP_MEM + UK_PAGE), 1);
	close(fd);
	cr_assert_lt(command_pack(&pack, err, sizeof err), 0);
	cr_assert(strstr(err, "what disk 'root' had is damaged"), "%s", err);
}

/* Where the first record after the state begins. */
static size_t contents(const struct bytes *b)
{
	const struct packed_head *h = (const void *)b->p;
	size_t at = sizeof *h;

	for (uint64_t n = 0; n < h->state_len; n += SNAP_CHUNK) {
		uint32_t word;

		memcpy(&word, b->p + at, sizeof word);
		at += sizeof word + (word & ~RECORD_PLAIN);
	}
	return at;
}

Test(snap_pack, a_frame_that_grows_without_end)
{
	static uint8_t zero[8 << 20];
	uint8_t frame[SNAP_CHUNK];

	do_pack();
	struct bytes b = slurp(d.packed);
	size_t at = contents(&b);
	uint32_t n = (uint32_t)ZSTD_compress(frame, sizeof frame, zero, sizeof zero, 3);

	cr_assert_lt(n, 4096);
	memcpy(b.p + at, &n, sizeof n);
	memcpy(b.p + at + sizeof n, frame, n);
	spit(d.packed, b.p, b.len);
	refused("is damaged");
	n = UINT32_MAX;
	memcpy(b.p + at, &n, sizeof n);
	spit(d.packed, b.p, b.len);
	refused("is damaged");
	n = 0x7fffffff;
	memcpy(b.p + at, &n, sizeof n);
	spit(d.packed, b.p, b.len);
	refused("is damaged");
}

Test(snap_pack, more_than_is_wanted)
{
	do_pack();
	unpack.limit = SNAP_CHUNK;
	refused("--limit is 65536");
	unpack.limit = 1 << 20;
	cr_assert_eq(command_unpack(&unpack, err, sizeof err), 0, "%s", err);
}

static void head(size_t at, uint8_t byte, const char *why)
{
	struct bytes b = slurp(d.packed);
	uint8_t was = b.p[at];

	b.p[at] = byte;
	spit(d.packed, b.p, b.len);
	refused(why);
	b.p[at] = was;
	spit(d.packed, b.p, b.len);
	free(b.p);
}

Test(snap_pack, a_head_of_nonsense)
{
	do_pack();
	head(0, 'X', "is no packed snapshot");
	head(8, 9, "packed format version 9");
	head(12, 1, "packed format version");
	head(16 + 7, 0xff, "header of nonsense");
	head(24, 2, "header of nonsense");
	head(28, 1, "header of nonsense");
	head(16, 0, "is damaged"); /* a state that is shorter than its record */
}

Test(snap_pack, a_diff_and_what_is_below_become_one)
{
	uint64_t only[SNAP_MEM / UK_PAGE / 64] = {0};
	struct snap_dir diff;
	struct snap_written w;
	uint8_t *back = snap_memory();

	snap_dir_make(&diff);
	snap_state(&st);
	save(false);
	cr_assert_eq(snap_save(&d, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
	memset(mem + 40 * UK_PAGE, 0, UK_PAGE);
	memset(mem + 200 * UK_PAGE, 9, UK_PAGE);
	only[40 / 64] |= UINT64_C(1) << 40 % 64;
	only[200 / 64] |= UINT64_C(1) << 200 % 64;
	cr_assert_eq(snap_save(&diff, mem, only, w.id, &w, err, sizeof err), 0, "%s", err);
	const struct command c = {.arg = {diff.state, d.state, to.state}};
	const struct command no = {.arg = {d.state, d.state, to.state}};
	const struct restore_config rc = {.path = to.state, .verify = VERIFY_FULL};

	cr_assert_lt(command_merge(&no, err, sizeof err), 0);
	cr_assert(strstr(err, "is no diff"), "%s", err);
	cr_assert_eq(command_merge(&c, err, sizeof err), 0, "%s", err);
	cr_assert_eq(snap_restore(&rc, back, err, sizeof err), 0, "%s", err);
	cr_assert_eq(memcmp(mem, back, SNAP_MEM), 0);
	/* A diff by itself is packed like any other. */
	pack.arg[0] = diff.state;
	do_pack();
	unlink(to.state);
	cr_assert_eq(command_unpack(&unpack, err, sizeof err), 0, "%s", err);
	same(diff.state, to.state);
	snap_dir_remove(&diff);
}
