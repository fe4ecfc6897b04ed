/* SPDX-License-Identifier: MIT
 *
 * gmem.h: guest memory, and the only way from a guest-physical address to a pointer. The guest
 * chooses the addresses: every access names its length and is checked against RAM. RAM is one range
 * [0, size). Any thread. The guest may change the bytes at any time: read each field once
 * (gmem_read), judge the copy.
 */
#ifndef MONITOR_GMEM_H
#define MONITOR_GMEM_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>

typedef uint64_t gpa_t;

#define GMEM_PAGE 4096u

struct gmem {
	uint8_t *base; /* host address of GPA 0 */
	uint64_t size; /* bytes, page multiple */
	/* One bit a page that the monitor has written, NULL = nobody asks. KVM's dirty log has only
	 * what the vCPU wrote; whoever writes guest memory through a pointer says so here
	 * (gmem_mark). */
	uint64_t *dirty;
};

/* Host pointer to [gpa, gpa + len), NULL when any of it is not RAM. len 0 is valid anywhere in RAM.
 */
static inline void *gmem_ptr(const struct gmem *gm, gpa_t gpa, uint64_t len)
{
	if (gpa > gm->size || len > gm->size - gpa)
		return NULL;
	return gm->base + gpa;
}

/* [p, p + len) in RAM is being written by the monitor. p came from gmem_ptr. */
static inline void gmem_mark(const struct gmem *gm, const void *p, uint64_t len)
{
	if (!gm->dirty || !len)
		return;
	uint64_t at = (uint64_t)((const uint8_t *)p - gm->base);

	for (uint64_t page = at / GMEM_PAGE; page <= (at + len - 1) / GMEM_PAGE; page++) {
		uint64_t *word = &gm->dirty[page / 64], bit = UINT64_C(1) << page % 64;

		if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
			__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	}
}

/* GMEM_PAGE bytes at page, which stands still. */
static inline bool gmem_page_is_zero(const uint8_t *page)
{
	for (unsigned i = 0; i < GMEM_PAGE; i += 64) {
		uint64_t w[8];

		memcpy(w, page + i, sizeof w);
		if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7])
			return false;
	}
	return true;
}

/* Copy into guest memory; 0 or -1 when out of RAM. */
static inline int gmem_write(const struct gmem *gm, gpa_t gpa, const void *src, uint64_t len)
{
	void *p = gmem_ptr(gm, gpa, len);

	if (!p)
		return -1;
	gmem_mark(gm, p, len);
	memcpy(p, src, len);
	return 0;
}

/* Copy once out of guest memory; 0 or -1 when out of RAM. */
static inline int gmem_read(const struct gmem *gm, gpa_t gpa, void *dst, uint64_t len)
{
	const void *p = gmem_ptr(gm, gpa, len);

	if (!p)
		return -1;
	memcpy(dst, p, len);
	return 0;
}

#endif
