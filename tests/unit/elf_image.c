/* SPDX-License-Identifier: MIT
 *
 * elf_image.c: see elf_image.h.
 */
#include "tests/unit/elf_image.h"

#include <string.h>

uint8_t elf_image_byte(uint64_t off)
{
	return (uint8_t)(off * 7 + (off >> 8) * 13 + 1);
}

static Elf64_Phdr load(uint64_t base, uint32_t flags, uint64_t off, uint64_t filesz, uint64_t memsz)
{
	return (Elf64_Phdr){.p_type = PT_LOAD,
			    .p_flags = flags,
			    .p_offset = off,
			    .p_vaddr = base + off,
			    .p_paddr = base + off,
			    .p_filesz = filesz,
			    .p_memsz = memsz,
			    .p_align = 4096};
}

void elf_image_build(uint8_t *file, int pie)
{
	uint64_t base = pie ? 0 : ELF_IMAGE_BASE;
	struct elf_image_head h = {
		.eh = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				   EV_CURRENT},
		       .e_type = pie ? ET_DYN : ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_entry = base + 0x800,
		       .e_phoff = offsetof(struct elf_image_head, ph),
		       .e_ehsize = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = PH_N},
		.ph = {[PH_TEXT] = load(base, PF_R | PF_X, 0, 0x2000, 0x2000),
		       [PH_RODATA] = load(base, PF_R, 0x2000, 0x1234 - 0x1000 + 0x800,
					  0x1234 - 0x1000 + 0x800),
		       [PH_DATA] = load(base, PF_R | PF_W, 0x4000, 0x100, ELF_IMAGE_BSS),
		       [PH_NOTE] = {.p_type = PT_NOTE,
				    .p_flags = PF_R,
				    .p_offset = offsetof(struct elf_image_head, nh),
				    .p_vaddr = base + offsetof(struct elf_image_head, nh),
				    .p_filesz = sizeof(Elf64_Nhdr) + 8 + sizeof(struct uk_note),
				    .p_memsz = sizeof(Elf64_Nhdr) + 8 + sizeof(struct uk_note),
				    .p_align = 4},
		       [PH_STACK] = {.p_type = PT_GNU_STACK,
				     .p_flags = PF_R | PF_W,
				     .p_memsz = 0x10000}},
		.nh = {.n_namesz = sizeof UK_NOTE_NAME,
		       .n_descsz = sizeof(struct uk_note),
		       .n_type = UK_NOTE_TYPE},
		.name = UK_NOTE_NAME,
		.note = {.version = UK_ABI_VERSION,
			 .size = sizeof(struct uk_note),
			 .entry = 0x800,
			 .stub_start = 0x1000,
			 .stub_end = 0x2000,
			 .vectors = 0x1000,
			 .vector_stride = 16,
			 .nvectors = UK_NVECTORS},
	};

	for (uint64_t i = 0; i < ELF_IMAGE_SIZE; i++)
		file[i] = elf_image_byte(i);
	memcpy(file, &h, sizeof h);
}
