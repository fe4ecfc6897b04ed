/* SPDX-License-Identifier: MIT
 *
 * boot.c: guest memory before the first instruction: boot page, system page, page tables, image.
 * The layout is that of uk_abi.h; docs/boot-protocol.md draws it. Pure memory work plus the image
 * mapping; the main thread, once. The image file was judged by elf.c; sizes are checked again here
 * against the memory that the user gave.
 */
#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <x86intrin.h>

#include "lib/errbuf.h"
#include "lib/clock.h"
#include "monitor/vm.h"
#include "uk_tables.h"

#define STACK_MAX    (UINT64_C(64) << 20)
#define PT_PAGES_MIN 4 /* a table of each level */

static uint64_t page_up(uint64_t v)
{
	return (v + UK_PAGE - 1) & ~(uint64_t)(UK_PAGE - 1);
}

/* A page-aligned base in [4 GiB, 512 GiB): 27 bits, and only two more table pages than the fixed
 * address. */
static uint64_t random_base(uint64_t span)
{
	uint64_t r;

	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != sizeof r)
		r = __rdtsc() * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t lo = UINT64_C(4) << 30, hi = (UINT64_C(512) << 30) - span;
	return lo + (r % (hi - lo)) / UK_PAGE * UK_PAGE;
}

/* Where image, stack and heap go. */
static int place(struct vm *vm, char *err, size_t errlen)
{
	const struct elf_image *elf = &vm->image.elf;
	struct uk_boot *l = &vm->layout;
	uint64_t end = vm->gm.size;

	l->mem_size = end;
	l->image_gpa = UK_GPA_IMAGE;
	l->image_size = elf->span;
	l->image_va = elf->pie ? random_base(elf->span) : elf->base;
	vm->image_bias = l->image_va - elf->base;
	if (!elf->pie && elf->base != UK_GPA_IMAGE)
		return err_put(err, errlen, -EINVAL,
			       "%s: linked at 0x%lx, must be 0x100000: link with mayfly-cc",
			       vm->cfg->kernel, elf->base);
	if (elf->span + UK_MIN_HEAP > end - UK_GPA_IMAGE)
		return err_put(err, errlen, -EINVAL,
			       "%s: needs %lu KiB of guest memory: raise --mem", vm->cfg->kernel,
			       (UK_GPA_IMAGE + elf->span + UK_MIN_HEAP) >> 10);
	l->heap_start = UK_GPA_IMAGE + elf->span;
	l->heap_end = end;
	l->stack_low = UK_GPA_STACK + UK_PAGE;
	l->stack_top = UK_GPA_IMAGE;
	uint64_t want = page_up(elf->stack < STACK_MAX ? elf->stack : STACK_MAX);
	if (want >
	    l->stack_top - l->stack_low) { /* a big stack comes from the top, its guard below it */
		if (want + UK_PAGE + UK_MIN_HEAP > end - l->heap_start)
			return err_put(err, errlen, -EINVAL,
				       "%s: its stack of %lu KiB does not fit: raise --mem",
				       vm->cfg->kernel, want >> 10);
		l->stack_top = end;
		l->stack_low = end - want;
		l->heap_end = l->stack_low - UK_PAGE;
	}
	return 0;
}

static int map_image_tables(struct vm *vm, struct uk_pt *pt)
{
	const struct elf_image *elf = &vm->image.elf;
	const struct uk_note *note = &elf->note;
	uint64_t stub = elf->base + note->stub_start, stub_end = elf->base + note->stub_end;
	uint64_t to_va = vm->image_bias, to_gpa = UK_GPA_IMAGE - elf->base;
	int r = 0;

	for (unsigned i = 0; i < elf->nseg && !r; i++) {
		const struct elf_seg *s = &elf->seg[i];
		uint64_t va = s->va & ~(uint64_t)(UK_PAGE - 1), end = page_up(s->va + s->memsz);
		uint64_t flags = s->prot & ELF_W   ? UK_MAP_RW
				 : s->prot & ELF_X ? UK_MAP_RX
						   : UK_MAP_RO;

		if (stub >= va && stub_end <= end) {
			r = uk_pt_map(pt, va + to_va, va + to_gpa, stub - va, flags) ||
			    uk_pt_map(pt, stub + to_va, stub + to_gpa, stub_end - stub,
				      UK_MAP_SYSX);
			va = stub_end;
		}
		r = r || uk_pt_map(pt, va + to_va, va + to_gpa, end - va, flags);
	}
	return r;
}

static int build_tables(struct vm *vm)
{
	const struct uk_boot *l = &vm->layout;
	struct uk_pt pt;

	uk_pt_init(&pt, (uintptr_t)vm->gm.base, UK_GPA_PT, UK_VA_MMIO);
	return uk_pt_map(&pt, UK_GPA_BOOT, UK_GPA_BOOT, UK_PAGE, UK_MAP_RW) ||
	       uk_pt_map(&pt, UK_GPA_SYS, UK_GPA_SYS, UK_PAGE, UK_MAP_SYS) ||
	       uk_pt_map(&pt, UK_GPA_KSTACK, UK_GPA_KSTACK, UK_PAGE, UK_MAP_RW) ||
	       uk_pt_map(&pt, UK_VA_MMIO, UK_GPA_MMIO, (1 + (uint64_t)vm->nslots) * UK_PAGE,
			 UK_MAP_MMIO) ||
	       uk_pt_map(&pt, l->stack_low, l->stack_low, l->stack_top - l->stack_low, UK_MAP_RW) ||
	       uk_pt_map(&pt, l->heap_start, l->heap_start, l->heap_end - l->heap_start,
			 UK_MAP_RW) ||
	       map_image_tables(vm, &pt);
}

static void fill_boot_page(struct vm *vm)
{
	const char *cmdline = vm->cfg->cmdline;
	struct uk_boot *l = &vm->layout;
	uint8_t *page = vm->gm.base + UK_GPA_BOOT;
	size_t len = strlen(cmdline);

	l->magic = UK_BOOT_MAGIC;
	l->version = UK_ABI_VERSION;
	l->size = sizeof *l;
	l->flags = UK_BOOT_X2APIC | UK_BOOT_TSC_DEADLINE | (vm->idle_exit ? UK_BOOT_IDLE_EXIT : 0);
	l->cmdline = UK_GPA_BOOT + UK_OFF_CMDLINE;
	l->cmdline_len = (uint32_t)len;
	l->ctl = UK_VA_MMIO;
	l->shared = UK_GPA_BOOT + UK_OFF_SHARED;
	l->ndevs = vm->nslots;
	for (unsigned i = 0; i < vm->nslots; i++)
		l->dev[i] = (struct uk_dev){
			.va = UK_VA_MMIO + (1 + (uint64_t)i) * UK_PAGE,
			.vector = UK_VEC_DEV0 + i,
			.device_id = i < vm->cfg->nblk ? 2 : 1,
		};
	/* Fails only in early host boot; the guest mixes RDRAND and its TSC in. */
	if (getrandom(l->seed, sizeof l->seed, GRND_NONBLOCK) < 0)
		memset(l->seed, 0, sizeof l->seed);
	l->wall0 = clock_wall_ns();
	l->mono0 = vm_now();
	l->tsc0 = __rdtsc();
	memcpy(page, l, sizeof *l);
	memcpy(page + UK_OFF_CMDLINE, cmdline, len + 1);
	vm->shared = (struct uk_shared *)(page + UK_OFF_SHARED);
}

/* The pages that every boot writes, in two calls instead of a fault (or two, when a page is read
 * first) each. Kernels before 5.14 do not know how: then they fault. */
static void populate(const struct vm *vm)
{
	(void)madvise(vm->gm.base + UK_GPA_BOOT, UK_GPA_KSTACK - UK_GPA_BOOT, MADV_POPULATE_WRITE);
	(void)madvise(vm->gm.base + UK_GPA_PT, PT_PAGES_MIN * UK_PAGE, MADV_POPULATE_WRITE);
}

int vm_boot_build(struct vm *vm, char *err, size_t errlen)
{
	int r = place(vm, err, errlen);

	if (r)
		return r;
	if (strlen(vm->cfg->cmdline) > UK_CMDLINE_MAX)
		return err_put(err, errlen, -EINVAL, "--cmdline: longer than %u bytes",
			       UK_CMDLINE_MAX);
	populate(vm);
	uk_sys_build(vm->gm.base + UK_GPA_SYS, vm->layout.image_va + vm->image.elf.note.vectors,
		     vm->image.elf.note.vector_stride);
	if (build_tables(vm))
		return err_put(err, errlen, -EINVAL, "%s: too large for %lu KiB of page tables",
			       vm->cfg->kernel, (unsigned long)(UK_VA_MMIO - UK_GPA_PT) >> 10);
	r = image_map(&vm->image, &vm->gm, UK_GPA_IMAGE);
	if (r) {
		snprintf(err, errlen, "%s: cannot be mapped: %s", vm->cfg->kernel, strerror(-r));
		return r;
	}
	fill_boot_page(vm);
	return 0;
}

bool vm_va_to_gpa(const struct vm *vm, uint64_t va, uint64_t len, gpa_t *ret_gpa)
{
	const struct uk_boot *l = &vm->layout;

	if (va >= l->image_va && va - l->image_va < l->image_size)
		va = va - l->image_va + l->image_gpa;
	if (!gmem_ptr(&vm->gm, va, len) || va < UK_PAGE)
		return false;
	*ret_gpa = va;
	return true;
}
