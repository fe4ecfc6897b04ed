/* SPDX-License-Identifier: MIT
 *
 * fuzz_elf.c: any bytes as the head of an image. What the decoder accepts has to be what elf.h
 * promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int truth)
{
	if (!truth)
		abort();
}

static void check_segments(const struct elf_image *img, uint64_t file_size)
{
	uint64_t end = img->base;

	demand(img->nseg >= 1 && img->nseg <= ELF_MAX_SEGS && img->base % UK_PAGE == 0);
	for (unsigned i = 0; i < img->nseg; i++) {
		const struct elf_seg *s = &img->seg[i];

		demand(s->va >= end && s->memsz > 0 && s->filesz <= s->memsz);
		demand(s->off <= file_size && s->filesz <= file_size - s->off);
		demand((s->va - s->off) % UK_PAGE == 0);
		demand(s->prot & ELF_R && (s->prot & (ELF_W | ELF_X)) != (ELF_W | ELF_X));
		demand(s->memsz <= UINT64_MAX - s->va);
		end = (s->va + s->memsz + UK_PAGE - 1) / UK_PAGE * UK_PAGE;
		demand(end > s->va);
	}
	demand(end - img->base == img->span);
}

static int executable(const struct elf_image *img, uint64_t off)
{
	for (unsigned i = 0; i < img->nseg; i++)
		if (img->seg[i].prot & ELF_X && img->base + off >= img->seg[i].va &&
		    img->base + off - img->seg[i].va < img->seg[i].memsz)
			return 1;
	return 0;
}

static void check_note(const struct elf_image *img)
{
	const struct uk_note *n = &img->note;

	demand(n->stub_start < n->stub_end && n->stub_end <= img->span);
	demand(n->stub_start % UK_PAGE == 0 && n->stub_end % UK_PAGE == 0);
	demand(n->vectors >= n->stub_start);
	demand(n->vectors + (uint64_t)n->nvectors * n->vector_stride <= n->stub_end);
	demand(executable(img, n->vectors) && executable(img, n->entry));
	demand(n->entry < n->stub_start || n->entry >= n->stub_end);
}

/* The first eight bytes say how long the file is, the rest is its head. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image img;
	const char *why = NULL;
	uint64_t file_size;
	size_t n;

	if (size < sizeof file_size)
		return 0;
	memcpy(&file_size, data, sizeof file_size);
	n = size - sizeof file_size;
	if (n > ELF_HEAD_MAX)
		n = ELF_HEAD_MAX;
	if (file_size < n)
		file_size = n;
	if (elf_decode(data + sizeof file_size, n, file_size, &img, &why) < 0) {
		demand(why != NULL);
		return 0;
	}
	check_segments(&img, file_size);
	check_note(&img);
	return 0;
}
