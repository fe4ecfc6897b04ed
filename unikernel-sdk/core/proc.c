/* SPDX-License-Identifier: MIT
 *
 * proc.c: what a program may ask about its process and machine: one process with number 1, run by
 * root, one thread, one CPU. Creating processes or threads is ENOSYS (named once on the console, in
 * sys.c).
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

#include "core/area.h"
#include "core/fd.h"
#include "core/freeze.h"
#include "core/mem.h"
#include "core/platform.h"
#include "core/sys.h"
#include "core/wait.h"

#define FUTEX_CMD_MASK	  0x7f
#define FUTEX_WAIT	  0
#define FUTEX_WAKE	  1
#define FUTEX_REQUEUE	  3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP	  5
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define ARCH_SET_FS	  0x1002
#define ARCH_GET_FS	  0x1003

static char thread_name[16] = "app";
static unsigned umask_bits = 022;
static char hostname[65]; /* "" = as the command line says */

void uk__hostname_set(const char *name)
{
	strncpy(hostname, name, sizeof(hostname) - 1);
}

static long do_uname(struct utsname *u)
{
	const char *host = hostname[0] ? hostname : uk__setting("hostname");

	memset(u, 0, sizeof(*u));
	strcpy(u->sysname, "Linux");
	strncpy(u->nodename, host ? host : "mayfly", sizeof(u->nodename) - 1);
	strcpy(u->release, "6.1.0-mayfly");
	strcpy(u->version, "Mayfly library OS");
	strcpy(u->machine, "x86_64");
	return 0;
}

static long do_sysinfo(struct sysinfo *si)
{
	struct uk_mem_stat m = uk__mem_stat();

	memset(si, 0, offsetof(struct sysinfo, __reserved));
	si->uptime = uk__mono_ns() / 1000000000u;
	si->totalram = uk__boot->mem_size;
	si->freeram = m.free * UK_PAGE;
	si->procs = 1;
	si->mem_unit = 1;
	return 0;
}

static bool limit_of(long which, struct rlimit *ret)
{
	uint64_t v = RLIM_INFINITY;

	if (which < 0 || which >= RLIM_NLIMITS)
		return false;
	if (which == RLIMIT_NOFILE)
		v = UK_MAX_FDS;
	else if (which == RLIMIT_STACK)
		v = uk__boot->stack_top - uk__boot->stack_low;
	else if (which == RLIMIT_CORE)
		v = 0;
	else if (which == RLIMIT_NPROC)
		v = 1;
	*ret = (struct rlimit){v, v};
	return true;
}

/* Limits are those of the VM: they can be set to what they are, and lowering one is accepted and
 * has no effect. */
static long do_prlimit(long pid, long which, const struct rlimit *set, struct rlimit *get)
{
	struct rlimit now;

	if (pid != 0 && pid != 1)
		return -ESRCH;
	if (!limit_of(which, &now))
		return -EINVAL;
	if (get)
		*get = now;
	if (set && (set->rlim_cur > now.rlim_max || set->rlim_max > now.rlim_max))
		return -EPERM;
	return 0;
}

/*
 * One thread: nobody else can wake a waiter or change the word, but a signal handler. Waiting for a
 * word that does hold the expected value is a deadlock of the program; it ends by its time limit or
 * a signal.
 */
static long do_futex(const int *word, int op, int val, const struct timespec *ts)
{
	uint64_t deadline = UK_FOREVER;
	bool absolute = (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;

	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAKE:
	case FUTEX_WAKE_OP:
	case FUTEX_WAKE_BITSET:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return 0;
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		break;
	default:
		return -ENOSYS;
	}
	if (*(const volatile int *)word != val)
		return -EAGAIN;
	if (ts) {
		deadline = (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
		if (absolute && op & 256) /* FUTEX_CLOCK_REALTIME */
			deadline -= uk__boot->wall0 - uk__boot->mono0;
		else if (!absolute)
			deadline += uk__mono_ns();
	} else {
		uk__log("the only thread waits for a lock that nobody can release");
	}
	return uk__wait(NULL, NULL, deadline);
}

static long do_prctl(const long a[6])
{
	switch (a[0]) {
	case PR_SET_NAME:
		strncpy(thread_name, (const char *)a[1], sizeof(thread_name) - 1);
		return 0;
	case PR_GET_NAME:
		memcpy((void *)a[1], thread_name, sizeof(thread_name));
		return 0;
	case PR_GET_DUMPABLE:
	case PR_GET_NO_NEW_PRIVS:
		return 0;
	case PR_SET_NO_NEW_PRIVS: /* nothing can be executed at all */
		return a[1] == 1 ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static long do_getaffinity(long pid, size_t len, unsigned long *mask)
{
	if (pid != 0 && pid != 1)
		return -ESRCH;
	if (len < sizeof(*mask) || len % sizeof(*mask))
		return -EINVAL;
	*mask = 1;
	return sizeof(*mask);
}

static long do_arch_prctl(long op, uint64_t v)
{
	switch (op) {
	case ARCH_SET_FS:
		__asm__ volatile("wrfsbase %0" : : "r"(v));
		return 0;
	case ARCH_GET_FS:
		__asm__ volatile("rdfsbase %0" : "=r"(*(uint64_t *)v));
		return 0;
	default:
		return -EINVAL;
	}
}

static long do_getrandom(void *buf, size_t len, unsigned flags)
{
	if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | 4u))
		return -EINVAL;
	uk__random(buf, len);
	return (long)len;
}

static long get_ids(long *r, long *e, long *s)
{
	unsigned *p[3] = {(unsigned *)r, (unsigned *)e, (unsigned *)s};

	for (int i = 0; i < 3; i++)
		if (p[i])
			*p[i] = 0;
	return 0;
}

/* Becoming root again is fine; becoming anybody else would protect nothing and is refused. */
static long set_ids(const long a[6], int n)
{
	for (int i = 0; i < n; i++)
		if ((int)a[i] != 0 && (int)a[i] != -1)
			return -EPERM;
	return 0;
}

static long identity(long n, const long a[6])
{
	switch (n) {
	case SYS_getpid:
	case SYS_gettid:
	case SYS_getpgrp:
		return 1;
	case SYS_getpgid:
	case SYS_getsid:
		return a[0] == 0 || a[0] == 1 ? 1 : -ESRCH;
	case SYS_setsid: /* process 1 leads its session already */
		return -EPERM;
	case SYS_setpgid:
	case SYS_getppid:
	case SYS_getuid:
	case SYS_geteuid:
	case SYS_getgid:
	case SYS_getegid:
	case SYS_getgroups:
	case SYS_setgroups:
		return 0;
	case SYS_getresuid:
	case SYS_getresgid:
		return get_ids((long *)a[0], (long *)a[1], (long *)a[2]);
	case SYS_setuid:
	case SYS_setgid:
		return set_ids(a, 1);
	case SYS_setreuid:
	case SYS_setregid:
		return set_ids(a, 2);
	case SYS_setresuid:
	case SYS_setresgid:
		return set_ids(a, 3);
	case SYS_wait4:
	case SYS_waitid:
		return -ECHILD;
	default:
		return UK_NOSYS;
	}
}

static long scheduling(long n, const long a[6])
{
	switch (n) {
	case SYS_sched_yield:
		uk__poll();
		return 0;
	case SYS_sched_getaffinity:
		return do_getaffinity(a[0], (size_t)a[1], (unsigned long *)a[2]);
	case SYS_sched_setaffinity:
		return (size_t)a[1] >= 1 && *(const uint8_t *)a[2] & 1 ? 0 : -EINVAL;
	case SYS_sched_getscheduler:
	case SYS_setpriority:
		return 0;
	case SYS_sched_getparam:
		*(int *)a[1] = 0;
		return 0;
	case SYS_sched_get_priority_max:
	case SYS_sched_get_priority_min:
		return a[0] == SCHED_FIFO || a[0] == SCHED_RR
			       ? (n == SYS_sched_get_priority_max ? 99 : 1)
			       : 0;
	case SYS_getpriority:
		return 20; /* nice 0, as the kernel encodes it */
	case SYS_getcpu:
		if (a[0])
			*(unsigned *)a[0] = 0;
		if (a[1])
			*(unsigned *)a[1] = 0;
		return 0;
	default:
		return UK_NOSYS;
	}
}

long uk__proc_syscall(long n, const long a[6])
{
	unsigned old;

	switch (n) {
	case SYS_futex:
		return do_futex((const int *)a[0], (int)a[1], (int)a[2],
				(const struct timespec *)a[3]);
	case SYS_getrandom:
		return do_getrandom((void *)a[0], (size_t)a[1], (unsigned)a[2]);
	case SYS_arch_prctl:
		return do_arch_prctl(a[0], (uint64_t)a[1]);
	case SYS_prctl:
		return do_prctl(a);
	case SYS_uname:
		return do_uname((struct utsname *)a[0]);
	case SYS_sysinfo:
		return do_sysinfo((struct sysinfo *)a[0]);
	case SYS_getrlimit:
		return do_prlimit(0, a[0], NULL, (struct rlimit *)a[1]);
	case SYS_setrlimit:
		return do_prlimit(0, a[0], (const struct rlimit *)a[1], NULL);
	case SYS_prlimit64:
		return do_prlimit(a[0], a[1], (const struct rlimit *)a[2], (struct rlimit *)a[3]);
	case SYS_umask:
		old = umask_bits;
		umask_bits = (unsigned)a[0] & 0777;
		return old;
	default: {
		long r = identity(n, a);

		return r != UK_NOSYS ? r : scheduling(n, a);
	}
	}
}

unsigned uk__umask(void)
{
	return umask_bits;
}
