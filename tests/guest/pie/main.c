/* SPDX-License-Identifier: MIT
 *
 * A position-independent image: tables of pointers, weak symbols, thread-local storage and
 * constructors work wherever it was placed. Prints where that is; under our monitor two boots
 * differ.
 */
#include <stdint.h>
#include <string.h>

#include "../check.h"

extern int nowhere(void) __attribute__((weak));

static int twice(int v)
{
	return 2 * v;
}

static int square(int v)
{
	return v * v;
}

struct op {
	const char *name;
	int (*fn)(int);
};

static const struct op ops[] = {{"twice", twice}, {"square", square}};
static const void *const self_pointer = ops;
static __thread char tls_text[8] = "tls";
static const char *volatile made_by;

__attribute__((constructor)) static void construct(void)
{
	made_by = ops[1].name;
}

int main(void)
{
	CHECK(!nowhere);
	CHECK(ops[0].fn(21) == 42 && ops[1].fn(5) == 25);
	CHECK(!strcmp(made_by, "square") && self_pointer == (const void *)ops);
	CHECK(!strcmp(tls_text, "tls"));
	printf("base %lx\n", (unsigned long)(uintptr_t)&main & ~0xfffffUL);
	return pass();
}
