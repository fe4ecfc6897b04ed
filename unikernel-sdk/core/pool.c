/* SPDX-License-Identifier: MIT
 *
 * pool.c: free lists threaded through the objects themselves.
 */
#include "core/pool.h"

#include <string.h>

#include "core/sys.h"
#include "uk_abi.h"

void *uk__pool_get(struct uk_pool *p)
{
	char *obj = p->free;

	if (!obj) {
		char *page = uk__pages_alloc(1);

		if (!page)
			return NULL;
		/* Threaded from the end, so that objects are handed out in address order. */
		for (size_t i = UK_PAGE / p->size; i-- > 0;)
			uk__pool_put(p, page + i * p->size);
		obj = page;
	}
	p->free = *(void **)obj;
	memset(obj, 0, p->size);
	return obj;
}

void uk__pool_put(struct uk_pool *p, void *obj)
{
	if (!obj)
		return;
	*(void **)obj = p->free;
	p->free = obj;
}
