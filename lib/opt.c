/* SPDX-License-Identifier: MIT
 *
 * opt.c: see opt.h.
 */
#include "lib/opt.h"

#include <errno.h>
#include <string.h>

#include "lib/near.h"

static int unknown(const struct opt_walk *w, const char *arg, size_t len, struct errtext *err)
{
	const char *best = NULL;
	size_t best_d = 4;
	char name[72];

	snprintf(name, sizeof name, "%.*s", (int)(len < 70 ? len : 70), arg);
	for (size_t i = 0; i < w->n; i++) {
		size_t d = near_distance(name, w->defs[i].name, 3);

		if (d < best_d && d < strlen(w->defs[i].name)) {
			best_d = d;
			best = w->defs[i].name;
		}
	}
	if (best)
		return errtext_set(err, -EINVAL, "unknown option '--%.64s'; did you mean '--%s'?",
				   name, best);
	return errtext_set(err, -EINVAL, "unknown option '--%.64s'; see --help", name);
}

/* The value of o, which may be the next argument; eq is behind its name. */
static int take_value(struct opt_walk *w, const struct opt_def *o, const char *eq,
		      const char **ret_val, struct errtext *err)
{
	*ret_val = "on";
	if (!o->arg)
		return *eq ? errtext_set(err, -EINVAL, "--%s takes no value", o->name) : 0;
	if (*eq)
		*ret_val = eq + 1;
	else if (w->last + 1 < w->argc)
		*ret_val = w->argv[++w->last];
	else
		return errtext_set(err, -EINVAL, "--%s needs a value: --%s %s", o->name, o->name,
				   o->arg);
	return 0;
}

int opt_next(struct opt_walk *w, const struct opt_def **ret_def, const char **ret_val,
	     struct errtext *err)
{
	const char *arg, *eq;
	size_t k = 0, len;
	int r;

	if (w->last + 1 >= w->argc)
		return 0;
	arg = w->argv[++w->last];
	if (w->dashes && strcmp(arg, "--") == 0)
		return 0;
	if (strncmp(arg, "--", 2) != 0 || !arg[2])
		return errtext_set(
			err, -EINVAL,
			"unexpected argument '%.64s'; options start with '--', see --help", arg);
	arg += 2;
	eq = strchrnul(arg, '=');
	len = (size_t)(eq - arg);
	while (k < w->n && (strncmp(w->defs[k].name, arg, len) != 0 || w->defs[k].name[len]))
		k++;
	if (k == w->n)
		return unknown(w, arg, len, err);
	r = take_value(w, &w->defs[k], eq, ret_val, err);
	if (r < 0)
		return r;
	if (w->seen & UINT64_C(1) << k && !w->defs[k].repeats)
		return errtext_set(err, -EINVAL, "--%s is there twice", w->defs[k].name);
	w->seen |= UINT64_C(1) << k;
	*ret_def = &w->defs[k];
	return 1;
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
