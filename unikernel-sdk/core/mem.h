/* SPDX-License-Identifier: MIT
 *
 * mem.h: the heap by pages: one bit a page over [heap_start, heap_end), the bits in the heap's own
 * first pages. Anonymous memory grows down from the top, the program break up from the bottom. All
 * of the heap is mapped read-write and never executable; the page tables are the monitor's.
 */
#ifndef UK_MEM_H
#define UK_MEM_H

#include <stdbool.h>
#include <stdint.h>

/* Page numbers count from heap_start. Ranges are [page, page + n). */
#define UK_NO_PAGE UINT64_MAX

struct uk_mem_stat {
	uint64_t pages, free;
};

/* First page of n free ones, marked used, not zeroed: as high as possible. UK_NO_PAGE when there
 * are none. */
uint64_t uk__mem_take(uint64_t n);
/* Take exactly this range; false when part of it is in use or outside the heap. */
bool uk__mem_take_at(uint64_t page, uint64_t n);
/* Give back what is used of the range; pages that are free already are left alone. */
void uk__mem_give(uint64_t page, uint64_t n);
/* Make a used range read as zero; does not touch pages that were never handed out before. To be
 * called right after taking it. */
void uk__mem_zero(uint64_t page, uint64_t n);

/* Note that a used range was written without uk__mem_zero(). */
void uk__mem_dirty(uint64_t page, uint64_t n);

/* False when [addr, addr + n pages) is not wholly inside the heap area that programs may have. */
bool uk__mem_page_of(uint64_t addr, uint64_t n, uint64_t *ret_page);
void *uk__mem_addr(uint64_t page);
/* Any / every page of the range in use? */
bool uk__mem_any_used(uint64_t page, uint64_t n);
bool uk__mem_all_used(uint64_t page, uint64_t n);
struct uk_mem_stat uk__mem_stat(void);

/* The program break: page range [0, brk_pages) of the heap area is its own. */
uint64_t uk__mem_brk(uint64_t addr);
uint64_t uk__mem_brk_pages(void);

#endif
