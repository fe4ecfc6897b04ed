/* SPDX-License-Identifier: MIT
 *
 * compile.c: policy_resolve of policy.h, and compile_policy: each condition becomes one or two
 * tests of a word.
 */
#include "monitor/seccomp/compile.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/near.h"

/* --- judging --- */

static int bad_rule(struct errtext *err, const struct rule *r, const char *text)
{
	return errtext_set(err, -EINVAL, "%u: %s: %s", r->line, r->call, text);
}

static int unknown_call(struct errtext *err, const struct rule *r)
{
	char best[POLICY_CALL] = "";
	size_t best_d = 3;

	for (int nr = 0; nr < FILTER_NRS; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
		size_t d = name ? near_distance(r->call, name, 2) : 3;

		if (d < best_d) {
			best_d = d;
			snprintf(best, sizeof best, "%s", name);
		}
		free(name);
	}
	if (best[0])
		return errtext_set(err, -EINVAL, "%u: no system call '%s'; did you mean '%s'?",
				   r->line, r->call, best);
	return errtext_set(err, -EINVAL, "%u: no system call '%s'", r->line, r->call);
}

/* Every rule of a call that maps memory must exclude PROT_EXEC by itself. */
static bool may_map_code(const struct rule *r)
{
	if (strcmp(r->call, "mmap") != 0 && strcmp(r->call, "mprotect") != 0 &&
	    strcmp(r->call, "pkey_mprotect") != 0)
		return false;
	for (unsigned i = 0; i < r->nconds; i++) {
		const struct cond *c = &r->conds[i];

		if (c->arg == 2 && (c->op == COND_EQ || c->op == COND_IN) && c->slot < 0)
			return c->value & PROT_EXEC;
	}
	return true;
}

/* [exit] and [exit-more] both belong to exit. */
static bool of_mode(const char *feature, const char *mode)
{
	size_t n = strlen(mode);

	return strncmp(feature, mode, n) == 0 && (feature[n] == '\0' || feature[n] == '-');
}

static bool is_beyond(const struct policy *p, const char *feature)
{
	for (unsigned i = 0; i < p->nbeyond; i++)
		if (of_mode(feature, p->beyond[i]))
			return true;
	return false;
}

static int judge_never(const struct policy *p, const struct rule *r, struct errtext *err)
{
	if (r->forced && !is_beyond(p, p->sections[r->section].feature))
		return bad_rule(err, r, "'!' is for sections beyond max");
	for (unsigned i = 0; i < p->nnever; i++) {
		if (!r->forced && strcmp(p->never[i], r->call) == 0)
			return bad_rule(err, r, "this policy says never");
		if (strcmp(p->never[i], "PROT_EXEC") == 0 && may_map_code(r))
			return bad_rule(
				err, r,
				"may make executable memory; add a2 in PROT_READ|PROT_WRITE");
	}
	return 0;
}

static bool same_conds(const struct rule *a, const struct rule *b)
{
	if (a->nconds != b->nconds)
		return false;
	for (unsigned i = 0; i < a->nconds; i++) {
		const struct cond *c = &a->conds[i], *d = &b->conds[i];

		if (c->arg != d->arg || c->half != d->half || c->op != d->op ||
		    c->value != d->value || c->slot != d->slot)
			return false;
	}
	return true;
}

/* A rule without conditions makes the others of its call useless, and so does a copy. */
static int judge_pair(const struct rule *a, const struct rule *b, struct errtext *err)
{
	if (a->section != b->section || a->nr != b->nr)
		return 0;
	if (a->nconds && b->nconds && !same_conds(a, b))
		return 0;
	return errtext_set(err, -EINVAL, "%u: %s: line %u says it already or says more", b->line,
			   b->call, a->line);
}

unsigned policy_calls(const struct policy *p, const char *mode)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nrules; i++) {
		bool seen = false;

		for (unsigned j = 0; j <= i; j++) {
			const char *f = p->sections[p->rules[j].section].feature;
			bool other = p->either[0][0] && !of_mode(f, mode) &&
				     (of_mode(f, p->either[0]) || of_mode(f, p->either[1]));

			other |= is_beyond(p, f);

			if (strcmp(p->rules[i].call, p->rules[j].call) != 0)
				continue;
			if (j == i)
				n += !seen && !other;
			else
				seen |= !other;
		}
	}
	return n;
}

int policy_resolve(struct policy *p, struct errtext *err)
{
	for (unsigned i = 0; i < p->nrules; i++) {
		struct rule *r = &p->rules[i];

		r->nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, r->call);
		if (r->nr < 0 || r->nr >= FILTER_NRS)
			return unknown_call(err, r);
		int ret = judge_never(p, r, err);
		for (unsigned j = 0; j < i && ret == 0; j++)
			ret = judge_pair(&p->rules[j], r, err);
		if (ret < 0)
			return ret;
	}
	for (unsigned i = 0; i < 2 && p->max; i++)
		if (policy_calls(p, p->either[i]) > p->max)
			return errtext_set(err, -EINVAL, "1: %u different calls%s%s, max is %u",
					   policy_calls(p, p->either[i]),
					   p->either[i][0] ? " with " : "", p->either[i], p->max);
	return 0;
}

/* --- compiling --- */

/* Where it stands in the names; the same name once. */
static uint16_t add_name(struct compiled *c, const char *name)
{
	unsigned at = 0;

	while (at < c->names_len && strcmp(c->names + at, name) != 0)
		at += (unsigned)strlen(c->names + at) + 1;
	if (at == c->names_len) {
		memcpy(c->names + at, name, strlen(name) + 1);
		c->names_len += (unsigned)strlen(name) + 1;
	}
	return (uint16_t)at;
}

static void add_test(struct compiled *c, uint8_t word, enum filter_op op, uint32_t value, int slot)
{
	c->tests[c->policy.ntests++] = (struct filter_test){
		value, word, (uint8_t)op, slot < 0 ? FILTER_CONST : (uint8_t)slot, 0};
}

/* The high half of a descriptor is zero, as of any other number of 32 bits. */
static void compile_cond(struct compiled *c, const struct cond *d)
{
	uint8_t low = (uint8_t)(2 * d->arg), high = (uint8_t)(low + 1);
	uint64_t value = d->op == COND_IN ? ~d->value : d->value;
	enum filter_op op = d->op == COND_IN ? FILTER_LACKS : FILTER_IS;

	add_test(c, low, op, (uint32_t)value, d->slot);
	if (d->half)
		return;
	/* A whole word without bits is compared as a number is. */
	if (op == FILTER_LACKS && value >> 32 == UINT32_MAX)
		add_test(c, high, FILTER_IS, 0, -1);
	else
		add_test(c, high, op, (uint32_t)(value >> 32), -1);
}

static void compile_rule(const struct policy *p, unsigned i, struct compiled *c)
{
	const struct rule *r = &p->rules[i];
	uint16_t first = c->policy.ntests;

	for (unsigned k = 0; k < r->nconds; k++)
		compile_cond(c, &r->conds[k]);
	c->rules[c->policy.nrules++] = (struct filter_rule){
		(uint16_t)r->nr, policy_rule_id(p, i), first, (uint16_t)(c->policy.ntests - first)};
}

void compile_policy(const struct policy *p, struct compiled *ret_c)
{
	struct compiled *c = ret_c;

	c->names_len = 0;
	c->policy = (struct filter_policy){.name = p->name,
					   .names = c->names,
					   .slots = c->slots,
					   .blocks = c->blocks,
					   .rules = c->rules,
					   .tests = c->tests,
					   .deny = p->deny};
	for (unsigned i = 0; i < p->nsections; i++) {
		const struct section *sec = &p->sections[i];

		if (!sec->nrules)
			continue;
		c->blocks[c->policy.nblocks++] = (struct filter_block){
			add_name(c, sec->feature), c->policy.nrules, (uint16_t)sec->nrules,
			c->policy.nslots, (uint16_t)sec->nslots};
		for (unsigned k = 0; k < sec->nslots; k++)
			c->slots[c->policy.nslots++] = add_name(c, sec->slots[k]);
		for (unsigned k = 0; k < sec->nrules; k++)
			compile_rule(p, sec->first + k, c);
	}
}
