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

/* What a rule's return value and no rule become. */
struct verdicts {
	enum filter_mode mode;
	bool deny;
	uint32_t none;
};

static struct verdicts verdicts_of(const struct filter_policy *policy, enum filter_mode mode)
{
	return (struct verdicts){mode, policy->deny,
				 policy->deny	      ? SECCOMP_RET_ALLOW
				 : mode == FILTER_LOG ? SECCOMP_RET_LOG
						      : SECCOMP_RET_KILL_PROCESS};
}

/* The action of a rule: its number stays only for a tracer. */
static uint32_t action(uint32_t k, const struct verdicts *v)
{
	if ((k & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE)
		return k;
	if (v->deny)
		return v->mode == FILTER_LOG ? SECCOMP_RET_LOG : SECCOMP_RET_ERRNO | EPERM;
	return v->mode == FILTER_TRACE ? k : SECCOMP_RET_ALLOW;
}

/* A block on its way into prog. Each rule returns by an instruction of its own, for tracers;
 * without one they are the same and a single one stands at the end. */
struct copying {
	const struct filter_block *b;
	const struct verdicts *v;
	uint16_t to[FILTER_BLOCK_INSNS]; /* where each instruction goes, from the block's start
					    there */
	unsigned len;
	bool shared; /* the last one is all rules' */
};

static bool is_rule(const struct sock_filter *f)
{
	return f->code == RET && (f->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE &&
	       f->k != FILTER_NEXT;
}

/* Without the head, since only numbers that were found come by; the load of the call's number is in
 * the middle of it. */
static void measure(struct copying *c)
{
	c->len = 1;
	c->shared = c->v->mode != FILTER_TRACE;
	for (unsigned i = FILTER_HEAD; i < c->b->ninsns; i++) {
		bool gone = c->shared && is_rule(&c->b->insns[i]);

		c->to[i] = gone ? UINT16_MAX : (uint16_t)c->len;
		c->len += !gone;
	}
	for (unsigned i = FILTER_HEAD; c->shared && i < c->b->ninsns; i++)
		if (c->to[i] == UINT16_MAX)
			c->to[i] = (uint16_t)c->len;
	c->len += c->shared;
}

/* Distances only become shorter, or reach the end of what was no further away than a jump goes. */
static struct sock_filter moved(const struct copying *c, unsigned i)
{
	struct sock_filter f = c->b->insns[i];
	unsigned next = c->to[i] + 1u;

	if (f.code == RET)
		return f.k == FILTER_NEXT ? (struct sock_filter)BPF_STMT(JA, c->len - next)
					  : (struct sock_filter)BPF_STMT(RET, action(f.k, c->v));
	if (f.code == JA) {
		f.k = c->to[i + 1 + f.k] - next;
	} else if (BPF_CLASS(f.code) == BPF_JMP) {
		f.jt = (uint8_t)(c->to[i + 1u + f.jt] - next);
		f.jf = (uint8_t)(c->to[i + 1u + f.jf] - next);
	}
	return f;
}

/* Appends b to prog at n. */
static int add_block(const struct filter_block *b, const struct filter_use *use,
		     const struct verdicts *v, struct sock_filter *prog, unsigned n)
{
	struct copying c;

	if (!b->ninsns)
		return (int)n;
	c.b = b;
	c.v = v;
	measure(&c);
	if (c.len > FILTER_INSNS - 1 - n)
		return -E2BIG;
	prog[n] = b->insns[2];
	for (unsigned i = FILTER_HEAD; i < b->ninsns; i++)
		if (!c.shared || !is_rule(&b->insns[i]))
			prog[n + c.to[i]] = moved(&c, i);
	if (c.shared)
		prog[n + c.len - 1] =
			(struct sock_filter)BPF_STMT(RET, action(SECCOMP_RET_TRACE, v));
	for (unsigned i = 0; i < b->nfixups; i++) {
		const uint32_t *val = find_value(use, b->slots[b->fixups[i].slot]);

		if (!val)
			return -ENOENT;
		prog[n + c.to[b->fixups[i].at]].k = *val;
	}
	return (int)(n + c.len);
}

/* --- the search in front --- */

#define X32    0x40000000u /* and above: calls of another ABI */
#define JUDGED 0	   /* of a range: go on to the blocks. No return value that we use is 0 */

_Static_assert(SECCOMP_RET_KILL_PROCESS != JUDGED, "a return value of its own");

/* All calls from `from` to the next range get one answer. */
struct range {
	uint32_t from, verdict;
};

struct search {
	struct {
		uint16_t nr;
		uint32_t verdict;
	} calls[FILTER_CALLS];
	unsigned n;
	struct range ranges[2 * FILTER_CALLS + 2];
	unsigned nranges;
	struct sock_filter *prog;
};

/* What is allowed whatever its arguments needs no judging. */
static bool add_call(struct search *s, uint16_t nr, uint32_t verdict)
{
	unsigned i = s->n;

	while (i > 0 && s->calls[i - 1].nr > nr)
		i--;
	if (i > 0 && s->calls[i - 1].nr == nr) {
		if (s->calls[i - 1].verdict == JUDGED)
			s->calls[i - 1].verdict = verdict;
		return true;
	}
	if (s->n == FILTER_CALLS)
		return false;
	memmove(s->calls + i + 1, s->calls + i, (s->n - i) * sizeof s->calls[0]);
	s->calls[i].nr = nr;
	s->calls[i].verdict = verdict;
	s->n++;
	return true;
}

static void add_range(struct search *s, uint32_t from, uint32_t verdict)
{
	if (s->nranges && s->ranges[s->nranges - 1].verdict == verdict)
		return;
	s->ranges[s->nranges++] = (struct range){from, verdict};
}

static void make_ranges(struct search *s, uint32_t none)
{
	uint32_t next = 0;

	for (unsigned i = 0; i < s->n; i++) {
		if (s->calls[i].nr > next || !i)
			add_range(s, next, s->calls[i].nr ? none : s->calls[i].verdict);
		add_range(s, s->calls[i].nr, s->calls[i].verdict);
		next = s->calls[i].nr + 1u;
	}
	add_range(s, next, none);
	add_range(s, X32, SECCOMP_RET_KILL_PROCESS);
}

/* One for each range, and one for each fork. The left half is what a jump has to reach over. */
#define SEARCH_LEN(n) (2 * (n)-1)

/* When it is loaded, the kernel walks it for each of its own calls, which end here. */
#define CALLS_END 480u

static uint32_t call_at(const struct search *s, unsigned i)
{
	return i < s->nranges && s->ranges[i].from < CALLS_END ? s->ranges[i].from : CALLS_END;
}

/* Where ranges[lo, hi) fork: in the middle of the calls, not of the ranges, as far as a jump
 * reaches. */
static unsigned fork_at(const struct search *s, unsigned lo, unsigned hi)
{
	uint32_t middle = (call_at(s, lo) + call_at(s, hi)) / 2;
	unsigned mid = lo + 1;

	while (mid + 1 < hi && mid - lo < FILTER_CALLS &&
	       call_at(s, mid) + call_at(s, mid + 1) <= 2 * middle)
		mid++;
	return mid;
}

/* ranges[lo, hi) at prog[at]; what is to be judged goes on at prog[blocks]. Returns what follows.
 */
static unsigned put_search(struct search *s, unsigned lo, unsigned hi, unsigned at, unsigned blocks)
{
	unsigned mid = fork_at(s, lo, hi), left = SEARCH_LEN(mid - lo);
	uint32_t verdict = s->ranges[lo].verdict;

	if (hi - lo == 1) {
		s->prog[at] = verdict == JUDGED ? (struct sock_filter)BPF_STMT(JA, blocks - at - 1)
						: (struct sock_filter)BPF_STMT(RET, verdict);
		return at + 1;
	}
	s->prog[at] = (struct sock_filter)BPF_JUMP(JGE, s->ranges[mid].from, (uint8_t)left, 0);
	at = put_search(s, lo, mid, at + 1, blocks);
	return put_search(s, mid, hi, at, blocks);
}

static const struct filter_use *next_use(const struct filter_block *b, const struct filter_use *u,
					 const struct filter_use *end)
{
	while (u < end && strcmp(u->feature, b->feature) != 0)
		u++;
	return u < end ? u : NULL;
}

static bool collect_block(struct search *s, const struct filter_block *b, const struct verdicts *v)
{
	bool ok = true;

	for (unsigned k = 0; ok && k < b->nfrees; k++)
		ok = add_call(s, b->frees[k].nr, action(SECCOMP_RET_TRACE | b->frees[k].rule, v));
	for (unsigned k = 0; ok && k < b->ncalls; k++)
		ok = add_call(s, b->calls[k], JUDGED);
	return ok;
}

static bool collect_calls(struct search *s, const struct filter_policy *policy,
			  const struct filter_use *uses, size_t nuses, const struct verdicts *v)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < policy->nblocks; i++)
		if (next_use(&policy->blocks[i], uses, uses + nuses))
			ok = collect_block(s, &policy->blocks[i], v);
	return ok;
}

int filter_link(const struct filter_policy *policy, const struct filter_use *uses, size_t nuses,
		enum filter_mode mode, struct sock_filter *prog)
{
	const struct filter_use *end = uses + nuses;
	const struct verdicts v = verdicts_of(policy, mode);
	struct search s;
	int n;

	s.n = s.nranges = 0; /* the rest is written before it is read */
	s.prog = prog;
	if (!collect_calls(&s, policy, uses, nuses, &v))
		return -E2BIG;
	make_ranges(&s, v.none);
	/* Loading steps through a filter for every number of both architectures, to note what is
	 * always allowed, until an argument is looked at: here at once. Of the calls that a running
	 * VM makes none would be noted, and loading takes 10 us less. */
	prog[0] = (struct sock_filter)BPF_STMT(LOAD, offsetof(struct seccomp_data, args));
	prog[1] = (struct sock_filter)BPF_STMT(LOAD, 4); /* architecture */
	prog[2] = (struct sock_filter)BPF_JUMP(JEQ, AUDIT_ARCH_X86_64, 1, 0);
	prog[3] = (struct sock_filter)BPF_STMT(RET, SECCOMP_RET_KILL_PROCESS);
	prog[4] = (struct sock_filter)BPF_STMT(LOAD, 0); /* number */
	n = (int)put_search(&s, 0, s.nranges, 5, 5 + SEARCH_LEN(s.nranges));
	for (unsigned i = 0; i < policy->nblocks; i++) {
		const struct filter_block *b = &policy->blocks[i];

		for (const struct filter_use *u = uses; n > 0 && (u = next_use(b, u, end)); u++)
			n = add_block(b, u, &v, prog, (unsigned)n);
	}
	if (n < 0)
		return n;
	prog[n] = (struct sock_filter)BPF_STMT(RET, v.none);
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
	case AND:
		if (f->code == LOAD && !loads_data(f->k))
			return "a load from outside the call's data";
		/* Linking takes returns away that are only jumped to. */
		return left && f[1].code != RET ? NULL : "nothing is compared with what was loaded";
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
	if (!b->ninsns && !b->nfixups && !b->ncalls && b->nfrees)
		return 0;
	if (b->ninsns > FILTER_BLOCK_INSNS || !head_is_right(b))
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
