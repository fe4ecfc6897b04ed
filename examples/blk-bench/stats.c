/* SPDX-License-Identifier: MIT
 *
 * stats.c: the histogram.
 */
#include "stats.h"

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift = 0, b;

	while (ns >> shift >= 2 * STATS_STEPS)
		shift++;
	b = (unsigned)(ns >> shift) + shift * STATS_STEPS;
	return b < STATS_BUCKETS ? b : STATS_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned b)
{
	unsigned shift;

	if (b < 2 * STATS_STEPS)
		return b;
	shift = b / STATS_STEPS - 1;
	return ((uint64_t)(b - shift * STATS_STEPS) << shift) + (UINT64_C(1) << shift) / 2;
}

void stats_add(struct stats *s, uint64_t ns)
{
	s->bucket[bucket_of(ns)]++;
	s->sum_ns += ns;
	if (!s->n || ns < s->min_ns)
		s->min_ns = ns;
	if (ns > s->max_ns)
		s->max_ns = ns;
	s->n++;
}

uint64_t stats_percentile(const struct stats *s, unsigned permille)
{
	uint64_t seen = 0, rank = (s->n * permille + 999) / 1000;

	for (unsigned b = 0; b < STATS_BUCKETS; b++) {
		seen += s->bucket[b];
		if (s->n && seen >= rank)
			return value_of(b);
	}
	return 0;
}
