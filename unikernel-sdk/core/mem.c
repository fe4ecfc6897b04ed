/* SPDX-License-Identifier: MIT
 *
 * mem.c: the page allocator (see mem.h). Fresh RAM is zero, so pages between the two ends that were
 * never handed out are not cleared again, and the allocator touches only the words of its bitmap
 * that it changes: page touches are what boot costs. One thread.
 */
#include "core/mem.h"

#include <string.h>

#include "core/area.h"
#include "core/platform.h"
#include "core/sys.h"

#define FULL	      UINT64_MAX
/* A foreign VMM's boot code leaves tables and a stack right behind the image. */
#define FOREIGN_DIRTY 16u

static uint64_t base; /* address of page 0 */
static uint64_t npages;
static uint64_t nfree;
static uint64_t *map;		    /* bit set = in use; bits behind the last page are set */
static uint64_t top_word;	    /* no word above it has a clear bit */
static uint64_t clean_lo, clean_hi; /* [lo, hi) was never handed out and is zero */
static uint64_t brk_addr, brk_pages;
static bool map_started;

void uk__mem_init(void)
{
	const struct uk_boot *b = uk__boot;
	uint64_t start = (b->heap_start + UK_PAGE - 1) & ~(uint64_t)(UK_PAGE - 1);
	uint64_t end = b->heap_end & ~(uint64_t)(UK_PAGE - 1);

	if (end < start + UK_MIN_HEAP)
		uk__panic("no memory left for the heap");
	npages = (end - start) / UK_PAGE;
	uint64_t words = (npages + 63) / 64;
	uint64_t map_pages = (words * 8 + UK_PAGE - 1) / UK_PAGE;

	map = (uint64_t *)start;
	npages -= map_pages;
	base = start + map_pages * UK_PAGE;
	nfree = npages;
	clean_lo = b->flags & UK_BOOT_FOREIGN ? FOREIGN_DIRTY : 0;
	clean_hi = npages;
	brk_addr = base;
}

/* At the first use: a program without a heap does not touch the bitmap. */
static void start_map(void)
{
	if (map_started)
		return;
	map_started = true;
	top_word = (npages + 63) / 64 - 1;
	if (uk__boot->flags & UK_BOOT_FOREIGN)
		memset(map, 0, (top_word + 1) * 8);
	if (npages % 64)
		map[top_word] = FULL << npages % 64;
}

void *uk__mem_addr(uint64_t page)
{
	return (void *)(base + page * UK_PAGE);
}

bool uk__mem_page_of(uint64_t addr, uint64_t n, uint64_t *ret_page)
{
	uint64_t page = (addr - base) / UK_PAGE;

	start_map();
	if (addr < base || addr % UK_PAGE || page >= npages || n > npages - page)
		return false;
	*ret_page = page;
	return true;
}

struct uk_mem_stat uk__mem_stat(void)
{
	return (struct uk_mem_stat){.pages = npages, .free = nfree};
}

/* Mask of the bits of word w that lie in [page, end). */
static uint64_t word_mask(uint64_t w, uint64_t page, uint64_t end)
{
	uint64_t mask = FULL;

	if (page > w * 64)
		mask &= FULL << (page - w * 64);
	if (end < (w + 1) * 64)
		mask &= FULL >> ((w + 1) * 64 - end);
	return mask;
}

bool uk__mem_any_used(uint64_t page, uint64_t n)
{
	for (uint64_t w = page / 64; n && w <= (page + n - 1) / 64; w++)
		if (map[w] & word_mask(w, page, page + n))
			return true;
	return false;
}

bool uk__mem_all_used(uint64_t page, uint64_t n)
{
	for (uint64_t w = page / 64; n && w <= (page + n - 1) / 64; w++)
		if (~map[w] & word_mask(w, page, page + n))
			return false;
	return true;
}

static void mark_used(uint64_t page, uint64_t n)
{
	for (uint64_t w = page / 64; n && w <= (page + n - 1) / 64; w++) {
		uint64_t mask = word_mask(w, page, page + n);

		nfree -= (uint64_t)__builtin_popcountll(mask & ~map[w]);
		map[w] |= mask;
	}
}

/* Highest run of n clear bits; whole words are skipped or counted at once. */
static uint64_t find_run(uint64_t n)
{
	uint64_t run = 0;
	bool low_full = true; /* every word from top_word down to here is full */

	for (uint64_t w = top_word + 1; w-- > 0;) {
		uint64_t bits = map[w];

		if (bits == FULL) {
			run = 0;
			if (low_full && w)
				top_word = w - 1;
			continue;
		}
		low_full = false;
		if (!bits) {
			run += 64;
			if (run >= n)
				return (w * 64 + run) - n;
			continue;
		}
		for (unsigned b = 64; b-- > 0;) {
			run = bits >> b & 1 ? 0 : run + 1;
			if (run == n)
				return w * 64 + b;
		}
	}
	return UK_NO_PAGE;
}

uint64_t uk__mem_take(uint64_t n)
{
	if (!n || n > nfree)
		return UK_NO_PAGE;
	start_map();
	uint64_t page = find_run(n);

	if (page != UK_NO_PAGE)
		mark_used(page, n);
	return page;
}

bool uk__mem_take_at(uint64_t page, uint64_t n)
{
	start_map();
	if (page >= npages || n > npages - page || uk__mem_any_used(page, n))
		return false;
	mark_used(page, n);
	return true;
}

void uk__mem_give(uint64_t page, uint64_t n)
{
	for (uint64_t w = page / 64; n && w <= (page + n - 1) / 64; w++) {
		uint64_t mask = word_mask(w, page, page + n);

		nfree += (uint64_t)__builtin_popcountll(mask & map[w]);
		map[w] &= ~mask;
	}
	if (n && (page + n - 1) / 64 > top_word)
		top_word = (page + n - 1) / 64;
}

static void clear(uint64_t page, uint64_t end)
{
	if (page < end)
		memset(uk__mem_addr(page), 0, (end - page) * UK_PAGE);
}

void uk__mem_dirty(uint64_t page, uint64_t n)
{
	uint64_t end = page + n;

	if (page >= clean_hi || end <= clean_lo)
		return;
	/* What is clean stays one range: the rest counts as dirty. */
	if (page <= clean_lo)
		clean_lo = end < clean_hi ? end : clean_hi;
	else
		clean_hi = page;
}

void uk__mem_zero(uint64_t page, uint64_t n)
{
	uint64_t end = page + n;

	clear(page, end < clean_lo ? end : clean_lo);
	clear(page > clean_hi ? page : clean_hi, end);
	uk__mem_dirty(page, n);
}

void *uk__pages_alloc(unsigned long n)
{
	uint64_t page = uk__mem_take(n);

	if (page == UK_NO_PAGE)
		return NULL;
	uk__mem_zero(page, n);
	return uk__mem_addr(page);
}

void uk__pages_free(void *p, unsigned long n)
{
	uint64_t page;

	if (!p)
		return;
	if (!uk__mem_page_of((uint64_t)p, n, &page) || !uk__mem_all_used(page, n))
		uk__panic("pages_free of pages that are not allocated");
	uk__mem_give(page, n);
}

uint64_t uk__mem_brk_pages(void)
{
	return brk_pages;
}

uint64_t uk__mem_brk(uint64_t addr)
{
	if (addr < base || addr > base + npages * UK_PAGE)
		return brk_addr;
	uint64_t want = (addr - base + UK_PAGE - 1) / UK_PAGE;

	if (want > brk_pages) {
		uint64_t old = brk_pages, n = want - old;

		if (!uk__mem_take_at(old, n))
			return brk_addr;
		uk__mem_zero(old, n);
	} else if (want < brk_pages) {
		uk__mem_give(want, brk_pages - want);
	}
	/* The rest of a page that stays must read as zero when the break comes back. */
	if (addr < brk_addr && addr % UK_PAGE)
		memset((void *)addr, 0, UK_PAGE - addr % UK_PAGE);
	brk_pages = want;
	brk_addr = addr;
	return brk_addr;
}
