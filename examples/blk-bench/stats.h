/* SPDX-License-Identifier: MIT
 *
 * stats.h: latencies in a histogram of fixed size: 64 linear steps per power of two, so a
 * percentile is within 1.6 % of the truth however long the run.
 */
#ifndef BLK_BENCH_STATS_H
#define BLK_BENCH_STATS_H

#include <stdint.h>

#define STATS_STEPS   64u
#define STATS_BUCKETS (STATS_STEPS * 40u)

struct stats {
	uint64_t n, sum_ns, min_ns, max_ns;
	uint32_t bucket[STATS_BUCKETS];
};

void stats_add(struct stats *s, uint64_t ns);

/* The latency that `permille` of 1000 requests did not exceed; 0 without requests. */
uint64_t stats_percentile(const struct stats *s, unsigned permille);

#endif
