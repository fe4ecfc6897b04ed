/* SPDX-License-Identifier: MIT
 *
 * escape.c: runs every row of escape.h's tables under mayfly-jailer, as TAP. Exit status 0 when
 * each attempt failed in its stated way.
 */
#include "tests/jail/escape.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char *const *args;

const char *given(const char *name)
{
	size_t n = strlen(name);

	for (char *const *a = args; *a; a++)
		if (strncmp(*a, name, n) == 0 && (*a)[n] == '=')
			return *a + n + 1;
	return NULL;
}

long given_number(const char *name)
{
	const char *v = given(name);

	return v ? strtol(v, NULL, 10) : -1;
}

static const char *word(int code)
{
	return code == 0 ? "it worked" : code == HOLDS ? "holds" : strerrorname_np(code);
}

static bool run(unsigned number, const struct escape *e)
{
	int r = -e->try();
	bool ok = false;

	for (size_t i = 0; i < sizeof e->want / sizeof e->want[0]; i++)
		ok |= e->want[i] != 0 && e->want[i] == r;
	if (r == SKIP)
		printf("ok %u - %s # SKIP\n", number, e->name);
	else if (ok)
		printf("ok %u - %s (%s)\n", number, e->name, word(r));
	else
		printf("not ok %u - %s: %s, expected %s\n", number, e->name, word(r),
		       word(e->want[0]));
	fflush(stdout);
	return ok || r == SKIP;
}

int main(int argc, char *argv[])
{
	const struct escape *const tables[] = {first_escapes, file_escapes, process_escapes,
					       net_escapes, kernel_escapes};
	unsigned n = 0, bad = 0;

	(void)argc;
	args = argv + 1;
	for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
		for (const struct escape *e = tables[t]; e->name; e++)
			bad += !run(++n, e);
	printf("1..%u\n", n);
	return bad != 0;
}
