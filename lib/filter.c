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
#define JSET (BPF_JMP | BPF_JSET | BPF_K)

#define NUMBER	0 /* what a load takes from seccomp_data */
#define ARCH	4
#define WORD(n) ((uint32_t)offsetof(struct seccomp_data, args) + 4u * (n))
#define NOTHING UINT32_MAX

#define X32 0x40000000u /* and above: calls of another ABI */

/* Jumps to the two ends, until those are there. A jump reaches 255; FAR leaves room for a rule. */
#define TO_NO	     254
#define TO_YES	     255
#define JA_NO	     UINT32_MAX
#define FAR	     (250 - 2 * FILTER_TESTS - 4)
#define FILTER_FAILS 256
#define LEAF	     8 /* calls in a row; more are searched by halves */

/* A rule with the values of its use. Those of one call are a ring, of which the call has the last.
 */
struct item {
	uint16_t rule, block, use, next;
};

/* Numbers that are allowed whatever the arguments. */
struct run {
	uint16_t first, last, id;
};

/* Tests that do not hold, until it is known where they go on. */
struct fails {
	unsigned n;
	uint16_t at[FILTER_FAILS];
};

struct linking {
	const struct filter_policy *p;
	const struct filter_use *uses;
	struct sock_filter *prog;
	unsigned n;
	unsigned open; /* from here on jumps may go to ends that are not there yet */
	uint32_t yes, none;
	uint32_t held; /* what is loaded, for sure */
	bool trace, missing, full;
	unsigned ncalls, nitems, nruns;
	uint16_t last[FILTER_NRS];
	uint16_t order[FILTER_CALLS]; /* calls as the policy has them */
	struct run runs[FILTER_CALLS];
	struct item items[FILTER_ITEMS + 1]; /* from 1. Last here: its end is seldom touched */
};

/* --- what is there --- */

static void add_item(struct linking *l, unsigned rule, unsigned block, unsigned use)
{
	uint16_t nr = l->p->rules[rule].nr, i = (uint16_t)(l->nitems + 1), *last = &l->last[nr];

	if (l->nitems == FILTER_ITEMS || (!*last && l->ncalls == FILTER_CALLS)) {
		l->full = true;
		return;
	}
	l->nitems++;
	l->items[i] = (struct item){(uint16_t)rule, (uint16_t)block, (uint16_t)use, i};
	if (*last) {
		l->items[i].next = l->items[*last].next;
		l->items[*last].next = i;
	} else {
		l->order[l->ncalls++] = nr;
	}
	*last = i;
}

static void collect(struct linking *l, size_t nuses)
{
	for (unsigned b = 0; b < l->p->nblocks; b++) {
		const struct filter_block *block = &l->p->blocks[b];

		for (unsigned u = 0; u < nuses; u++) {
			if (strcmp(l->uses[u].feature, l->p->names + block->feature) != 0)
				continue;
			for (unsigned i = 0; i < block->nrules; i++)
				add_item(l, block->rule + i, b, u);
		}
	}
}

static const struct filter_rule *rule_of(const struct linking *l, unsigned item)
{
	return &l->p->rules[l->items[item].rule];
}

/* The rule of nr that looks at no argument; the others of this call are of no use beside it. */
static const struct filter_rule *free_rule(const struct linking *l, uint16_t nr)
{
	unsigned i = l->last[nr];

	do {
		i = l->items[i].next;
		if (!rule_of(l, i)->ntests)
			return rule_of(l, i);
	} while (i != l->last[nr]);
	return NULL;
}

static uint32_t value_of(struct linking *l, const struct item *it, const struct filter_test *t)
{
	const struct filter_block *b = &l->p->blocks[it->block];
	const struct filter_use *u = &l->uses[it->use];

	if (t->slot == FILTER_CONST)
		return t->value;
	const char *slot = l->p->names + l->p->slots[b->slot + t->slot];
	for (unsigned i = 0; i < FILTER_SLOTS && u->vals[i].slot; i++)
		if (strcmp(u->vals[i].slot, slot) == 0)
			return u->vals[i].value;
	l->missing = true;
	return 0;
}

/* --- writing --- */

static void put(struct linking *l, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (l->n == FILTER_INSNS)
		l->full = true;
	else
		l->prog[l->n++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct linking *l, uint32_t what)
{
	if (l->held != what)
		put(l, LOAD, what, 0, 0);
	l->held = what;
}

static uint8_t to_end(uint8_t to, unsigned at, unsigned no)
{
	return to == TO_NO || to == TO_YES ? (uint8_t)(no - at - 1 + (to == TO_YES)) : to;
}

/* The two ends of all jumps so far. What comes right before runs into "no". */
static void close_ends(struct linking *l)
{
	unsigned no = l->n;

	for (unsigned i = l->open; i < no; i++) {
		struct sock_filter *f = &l->prog[i];

		if (f->code == JA && f->k == JA_NO) {
			f->k = no - i - 1;
		} else if (f->code == JEQ || f->code == JGE || f->code == JSET) {
			f->jt = to_end(f->jt, i, no);
			f->jf = to_end(f->jf, i, no);
		}
	}
	put(l, RET, l->none, 0, 0);
	put(l, RET, l->yes, 0, 0);
	l->open = l->n;
}

/* Ends in the midst, before the first jump to them is too far away. */
static void breathe(struct linking *l)
{
	if (l->n - l->open <= FAR)
		return;
	put(l, JA, 2, 0, 0);
	close_ends(l);
}

/* Tests that do not hold go on here, or to "no". */
static void settle(struct linking *l, struct fails *f, bool no)
{
	for (unsigned k = 0; k < f->n && !l->full; k++) {
		struct sock_filter *i = &l->prog[f->at[k]];
		unsigned distance = no ? TO_NO : l->n - f->at[k] - 1;

		if (!no && distance >= TO_NO)
			l->full = true;
		*(i->code == JSET ? &i->jt : &i->jf) = (uint8_t)distance;
	}
	f->n = 0;
}

/* When the test holds: to "yes", or on behind it. */
static void put_test(struct linking *l, const struct item *it, const struct filter_test *t,
		     bool yes, struct fails *f)
{
	uint8_t to = yes ? TO_YES : 0;
	bool is = t->op == FILTER_IS;

	load(l, WORD(t->word));
	if (f->n == FILTER_FAILS)
		l->full = true;
	else
		f->at[f->n++] = (uint16_t)l->n;
	put(l, is ? JEQ : JSET, value_of(l, it, t), is ? to : 0, is ? 0 : to);
}

/* The tests of one rule from `from` on. */
static void put_rule(struct linking *l, const struct item *it, unsigned from, struct fails *f)
{
	const struct filter_rule *r = &l->p->rules[it->rule];
	bool one_word = true;

	for (unsigned i = from; i < r->ntests; i++) {
		const struct filter_test *t = &l->p->tests[r->test + i];

		put_test(l, it, t, i + 1u == r->ntests && !l->trace, f);
		one_word &= t->word == l->p->tests[r->test + from].word;
	}
	if (l->trace)
		put(l, RET, SECCOMP_RET_TRACE | r->id, 0, 0);
	if (!one_word)
		l->held = NOTHING;
}

static bool same_start(struct linking *l, const struct item *a, const struct item *b)
{
	const struct filter_test *s = &l->p->tests[l->p->rules[a->rule].test];
	const struct filter_test *t = &l->p->tests[l->p->rules[b->rule].test];

	return s->word == t->word && s->op == t->op && value_of(l, a, s) == value_of(l, b, t);
}

/* Rules from i on that begin with the same test and do not end with it: it is made once. Returns
 * the last of them. */
static unsigned put_group(struct linking *l, unsigned i, unsigned end, struct fails *f)
{
	const struct item *first = &l->items[i];
	struct fails inner;

	inner.n = 0;
	put_test(l, first, &l->p->tests[rule_of(l, i)->test], false, f);
	for (;; i = l->items[i].next) {
		unsigned next = l->items[i].next;

		put_rule(l, &l->items[i], 1, &inner);
		if (i == end || l->n - l->open > FAR || rule_of(l, next)->ntests < 2 ||
		    !same_start(l, first, &l->items[next]))
			break;
		settle(l, &inner, false);
	}
	l->full |= f->n + inner.n > FILTER_FAILS;
	for (unsigned k = 0; k < inner.n && !l->full; k++)
		f->at[f->n++] = inner.at[k];
	l->held = NOTHING;
	return i;
}

/* No more than that many instructions are put for these rules. */
static unsigned bound(const struct linking *l, uint16_t nr)
{
	unsigned i = l->last[nr], n = 0;

	do {
		i = l->items[i].next;
		n += 2u * rule_of(l, i)->ntests + 4;
	} while (i != l->last[nr]);
	return n;
}

/* The rules of one call: yes, or no. Other calls go on behind. */
static void put_call(struct linking *l, uint16_t nr)
{
	unsigned i = l->last[nr], end = i;
	bool near = bound(l, nr) < FAR;
	struct fails f;

	breathe(l);
	load(l, NUMBER);
	unsigned skip = l->n + !near;
	put(l, JEQ, nr, !near, 0);
	if (!near)
		put(l, JA, 0, 0, 0);
	f.n = 0;
	do {
		settle(l, &f, false);
		breathe(l);
		i = l->items[i].next;
		if (rule_of(l, i)->ntests > 1)
			i = put_group(l, i, end, &f);
		else
			put_rule(l, &l->items[i], 0, &f);
	} while (i != end && !l->full);
	settle(l, &f, true);
	if (l->full)
		return;
	if (near)
		l->prog[skip].jf = (uint8_t)(l->n - skip - 1);
	else
		l->prog[skip].k = l->n - skip - 1;
	l->held = NUMBER;
}

/* --- calls that are allowed whatever their arguments --- */

/* By number; neighbours are one where they need not tell a tracer who they are. */
static void make_runs(struct linking *l)
{
	for (unsigned nr = 0; nr < FILTER_NRS; nr++) {
		const struct filter_rule *r = l->last[nr] ? free_rule(l, (uint16_t)nr) : NULL;
		struct run *before = l->nruns ? &l->runs[l->nruns - 1] : NULL;

		if (r && before && before->last + 1u == nr && !l->trace)
			before->last = (uint16_t)nr;
		else if (r)
			l->runs[l->nruns++] = (struct run){(uint16_t)nr, (uint16_t)nr, r->id};
	}
}

static void put_run(struct linking *l, const struct run *r)
{
	if (l->trace) {
		put(l, JEQ, r->first, 0, 1);
		put(l, RET, SECCOMP_RET_TRACE | r->id, 0, 0);
	} else if (r->first == r->last) {
		put(l, JEQ, r->first, TO_YES, 0);
	} else {
		put(l, JGE, r->first, 0, TO_NO);
		put(l, JGE, r->last + 1u, 0, TO_YES);
	}
}

/* What is none of them runs out behind. */
static void put_runs(struct linking *l, unsigned lo, unsigned hi)
{
	unsigned mid = (lo + hi) / 2, at = l->n;

	if (hi - lo <= LEAF) {
		breathe(l);
		while (lo < hi)
			put_run(l, &l->runs[lo++]);
		return;
	}
	put(l, JGE, l->runs[mid].first, 0, 0);
	put_runs(l, lo, mid);
	put(l, JA, JA_NO, 0, 0);
	if (l->n - l->open > FAR)
		close_ends(l);
	if (l->n - at - 1 >= TO_NO)
		l->full = true;
	else
		l->prog[at].jt = (uint8_t)(l->n - at - 1);
	put_runs(l, mid, hi);
}

/* --- the whole --- */

static void put_head(struct linking *l)
{
	bool kills = l->none == SECCOMP_RET_KILL_PROCESS;

	/* Loading steps through a filter for every number of both architectures, to note what is
	 * always allowed, until an argument is looked at: here at once. Of the calls that a running
	 * VM makes none would be noted, and loading takes 10 us less. */
	put(l, LOAD, WORD(0), 0, 0);
	put(l, LOAD, ARCH, 0, 0);
	put(l, JEQ, AUDIT_ARCH_X86_64, kills ? 0 : 1, kills ? TO_NO : 0);
	if (!kills)
		put(l, RET, SECCOMP_RET_KILL_PROCESS, 0, 0);
	load(l, NUMBER);
	if (kills) /* so are these: no rule has such a number */
		return;
	put(l, JGE, X32, 0, 1);
	put(l, RET, SECCOMP_RET_KILL_PROCESS, 0, 0);
}

int filter_link(const struct filter_policy *policy, const struct filter_use *uses, size_t nuses,
		enum filter_mode mode, struct sock_filter *prog)
{
	struct linking l;

	memset(&l, 0, offsetof(struct linking, order)); /* the rest is written before it is read */
	l.p = policy;
	l.uses = uses;
	l.prog = prog;
	l.held = NOTHING;
	l.trace = mode == FILTER_TRACE && !policy->deny;
	l.none = policy->deny	      ? SECCOMP_RET_ALLOW
		 : mode == FILTER_LOG ? SECCOMP_RET_LOG
				      : SECCOMP_RET_KILL_PROCESS;
	l.yes = !policy->deny	     ? SECCOMP_RET_ALLOW
		: mode == FILTER_LOG ? SECCOMP_RET_LOG
				     : SECCOMP_RET_ERRNO | EPERM;
	collect(&l, nuses);
	put_head(&l);
	for (unsigned i = 0; i < l.ncalls && !l.full; i++)
		if (!free_rule(&l, l.order[i]))
			put_call(&l, l.order[i]);
	make_runs(&l);
	if (l.nruns && !l.full)
		put_runs(&l, 0, l.nruns);
	if (!l.full)
		close_ends(&l);
	return l.missing ? -ENOENT : l.full ? -E2BIG : (int)l.n;
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

static const char *judge_rule(const struct filter_policy *p, const struct filter_block *b,
			      const struct filter_rule *r)
{
	if (r->nr >= FILTER_NRS)
		return "no system call has this number";
	if (r->ntests > FILTER_TESTS || r->test + r->ntests > p->ntests)
		return "tests that are not there";
	for (unsigned i = r->test; i < r->test + r->ntests; i++) {
		const struct filter_test *t = &p->tests[i];

		if (t->word > 11)
			return "a call has six arguments";
		if (t->op > FILTER_LACKS)
			return "no such comparison";
		if (t->slot != FILTER_CONST && t->slot >= b->nslots)
			return "a value of the launch that is not there";
	}
	return NULL;
}

int filter_check(const struct filter_policy *p, unsigned *ret_at, const char **ret_why)
{
	for (unsigned i = 0; i < p->nblocks; i++) {
		const struct filter_block *b = &p->blocks[i];

		for (*ret_at = b->rule; *ret_at < b->rule + b->nrules; ++*ret_at) {
			*ret_why = judge_rule(p, b, &p->rules[*ret_at]);
			if (*ret_why)
				return -EINVAL;
		}
	}
	return 0;
}
