/* SPDX-License-Identifier: MIT
 *
 * lazy.c: see lazy.h. One thread reads faults and answers them; nobody else uses the descriptor.
 * Source: admin-guide/mm/userfaultfd.rst.
 */
#include "monitor/snapshot/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/vec.h"
#include "monitor/confine.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/memfile.h"

#ifndef USERFAULTFD_IOC_NEW /* Linux 6.1's header has it, Debian 12's libc may see an older one */
#define USERFAULTFD_IOC_NEW _IO(0xaa, 0x00)
#endif

struct lazy {
	const struct snapshot *s;
	struct gmem gm;
	int fd, stop;
	pthread_t thread;
	uint32_t *leaf; /* of each chunk: index of its hash */
	uint8_t *buf;	/* one chunk */
};

static int lazy_error(const char *what, char *err, size_t errlen)
{
	int e = errno;

	snprintf(err, errlen, "verify=lazy: %s: %s%s", what, strerror(e),
		 e == EPERM || e == EACCES ? ": give access to /dev/userfaultfd (in a jail: the "
					     "jailer's --userfaultfd), or say verify=copy"
					   : "");
	return -e;
}

static int open_uffd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), dev;

	if (fd >= 0 || errno != EPERM)
		return fd;
	dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		errno = EPERM;
		return -1;
	}
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	close(dev);
	return fd;
}

/* --- the thread --- */

static void die(const struct lazy *l, const char *why, uint64_t chunk)
{
	log_err("%s: %s: the bytes from 0x%lx; the VM is stopped before it sees them",
		l->s->mem_path, why, chunk * SNAP_CHUNK);
	_exit(2);
}

static void put_zero(const struct lazy *l, uint64_t page, uint64_t n)
{
	struct uffdio_zeropage z = {
		.range = {.start = (uint64_t)l->gm.base + page * SNAP_PAGE, .len = n * SNAP_PAGE}};

	/* EEXIST: somebody asked twice. */
	while (n && ioctl(l->fd, UFFDIO_ZEROPAGE, &z) && errno == EAGAIN)
		z.zeropage = 0;
}

static void put_pages(const struct lazy *l, uint64_t page, const uint8_t *src, uint64_t n)
{
	struct uffdio_copy c = {.dst = (uint64_t)l->gm.base + page * SNAP_PAGE,
				.src = (uint64_t)src,
				.len = n * SNAP_PAGE};

	while (n && ioctl(l->fd, UFFDIO_COPY, &c) && errno == EAGAIN)
		c.copy = 0;
}

static void read_chunk(const struct lazy *l, uint64_t chunk, uint64_t size)
{
	uint64_t at = 0;

	while (at < size) {
		ssize_t n = vec_get(l->s->mem, l->buf + at, size - at, chunk * SNAP_CHUNK + at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die(l, n ? "cannot be read" : "is truncated", chunk);
		at += (uint64_t)n;
	}
}

/* All of a chunk at its first touch. */
static void serve_chunk(const struct lazy *l, uint64_t chunk)
{
	const struct snap_view *v = &l->s->v;
	uint16_t mask = snap_chunk_mask(v->pages, chunk);
	uint64_t first = chunk * SNAP_CHUNK_PAGES, left = v->npages - first;
	uint64_t n = left < SNAP_CHUNK_PAGES ? left : SNAP_CHUNK_PAGES;

	if (!mask) {
		put_zero(l, first, n);
		return;
	}
	read_chunk(l, chunk, n * SNAP_PAGE);
	if (!memfile_chunk_ok(l->buf, n * SNAP_PAGE, v->leaves[l->leaf[chunk]]))
		die(l, "was altered", chunk);
	for (uint64_t i = 0, run; i < n; i += run) {
		bool in = mask >> i & 1;

		for (run = 1; i + run < n && (mask >> (i + run) & 1) == in; run++)
			;
		if (in)
			put_pages(l, first + i, l->buf + i * SNAP_PAGE, run);
		else
			put_zero(l, first + i, run);
	}
}

static void *lazy_main(void *arg)
{
	const struct lazy *l = arg;
	struct pollfd pfd[2] = {{.fd = l->fd, .events = POLLIN}, {.fd = l->stop, .events = POLLIN}};
	struct uffd_msg msg;

	if (!confine_enter(CONFINE_LAZY))
		return NULL;
	for (;;) {
		if (ppoll(pfd, 2, NULL, NULL) < 0)
			continue;
		if (pfd[1].revents)
			return NULL;
		while (vec_get(l->fd, &msg, sizeof msg, VEC_STREAM) == sizeof msg)
			if (msg.event == UFFD_EVENT_PAGEFAULT)
				serve_chunk(l, (msg.arg.pagefault.address - (uint64_t)l->gm.base) /
						       SNAP_CHUNK);
	}
}

/* --- life --- */

static int enable(struct lazy *l, char *err, size_t errlen)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {.start = (uint64_t)l->gm.base, .len = l->gm.size},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};

	l->fd = open_uffd();
	if (l->fd < 0)
		return lazy_error("userfaultfd", err, errlen);
	if (ioctl(l->fd, UFFDIO_API, &api))
		return lazy_error("UFFDIO_API", err, errlen);
	if (ioctl(l->fd, UFFDIO_REGISTER, &reg))
		return lazy_error("UFFDIO_REGISTER", err, errlen);
	l->stop = eventfd(0, EFD_CLOEXEC);
	return l->stop < 0 ? lazy_error("eventfd", err, errlen) : 0;
}

static int start_thread(struct lazy *l, char *err, size_t errlen)
{
	static struct confine c;
	struct errtext text;
	sigset_t all, old;

	c = (struct confine){.n = 0};
	confine_use(&c, "always", "uffd", l->fd, "mem", l->s->mem, "log", log_file(), NULL);
	confine_expect(CONFINE_LAZY);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int r = pthread_create(&l->thread, NULL, lazy_main, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = r;
	if (r)
		return lazy_error("thread", err, errlen);
	r = confine_early(CONFINE_LAZY, &c, &text);
	if (r) {
		snprintf(err, errlen, "verify=lazy: %s", text.text);
		confine_abandon();
		pthread_join(l->thread, NULL);
	}
	return r;
}

static void lazy_free(struct lazy *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->stop >= 0)
		close(l->stop);
	free(l->leaf);
	free(l->buf);
	free(l);
}

int lazy_start(struct lazy **ret, const struct snapshot *s, const struct gmem *gm, char *err,
	       size_t errlen)
{
	struct lazy *l = calloc(1, sizeof *l);

	errno = ENOMEM;
	if (!l)
		return lazy_error("memory", err, errlen);
	l->s = s;
	l->gm = *gm;
	l->fd = l->stop = -1;
	l->leaf = calloc(s->v.nchunks, sizeof *l->leaf);
	l->buf = malloc(SNAP_CHUNK);
	for (uint64_t c = 1; l->leaf && c < s->v.nchunks; c++)
		l->leaf[c] = l->leaf[c - 1] + (snap_chunk_mask(s->v.pages, c - 1) != 0);
	errno = ENOMEM;
	int r = l->leaf && l->buf ? enable(l, err, errlen) : lazy_error("memory", err, errlen);

	r = r ? r : start_thread(l, err, errlen);
	if (r)
		lazy_free(l);
	else
		*ret = l;
	return r;
}

void lazy_complete(struct lazy *l)
{
	for (uint64_t c = 0; l && c < l->s->v.nchunks; c++)
		if (snap_chunk_mask(l->s->v.pages, c))
			(void)*(volatile uint8_t *)(l->gm.base + c * SNAP_CHUNK);
}

void lazy_leave(struct lazy *l)
{
	if (l)
		lazy_free(l);
}

void lazy_stop(struct lazy *l)
{
	uint64_t one = 1;

	if (!l)
		return;
	if (vec_put(l->stop, &one, sizeof one) == sizeof one)
		pthread_join(l->thread, NULL);
	lazy_free(l);
}
