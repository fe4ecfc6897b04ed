/* SPDX-License-Identifier: MIT
 *
 * foreign.c: ring-0 boot under a VMM that is not ours (QEMU microvm by PVH, Firecracker by the
 * Linux 64-bit entry): does what mayfly-monitor does from outside, then drops to ring 3. Runs once
 * on a scratch stack behind the image; compiled for general registers only. Trusts the VMM.
 * Sources: Xen include/public/arch-x86/hvm/start_info.h, Linux Documentation/arch/x86/boot.rst,
 * Intel SDM vol. 3 chapter 11, 82093AA data sheet (I/O APIC).
 */
#include "arch/x86_64/foreign.h"

#include <elf.h>

#include "uk_abi_asm.h"
#include "uk_tables.h"

extern const Elf64_Ehdr uk__image_start[];
extern char uk__image_end[], uk__stub_vectors[], uk__stub_end[];
_Noreturn void uk__foreign_boot(uint64_t params, uint32_t is_pvh);
_Noreturn void uk__foreign_drop(struct uk_boot *boot, uint64_t rsp, uint64_t cr3);

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};
struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};
struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

#define RAM_CAP UINT64_C(0xc0000000)
#define LAPIC	UINT64_C(0xfee00000)
#define IOAPIC	UINT64_C(0xfec00000)

struct foreign_dev {
	uint64_t base;
	uint32_t irq;
};

static void put(char c)
{
	__asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)0x3f8));
}

static _Noreturn void give_up(const char *why)
{
	for (const char *s = "mayfly: cannot boot here: "; *s; s++)
		put(*s);
	for (; *why; why++)
		put(*why);
	put('\n');
	for (;;) {
		__asm__ volatile("outb %0, %1" : : "a"((uint8_t)125), "Nd"((uint16_t)0x501));
		__asm__ volatile("outb %0, %1" : : "a"((uint8_t)0xfe), "Nd"((uint16_t)0x64));
		__asm__ volatile("hlt");
	}
}

/* --- what the VMM says
 * ------------------------------------------------------------------------------------ */

/* End of the RAM range that holds the image. */
static uint64_t ram_end(uint64_t addr, uint64_t size, uint32_t type, uint64_t sofar)
{
	uint64_t image = (uint64_t)uk__image_start;

	if (type == 1 && addr <= image && addr + size > image)
		return addr + size < RAM_CAP ? addr + size : RAM_CAP;
	return sofar;
}

static uint64_t read_params(uint64_t params, uint32_t is_pvh, const char **ret_cmdline)
{
	uint64_t end = 0;

	if (is_pvh) {
		const struct start_info *si = (const struct start_info *)params;
		const struct memmap_entry *m = (const struct memmap_entry *)si->memmap;

		if (si->magic != 0x336ec578)
			give_up("no PVH start info");
		*ret_cmdline = si->cmdline ? (const char *)si->cmdline : "";
		if (si->version >= 1)
			for (uint32_t i = 0; i < si->memmap_entries; i++)
				end = ram_end(m[i].addr, m[i].size, m[i].type, end);
	} else {
		const uint8_t *zp = (const uint8_t *)params;
		const struct e820_entry *e = (const struct e820_entry *)(zp + 0x2d0);
		uint64_t cmd = *(const uint32_t *)(zp + 0x228);

		*ret_cmdline = cmd ? (const char *)cmd : "";
		for (uint32_t i = 0; i < zp[0x1e8]; i++)
			end = ram_end(e[i].addr, e[i].size, e[i].type, end);
	}
	if (!end)
		give_up("no memory map with RAM at 1 MiB");
	return end;
}

static const char *number(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned base = 10;

	if (s[0] == '0' && (s[1] | 32) == 'x') {
		base = 16;
		s += 2;
	}
	for (;; s++) {
		unsigned d = (unsigned)(*s - '0') < 10	       ? (unsigned)(*s - '0')
			     : (unsigned)((*s | 32) - 'a') < 6 ? (unsigned)((*s | 32) - 'a') + 10
							       : 99;
		if (d >= base)
			break;
		v = v * base + d;
	}
	*ret = v;
	return s;
}

/* virtio_mmio.device=<size>@<base>:<irq>, as Linux parses it. */
static unsigned find_devices(const char *cmdline, struct foreign_dev *dev, unsigned max)
{
	static const char key[] = "virtio_mmio.device=";
	unsigned n = 0;

	for (const char *s = cmdline; *s && n < max; s++) {
		unsigned k = 0;
		uint64_t base, irq, size;

		if (s != cmdline && s[-1] != ' ')
			continue;
		while (key[k] && s[k] == key[k])
			k++;
		if (key[k])
			continue;
		const char *p = number(s + k, &size);
		while (*p && *p != '@' && *p != ' ')
			p++;
		if (*p != '@')
			continue;
		p = number(p + 1, &base);
		if (*p != ':')
			continue;
		number(p + 1, &irq);
		dev[n++] = (struct foreign_dev){.base = base, .irq = (uint32_t)irq};
	}
	return n;
}

/* --- address space
 * ---------------------------------------------------------------------------------------- */

/* Whole pages. By eights: PVM emulates ring 0, and counts each step of a REP as an instruction. */
static void zero(uint64_t at, uint64_t len)
{
	len /= 8;
	__asm__ volatile("rep stosq" : "+D"(at), "+c"(len) : "a"(0) : "memory");
}

/* Table pages are zeroed only as far as the next range can need them: one PDPT, a PD for each GiB
 * that it touches, and page tables for its two ends. */
static void map(struct uk_pt *pt, uint64_t va, uint64_t len, uint64_t flags)
{
	static uint64_t zeroed = UK_GPA_PT + UK_PAGE;
	uint64_t need = pt->next + (5 + (len >> 30)) * UK_PAGE;

	need = need < pt->end ? need : pt->end;
	if (zeroed < need) {
		zero(zeroed, need - zeroed);
		zeroed = need;
	}
	if (len && uk_pt_map(pt, va, va, len, flags))
		give_up("out of page tables");
}

static void map_image(struct uk_pt *pt)
{
	const Elf64_Ehdr *eh = uk__image_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((uint64_t)eh + eh->e_phoff);
	uint64_t stub = (uint64_t)uk__stub_vectors, stub_end = (uint64_t)uk__stub_end;

	for (unsigned i = 0; i < eh->e_phnum; i++, ph++) {
		uint64_t va = ph->p_vaddr & ~UINT64_C(4095);
		uint64_t end = (ph->p_vaddr + ph->p_memsz + 4095) & ~UINT64_C(4095);

		if (ph->p_type != PT_LOAD)
			continue;
		if (!(ph->p_flags & PF_X)) {
			map(pt, va, end - va, ph->p_flags & PF_W ? UK_MAP_RW : UK_MAP_RO);
			continue;
		}
		map(pt, va, stub - va, UK_MAP_RX);
		map(pt, stub, stub_end - stub, UK_MAP_SYSX);
		map(pt, stub_end, end - stub_end, UK_MAP_RX);
	}
}

_Noreturn void uk__foreign_boot(uint64_t params, uint32_t is_pvh)
{
	/* In the scratch area, above tables and stack; the low pages may hold the parameters until
	 * copied. */
	uint64_t scratch = (uint64_t)uk__image_end + 10 * UK_PAGE;
	uint64_t image = (uint64_t)uk__image_start, image_end = (uint64_t)uk__image_end;
	char *copy = (char *)scratch;
	struct foreign_dev devs[UK_MAX_DEVS];
	struct uk_boot *boot = (struct uk_boot *)(uint64_t)UK_GPA_BOOT;
	const char *cmdline;
	struct uk_pt pt;
	uint32_t n = 0;

	uint64_t end = read_params(params, is_pvh, &cmdline) & ~UINT64_C(4095);
	if (end < image_end + 0x80000)
		give_up("too little memory");
	for (; cmdline[n] && n < UK_CMDLINE_MAX; n++)
		copy[n] = cmdline[n];
	copy[n] = 0;
	unsigned ndevs = find_devices(copy, devs, UK_MAX_DEVS);

	zero(UK_GPA_BOOT, UK_GPA_PT + UK_PAGE - UK_GPA_BOOT); /* and the PML4 */
	uk_sys_build((void *)(uint64_t)UK_GPA_SYS, (uint64_t)uk__stub_vectors, 16);
	uk_pt_init(&pt, 0, UK_GPA_PT, UK_VA_MMIO);

	boot->magic = UK_BOOT_MAGIC;
	boot->version = UK_ABI_VERSION;
	boot->size = sizeof *boot;
	boot->flags = UK_BOOT_FOREIGN;
	boot->mem_size = end;
	boot->stack_top = end;
	boot->stack_low = end - (end < 0x1000000 ? 0x40000 : 0x80000);
	boot->heap_start = image_end;
	boot->heap_end = boot->stack_low - UK_PAGE;
	boot->image_va = boot->image_gpa = image;
	boot->image_size = image_end - image;
	boot->cmdline = UK_GPA_BOOT + UK_OFF_CMDLINE;
	boot->cmdline_len = n;
	boot->shared = UK_GPA_BOOT + UK_OFF_SHARED;
	for (uint32_t i = 0; i <= n; i++)
		((char *)boot->cmdline)[i] = copy[i];

	map(&pt, UK_GPA_BOOT, UK_PAGE, UK_MAP_RW);
	map(&pt, UK_GPA_SYS, UK_PAGE, UK_MAP_SYS);
	map(&pt, UK_GPA_KSTACK, UK_PAGE, UK_MAP_RW);
	map_image(&pt);
	map(&pt, boot->heap_start, boot->heap_end - boot->heap_start, UK_MAP_RW);
	map(&pt, boot->stack_low, boot->stack_top - boot->stack_low, UK_MAP_RW);
	map(&pt, LAPIC, UK_PAGE, UK_MAP_SYS | UK_PT_PCD);
	map(&pt, IOAPIC, UK_PAGE, UK_MAP_SYS | UK_PT_PCD);
	map(&pt, IOAPIC + 0x10000, UK_PAGE, UK_MAP_SYS | UK_PT_PCD);
	for (unsigned i = 0; i < ndevs; i++) {
		uint64_t page = devs[i].base & ~UINT64_C(4095);
		unsigned same = 0;

		while (same < i && (devs[same].base & ~UINT64_C(4095)) != page)
			same++;
		if (same == i) /* QEMU packs eight devices into a page */
			map(&pt, page, UK_PAGE, UK_MAP_MMIO);
		boot->dev[i] = (struct uk_dev){.va = devs[i].base, .vector = UK_VEC_DEV0 + i};
	}
	boot->ndevs = ndevs;

	const char *why = uk__foreign_cpu(boot);
	if (why)
		give_up(why);
	uk__foreign_apic(boot);
	for (unsigned i = 0; i < ndevs; i++)
		uk__foreign_route(devs[i].irq, UK_VEC_DEV0 + i);
	uk__foreign_clock(boot);
	uk__foreign_drop(boot, boot->stack_top, pt.root);
}
