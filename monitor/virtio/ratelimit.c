/* SPDX-License-Identifier: MIT
 *
 * ratelimit.c: see ratelimit.h. Exact: the fraction of a token that time has earned is kept, so the
 * rate does not depend on how often a bucket is looked at. Nothing overflows: 64 by 64 bits are
 * multiplied in 128, and sums stop at the top.
 */
#include "monitor/virtio/ratelimit.h"

#include <stddef.h>

#include "monitor/config.h"

#define NS_PER_MS 1000000u

typedef unsigned __int128 u128;

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void bucket_set(struct rl_bucket *b, const struct token_bucket *cfg, uint64_t now)
{
	*b = (struct rl_bucket){.last = now};
	if (!cfg->size || !cfg->refill_ms)
		return;
	b->size = b->level = cfg->size;
	b->burst = cfg->burst;
	b->refill_ns =
		cfg->refill_ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : cfg->refill_ms * NS_PER_MS;
}

void ratelimit_set(struct ratelimit *rl, const struct token_bucket *bw,
		   const struct token_bucket *ops, uint64_t now)
{
	if (bw)
		bucket_set(&rl->bytes, bw, now);
	if (ops)
		bucket_set(&rl->ops, ops, now);
	rl->on = rl->bytes.size || rl->ops.size;
}

/* n tokens come in: debt first, then up to size. */
static void put(struct rl_bucket *b, uint64_t n)
{
	uint64_t paid = min(b->debt, n);

	b->debt -= paid;
	n -= paid;
	b->level += min(n, b->size - b->level);
}

static void refill(struct rl_bucket *b, uint64_t now)
{
	/* A clock that went back gives nothing, and goes on from there. */
	uint64_t dt = now > b->last ? now - b->last : 0;

	b->last = now;
	if (!dt || !b->size)
		return;
	u128 earned = (u128)dt * b->size + b->frac;
	u128 tokens = earned / b->refill_ns;

	put(b, tokens > UINT64_MAX ? UINT64_MAX : (uint64_t)tokens);
	/* Into a full bucket not even a fraction flows. */
	b->frac = b->level == b->size ? 0 : (uint64_t)(earned % b->refill_ns);
}

/* When will n tokens be there? 0 they are. The bucket is of `now`. */
static uint64_t wait_for(const struct rl_bucket *b, uint64_t n, uint64_t now)
{
	uint64_t have = add(b->level, b->burst);
	uint64_t want = n > have && n - have <= b->size - b->level ? n - have : 0;

	/* Larger than the bucket is ever going to be: when nothing is owed. */
	if (!b->size || (!b->debt && (n <= have || !want)))
		return 0;
	u128 ns = ((u128)add(b->debt, want) * b->refill_ns - b->frac + b->size - 1) / b->size;

	return ns > UINT64_MAX ? UINT64_MAX : add(now, ns ? (uint64_t)ns : 1);
}

static void take(struct rl_bucket *b, uint64_t n)
{
	uint64_t part;

	if (!b->size)
		return;
	part = min(b->burst, n);
	b->burst -= part;
	n -= part;
	part = min(b->level, n);
	b->level -= part;
	b->debt = add(b->debt, n - part);
}

static uint64_t when(struct ratelimit *rl, uint64_t bytes, uint64_t ops, uint64_t now)
{
	refill(&rl->bytes, now);
	refill(&rl->ops, now);
	uint64_t a = wait_for(&rl->bytes, bytes, now), b = wait_for(&rl->ops, ops, now);

	return a > b ? a : b;
}

uint64_t ratelimit_take(struct ratelimit *rl, uint64_t bytes, uint64_t ops, uint64_t now)
{
	uint64_t t = when(rl, bytes, ops, now);

	if (t)
		return t;
	take(&rl->bytes, bytes);
	take(&rl->ops, ops);
	return 0;
}

void ratelimit_refund(struct ratelimit *rl, uint64_t bytes, uint64_t ops)
{
	if (rl->bytes.size)
		put(&rl->bytes, bytes);
	if (rl->ops.size)
		put(&rl->ops, ops);
}

uint64_t ratelimit_ready(struct ratelimit *rl, uint64_t now)
{
	return when(rl, 1, 1, now);
}

void ratelimit_charge(struct ratelimit *rl, uint64_t bytes, uint64_t ops, uint64_t now)
{
	refill(&rl->bytes, now);
	refill(&rl->ops, now);
	take(&rl->bytes, bytes);
	take(&rl->ops, ops);
}
