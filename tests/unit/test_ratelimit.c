/* SPDX-License-Identifier: MIT
 *
 * test_ratelimit.c: token buckets under a clock of our own: rates exact to the token, requests of
 * every size, bursts, debts, and numbers at the end of their range.
 */
#include <criterion/criterion.h>

#include "monitor/config.h"
#include "monitor/virtio/ratelimit.h"

#define MS  UINT64_C(1000000)
#define SEC (1000 * MS)

static const struct token_bucket off;
static struct ratelimit rl;

static void bytes(uint64_t size, uint64_t burst, uint64_t ms, uint64_t now)
{
	ratelimit_set(&rl, &(struct token_bucket){size, burst, ms}, &off, now);
}

Test(ratelimit, off_is_off)
{
	ratelimit_set(&rl, &off, &off, 0);
	cr_assert_not(rl.on);
	cr_assert_eq(ratelimit_take(&rl, UINT64_MAX, UINT64_MAX, 5), 0);
	cr_assert_eq(ratelimit_ready(&rl, 5), 0);
	bytes(0, 100, 100, 0);
	cr_assert_not(rl.on, "a size of 0");
	bytes(100, 100, 0, 0);
	cr_assert_not(rl.on, "a refill time of 0");
	ratelimit_set(&rl, NULL, &(struct token_bucket){1, 0, 1}, 0);
	cr_assert(rl.on);
	cr_assert_eq(ratelimit_take(&rl, UINT64_MAX, 1, 0), 0, "bytes are not limited");
	cr_assert_neq(ratelimit_take(&rl, 0, 1, 0), 0);
}

Test(ratelimit, starts_full_and_says_when)
{
	bytes(1000, 0, 1000, 7 * SEC);
	cr_assert_eq(ratelimit_take(&rl, 1000, 1, 7 * SEC), 0);
	cr_assert_eq(ratelimit_take(&rl, 1, 1, 7 * SEC), 7 * SEC + MS);
	cr_assert_eq(ratelimit_take(&rl, 250, 1, 7 * SEC), 7 * SEC + 250 * MS);
	cr_assert_eq(ratelimit_take(&rl, 250, 1, 7 * SEC + 250 * MS - 1), 7 * SEC + 250 * MS,
		     "one ns too early");
	cr_assert_eq(ratelimit_take(&rl, 250, 1, 7 * SEC + 250 * MS), 0);
	cr_assert_neq(ratelimit_take(&rl, 1, 1, 7 * SEC + 250 * MS), 0);
}

Test(ratelimit, never_more_than_the_bucket_holds)
{
	bytes(1000, 0, 1000, 0);
	cr_assert_eq(ratelimit_take(&rl, 1000, 0, 0), 0);
	cr_assert_eq(ratelimit_take(&rl, 1000, 0, 3600 * SEC), 0);
	cr_assert_neq(ratelimit_take(&rl, 1, 0, 3600 * SEC), 0, "an hour of rest is one bucket");
	/* nor does a rest count that ended before a full bucket was drained */
	bytes(1000, 0, 1000, 0);
	cr_assert_eq(ratelimit_take(&rl, 500, 0, 3600 * SEC), 0);
	cr_assert_eq(ratelimit_take(&rl, 500, 0, 3600 * SEC), 0);
	cr_assert_neq(ratelimit_take(&rl, 1, 0, 3600 * SEC), 0);
}

Test(ratelimit, burst_is_once)
{
	bytes(100, 1000, 100, 0);
	cr_assert_eq(ratelimit_take(&rl, 1100, 0, 0), 0);
	cr_assert_neq(ratelimit_take(&rl, 1, 0, 0), 0);
	cr_assert_eq(ratelimit_take(&rl, 100, 0, SEC), 0);
	cr_assert_neq(ratelimit_take(&rl, 1, 0, SEC), 0, "it does not come back");
	bytes(100, 1000, 100, 0);
	for (unsigned i = 0; i < 11; i++)
		cr_assert_eq(ratelimit_take(&rl, 100, 0, 0), 0);
	cr_assert_neq(ratelimit_take(&rl, 1, 0, 0), 0);
}

Test(ratelimit, both_or_neither)
{
	ratelimit_set(&rl, &(struct token_bucket){1000, 0, 1000},
		      &(struct token_bucket){2, 0, 1000}, 0);
	cr_assert_eq(ratelimit_take(&rl, 900, 1, 0), 0);
	cr_assert_eq(ratelimit_take(&rl, 200, 1, 0), 100 * MS);
	cr_assert_eq(rl.ops.level, 1, "the operation was not taken");
	cr_assert_eq(ratelimit_take(&rl, 100, 1, 0), 0);
	cr_assert_eq(ratelimit_take(&rl, 0, 1, 0), 500 * MS);
	cr_assert_eq(ratelimit_take(&rl, 700, 1, 0), 700 * MS, "the later of the two");
}

Test(ratelimit, larger_than_the_bucket_goes_into_debt)
{
	bytes(100, 0, 100, 0);
	cr_assert_eq(ratelimit_take(&rl, 1000, 0, 0), 0);
	cr_assert_eq(rl.bytes.debt, 900);
	cr_assert_eq(ratelimit_take(&rl, 1, 0, 0), 901 * MS);
	cr_assert_eq(ratelimit_take(&rl, 0, 0, 0), 900 * MS, "nothing at all waits for the debt");
	cr_assert_eq(ratelimit_take(&rl, 1000, 0, 500 * MS), 900 * MS);
	cr_assert_eq(ratelimit_take(&rl, 1000, 0, 900 * MS), 0);
	cr_assert_eq(rl.bytes.debt, 1000);
}

Test(ratelimit, what_happened_is_charged)
{
	ratelimit_set(&rl, &(struct token_bucket){100, 0, 100}, &(struct token_bucket){10, 0, 100},
		      0);
	cr_assert_eq(ratelimit_ready(&rl, 0), 0);
	ratelimit_charge(&rl, 150, 1, 0);
	cr_assert_eq(ratelimit_ready(&rl, 0), 51 * MS);
	cr_assert_eq(ratelimit_ready(&rl, 51 * MS), 0);
	ratelimit_charge(&rl, 1, 12, 51 * MS);
	cr_assert_gt(ratelimit_ready(&rl, 51 * MS), 51 * MS);
	cr_assert_eq(rl.ops.debt, 2);
}

Test(ratelimit, refund)
{
	bytes(100, 0, 100, 0);
	cr_assert_eq(ratelimit_take(&rl, 60, 0, 0), 0);
	ratelimit_refund(&rl, 60, 0);
	cr_assert_eq(rl.bytes.level, 100);
	ratelimit_refund(&rl, UINT64_MAX, UINT64_MAX);
	cr_assert_eq(rl.bytes.level, 100, "not above the brim");
	cr_assert_eq(ratelimit_take(&rl, 500, 0, 0), 0);
	ratelimit_refund(&rl, 500, 0);
	cr_assert_eq(rl.bytes.debt, 0);
	cr_assert_eq(rl.bytes.level, 100);
}

Test(ratelimit, new_limits_are_full_and_leave_the_other_alone)
{
	ratelimit_set(&rl, &(struct token_bucket){100, 0, 100}, &(struct token_bucket){5, 0, 100},
		      0);
	cr_assert_eq(ratelimit_take(&rl, 100, 5, 0), 0);
	ratelimit_set(&rl, &(struct token_bucket){50, 10, 100}, NULL, 0);
	cr_assert_eq(rl.bytes.level, 50);
	cr_assert_eq(rl.bytes.burst, 10);
	cr_assert_eq(rl.ops.level, 0);
	ratelimit_set(&rl, NULL, &off, 0);
	cr_assert(rl.on);
	ratelimit_set(&rl, &off, NULL, 0);
	cr_assert_not(rl.on);
}

/* Take n at a time as soon as it is allowed, for `secs` of a clock that moves only when told to
 * wait. Tokens taken. */
static uint64_t flood(uint64_t n, uint64_t secs, uint64_t lateness)
{
	uint64_t now = 0, taken = 0, calls = 0;

	while (now < secs * SEC) {
		uint64_t t = ratelimit_take(&rl, n, 0, now);

		if (!t) {
			taken += n;
			continue;
		}
		cr_assert_gt(t, now, "time goes nowhere: a busy loop");
		now = t + lateness;
		cr_assert_lt(++calls, 4000000);
	}
	return taken;
}

Test(ratelimit, the_rate_is_exact_for_any_size_of_request)
{
	static const uint64_t sizes[] = {1, 3, 7, 512, 4096, 65536, 1000000, 9999999};
	static const uint64_t ms[] = {1, 7, 100, 1000, 60000};

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (unsigned k = 0; k < sizeof ms / sizeof *ms; k++) {
			uint64_t rate = sizes[i] < 512 ? 10007 : 1000003; /* a second, primes */
			uint64_t size = rate * ms[k] / 1000;
			uint64_t secs = 60;

			bytes(size, 0, ms[k], 0);
			uint64_t got = flood(sizes[i], secs, 0);
			uint64_t want = size + (uint64_t)((double)size * 1000 / (double)ms[k] * 60);

			/* all there was and one request on credit */
			cr_assert_leq(got, want + sizes[i], "%lu every %lu ms", sizes[i], ms[k]);
			cr_assert_geq(got + 2 * sizes[i], want, "%lu every %lu ms", sizes[i],
				      ms[k]);
		}
	}
}

Test(ratelimit, late_wake_ups_cost_nothing_while_the_bucket_is_not_full)
{
	bytes(1000000, 0, 1000, 0);
	uint64_t exact = flood(4096, 30, 0);

	bytes(1000000, 0, 1000, 0);
	uint64_t late = flood(4096, 30, 3 * MS);

	cr_assert_leq(exact - (late < exact ? late : exact), exact / 100);
}

Test(ratelimit, looking_often_earns_nothing)
{
	/* a third of a token a ns, looked at each ns */
	bytes(1000000, 0, 3, 0);
	cr_assert_eq(ratelimit_take(&rl, 1000000, 0, 0), 0);
	for (uint64_t now = 1; now <= 3000; now++)
		cr_assert_gt(ratelimit_take(&rl, 1000000, 0, now), now);
	cr_assert_eq(rl.bytes.level, 1000);
}

Test(ratelimit, a_clock_that_stands_or_goes_back)
{
	bytes(1000, 0, 1000, 10 * SEC);
	cr_assert_eq(ratelimit_take(&rl, 1000, 0, 10 * SEC), 0);
	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(ratelimit_take(&rl, 1, 0, 10 * SEC), 10 * SEC + MS);
	cr_assert_eq(ratelimit_take(&rl, 1, 0, 2 * SEC), 2 * SEC + MS,
		     "nothing earned, and no "
		     "wait for the old time");
	cr_assert_eq(ratelimit_take(&rl, 1, 0, 2 * SEC + MS), 0);
	cr_assert_eq(ratelimit_take(&rl, 1, 0, 0), MS);
}

Test(ratelimit, ends_of_the_range)
{
	static const uint64_t v[] = {
		0,	    1,	       2,  999, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX - 1,
		UINT64_MAX, INT64_MAX, MS, SEC};
	const unsigned n = sizeof v / sizeof *v;

	for (unsigned s = 0; s < n; s++)
		for (unsigned b = 0; b < n; b++)
			for (unsigned m = 0; m < n; m++)
				for (unsigned a = 0; a < n; a++)
					for (unsigned t = 0; t < n; t++) {
						bytes(v[s], v[b], v[m], 0);
						for (unsigned k = 0; k < 3; k++) {
							uint64_t r =
								ratelimit_take(&rl, v[a], 0, v[t]);

							cr_assert(!r || r > v[t] ||
								  v[t] == UINT64_MAX);
							ratelimit_charge(&rl, v[a], 0, v[t]);
							cr_assert_leq(rl.bytes.level,
								      rl.bytes.size);
							cr_assert(!rl.bytes.debt ||
								  !rl.bytes.level);
							ratelimit_refund(&rl, v[a], 0);
						}
					}
	/* the fastest bucket is no limit in practice and the slowest never fills */
	bytes(UINT64_MAX, 0, 1, 0);
	cr_assert_eq(ratelimit_take(&rl, UINT64_MAX, 0, 0), 0);
	cr_assert_eq(ratelimit_take(&rl, 1u << 30, 0, 1), 0);
	bytes(1, 0, UINT64_MAX, 0);
	cr_assert_eq(ratelimit_take(&rl, 1, 0, 0), 0);
	cr_assert_eq(ratelimit_take(&rl, 1, 0, 1), UINT64_MAX);
}

/* Against the definition: tokens there are at most what time has brought since any earlier moment
 * plus a bucket, whatever is asked for and whenever. */
Test(ratelimit, no_window_sees_more_than_size_and_rate)
{
	static uint64_t at[4096], sum[4096];
	uint64_t now = 0, seed = 88172645463325252u;
	unsigned n = 0;

	bytes(5000, 0, 100, 0); /* 50 a ms */
	while (n < 4096) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		now += seed % (3 * MS);
		uint64_t ask = 1 + (seed >> 32) % 400;

		if (ratelimit_take(&rl, ask, 0, now))
			continue;
		at[n] = now;
		sum[n] = (n ? sum[n - 1] : 0) + ask;
		n++;
	}
	for (unsigned i = 0; i < n; i += 7)
		for (unsigned j = i; j < n; j += 3) {
			uint64_t got = sum[j] - (i ? sum[i - 1] : 0);

			cr_assert_leq(got, 5000 + (at[j] - at[i]) / 20000 + 1);
		}
}
