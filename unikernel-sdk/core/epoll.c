/* SPDX-License-Identifier: MIT
 *
 * epoll.c: readiness lists. A watch is on its epoll's ready list when something may have happened
 * to its file; a wait asks only those files, so that a thousand idle connections cost nothing.
 * Kinds of file that do not call uk__file_ready() are asked at every wait. Epolls cannot watch
 * epolls. One thread.
 */
#include "core/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/fd.h"
#include "core/list.h"
#include "core/platform.h"
#include "core/pool.h"
#include "core/sig.h"
#include "core/sys.h"
#include "core/wait.h"

#define ALWAYS (EPOLLERR | EPOLLHUP)

struct epoll {
	struct uk_link notified; /* watches of kinds that notify */
	struct uk_link scanned;	 /* and of those that do not */
	struct uk_link ready;
};

struct watch {
	struct epoll *ep;
	struct uk_file *file;
	int fd;
	bool queued;   /* on the ready list */
	bool disabled; /* EPOLLONESHOT has fired */
	struct epoll_event ev;
	struct watch *next_of_file;
	struct uk_link link, ready;
};

static struct uk_pool epolls = {.size = sizeof(struct epoll)};
static struct uk_pool watches = {.size = (sizeof(struct watch) + 7) & ~(size_t)7};

static void queue(struct watch *w)
{
	if (w->queued || w->disabled)
		return;
	w->queued = true;
	uk_list_add(&w->ep->ready, &w->ready);
}

static void unqueue(struct watch *w)
{
	if (!w->queued)
		return;
	w->queued = false;
	uk_list_del(&w->ready);
}

void uk__file_ready(struct uk_file *f)
{
	for (struct watch *w = f->watchers; w; w = w->next_of_file)
		queue(w);
}

static uint32_t bits_of(const struct watch *w)
{
	uint32_t bits = w->file->ops->poll ? w->file->ops->poll(w->file) : EPOLLIN | EPOLLOUT;

	return bits & (w->ev.events | ALWAYS);
}

static void remove_watch(struct watch *w)
{
	struct watch **at = (struct watch **)&w->file->watchers;

	while (*at != w)
		at = &(*at)->next_of_file;
	*at = w->next_of_file;
	unqueue(w);
	uk_list_del(&w->link);
	uk__pool_put(&watches, w);
}

void uk__epoll_forget(struct uk_file *f)
{
	while (f->watchers)
		remove_watch(f->watchers);
}

static void epoll_release(struct uk_file *f)
{
	struct epoll *ep = f->priv;

	while (!uk_list_empty(&ep->notified))
		remove_watch(UK_LINK_OF(ep->notified.next, struct watch, link));
	while (!uk_list_empty(&ep->scanned))
		remove_watch(UK_LINK_OF(ep->scanned.next, struct watch, link));
	uk__pool_put(&epolls, ep);
}

static void queue_scanned(struct epoll *ep)
{
	for (struct uk_link *l = ep->scanned.next; l != &ep->scanned; l = l->next)
		queue(UK_LINK_OF(l, struct watch, link));
}

/* For poll() and select() on an epoll descriptor. */
static uint32_t epoll_poll(struct uk_file *f)
{
	struct epoll *ep = f->priv;

	queue_scanned(ep);
	for (struct uk_link *l = ep->ready.next; l != &ep->ready; l = l->next)
		if (bits_of(UK_LINK_OF(l, struct watch, ready)))
			return EPOLLIN;
	return 0;
}

static const struct uk_fops epoll_ops = {
	.name = "epoll",
	.poll = epoll_poll,
	.release = epoll_release,
};

static long do_create(int flags)
{
	struct epoll *ep;
	struct uk_file *f;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	ep = uk__pool_get(&epolls);
	if (!ep)
		return -ENOMEM;
	uk_list_init(&ep->notified);
	uk_list_init(&ep->scanned);
	uk_list_init(&ep->ready);
	f = uk__file_new(&epoll_ops, O_RDWR, ep);
	if (!f) {
		uk__pool_put(&epolls, ep);
		return -ENOMEM;
	}
	int fd = uk__fd_install(f, 0, flags & EPOLL_CLOEXEC);

	if (fd < 0)
		uk__file_put(f);
	return fd;
}

static struct epoll *epoll_of(int fd, long *ret_error)
{
	struct uk_file *f = uk__fd_get(fd);

	*ret_error = !f ? -EBADF : -EINVAL;
	return f && f->ops == &epoll_ops ? f->priv : NULL;
}

static struct watch *find(const struct epoll *ep, const struct uk_file *f, int fd)
{
	struct watch *w = f->watchers;

	while (w && (w->ep != ep || w->fd != fd))
		w = w->next_of_file;
	return w;
}

static long add_watch(struct epoll *ep, struct uk_file *f, int fd, const struct epoll_event *ev)
{
	struct watch *w;

	if (!f->ops->poll && f->ops->lseek)
		return -EPERM; /* a regular file is always ready */
	w = uk__pool_get(&watches);
	if (!w)
		return -ENOMEM;
	w->ep = ep;
	w->file = f;
	w->fd = fd;
	w->ev = *ev;
	w->next_of_file = f->watchers;
	f->watchers = w;
	uk_list_add(f->ops->notifies ? &ep->notified : &ep->scanned, &w->link);
	queue(w);
	return 0;
}

static long do_ctl(int epfd, int op, int fd, const struct epoll_event *ev)
{
	struct uk_file *f = uk__fd_get(fd);
	struct watch *w;
	long r;
	struct epoll *ep = epoll_of(epfd, &r);

	if (!ep)
		return r;
	if (!f)
		return -EBADF;
	if (f->ops == &epoll_ops)
		return epfd == fd ? -EINVAL : -ELOOP;
	w = find(ep, f, fd);
	switch (op) {
	case EPOLL_CTL_ADD:
		return w ? -EEXIST : add_watch(ep, f, fd, ev);
	case EPOLL_CTL_MOD:
		if (!w)
			return -ENOENT;
		w->ev = *ev;
		w->disabled = false;
		queue(w);
		return 0;
	case EPOLL_CTL_DEL:
		if (!w)
			return -ENOENT;
		remove_watch(w);
		return 0;
	default:
		return -EINVAL;
	}
}

struct wait_arg {
	struct epoll *ep;
	struct epoll_event *out;
	int max, n;
};

/* Move what is ready to the caller's array. */
static bool collect(void *p)
{
	struct wait_arg *arg = p;
	struct epoll *ep = arg->ep;
	struct uk_link todo;

	queue_scanned(ep);
	uk_list_init(&todo);
	uk_list_splice(&ep->ready, &todo);
	while (!uk_list_empty(&todo) && arg->n < arg->max) {
		struct watch *w = UK_LINK_OF(todo.next, struct watch, ready);
		uint32_t bits = w->disabled ? 0 : bits_of(w);

		unqueue(w);
		if (!bits)
			continue;
		arg->out[arg->n++] = (struct epoll_event){.events = bits, .data = w->ev.data};
		if (w->ev.events & EPOLLONESHOT)
			w->disabled = true;
		else if (!(w->ev.events & EPOLLET))
			queue(w); /* to the end: everyone has a turn */
	}
	/* What found no room comes first next time. */
	uk_list_splice(&ep->ready, &todo);
	uk_list_splice(&todo, &ep->ready);
	return arg->n > 0;
}

static long do_wait(int epfd, struct epoll_event *out, int max, uint64_t deadline,
		    const uint64_t *mask)
{
	long r;
	struct wait_arg arg = {.ep = epoll_of(epfd, &r), .out = out, .max = max};

	if (!arg.ep)
		return r;
	if (max <= 0)
		return -EINVAL;
	uk__sig_mask_begin(mask);
	r = uk__wait(collect, &arg, deadline);
	uk__sig_mask_end(r == -EINTR);
	return r == -EINTR ? r : arg.n;
}

static uint64_t after_ms(int ms)
{
	return ms < 0 ? UK_FOREVER : ms == 0 ? 0 : uk__mono_ns() + (uint64_t)ms * 1000000u;
}

static uint64_t after_ts(const struct timespec *ts)
{
	return ts ? uk__mono_ns() + (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec
		  : UK_FOREVER;
}

long uk__epoll_syscall(long n, const long a[6])
{
	struct epoll_event *out = (struct epoll_event *)a[1];

	switch (n) {
	case SYS_epoll_create:
		return a[0] > 0 ? do_create(0) : -EINVAL;
	case SYS_epoll_create1:
		return do_create((int)a[0]);
	case SYS_epoll_ctl:
		return do_ctl((int)a[0], (int)a[1], (int)a[2], (const struct epoll_event *)a[3]);
	case SYS_epoll_wait:
		return do_wait((int)a[0], out, (int)a[2], after_ms((int)a[3]), NULL);
	case SYS_epoll_pwait:
		return do_wait((int)a[0], out, (int)a[2], after_ms((int)a[3]),
			       (const uint64_t *)a[4]);
	case SYS_epoll_pwait2:
		return do_wait((int)a[0], out, (int)a[2], after_ts((const struct timespec *)a[3]),
			       (const uint64_t *)a[4]);
	default:
		return UK_NOSYS;
	}
}
