/* SPDX-License-Identifier: MIT
 *
 * pipe.c: a byte ring in pages of its own, and the two files at its ends. A write to a pipe nobody
 * reads is EPIPE, without a signal.
 */
#include "core/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "core/fd.h"
#include "core/pool.h"
#include "core/sys.h"
#include "core/wait.h"
#include "uk_abi.h"

#define RING_PAGES 16u
#define RING	   (RING_PAGES * UK_PAGE)
#define ATOMIC	   4096u /* PIPE_BUF: so much is written at once or not at all */

struct pipe {
	char *ring;
	uint32_t head, len;		 /* bytes [head, head + len) modulo RING are pending */
	struct uk_file *reader, *writer; /* NULL once closed */
};

static struct uk_pool pipes = {.size = sizeof(struct pipe)};

static bool can_read(void *arg)
{
	const struct pipe *p = arg;

	return p->len || !p->writer;
}

struct room {
	struct pipe *p;
	uint32_t want;
};

static bool can_write(void *arg)
{
	const struct room *r = arg;

	return RING - r->p->len >= r->want || !r->p->reader;
}

static uint32_t take(struct pipe *p, char *to, size_t len)
{
	uint32_t sum = 0;

	while (len && p->len) {
		uint32_t n = RING - p->head;

		n = n < p->len ? n : p->len;
		n = n < len ? n : (uint32_t)len;
		memcpy(to + sum, p->ring + p->head, n);
		p->head = (p->head + n) % RING;
		p->len -= n;
		len -= n;
		sum += n;
	}
	if (!p->len)
		p->head = 0; /* few pages are touched by small messages */
	return sum;
}

static uint32_t give(struct pipe *p, const char *from, size_t len)
{
	uint32_t sum = 0;

	while (len && p->len < RING) {
		uint32_t at = (p->head + p->len) % RING, n = RING - at;

		n = n < RING - p->len ? n : RING - p->len;
		n = n < len ? n : (uint32_t)len;
		memcpy(p->ring + at, from + sum, n);
		p->len += n;
		len -= n;
		sum += n;
	}
	return sum;
}

static ssize_t pipe_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct pipe *p = f->priv;
	ssize_t sum = 0;

	if (off >= 0)
		return -ESPIPE;
	if (!can_read(p)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int r = uk__wait(can_read, p, UK_FOREVER);

		if (r)
			return r;
	}
	for (int i = 0; i < n; i++)
		sum += take(p, iov[i].iov_base, iov[i].iov_len);
	if (sum && p->writer)
		uk__file_ready(p->writer);
	return sum;
}

static ssize_t write_one(struct uk_file *f, const char *from, size_t len)
{
	struct pipe *p = f->priv;
	size_t sum = 0;

	while (sum < len) {
		struct room room = {p, len - sum <= ATOMIC ? (uint32_t)(len - sum) : 1};

		if (!can_write(&room)) {
			if (f->flags & O_NONBLOCK)
				return sum ? (ssize_t)sum : -EAGAIN;
			int r = uk__wait(can_write, &room, UK_FOREVER);

			if (r)
				return sum ? (ssize_t)sum : r;
		}
		if (!p->reader)
			return sum ? (ssize_t)sum : -EPIPE;
		sum += give(p, from + sum, len - sum);
		uk__file_ready(p->reader);
	}
	return (ssize_t)sum;
}

static ssize_t pipe_writev(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	ssize_t sum = 0;

	if (off >= 0)
		return -ESPIPE;
	for (int i = 0; i < n; i++) {
		ssize_t r = write_one(f, iov[i].iov_base, iov[i].iov_len);

		if (r < 0)
			return sum ? sum : r;
		sum += r;
		if ((size_t)r < iov[i].iov_len)
			break;
	}
	return sum;
}

static uint32_t reader_poll(struct uk_file *f)
{
	const struct pipe *p = f->priv;

	return (p->len ? EPOLLIN : 0u) | (p->writer ? 0u : EPOLLHUP);
}

static uint32_t writer_poll(struct uk_file *f)
{
	const struct pipe *p = f->priv;

	return (RING - p->len >= ATOMIC ? EPOLLOUT : 0u) | (p->reader ? 0u : EPOLLERR);
}

static long pipe_ioctl(struct uk_file *f, unsigned long req, long arg)
{
	const struct pipe *p = f->priv;

	if (req != FIONREAD)
		return -ENOTTY;
	*(int *)arg = (int)p->len;
	return 0;
}

static int pipe_fstat(struct uk_file *f, struct stat *st)
{
	(void)f;
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFIFO | 0600;
	st->st_nlink = 1;
	st->st_blksize = UK_PAGE;
	return 0;
}

static void pipe_release(struct uk_file *f)
{
	struct pipe *p = f->priv;
	struct uk_file **end = f == p->reader ? &p->reader : &p->writer;
	struct uk_file *other = f == p->reader ? p->writer : p->reader;

	*end = NULL;
	if (other) {
		uk__file_ready(other);
		return;
	}
	uk__pages_free(p->ring, RING_PAGES);
	uk__pool_put(&pipes, p);
}

static const struct uk_fops reader_ops = {
	.name = "pipe",
	.readv = pipe_readv,
	.ioctl = pipe_ioctl,
	.fstat = pipe_fstat,
	.poll = reader_poll,
	.release = pipe_release,
	.notifies = true,
};

static const struct uk_fops writer_ops = {
	.name = "pipe",
	.writev = pipe_writev,
	.ioctl = pipe_ioctl,
	.fstat = pipe_fstat,
	.poll = writer_poll,
	.release = pipe_release,
	.notifies = true,
};

static struct pipe *pipe_new(int flags)
{
	struct pipe *p = uk__pool_get(&pipes);

	if (!p)
		return NULL;
	p->ring = uk__pages_alloc(RING_PAGES);
	p->reader = uk__file_new(&reader_ops, O_RDONLY | (flags & O_NONBLOCK), p);
	p->writer = uk__file_new(&writer_ops, O_WRONLY | (flags & O_NONBLOCK), p);
	if (p->ring && p->reader && p->writer)
		return p;
	/* Neither end may run pipe_release: the other may not exist. */
	struct uk_file *ends[2] = {p->reader, p->writer};
	static const struct uk_fops nothing = {.name = "pipe"};

	for (int i = 0; i < 2; i++)
		if (ends[i]) {
			ends[i]->ops = &nothing;
			uk__file_put(ends[i]);
		}
	uk__pages_free(p->ring, RING_PAGES);
	uk__pool_put(&pipes, p);
	return NULL;
}

long uk__pipe(int fds[2], int flags)
{
	struct pipe *p;
	int r, w;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	p = pipe_new(flags);
	if (!p)
		return -ENOMEM;
	struct uk_file *reader = p->reader, *writer = p->writer;

	r = uk__fd_install(reader, 0, flags & O_CLOEXEC);
	w = r < 0 ? r : uk__fd_install(writer, 0, flags & O_CLOEXEC);
	if (w < 0) {
		if (r < 0)
			uk__file_put(reader);
		else
			uk__fd_close(r);
		uk__file_put(writer);
		return -EMFILE;
	}
	fds[0] = r;
	fds[1] = w;
	return 0;
}
