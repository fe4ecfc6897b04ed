/* SPDX-License-Identifier: MIT
 *
 * opt_parse.c: see opt.h: the walk of a program that reads its command line once.
 */
#include "lib/opt.h"

int opt_parse(const struct opt_def *defs, size_t n, int argc, char *const argv[], void *ctx,
	      int *ret_rest, struct errtext *err)
{
	struct opt_walk w = {.defs = defs, .n = n, .argc = argc, .argv = argv, .dashes = true};
	const struct opt_def *def;
	const char *val;
	int r;

	while ((r = opt_next(&w, &def, &val, err)) == 1) {
		r = def->set(ctx, val, err);
		if (r == OPT_STOP)
			return r;
		if (r < 0)
			return errtext_blame(err, r, "--%s", def->name);
	}
	*ret_rest = w.last + 1;
	return r;
}
