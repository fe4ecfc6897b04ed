/* SPDX-License-Identifier: MIT
 *
 * overlay_store.c: where an overlay's clusters lie: address space of which only touched pages are
 * backed, or a sparse file. A cluster has one place in each area for ever, so that a run of them is
 * one copy or one system call. The device's thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "monitor/backend/overlay_priv.h"
#include "monitor/virtio/iov.h"

#define MAP_PAGE_BITS (CL * 8u) /* clusters of one page of the map */

void *store_reserve(uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static uint64_t place(const struct overlay *ov, enum area area, uint64_t c)
{
	return (area == KEPT ? ov->span : 0) + c * CL;
}

static uint64_t total(const struct iovec *iov, unsigned n)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

int store_read(struct overlay *ov, struct iovec *iov, unsigned n, uint64_t off)
{
	if (!ov->mem)
		return bfile_read(&ov->file, iov, n, ov->data + off);
	iov_write(iov, n, 0, ov->mem + off, total(iov, n));
	return 0;
}

int store_write(struct overlay *ov, struct iovec *iov, unsigned n, uint64_t off)
{
	if (!ov->mem)
		return bfile_write(&ov->file, iov, n, ov->data + off, false);
	iov_read(iov, n, 0, ov->mem + off, total(iov, n));
	return 0;
}

int store_get(struct overlay *ov, enum area area, uint64_t c, void *buf)
{
	struct iovec iov = {.iov_base = buf, .iov_len = CL};

	if (!ov->mem)
		return bfile_read(&ov->file, &iov, 1, ov->data + place(ov, area, c));
	memcpy(buf, ov->mem + place(ov, area, c), CL);
	return 0;
}

int store_put(struct overlay *ov, enum area area, uint64_t c, const void *buf)
{
	union {
		const void *in;
		void *out;
	} u = {buf};
	struct iovec iov = {.iov_base = u.out, .iov_len = CL};

	if (!ov->mem)
		return bfile_write(&ov->file, &iov, 1, ov->data + place(ov, area, c), false);
	memcpy(ov->mem + place(ov, area, c), buf, CL);
	return 0;
}

int store_drop(struct overlay *ov, enum area area, uint64_t c, uint64_t n)
{
	/* Where a file system has no holes, zeroes are written: nothing of it may remain. */
	if (!ov->mem)
		return bfile_zero(&ov->file, ov->data + place(ov, area, c), n * CL, true, false);
	return madvise(ov->mem + place(ov, area, c), n * CL, MADV_DONTNEED) ? -errno : 0;
}

int store_zero(struct overlay *ov, uint64_t c, uint64_t n)
{
	return store_drop(ov, LIVE, c, n);
}

void store_mapped(struct overlay *ov, uint64_t c)
{
	if (ov->stale)
		bit_set(ov->stale, c / MAP_PAGE_BITS);
}
