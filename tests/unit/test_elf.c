/* SPDX-License-Identifier: MIT
 *
 * test_elf.c: the ELF decoder against one image broken in every field.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "monitor/elf.h"
#include "tests/unit/elf_image.h"

static uint8_t file[ELF_IMAGE_SIZE];
static struct elf_image_head h;
static struct elf_image img;
static const char *why;

static void fresh(int pie)
{
	elf_image_build(file, pie);
	memcpy(&h, file, sizeof h);
}

static int decode_sized(size_t head_len, uint64_t size)
{
	memcpy(file, &h, sizeof h);
	why = NULL;
	return elf_decode(file, head_len, size, &img, &why);
}

static int decode(void)
{
	return decode_sized(ELF_HEAD_MAX, ELF_IMAGE_SIZE);
}

/* The image as it stands is refused, for the reason given; then start over. */
static void refused(const char *says)
{
	cr_assert_eq(decode(), -ENOEXEC, "accepted; expected: %s", says);
	cr_assert(why && strstr(why, says), "says '%s', not '%s'", why, says);
	fresh(0);
}

Test(elf, fixed_address)
{
	fresh(0);
	cr_assert_eq(decode(), 0, "%s", why);
	cr_assert(!img.pie);
	cr_assert_eq(img.base, ELF_IMAGE_BASE);
	cr_assert_eq(img.span, 0x6000);
	cr_assert_eq(img.stack, 0x10000);
	cr_assert_eq(img.nseg, 3);
	cr_assert_eq(img.seg[0].prot, (unsigned)(ELF_R | ELF_X));
	cr_assert_eq(img.seg[1].prot, (unsigned)ELF_R);
	cr_assert_eq(img.seg[2].prot, (unsigned)(ELF_R | ELF_W));
	cr_assert_eq(img.seg[2].filesz, 0x100);
	cr_assert_eq(img.seg[2].memsz, ELF_IMAGE_BSS);
	cr_assert_eq(img.note.entry, 0x800);
}

Test(elf, static_pie)
{
	fresh(1);
	cr_assert_eq(decode(), 0, "%s", why);
	cr_assert(img.pie);
	cr_assert_eq(img.base, 0);
	/* its PT_DYNAMIC is for its own start-up code, PT_TLS for its thread library */
	h.ph[PH_STACK].p_type = PT_DYNAMIC;
	cr_assert_eq(decode(), 0);
	cr_assert_eq(img.stack, 0);
	h.ph[PH_STACK].p_type = PT_TLS;
	cr_assert_eq(decode(), 0);
}

Test(elf, header_fields)
{
	fresh(0);
	h.eh.e_ident[1] = 'F';
	refused("not an ELF file; build it with mayfly-cc");
	h.eh.e_ident[EI_CLASS] = ELFCLASS32;
	refused("EI_CLASS");
	h.eh.e_ident[EI_DATA] = ELFDATA2MSB;
	refused("EI_DATA");
	h.eh.e_ident[EI_VERSION] = 0;
	refused("e_version");
	h.eh.e_version = 2;
	refused("e_version");
	h.eh.e_ident[EI_OSABI] = ELFOSABI_FREEBSD;
	refused("EI_OSABI");
	h.eh.e_machine = EM_AARCH64;
	refused("e_machine");
	h.eh.e_type = ET_REL;
	refused("e_type");
	h.eh.e_type = ET_CORE;
	refused("e_type");
	h.eh.e_ehsize = 52;
	refused("e_ehsize");
	h.eh.e_phentsize = 32;
	refused("e_phentsize");
	h.eh.e_phentsize = 64;
	refused("e_phentsize");
	h.eh.e_phnum = 0;
	refused("e_phnum");
	h.eh.e_phnum = 0xffff;
	refused("program headers outside");
	h.eh.e_phoff = 4096;
	refused("program headers outside");
	h.eh.e_phoff = 4096 - 5 * 56 + 1;
	refused("program headers outside");
	h.eh.e_phoff = UINT64_MAX;
	refused("program headers outside");
	h.eh.e_phoff = UINT64_MAX - 55;
	refused("program headers outside");
}

Test(elf, short_files)
{
	fresh(0);
	for (size_t n = 0; n < sizeof h; n++) {
		/* A heap copy of exactly n bytes, so that a sanitizer sees a read past the end. */
		uint8_t *head = malloc(n ? n : 1);

		memcpy(head, file, n);
		cr_assert_eq(elf_decode(head, n, n, &img, &why), -ENOEXEC, "%zu bytes", n);
		free(head);
	}
	cr_assert_eq(decode_sized(ELF_HEAD_MAX, ELF_IMAGE_SIZE - 1), -ENOEXEC);
	cr_assert(strstr(why, "behind the end of the file"));
}

Test(elf, segment_numbers)
{
	fresh(0);
	h.ph[PH_DATA].p_filesz = ELF_IMAGE_BSS + 1;
	h.ph[PH_DATA].p_offset = 0;
	refused("p_filesz is larger than p_memsz");
	h.ph[PH_DATA].p_filesz = 0x101;
	refused("behind the end of the file");
	h.ph[PH_DATA].p_offset = UINT64_MAX - 0xfff;
	h.ph[PH_DATA].p_filesz = 0x1000;
	refused("behind the end of the file");
	h.ph[PH_DATA].p_offset = UINT64_MAX - 0xff;
	refused("behind the end of the file");
	h.ph[PH_DATA].p_memsz = UINT64_MAX;
	refused("wraps");
	h.ph[PH_DATA].p_vaddr = UINT64_MAX - 0xfff;
	refused("wraps");
	h.ph[PH_DATA].p_vaddr = UINT64_MAX - 0x2fff;
	h.ph[PH_DATA].p_memsz = 0x2fff; /* fits, but rounds up to 2^64 */
	refused("wraps");
	h.ph[PH_DATA].p_align = 3;
	refused("not a power of two");
	h.ph[PH_DATA].p_align = UINT64_MAX;
	refused("not a power of two");
	h.ph[PH_DATA].p_offset += 8;
	h.ph[PH_DATA].p_filesz = 8;
	refused("differ modulo");
	h.ph[PH_DATA].p_align = 1;
	h.ph[PH_DATA].p_vaddr += 16;
	refused("differ modulo 4096");
	h.ph[PH_DATA].p_align = 0x2000;
	h.ph[PH_DATA].p_vaddr += 0x1000;
	refused("differ modulo p_align");
}

Test(elf, alignment_above_a_page)
{
	fresh(0);
	h.ph[PH_DATA].p_align = 0x4000;
	cr_assert_eq(decode(), 0, "%s", why);
	fresh(1);
	h.ph[PH_DATA].p_align = 0x4000;
	refused("static-PIE is above 4096");
	fresh(0);
	h.ph[PH_DATA].p_align = 0;
	cr_assert_eq(decode(), 0, "0 means none");
}

Test(elf, permissions)
{
	fresh(0);
	h.ph[PH_DATA].p_flags |= PF_X;
	refused("writable and executable");
	h.ph[PH_TEXT].p_flags = PF_X;
	refused("without R");
	h.ph[PH_RODATA].p_flags = 0;
	refused("without R");
	h.ph[PH_DATA].p_flags |= 0x100000;
	refused("other than R, W and X");
	h.ph[PH_STACK].p_flags |= PF_X;
	refused("executable stack");
	h.ph[PH_STACK].p_memsz = UINT64_MAX;
	refused("PT_GNU_STACK: p_memsz");
}

Test(elf, placement)
{
	fresh(0);
	h.ph[PH_RODATA].p_vaddr = ELF_IMAGE_BASE + 0x1000;
	refused("overlap");
	h.ph[PH_RODATA].p_vaddr = ELF_IMAGE_BASE - 0x1000;
	refused("not in the order");
	h.ph[PH_TEXT].p_memsz = h.ph[PH_TEXT].p_filesz = 0x1800;
	h.ph[PH_RODATA].p_vaddr = ELF_IMAGE_BASE + 0x1800;
	h.ph[PH_RODATA].p_offset = 0x1800;
	refused("share a page");
	h.ph[PH_DATA].p_vaddr += 0xd0000000;
	refused("span more than any guest memory");
	h.ph[PH_TEXT].p_type = h.ph[PH_RODATA].p_type = h.ph[PH_DATA].p_type = PT_NULL;
	refused("nothing to load");
	for (int i = 0; i < 3; i++)
		h.ph[i].p_vaddr -= 0x310000;
	refused("below 0x100000");
	for (int i = 0; i < 3; i++)
		h.ph[i].p_vaddr += 0xd0000000 - 0x403000;
	refused("device window");
	for (int i = 0; i < 3; i++)
		h.ph[i].p_vaddr += UINT64_C(0xffffffff80000000) - 0x400000;
	refused("device window");
	h.ph[PH_TEXT].p_vaddr += 0x10;
	h.ph[PH_TEXT].p_offset += 0x10;
	h.ph[PH_TEXT].p_filesz = h.ph[PH_TEXT].p_memsz = 0x1800;
	refused("first p_vaddr is not a multiple");
}

Test(elf, empty_segments_do_not_count)
{
	fresh(0);
	h.ph[PH_RODATA].p_filesz = h.ph[PH_RODATA].p_memsz = 0;
	cr_assert_eq(decode(), 0, "%s", why);
	cr_assert_eq(img.nseg, 2);
}

Test(elf, too_many_segments)
{
	fresh(0);
	/* Program headers of their own, behind the note. */
	h.eh.e_phoff = 1024;
	h.eh.e_phnum = 14;
	memcpy(file, &h, sizeof h);
	for (unsigned i = 0; i < 14; i++) {
		Elf64_Phdr ph = h.ph[PH_RODATA];

		ph.p_filesz = 0;
		ph.p_memsz = 0x1000;
		ph.p_vaddr = ELF_IMAGE_BASE + i * 0x1000;
		memcpy(file + 1024 + i * sizeof ph, &ph, sizeof ph);
	}
	cr_assert_eq(elf_decode(file, ELF_HEAD_MAX, ELF_IMAGE_SIZE, &img, &why), -ENOEXEC);
	cr_assert(strstr(why, "more than 12 segments"), "%s", why);
}

Test(elf, other_peoples_programs)
{
	fresh(0);
	h.ph[PH_STACK].p_type = PT_INTERP;
	refused("dynamically linked; build it with mayfly-cc");
	h.ph[PH_NOTE].p_type = PT_NULL;
	refused("no Mayfly note in the first 4096 bytes: not a unikernel; build it with mayfly-cc");
	h.name[0] = 'm';
	refused("no Mayfly note");
	h.nh.n_type = 2;
	refused("no Mayfly note");
	h.nh.n_namesz = 6;
	refused("no Mayfly note");
	h.ph[PH_NOTE].p_offset = UINT64_MAX - 3;
	refused("no Mayfly note");
	h.ph[PH_NOTE].p_offset = 4000;
	h.ph[PH_NOTE].p_filesz = 97;
	refused("no Mayfly note");
	h.ph[PH_NOTE].p_filesz = 11;
	refused("no Mayfly note");
}

Test(elf, notes)
{
	fresh(0);
	h.nh.n_descsz = 0xffffffff;
	refused("longer than its segment");
	h.nh.n_namesz = 0xffffffff;
	refused("longer than its segment");
	h.nh.n_namesz = h.nh.n_descsz = 0xffffffff;
	h.ph[PH_NOTE].p_align = 8;
	refused("longer than its segment");
	h.nh.n_descsz -= 4;
	refused("wrong size");
	h.ph[PH_STACK] = h.ph[PH_NOTE];
	refused("there are two");
	h.note.version = UK_ABI_VERSION + 1;
	refused("another version");
	h.note.size = 40;
	refused("another version");
}

Test(elf, a_note_behind_another)
{
	static const struct {
		Elf64_Nhdr nh;
		char name[4];
		uint32_t desc[2];
	} other = {.nh = {.n_namesz = 4, .n_descsz = 5, .n_type = 18}, .name = "Xen"};
	const size_t ours = sizeof h.nh + sizeof h.name + sizeof h.note;

	fresh(0);
	memcpy(file + 2048, &other, sizeof other);
	memcpy(file + 2048 + sizeof other, file + h.ph[PH_NOTE].p_offset, ours);
	h.ph[PH_NOTE].p_offset = 2048;
	h.ph[PH_NOTE].p_filesz = sizeof other + ours;
	cr_assert_eq(decode(), 0, "%s", why);
	h.ph[PH_NOTE].p_filesz--;
	cr_assert_eq(decode(), -ENOEXEC);
}

Test(elf, note_addresses)
{
	fresh(0);
	h.note.stub_start = 0x1001;
	refused("not page aligned");
	h.note.stub_end = 0x1fff;
	refused("not page aligned");
	h.note.stub_end = h.note.stub_start;
	refused("not inside one executable segment");
	h.note.stub_start = 0x2000;
	h.note.stub_end = 0x1000;
	refused("not inside one executable segment");
	h.note.stub_end = 0x3000;
	refused("not inside one executable segment");
	h.note.stub_start = UINT64_MAX - 0xfff;
	h.note.stub_end = 0x2000;
	refused("not inside one executable segment");
	h.note.stub_start = 0x4000;
	h.note.stub_end = 0x5000;
	refused("not inside one executable segment");
	h.note.nvectors--;
	refused("wrong number of vectors");
	h.note.vector_stride = 0;
	refused("wrong number of vectors or stride");
	h.note.vector_stride = UINT32_MAX;
	refused("wrong number of vectors or stride");
	h.note.vectors = 0xff0;
	refused("vectors are not inside the stub");
	h.note.vectors = 0x2000;
	refused("vectors are not inside the stub");
	h.note.vectors = 0x2000 - 16 * UK_NVECTORS + 1;
	refused("vectors are not inside the stub");
	h.note.vectors = UINT64_MAX;
	refused("vectors are not inside the stub");
	h.note.entry = 0x2000;
	refused("entry is not inside an executable segment");
	h.note.entry = 0x4000;
	refused("entry is not inside an executable segment");
	h.note.entry = UINT64_MAX;
	refused("entry is not inside an executable segment");
	h.note.entry = ELF_IMAGE_BASE + 0x800; /* an address where an offset belongs */
	refused("entry is not inside an executable segment");
	h.note.entry = 0x1800;
	refused("inside the ring-0 stub");
	h.note.vectors = 0x2000 - 16 * UK_NVECTORS;
	cr_assert_eq(decode(), 0, "%s", why);
}

Test(elf, a_stub_that_fills_the_tail_of_its_segment)
{
	fresh(0);
	/* Text ends inside the stub's page; the vectors have to be in what is really there. */
	h.ph[PH_TEXT].p_filesz = h.ph[PH_TEXT].p_memsz = 0x1000 + 16 * UK_NVECTORS;
	cr_assert_eq(decode(), 0, "%s", why);
	h.ph[PH_TEXT].p_filesz = h.ph[PH_TEXT].p_memsz -= 1;
	refused("vectors are not inside an executable segment");
}

/* Every byte of the head, every value that flips one bit: never a crash, and what is accepted is
 * what was promised. */
Test(elf, one_bit_wrong_anywhere)
{
	fresh(0);
	for (size_t bit = 0; bit < sizeof h * 8; bit++) {
		((uint8_t *)&h)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (decode() == 0) {
			uint64_t end = img.base;

			for (unsigned i = 0; i < img.nseg; i++) {
				const struct elf_seg *s = &img.seg[i];

				cr_assert_geq(s->va, end);
				cr_assert(s->filesz <= s->memsz &&
					  s->off + s->filesz <= ELF_IMAGE_SIZE);
				cr_assert((s->prot & (ELF_W | ELF_X)) != (ELF_W | ELF_X));
				end = (s->va + s->memsz + 4095) & ~UINT64_C(4095);
			}
			cr_assert_eq(end, img.base + img.span);
		}
		((uint8_t *)&h)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
