/* SPDX-License-Identifier: MIT
 *
 * memfile.c: see memfile.h: writing.
 */
#include "monitor/snapshot/memfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fullio.h"
#include "monitor/gmem.h"
#include "monitor/snapshot/hash.h"

static uint64_t chunk_pages(uint64_t chunk, uint64_t npages)
{
	uint64_t left = npages - chunk * SNAP_CHUNK_PAGES;

	return left < SNAP_CHUNK_PAGES ? left : SNAP_CHUNK_PAGES;
}

/* The pages of one chunk: which belong into the file, and of those, which have content. */
static void look(const uint8_t *chunk, uint64_t n, const uint16_t *only, uint16_t *ret_in,
		 uint16_t *ret_content)
{
	*ret_in = *ret_content = 0;
	for (unsigned i = 0; i < n; i++) {
		uint16_t bit = (uint16_t)(1u << i);

		if (only && !(*only & bit))
			continue;
		if (!gmem_page_is_zero(chunk + (uint64_t)i * SNAP_PAGE))
			*ret_content |= bit;
		else if (!only)
			continue;
		*ret_in |= bit;
	}
}

static void hash_chunk(const uint8_t *chunk, uint64_t n, uint16_t content, uint8_t leaf[SNAP_HASH])
{
	static const uint8_t zero[SNAP_PAGE];
	crypto_generichash_blake2b_state h;

	if (content == (uint16_t)((1u << n) - 1)) {
		snap_hash(leaf, chunk, n * SNAP_PAGE);
		return;
	}
	crypto_generichash_blake2b_init(&h, NULL, 0, SNAP_HASH);
	for (unsigned i = 0; i < n; i++)
		crypto_generichash_blake2b_update(
			&h, content >> i & 1 ? chunk + (uint64_t)i * SNAP_PAGE : zero, SNAP_PAGE);
	crypto_generichash_blake2b_final(&h, leaf, SNAP_HASH);
}

/* Runs of content pages, as few writes as there are runs. */
static int write_chunk(int fd, const uint8_t *chunk, uint64_t at, uint16_t content)
{
	for (unsigned i = 0; i < SNAP_CHUNK_PAGES;) {
		unsigned n = 0;

		while (i + n < SNAP_CHUNK_PAGES && content >> (i + n) & 1)
			n++;
		if (n) {
			uint64_t off = (uint64_t)i * SNAP_PAGE;
			int r = full_write(fd, chunk + off, (uint64_t)n * SNAP_PAGE, at + off);

			if (r)
				return r;
		}
		i += n ? n : 1;
	}
	return 0;
}

int memfile_put_chunk(int fd, const uint8_t *chunk, uint64_t size, uint64_t at)
{
	uint16_t in, content;

	look(chunk, size / SNAP_PAGE, NULL, &in, &content);
	return write_chunk(fd, chunk, at, content);
}

int memfile_write(int fd, const uint8_t *base, uint64_t size, const uint64_t *only,
		  struct memfile_map *ret)
{
	uint64_t npages = size / SNAP_PAGE, nchunks = snap_nchunks(size);

	*ret = (struct memfile_map){.pages = calloc(snap_map_words(size), sizeof *ret->pages),
				    .leaves = malloc(nchunks * SNAP_HASH)};
	if (!ret->pages || !ret->leaves)
		return -ENOMEM;
	for (uint64_t c = 0; c < nchunks; c++) {
		const uint8_t *chunk = base + c * SNAP_CHUNK;
		uint64_t n = chunk_pages(c, npages);
		uint16_t in, content, mask = only ? snap_chunk_mask(only, c) : 0;

		if (only && !mask)
			continue;
		look(chunk, n, only ? &mask : NULL, &in, &content);
		if (!in)
			continue;
		ret->pages[c / 4] |= (uint64_t)in << c % 4 * 16;
		ret->stored += (unsigned)__builtin_popcount(content);
		hash_chunk(chunk, n, content, ret->leaves[ret->nleaves++]);
		int r = write_chunk(fd, chunk, c * SNAP_CHUNK, content);

		if (r)
			return r;
	}
	return 0;
}

void memfile_map_free(struct memfile_map *m)
{
	free(m->pages);
	free(m->leaves);
	*m = (struct memfile_map){0};
}

int memfile_finish(int fd, const struct snap_head *head, uint64_t disks)
{
	struct snap_foot foot = {
		.version = SNAP_VERSION, .flags = head->flags, .mem_size = head->mem_size};

	memcpy(foot.magic, SNAP_FOOT_MAGIC, sizeof foot.magic);
	memcpy(foot.id, head->id, sizeof foot.id);
	memcpy(foot.root, head->root, sizeof foot.root);
	if (ftruncate(fd, (off_t)(head->mem_size + disks + SNAP_PAGE)))
		return -errno;
	return full_write(fd, &foot, sizeof foot, head->mem_size + disks);
}
