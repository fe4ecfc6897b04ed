/* SPDX-License-Identifier: MIT
 *
 * start.c: from the entry code to main(): the heap, standard descriptors, then the block of
 * arguments, environment and auxiliary vector that a Linux kernel would have built, and musl's
 * start-up over it. Runs once, on the main stack.
 */
#include <elf.h>
#include <string.h>

#include "core/area.h"
#include "core/cmdline.h"
#include "core/platform.h"
#include "core/sys.h"

extern const Elf64_Ehdr uk__image_start[];

int main(int argc, char **argv, char **envp);
_Noreturn int __libc_start_main(int (*fn)(int, char **, char **), int argc, char **argv,
				void (*init)(void), void (*fini)(void), void (*ldso_fini)(void));

static int marked_main(int argc, char **argv, char **envp)
{
	uk__mark(UK_MARK_MAIN);
	return main(argc, argv, envp);
}

#define AUX_PAIRS      16
/* CPUID.1:EDX of any x86-64: FPU, TSC, MSR, CX8, CMOV, MMX, FXSR, SSE, SSE2. CPUID itself costs an
 * exit. */
#define HWCAP_BASELINE 0x07808131u

/* The auxiliary vector at aux, which has room for AUX_PAIRS pairs. name: of the program. */
static void fill_auxv(uint64_t *aux, char *name)
{
	const Elf64_Ehdr *eh = uk__image_start;
	const uint64_t pairs[AUX_PAIRS][2] = {
		{AT_PHDR, (uint64_t)eh + eh->e_phoff},
		{AT_PHENT, eh->e_phentsize},
		{AT_PHNUM, eh->e_phnum},
		{AT_PAGESZ, UK_PAGE},
		{AT_ENTRY, (uint64_t)eh - UK_GPA_IMAGE + eh->e_entry},
		{AT_UID, 0},
		{AT_EUID, 0},
		{AT_GID, 0},
		{AT_EGID, 0},
		{AT_SECURE, 0},
		{AT_CLKTCK, 100},
		{AT_HWCAP, HWCAP_BASELINE},
		{AT_RANDOM, (uint64_t)uk__boot->seed + sizeof(uk__boot->seed) - 16},
		{AT_EXECFN, (uint64_t)name},
		{AT_PLATFORM, (uint64_t) "x86_64"},
		{AT_NULL, 0},
	};

	memcpy(aux, pairs, sizeof(pairs));
}

_Noreturn void uk__start(void)
{
	static char name[] = "app", no_line[1];
	struct uk_word_iter it = {0};
	enum uk_word kind;
	int argc = 1;
	size_t n = 0;
	char *w;

	uk__mark(UK_MARK_LIBOS);
	uk__cmdline_parse(uk__boot->cmdline ? (char *)uk__boot->cmdline : no_line,
			  uk__boot->flags & UK_BOOT_FOREIGN);
	uk__mem_init();
	uk__time_init();
	uk__fd_init();

	while (uk__cmdline_next(&it, &kind))
		n += kind == UK_WORD_ARG || kind == UK_WORD_ENV;
	/* argv[0], the words, two terminators, auxv: on the stack, under everything the program
	 * does */
	char **block = __builtin_alloca((n + 3 + 2 * AUX_PAIRS) * sizeof(*block));
	char **at = block;

	*at++ = name;
	for (it = (struct uk_word_iter){0}; (w = uk__cmdline_next(&it, &kind));)
		if (kind == UK_WORD_ARG) {
			*at++ = w;
			argc++;
		}
	*at++ = NULL;
	for (it = (struct uk_word_iter){0}; (w = uk__cmdline_next(&it, &kind));)
		if (kind == UK_WORD_ENV)
			*at++ = w;
	*at++ = NULL;
	fill_auxv((uint64_t *)at, name);
	__libc_start_main(marked_main, argc, block, NULL, NULL, NULL);
}
