/* SPDX-License-Identifier: MIT
 *
 * test_symbols.c: symbol look-up in an image whose section headers may say anything.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "monitor/image.h"
#include "tests/unit/elf_image.h"

#define SYMS_AT 0x4100u
#define NSYMS	7u
#define STRS_AT (SYMS_AT + NSYMS * sizeof(Elf64_Sym))
#define SECS_AT 0x5000u

static const char strs[] = "\0main\0helper\0asm_label\0\033[31mred\0data";
static Elf64_Shdr sec[3];
static Elf64_Sym sym[NSYMS];
static struct image img;
static char name[160];
static int fd;

static Elf64_Sym symbol(uint32_t str, uint64_t va, uint64_t size, unsigned type)
{
	return (Elf64_Sym){.st_name = str,
			   .st_value = va,
			   .st_size = size,
			   .st_info = ELF64_ST_INFO(STB_GLOBAL, type),
			   .st_shndx = 1};
}

static void store(void)
{
	cr_assert_eq(pwrite(fd, sym, sizeof sym, SYMS_AT), (ssize_t)sizeof sym);
	cr_assert_eq(pwrite(fd, strs, sizeof strs, STRS_AT), (ssize_t)sizeof strs);
	cr_assert_eq(pwrite(fd, sec, sizeof sec, SECS_AT), (ssize_t)sizeof sec);
}

static void set_header(uint64_t shoff, uint16_t shnum, uint16_t shentsize)
{
	Elf64_Ehdr eh;

	cr_assert_eq(pread(fd, &eh, sizeof eh, 0), (ssize_t)sizeof eh);
	eh.e_shoff = shoff;
	eh.e_shnum = shnum;
	eh.e_shentsize = shentsize;
	cr_assert_eq(pwrite(fd, &eh, sizeof eh, 0), (ssize_t)sizeof eh);
}

static void setup(void)
{
	uint8_t file[ELF_IMAGE_SIZE];
	char path[32];
	const char *why;

	elf_image_build(file, 1);
	fd = memfd_create("image", MFD_CLOEXEC);
	cr_assert_eq(pwrite(fd, file, sizeof file, 0), (ssize_t)sizeof file);
	sym[1] = symbol(1, 0x800, 0x40, STT_FUNC);
	sym[2] = symbol(6, 0x840, 0x40, STT_FUNC);
	sym[3] = symbol(13, 0x900, 0, STT_NOTYPE);
	sym[4] = symbol(23, 0x1000, 8, STT_FUNC);
	sym[5] = symbol(32, 0x4000, 8, STT_OBJECT);
	sym[6] = symbol(1, 0x880, 0x10, STT_SECTION);
	sec[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
			      .sh_offset = SYMS_AT,
			      .sh_size = sizeof sym,
			      .sh_link = 2,
			      .sh_entsize = sizeof sym[0]};
	sec[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = STRS_AT, .sh_size = sizeof strs};
	set_header(SECS_AT, 3, sizeof sec[0]);
	store();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	cr_assert_eq(image_open(&img, path, SIGRTMIN + 1, &why), 0, "%s", why);
}

static void teardown(void)
{
	image_close(&img);
	close(fd);
}

TestSuite(symbols, .init = setup, .fini = teardown);

static const char *at(uint64_t va)
{
	snprintf(name, sizeof name, "junk");
	image_symbol(&img, va, name, sizeof name);
	return name;
}

Test(symbols, names)
{
	cr_assert_str_eq(at(0x800), "main+0x0");
	cr_assert_str_eq(at(0x83f), "main+0x3f");
	cr_assert_str_eq(at(0x840), "helper+0x0");
	cr_assert_str_eq(at(0x880), "", "sections are no symbols, and helper ends before");
	cr_assert_str_eq(at(0x910), "asm_label+0x10", "no size: the nearest below");
	cr_assert_str_eq(at(0x4004), "data+0x4");
	cr_assert_str_eq(at(0x1000), "?[31mred+0x0", "a terminal reads this");
	cr_assert_str_eq(at(0x10), "");
	cr_assert_str_eq(at(0x6000), "", "behind the image");
	cr_assert_str_eq(at(UINT64_MAX), "");
}

Test(symbols, small_buffers)
{
	char b[6] = "xxxxx";

	image_symbol(&img, 0x800, b, 0);
	cr_assert_eq(b[0], 'x');
	image_symbol(&img, 0x800, b, 1);
	cr_assert_str_eq(b, "");
	image_symbol(&img, 0x800, b, sizeof b);
	cr_assert_str_eq(b, "main+");
}

Test(symbols, hostile_section_headers)
{
	static const struct {
		uint64_t off;
		uint16_t num, ent;
	} bad[] = {
		{0, 0, 64},
		{UINT64_MAX, 3, 64},
		{UINT64_MAX - 64, 3, 64},
		{SECS_AT, 0xffff, 64},
		{SECS_AT, 1024, 64},
		{SECS_AT, 3, 63},
		{SECS_AT + 64, 3, 64},
		{INT64_MAX, 3, 64},
		{0x7fffffffffffff80, 3, 64},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		set_header(bad[i].off, bad[i].num, bad[i].ent);
		at(0x800); /* no crash; some still find the table */
	}
	set_header(0, 0, 0);
	cr_assert_str_eq(at(0x800), "");
}

Test(symbols, hostile_tables)
{
	sec[1].sh_link = 77;
	store();
	cr_assert_str_eq(at(0x800), "");
	sec[1].sh_link = 1;
	store();
	cr_assert_str_eq(at(0x800), "", "not a string table");
	sec[1].sh_link = 2;
	sec[1].sh_offset = UINT64_MAX - 8;
	store();
	cr_assert_str_eq(at(0x800), "");
	sec[1].sh_offset = SYMS_AT;
	sec[1].sh_size = UINT64_MAX; /* runs off the end of the file after the real symbols */
	store();
	at(0x800);
	sec[1].sh_size = sizeof sym;
	sec[1].sh_entsize = 0;
	store();
	cr_assert_str_eq(at(0x800), "");
}

Test(symbols, hostile_strings)
{
	sym[1].st_name = UINT32_MAX;
	store();
	cr_assert_str_eq(at(0x800), "");
	sym[1].st_name = 1;
	sec[2].sh_offset = UINT64_MAX;
	store();
	cr_assert_str_eq(at(0x800), "");
	sec[2].sh_offset = STRS_AT;
	sec[2].sh_size = 3; /* the table ends within the name */
	store();
	cr_assert_str_eq(at(0x800), "ma+0x0");
}

Test(symbols, symbols_that_wrap)
{
	sym[1] = symbol(1, 0x10, UINT64_MAX, STT_FUNC);
	store();
	cr_assert_str_eq(at(0x800), "main+0x7f0");
	sym[2] = symbol(6, UINT64_MAX, 8, STT_FUNC);
	store();
	cr_assert_str_eq(at(0x800), "main+0x7f0");
}

Test(symbols, a_file_that_lost_its_end)
{
	cr_assert_eq(ftruncate(fd, SECS_AT + 10), 0);
	cr_assert_str_eq(at(0x800), "");
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_str_eq(at(0x800), "");
}
