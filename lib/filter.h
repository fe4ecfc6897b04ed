/* SPDX-License-Identifier: MIT
 *
 * filter.h: seccomp filters made from blocks of precompiled BPF. A policy (text, compiled at build
 * time by mayfly-seccomp) is a list of blocks, one per feature; at launch the blocks of what there
 * really is are put in a row, once per device, and the descriptors in use are written into them. No
 * compiler, no allocation. Any thread; a filter binds the calling thread and its children.
 *
 * In a block the return value says which rule decided: RET_TRACE with the rule's number, and
 * FILTER_NEXT when none did. Linking turns the former into what the mode wants and the latter into
 * a jump to the next block.
 */
#ifndef LIB_FILTER_H
#define LIB_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_NEXT	   (SECCOMP_RET_TRACE | 0xffffu)
#define FILTER_HEAD	   5	/* instructions of every block that judge the architecture */
#define FILTER_INSNS	   2048 /* of a linked filter; the kernel takes 4096 */
#define FILTER_BLOCK_INSNS 256	/* of a block, so that its jumps reach its end */
#define FILTER_SLOTS	   8	/* values of one block that are known at launch only */
#define FILTER_BLOCKS	   32
#define FILTER_CALLS	   128 /* different ones of a linked filter */
#define FILTER_NAME	   24  /* of a policy, feature or slot, with the NUL */

/* insns[at].k is the value of slot[slot]. */
struct filter_fixup {
	uint16_t at;
	uint16_t slot;
};

/* A call that is allowed whatever its arguments, by that rule. */
struct filter_free {
	uint16_t nr;
	uint16_t rule;
};

struct filter_block {
	const char *feature;
	const struct sock_filter *insns;
	const struct filter_fixup *fixups;
	const char *const *slots;
	const uint16_t *calls; /* numbers of the calls that insns, if there are any, judge */
	const struct filter_free *frees;
	uint16_t ninsns, nfixups, nslots, ncalls, nfrees;
};

struct filter_policy {
	const char *name;
	const struct filter_block *blocks;
	unsigned nblocks;
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
 * Put the blocks of policy that uses names in a row, in the policy's order; a feature that is used
 * twice is there twice. In front stands a search for the call's number among ranges with one
 * answer: loading takes the kernel 0.15 us an instruction, and it walks the filter for every call
 * there is. prog has room for FILTER_INSNS. Returns the number of instructions; -ENOENT when a use
 * lacks the value of a slot, -E2BIG when it does not fit. Unused blocks cost nothing.
 */
int filter_link(const struct filter_policy *policy, const struct filter_use *uses, size_t nuses,
		enum filter_mode mode, struct sock_filter *prog);
/* Bind this thread for ever. no_new_privs has been set (prctl). 0 or -errno. */
int filter_install(const struct sock_filter *prog, size_t n);
/*
 * Is this block what the compiler makes: known instructions, jumps forward and inside, loads inside
 * seccomp_data, returns that only allow or hand on, fixups at comparisons? 0, or -EINVAL with what
 * is wrong and *ret_at the instruction.
 */
int filter_check(const struct filter_block *b, unsigned *ret_at, const char **ret_why);

#endif
