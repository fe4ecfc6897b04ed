/* SPDX-License-Identifier: MIT
 *
 * pool.h: fixed-size objects of the library OS, so that it needs no malloc of the program's. Pages
 * are taken one at a time and stay with the pool. One thread, no locks.
 */
#ifndef UK_POOL_H
#define UK_POOL_H

#include <stddef.h>

struct uk_pool {
	size_t size; /* of an object, multiple of 8, at most a page */
	void *free;
};

/* A zeroed object, NULL when out of memory. */
void *uk__pool_get(struct uk_pool *p);
void uk__pool_put(struct uk_pool *p, void *obj); /* NULL is fine */

#endif
