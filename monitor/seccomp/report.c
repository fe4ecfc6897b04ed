/* SPDX-License-Identifier: MIT
 *
 * report.c: which rules of which policies the traced runs have used. A rule that nothing used is
 * one that nobody needs: the report fails.
 */
#include "monitor/seccomp/report.h"

#include <errno.h>
#include <string.h>

#include "lib/log.h"

static uint64_t used[65536];

static int read_log(const char *path)
{
	unsigned id, count;
	FILE *f = fopen(path, "re");

	if (!f) {
		log_err("%s: %s", path, strerror(errno));
		return -1;
	}
	while (fscanf(f, "%u %u", &id, &count) == 2)
		if (id < 65536)
			used[id] += count;
	fclose(f);
	return 0;
}

/* Does each condition of r stand in o, too? o may have more. */
static bool covers(const struct rule *r, const struct rule *o)
{
	for (unsigned i = 0; i < r->nconds; i++) {
		const struct cond *c = &r->conds[i];
		bool found = false;

		for (unsigned k = 0; k < o->nconds; k++) {
			const struct cond *d = &o->conds[k];

			found |= c->arg == d->arg && c->op == d->op && c->value == d->value &&
				 c->slot < 0 && d->slot < 0;
		}
		if (!found)
			return false;
	}
	return true;
}

/* Of two filters that agree the kernel tells the newer one's rule: what a filter has for narrower
 * ones on top of it is used through them. */
static bool used_above(const struct policy *all, unsigned n, const struct policy *p,
		       const struct rule *r)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; &all[i] != p && k < all[i].nrules; k++)
			if (all[i].rules[k].nr == r->nr && covers(r, &all[i].rules[k]) &&
			    used[policy_rule_id(&all[i], k)])
				return true;
	return false;
}

/* $bell0, $bell1 and so on: of those that are the same descriptor the first one tells. */
static const char *stem(const struct policy *p, const struct rule *r, size_t *ret_len)
{
	const char *slot = r->nconds == 1 && r->conds[0].slot >= 0
				   ? p->sections[r->section].slots[r->conds[0].slot]
				   : "";
	size_t n = strlen(slot);

	while (n && slot[n - 1] >= '0' && slot[n - 1] <= '9')
		n--;
	*ret_len = slot[n] ? n : 0;
	return slot;
}

static bool sibling_used(const struct policy *p, const struct rule *r)
{
	size_t n, m;
	const char *a = stem(p, r, &n);

	for (unsigned k = 0; n && k < p->nrules; k++) {
		const char *b = stem(p, &p->rules[k], &m);

		if (p->rules[k].section == r->section && p->rules[k].nr == r->nr && m == n &&
		    memcmp(a, b, n) == 0 && used[policy_rule_id(p, k)])
			return true;
	}
	return false;
}

/* rare: rules that say so and that nothing used. */
static unsigned report_policy(const struct policy *all, unsigned count, const struct policy *p,
			      const char *path, unsigned *rares)
{
	unsigned unused = 0;

	printf("%s\n", path);
	for (unsigned i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		const char *feature = p->sections[r->section].feature;
		bool below = p->number == 0 || strcmp(feature, "fork-narrow") == 0;
		bool rare = strncmp(r->why, "rare:", 5) == 0;
		uint64_t n = used[policy_rule_id(p, i)];

		if (!n)
			n = (below && used_above(all, count, p, r)) || sibling_used(p, r);
		printf("%s %10llu  %s:%u %s [%s] %s\n",
		       n      ? "ok  "
		       : rare ? "rare"
			      : "FAIL",
		       (unsigned long long)n, path, r->line, r->call, feature, rare ? r->why : "");
		unused += !n && !rare;
		*rares += !n && rare;
	}
	return unused;
}

int report(const struct policy *policies, char *const *paths, unsigned n, char *const *logs,
	   unsigned nlogs)
{
	unsigned unused = 0, rules = 0, rares = 0;

	for (unsigned i = 0; i < nlogs; i++)
		if (read_log(logs[i]) < 0)
			return 2;
	for (unsigned i = 0; i < n; i++) {
		unused += report_policy(policies, n, &policies[i], paths[i], &rares);
		rules += policies[i].nrules;
	}
	if (unused)
		log_err("%u rules allow what no test used: drop them, or add the test", unused);
	printf("%u passed, %u failed, %u skipped\n", rules - unused - rares, unused, rares);
	return unused ? 1 : 0;
}
