/* SPDX-License-Identifier: MIT
 *
 * ratelimit.h: token buckets for bytes and operations, with Firecracker's three numbers: size,
 * one_time_burst, refill_time. Pure: the caller passes the time (ns of one clock that it stays
 * with), and nobody else is asked. Sizes are the operator's and may be anything; amounts come from
 * the guest and may be anything, too. One thread at a time.
 *
 * What is taken from a bucket goes: burst (never regained), then the level, which flows back at
 * `size` a refill time and is full at the start. A request larger than the whole bucket would wait
 * for ever: it passes as soon as there is no debt, and what the bucket lacked becomes debt that has
 * to flow back first. So any size of request sees the same rate in the long run.
 */
#ifndef MONITOR_VIRTIO_RATELIMIT_H
#define MONITOR_VIRTIO_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct token_bucket; /* monitor/config.h */

struct rl_bucket {
	uint64_t size, refill_ns; /* size 0: no limit */
	uint64_t level, burst, debt;
	uint64_t frac; /* of the next token, in refill_ns'ths */
	uint64_t last; /* level is of this time */
};

struct ratelimit {
	bool on; /* any limit at all: look at this before asking for the time */
	struct rl_bucket bytes, ops;
};

/* New buckets, full. NULL leaves one as it is, size or refill time 0 takes it away. */
void ratelimit_set(struct ratelimit *rl, const struct token_bucket *bw,
		   const struct token_bucket *ops, uint64_t now);
/* Take both amounts, or neither: then the result is the time, later than now, at which to ask again
 * (sooner is no use; UINT64_MAX = no time that a clock will show). 0: taken. */
uint64_t ratelimit_take(struct ratelimit *rl, uint64_t bytes, uint64_t ops, uint64_t now);
/* What was taken was not used after all. A burst that it came from stays spent. */
void ratelimit_refund(struct ratelimit *rl, uint64_t bytes, uint64_t ops);

/* For what is measured only after it has happened. Is there a token of each kind? 0 yes, else the
 * time to ask again; nothing is taken. */
uint64_t ratelimit_ready(struct ratelimit *rl, uint64_t now);
/* It has happened: take the tokens, into debt if need be. */
void ratelimit_charge(struct ratelimit *rl, uint64_t bytes, uint64_t ops, uint64_t now);

#endif
