/* SPDX-License-Identifier: MIT
 *
 * opt.h: a command line by table: every option's name, argument, help text and judge stand in one
 * row. Main thread; arguments are hostile; no allocation.
 */
#ifndef LIB_OPT_H
#define LIB_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/errtext.h"

#define OPT_MAX	 64 /* rows at most: a mask tells which were there */
#define OPT_STOP 1  /* from a judge: obey this one at once and read no further, as --help wants */

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

/* A judge of a flag: it sets a bool of its ctx, which is a type *. */
#define OPT_FLAG(fn, type, member)                                     \
	static int fn(void *ctx, const char *val, struct errtext *err) \
	{                                                              \
		(void)val;                                             \
		(void)err;                                             \
		((type *)ctx)->member = true;                          \
		return 0;                                              \
	}

/* A walk along --name VALUE, --name=VALUE and flags. The caller sets the first five. */
struct opt_walk {
	const struct opt_def *defs;
	size_t n;
	int argc;
	char *const *argv;
	bool dashes;   /* "--" ends the options; otherwise it is a mistake */
	int last;      /* index of the last argument taken */
	uint64_t seen; /* rows */
};

/* 1: an option and its value; 0: the end, and what is behind "--" starts at argv[last + 1]; -EINVAL
 * with one line in err. */
int opt_next(struct opt_walk *w, const struct opt_def **ret_def, const char **ret_val,
	     struct errtext *err);
/*
 * A walk to the end or to "--" in which every option goes to its judge (opt_parse.c). Returns 0,
 * OPT_STOP, or -EINVAL with one line in err. *ret_rest is the index of the first argument after
 * "--", or argc.
 */
int opt_parse(const struct opt_def *defs, size_t n, int argc, char *const argv[], void *ctx,
	      int *ret_rest, struct errtext *err);
/* The rows as text for --help. */
void opt_print_help(const struct opt_def *defs, size_t n, FILE *out);

#endif
