/* SPDX-License-Identifier: MIT
 *
 * relro.c: see relro.h.
 */
#include "lib/relro.h"

#include <elf.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096u

/* By the linker: the start of this program, which is linked at 0. */
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

void relro_protect(void)
{
	uintptr_t base = (uintptr_t)&__ehdr_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);

	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++) {
		uintptr_t start = (base + ph[i].p_vaddr) & ~(uintptr_t)(PAGE - 1);
		uintptr_t end = (base + ph[i].p_vaddr + ph[i].p_memsz) & ~(uintptr_t)(PAGE - 1);

		if (ph[i].p_type == PT_GNU_RELRO && end > start)
			(void)mprotect((void *)start, end - start, PROT_READ);
	}
}
