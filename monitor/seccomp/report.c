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

/* What a filter has for narrower ones on top of it is used through them. */
static bool used_elsewhere(const struct policy *all, unsigned n, const struct rule *r)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < all[i].nrules; k++)
			if (all[i].rules[k].nr == r->nr && used[policy_rule_id(&all[i], k)])
				return true;
	return false;
}

static unsigned report_policy(const struct policy *all, unsigned count, const struct policy *p,
			      const char *path)
{
	unsigned unused = 0;

	printf("%s\n", path);
	for (unsigned i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		const char *feature = p->sections[r->section].feature;
		uint64_t n = used[policy_rule_id(p, i)];

		if (!n && (strcmp(feature, "narrow") == 0 || strcmp(feature, "fork-narrow") == 0))
			n = used_elsewhere(all, count, r);
		printf("%s %10llu  %s:%u %s [%s]\n", n ? "ok  " : "FAIL", (unsigned long long)n,
		       path, r->line, r->call, feature);
		unused += !n;
	}
	return unused;
}

int report(const struct policy *policies, char *const *paths, unsigned n, char *const *logs,
	   unsigned nlogs)
{
	unsigned unused = 0, rules = 0;

	for (unsigned i = 0; i < nlogs; i++)
		if (read_log(logs[i]) < 0)
			return 2;
	for (unsigned i = 0; i < n; i++) {
		unused += report_policy(policies, n, &policies[i], paths[i]);
		rules += policies[i].nrules;
	}
	if (unused)
		log_err("%u rules allow what no test used: drop them, or add the test", unused);
	printf("%u passed, %u failed, 0 skipped\n", rules - unused, unused);
	return unused ? 1 : 0;
}
