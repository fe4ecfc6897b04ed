/* SPDX-License-Identifier: MIT
 *
 * pieces.c: see packed.h. The view has passed snap_decode: map, leaves and the disks' places agree.
 */
#include <errno.h>
#include <string.h>

#include "lib/errbuf.h"
#include "monitor/gmem.h"
#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/memfile.h"
#include "monitor/snapshot/tool/packed.h"

void pieces_begin(struct pieces *p, const struct snap_view *v)
{
	*p = (struct pieces){.v = v};
}

void pieces_begin_disks(struct pieces *p, const struct snap_view *v)
{
	*p = (struct pieces){.v = v, .chunk = v->nchunks};
}

static size_t cut(uint64_t left)
{
	return left < SNAP_CHUNK ? (size_t)left : SNAP_CHUNK;
}

bool pieces_next(struct pieces *p)
{
	const struct snap_view *v = p->v;

	for (; p->chunk < v->nchunks; p->chunk++) {
		if (!snap_chunk_mask(v->pages, p->chunk))
			continue;
		p->at = p->chunk * SNAP_CHUNK;
		p->len = cut(v->head->mem_size - p->at);
		p->chunk++;
		p->leaf++;
		return true;
	}
	for (; p->dev < v->state->ndevs; p->dev++, p->off = 0) {
		const struct dev_state *d = &v->state->dev[p->dev];

		if (p->off >= d->ov_len)
			continue;
		p->at = d->ov_off + p->off;
		p->len = cut(d->ov_len - p->off);
		p->off += p->len;
		return true;
	}
	return false;
}

/* A page that the map does not have is zero in what is hashed, and takes no room. */
static bool beyond_map(const struct pieces *p, const uint8_t *data)
{
	uint16_t mask = snap_chunk_mask(p->v->pages, p->at / SNAP_CHUNK);

	for (unsigned i = 0; i < p->len / SNAP_PAGE; i++)
		if (!(mask >> i & 1) && !gmem_page_is_zero(data + (size_t)i * SNAP_PAGE))
			return true;
	return false;
}

int pieces_check(struct pieces *p, const uint8_t *data, const char *path, char *err, size_t errlen)
{
	if (p->at < p->v->head->mem_size) {
		if (memfile_chunk_ok(data, p->len, p->v->leaves[p->leaf - 1]) &&
		    !beyond_map(p, data))
			return 0;
		return err_put(err, errlen, -EBADMSG,
			       "%s: was altered: the hash of memory from 0x%lx does not match",
			       path, p->at);
	}
	const struct dev_state *d = &p->v->state->dev[p->dev];
	uint8_t sum[SNAP_HASH];

	if (p->off == p->len)
		crypto_generichash_blake2b_init(&p->hash, NULL, 0, SNAP_HASH);
	crypto_generichash_blake2b_update(&p->hash, data, p->len);
	if (p->off < d->ov_len)
		return 0;
	crypto_generichash_blake2b_final(&p->hash, sum, SNAP_HASH);
	if (!memcmp(sum, d->ov_hash, sizeof sum))
		return 0;
	return err_put(err, errlen, -EBADMSG, "%s: was altered: what disk '%.31s' had is damaged",
		       path, d->id);
}
