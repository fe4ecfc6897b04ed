/* SPDX-License-Identifier: MIT
 *
 * compile.h: policies to blocks of BPF, by libseccomp. Build time only: nothing of this is in the
 * monitor.
 */
#ifndef MONITOR_SECCOMP_COMPILE_H
#define MONITOR_SECCOMP_COMPILE_H

#include <stdio.h>

#include "monitor/seccomp/policy.h"

#define COMPILED_INSNS \
	FILTER_BLOCK_INSNS /* a block's jumps reach no further; begin another section */
#define COMPILED_FIXUPS 32

struct compiled_block {
	struct filter_block block; /* points into the rest */
	struct sock_filter insns[COMPILED_INSNS];
	struct filter_fixup fixups[COMPILED_FIXUPS];
	const char *slots[FILTER_SLOTS];
	uint16_t calls[POLICY_RULES];
	struct filter_free frees[POLICY_RULES];
};

struct compiled {
	struct filter_policy policy;
	struct filter_block list[POLICY_SECTIONS];
	struct compiled_block blocks[POLICY_SECTIONS];
};

/* p was resolved and outlives ret_c, which points into itself. 0 or -errno with a text in err. */
int compile_policy(const struct policy *p, struct compiled *ret_c, struct errtext *err);

/* Takes out what decides nothing; how many instructions are left. f was made by libseccomp. */
unsigned simplify(struct sock_filter *f, unsigned n);

/* C arrays: "const struct filter_policy filter_NAME". */
void emit_c(const struct filter_policy *p, FILE *out);
/* The file that --seccomp-policy reads (lib/filter_file.h). */
void emit_file(const struct filter_policy *const *policies, unsigned n, FILE *out);

#endif
