/* SPDX-License-Identifier: MIT
 *
 * compile.c: policy_resolve of policy.h, and compile_policy: each section becomes a libseccomp
 * context whose rules return their numbers, exported as BPF. A $SLOT stands in it as a number that
 * nothing else has; where that is compared is a place to write to at launch.
 */
#include "monitor/seccomp/compile.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/near.h"

#define SENTINEL 0x7ed50000u
#define CALL_MAX 512 /* numbers of x86-64 end below */

/* --- judging --- */

static int bad_rule(struct errtext *err, const struct rule *r, const char *text)
{
	return errtext_set(err, -EINVAL, "%u: %s: %s", r->line, r->call, text);
}

static int unknown_call(struct errtext *err, const struct rule *r)
{
	char best[POLICY_CALL] = "";
	size_t best_d = 3;

	for (int nr = 0; nr < CALL_MAX; nr++) {
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
		if (r->nr < 0)
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

static struct scmp_arg_cmp compare(const struct cond *c)
{
	static const enum scmp_compare ops[] = {
		[COND_EQ] = SCMP_CMP_EQ, [COND_NE] = SCMP_CMP_NE, [COND_LT] = SCMP_CMP_LT,
		[COND_LE] = SCMP_CMP_LE, [COND_GT] = SCMP_CMP_GT, [COND_GE] = SCMP_CMP_GE};
	uint64_t whole = c->half ? UINT32_MAX : UINT64_MAX;

	if (c->op == COND_IN)
		return (struct scmp_arg_cmp){c->arg, SCMP_CMP_MASKED_EQ, whole & ~c->value, 0};
	if (c->half)
		return (struct scmp_arg_cmp){c->arg, SCMP_CMP_MASKED_EQ, whole, c->value};
	return (struct scmp_arg_cmp){c->arg, ops[c->op],
				     c->slot < 0 ? c->value : SENTINEL + (unsigned)c->slot, 0};
}

static int add_rule(scmp_filter_ctx ctx, const struct policy *p, unsigned i, struct errtext *err)
{
	const struct rule *r = &p->rules[i];
	struct scmp_arg_cmp args[POLICY_CONDS];

	for (unsigned k = 0; k < r->nconds; k++) {
		if (r->conds[k].slot < 0 && (r->conds[k].value & ~UINT64_C(0xffff)) == SENTINEL)
			return bad_rule(err, r, "this value is the compiler's own");
		args[k] = compare(&r->conds[k]);
	}
	int ret = seccomp_rule_add_exact_array(ctx, SCMP_ACT_TRACE(policy_rule_id(p, i)), r->nr,
					       r->nconds, args);
	if (ret < 0)
		return errtext_set(err, ret, "%u: %s: libseccomp: %s", r->line, r->call,
				   strerror(-ret));
	/* What stands first is looked at first. */
	unsigned at = i - p->sections[r->section].first;
	(void)seccomp_syscall_priority(ctx, r->nr, at < 255 ? (uint8_t)(255 - at) : 0);
	return 0;
}

static int export(scmp_filter_ctx ctx, struct compiled_block *b, const char *feature,
		  struct errtext *err)
{
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	ssize_t n = r < 0 ? r : pread(fd, b->insns, sizeof b->insns, 0);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return errtext_set(err, -EIO, "[%s]: cannot be exported", feature);
	if (n == (ssize_t)sizeof b->insns)
		return errtext_set(err, -E2BIG,
				   "[%s] is too long for one block: begin another [%s]", feature,
				   feature);
	b->block.ninsns = (uint16_t)simplify(b->insns, (unsigned)n / sizeof b->insns[0]);
	return 0;
}

static int find_fixups(struct compiled_block *b, const struct section *sec, struct errtext *err)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->block.ninsns; i++) {
		uint32_t slot = b->insns[i].k - SENTINEL;

		if (BPF_CLASS(b->insns[i].code) != BPF_JMP || slot >= sec->nslots)
			continue;
		if (n == COMPILED_FIXUPS)
			return errtext_set(err, -E2BIG, "[%s] has too many '$' values",
					   sec->feature);
		b->fixups[n++] = (struct filter_fixup){(uint16_t)i, (uint16_t)slot};
	}
	for (unsigned i = 0; i < sec->nslots; i++)
		b->slots[i] = sec->slots[i];
	b->block.nfixups = (uint16_t)n;
	b->block.nslots = (uint16_t)sec->nslots;
	b->block.feature = sec->feature;
	b->block.insns = b->insns;
	b->block.fixups = b->fixups;
	b->block.slots = b->slots;
	return 0;
}

/* Which calls the section has rules for, each once: without conditions or with. */
static void list_calls(const struct policy *p, const struct section *sec, struct compiled_block *b)
{
	unsigned n = 0, nfrees = 0;

	for (unsigned i = sec->first; i < sec->first + sec->nrules; i++) {
		uint16_t nr = (uint16_t)p->rules[i].nr;
		unsigned k = 0;

		if (!p->rules[i].nconds) {
			b->frees[nfrees++] = (struct filter_free){nr, policy_rule_id(p, i)};
			continue;
		}
		while (k < n && b->calls[k] != nr)
			k++;
		if (k == n)
			b->calls[n++] = nr;
	}
	b->block.calls = b->calls;
	b->block.ncalls = (uint16_t)n;
	b->block.frees = b->frees;
	b->block.nfrees = (uint16_t)nfrees;
}

/* The rules that have conditions. */
static int compile_rules(const struct policy *p, const struct section *sec,
			 struct compiled_block *b, struct errtext *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRACE(0xffff));
	int r = 0;

	if (!ctx || seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0)
		r = errtext_set(err, -ENOMEM, "libseccomp refuses to start");
	for (unsigned i = sec->first; r == 0 && i < sec->first + sec->nrules; i++)
		if (p->rules[i].nconds)
			r = add_rule(ctx, p, i, err);
	if (r == 0)
		r = export(ctx, b, sec->feature, err);
	if (ctx)
		seccomp_release(ctx);
	return r;
}

static int compile_section(const struct policy *p, const struct section *sec,
			   struct compiled_block *b, struct errtext *err)
{
	const char *why;
	unsigned at;

	list_calls(p, sec, b);
	int r = b->block.ncalls ? compile_rules(p, sec, b, err) : 0;
	if (r == 0)
		r = find_fixups(b, sec, err);
	if (r == 0 && filter_check(&b->block, &at, &why) < 0)
		r = errtext_set(err, -EPROTO, "[%s]: instruction %u: %s", sec->feature, at, why);
	return r;
}

int compile_policy(const struct policy *p, struct compiled *ret_c, struct errtext *err)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nsections; i++) {
		if (!p->sections[i].nrules)
			continue;
		int r = compile_section(p, &p->sections[i], &ret_c->blocks[n], err);
		if (r < 0)
			return r;
		ret_c->list[n] = ret_c->blocks[n].block;
		n++;
	}
	ret_c->policy = (struct filter_policy){p->name, ret_c->list, n, p->deny};
	return 0;
}
