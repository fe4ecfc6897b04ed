/* SPDX-License-Identifier: MIT
 *
 * clock.c: see clock.h.
 */
#include "tests/unit/clock.h"

#include <time.h>

uint64_t fake_now;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!fake_now || id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(fake_now / 1000000000);
	ts->tv_nsec = (long)(fake_now % 1000000000);
	return 0;
}
