/* SPDX-License-Identifier: MIT
 *
 * mmap.c: the memory system calls over the page allocator. What page tables would be needed for is
 * refused rather than faked:
 *   - PROT_EXEC: EACCES, the heap is never executable.
 *   - mprotect that takes access away: ENOSYS, named on the console; PROT_NONE and PROT_READ in
 * mmap reserve memory that is in fact writable (musl and others then raise the protection, which
 * succeeds).
 *   - MAP_SHARED with PROT_WRITE of a file: ENODEV, nothing would write it back.
 * A mapped file is a copy of what it held at the time of the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/area.h"
#include "core/fd.h"
#include "core/mem.h"
#include "core/platform.h"
#include "core/sys.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static uint64_t pages_of(uint64_t len)
{
	return len / UK_PAGE + (len % UK_PAGE != 0);
}

/* In the break's range, and nothing but it: the break keeps its pages whatever is mapped over them.
 */
static bool in_brk(uint64_t page, uint64_t n)
{
	return page + n <= uk__mem_brk_pages();
}

static long take_fixed(uint64_t addr, uint64_t n, int flags, uint64_t *ret_page)
{
	uint64_t page;

	if (addr % UK_PAGE)
		return -EINVAL;
	if (!uk__mem_page_of(addr, n, &page))
		return -ENOMEM;
	if (flags & MAP_FIXED_NOREPLACE) {
		if (!uk__mem_take_at(page, n))
			return -EEXIST;
		uk__mem_zero(page, n);
	} else if (uk__mem_any_used(page, n)) {
		/* Replaces what is there. */
		if (!in_brk(page, n) && page < uk__mem_brk_pages())
			return -ENOMEM;
		uk__mem_give(page, n);
		if (!uk__mem_take_at(page, n))
			return -ENOMEM;
		memset(uk__mem_addr(page), 0, n * UK_PAGE);
		uk__mem_dirty(page, n);
	} else {
		uk__mem_take_at(page, n);
		uk__mem_zero(page, n);
	}
	*ret_page = page;
	return 0;
}

/* Read the file's bytes into the mapping; the rest of it stays zero. */
static long fill(struct uk_file *f, void *to, uint64_t len, int64_t off)
{
	char *p = to;

	while (len) {
		struct iovec iov = {p, len};
		ssize_t r = f->ops->readv(f, &iov, 1, off);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (!r)
			return 0;
		p += r;
		off += r;
		len -= (uint64_t)r;
	}
	return 0;
}

static long check_file(const struct uk_file *f, long prot, long flags, long off)
{
	if (!f)
		return -EBADF;
	if (off < 0 || off % UK_PAGE)
		return -EINVAL;
	if ((f->flags & O_ACCMODE) == O_WRONLY)
		return -EACCES;
	if ((flags & MAP_SHARED) && (prot & PROT_WRITE))
		return -ENODEV;
	return f->ops->readv && f->ops->lseek ? 0 : -ENODEV;
}

static long do_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, int64_t off)
{
	uint64_t n = pages_of(len), page;
	struct uk_file *f = NULL;
	long r;

	if (!len || !(flags & (MAP_SHARED | MAP_PRIVATE)))
		return -EINVAL;
	if (prot & PROT_EXEC)
		return -EACCES;
	if (!(flags & MAP_ANONYMOUS)) {
		f = uk__fd_get(fd);
		r = check_file(f, prot, flags, off);
		if (r)
			return r;
	}
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		r = take_fixed(addr, n, flags, &page);
		if (r)
			return r;
	} else {
		page = uk__mem_take(n);
		if (page == UK_NO_PAGE)
			return -ENOMEM;
		uk__mem_zero(page, n);
	}
	if (f) {
		r = fill(f, uk__mem_addr(page), len, off);
		if (r) {
			uk__mem_give(page, n);
			return r;
		}
	}
	return (long)uk__mem_addr(page);
}

static long do_munmap(uint64_t addr, uint64_t len)
{
	uint64_t page, n = pages_of(len), brk = uk__mem_brk_pages();

	if (addr % UK_PAGE || !len)
		return -EINVAL;
	if (!uk__mem_page_of(addr, n, &page))
		return -EINVAL;
	if (page < brk) {
		uint64_t keep = brk - page < n ? brk - page : n;

		page += keep;
		n -= keep;
	}
	uk__mem_give(page, n);
	return 0;
}

static long do_mremap(uint64_t addr, uint64_t old_len, uint64_t new_len, int flags)
{
	uint64_t old_n = pages_of(old_len), new_n = pages_of(new_len), page, to;

	if (addr % UK_PAGE || !new_len || !old_len || (flags & ~MREMAP_MAYMOVE))
		return -EINVAL;
	if (!uk__mem_page_of(addr, old_n, &page) || !uk__mem_all_used(page, old_n))
		return -EFAULT;
	if (new_n <= old_n) {
		uk__mem_give(page + new_n, old_n - new_n);
		return (long)addr;
	}
	if (uk__mem_take_at(page + old_n, new_n - old_n)) {
		uk__mem_zero(page + old_n, new_n - old_n);
		return (long)addr;
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	to = uk__mem_take(new_n);
	if (to == UK_NO_PAGE)
		return -ENOMEM;
	uk__mem_zero(to + old_n, new_n - old_n);
	memcpy(uk__mem_addr(to), uk__mem_addr(page), old_n * UK_PAGE);
	uk__mem_dirty(to, old_n);
	uk__mem_give(page, old_n);
	return (long)uk__mem_addr(to);
}

static long do_mprotect(uint64_t addr, uint64_t len, int prot)
{
	if (addr % UK_PAGE)
		return -EINVAL;
	if (prot & PROT_EXEC)
		return -EACCES;
	if ((prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE) || !len)
		return 0;
	return UK_NOSYS;
}

static long do_madvise(uint64_t addr, uint64_t len, int advice)
{
	uint64_t page, n = pages_of(len);

	if (addr % UK_PAGE)
		return -EINVAL;
	if (advice != MADV_DONTNEED)
		return 0;
	if (!uk__mem_page_of(addr, n, &page) || !uk__mem_all_used(page, n))
		return -ENOMEM;
	memset(uk__mem_addr(page), 0, n * UK_PAGE);
	return 0;
}

long uk__mmap_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_mmap:
		return do_mmap((uint64_t)a[0], (uint64_t)a[1], (int)a[2], (int)a[3], (int)a[4],
			       a[5]);
	case SYS_munmap:
		return do_munmap((uint64_t)a[0], (uint64_t)a[1]);
	case SYS_mremap:
		return do_mremap((uint64_t)a[0], (uint64_t)a[1], (uint64_t)a[2], (int)a[3]);
	case SYS_mprotect:
		return do_mprotect((uint64_t)a[0], (uint64_t)a[1], (int)a[2]);
	case SYS_madvise:
		return do_madvise((uint64_t)a[0], (uint64_t)a[1], (int)a[2]);
	case SYS_brk:
		return (long)uk__mem_brk((uint64_t)a[0]);
	case SYS_msync: /* what is mapped is a copy: there is nothing to write */
	case SYS_mlock: /* nothing is ever paged out */
	case SYS_munlock:
	case SYS_mlockall:
	case SYS_munlockall:
		return 0;
	default:
		return UK_NOSYS;
	}
}
