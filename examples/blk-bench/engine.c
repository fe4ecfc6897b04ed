/* SPDX-License-Identifier: MIT
 *
 * engine.c: the two ways of issuing requests. The AIO interface is used through syscall(2), so that
 * the same source runs on Linux and in the library OS without a library.
 */
#include "engine.h"
#include "aio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ALIGNMENT 4096u

/* State of the run: which block is next and when to stop. */
struct run {
	const struct job *job;
	struct result *res;
	uint64_t issued, random, start_ns, end_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool is_write(const struct job *j)
{
	return j->op == OP_RANDWRITE || j->op == OP_SEQWRITE;
}

static bool is_random(const struct job *j)
{
	return j->op == OP_RANDREAD || j->op == OP_RANDWRITE;
}

/* xorshift64*: the order of blocks has to be unpredictable to read-ahead only. */
static uint64_t next_random(struct run *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return r->random * UINT64_C(2685821657736338717);
}

static off_t next_offset(struct run *r)
{
	uint64_t b =
		is_random(r->job) ? next_random(r) % r->job->blocks : r->issued % r->job->blocks;

	r->issued++;
	return (off_t)(b * r->job->bs);
}

/* May one more request be issued? `now` is a time already read for a latency. */
static bool more(const struct run *r, uint64_t now)
{
	return r->job->count ? r->issued < r->job->count : now < r->end_ns;
}

static void done(struct run *r, uint64_t issued_ns, uint64_t now)
{
	r->res->requests++;
	r->res->bytes += r->job->bs;
	stats_add(&r->res->lat, now - issued_ns);
}

static int run_sync(struct run *r, char *buf)
{
	const struct job *j = r->job;
	uint64_t now = now_ns();

	while (more(r, now)) {
		off_t off = next_offset(r);
		uint64_t t = now;
		ssize_t n = is_write(j) ? pwrite(j->fd, buf, j->bs, off)
					: pread(j->fd, buf, j->bs, off);

		if (n != (ssize_t)j->bs)
			return n < 0 ? -errno : -EIO;
		now = now_ns();
		done(r, t, now);
	}
	return 0;
}

/* One request in flight. */
struct slot {
	struct iocb cb;
	uint64_t issued_ns;
};

static void prepare(struct run *r, struct slot *s, char *buf, uint64_t now)
{
	s->cb = (struct iocb){
		.aio_data = (uintptr_t)s,
		.aio_lio_opcode = is_write(r->job) ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)r->job->fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = r->job->bs,
		.aio_offset = next_offset(r),
	};
	s->issued_ns = now;
}

/* Hands over all n control blocks; the kernel may take them in parts. */
static int submit(aio_context_t ctx, struct iocb **cbs, unsigned n)
{
	while (n) {
		long r = syscall(SYS_io_submit, ctx, (long)n, cbs);

		if (r < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (r > 0) {
			cbs += r;
			n -= (unsigned)r;
		}
	}
	return 0;
}

static int aio_loop(struct run *r, aio_context_t ctx, char *bufs, struct slot *slots)
{
	const struct job *j = r->job;
	struct iocb *batch[DEPTH_MAX];
	struct io_event ev[DEPTH_MAX];
	unsigned nbatch = 0, flying = 0;
	uint64_t now = now_ns();
	int e;

	for (unsigned i = 0; i < j->depth && more(r, now); i++) {
		prepare(r, &slots[i], bufs + (size_t)i * j->bs, now);
		batch[nbatch++] = &slots[i].cb;
	}
	for (;;) {
		long got;

		e = submit(ctx, batch, nbatch);
		if (e < 0)
			return e;
		flying += nbatch;
		if (!flying)
			return 0;
		got = syscall(SYS_io_getevents, ctx, 1L, (long)j->depth, ev, NULL);
		if (got < 0 && errno != EINTR)
			return -errno;
		nbatch = 0;
		now = now_ns();
		for (long i = 0; i < got; i++) {
			struct slot *s = (struct slot *)(uintptr_t)ev[i].data;

			if (ev[i].res != (int64_t)j->bs)
				return ev[i].res < 0 ? (int)ev[i].res : -EIO;
			flying--;
			done(r, s->issued_ns, now);
			if (!more(r, now))
				continue;
			prepare(r, s, bufs + (size_t)(s - slots) * j->bs, now);
			batch[nbatch++] = &s->cb;
		}
	}
}

static int run_aio(struct run *r, char *bufs)
{
	struct slot *slots = calloc(r->job->depth, sizeof(*slots));
	aio_context_t ctx = 0;
	int e = -ENOMEM;

	if (!slots)
		return e;
	if (syscall(SYS_io_setup, (long)r->job->depth, &ctx) < 0) {
		e = -errno;
	} else {
		e = aio_loop(r, ctx, bufs, slots);
		syscall(SYS_io_destroy,
			ctx); /* waits for what is in flight: the buffers stay valid */
	}
	free(slots);
	return e;
}

int engine_run(const struct job *job, struct result *ret)
{
	struct run r = {.job = job, .res = ret, .random = job->seed | 1};
	size_t len = (size_t)job->bs * job->depth;
	void *bufs;
	int e;

	*ret = (struct result){0};
	if (posix_memalign(&bufs, ALIGNMENT, len))
		return -ENOMEM;
	memset(bufs, 0x5a, len);
	r.start_ns = now_ns();
	r.end_ns = r.start_ns + (uint64_t)(job->seconds * 1e9);
	e = job->depth > 1 ? run_aio(&r, bufs) : run_sync(&r, bufs);
	if (!e && is_write(job) && fsync(job->fd) < 0)
		e = -errno;
	ret->seconds = (double)(now_ns() - r.start_ns) / 1e9;
	free(bufs);
	return e;
}
