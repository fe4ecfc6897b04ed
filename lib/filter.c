/* SPDX-License-Identifier: MIT
 *
 * filter.c: see filter.h.
 */
#include "lib/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RET  (BPF_RET | BPF_K)
#define JA   (BPF_JMP | BPF_JA)
#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define JEQ  (BPF_JMP | BPF_JEQ | BPF_K)
#define JGE  (BPF_JMP | BPF_JGE | BPF_K)
#define JGT  (BPF_JMP | BPF_JGT | BPF_K)
#define JSET (BPF_JMP | BPF_JSET | BPF_K)
#define AND  (BPF_ALU | BPF_AND | BPF_K)

/* --- linking --- */

static const uint32_t *find_value(const struct filter_use *use, const char *slot)
{
	for (unsigned i = 0; i < FILTER_SLOTS && use->vals[i].slot; i++)
		if (strcmp(use->vals[i].slot, slot) == 0)
			return &use->vals[i].value;
	return NULL;
}

/* The action of a rule: its number stays only for a tracer. */
static uint32_t action(uint32_t k, enum filter_mode mode)
{
	if ((k & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE)
		return k;
	return mode == FILTER_TRACE ? k : SECCOMP_RET_ALLOW;
}

/* Appends b to prog at n, without its head: only numbers that were found come by. */
static int add_block(const struct filter_block *b, const struct filter_use *use,
		     enum filter_mode mode, struct sock_filter *prog, unsigned n)
{
	/* The load of the call's number is in the middle of the head. */
	unsigned skip = FILTER_HEAD - 1, count = b->ninsns - skip;

	if (count > FILTER_INSNS - 1 - n)
		return -E2BIG;
	memcpy(prog + n, b->insns + skip, count * sizeof *prog);
	prog[n] = b->insns[2];
	for (unsigned i = 0; i < b->nfixups; i++) {
		const uint32_t *val = find_value(use, b->slots[b->fixups[i].slot]);

		if (!val)
			return -ENOENT;
		prog[n + b->fixups[i].at - skip].k = *val;
	}
	for (unsigned i = n; i < n + count; i++) {
		if (prog[i].code != RET)
			continue;
		if (prog[i].k == FILTER_NEXT)
			prog[i] = (struct sock_filter)BPF_STMT(JA, n + count - i - 1);
		else
			prog[i].k = action(prog[i].k, mode);
	}
	return (int)(n + count);
}

/* --- the search in front --- */

struct search {
	uint16_t calls[FILTER_CALLS];
	unsigned n;
	struct sock_filter *prog;
	struct sock_filter no; /* what happens to the others */
};

static bool add_call(struct search *s, uint16_t nr)
{
	unsigned i = s->n;

	while (i > 0 && s->calls[i - 1] > nr)
		i--;
	if (i > 0 && s->calls[i - 1] == nr)
		return true;
	if (s->n == FILTER_CALLS)
		return false;
	memmove(s->calls + i + 1, s->calls + i, (s->n - i) * sizeof s->calls[0]);
	s->calls[i] = nr;
	s->n++;
	return true;
}

/* Three instructions for a number, one for each fork: FILTER_CALLS is what a jump can reach. */
#define SEARCH_LEN(n) (4 * (n)-1)

/* calls[lo, hi) at prog[at]; what is found goes on at prog[found]. Returns what follows. */
static unsigned put_search(struct search *s, unsigned lo, unsigned hi, unsigned at, unsigned found)
{
	unsigned mid = (lo + hi) / 2;

	if (hi - lo == 1) {
		s->prog[at] = (struct sock_filter)BPF_JUMP(JEQ, s->calls[lo], 0, 1);
		s->prog[at + 1] = (struct sock_filter)BPF_STMT(JA, found - at - 2);
		s->prog[at + 2] = s->no;
		return at + 3;
	}
	unsigned right = put_search(s, lo, mid, at + 1, found);
	s->prog[at] =
		(struct sock_filter)BPF_JUMP(JGE, s->calls[mid], (uint8_t)(right - at - 1), 0);
	return put_search(s, mid, hi, right, found);
}

static const struct filter_use *next_use(const struct filter_block *b, const struct filter_use *u,
					 const struct filter_use *end)
{
	while (u < end && strcmp(u->feature, b->feature) != 0)
		u++;
	return u < end ? u : NULL;
}

static bool collect_calls(struct search *s, const struct filter_policy *policy,
			  const struct filter_use *uses, size_t nuses)
{
	bool ok = true;

	for (unsigned i = 0; i < policy->nblocks; i++) {
		const struct filter_block *b = &policy->blocks[i];

		for (unsigned k = 0; ok && next_use(b, uses, uses + nuses) && k < b->ncalls; k++)
			ok = add_call(s, b->calls[k]);
	}
	return ok;
}

int filter_link(const struct filter_policy *policy, const struct filter_use *uses, size_t nuses,
		enum filter_mode mode, struct sock_filter *prog)
{
	const struct filter_use *end = uses + nuses;
	struct search s = {.prog = prog};
	unsigned found = 4;
	int n;

	s.no = (struct sock_filter)BPF_STMT(RET, mode == FILTER_LOG ? SECCOMP_RET_LOG
								    : SECCOMP_RET_KILL_PROCESS);
	if (!collect_calls(&s, policy, uses, nuses))
		return -E2BIG;
	prog[0] = (struct sock_filter)BPF_STMT(LOAD, 4); /* architecture */
	prog[1] = (struct sock_filter)BPF_JUMP(JEQ, AUDIT_ARCH_X86_64, 1, 0);
	prog[2] = (struct sock_filter)BPF_STMT(RET, SECCOMP_RET_KILL_PROCESS);
	prog[3] = (struct sock_filter)BPF_STMT(LOAD, 0); /* number; those of x32 are in no list */
	if (s.n)
		found = put_search(&s, 0, s.n, 4, 4 + SEARCH_LEN(s.n));
	n = (int)found;
	for (unsigned i = 0; i < policy->nblocks; i++) {
		const struct filter_block *b = &policy->blocks[i];

		for (const struct filter_use *u = uses; n > 0 && (u = next_use(b, u, end)); u++)
			n = add_block(b, u, mode, prog, (unsigned)n);
	}
	if (n < 0)
		return n;
	prog[n] = s.no;
	return n + 1;
}

int filter_install(const struct sock_filter *prog, size_t n)
{
	/* The kernel copies it. */
	union {
		const struct sock_filter *in;
		struct sock_filter *out;
	} p = {prog};
	struct sock_fprog fprog = {.len = (unsigned short)n, .filter = p.out};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0 ? -errno : 0;
}

/* --- judging --- */

static bool loads_data(uint32_t k)
{
	return k % 4 == 0 && k < sizeof(struct seccomp_data);
}

static const char *judge_insn(const struct filter_block *b, unsigned i)
{
	const struct sock_filter *f = &b->insns[i];
	unsigned left = b->ninsns - i - 1; /* instructions behind this one */

	switch (f->code) {
	case LOAD:
		return loads_data(f->k) && left ? NULL : "a load from outside the call's data";
	case AND:
		return left ? NULL : "the end is open";
	case JA:
		return f->k < left ? NULL : "a jump out of the block";
	case JEQ:
	case JGE:
	case JGT:
	case JSET:
		return f->jt < left && f->jf < left ? NULL : "a jump out of the block";
	case RET:
		if (f->k == SECCOMP_RET_KILL_PROCESS ||
		    (f->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE)
			return NULL;
		return "a return value that is no rule's";
	default:
		return "an instruction that the compiler does not use";
	}
}

/* What linking relies on: architecture and x32 calls are refused, A holds the call's number. */
static bool head_is_right(const struct filter_block *b)
{
	const struct sock_filter *f = b->insns;

	return b->ninsns > FILTER_HEAD + 1 && f[0].code == LOAD && f[0].k == 4 &&
	       f[1].code == JEQ && f[1].k == AUDIT_ARCH_X86_64 && f[1].jt == 0 && f[1].jf > 3 &&
	       f[2].code == LOAD && f[2].k == 0 && f[3].code == JGE && f[3].k == 0x40000000 &&
	       f[3].jt == 0 && f[3].jf == 1 && f[4].code == JEQ && f[4].k == UINT32_MAX &&
	       f[4].jt == 0 && f[4].jf > 0;
}

static bool refuses(const struct filter_block *b, unsigned at)
{
	return at < b->ninsns && b->insns[at].code == RET &&
	       b->insns[at].k == SECCOMP_RET_KILL_PROCESS;
}

int filter_check(const struct filter_block *b, unsigned *ret_at, const char **ret_why)
{
	*ret_at = 0;
	*ret_why = "it does not begin as the compiler's blocks do";
	if (b->ninsns > FILTER_INSNS || !head_is_right(b))
		return -EINVAL;
	for (unsigned i = 0; i < b->ninsns; i++) {
		const char *why = judge_insn(b, i);

		if (why) {
			*ret_at = i;
			*ret_why = why;
			return -EINVAL;
		}
	}
	if (!refuses(b, 2u + b->insns[1].jf) || !refuses(b, 5u + b->insns[4].jf))
		return -EINVAL;
	for (unsigned i = 0; i < b->nfixups; i++) {
		const struct filter_fixup *f = &b->fixups[i];

		*ret_at = f->at;
		*ret_why = "a value of the launch that belongs to no comparison";
		if (f->at <= FILTER_HEAD || f->at >= b->ninsns || f->slot >= b->nslots ||
		    b->insns[f->at].code != JEQ)
			return -EINVAL;
	}
	return 0;
}
