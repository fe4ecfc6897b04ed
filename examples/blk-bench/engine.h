/* SPDX-License-Identifier: MIT
 *
 * engine.h: issues the requests of one run and takes their times. Depth 1 is plain pread and
 * pwrite; above it, Linux native AIO by system call. One thread.
 */
#ifndef BLK_BENCH_ENGINE_H
#define BLK_BENCH_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "stats.h"

#define DEPTH_MAX 256u

enum op { OP_RANDREAD, OP_RANDWRITE, OP_SEQREAD, OP_SEQWRITE };

struct job {
	int fd;
	enum op op;
	uint32_t bs;	 /* bytes of one request */
	unsigned depth;	 /* 1..DEPTH_MAX */
	uint64_t blocks; /* of bs bytes in the region; >= 1 */
	uint64_t count;	 /* requests in all, 0 = by time */
	double seconds;	 /* used when count is 0 */
	uint64_t seed;
};

struct result {
	uint64_t requests, bytes;
	double seconds;
	struct stats lat;
};

/* Runs the job; writes are followed by one fsync inside the measured time. 0 or -errno; a short
 * transfer is -EIO. */
int engine_run(const struct job *job, struct result *ret);

#endif
