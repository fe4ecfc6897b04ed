/* SPDX-License-Identifier: MIT
 *
 * fuzz_policy.c: any bytes as the text of a seccomp policy. Refusals name a line; what is accepted
 * fits its tables.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

#include "monitor/seccomp/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy p;

static void must(bool cond)
{
	if (!cond)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errtext err = {""};

	if (policy_parse(&p, (const char *)data, size, &err) < 0) {
		must(isdigit((unsigned char)err.text[0]));
		return 0;
	}
	must(p.name[0] && p.number <= 62 && p.nrules <= POLICY_RULES);
	for (unsigned i = 0; i < p.nrules; i++) {
		const struct rule *r = &p.rules[i];

		must(r->why[0] && r->section < p.nsections && r->nconds <= POLICY_CONDS);
		for (unsigned k = 0; k < r->nconds; k++)
			must(r->conds[k].arg <= 5 &&
			     r->conds[k].slot < (int)p.sections[r->section].nslots);
	}
	return 0;
}
