/* SPDX-License-Identifier: MIT
 *
 * sys.c: the one entry of every system call: asks the areas of the core and the linked modules in
 * turn, runs signal handlers that became due, restarts what a handler interrupted, and names each
 * call that nobody serves once on the console. Signal handlers run at this boundary only, of the
 * outermost call.
 */
#include "core/sys.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "core/area.h"
#include "core/freeze.h"
#include "core/platform.h"
#include "core/sig.h"
#include "gen/uk_syscall_names.h"

#define MAX_SYSCALL 512

static uint8_t named[MAX_SYSCALL / 8];

static const char *name_of(long n)
{
	const char *s = uk_syscall_names;

	for (long i = 0; i < n; i++) {
		while (*s)
			s++;
		s++;
		if (s >= uk_syscall_names + sizeof(uk_syscall_names) - 1)
			return "";
	}
	return s;
}

static long unserved(long n)
{
	if (n < 0 || n >= MAX_SYSCALL)
		return -ENOSYS;
	if (!(named[n / 8] & 1 << n % 8)) {
		named[n / 8] |= (uint8_t)(1 << n % 8);
		uk__log("system call %ld (%s) is not implemented: ENOSYS", n, name_of(n));
	}
	return -ENOSYS;
}

static long dispatch(long n, const long a[6])
{
	long r;

	/* The start and the end of every program, here: on the way through all the areas their code
	 * would be touched for nothing. */
	if (n == SYS_set_tid_address)
		return 1; /* the one thread there is */
	if (n == SYS_exit || n == SYS_exit_group)
		uk__exit((int)a[0]);
	if ((r = uk__file_syscall(n, a)) != UK_NOSYS)
		return r;
	if (uk__net_syscall && (r = uk__net_syscall(n, a)) != UK_NOSYS)
		return r;
	if ((r = uk__poll_syscall(n, a)) != UK_NOSYS)
		return r;
	if ((r = uk__time_syscall(n, a)) != UK_NOSYS)
		return r;
	if ((r = uk__mmap_syscall(n, a)) != UK_NOSYS)
		return r;
	if (uk__fs_syscall && (r = uk__fs_syscall(n, a)) != UK_NOSYS)
		return r;
	if ((r = uk__event_syscall(n, a)) != UK_NOSYS)
		return r;
	if ((r = uk__sig_syscall(n, a)) != UK_NOSYS)
		return r;
	if ((r = uk__proc_syscall(n, a)) != UK_NOSYS)
		return r;
	return unserved(n);
}

/* SA_RESTART restarts these; waiting for events or time never restarts (signal(7)). */
static bool restartable(long n)
{
	switch (n) {
	case SYS_poll:
	case SYS_ppoll:
	case SYS_select:
	case SYS_pselect6:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_rt_sigtimedwait:
		return false;
	default:
		return true;
	}
}

bool uk__restored_wanted;

/* Calls that wait, which nothing in the C library makes while it is in the middle of something. */
static bool waits(long n)
{
	return !restartable(n) || n == SYS_accept || n == SYS_accept4 || n == SYS_recvfrom ||
	       n == SYS_recvmsg || n == SYS_sched_yield;
}

/* Another life has begun: before the program does anything it is told. True: the call was ended
 * for that and is to be made again. */
static bool tell_restored(long r)
{
	if (!uk__restored_due())
		return false;
	uk__restored_run();
	if (r != -EINTR || uk__sig_due())
		return false;
	(void)uk__sig_run(); /* the mask of the call that was ended */
	return true;
}

unsigned uk__depth;

static long nested(long n, const long args[6])
{
	uk__depth++;
	long r = dispatch(n, args);

	uk__depth--;
	return r;
}

long uk_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	const long args[6] = {a, b, c, d, e, f};
	const bool tells = uk__restored_due && waits(n);

	if (uk__depth)
		return nested(n, args);
	if (tells)
		(void)tell_restored(0);
	for (;;) {
		uk__restored_wanted = tells;
		long r = nested(n, args);

		uk__restored_wanted = false;
		if (tells && tell_restored(r))
			continue;
		if (!uk__sig_due())
			return r;
		if (uk__sig_run() != UK_SIG_RESTART || r != -EINTR || !restartable(n))
			return r;
	}
}

long uk_syscall5(long n, long a, long b, long c, long d, long e)
{
	return uk_syscall(n, a, b, c, d, e, 0);
}

_Noreturn void uk__exit(int status)
{
	uk__depth++; /* for good */
	/* The disk first: peers may keep us waiting until the monitor has had enough of it. */
	if (uk__fs_sync_all)
		uk__fs_sync_all();
	if (uk__net_drain)
		uk__net_drain();
	uk__platform_exit(status & 0xff);
}
