/* SPDX-License-Identifier: MIT
 *
 * mmap, munmap in parts, mremap, MAP_FIXED, brk, and the refusals that mmap.c promises.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"

#define PAGE 4096u
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static int all(const char *p, size_t len, char v)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != v)
			return 0;
	return 1;
}

static void partial_unmap(void)
{
	char *p = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED && all(p, 8 * PAGE, 0));
	memset(p, 'x', 8 * PAGE);
	CHECK(!munmap(p + 2 * PAGE, 3 * PAGE));
	CHECK(all(p, 2 * PAGE, 'x') && all(p + 5 * PAGE, 3 * PAGE, 'x'));
	/* The hole is usable, zeroed, and its neighbours keep what they hold. */
	char *q = mmap(p + 2 * PAGE, 3 * PAGE, RW, ANON | MAP_FIXED, -1, 0);

	CHECK(q == p + 2 * PAGE && all(q, 3 * PAGE, 0));
	memset(q, 'y', 3 * PAGE);
	CHECK(all(p, 2 * PAGE, 'x') && all(p + 5 * PAGE, 3 * PAGE, 'x'));
	/* MAP_FIXED replaces. */
	CHECK(mmap(p, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p && all(p, 2 * PAGE, 0));
	CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
	      errno == EEXIST);
	CHECK(!munmap(p, 8 * PAGE));
	CHECK(!munmap(p, 8 * PAGE)); /* nothing there: still fine */
}

static void remap(void)
{
	char *p = mmap(NULL, 5 * PAGE, RW, ANON, -1, 0), *wall, *q;

	CHECK(p != MAP_FAILED && !munmap(p + 4 * PAGE, PAGE));
	memset(p, 'a', 4 * PAGE);
	CHECK(mremap(p, 4 * PAGE, 2 * PAGE, 0) == p && all(p, 2 * PAGE, 'a'));
	CHECK(mremap(p, 2 * PAGE, 4 * PAGE, 0) == p);
	CHECK(all(p, 2 * PAGE, 'a') && all(p + 2 * PAGE, 2 * PAGE, 0));
	wall = mmap(p + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	CHECK(wall == p + 4 * PAGE);
	CHECK(mremap(p, 4 * PAGE, 64 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	CHECK(all(q, 2 * PAGE, 'a') && all(q + 2 * PAGE, 62 * PAGE, 0));
	CHECK(!munmap(q, 64 * PAGE) && !munmap(wall, PAGE));
	/* Memory that was moved into and freed is zero when it comes back. */
	q = mmap(NULL, 128 * PAGE, RW, ANON, -1, 0);
	CHECK(q != MAP_FAILED && all(q, 128 * PAGE, 0));
	CHECK(!munmap(q, 128 * PAGE));
}

static void refusals(void)
{
	char *p = mmap(NULL, PAGE, RW, ANON, -1, 0);

	CHECK(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, (size_t)1 << 46, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF);
	CHECK_ERR(munmap(p + 1, PAGE), EINVAL);
#ifdef __mayfly__
	CHECK(mmap(NULL, PAGE, RW | PROT_EXEC, ANON, -1, 0) == MAP_FAILED && errno == EACCES);
	CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_EXEC), EACCES);
	CHECK_ERR(mprotect(p, PAGE, PROT_NONE), ENOSYS);
#endif
	CHECK(!mprotect(p, PAGE, RW));
	memset(p, 1, PAGE);
	CHECK(!madvise(p, PAGE, MADV_DONTNEED) && all(p, PAGE, 0));
	CHECK(!munmap(p, PAGE));
}

/* Random takes and gives against a model that stamps every page with its owner. */
static void churn(void)
{
	enum { SLOTS = 64 };
	static struct {
		char *p;
		size_t pages;
	} slot[SLOTS];
	uint32_t seed = 12345;

	for (int round = 0; round < 4000; round++) {
		seed = seed * 1664525 + 1013904223;
		int s = seed >> 10 & (SLOTS - 1);

		if (slot[s].p) {
			for (size_t i = 0; i < slot[s].pages; i++)
				CHECK(slot[s].p[i * PAGE] == (char)(s + 1) &&
				      slot[s].p[i * PAGE + PAGE - 1] == (char)(s + 1));
			CHECK(!munmap(slot[s].p, slot[s].pages * PAGE));
			slot[s].p = NULL;
			continue;
		}
		slot[s].pages = 1 + (seed >> 20) % 70;
		slot[s].p = mmap(NULL, slot[s].pages * PAGE, RW, ANON, -1, 0);
		CHECK(slot[s].p != MAP_FAILED);
		for (size_t i = 0; i < slot[s].pages; i++) {
			CHECK(!slot[s].p[i * PAGE] && !slot[s].p[i * PAGE + PAGE - 1]);
			slot[s].p[i * PAGE] = slot[s].p[i * PAGE + PAGE - 1] = (char)(s + 1);
		}
	}
}

int main(void)
{
	partial_unmap();
	remap();
	refusals();
	churn();
	return pass();
}
