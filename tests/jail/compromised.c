/* SPDX-License-Identifier: MIT
 *
 * compromised.c: a monitor that the guest has taken over, after the filters fell: each row is a
 * child that has the wide filter and then the narrow one of its thread on, with real descriptors,
 * and makes one system call. It must die of SIGSYS in exactly that call, which the parent sees as a
 * tracer at the child's exit. TAP. `prog [vcpu|io|setup|api|keeper|lazy]...`: all policies unless
 * named.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/filter.h"
#include "monitor/seccomp/policies.h"
#include "tests/jail/compromised.h"

static int fds[FDS];
static struct iovec vec[1];
static char page[4096];

/* --- the world before the filters fall --- */

static void make_world(void)
{
	for (int i = 0; i < FDS; i++)
		fds[i] = i == FD_DISK || i == FD_IMAGE ? memfd_create("x", MFD_CLOEXEC)
						       : eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	for (int i = 0; i < FDS; i++)
		if (fds[i] < 0)
			err(2, "descriptors");
	if (ftruncate(fds[FD_DISK], 65536) < 0)
		err(2, "disk");
	vec[0] = (struct iovec){.iov_base = page, .iov_len = 8};
}

static size_t uses(bool setup, enum which which, enum world world, struct filter_use *u)
{
	const struct filter_use bare[] = {
		{"always",
		 {{"vcpu", (uint32_t)fds[FD_VCPU]},
		  {"console", (uint32_t)fds[FD_CONSOLE]},
		  {"image", (uint32_t)fds[FD_IMAGE]},
		  {"uffd", (uint32_t)fds[FD_UFFD]},
		  {"mem", (uint32_t)fds[FD_MEM]},
		  {"log", 2}}},
		{"narrow", {{0}}},
	};
	const struct filter_use devices[] = {
		{"lease", {{"image", (uint32_t)fds[FD_IMAGE]}}},
		{"disk", {{"disk", (uint32_t)fds[FD_DISK]}}},
		{"nic", {{"nic", (uint32_t)fds[FD_NIC]}}},
		{world == HLT ? "hlt" : "exit",
		 {{"vm", (uint32_t)fds[FD_VM]}, {"wake", (uint32_t)fds[FD_WAKE]}}},
	};
	const struct filter_use serve[] = {
		{"serve",
		 {{"listen", (uint32_t)fds[FD_EVENTS]},
		  {"vcpu", (uint32_t)fds[FD_VCPU]},
		  {"vm", (uint32_t)fds[FD_VM]}}},
		{"serve-rewind", {{"vcpu", (uint32_t)fds[FD_VCPU]}, {"vm", (uint32_t)fds[FD_VM]}}},
	};
	const struct filter_use managed[] = {
		{"control", {{0}}},
		{"events", {{"events", (uint32_t)fds[FD_EVENTS]}}},
		{"save", {{"vcpu", (uint32_t)fds[FD_VCPU]}, {"vm", (uint32_t)fds[FD_VM]}}},
		{"files", {{0}}},
		{"api", {{0}}},
		{"patch", {{0}}},
		{"fork", {{0}}},
		{"fork-narrow", {{0}}},
		{"rewind", {{"vcpu", (uint32_t)fds[FD_VCPU]}, {"vm", (uint32_t)fds[FD_VM]}}},
	};
	const struct {
		const struct filter_use *uses;
		size_t n;
		bool there;
	} parts[] = {
		{bare, sizeof bare / sizeof bare[0], true},
		{devices, sizeof devices / sizeof devices[0], world != BARE},
		{serve, sizeof serve / sizeof serve[0], world == SERVE},
		/* A keeper that only saves has the first four. */
		{managed, which == KEEPER ? 4 : sizeof managed / sizeof managed[0],
		 world == MANAGED},
	};
	/* The wide filter below has what such a VM's options lead to. */
	static const char *const wide[] = {"restore", "save", "state", "thread", "clients"};
	size_t n = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		for (size_t k = 0; parts[i].there && k < parts[i].n; k++)
			u[n++] = parts[i].uses[k];
	/* Clients come last. */
	size_t nwide = sizeof wide / sizeof wide[0] - (world < SERVE);

	for (size_t i = 0; setup && world != BARE && i < nwide; i++)
		u[n++] = (struct filter_use){.feature = wide[i]};
	return n;
}

static void fall(const struct filter_policy *policy, enum which which, enum world world)
{
	static struct sock_filter prog[FILTER_INSNS];
	struct filter_use u[32];
	size_t n = uses(policy == &filter_setup, which, world, u);
	int len = filter_link(policy, u, n, FILTER_ON, prog);

	if (len < 0 || filter_install(prog, (size_t)len) < 0)
		_exit(99);
}

/* --- one row --- */

static long value(uint64_t a)
{
	if (a >= VALUE_FD && a < VALUE_FD + FDS)
		return fds[a - VALUE_FD];
	if (a == VALUE_PTR)
		return (long)page;
	if (a == VALUE_VEC)
		return (long)vec;
	if (a == VALUE_PID)
		return getppid();
	return (long)a;
}

static void attempt(const struct forbidden *f)
{
	long a[6];

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(98);
	for (int i = 0; i < 6; i++)
		a[i] = value(f->args[i]);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(97);
	raise(SIGSTOP);
	static const struct filter_policy *const narrow[] = {[VCPU] = &filter_vcpu,
							     [IO] = &filter_io,
							     [API] = &filter_api,
							     [KEEPER] = &filter_api,
							     [LAZY] = &filter_lazy};

	fall(&filter_setup, f->policy, f->world);
	if (f->policy != SETUP)
		fall(narrow[f->policy], f->policy, f->world);
	if (f->nr == NR_INT80) {
		long r = 20; /* getpid of i386 */
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	} else {
		syscall(f->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	/* Still here. Nothing but this is sure to be allowed. */
	syscall(f->policy == IO ? SYS_exit : SYS_exit_group, 0);
}

/* How the child ended: signal, and the call in which it did. */
static void watch(pid_t pid, int *ret_status, long *ret_call)
{
	struct user_regs_struct regs;
	int status;

	*ret_call = -1;
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) < 0)
		err(2, "tracing");
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8) &&
		    ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0)
			*ret_call = (long)regs.orig_rax;
		ptrace(PTRACE_CONT, pid, NULL,
		       status >> 16 ? NULL : (void *)(long)WSTOPSIG(status));
	}
	*ret_status = status;
}

/* Not every host has that entry: there the instruction is a fault whatever the filter says. */
static bool has_int80(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r = 20;

		__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);
}

static bool run(unsigned number, const struct forbidden *f)
{
	static const char *const policies[] = {"setup", "vcpu", "io", "api", "keeper", "lazy"};
	static const char *const worlds[] = {"exit", "hlt", "bare", "serve", "managed"};
	int status;
	long call, want = f->nr == NR_INT80 ? 20 : f->nr;

	fflush(stdout);
	if (f->nr == NR_INT80 && !has_int80()) {
		printf("ok %u - %s # SKIP this host has none\n", number, f->name);
		return true;
	}
	pid_t pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (pid == 0)
		attempt(f);
	watch(pid, &status, &call);
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS && call == want;
	bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool ok = f->allowed ? passed : killed;
	printf("%s %u - %s %s: %s", ok ? "ok" : "not ok", number, policies[f->policy],
	       worlds[f->world], f->name);
	if (ok)
		printf(" (%s)\n", f->allowed ? "allowed" : "SIGSYS");
	else
		printf(": status %#x in call %ld, expected %s in %ld\n", (unsigned)status, call,
		       f->allowed ? "no harm" : "SIGSYS", want);
	return ok;
}

int main(int argc, char *argv[])
{
	static const char *const policies[] = {"setup", "vcpu", "io", "api", "keeper", "lazy"};
	unsigned n = 0, bad = 0;

	make_world();
	for (const struct forbidden *f = forbidden; f->name; f++) {
		bool wanted = argc == 1;

		for (int i = 1; i < argc; i++)
			wanted |= strcmp(argv[i], policies[f->policy]) == 0;
		if (wanted)
			bad += !run(++n, f);
	}
	printf("1..%u\n", n);
	return bad != 0;
}
