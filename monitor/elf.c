/* SPDX-License-Identifier: MIT
 *
 * elf.c: see elf.h. Each structure is copied out of the head once and judged as a copy.
 */
#include "monitor/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define PAGE_MASK ((uint64_t)UK_PAGE - 1)
#define SPAN_MAX  ((uint64_t)UK_GPA_MMIO - UK_GPA_IMAGE) /* RAM never reaches the device window */

struct decoder {
	const uint8_t *head;
	size_t head_len;
	uint64_t file_size;
	struct elf_image img;
	unsigned nnotes; /* of ours */
	const char *why;
};

static int refuse(struct decoder *d, const char *why)
{
	d->why = why;
	return -ENOEXEC;
}

static int check_ident(struct decoder *d, const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(d, "not an ELF file; build it with mayfly-cc");
	if (eh->e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(d, "EI_CLASS: not a 64-bit ELF file");
	if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return refuse(d, "EI_DATA: not little-endian");
	if (eh->e_ident[EI_VERSION] != EV_CURRENT || eh->e_version != EV_CURRENT)
		return refuse(d, "e_version: not 1");
	if (eh->e_ident[EI_OSABI] != ELFOSABI_NONE && eh->e_ident[EI_OSABI] != ELFOSABI_GNU)
		return refuse(d, "EI_OSABI: neither System V nor GNU");
	if (eh->e_machine != EM_X86_64)
		return refuse(d, "e_machine: not an x86-64 image");
	return 0;
}

static int check_header(struct decoder *d, const Elf64_Ehdr *eh)
{
	int r = check_ident(d, eh);

	if (r < 0)
		return r;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return refuse(d, "e_type: neither an executable nor a static-PIE");
	if (eh->e_ehsize != sizeof(Elf64_Ehdr))
		return refuse(d, "e_ehsize: not 64");
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return refuse(d, "e_phentsize: not 56");
	if (eh->e_phnum == 0)
		return refuse(d, "e_phnum: no program headers");
	if (eh->e_phoff > d->head_len ||
	    eh->e_phnum > (d->head_len - eh->e_phoff) / sizeof(Elf64_Phdr))
		return refuse(d, "e_phoff, e_phnum: program headers outside the first 4096 bytes "
				 "of the file");
	d->img.pie = eh->e_type == ET_DYN;
	return 0;
}

static int check_load_numbers(struct decoder *d, const Elf64_Phdr *ph)
{
	uint64_t end;

	if (ph->p_filesz > ph->p_memsz)
		return refuse(d, "PT_LOAD: p_filesz is larger than p_memsz");
	if (ph->p_offset > d->file_size || ph->p_filesz > d->file_size - ph->p_offset)
		return refuse(
			d,
			"PT_LOAD: p_offset + p_filesz is behind the end of the file (truncated?)");
	if (__builtin_add_overflow(ph->p_vaddr, ph->p_memsz, &end) || end > UINT64_MAX - PAGE_MASK)
		return refuse(d, "PT_LOAD: p_vaddr + p_memsz wraps");
	if (ph->p_align > 1 && ph->p_align & (ph->p_align - 1))
		return refuse(d, "PT_LOAD: p_align is not a power of two");
	if (ph->p_align > 1 && (ph->p_vaddr - ph->p_offset) & (ph->p_align - 1))
		return refuse(d, "PT_LOAD: p_vaddr and p_offset differ modulo p_align");
	if ((ph->p_vaddr - ph->p_offset) & PAGE_MASK)
		return refuse(d, "PT_LOAD: p_vaddr and p_offset differ modulo 4096; link with -z "
				 "max-page-size=4096");
	if (d->img.pie && ph->p_align > UK_PAGE)
		return refuse(d, "PT_LOAD: p_align of a static-PIE is above 4096; link with -z "
				 "max-page-size=4096");
	return 0;
}

static int check_load_flags(struct decoder *d, const Elf64_Phdr *ph)
{
	if (ph->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X))
		return refuse(d, "PT_LOAD: p_flags has bits other than R, W and X");
	if (!(ph->p_flags & PF_R))
		return refuse(d, "PT_LOAD: p_flags without R");
	if (ph->p_flags & PF_W && ph->p_flags & PF_X)
		return refuse(d, "PT_LOAD: a segment is writable and executable");
	return 0;
}

static int add_load(struct decoder *d, const Elf64_Phdr *ph)
{
	struct elf_image *img = &d->img;
	int r = check_load_numbers(d, ph);

	if (r == 0)
		r = check_load_flags(d, ph);
	if (r < 0 || ph->p_memsz == 0)
		return r;
	if (img->nseg == ELF_MAX_SEGS)
		return refuse(d, "PT_LOAD: more than 12 segments");
	if (img->nseg == 0) {
		if (ph->p_vaddr & PAGE_MASK)
			return refuse(d, "PT_LOAD: the first p_vaddr is not a multiple of 4096");
		img->base = ph->p_vaddr;
	} else if (ph->p_vaddr < img->base + img->span) {
		const struct elf_seg *prev = &img->seg[img->nseg - 1];

		if (ph->p_vaddr < prev->va)
			return refuse(d, "PT_LOAD: segments are not in the order of their p_vaddr");
		if (ph->p_vaddr < prev->va + prev->memsz)
			return refuse(d, "PT_LOAD: two segments overlap");
		return refuse(d, "PT_LOAD: two segments share a page; link with -z separate-code");
	}
	img->seg[img->nseg++] = (struct elf_seg){
		.off = ph->p_offset,
		.va = ph->p_vaddr,
		.filesz = ph->p_filesz,
		.memsz = ph->p_memsz,
		.prot = ph->p_flags,
	};
	img->span = ((ph->p_vaddr + ph->p_memsz + PAGE_MASK) & ~PAGE_MASK) - img->base;
	return 0;
}

static int take_stack(struct decoder *d, const Elf64_Phdr *ph)
{
	if (ph->p_flags & PF_X)
		return refuse(
			d, "PT_GNU_STACK: asks for an executable stack; link with -z noexecstack");
	if (ph->p_memsz > SPAN_MAX)
		return refuse(d, "PT_GNU_STACK: p_memsz is larger than any guest memory");
	d->img.stack = (ph->p_memsz + PAGE_MASK) & ~PAGE_MASK;
	return 0;
}

static int walk_headers(struct decoder *d, const Elf64_Ehdr *eh)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		int r = 0;

		memcpy(&ph, d->head + eh->e_phoff + i * sizeof ph, sizeof ph);
		if (ph.p_type == PT_LOAD)
			r = add_load(d, &ph);
		else if (ph.p_type == PT_GNU_STACK)
			r = take_stack(d, &ph);
		else if (ph.p_type == PT_INTERP)
			r = refuse(d, "PT_INTERP: dynamically linked; build it with mayfly-cc");
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_extent(struct decoder *d)
{
	const struct elf_image *img = &d->img;

	if (img->nseg == 0)
		return refuse(d, "PT_LOAD: nothing to load");
	if (img->span > SPAN_MAX)
		return refuse(d, "PT_LOAD: the segments span more than any guest memory");
	if (img->pie)
		return 0;
	if (img->base < UK_GPA_IMAGE)
		return refuse(
			d, "PT_LOAD: a fixed address below 0x100000, which belongs to the monitor");
	if (img->base > UK_GPA_MMIO || img->span > UK_GPA_MMIO - img->base)
		return refuse(
			d, "PT_LOAD: a fixed address in or behind the device window at 0xd0000000");
	return 0;
}

static int take_note(struct decoder *d, const uint8_t *desc, uint64_t len)
{
	if (d->nnotes++)
		return refuse(d, "Mayfly note: there are two");
	if (len != sizeof d->img.note)
		return refuse(
			d,
			"Mayfly note: wrong size; build the image with this version's mayfly-cc");
	memcpy(&d->img.note, desc, sizeof d->img.note);
	d->img.pie = d->img.pie || (d->img.note.flags & UK_NOTE_RELOCATES);
	return 0;
}

/* One PT_NOTE: a sequence of headers, names and descriptors, each padded to the segment's
 * alignment. */
static int walk_notes(struct decoder *d, const uint8_t *p, uint64_t len, uint64_t align)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		uint64_t desc, end;

		memcpy(&nh, p, sizeof nh);
		desc = (sizeof nh + (uint64_t)nh.n_namesz + align - 1) & ~(align - 1);
		end = desc + nh.n_descsz;
		if (end > len)
			return refuse(d, "PT_NOTE: a note is longer than its segment");
		if (nh.n_type == UK_NOTE_TYPE && nh.n_namesz == sizeof UK_NOTE_NAME &&
		    memcmp(p + sizeof nh, UK_NOTE_NAME, sizeof UK_NOTE_NAME) == 0) {
			int r = take_note(d, p + desc, nh.n_descsz);

			if (r < 0)
				return r;
		}
		end = (end + align - 1) & ~(align - 1);
		if (end >= len)
			break;
		p += end;
		len -= end;
	}
	return 0;
}

static int find_note(struct decoder *d, const Elf64_Ehdr *eh)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		int r;

		memcpy(&ph, d->head + eh->e_phoff + i * sizeof ph, sizeof ph);
		if (ph.p_type != PT_NOTE)
			continue;
		/* Notes further back in the file are none of ours: mayfly-cc puts its own in front.
		 */
		if (ph.p_offset > d->head_len || ph.p_filesz > d->head_len - ph.p_offset)
			continue;
		r = walk_notes(d, d->head + ph.p_offset, ph.p_filesz, ph.p_align == 8 ? 8 : 4);
		if (r < 0)
			return r;
	}
	if (!d->nnotes)
		return refuse(d, "no Mayfly note in the first 4096 bytes: not a unikernel; build "
				 "it with mayfly-cc");
	return 0;
}

/*
 * The executable segment whose pages hold [start, start + len), offsets from the image's base; NULL
 * when there is none.
 */
static const struct elf_seg *code_at(const struct elf_image *img, uint64_t start, uint64_t len,
				     bool whole_pages)
{
	for (unsigned i = 0; i < img->nseg; i++) {
		const struct elf_seg *s = &img->seg[i];
		uint64_t lo = s->va - img->base, hi = lo + s->memsz;

		if (whole_pages) {
			lo &= ~PAGE_MASK;
			hi = (hi + PAGE_MASK) & ~PAGE_MASK;
		}
		if (s->prot & ELF_X && start >= lo && start < hi && len <= hi - start)
			return s;
	}
	return NULL;
}

static int check_note(struct decoder *d)
{
	const struct uk_note *n = &d->img.note;
	uint64_t stub_len = n->stub_end - n->stub_start;

	if (n->version != UK_ABI_VERSION || n->size != sizeof *n)
		return refuse(d, "Mayfly note: another version of the boot protocol; rebuild the "
				 "image with this version's mayfly-cc");
	if ((n->stub_start | n->stub_end) & PAGE_MASK)
		return refuse(d, "Mayfly note: the stub is not page aligned");
	if (n->stub_end <= n->stub_start || !code_at(&d->img, n->stub_start, stub_len, true))
		return refuse(d, "Mayfly note: the stub is not inside one executable segment");
	if (n->nvectors != UK_NVECTORS || n->vector_stride == 0 || n->vector_stride > UK_PAGE)
		return refuse(d, "Mayfly note: wrong number of vectors or stride");
	if (n->vectors < n->stub_start || n->vectors >= n->stub_end ||
	    (uint64_t)n->nvectors * n->vector_stride > n->stub_end - n->vectors)
		return refuse(d, "Mayfly note: the vectors are not inside the stub");
	if (!code_at(&d->img, n->vectors, (uint64_t)n->nvectors * n->vector_stride, false))
		return refuse(d, "Mayfly note: the vectors are not inside an executable segment");
	if (!code_at(&d->img, n->entry, 1, false))
		return refuse(d, "Mayfly note: the entry is not inside an executable segment");
	if (n->entry >= n->stub_start && n->entry < n->stub_end)
		return refuse(d, "Mayfly note: the entry is inside the ring-0 stub");
	return 0;
}

int elf_decode(const void *head, size_t head_len, uint64_t file_size, struct elf_image *ret_img,
	       const char **ret_why)
{
	struct decoder d = {.head = head, .head_len = head_len, .file_size = file_size};
	Elf64_Ehdr eh;
	int r;

	if (head_len < sizeof eh || file_size < head_len) {
		*ret_why = "too short for an ELF header";
		return -ENOEXEC;
	}
	memcpy(&eh, head, sizeof eh);
	r = check_header(&d, &eh);
	if (r == 0)
		r = walk_headers(&d, &eh);
	if (r == 0)
		r = check_extent(&d);
	if (r == 0)
		r = find_note(&d, &eh);
	if (r == 0)
		r = check_note(&d);
	if (r < 0)
		*ret_why = d.why;
	else
		*ret_img = d.img;
	return r;
}
