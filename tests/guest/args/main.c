/* SPDX-License-Identifier: MIT
 *
 * Prints what main() was given, for the cases to compare with their command lines, and checks the
 * auxiliary vector.
 */
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../check.h"

extern char **environ;

int main(int argc, char **argv)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	int loads = 0;

	for (int i = 1; i < argc; i++)
		printf("arg[%d]=<%s>\n", i, argv[i]);
	for (char **e = environ; *e; e++)
		printf("env <%s>\n", *e);
	CHECK(argv[argc] == NULL);
	CHECK(getauxval(AT_PAGESZ) == 4096 && getpagesize() == 4096);
	CHECK(getauxval(AT_RANDOM) != 0 && getauxval(AT_SECURE) == 0);
	CHECK(getauxval(AT_PHENT) == sizeof(*ph));
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		loads += ph[i].p_type == PT_LOAD;
	CHECK(loads >= 3);
	return pass();
}
