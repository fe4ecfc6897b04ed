/* SPDX-License-Identifier: MIT
 *
 * index.h: where in the log each key's newest record lies. A hash table with chains; bounded by a
 * number of keys. Keys come from clients: the hash is seeded by the caller so that collisions can't
 * be prepared.
 */
#ifndef KV_INDEX_H
#define KV_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define KV_KEY_MAX 250 /* bytes */

struct entry {
	struct entry *next;
	uint64_t off;	  /* of the record in the log */
	uint64_t new_off; /* while compacting */
	uint32_t hash;
	uint32_t value_len;
	uint8_t key_len;
	char key[];
};

struct index {
	struct entry **bucket;
	uint32_t nbuckets; /* a power of two */
	uint32_t count, max;
	uint32_t seed;
};

/* 0 or -ENOMEM. */
int index_init(struct index *ix, uint32_t max_keys, uint32_t seed);
void index_fini(struct index *ix);

/* NULL when absent. */
struct entry *index_find(const struct index *ix, const char *key, size_t len);

/* Finds or adds; *ret is valid until it is removed. -ENOMEM, or -ENOSPC at the limit of keys. */
int index_put(struct index *ix, const char *key, size_t len, struct entry **ret);

/* 1 when it was there, else 0. */
int index_remove(struct index *ix, const char *key, size_t len);

/* Iteration in no particular order: start with NULL; NULL at the end. The table must not change
 * meanwhile. */
struct entry *index_next(const struct index *ix, const struct entry *e);

#endif
