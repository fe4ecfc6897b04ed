/* SPDX-License-Identifier: MIT
 *
 * symbols.c: image_symbol of image.h, for the backtrace of a crashed guest. Reads the section
 * headers and the symbol table with pread, a bounded piece at a time; the file is hostile and may
 * have changed since the boot, in which case names are wrong or missing and nothing else is.
 */
#include "monitor/image.h"

#include <elf.h>
#include <stdio.h>

#include "lib/vec.h"

#define SECTIONS_MAX 1024u
#define SYMBOLS_MAX  (1u << 20)
#define CHUNK	     256u
#define NAME_MAX_LEN 128u

static bool read_at(const struct image *img, void *dst, size_t len, uint64_t off)
{
	if (off > img->size || len > img->size - off)
		return false;
	return vec_get(img->fd, dst, len, off) == (ssize_t)len;
}

static bool read_section(const struct image *img, const Elf64_Ehdr *eh, unsigned i,
			 Elf64_Shdr *ret_sh)
{
	uint64_t off;

	if (i >= eh->e_shnum || __builtin_add_overflow(eh->e_shoff, i * sizeof *ret_sh, &off))
		return false;
	return read_at(img, ret_sh, sizeof *ret_sh, off);
}

/* The symbol table and the string table it names. */
static bool find_tables(const struct image *img, Elf64_Shdr *ret_syms, Elf64_Shdr *ret_strs)
{
	Elf64_Ehdr eh;

	if (!read_at(img, &eh, sizeof eh, 0) || eh.e_shentsize != sizeof(Elf64_Shdr) ||
	    eh.e_shnum > SECTIONS_MAX)
		return false;
	for (unsigned i = 0; i < eh.e_shnum; i++) {
		Elf64_Shdr sh;

		if (!read_section(img, &eh, i, &sh))
			return false;
		if (sh.sh_type != SHT_SYMTAB || sh.sh_entsize != sizeof(Elf64_Sym))
			continue;
		*ret_syms = sh;
		return read_section(img, &eh, sh.sh_link, ret_strs) &&
		       ret_strs->sh_type == SHT_STRTAB;
	}
	return false;
}

struct best {
	bool found, inside; /* inside: va is within the symbol's size */
	Elf64_Sym sym;
};

/* Prefer a symbol that contains va, then the nearest below it. */
static void consider(struct best *b, const Elf64_Sym *s, uint64_t va)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);
	bool inside;

	if (s->st_shndx == SHN_UNDEF || s->st_shndx >= SHN_LORESERVE || s->st_name == 0 ||
	    s->st_value > va || (type != STT_FUNC && type != STT_NOTYPE && type != STT_OBJECT))
		return;
	inside = va - s->st_value < s->st_size;
	if (s->st_size && !inside)
		return;
	if (b->found &&
	    (b->inside > inside || (b->inside == inside && b->sym.st_value >= s->st_value)))
		return;
	*b = (struct best){.found = true, .inside = inside, .sym = *s};
}

static void search(const struct image *img, const Elf64_Shdr *syms, uint64_t va, struct best *best)
{
	uint64_t left = syms->sh_size / sizeof(Elf64_Sym), off = syms->sh_offset;
	Elf64_Sym chunk[CHUNK];

	if (left > SYMBOLS_MAX)
		left = SYMBOLS_MAX;
	while (left) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (!read_at(img, chunk, n * sizeof chunk[0], off))
			return;
		for (size_t i = 0; i < n; i++)
			consider(best, &chunk[i], va);
		off += n * sizeof chunk[0]; /* cannot wrap: read_at saw it inside the file */
		left -= n;
	}
}

static bool read_name(const struct image *img, const Elf64_Shdr *strs, uint32_t at,
		      char name[NAME_MAX_LEN])
{
	uint64_t off, room;

	if (at >= strs->sh_size || __builtin_add_overflow(strs->sh_offset, at, &off) ||
	    off >= img->size)
		return false;
	room = strs->sh_size - at;
	if (room > img->size - off)
		room = img->size - off;
	if (room > NAME_MAX_LEN - 1)
		room = NAME_MAX_LEN - 1;
	if (!read_at(img, name, (size_t)room, off))
		return false;
	name[room] = '\0';
	for (char *p = name; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			*p = '?'; /* a terminal will see this */
	return name[0] != '\0';
}

void image_symbol(const struct image *img, uint64_t va, char *buf, size_t len)
{
	Elf64_Shdr syms, strs;
	struct best best = {0};
	char name[NAME_MAX_LEN];

	if (len == 0)
		return;
	buf[0] = '\0';
	if (va < img->elf.base || va - img->elf.base >= img->elf.span ||
	    !find_tables(img, &syms, &strs))
		return;
	search(img, &syms, va, &best);
	if (best.found && read_name(img, &strs, best.sym.st_name, name))
		snprintf(buf, len, "%s+0x%llx", name, (unsigned long long)(va - best.sym.st_value));
}
