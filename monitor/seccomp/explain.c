/* SPDX-License-Identifier: MIT
 *
 * explain.c: see explain.h. For one call after the other the filter is walked with that number and
 * unknown arguments: a comparison of an argument goes both ways, and what was found out on the way
 * is kept. A path that ends in a permission is a rule.
 */
#include "monitor/seccomp/explain.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "monitor/seccomp/policy.h"

#define FACTS 256
#define CALLS 512

/* A word of the arguments under a mask, compared. */
struct fact {
	unsigned word; /* 0..11: low and high halves of a0..a5 */
	uint32_t mask, value;
	uint16_t op; /* BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET */
	bool holds;
};

struct walk {
	const struct sock_filter *f;
	unsigned n;
	int nr, pid;
	FILE *out;
	struct fact facts[FACTS];
	unsigned nfacts, ways;
	bool odd;
};

/* The accumulator: a number, or a word of the arguments. */
struct acc {
	bool known;
	uint32_t value, mask;
	unsigned word;
};

static bool jump(uint16_t op, uint32_t a, uint32_t k)
{
	return op == BPF_JEQ   ? a == k
	       : op == BPF_JGT ? a > k
	       : op == BPF_JGE ? a >= k
			       : (a & k) != 0;
}

/* What earlier comparisons say of this one: 1, 0, or -1 when they say nothing. */
static int decided(const struct walk *w, const struct acc *a, uint16_t op, uint32_t k)
{
	for (unsigned i = 0; i < w->nfacts; i++) {
		const struct fact *f = &w->facts[i];

		if (f->word != a->word || f->mask != a->mask)
			continue;
		if (f->op == BPF_JEQ && f->holds)
			return jump(op, f->value, k);
		if (f->op == op && f->value == k)
			return f->holds;
	}
	return -1;
}

/* --- printing --- */

static const struct fact *known_half(const struct walk *w, unsigned word)
{
	for (unsigned i = 0; i < w->nfacts; i++)
		if (w->facts[i].word == word && w->facts[i].op == BPF_JEQ && w->facts[i].holds &&
		    w->facts[i].mask)
			return &w->facts[i];
	return NULL;
}

static void put_value(const struct walk *w, unsigned arg, uint32_t v)
{
	const char *name = arg == 1 && w->nr == SCMP_SYS(ioctl) ? name_of_ioctl(v) : NULL;

	if (name)
		fputs(name, w->out);
	else if (v < 4096)
		fprintf(w->out, "%u", v);
	else
		fprintf(w->out, "0x%x", v);
}

static void put_equal(const struct walk *w, const struct fact *f, const char *sep)
{
	unsigned arg = f->word / 2;
	const struct fact *high = known_half(w, f->word + 1);
	bool whole = high && high->value == 0 && high->mask == UINT32_MAX;

	fprintf(w->out, "%s%c%u ", sep, whole ? 'a' : 'w', arg);
	if (f->mask == UINT32_MAX) {
		fputs("== ", w->out);
		put_value(w, arg, f->value);
	} else if (f->value == 0) {
		fprintf(w->out, "in 0x%x", ~f->mask);
	} else {
		fprintf(w->out, "& 0x%x == 0x%x", f->mask, f->value);
	}
}

/* No bit outside. */
static void put_in(const struct walk *w, const struct fact *f, const char *sep)
{
	const struct fact *high = known_half(w, f->word + 1);
	bool whole = high && high->value == 0 && high->mask == UINT32_MAX;

	fprintf(w->out, "%s%c%u in 0x%x", sep, whole ? 'a' : 'w', f->word / 2, ~f->value);
}

static void put_order(const struct walk *w, const struct fact *f, const char *sep)
{
	const char *op = f->op == BPF_JGT    ? (f->holds ? ">" : "<=")
			 : f->op == BPF_JGE  ? (f->holds ? ">=" : "<")
			 : f->op == BPF_JSET ? (f->holds ? "has" : "lacks")
					     : "!=";

	fprintf(w->out, "%s%s%u %s 0x%x", sep, f->word % 2 ? "high of a" : "w", f->word / 2, op,
		f->value);
}

/* What descriptor a0 is, when it is one. */
static void put_descriptor(const struct walk *w)
{
	static const int takers[] = {SCMP_SYS(ioctl),	       SCMP_SYS(preadv2),
				     SCMP_SYS(pwritev2),       SCMP_SYS(fcntl),
				     SCMP_SYS(fdatasync),      SCMP_SYS(fallocate),
				     SCMP_SYS(io_uring_enter), SCMP_SYS(accept4)};
	const struct fact *f = known_half(w, 0);
	char path[64], target[256];
	bool takes = false;

	for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++)
		takes |= takers[i] == w->nr;
	if (!f || !takes || !w->pid || f->value > 65535)
		return;
	snprintf(path, sizeof path, "/proc/%d/fd/%u", w->pid, f->value);
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n > 0)
		fprintf(w->out, "   # %.*s", (int)n, target);
}

static void put_way(struct walk *w, uint32_t ret)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, w->nr);
	const char *sep = " ";

	fprintf(w->out, "  %s", name ? name : "?");
	free(name);
	for (unsigned i = 0; i < w->nfacts; i++) {
		const struct fact *f = &w->facts[i];
		bool equal = f->op == BPF_JEQ && f->holds;

		/* Alternatives that were passed over, and the empty halves of numbers. */
		if ((f->op == BPF_JEQ && !f->holds) || !f->mask ||
		    (equal && f->word % 2 && f->value == 0))
			continue;
		if (f->op == BPF_JSET && !f->holds && f->word % 2 == 0)
			put_in(w, f, sep);
		else if (equal && f->word % 2 == 0)
			put_equal(w, f, sep);
		else
			put_order(w, f, sep);
		sep = ", ";
	}
	if ((ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		fprintf(w->out, "   fails with error %u", ret & SECCOMP_RET_DATA);
	else if ((ret & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_LOG)
		fputs("   logged", w->out);
	put_descriptor(w);
	fputc('\n', w->out);
	w->ways++;
}

/* --- walking --- */

static void step(struct walk *w, unsigned pc, struct acc a);

static void load(struct walk *w, unsigned pc, uint32_t off)
{
	struct acc a = {.known = true, .mask = UINT32_MAX};

	if (off == offsetof(struct seccomp_data, nr))
		a.value = (uint32_t)w->nr;
	else if (off == offsetof(struct seccomp_data, arch))
		a.value = AUDIT_ARCH_X86_64;
	else if (off >= offsetof(struct seccomp_data, args))
		a = (struct acc){.mask = UINT32_MAX,
				 .word = (off - (unsigned)offsetof(struct seccomp_data, args)) / 4};
	else
		w->odd = true; /* the instruction pointer: nobody's policy has it */
	step(w, pc, a);
}

static void branch(struct walk *w, unsigned pc, struct acc a)
{
	const struct sock_filter *f = &w->f[pc];
	uint16_t op = BPF_OP(f->code);
	int sure = a.known   ? jump(op, a.value, f->k)
		   : !a.mask ? jump(op, 0, f->k)
			     : decided(w, &a, op, f->k);

	for (int holds = 1; holds >= 0; holds--) {
		if (sure >= 0 && sure != holds)
			continue;
		unsigned kept = w->nfacts;

		if (sure < 0 && w->nfacts < FACTS)
			w->facts[w->nfacts++] = (struct fact){a.word, a.mask, f->k, op, holds};
		else if (sure < 0)
			w->odd = true;
		step(w, pc + 1 + (holds ? f->jt : f->jf), a);
		w->nfacts = kept;
	}
}

static void step(struct walk *w, unsigned pc, struct acc a)
{
	if (pc >= w->n || w->odd) {
		w->odd = true;
		return;
	}
	const struct sock_filter *f = &w->f[pc];
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		load(w, pc + 1, f->k);
		break;
	case BPF_ALU | BPF_AND | BPF_K:
		a.value &= f->k;
		a.mask &= f->k;
		step(w, pc + 1, a);
		break;
	case BPF_JMP | BPF_JA:
		step(w, pc + 1 + f->k, a);
		break;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		branch(w, pc, a);
		break;
	case BPF_RET | BPF_K:
		switch (f->k & SECCOMP_RET_ACTION_FULL) {
		case SECCOMP_RET_KILL_PROCESS:
		case SECCOMP_RET_KILL_THREAD:
		case SECCOMP_RET_TRAP:
			break;
		case SECCOMP_RET_LOG:
			if (!w->nfacts) /* the end of a filter that only logs */
				break;
			__attribute__((fallthrough));
		default:
			put_way(w, f->k);
		}
		break;
	default:
		w->odd = true;
	}
}

int explain_filter(const struct sock_filter *f, unsigned n, int pid, FILE *out)
{
	int calls = 0;

	for (int nr = 0; nr < CALLS; nr++) {
		struct walk w = {.f = f, .n = n, .nr = nr, .pid = pid, .out = out};

		step(&w, 0, (struct acc){.known = true});
		if (w.odd)
			return -EINVAL;
		calls += w.ways > 0;
	}
	return calls;
}
