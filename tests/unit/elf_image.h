/* SPDX-License-Identifier: MIT
 *
 * elf_image.h: a small valid Mayfly image built in memory, for tests to break in one place at a
 * time. Layout: text of two pages (ELF header, program headers and note at its start; the stub is
 * its second page), one page of constants, one page of data with a tail of zeros.
 */
#ifndef TESTS_ELF_IMAGE_H
#define TESTS_ELF_IMAGE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "uk_abi.h"

enum { PH_TEXT, PH_RODATA, PH_DATA, PH_NOTE, PH_STACK, PH_N };

#define ELF_IMAGE_SIZE 0x4100u /* bytes of the file: the data segment has 0x100 in it */
#define ELF_IMAGE_BASE 0x400000u
#define ELF_IMAGE_BSS  0x2000u /* p_memsz of the data segment */

struct elf_image_head {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[PH_N];
	uint32_t pad; /* so that the note is where its fields are aligned */
	Elf64_Nhdr nh;
	char name[8];
	struct uk_note note;
};

/* Fill ELF_IMAGE_SIZE bytes at file; every byte outside the head is its offset's hash, so that a
 * mix-up shows. */
void elf_image_build(uint8_t *file, int pie);
/* What is at offset off of the built file, outside the head. */
uint8_t elf_image_byte(uint64_t off);

#endif
