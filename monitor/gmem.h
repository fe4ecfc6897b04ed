/* SPDX-License-Identifier: MIT
 *
 * gmem.h: guest memory, and the only way from a guest-physical address to a pointer. The guest
 * chooses the addresses: every access names its length and is checked against RAM. RAM is one range
 * [0, size). Any thread. The guest may change the bytes at any time: read each field once
 * (gmem_read), judge the copy.
 */
#ifndef MONITOR_GMEM_H
#define MONITOR_GMEM_H

#include <stdint.h>
#include <stddef.h>
#include <string.h>

typedef uint64_t gpa_t;

struct gmem {
	uint8_t *base; /* host address of GPA 0 */
	uint64_t size; /* bytes, page multiple */
};

/* Host pointer to [gpa, gpa + len), NULL when any of it is not RAM. len 0 is valid anywhere in RAM.
 */
static inline void *gmem_ptr(const struct gmem *gm, gpa_t gpa, uint64_t len)
{
	if (gpa > gm->size || len > gm->size - gpa)
		return NULL;
	return gm->base + gpa;
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
