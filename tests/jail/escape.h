/* SPDX-License-Identifier: MIT
 *
 * escape.h: ways out of a jail, one row each. escape.c runs them in the monitor's place; what the
 * host holds ready for them comes as NAME=VALUE arguments.
 */
#ifndef TESTS_JAIL_ESCAPE_H
#define TESTS_JAIL_ESCAPE_H

#include <errno.h>

#define HOLDS 1000 /* the row is a property, and it holds */
#define SKIP  1001 /* needs something that this host or this run does not have */

struct escape {
	const char *name;
	int (*try)(void); /* 0 when it worked, -errno, -HOLDS or -SKIP */
	int want[3];	  /* the ways in which it has to fail */
};

/* A system call as an attempt. */
#define TRY(fn, call)                           \
	static int fn(void)                     \
	{                                       \
		return (call) < 0 ? -errno : 0; \
	}
#define CHECK(fn, cond)                     \
	static int fn(void)                 \
	{                                   \
		return (cond) ? -HOLDS : 0; \
	}

/* Value of the argument NAME=VALUE, or NULL; as a number, -1 without one. */
const char *given(const char *name);
long given_number(const char *name);

extern const struct escape first_escapes[], file_escapes[], process_escapes[], net_escapes[],
	kernel_escapes[];

#endif
