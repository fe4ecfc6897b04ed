/* SPDX-License-Identifier: MIT
 *
 * opt.h: a command line by table: every option's name, argument, help text and judge stand in one
 * row. Main thread; arguments are hostile; no allocation.
 */
#ifndef LIB_OPT_H
#define LIB_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/errtext.h"

#define OPT_STOP 1 /* from a judge: obey this one at once and read no further, as --help wants */

struct opt_def {
	const char *name; /* without the dashes */
	const char *arg;  /* NULL: a flag, its value is "on" */
	bool repeats;
	/* 0, OPT_STOP, or -EINVAL with a text that does not name the option. val lives as argv
	 * does.
	 */
	int (*set)(void *ctx, const char *val, struct errtext *err);
	const char *help; /* lines */
};

/*
 * Read --name VALUE, --name=VALUE and flags up to the end or to "--". At most 64 rows. Returns 0,
 * OPT_STOP, or -EINVAL with one line in err. *ret_rest is the index of the first argument after
 * "--", or argc.
 */
int opt_parse(const struct opt_def *defs, size_t n, int argc, char *const argv[], void *ctx,
	      int *ret_rest, struct errtext *err);
/* The rows as text for --help. */
void opt_print_help(const struct opt_def *defs, size_t n, FILE *out);

#endif
