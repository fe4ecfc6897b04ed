/* SPDX-License-Identifier: MIT
 *
 * test_snap_parts.c: CPU features compared, working sets judged.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/snapshot/cpu.h"
#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/wset_file.h"

/* --- CPU --- */

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 e[4];
} cpuid = {
	.head.nent = 4,
	.e =
		{
			{.function = 0, .ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e},
			{.function = 1, .ecx = 1u << 28 | 1u << 27 | 1u << 25, .edx = 1u << 25},
			{.function = 7, .index = 0, .ebx = 1u << 5},
			{.function = 7, .index = 1, .eax = 1u << 4},
		},
};

static struct snap_cpu saved, host;
static char err[300];

static void collect(void)
{
	snap_cpu_collect(&cpuid.head, &saved);
	host = saved;
}

TestSuite(snap_cpu, .init = collect);

Test(snap_cpu, is_read_from_the_right_words)
{
	cr_assert_eq(memcmp(saved.vendor, "GenuineIntel", 12), 0);
	cr_assert_eq(saved.word[CPU_1_ECX], 1u << 28 | 1u << 25, "OSXSAVE is the guest's doing");
	cr_assert_eq(saved.word[CPU_1_EDX], 1u << 25);
	cr_assert_eq(saved.word[CPU_7_EBX], 1u << 5);
	cr_assert_eq(saved.word[CPU_7_1_EAX], 1u << 4);
	cr_assert_eq(saved.word[CPU_EXT_1_ECX], 0);
}

Test(snap_cpu, more_features_are_no_obstacle)
{
	host.word[CPU_7_ECX] = ~0u;
	cr_assert_eq(snap_cpu_check(&saved, &host, err, sizeof err), 0);
}

Test(snap_cpu, each_missing_feature_is_one)
{
	for (unsigned w = 0; w < CPU_WORDS; w++)
		for (unsigned b = 0; b < 32; b++) {
			struct snap_cpu want = host;

			if (host.word[w] >> b & 1)
				continue;
			want.word[w] |= 1u << b;
			cr_assert_eq(snap_cpu_check(&want, &host, err, sizeof err), -ENOTSUP);
		}
	host.word[CPU_7_EBX] = 0;
	host.word[CPU_1_ECX] = 1u << 28;
	cr_assert_eq(snap_cpu_check(&saved, &host, err, sizeof err), -ENOTSUP);
	cr_assert(strstr(err, "lacks: AES, AVX2;"), "%s", err);
}

Test(snap_cpu, another_vendor_is_refused)
{
	memcpy(host.vendor, "AuthenticAMD", 12);
	cr_assert_eq(snap_cpu_check(&saved, &host, err, sizeof err), -ENOTSUP);
	cr_assert(strstr(err, "'GenuineIntel'") && strstr(err, "'AuthenticAMD'"), "%s", err);
}

/* --- working set --- */

static const uint8_t id[SNAP_ID] = {1, 2, 3};
static struct {
	struct wset_head head;
	struct wset_run run[3];
} file = {.head = {.version = SNAP_VERSION, .nruns = 3, .id = {1, 2, 3}},
	  .run = {{0, 2}, {2, 1 | WSET_WRITTEN}, {98, 2}}};
static uint32_t n;

static const struct wset_run *decode(void)
{
	memcpy(file.head.magic, WSET_MAGIC, 8);
	snap_hash(file.head.checksum, file.run, sizeof file.run);
	return wset_decode(&file, sizeof file, id, 100, &n);
}

Test(wset, good)
{
	cr_assert(decode());
	cr_assert_eq(n, 3);
}

Test(wset, bad)
{
	cr_assert(decode());
	for (size_t i = 0; i < sizeof file; i++) {
		((uint8_t *)&file)[i] ^= 4;
		cr_assert_not(wset_decode(&file, sizeof file, id, 100, &n), "byte %zu", i);
		((uint8_t *)&file)[i] ^= 4;
	}
	for (size_t len = 0; len < sizeof file; len++)
		cr_assert_not(wset_decode(&file, len, id, 100, &n), "%zu bytes", len);
	file.run[2].count = 3;
	cr_assert_not(decode(), "beyond the guest's memory");
	file.run[2] = (struct wset_run){UINT32_MAX, 1};
	cr_assert_not(decode(), "a page that wraps");
	file.run[2] = (struct wset_run){2, 1};
	cr_assert_not(decode(), "overlap");
	file.run[2] = (struct wset_run){50, 0};
	cr_assert_not(decode(), "empty run");
}

Test(wset, is_written_as_it_is_read)
{
	static char buf[4096];
	char path[64];

	mkdir("build", 0755);
	snprintf(path, sizeof path, "build/test_wset.%d", getpid());
	cr_assert_eq(wset_write(path, id, file.run, 3), 0);
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, buf, sizeof buf);
	close(fd);
	unlink(path);
	const struct wset_run *run = wset_decode(buf, (size_t)len, id, 100, &n);
	cr_assert(run);
	cr_assert_eq(memcmp(run, file.run, sizeof file.run), 0);
}
