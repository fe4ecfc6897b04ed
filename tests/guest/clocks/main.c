/* SPDX-License-Identifier: MIT
 *
 * Clocks agree with each other and never run backwards; sleeping takes at least as long as asked,
 * is not spent on the CPU, and wakes for a deadline. No upper bounds: the host may be slow.
 */
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

static long long ns_of(clockid_t id)
{
	struct timespec ts;

	CHECK(!clock_gettime(id, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(void)
{
	struct timespec ts = {.tv_nsec = 20000000}, res;
	struct timeval tv;
	long long last = ns_of(CLOCK_MONOTONIC), now, cpu;

	for (int i = 0; i < 20000; i++, last = now) {
		now = ns_of(CLOCK_MONOTONIC);
		CHECK(now >= last);
	}
	CHECK(!clock_getres(CLOCK_MONOTONIC, &res) && res.tv_sec == 0 && res.tv_nsec >= 1);
	CHECK_ERR(clock_gettime(77, &ts), EINVAL);

	long long wall0 = ns_of(CLOCK_REALTIME), mono0 = ns_of(CLOCK_MONOTONIC);
	cpu = ns_of(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < 5; i++)
		CHECK(!nanosleep(&ts, NULL));
	now = ns_of(CLOCK_MONOTONIC);
	CHECK(now - mono0 >= 100000000);
	/* The two clocks advance alike: what they differ by lies between their readings. */
	long long wall_gone = ns_of(CLOCK_REALTIME) - wall0;
	CHECK(wall_gone >= now - mono0 && wall_gone <= ns_of(CLOCK_MONOTONIC) - mono0 + 100000000);
	/* Sleeping is not running. */
	CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - cpu < now - mono0);

	ts = (struct timespec){.tv_sec = (now + 30000000) / 1000000000,
			       .tv_nsec = (now + 30000000) % 1000000000};
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0);
	CHECK(ns_of(CLOCK_MONOTONIC) >= now + 30000000);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0); /* long over */
	CHECK(!usleep(1) && sleep(0) == 0);
	ts = (struct timespec){.tv_nsec = 1000000000};
	CHECK_ERR(nanosleep(&ts, NULL), EINVAL);

	CHECK(!gettimeofday(&tv, NULL) && tv.tv_sec == time(NULL));
	CHECK(tv.tv_sec > 1700000000); /* after 2023: the clock is set */
	CHECK(times(&(struct tms){0}) != (clock_t)-1);
	CHECK(!getrusage(RUSAGE_SELF, &(struct rusage){0}));
	printf("wall %lld\n", (long long)tv.tv_sec);
	return pass();
}
