/* SPDX-License-Identifier: MIT
 *
 * test_seccomp_policy.c: policies as text: what is refused and how it is said, what is compiled and
 * what that does to system calls.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/filter_file.h"
#include "monitor/seccomp/compile.h"
#include "monitor/seccomp/explain.h"
#include "tests/unit/bpf.h"

static struct policy p;
static struct compiled c;
static struct errtext err;

static int compile(const char *text)
{
	int r = policy_parse(&p, text, strlen(text), &err);

	r = r < 0 ? r : policy_resolve(&p, &err);
	if (r == 0)
		compile_policy(&p, &c);
	return r;
}

static void must(const char *text)
{
	cr_assert_eq(compile(text), 0, "%s", err.text);
}

#define HEAD "policy x 1\n[always]\n"

Test(seccomp_policy, a_reason_of_nul_bytes_is_none)
{
	static const char text[] = HEAD "read : \0\0why\n";

	cr_expect_eq(policy_parse(&p, text, sizeof text - 1, &err), -EINVAL);
	cr_expect_str_eq(err.text, "3: a NUL byte; a policy is text");
}

/* The byte behind the text is not its own: the sanitizers watch it. */
Test(seccomp_policy, a_text_that_ends_behind_a_mark)
{
	char *text = malloc(1);

	cr_assert(text);
	*text = '!';
	cr_expect_eq(policy_parse(&p, text, 1, &err), -EINVAL);
	cr_expect_str_eq(err.text, "1: what is ''?");
	free(text);
}

Test(seccomp_policy, mistakes_name_the_line)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "1: the file has no rule"},
		{"\n\n# nothing\n", "4: the file has no rule"},
		{"read : why\n", "1: begin with: policy NAME NUMBER"},
		{"[always]\n", "1: begin with: policy NAME NUMBER"},
		{"policy x\n", "1: the policy's number is a number from 0 to 62"},
		{"policy x 63\n", "1: the policy's number is a number from 0 to 62"},
		{"policy x 1 2\n", "1: what is '2'?"},
		{"policy a-name-that-is-too-long-for-it 1\n",
		 "1: the policy's name 'a-name-that-is-too-long-for-it' is longer than 23 bytes"},
		{"policy x 1\npolicy y 2\n", "2: a second policy in one file"},
		{"policy x 1\nread : why\n", "2: 'read' is in no section; write [always] above it"},
		{"policy x 1\n[always\n", "2: [always has no ']'"},
		{"policy x 1\n[]\n", "2: the feature is missing"},
		{"policy x 1\n[a] b\n", "2: what is 'b'?"},
		{HEAD "read\n", "3: read has no reason; say behind ':' what needs it"},
		{HEAD "read :\n", "3: read has no reason; say behind ':' what needs it"},
		{HEAD "read a0 == 1\n", "3: read has no reason; say behind ':' what needs it"},
		{HEAD "\n\nraed : why\n", "5: no system call 'raed'; did you mean 'read'?"},
		{HEAD "frobnicate : why\n", "3: no system call 'frobnicate'"},
		{HEAD "read a6 == 1 : why\n", "3: 'a6' is no argument: a0 to a5, w0 to w5"},
		{HEAD "read b0 == 1 : why\n", "3: 'b0' is no argument: a0 to a5, w0 to w5"},
		{HEAD "read a0 = 1 : why\n", "3: expected == or in"},
		{HEAD "read a0 == : why\n", "3: '' is no number and no known constant"},
		{HEAD "read a0 == O_FOO : why\n", "3: 'O_FOO' is no number and no known constant"},
		{HEAD "read a0 == 0xg : why\n", "3: '0xg' is no number and no known constant"},
		{HEAD "read a0 == 99999999999999999999 : why\n",
		 "3: '99999999999999999999' is no number and no known constant"},
		{HEAD "read w0 in 0x100000000 : why\n",
		 "3: w0 has 32 bits; 0x100000000 does not fit"},
		{HEAD "read w0 < 5 : why\n", "3: expected == or in"},
		{HEAD "read a0 in $fd : why\n", "3: $fd can only be compared by =="},
		{HEAD "read a0 == $ : why\n", "3: the name behind '$' is missing"},
		{HEAD "read a0 == 1 a1 == 2 : why\n", "3: expected ',' or ': reason'"},
		{HEAD "read a0 == 1, w0 in 3 : why\n",
		 "3: argument 0 is compared twice in one rule"},
		{HEAD "read : why\nread a0 == 1 : why\n",
		 "4: read: line 3 says it already or says more"},
		{HEAD "read a0 == 1 : why\nread a0 == 1 : other\n",
		 "4: read: line 3 says it already or says more"},
		{"policy x 1\nnever open\n[always]\nopen : why\n",
		 "4: open: this policy says never"},
		{"policy x 1\nnever PROT_EXEC\n[always]\nmmap : why\n",
		 "4: mmap: may make executable memory; add a2 in PROT_READ|PROT_WRITE"},
		{"policy x 1\nnever PROT_EXEC\n[a]\nmprotect a2 in PROT_READ|PROT_EXEC : why\n",
		 "4: mprotect: may make executable memory; add a2 in PROT_READ|PROT_WRITE"},
		{"policy x 1\nmax 1\n[always]\nread : why\nwrite : why\n",
		 "1: 2 different calls, max is 1"},
		{"policy x 1\neither a b\nmax 1\n[a]\nread : why\n[b]\nread : y\nopen : why\n",
		 "1: 2 different calls with b, max is 1"},
		{"policy x 1\nmax many\n", "2: max is a number from 0 to 256"},
		{"policy x 1\neither a\n", "2: the second feature is missing"},
		{"policy x 1\n\x01\n", "2: what is '?'?"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_expect_lt(compile(rows[i].text), 0, "row %zu is taken", i);
		cr_expect_str_eq(err.text, rows[i].error, "row %zu: %s", i, err.text);
	}
}

Test(seccomp_policy, tables_have_ends)
{
	static char text[64 << 10];
	size_t n = (size_t)snprintf(text, sizeof text, HEAD);

	for (unsigned i = 0; i < POLICY_RULES + 1; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "read a0 == %u : w\n", i);
	cr_assert_lt(policy_parse(&p, text, n, &err), 0);
	cr_assert_str_eq(err.text, "259: more than 256 rules");
	n = (size_t)snprintf(text, sizeof text, "policy x 1\n");
	for (unsigned i = 0; i < POLICY_SECTIONS + 1; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "[a]\n");
	cr_assert_lt(policy_parse(&p, text, n, &err), 0);
	cr_assert_str_eq(err.text, "26: more than 24 sections");
}

/* --- what a filter does --- */

static struct sock_filter prog[FILTER_INSNS];
static int len;

static void link_as(enum filter_mode mode, const struct filter_use *uses, size_t n)
{
	len = filter_link(&c.policy, uses, n, mode, prog);
	cr_assert_gt(len, 0);
}

static uint32_t call(int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {a0, a1, a2}};

	return bpf_run(prog, (unsigned)len, &d);
}

static bool allows(int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	uint32_t r = call(nr, a0, a1, a2);

	cr_assert(r == SECCOMP_RET_ALLOW || r == SECCOMP_RET_KILL_PROCESS, "0x%x", r);
	return r == SECCOMP_RET_ALLOW;
}

Test(seccomp_policy, conditions)
{
	const struct filter_use all = {.feature = "always"};

	must(HEAD "read a0 == 5 : w\nmmap a0 in 6 : w\nioctl w0 == 5 : w\n"
		  "lseek w0 in 6 : w\npoll a0 == 5, a1 == 6, w2 == 7 : w\nbrk : w\n"
		  "dup a0 == 0x100000005 : w\ndup3 a0 in 0x100000005 : w\n"
		  "fcntl a0 in 0xffffffff00000001 : w\n");
	link_as(FILTER_ON, &all, 1);
	const uint64_t big = UINT64_C(1) << 32;
	const struct {
		int nr;
		uint64_t a0;
		bool ok;
	} rows[] = {
		{SYS_read, 5, true},
		{SYS_read, 4, false},
		{SYS_read, big | 5, false},
		{SYS_mmap, 0, true},
		{SYS_mmap, 6, true},
		{SYS_mmap, 1, false},
		{SYS_mmap, big | 2, false},
		{SYS_ioctl, 5, true},
		{SYS_ioctl, 6, false},
		{SYS_ioctl, big | 5, true},
		{SYS_lseek, 4, true},
		{SYS_lseek, 8, false},
		{SYS_lseek, big | 2, true},
		{SYS_brk, 99, true},
		{SYS_dup, 5, false},
		{SYS_dup, big | 5, true},
		{SYS_dup3, big | 5, true},
		{SYS_dup3, big | 4, true},
		{SYS_dup3, big | 2, false},
		{SYS_dup3, big << 1, false},
		{SYS_fcntl, big << 9 | 1, true},
		{SYS_fcntl, big << 9 | 2, false},
		{SYS_getpid, 0, false},
		{-1, 0, false},
		{0x40000000 + SYS_brk, 0, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_expect_eq(allows(rows[i].nr, rows[i].a0, 0, 0), rows[i].ok, "row %zu", i);
	cr_expect(allows(SYS_poll, 5, 6, 7));
	cr_expect_not(allows(SYS_poll, 5, 6, 8));
	cr_expect_not(allows(SYS_poll, 5, 7, 7));
	struct seccomp_data i386 = {.nr = SYS_brk, .arch = AUDIT_ARCH_I386};
	cr_expect_eq(bpf_run(prog, (unsigned)len, &i386), SECCOMP_RET_KILL_PROCESS);
}

#define DISKS                                                                                      \
	"policy x 1\n[always]\nbrk : w\n[disk]\nread a0 == $fd : w\nwrite a0 == $fd, a1 == $fd : " \
	"w\n"                                                                                      \
	"[net]\nsendto a0 == $nic : w\nrecvfrom a0 == $nic, a1 == $other : w\n"

Test(seccomp_policy, only_what_is_there)
{
	const struct filter_use uses[] = {{"disk", {{"fd", 7}}},
					  {"always", {{0}}},
					  {"disk", {{"more", 1}, {"fd", 9}}},
					  {"unknown", {{"fd", 11}}}};

	must(DISKS);
	link_as(FILTER_ON, uses, 4);
	cr_expect(allows(SYS_brk, 0, 0, 0));
	cr_expect(allows(SYS_read, 7, 0, 0));
	cr_expect(allows(SYS_read, 9, 0, 0));
	cr_expect_not(allows(SYS_read, 8, 0, 0));
	cr_expect_not(allows(SYS_read, 11, 0, 0));
	cr_expect(allows(SYS_write, 9, 9, 0), "one value in two places");
	cr_expect_not(allows(SYS_write, 7, 9, 0), "values of two disks do not mix");
	cr_expect_not(allows(SYS_sendto, 7, 0, 0));
	int two = len;
	link_as(FILTER_ON, uses, 1);
	cr_expect_lt(len, two, "what is not there costs nothing");
	cr_expect_not(allows(SYS_brk, 0, 0, 0));
	link_as(FILTER_ON, NULL, 0);
	cr_expect_eq(len, 6);
	cr_expect_not(allows(SYS_brk, 0, 0, 0));
}

Test(seccomp_policy, a_missing_value_is_an_error)
{
	const struct filter_use half = {"net", {{"nic", 3}}};
	struct filter_use many[200];

	must(DISKS);
	cr_assert_eq(filter_link(&c.policy, &half, 1, FILTER_ON, prog), -ENOENT);
	for (unsigned i = 0; i < 200; i++)
		many[i] = (struct filter_use){"disk", {{"fd", i}}};
	cr_assert_eq(filter_link(&c.policy, many, 200, FILTER_ON, prog), -E2BIG);
}

Test(seccomp_policy, modes)
{
	const struct filter_use uses[] = {{"always", {{0}}}, {"disk", {{"fd", 7}}}};

	must(DISKS);
	link_as(FILTER_LOG, uses, 2);
	cr_expect_eq(call(SYS_brk, 0, 0, 0), SECCOMP_RET_ALLOW);
	cr_expect_eq(call(SYS_getpid, 0, 0, 0), SECCOMP_RET_LOG);
	link_as(FILTER_TRACE, uses, 2);
	cr_expect_eq(call(SYS_brk, 0, 0, 0), SECCOMP_RET_TRACE | policy_rule_id(&p, 0));
	cr_expect_eq(call(SYS_read, 7, 0, 0), SECCOMP_RET_TRACE | policy_rule_id(&p, 1));
	cr_expect_eq(call(SYS_getpid, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

Test(seccomp_policy, counting)
{
	must("policy x 1\neither a b\nbeyond c\nmax 3\n[always]\nread : w\n[a]\nopen : w\nread a0 "
	     "== 1 : w\n"
	     "[a-more]\nclose : w\n[b]\nclose : w\n[c]\nbrk : w\n[c-more]\ndup : w\n");
	cr_expect_eq(policy_calls(&p, "a"), 3);
	cr_expect_eq(policy_calls(&p, "b"), 2);
}

Test(seccomp_policy, explained)
{
	const struct filter_use uses[] = {{"always", {{0}}}, {"disk", {{"fd", 7}}}};
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof text, "w");

	must("policy x 1\n[always]\nioctl a0 == 5, w1 == KVM_RUN : w\nmmap a2 in 3 : w\nbrk : w\n"
	     "[disk]\nread a0 == $fd : w\n");
	link_as(FILTER_ON, uses, 2);
	cr_assert_eq(explain_filter(prog, (unsigned)len, 0, out), 4);
	fclose(out);
	cr_expect_str_eq(
		text, "  read a0 == 7\n  mmap a2 in 0x3\n  brk\n  ioctl a0 == 5, w1 == KVM_RUN\n",
		"%s", text);
}

/* --- the same policy by libseccomp --- */

/* Its filter of all rules of all blocks; descriptors are 1000 + their slot. */
static unsigned by_libseccomp(struct sock_filter *f, unsigned cap)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int fd = memfd_create("bpf", MFD_CLOEXEC);

	cr_assert(ctx && fd >= 0);
	for (unsigned i = 0; i < p.nrules; i++) {
		const struct rule *r = &p.rules[i];
		struct scmp_arg_cmp args[POLICY_CONDS];

		for (unsigned k = 0; k < r->nconds; k++) {
			const struct cond *d = &r->conds[k];
			uint64_t whole = d->half ? UINT32_MAX : UINT64_MAX;

			args[k] =
				(struct scmp_arg_cmp){d->arg, SCMP_CMP_MASKED_EQ,
						      d->op == COND_IN ? whole & ~d->value : whole,
						      d->op == COND_IN ? 0
						      : d->slot < 0    ? d->value
								       : 1000u + (unsigned)d->slot};
		}
		int ret = seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, r->nr, r->nconds, args);
		/* What another block has in the same words. */
		cr_assert(ret == 0 || ret == -EEXIST, "%s: %s", r->call, strerror(-ret));
	}
	cr_assert_eq(seccomp_export_bpf(ctx, fd), 0);
	ssize_t n = pread(fd, f, cap * sizeof *f, 0);
	cr_assert(n > 0 && (size_t)n < cap * sizeof *f);
	close(fd);
	seccomp_release(ctx);
	return (unsigned)n / sizeof *f;
}

/* Calls whose arguments are a rule's, each changed in turn to what is next to it. */
static unsigned compare_rule(const struct sock_filter *f, unsigned n, const struct rule *r)
{
	static const uint64_t changes[] = {
		0, 1, 2, 4, 0x400, 0x80000000, UINT64_C(1) << 32, UINT64_C(1) << 63};
	unsigned allowed = 0;

	for (unsigned arg = 0; arg < 6; arg++)
		for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
			struct seccomp_data d = {.nr = r->nr, .arch = AUDIT_ARCH_X86_64};

			for (unsigned k = 0; k < r->nconds; k++)
				d.args[r->conds[k].arg] =
					r->conds[k].slot < 0 ? r->conds[k].value
							     : 1000u + (unsigned)r->conds[k].slot;
			d.args[arg] ^= changes[i];
			uint32_t ours = bpf_run(prog, (unsigned)len, &d);

			cr_assert_eq(ours, bpf_run(f, n, &d), "line %u: a%u ^ 0x%llx", r->line, arg,
				     (unsigned long long)changes[i]);
			allowed += ours == SECCOMP_RET_ALLOW;
			d.arch = AUDIT_ARCH_I386;
			cr_assert_eq(bpf_run(prog, (unsigned)len, &d), SECCOMP_RET_KILL_PROCESS);
		}
	return allowed;
}

/* Every block of every policy at once. */
static void compare_policy(const char *path)
{
	static struct sock_filter theirs[BPF_MAXINSNS];
	static struct filter_use uses[POLICY_SECTIONS];
	static char text[64 << 10];
	FILE *in = fopen(path, "r");

	cr_assert(in, "%s", path);
	text[fread(text, 1, sizeof text - 1, in)] = '\0';
	fclose(in);
	must(text);
	for (unsigned i = 0; i < p.nsections; i++) {
		uses[i] = (struct filter_use){.feature = p.sections[i].feature};
		for (unsigned k = 0; k < p.sections[i].nslots; k++) {
			uses[i].vals[k].slot = p.sections[i].slots[k];
			uses[i].vals[k].value = 1000 + k;
		}
	}
	link_as(FILTER_ON, uses, p.nsections);
	unsigned n = by_libseccomp(theirs, BPF_MAXINSNS);
	for (unsigned i = 0; i < p.nrules; i++)
		cr_assert_gt(compare_rule(theirs, n, &p.rules[i]), 0, "%s:%u", path,
			     p.rules[i].line);
	for (int nr = -1; nr < FILTER_NRS; nr++) {
		const struct rule none = {.nr = nr};

		(void)compare_rule(theirs, n, &none);
	}
	cr_log_info("%s: %d instructions, libseccomp's %u", path, len, n);
}

Test(seccomp_policy, our_filters_say_what_libseccomps_say)
{
	compare_policy("monitor/seccomp/setup.policy");
	compare_policy("monitor/seccomp/vcpu.policy");
	compare_policy("monitor/seccomp/io.policy");
	compare_policy("monitor/seccomp/api.policy");
	compare_policy("monitor/seccomp/lazy.policy");
	compare_policy("jailer/jailer.policy");
}

/* Longer than a jump reaches, in each of the ways a filter can be. */
Test(seccomp_policy, long_filters)
{
	static struct sock_filter theirs[BPF_MAXINSNS];
	static char text[64 << 10];
	const struct filter_use all = {.feature = "always"};
	static const struct {
		const char *before, *behind;
		unsigned n;
	} rows[] = {{"ioctl w0 == 7, w1 == ", "", 250},
		    {"ioctl w1 == ", "", 250},
		    {"ioctl w0 == ", ", w1 == 5, w2 in 6", 120},
		    {"ioctl a0 == 5, a1 in ", "", 120}};

	for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
		size_t n = (size_t)snprintf(text, sizeof text, HEAD "read w0 == 1 : w\nbrk : w\n");

		for (unsigned i = 0; i < rows[row].n; i++)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%u%s : w\n",
					      rows[row].before, 3 * i, rows[row].behind);
		(void)snprintf(text + n, sizeof text - n, "write w1 == 9 : w\nclose : w\n");
		must(text);
		for (enum filter_mode mode = FILTER_ON; mode <= FILTER_LOG; mode++) {
			link_as(mode, &all, 1);
			cr_assert_gt(len, 255);
			cr_assert_eq(call(SYS_getpid, 0, 0, 0), mode == FILTER_ON
									? SECCOMP_RET_KILL_PROCESS
									: SECCOMP_RET_LOG);
		}
		link_as(FILTER_TRACE, &all, 1);
		cr_assert_eq(call(SYS_close, 0, 0, 0),
			     SECCOMP_RET_TRACE | policy_rule_id(&p, p.nrules - 1));
		link_as(FILTER_ON, &all, 1);
		unsigned m = by_libseccomp(theirs, BPF_MAXINSNS);
		for (unsigned i = 0; i < p.nrules; i++)
			cr_assert_gt(compare_rule(theirs, m, &p.rules[i]), 0);
	}
}

/* --- files --- */

static char *file;
static size_t file_len;
static struct filter_file parsed;

static void write_file(const char *text)
{
	const struct filter_policy *list[] = {&c.policy};
	FILE *out = open_memstream(&file, &file_len);

	must(text);
	emit_file(list, 1, out);
	fclose(out);
}

static int parse(size_t n)
{
	err.text[0] = '\0';
	return filter_file_parse(&parsed, file, n, &err);
}

Test(seccomp_policy, a_file_is_what_was_compiled)
{
	const struct filter_use uses[] = {{"always", {{0}}}, {"disk", {{"fd", 7}}}};
	struct sock_filter again[FILTER_INSNS];

	write_file(DISKS);
	cr_assert_eq(parse(file_len), 0, "%s", err.text);
	link_as(FILTER_ON, uses, 2);
	const struct filter_policy *q = filter_file_find(&parsed, "x");
	cr_assert_not_null(q);
	cr_assert_null(filter_file_find(&parsed, "y"));
	cr_assert_eq(filter_link(q, uses, 2, FILTER_ON, again), len);
	cr_assert_arr_eq(prog, again, (size_t)len * sizeof prog[0]);
}

Test(seccomp_policy, a_cut_file_is_refused_everywhere)
{
	write_file(DISKS);
	for (size_t n = 0; n < file_len; n++) {
		cr_assert_eq(parse(n), -EINVAL, "%zu", n);
		cr_assert_neq(err.text[0], '\0');
	}
	file = realloc(file, file_len + 1);
	cr_assert_eq(parse(file_len + 1), -EINVAL);
	cr_assert_str_eq(err.text, "1 bytes behind the end");
}

/* Offsets: head 12, name 24, blocks 4, feature 24, counts 4; the rule; its tests. */
#define FIRST_RULE (12 + 24 + 4 + 24 + 4)
#define FIRST_TEST (FIRST_RULE + 6)

Test(seccomp_policy, rules_in_a_file_are_judged)
{
	static const struct {
		unsigned at, to;
		const char *error;
	} rows[] = {
		{FIRST_RULE + 1, 2, "policy 'x': rule 1: no system call has this number"},
		{FIRST_RULE + 4, 13, "policy 'x': the file ends early"},
		{FIRST_RULE + 5, 255, "policy 'x': too many tests"},
		{FIRST_TEST + 4, 12, "policy 'x': rule 1: a call has six arguments"},
		{FIRST_TEST + 5, 2, "policy 'x': rule 1: no such comparison"},
		{FIRST_TEST + 6, 0, "policy 'x': rule 1: a value of the launch that is not there"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		write_file(HEAD "brk a0 == 0 : w\n");
		file[rows[i].at] = (char)rows[i].to;
		cr_expect_eq(parse(file_len), -EINVAL, "row %zu is taken", i);
		cr_expect_str_eq(err.text, rows[i].error, "row %zu: %s", i, err.text);
	}
}

Test(seccomp_policy, heads_of_files)
{
	write_file(HEAD "brk : w\n");
	file[0] ^= 1;
	cr_expect_eq(parse(file_len), -EINVAL);
	cr_expect_str_eq(err.text, "no compiled policy: make it by 'mayfly-seccomp compile'");
	file[0] ^= 1;
	file[8] = 9;
	cr_expect_eq(parse(file_len), -EINVAL);
	cr_expect_str_eq(err.text, "1 to 8 policies, not 9");
	file[8] = 2;
	cr_expect_eq(parse(file_len), -EINVAL);
	file[8] = 1;
	memset(file + 12, 'a', 24);
	cr_expect_eq(parse(file_len), -EINVAL);
	cr_expect_str_eq(err.text, "a name is malformed");
}
