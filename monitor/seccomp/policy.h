/* SPDX-License-Identifier: MIT
 *
 * policy.h: a seccomp policy as text: which calls one thread may make in one phase, with which
 * arguments, and why. Read at build time by mayfly-seccomp; the text may be anybody's. The grammar,
 * one statement a line, '#' begins a comment:
 *
 *   policy NAME NUMBER        first; NUMBER (0..62) makes the rules' numbers unique among files
 *   never CALL|PROT_EXEC ...  a rule that allows one of them is an error
 *   either FEATURE FEATURE    the two, and what begins with their names and '-', exclude each other
 *   beyond FEATURE            max does not count it, and what begins with its name and '-'; may be
 *                             there again
 *   deny                      the rules say what fails with EPERM; all else is allowed
 *   max N                     no VM has more than N different calls
 *   [FEATURE]                 rules from here on are there when the feature is
 *   CALL [COND, ...] : WHY    all conditions hold; several rules of one call are alternatives
 *   CALL ... : rare: WHY      the same; tests need not use it
 *   !CALL ...                 the same, although `never` has it: only in a section beyond max
 *
 * COND is aN OP VALUE: argument N (0..5), 64 bits; wN is its low half, which is what the kernel
 * looks at when it wants an int or a descriptor. OP: ==, or "in" (no bit outside VALUE is set).
 * VALUE: numbers and constants joined by '|', or with == $SLOT, a descriptor written in at launch.
 */
#ifndef MONITOR_SECCOMP_POLICY_H
#define MONITOR_SECCOMP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/filter.h"

#define POLICY_RULES	256
#define POLICY_SECTIONS 24
#define POLICY_NEVER	64
#define POLICY_BEYOND	4
#define POLICY_CONDS	6
#define POLICY_CALL	32
#define POLICY_WHY	160

enum cond_op { COND_EQ, COND_IN };

struct cond {
	uint8_t arg;
	bool half; /* only the low 32 bits */
	enum cond_op op;
	uint64_t value;
	int slot; /* index into the section's slots, -1 = value counts */
};

struct rule {
	unsigned line, section;
	char call[POLICY_CALL];
	int nr; /* -1 until policy_resolve */
	bool forced;
	unsigned nconds;
	struct cond conds[POLICY_CONDS];
	char why[POLICY_WHY];
};

struct section {
	char feature[FILTER_NAME];
	unsigned first, nrules;
	char slots[FILTER_SLOTS][FILTER_NAME];
	unsigned nslots;
};

struct policy {
	char name[FILTER_NAME];
	unsigned number, max;
	char never[POLICY_NEVER][POLICY_CALL];
	unsigned nnever;
	char either[2][FILTER_NAME], beyond[POLICY_BEYOND][FILTER_NAME];
	unsigned nbeyond;
	bool deny;
	struct rule rules[POLICY_RULES];
	unsigned nrules;
	struct section sections[POLICY_SECTIONS];
	unsigned nsections;
};

/* 0, or -EINVAL with "LINE: what is wrong" in err. The text need not end with NUL. */
int policy_parse(struct policy *ret_p, const char *text, size_t len, struct errtext *err);
/*
 * Find the calls' numbers and judge the whole: unknown calls, `never`, `max`, rules that hide one
 * another.
 */
int policy_resolve(struct policy *p, struct errtext *err);
/* How many different calls there are when, of the two of `either`, only `mode` is there. */
unsigned policy_calls(const struct policy *p, const char *mode);
/* The rule's number in the filter's return values. */
uint16_t policy_rule_id(const struct policy *p, unsigned rule);

/* names.c: a constant by name; false when there is none. */
bool name_value(const char *name, size_t len, uint64_t *ret_value);
/* The name of an ioctl number, NULL when it has none. */
const char *name_of_ioctl(uint32_t cmd);

#endif
