/* SPDX-License-Identifier: MIT
 *
 * opt.c: see opt.h.
 */
#include "lib/opt.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/near.h"

struct table {
	const struct opt_def *defs;
	size_t n;
};

static int unknown(const struct table *t, const char *name, struct errtext *err)
{
	const char *best = NULL;
	size_t best_d = 4;

	for (size_t i = 0; i < t->n; i++) {
		size_t d = near_distance(name, t->defs[i].name, 3);

		if (d < best_d && d < strlen(t->defs[i].name)) {
			best_d = d;
			best = t->defs[i].name;
		}
	}
	if (best)
		return errtext_set(err, -EINVAL, "unknown option '--%.64s'; did you mean '--%s'?",
				   name, best);
	return errtext_set(err, -EINVAL, "unknown option '--%.64s'; see --help", name);
}

/* Index of the option at argv[*i], and its value, which may be the next argument: then *i moves on.
 */
static int next(const struct table *t, int argc, char *const argv[], int *i, const char **ret_val,
		struct errtext *err)
{
	const char *arg = argv[*i], *eq;
	const struct opt_def *o;
	char name[72];
	size_t k = 0;

	if (strncmp(arg, "--", 2) != 0)
		return errtext_set(
			err, -EINVAL,
			"unexpected argument '%.64s'; options start with '--', see --help", arg);
	arg += 2;
	eq = strchrnul(arg, '=');
	snprintf(name, sizeof name, "%.*s", (int)(eq - arg < 70 ? eq - arg : 70), arg);
	while (k < t->n && strcmp(t->defs[k].name, name) != 0)
		k++;
	if (k == t->n)
		return unknown(t, name, err);
	o = &t->defs[k];
	*ret_val = "on";
	if (!o->arg)
		return *eq ? errtext_set(err, -EINVAL, "--%s takes no value", name) : (int)k;
	if (*eq) {
		*ret_val = eq + 1;
		return (int)k;
	}
	if (*i + 1 >= argc)
		return errtext_set(err, -EINVAL, "--%s needs a value: --%s %s", name, name, o->arg);
	*ret_val = argv[++*i];
	return (int)k;
}

int opt_parse(const struct opt_def *defs, size_t n, int argc, char *const argv[], void *ctx,
	      int *ret_rest, struct errtext *err)
{
	struct table t = {.defs = defs, .n = n};
	uint64_t seen = 0;

	*ret_rest = argc;
	for (int i = 1; i < argc; i++) {
		const char *val = NULL;

		if (strcmp(argv[i], "--") == 0) {
			*ret_rest = i + 1;
			return 0;
		}
		int k = next(&t, argc, argv, &i, &val, err);
		if (k < 0)
			return k;
		if (seen & UINT64_C(1) << k && !defs[k].repeats)
			return errtext_set(err, -EINVAL, "--%s is there twice", defs[k].name);
		seen |= UINT64_C(1) << k;
		int r = defs[k].set(ctx, val, err);
		if (r == OPT_STOP)
			return r;
		if (r < 0)
			return errtext_blame(err, r, "--%s", defs[k].name);
	}
	return 0;
}

void opt_print_help(const struct opt_def *defs, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct opt_def *o = &defs[i];

		fprintf(out, "  --%s%s%s\n", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		for (const char *line = o->help; *line;) {
			const char *end = strchrnul(line, '\n');

			fprintf(out, "        %.*s\n", (int)(end - line), line);
			line = *end ? end + 1 : end;
		}
	}
}
