/* SPDX-License-Identifier: MIT
 *
 * test_seccomp_policy.c: policies as text: what is refused and how it is said, what is compiled and
 * what that does to system calls.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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
	return r < 0 ? r : compile_policy(&p, &c, &err);
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
		{HEAD "read a0 = 1 : why\n", "3: expected ==, !=, <, <=, >, >= or in"},
		{HEAD "read a0 == : why\n", "3: '' is no number and no known constant"},
		{HEAD "read a0 == O_FOO : why\n", "3: 'O_FOO' is no number and no known constant"},
		{HEAD "read a0 == 0xg : why\n", "3: '0xg' is no number and no known constant"},
		{HEAD "read a0 == 99999999999999999999 : why\n",
		 "3: '99999999999999999999' is no number and no known constant"},
		{HEAD "read w0 in 0x100000000 : why\n",
		 "3: w0 has 32 bits; 0x100000000 does not fit"},
		{HEAD "read w0 < 5 : why\n", "3: w0 can be compared with == and in"},
		{HEAD "read w0 == $fd : why\n", "3: $fd can only be compared by aN == $fd"},
		{HEAD "read a0 in $fd : why\n", "3: $fd can only be compared by aN == $fd"},
		{HEAD "read a0 == $ : why\n", "3: the name behind '$' is missing"},
		{HEAD "read a0 == 1 a1 == 2 : why\n", "3: expected ',' or ': reason'"},
		{HEAD "read a0 >= 1, a0 <= 2 : why\n",
		 "3: argument 0 is compared twice in one rule"},
		{HEAD "read a0 == 0x7ed50001 : why\n", "3: read: this value is the compiler's own"},
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
	/* Longer than a jump reaches. */
	n = (size_t)snprintf(text, sizeof text, HEAD);
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "read a0 == %u, a1 == 1 : w\n", i);
	cr_assert_lt(compile(text), 0);
	cr_assert_str_eq(err.text, "[always] is too long for one block: begin another [always]");
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

	must(HEAD "read a0 == 5 : w\nwrite a0 != 5 : w\nopen a0 < 5 : w\nclose a0 <= 5 : w\n"
		  "stat a0 > 5 : w\nfstat a0 >= 5 : w\nmmap a0 in 6 : w\nioctl w0 == 5 : w\n"
		  "lseek w0 in 6 : w\npoll a0 == 5, a1 == 6, w2 == 7 : w\nbrk : w\n"
		  "dup a0 == 0x100000005 : w\n");
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
		{SYS_write, 5, false},
		{SYS_write, 4, true},
		{SYS_write, big | 5, true},
		{SYS_open, 4, true},
		{SYS_open, 5, false},
		{SYS_open, big, false},
		{SYS_close, 5, true},
		{SYS_close, 6, false},
		{SYS_close, big, false},
		{SYS_stat, 6, true},
		{SYS_stat, 5, false},
		{SYS_stat, big, true},
		{SYS_fstat, 5, true},
		{SYS_fstat, 4, false},
		{SYS_fstat, big, true},
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
	cr_expect_eq(len, 7);
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

/* Offsets: head 12, name 24, blocks 4, feature 24, counts 10, one call, then instructions. */
#define FIRST_INSN (12 + 24 + 4 + 24 + 10 + 2)

Test(seccomp_policy, code_in_a_file_is_judged)
{
	static const struct {
		unsigned insn;
		struct sock_filter to;
		const char *error;
	} rows[] = {
		{5,
		 {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
		 "policy 'x': [always], instruction 5: a return value that is no rule's"},
		{5,
		 {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
		 "policy 'x': [always], instruction 5: a return value that is no rule's"},
		{5,
		 {BPF_JMP | BPF_JA, 0, 0, 0xffffffff},
		 "policy 'x': [always], instruction 5: a jump out of the block"},
		{5,
		 {BPF_JMP | BPF_JEQ | BPF_K, 200, 0, 0},
		 "policy 'x': [always], instruction 5: a jump out of the block"},
		{5,
		 {BPF_LD | BPF_W | BPF_ABS, 0, 0, 64},
		 "policy 'x': [always], instruction 5: a load from outside the call's data"},
		{5,
		 {BPF_LD | BPF_W | BPF_ABS, 0, 0, 2},
		 "policy 'x': [always], instruction 5: a load from outside the call's data"},
		{5,
		 {BPF_LD | BPF_MEM, 0, 0, 0},
		 "policy 'x': [always], instruction 5: an instruction that the compiler does not "
		 "use"},
		{5,
		 {BPF_RET | BPF_A, 0, 0, 0},
		 "policy 'x': [always], instruction 5: an instruction that the compiler does not "
		 "use"},
		{1,
		 {BPF_JMP | BPF_JEQ | BPF_K, 0, 4, AUDIT_ARCH_I386},
		 "policy 'x': [always], instruction 0: it does not begin as the compiler's blocks "
		 "do"},
		{0,
		 {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
		 "policy 'x': [always], instruction 0: it does not begin as the compiler's blocks "
		 "do"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		write_file(HEAD "brk a0 == 0 : w\n");
		memcpy(file + FIRST_INSN + rows[i].insn * 8, &rows[i].to, 8);
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
