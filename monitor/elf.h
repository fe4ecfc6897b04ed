/* SPDX-License-Identifier: MIT
 *
 * elf.h: decode the headers of an ELF64 image into a plan. Pure: looks at bytes in memory, opens
 * nothing, maps nothing. The file is hostile: every field is checked here, and what comes out is
 * safe to act on (segments sorted, inside the file, page-disjoint, not W+X, inside [base, base +
 * span)). Source: System V gABI chapter 5, x86-64 psABI; the note is
 * unikernel-sdk/include/uk_abi.h.
 */
#ifndef MONITOR_ELF_H
#define MONITOR_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uk_abi.h"

#define ELF_MAX_SEGS 12
#define ELF_HEAD_MAX 4096 /* ELF header, program headers and notes live in the first page */

enum { ELF_R = 4, ELF_W = 2, ELF_X = 1 }; /* = PF_* */

struct elf_seg {
	uint64_t off;	 /* file offset of the first byte, congruent to va modulo 4096 */
	uint64_t va;	 /* link-time virtual address */
	uint64_t filesz; /* bytes from the file */
	uint64_t memsz;	 /* >= filesz; the rest is zero */
	unsigned prot;	 /* ELF_R|ELF_W|ELF_X */
};

struct elf_image {
	bool pie;	/* ET_DYN: may be placed at a random base */
	uint64_t base;	/* lowest va, page aligned */
	uint64_t span;	/* bytes from base to the end of the last segment, page multiple */
	uint64_t stack; /* wanted main stack (PT_GNU_STACK p_memsz), 0 = default */
	struct elf_seg seg[ELF_MAX_SEGS];
	unsigned nseg;
	struct uk_note note; /* checked: entry and vectors inside executable segments, stub page
				aligned... */
};

/*
 * head: the first min(file_size, ELF_HEAD_MAX) bytes. Returns 0, or -ENOEXEC with *ret_why a static
 * string that names the field and what is wrong with it.
 */
int elf_decode(const void *head, size_t head_len, uint64_t file_size, struct elf_image *ret_img,
	       const char **ret_why);

#endif
