/* SPDX-License-Identifier: MIT
 *
 * test_filter.c: the policies that the monitor has, in every shape a VM can have: how many calls
 * are left, and what linking a filter costs beside loading it.
 */
#include <criterion/criterion.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/filter.h"
#include "monitor/confine.h"
#include "monitor/seccomp/policies.h"
#include "tests/unit/bpf.h"

#define CALLS 512

static struct confine c;
static struct sock_filter prog[FILTER_INSNS];

/* Every device there can be, in one of the two idle modes. */
static void everything(bool hlt)
{
	c.n = 0;
	confine_use(&c, "always", "vcpu", 3, "console", 1, "image", 4, "log", 2, NULL);
	confine_use(&c, "lease", "image", 4, NULL);
	confine_use(&c, "metrics", "metrics", 5, NULL);
	confine_use(&c, "usage", NULL);
	confine_use(&c, "rollup", "rollup", 6, NULL);
	confine_use(&c, hlt ? "hlt" : "exit", "vm", 7, "wake", 8, NULL);
	for (int i = 0; i < 4; i++) {
		confine_use(&c, "disk", "disk", 20 + i, NULL);
		confine_use(&c, hlt ? "hlt-disk-rw" : "exit-disk-rw", "disk", 20 + i, NULL);
		confine_use(&c, "base", "disk", 24 + i, NULL);
		confine_use(&c, "overlay-mem", NULL);
		confine_use(&c, "ring", "ring", 30 + i, NULL);
		confine_use(&c, "nic", "nic", 40 + i, NULL);
		confine_use(&c, "tap", "nic", 40 + i, NULL);
	}
	for (int i = 0; hlt && i < 8; i++) {
		int b = 100 + 8 * i;

		confine_use(&c, "irq", "irq", 50 + i, NULL);
		confine_use(&c, "bells", "bell0", b, "bell1", b + 1, "bell2", b + 2, "bell3", b + 3,
			    "bell4", b + 4, "bell5", b + 5, "bell6", b + 6, "bell7", b + 7, NULL);
	}
	cr_assert_not(c.full);
}

/* Calls that some arguments of a few kinds get through. */
static unsigned calls_left(int n, bool seen[CALLS])
{
	static const uint64_t w1[] = {0, 0xae80, 0x400, 6};
	unsigned count = 0;

	memset(seen, 0, CALLS);
	for (int nr = 0; nr < CALLS; nr++) {
		/* Whatever the arguments are: is there a way to a permission at all? Each of the
		 * filter's own constants is tried as every argument in turn. */
		for (int i = 0; i < n && !seen[nr]; i++)
			for (int k = 0; k < 4 && !seen[nr]; k++) {
				struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

				d.args[0] = prog[i].k;
				d.args[1] = w1[k];
				d.args[2] = k == 2 ? 2 : k == 3 ? 22 : 0;
				d.args[3] = k == 1 ? 0x22 : k == 2 ? 3 : 0;
				d.args[4] = k == 1 ? UINT32_MAX : 0;
				seen[nr] = bpf_run(prog, (unsigned)n, &d) == SECCOMP_RET_ALLOW;
			}
		count += seen[nr];
	}
	return count;
}

Test(filter, sixteen_calls_whatever_there_is)
{
	bool seen[CALLS];

	for (int hlt = 0; hlt < 2; hlt++) {
		everything(hlt);
		int n = filter_link(&filter_vcpu, c.uses, c.n, FILTER_ON, prog);

		cr_assert_gt(n, 0);
		unsigned left = calls_left(n, seen);
		cr_assert_leq(left, 16, "%u", left);
		/* The count must have found what there certainly is. */
		cr_assert(seen[SYS_ioctl] && seen[SYS_ppoll] && seen[SYS_pwritev2] &&
			  seen[SYS_fdatasync] && seen[SYS_exit_group]);
		cr_assert_eq(seen[SYS_futex], hlt);
		cr_assert_eq(seen[SYS_fallocate], !hlt);
	}
}

Test(filter, a_bare_vm_has_fewer)
{
	bool seen[CALLS];

	c.n = 0;
	confine_use(&c, "always", "vcpu", 3, "console", 1, "image", 4, "log", 2, NULL);
	confine_use(&c, "exit", NULL);
	int n = filter_link(&filter_vcpu, c.uses, c.n, FILTER_ON, prog);
	cr_assert_gt(n, 0);
	cr_assert_leq(calls_left(n, seen), 8);
	cr_assert_not(seen[SYS_fdatasync] || seen[SYS_mmap] || seen[SYS_getrusage]);
}

/* Whoever acts from outside does so on a thread of its own: this one waits for it, and no more. */
Test(filter, sixteen_calls_with_an_api)
{
	bool seen[CALLS];

	everything(false);
	confine_use(&c, "control", NULL);
	confine_use(&c, "events", "events", 9, NULL);
	int n = filter_link(&filter_vcpu, c.uses, c.n, FILTER_ON, prog);
	cr_assert_gt(n, 0);
	cr_assert_leq(calls_left(n, seen), 16);
	cr_assert(seen[SYS_futex]);
	cr_assert_not(seen[SYS_open] || seen[SYS_openat] || seen[SYS_fork] || seen[SYS_clone] ||
		      seen[SYS_rename] || seen[SYS_socket] || seen[SYS_execve]);
}

/* Copies are made only where they can be asked for. */
Test(filter, a_keeper_that_only_saves_makes_no_process)
{
	bool seen[CALLS];

	c.n = 0;
	confine_use(&c, "always", "log", 2, NULL);
	confine_use(&c, "save", "vcpu", 3, "vm", 7, NULL);
	confine_use(&c, "files", NULL);
	int n = filter_link(&filter_api, c.uses, c.n, FILTER_ON, prog);
	cr_assert_gt(n, 0);
	(void)calls_left(n, seen);
	cr_assert(seen[SYS_open] && seen[SYS_rename]);
	cr_assert_not(seen[SYS_fork] || seen[SYS_clone] || seen[SYS_execve] || seen[SYS_socket] ||
		      seen[SYS_accept4] || seen[SYS_tkill] || seen[SYS_seccomp]);
}

Test(filter, the_io_thread_of_the_largest_vm)
{
	everything(true);
	cr_assert_gt(filter_link(&filter_io, c.uses, c.n, FILTER_ON, prog), 0);
}

Test(filter, all_rules_are_as_the_compiler_makes_them)
{
	const struct filter_policy *const all[] = {&filter_setup, &filter_vcpu, &filter_io,
						   &filter_api, &filter_lazy};
	const char *why;
	unsigned at;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		cr_assert_eq(filter_check(all[i], &at, &why), 0, "rule %u: %s", at, why);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A child for each filter that is loaded: they cannot be taken off. Time in ns, 0 = it failed. */
static uint64_t load_once(int n)
{
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		uint64_t start, took = 0;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		/* We have to go on living: nothing is forbidden, at the same length. */
		for (int i = 0; i < n; i++)
			if (prog[i].code == (BPF_RET | BPF_K))
				prog[i].k = SECCOMP_RET_ALLOW;
		start = now_ns();
		if (filter_install(prog, (size_t)n) == 0)
			took = now_ns() - start;
		_exit(write(fds[1], &took, sizeof took) != sizeof took);
	}
	uint64_t took = 0;
	close(fds[1]);
	cr_assert_eq(read(fds[0], &took, sizeof took), sizeof took);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	return took;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Making the filter must stay small beside what the kernel does with it. */
Test(filter, linking_is_cheaper_than_loading)
{
	uint64_t linking[15], loading[15];
	int n = 0;

	everything(false);
	for (int i = 0; i < 15; i++) {
		uint64_t start = now_ns();

		n = filter_link(&filter_vcpu, c.uses, c.n, FILTER_ON, prog);
		linking[i] = now_ns() - start;
		cr_assert_gt(n, 0);
		loading[i] = load_once(n);
		cr_assert_gt(loading[i], 0);
	}
	qsort(linking, 15, sizeof linking[0], by_value);
	qsort(loading, 15, sizeof loading[0], by_value);
	fprintf(stderr, "filter: linking %llu ns, loading %llu ns, %d instructions (medians)\n",
		(unsigned long long)linking[7], (unsigned long long)loading[7], n);
	cr_assert_lt(linking[7], loading[7]);
}
