/* SPDX-License-Identifier: MIT
 *
 * index.c: the table doubles when it is full, so that a small store stays small; it never shrinks.
 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64u

/* FNV-1a with a seed and a final mix. */
static uint32_t hash_of(const struct index *ix, const char *key, size_t len)
{
	uint32_t h = 2166136261u ^ ix->seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 16777619u;
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	return h ^ h >> 13;
}

int index_init(struct index *ix, uint32_t max_keys, uint32_t seed)
{
	*ix = (struct index){.nbuckets = FIRST_BUCKETS, .max = max_keys, .seed = seed};
	ix->bucket = calloc(ix->nbuckets, sizeof(*ix->bucket));
	return ix->bucket ? 0 : -ENOMEM;
}

void index_fini(struct index *ix)
{
	for (uint32_t b = 0; ix->bucket && b < ix->nbuckets; b++) {
		struct entry *next;

		for (struct entry *e = ix->bucket[b]; e; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(ix->bucket);
	ix->bucket = NULL;
}

/* The link that points at the key's entry, or at the NULL where it belongs. */
static struct entry **find_link(const struct index *ix, uint32_t hash, const char *key, size_t len)
{
	struct entry **at = &ix->bucket[hash & (ix->nbuckets - 1)];

	while (*at &&
	       ((*at)->hash != hash || (*at)->key_len != len || memcmp((*at)->key, key, len)))
		at = &(*at)->next;
	return at;
}

struct entry *index_find(const struct index *ix, const char *key, size_t len)
{
	return *find_link(ix, hash_of(ix, key, len), key, len);
}

/* Without memory for a larger table the chains just grow longer. */
static void grow(struct index *ix)
{
	uint32_t n = ix->nbuckets * 2;
	struct entry **bucket = calloc(n, sizeof(*bucket)), *next;

	if (!bucket)
		return;
	for (uint32_t b = 0; b < ix->nbuckets; b++) {
		for (struct entry *e = ix->bucket[b]; e; e = next) {
			next = e->next;
			e->next = bucket[e->hash & (n - 1)];
			bucket[e->hash & (n - 1)] = e;
		}
	}
	free(ix->bucket);
	ix->bucket = bucket;
	ix->nbuckets = n;
}

int index_put(struct index *ix, const char *key, size_t len, struct entry **ret)
{
	uint32_t hash = hash_of(ix, key, len);
	struct entry **at = find_link(ix, hash, key, len), *e = *at;

	if (e) {
		*ret = e;
		return 0;
	}
	if (ix->count >= ix->max)
		return -ENOSPC;
	e = calloc(1, sizeof(*e) + len);
	if (!e)
		return -ENOMEM;
	e->hash = hash;
	e->key_len = (uint8_t)len;
	memcpy(e->key, key, len);
	*at = e;
	if (++ix->count > ix->nbuckets)
		grow(ix);
	*ret = e;
	return 0;
}

int index_remove(struct index *ix, const char *key, size_t len)
{
	struct entry **at = find_link(ix, hash_of(ix, key, len), key, len), *e = *at;

	if (!e)
		return 0;
	*at = e->next;
	free(e);
	ix->count--;
	return 1;
}

struct entry *index_next(const struct index *ix, const struct entry *e)
{
	uint32_t b = 0;

	if (e && e->next)
		return e->next;
	if (e)
		b = (e->hash & (ix->nbuckets - 1)) + 1;
	while (b < ix->nbuckets && !ix->bucket[b])
		b++;
	return b < ix->nbuckets ? ix->bucket[b] : NULL;
}
