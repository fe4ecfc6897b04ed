/* SPDX-License-Identifier: MIT
 *
 * aio.c: io_setup, io_submit, io_getevents, io_cancel, io_destroy. Whole sectors of a raw disk are
 * really asynchronous: one request of the virtqueue each. Everything else is done at once and is
 * complete when io_submit returns. A context's slots bound what is in flight plus what has not been
 * collected.
 */
#include "fs/aio.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "drivers/blk.h"
#include "fd.h"
#include "fs/devfs.h"
#include "platform.h"
#include "sys.h"
#include "wait.h"

#define SLOTS_MAX 4096u

enum { CMD_PREAD, CMD_PWRITE, CMD_FSYNC, CMD_FDSYNC, CMD_NOOP = 6, CMD_PREADV, CMD_PWRITEV };
#define IOCB_RESFD 1u

struct iocb { /* Linux ABI */
	uint64_t data;
	uint32_t key, rw_flags;
	uint16_t opcode;
	int16_t prio;
	uint32_t fd;
	uint64_t buf, nbytes;
	int64_t offset;
	uint64_t reserved;
	uint32_t flags, resfd;
};
struct io_event {
	uint64_t data, obj;
	int64_t res, res2;
};
_Static_assert(sizeof(struct iocb) == 64 && sizeof(struct io_event) == 32, "AIO structs are ABI");

struct slot {
	struct uk_blk_req req;
	struct context *ctx;
	struct slot *next; /* free or completed */
	struct uk_file *file, *resfd;
	struct io_event event;
};

struct context {
	uint64_t ring[8]; /* libaio peeks here for a ring of the kernel's: zeroes mean there is none
			   */
	struct context *next;
	unsigned nslots, ndone;
	volatile int inflight;
	struct slot *free;
	struct slot *done, **done_tail;
	struct slot slots[];
};

static struct context *contexts;

static struct context *find(uint64_t id)
{
	struct context *c = contexts;

	while (c && (uint64_t)(uintptr_t)c != id)
		c = c->next;
	return c;
}

static long do_setup(unsigned n, uint64_t *ret_id)
{
	struct context *c;

	if (n == 0 || *ret_id != 0)
		return -EINVAL;
	if (n > SLOTS_MAX)
		return -EAGAIN;
	c = calloc(1, sizeof(*c) + n * sizeof(c->slots[0]));
	if (!c)
		return -ENOMEM;
	c->nslots = n;
	c->done_tail = &c->done;
	for (unsigned i = 0; i < n; i++) {
		c->slots[i].ctx = c;
		c->slots[i].next = c->free;
		c->free = &c->slots[i];
	}
	c->next = contexts;
	contexts = c;
	*ret_id = (uint64_t)(uintptr_t)c;
	return 0;
}

/* --- completion ---------------------------------------------------------------------- */

static void complete(struct slot *s, int64_t res)
{
	struct context *c = s->ctx;
	uint64_t one = 1;
	const struct iovec iov = {.iov_base = &one, .iov_len = sizeof(one)};

	s->event.res = res;
	s->next = NULL;
	*c->done_tail = s;
	c->done_tail = &s->next;
	c->ndone++;
	uk__file_put(s->file);
	s->file = NULL;
	if (s->resfd) {
		s->resfd->ops->writev(s->resfd, &iov, 1, -1);
		uk__file_put(s->resfd);
		s->resfd = NULL;
	}
}

static void request_done(struct uk_blk_req *req, int err)
{
	struct slot *s = req->arg;

	s->ctx->inflight--;
	complete(s, err ? err : s->event.res);
}

/* --- submission ---------------------------------------------------------------------- */

/* The segments of a request for whole sectors; 0 when it must go the slow way. */
static unsigned segments(const struct iocb *io, const struct uk_blk *b, struct uk_sg sg[UK_BLK_SG],
			 uint64_t *ret_len)
{
	const struct iovec one = {.iov_base = (void *)(uintptr_t)io->buf, .iov_len = io->nbytes};
	bool vec = io->opcode == CMD_PREADV || io->opcode == CMD_PWRITEV;
	const struct iovec *iov = vec ? (const struct iovec *)(uintptr_t)io->buf : &one;
	uint64_t n = vec ? io->nbytes : 1, len = 0;

	if (n == 0 || n > b->seg_max || io->offset % UK_SECTOR)
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		if (iov[i].iov_len == 0 || iov[i].iov_len > UK_BLK_IO_MAX)
			return 0;
		sg[i] = (struct uk_sg){.p = iov[i].iov_base, .len = (uint32_t)iov[i].iov_len};
		len += iov[i].iov_len;
	}
	if (len % UK_SECTOR || (uint64_t)io->offset + len > b->sectors * UK_SECTOR)
		return 0;
	*ret_len = len;
	return (unsigned)n;
}

/* True when the request is in the ring. */
static bool submit_async(struct slot *s, const struct iocb *io, struct uk_blk *b)
{
	struct uk_sg sg[UK_BLK_SG];
	enum uk_blk_op op;
	uint64_t len = 0;
	unsigned n = 0;

	switch (io->opcode) {
	case CMD_FSYNC:
	case CMD_FDSYNC:
		if (!b->can_flush)
			return false;
		op = UK_BLK_FLUSH;
		break;
	case CMD_PREAD:
	case CMD_PREADV:
		op = UK_BLK_READ;
		break;
	default:
		op = UK_BLK_WRITE;
		break;
	}
	if (op != UK_BLK_FLUSH) {
		n = segments(io, b, sg, &len);
		if (n == 0)
			return false;
	}
	s->req.done = request_done;
	s->req.arg = s;
	s->event.res = (int64_t)len;
	s->ctx->inflight++;
	if (uk__blk_submit_wait(b, &s->req, op, (uint64_t)io->offset / UK_SECTOR, sg, n) == 0)
		return true;
	s->ctx->inflight--;
	return false;
}

static int64_t do_now(const struct iocb *io, struct uk_file *f)
{
	const struct iovec one = {.iov_base = (void *)(uintptr_t)io->buf, .iov_len = io->nbytes};
	const struct iovec *vec = (const struct iovec *)(uintptr_t)io->buf;

	switch (io->opcode) {
	case CMD_PREAD:
		return f->ops->readv ? f->ops->readv(f, &one, 1, io->offset) : -EINVAL;
	case CMD_PWRITE:
		return f->ops->writev ? f->ops->writev(f, &one, 1, io->offset) : -EINVAL;
	case CMD_PREADV:
		return f->ops->readv ? f->ops->readv(f, vec, (int)io->nbytes, io->offset) : -EINVAL;
	case CMD_PWRITEV:
		return f->ops->writev ? f->ops->writev(f, vec, (int)io->nbytes, io->offset)
				      : -EINVAL;
	case CMD_FSYNC:
	case CMD_FDSYNC:
		return f->ops->fsync ? f->ops->fsync(f, io->opcode == CMD_FDSYNC) : -EINVAL;
	default:
		return 0;
	}
}

static int check_iocb(const struct iocb *io, struct uk_file **ret_file, struct uk_file **ret_resfd)
{
	struct uk_file *f = uk__fd_get((int)io->fd), *resfd = NULL;
	bool write = io->opcode == CMD_PWRITE || io->opcode == CMD_PWRITEV;
	bool read = io->opcode == CMD_PREAD || io->opcode == CMD_PREADV;
	int mode;

	if (io->opcode > CMD_PWRITEV || io->opcode == 4 || io->opcode == 5 || io->rw_flags)
		return -EINVAL;
	if (!f)
		return -EBADF;
	mode = f->flags & 3;
	if ((write && mode == 0) || (read && mode == 1))
		return -EBADF;
	if ((read || write) &&
	    (io->offset < 0 || io->nbytes > INT64_MAX / 2 ||
	     __builtin_add_overflow(io->offset, (int64_t)io->nbytes, &(int64_t){0})))
		return -EINVAL;
	if ((io->opcode == CMD_PREADV || io->opcode == CMD_PWRITEV) && io->nbytes > 1024)
		return -EINVAL;
	if (io->flags & IOCB_RESFD) {
		resfd = uk__fd_get((int)io->resfd);
		if (!resfd || !resfd->ops->writev)
			return -EBADF;
	}
	*ret_file = f;
	*ret_resfd = resfd;
	return 0;
}

static int submit_one(struct context *c, struct iocb *io, struct uk_blk **ret_kick)
{
	struct uk_file *f, *resfd;
	struct uk_blk *b;
	struct slot *s;
	int r = check_iocb(io, &f, &resfd);

	if (r < 0)
		return r;
	s = c->free;
	if (!s)
		return -EAGAIN;
	c->free = s->next;
	s->event = (struct io_event){.data = io->data, .obj = (uint64_t)(uintptr_t)io};
	s->file = f;
	f->refs++;
	s->resfd = resfd;
	if (resfd)
		resfd->refs++;
	b = uk__blkdev_of(f);
	if (b && submit_async(s, io, b)) {
		if (*ret_kick && *ret_kick != b)
			uk__blk_kick(*ret_kick, false);
		*ret_kick = b;
		return 0;
	}
	complete(s, do_now(io, f));
	return 0;
}

static long do_submit(uint64_t id, long n, struct iocb **list)
{
	struct context *c = find(id);
	struct uk_blk *kick = NULL;
	long i;
	int r = 0;

	if (!c || n < 0)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		r = submit_one(c, list[i], &kick);
		if (r < 0)
			break;
	}
	if (kick)
		uk__blk_kick(kick, false);
	return i ? i : r;
}

/* --- collection ---------------------------------------------------------------------- */

struct want {
	const struct context *ctx;
	unsigned n;
};

static bool enough(void *arg)
{
	const struct want *w = arg;

	return w->ctx->ndone >= w->n || w->ctx->inflight == 0;
}

static long do_getevents(uint64_t id, long min, long n, struct io_event *ev,
			 const struct timespec *ts)
{
	struct context *c = find(id);
	uint64_t deadline = UK_FOREVER;
	struct want w = {.ctx = c};
	long got = 0;
	int r = 0;

	if (!c || min < 0 || n < 0 || min > n)
		return -EINVAL;
	if (ts)
		deadline =
			uk__mono_ns() + (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
	w.n = (unsigned)min;
	if (min > 0 && (!ts || ts->tv_sec || ts->tv_nsec))
		r = uk__wait(enough, &w, deadline);
	else
		uk__poll();
	while (got < n && c->done) {
		struct slot *s = c->done;

		c->done = s->next;
		if (!c->done)
			c->done_tail = &c->done;
		c->ndone--;
		ev[got++] = s->event;
		s->next = c->free;
		c->free = s;
	}
	return got ? got : r == -EINTR ? r : 0;
}

static long do_destroy(uint64_t id)
{
	struct context *c = find(id), **p = &contexts;
	int n;

	if (!c)
		return -EINVAL;
	/* The requests write into the slots: they must end first. */
	while ((n = c->inflight) > 0)
		for (unsigned i = 0; uk__blk_get(i) && c->inflight == n; i++)
			if (uk__blk_get(i)->inflight) {
				uk__blk_kick(uk__blk_get(i), true);
				uk__blk_wait(uk__blk_get(i), &c->inflight, n);
			}
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	free(c);
	return 0;
}

long uk__aio_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_io_setup:
		return do_setup((unsigned)a[0], (uint64_t *)a[1]);
	case SYS_io_submit:
		return do_submit((uint64_t)a[0], a[1], (struct iocb **)a[2]);
	case SYS_io_getevents:
	case SYS_io_pgetevents:
		return do_getevents((uint64_t)a[0], a[1], a[2], (struct io_event *)a[3],
				    (const struct timespec *)a[4]);
	case SYS_io_cancel:
		return -EINVAL; /* what is in the ring cannot be taken back */
	case SYS_io_destroy:
		return do_destroy((uint64_t)a[0]);
	default:
		return UK_NOSYS;
	}
}
