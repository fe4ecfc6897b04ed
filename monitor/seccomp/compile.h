/* SPDX-License-Identifier: MIT
 *
 * compile.h: policies to the tables of lib/filter.h; libseccomp knows the calls by name. Build time
 * only: nothing of this is in the monitor.
 */
#ifndef MONITOR_SECCOMP_COMPILE_H
#define MONITOR_SECCOMP_COMPILE_H

#include <stdio.h>

#include "monitor/seccomp/policy.h"

struct compiled {
	struct filter_policy policy; /* points into the rest */
	struct filter_block blocks[POLICY_SECTIONS];
	struct filter_rule rules[POLICY_RULES];
	struct filter_test tests[POLICY_RULES * FILTER_TESTS];
	uint16_t slots[POLICY_SECTIONS * FILTER_SLOTS];
	char names[POLICY_SECTIONS * (FILTER_SLOTS + 1) * FILTER_NAME];
	unsigned names_len;
};

/* p was resolved and outlives ret_c, which points into itself. */
void compile_policy(const struct policy *p, struct compiled *ret_c);

/* C arrays: "const struct filter_policy filter_NAME". */
void emit_c(const struct compiled *c, FILE *out);
/* The file that --seccomp-policy reads (lib/filter_file.h). */
void emit_file(const struct filter_policy *const *policies, unsigned n, FILE *out);

#endif
