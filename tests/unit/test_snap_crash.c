/* SPDX-License-Identifier: MIT
 *
 * test_snap_crash.c: a snapshot takes the place of another while its writer is killed before each
 * of its system calls, and while each of them fails in turn. What is there afterwards has to be the
 * old snapshot or the new one, every byte of it. The writer is a traced child: nothing here depends
 * on time.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor/snapshot/tool/command.h"
#include "tests/unit/snap.h"

static struct snap_dir d, other;
static uint8_t *mem;
static const char *key;
static struct snap_signer signer;
static char err[512];

static int save(unsigned seed)
{
	struct snap_written w;

	snap_pattern(mem, seed);
	return snap_save(&d, mem, NULL, NULL, &w, err, sizeof err);
}

/* What is unpacked was packed by the parent. */
static int unpack(unsigned seed)
{
	const struct command c = {.arg = {other.packed, d.state}, .key = key};

	(void)seed;
	return command_unpack(&c, err, sizeof err);
}

static int (*writer)(unsigned seed) = save;

static void setup(void)
{
	snap_dir_make(&d);
	mem = snap_memory();
	cr_assert_eq(save(0), 0, "%s", err);
}

static void teardown(void)
{
	snap_dir_remove(&d);
}

TestSuite(snap_crash, .init = setup, .fini = teardown, .timeout = 240);

static pid_t start_writer(unsigned seed)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(9);
		raise(SIGSTOP);
		_exit(writer(seed) ? 1 : 0);
	}
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "cannot trace: status %x", status);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	return pid;
}

/* To the next entry into (or return from) a system call; false: it has ended, with *status. */
static bool step(pid_t pid, int *status)
{
	cr_assert_eq(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
	cr_assert_eq(waitpid(pid, status, 0), pid);
	return WIFSTOPPED(*status);
}

static bool to_call(pid_t pid, unsigned n, int *status)
{
	while (n--)
		if (!step(pid, status) || (n && !step(pid, status)))
			return false;
	return true;
}

static bool is_pattern(const uint8_t *got, unsigned seed)
{
	uint8_t *want = snap_memory();
	bool same;

	snap_pattern(want, seed);
	same = memcmp(got, want, SNAP_MEM) == 0;
	munmap(want, SNAP_MEM);
	return same;
}

/* The snapshot there is old or new; which. */
static unsigned judge(unsigned old, unsigned new, unsigned call)
{
	const struct restore_config rc = {
		.path = d.state, .key = key, .verify = key ? VERIFY_COPY : VERIFY_FULL};
	uint8_t *got = snap_memory();
	int r = snap_restore(&rc, got, err, sizeof err);
	unsigned ret = old;

	cr_assert_eq(r, 0, "at system call %u: %s", call, err);
	if (!is_pattern(got, old)) {
		cr_assert(is_pattern(got, new), "neither old nor new at system call %u", call);
		ret = new;
	}
	munmap(got, SNAP_MEM);
	return ret;
}

/* Kill the writer before its n-th system call, for every n, until one lives to its end. prepare is
 * called before each.
 */
static void kill_at_each_call(void (*prepare)(unsigned n), unsigned least)
{
	unsigned here = 0, kills = 0, news = 0;
	bool alive = true;
	int status = 0;

	for (unsigned n = 1; alive; n++) {
		if (prepare)
			prepare(n);
		pid_t pid = start_writer(n);

		alive = to_call(pid, n, &status);
		if (alive) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			kills++;
		}
		unsigned now = judge(here, n, n);

		news += now == n;
		here = now;
	}
	cr_assert_geq(kills, least, "only %u", kills);
	cr_assert_geq(news, 2, "the new one was never whole before the end");
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(snap_crash, killed_before_each_system_call)
{
	kill_at_each_call(NULL, 40);
	char path[120];

	snprintf(path, sizeof path, "%s.old", d.mem);
	cr_assert_not(snap_exists(path), "a killed writer's leftovers outlive the next one");
	snprintf(path, sizeof path, "%s.new", d.mem);
	cr_assert_not(snap_exists(path));
}

/* The call does not happen; the writer is told e. */
static void fail_call(pid_t pid, int e, int *status)
{
	struct user_regs_struct regs;

	cr_assert_eq(ptrace(PTRACE_GETREGS, pid, 0, &regs), 0);
	regs.orig_rax = (unsigned long long)-1;
	cr_assert_eq(ptrace(PTRACE_SETREGS, pid, 0, &regs), 0);
	if (!step(pid, status))
		return;
	cr_assert_eq(ptrace(PTRACE_GETREGS, pid, 0, &regs), 0);
	regs.rax = (unsigned long long)-e;
	cr_assert_eq(ptrace(PTRACE_SETREGS, pid, 0, &regs), 0);
}

Test(snap_crash, each_system_call_fails)
{
	unsigned here = 0, failures = 0;
	int status;

	for (unsigned n = 1;; n++) {
		pid_t pid = start_writer(n);

		if (!to_call(pid, n, &status))
			break;
		fail_call(pid, n % 2 ? EIO : ENOSPC, &status);
		while (WIFSTOPPED(status))
			step(pid, &status);
		/* The last one is exit_group, which the kernel does not let fail twice. */
		unsigned now = judge(here, n, n);

		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			cr_assert_eq(now, n,
				     "call %u failed, success was told, the old one is there", n);
		failures += WIFEXITED(status) && WEXITSTATUS(status) == 1;
		here = now;
	}
	cr_assert_geq(failures, 20, "only %u", failures);
}

/* A signed snapshot with pattern seed, packed. */
static void pack_signed(unsigned seed)
{
	const struct command c = {.arg = {other.state, other.packed}, .level = 1};
	struct snap_written w;

	snap_pattern(mem, seed);
	cr_assert_eq(snap_save(&other, mem, NULL, NULL, &w, err, sizeof err), 0, "%s", err);
	snap_sign(&signer, &other);
	cr_assert_eq(command_pack(&c, err, sizeof err), 0, "%s", err);
}

/* The one that is there is signed too, and is asked for its signature each time. */
Test(snap_crash, unpacking_killed_before_each_system_call)
{
	snap_dir_make(&other);
	snap_signer_make(&signer, &d);
	snap_sign(&signer, &d);
	key = signer.key;
	writer = unpack;
	kill_at_each_call(pack_signed, 60);
	snap_dir_remove(&other);
}
