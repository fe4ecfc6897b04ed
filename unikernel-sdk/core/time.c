/* SPDX-License-Identifier: MIT
 *
 * time.c: clocks from the TSC against the pair that the monitor supplied, without an exit, and
 * sleeping. Realtime is monotonic plus a constant: the guest's clock cannot be set.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "core/area.h"
#include "core/platform.h"
#include "core/sys.h"
#include "core/wait.h"

#define SEC UINT64_C(1000000000)

static uint64_t
	ns_per_tick_q32; /* nanoseconds a TSC tick, 32 fraction bits: off by < 1 ns a second */
static uint64_t boot_ns;

/* The VM may be stopped and restored between any two instructions: its clocks are new then. */
static uint64_t clock_seq(void)
{
	__asm__ volatile("" ::: "memory");
	return *(const volatile uint64_t *)&uk__shared->clock_seq;
}

static uint64_t since(uint64_t origin)
{
	uint64_t ticks = uk__rdtsc() - uk__boot->tsc0;

	/* A tick count that seems negative: cores that differ a little. */
	if ((int64_t)ticks < 0)
		ticks = 0;
	return origin + (uint64_t)((unsigned __int128)ticks * ns_per_tick_q32 >> 32);
}

uint64_t uk__mono_ns(void)
{
	uint64_t seq, ns;

	do {
		seq = clock_seq();
		ns = since(uk__boot->mono0);
	} while (seq != clock_seq());
	return ns;
}

uint64_t uk__wall_ns(void)
{
	uint64_t seq, ns;

	do {
		seq = clock_seq();
		ns = since(uk__boot->wall0);
	} while (seq != clock_seq());
	return ns;
}

void uk__time_init(void)
{
	if (!uk__boot->tsc_hz)
		uk__panic("the boot information has no TSC frequency");
	ns_per_tick_q32 = (SEC << 32) / uk__boot->tsc_hz;
	boot_ns = uk__mono_ns();
}

static uint64_t cpu_ns(void)
{
	return uk__mono_ns() - boot_ns - uk__idle_ns();
}

/* Value of a clock; false when there is no such clock. */
static bool read_clock(long id, uint64_t *ret_ns)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ret_ns = uk__wall_ns();
		return true;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ret_ns = uk__mono_ns();
		return true;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		*ret_ns = cpu_ns();
		return true;
	default:
		return false;
	}
}

static void put_ts(struct timespec *ts, uint64_t ns)
{
	ts->tv_sec = (time_t)(ns / SEC);
	ts->tv_nsec = (long)(ns % SEC);
}

static struct timeval to_tv(uint64_t ns)
{
	return (struct timeval){.tv_sec = (time_t)(ns / SEC),
				.tv_usec = (suseconds_t)(ns % SEC / 1000)};
}

static long do_gettime(long id, struct timespec *ts)
{
	uint64_t ns;

	if (!read_clock(id, &ns))
		return -EINVAL;
	put_ts(ts, ns);
	return 0;
}

static long do_sleep(long id, long flags, const struct timespec *req, struct timespec *rem)
{
	uint64_t now, mono = uk__mono_ns();

	if (!read_clock(id, &now) || id == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (req->tv_sec < 0 || (unsigned long)req->tv_nsec >= SEC)
		return -EINVAL;
	uint64_t want = req->tv_sec > INT32_MAX
				? UK_FOREVER
				: (uint64_t)req->tv_sec * SEC + (uint64_t)req->tv_nsec;
	uint64_t deadline;

	if (flags & TIMER_ABSTIME)
		deadline = want > now ? mono + (want - now) : mono;
	else
		deadline = want == UK_FOREVER ? UK_FOREVER : mono + want;
	int r = uk__wait(NULL, NULL, deadline);

	if (r != -EINTR)
		return 0;
	now = uk__mono_ns();
	if (rem && !(flags & TIMER_ABSTIME))
		put_ts(rem, deadline > now ? deadline - now : 0);
	return -EINTR;
}

static long do_getrusage(struct rusage *ru)
{
	memset(ru, 0, offsetof(struct rusage, __reserved));
	ru->ru_utime = to_tv(cpu_ns());
	return 0;
}

static long do_times(struct tms *t)
{
	if (t)
		*t = (struct tms){.tms_utime = (clock_t)(cpu_ns() / (SEC / 100))};
	return (long)(uk__mono_ns() / (SEC / 100));
}

static long do_gettimeofday(struct timeval *tv)
{
	if (tv)
		*tv = to_tv(uk__wall_ns());
	return 0;
}

static long do_time(time_t *t)
{
	time_t now = (time_t)(uk__wall_ns() / SEC);

	if (t)
		*t = now;
	return now;
}

static long do_getres(long id, struct timespec *ts)
{
	uint64_t ns;

	if (!read_clock(id, &ns))
		return -EINVAL;
	if (ts)
		*ts = (struct timespec){.tv_nsec = 1};
	return 0;
}

long uk__time_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_clock_gettime:
		return do_gettime(a[0], (struct timespec *)a[1]);
	case SYS_gettimeofday:
		return do_gettimeofday((struct timeval *)a[0]);
	case SYS_time:
		return do_time((time_t *)a[0]);
	case SYS_clock_getres:
		return do_getres(a[0], (struct timespec *)a[1]);
	case SYS_nanosleep:
		return do_sleep(CLOCK_MONOTONIC, 0, (const struct timespec *)a[0],
				(struct timespec *)a[1]);
	case SYS_clock_nanosleep:
		return do_sleep(a[0], a[1], (const struct timespec *)a[2], (struct timespec *)a[3]);
	case SYS_getrusage:
		return do_getrusage((struct rusage *)a[1]);
	case SYS_times:
		return do_times((struct tms *)a[0]);
	case SYS_clock_settime:
	case SYS_settimeofday:
		return -EPERM;
	default:
		return UK_NOSYS;
	}
}
