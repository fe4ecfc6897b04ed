/* SPDX-License-Identifier: MIT
 *
 * filter.h: seccomp filters made from tables of rules. A policy (text, compiled at build time by
 * mayfly-seccomp) is a list of blocks, one per feature; at launch the rules of what there really is
 * are put in a row by call, with the descriptors in use written into them, as the shortest BPF that
 * says the same: what a filter costs is mostly its length. No library, no allocation, no pointers
 * in the tables that a position-independent program would have to settle at its start. Any thread;
 * a filter binds the calling thread and its children.
 */
#ifndef LIB_FILTER_H
#define LIB_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_INSNS  1024 /* of a linked filter; the kernel takes 4096 */
#define FILTER_SLOTS  8	   /* values of one block that are known at launch only */
#define FILTER_BLOCKS 32
#define FILTER_NRS    512 /* numbers of x86-64 end below */
#define FILTER_CALLS  160 /* different ones of a linked filter */
#define FILTER_ITEMS  320 /* rules of a linked filter, those of two disks twice */
#define FILTER_TESTS  12  /* of a rule */
#define FILTER_NAME   24  /* of a policy, feature or slot, with the NUL */

/* One word of the arguments (2 * argument, + 1 for its high half), compared. */
enum filter_op { FILTER_IS, FILTER_LACKS /* none of value's bits is set */ };
#define FILTER_CONST 0xff
struct filter_test {
	uint32_t value;
	uint8_t word, op;
	uint8_t slot; /* the block's, whose value counts; or FILTER_CONST */
	uint8_t zero;
};

/* All tests hold. Rules of one call are alternatives. */
struct filter_rule {
	uint16_t nr, id; /* id: what a tracer is told */
	uint16_t test;	 /* the first one, in the policy's */
	uint16_t ntests; /* 0: whatever the arguments */
};

struct filter_block {
	uint16_t feature; /* its name, in the policy's names */
	uint16_t rule, nrules;
	uint16_t slot, nslots; /* in the policy's slots */
};

struct filter_policy {
	const char *name;
	const char *names; /* one behind the other, each with its NUL */
	const uint16_t *slots;
	const struct filter_block *blocks;
	const struct filter_rule *rules;
	const struct filter_test *tests;
	uint16_t nblocks, nslots, nrules, ntests;
	bool deny; /* rules say what fails with EPERM, all else is allowed */
};

/* One thing that is there: a feature, with its descriptors. */
struct filter_use {
	const char *feature;
	struct {
		const char *slot;
		uint32_t value;
	} vals[FILTER_SLOTS];
};

enum filter_mode {
	FILTER_OFF,
	FILTER_ON,   /* what no rule allows kills the process */
	FILTER_LOG,  /* it is allowed, and the kernel's log tells */
	FILTER_TRACE /* rules report to the tracer (mayfly-seccomp trace) that must be there */
};

/*
 * The rules of those blocks of policy that uses names; a feature that is used twice is there twice.
 * Calls whose arguments are looked at come first, in the policy's order, then the others by number.
 * prog has room for FILTER_INSNS. Returns the number of instructions; -ENOENT when a use lacks the
 * value of a slot, -E2BIG when it does not fit. Unused blocks cost nothing.
 */
int filter_link(const struct filter_policy *policy, const struct filter_use *uses, size_t nuses,
		enum filter_mode mode, struct sock_filter *prog);
/* Bind this thread for ever. no_new_privs has been set (prctl). 0 or -errno. */
int filter_install(const struct sock_filter *prog, size_t n);
/*
 * Is every rule of this policy what the compiler makes: known calls, words and comparisons, and
 * inside the tables, whose sizes and names are taken as right? 0, or -EINVAL with what is wrong and
 * *ret_at the rule.
 */
int filter_check(const struct filter_policy *p, unsigned *ret_at, const char **ret_why);

#endif
