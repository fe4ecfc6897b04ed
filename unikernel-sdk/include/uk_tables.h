/* SPDX-License-Identifier: MIT
 *
 * uk_tables.h: page tables, GDT, IDT and TSS of a Mayfly guest, written once for both who build
 * them: the monitor (into guest memory, before the first instruction) and the image itself when a
 * foreign VMM booted it. Both reach guest-physical memory through a base pointer; nothing here
 * reads what the guest wrote. Sources: Intel SDM vol. 3, 3.4.5 (descriptors), 4.5 (4-level
 * paging), 6.14 (IDT), 7.7 (TSS).
 */
#ifndef UK_TABLES_H
#define UK_TABLES_H

#include <stdint.h>
#include "uk_abi.h"

#define UK_PT_P	   UINT64_C(0x1)
#define UK_PT_W	   UINT64_C(0x2)
#define UK_PT_U	   UINT64_C(0x4)
#define UK_PT_PCD  UINT64_C(0x18) /* PCD | PWT: uncached */
#define UK_PT_AD   UINT64_C(0x60) /* accessed and dirty, preset: the walker need not write them */
#define UK_PT_PS   UINT64_C(0x80)
#define UK_PT_NX   (UINT64_C(1) << 63)
#define UK_PT_ADDR UINT64_C(0x000ffffffffff000)

#define UK_MAP_RW   (UK_PT_U | UK_PT_W | UK_PT_NX) /* ring 3 data */
#define UK_MAP_RO   (UK_PT_U | UK_PT_NX)
#define UK_MAP_RX   (UK_PT_U)
#define UK_MAP_SYS  (UK_PT_W | UK_PT_NX) /* ring 0 data */
#define UK_MAP_SYSX UINT64_C(0)		 /* ring 0 code */
#define UK_MAP_MMIO (UK_PT_U | UK_PT_W | UK_PT_NX | UK_PT_PCD)

#define UK_2M UINT64_C(0x200000)

struct uk_pt {
	uintptr_t mem; /* address of GPA 0 for us */
	uint64_t root; /* GPA of the PML4, = CR3 */
	uint64_t next; /* next free table page; pages up to end are zero */
	uint64_t end;
};

static inline uint64_t *uk_pt_at(const struct uk_pt *pt, uint64_t gpa)
{
	return (uint64_t *)(pt->mem + gpa);
}

/* Start with an empty PML4. The pages [start, end) must be zero. */
static inline void uk_pt_init(struct uk_pt *pt, uintptr_t mem, uint64_t start, uint64_t end)
{
	pt->mem = mem;
	pt->root = start;
	pt->next = start + UK_PAGE;
	pt->end = end;
}

/* Table one level down from *entry, made when absent; 0 when the table area is full. */
static inline uint64_t uk_pt_down(struct uk_pt *pt, uint64_t *entry)
{
	if (!(*entry & UK_PT_P)) {
		if (pt->next >= pt->end)
			return 0;
		*entry = pt->next | UK_PT_P | UK_PT_W | UK_PT_U | UK_PT_AD;
		pt->next += UK_PAGE;
	}
	return *entry & UK_PT_ADDR;
}

/*
 * Map [va, va + len) to [pa, pa + len), page multiples, with 2 MiB pages where both are aligned.
 * Ranges of separate calls must not overlap. 0, or -1 when the table area is full.
 */
static inline int uk_pt_map(struct uk_pt *pt, uint64_t va, uint64_t pa, uint64_t len,
			    uint64_t flags)
{
	while (len) {
		uint64_t t = pt->root;

		for (int shift = 39; shift > 21; shift -= 9) {
			t = uk_pt_down(pt, &uk_pt_at(pt, t)[va >> shift & 511]);
			if (!t)
				return -1;
		}
		uint64_t *pde = &uk_pt_at(pt, t)[va >> 21 & 511];
		if (len >= UK_2M && !((va | pa) & (UK_2M - 1)) && !(*pde & UK_PT_P)) {
			*pde = pa | flags | UK_PT_P | UK_PT_AD | UK_PT_PS;
			va += UK_2M;
			pa += UK_2M;
			len -= UK_2M;
			continue;
		}
		t = uk_pt_down(pt, pde);
		if (!t)
			return -1;
		uint64_t *pte = uk_pt_at(pt, t);
		do {
			pte[va >> 12 & 511] = pa | flags | UK_PT_P | UK_PT_AD;
			va += UK_PAGE;
			pa += UK_PAGE;
			len -= UK_PAGE;
		} while (len && (va & (UK_2M - 1)));
	}
	return 0;
}

/* The system page: GDT at 0, TSS, IDT. */
#define UK_SYS_TSS	 0x80u
#define UK_SYS_IDT	 0x100u
#define UK_GDT_BYTES	 0x50u
#define UK_TSS_BYTES	 104u
#define UK_IDT_BYTES	 (UK_NVECTORS * 16u)
#define UK_DESC_KCODE	 UINT64_C(0x00af9b000000ffff)
#define UK_DESC_KDATA	 UINT64_C(0x00cf93000000ffff)
#define UK_DESC_UDATA	 UINT64_C(0x00cff3000000ffff)
#define UK_DESC_UCODE	 UINT64_C(0x00affb000000ffff)
#define UK_DESC_TSS_TYPE UINT64_C(0x0000890000000000)

_Static_assert(UK_SYS_IDT + UK_IDT_BYTES <= UK_PAGE, "the system page is one page");

/* sys: our pointer to the zeroed system page at UK_GPA_SYS; vectors: VA of vector 0's entry point.
 */
static inline void uk_sys_build(void *sys, uint64_t vectors, uint32_t stride)
{
	uint8_t *page = sys;
	uint64_t *gdt = sys;
	uint64_t *idt = (uint64_t *)(page + UK_SYS_IDT);
	uint32_t *tss = (uint32_t *)(page + UK_SYS_TSS);
	uint64_t base = UK_GPA_SYS + UK_SYS_TSS;
	uint64_t rsp0 = UK_GPA_KSTACK + UK_PAGE;

	gdt[UK_SEL_KCS / 8] = UK_DESC_KCODE;
	gdt[UK_SEL_KSS / 8] = UK_DESC_KDATA;
	gdt[UK_SEL_USS / 8] = UK_DESC_UDATA;
	gdt[UK_SEL_UCS / 8] = UK_DESC_UCODE;
	gdt[UK_SEL_TSS / 8] = UK_DESC_TSS_TYPE | (UK_TSS_BYTES - 1) | (base & 0xffffff) << 16 |
			      (base >> 24 & 0xff) << 56;
	gdt[UK_SEL_TSS / 8 + 1] = base >> 32;
	tss[1] = (uint32_t)rsp0;
	tss[2] = (uint32_t)(rsp0 >> 32);
	tss[25] = UK_TSS_BYTES << 16; /* I/O map base at the limit: no port is open by bitmap */
	for (uint32_t v = 0; v < UK_NVECTORS; v++) {
		uint64_t at = vectors + (uint64_t)v * stride;
		uint64_t gate = v == 3 ? 0xee00 : 0x8e00; /* INT3 is allowed from ring 3 */

		idt[2 * v] = (at & 0xffff) | (uint64_t)UK_SEL_KCS << 16 | gate << 32 |
			     (at >> 16 & 0xffff) << 48;
		idt[2 * v + 1] = at >> 32;
	}
}

#endif
