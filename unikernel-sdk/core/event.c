/* SPDX-License-Identifier: MIT
 *
 * event.c: eventfd and timerfd. Armed timers are on one list, which a poller registered at the
 * first timerfd_create looks at; servers have few.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "core/area.h"
#include "core/fd.h"
#include "core/list.h"
#include "core/pipe.h"
#include "core/platform.h"
#include "core/pool.h"
#include "core/sys.h"
#include "core/wait.h"

#define SEC	  UINT64_C(1000000000)
#define EVENT_MAX (UINT64_MAX - 1)

/* One 8-byte value, as both kinds read and write it. */
static ssize_t put_u64(const struct iovec *iov, int n, uint64_t v)
{
	if (n < 1 || iov[0].iov_len < sizeof(v))
		return -EINVAL;
	memcpy(iov[0].iov_base, &v, sizeof(v));
	return sizeof(v);
}

static long install(const struct uk_fops *ops, void *priv, int flags, struct uk_pool *pool,
		    struct uk_file **ret_file)
{
	struct uk_file *f = priv ? uk__file_new(ops, O_RDWR | (flags & O_NONBLOCK), priv) : NULL;

	if (!f) {
		uk__pool_put(pool, priv);
		return -ENOMEM;
	}
	*ret_file = f;
	int fd = uk__fd_install(f, 0, flags & O_CLOEXEC);

	if (fd < 0)
		uk__file_put(f);
	return fd;
}

struct event {
	uint64_t count;
	bool semaphore;
};

struct event_room {
	const struct event *e;
	uint64_t add;
};

static struct uk_pool events = {.size = sizeof(struct event)};

static bool event_readable(void *arg)
{
	return ((const struct event *)arg)->count;
}

static bool event_writable(void *arg)
{
	const struct event_room *r = arg;

	return r->add <= EVENT_MAX - r->e->count;
}

static ssize_t event_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct event *e = f->priv;

	if (off >= 0)
		return -ESPIPE;
	if (n < 1 || iov[0].iov_len < 8)
		return -EINVAL;
	if (!e->count) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int r = uk__wait(event_readable, e, UK_FOREVER);

		if (r)
			return r;
	}
	uint64_t v = e->semaphore ? 1 : e->count;

	e->count -= v;
	uk__file_ready(f);
	return put_u64(iov, n, v);
}

static ssize_t event_writev(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct event *e = f->priv;
	struct event_room room = {.e = e};

	if (off >= 0)
		return -ESPIPE;
	if (n < 1 || iov[0].iov_len < sizeof(room.add))
		return -EINVAL;
	memcpy(&room.add, iov[0].iov_base, sizeof(room.add));
	if (room.add == UINT64_MAX)
		return -EINVAL;
	if (!event_writable(&room)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int r = uk__wait(event_writable, &room, UK_FOREVER);

		if (r)
			return r;
	}
	e->count += room.add;
	uk__file_ready(f);
	return sizeof(room.add);
}

static uint32_t event_poll(struct uk_file *f)
{
	const struct event *e = f->priv;

	return (e->count ? EPOLLIN : 0u) | (e->count < EVENT_MAX ? EPOLLOUT : 0u);
}

static void event_release(struct uk_file *f)
{
	uk__pool_put(&events, f->priv);
}

static const struct uk_fops event_ops = {
	.name = "eventfd",
	.readv = event_readv,
	.writev = event_writev,
	.poll = event_poll,
	.release = event_release,
	.notifies = true,
};

static long do_eventfd(unsigned count, int flags)
{
	struct uk_file *f;

	if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	struct event *e = uk__pool_get(&events);

	if (e) {
		e->count = count;
		e->semaphore = flags & EFD_SEMAPHORE;
	}
	return install(&event_ops, e, flags & ~EFD_SEMAPHORE, &events, &f);
}

struct timer {
	struct uk_file *file;
	bool realtime, armed;
	bool told;	     /* uk__file_ready() was called for this expiry */
	uint64_t at, every;  /* monotonic ns */
	struct uk_link link; /* on the armed list when armed */
};

static struct uk_pool timers = {.size = (sizeof(struct timer) + 7) & ~(size_t)7};
static struct uk_link armed = {&armed, &armed};

static bool timers_poll(void)
{
	uint64_t now;
	bool worked = false;

	if (uk_list_empty(&armed))
		return false;
	now = uk__mono_ns();
	for (struct uk_link *l = armed.next; l != &armed; l = l->next) {
		struct timer *t = UK_LINK_OF(l, struct timer, link);

		if (t->told || t->at > now)
			continue;
		t->told = true;
		worked = true;
		uk__file_ready(t->file);
	}
	return worked;
}

static uint64_t timers_deadline(void)
{
	uint64_t first = UK_FOREVER;

	for (struct uk_link *l = armed.next; l != &armed; l = l->next) {
		const struct timer *t = UK_LINK_OF(l, struct timer, link);

		if (!t->told && t->at < first)
			first = t->at;
	}
	return first;
}

static void disarm(struct timer *t)
{
	if (t->armed)
		uk_list_del(&t->link);
	t->armed = false;
}

static bool timer_expired(void *arg)
{
	const struct timer *t = arg;

	return t->armed && uk__mono_ns() >= t->at;
}

static ssize_t timer_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct timer *t = f->priv;

	if (off >= 0)
		return -ESPIPE;
	if (n < 1 || iov[0].iov_len < 8)
		return -EINVAL;
	if (!timer_expired(t)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int r = uk__wait(timer_expired, t, UK_FOREVER);

		if (r)
			return r;
	}
	uint64_t times = 1;

	if (t->every) {
		times += (uk__mono_ns() - t->at) / t->every;
		t->at += times * t->every;
		t->told = false;
	} else {
		disarm(t);
	}
	return put_u64(iov, n, times);
}

static uint32_t timer_poll(struct uk_file *f)
{
	return timer_expired(f->priv) ? EPOLLIN : 0;
}

static void timer_release(struct uk_file *f)
{
	disarm(f->priv);
	uk__pool_put(&timers, f->priv);
}

static const struct uk_fops timer_ops = {
	.name = "timerfd",
	.readv = timer_readv,
	.poll = timer_poll,
	.release = timer_release,
	.notifies = true,
};

static long do_timer_create(int clock, int flags)
{
	static struct uk_poller poller = {.poll = timers_poll, .deadline = timers_deadline};
	static bool added;
	struct uk_file *f = NULL;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	struct timer *t = uk__pool_get(&timers);
	long fd;

	if (t)
		t->realtime = clock == CLOCK_REALTIME;
	fd = install(&timer_ops, t, flags, &timers, &f);
	if (fd < 0)
		return fd;
	t->file = f;
	if (!added)
		uk__poller_add(&poller);
	added = true;
	return fd;
}

static uint64_t ts_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * SEC + (uint64_t)ts->tv_nsec;
}

static struct timespec ns_ts(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / SEC), .tv_nsec = (long)(ns % SEC)};
}

static void get_timer(const struct timer *t, struct itimerspec *out)
{
	uint64_t now = uk__mono_ns(), left = 0;

	if (t->armed)
		left = t->at > now ? t->at - now
		       : t->every  ? t->every - (now - t->at) % t->every
				   : 0;
	*out = (struct itimerspec){.it_interval = ns_ts(t->every), .it_value = ns_ts(left)};
}

static bool valid_ts(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && (unsigned long)ts->tv_nsec < SEC;
}

static struct timer *timer_of(int fd, long *ret_error)
{
	struct uk_file *f = uk__fd_get(fd);

	*ret_error = f ? -EINVAL : -EBADF;
	return f && f->ops == &timer_ops ? f->priv : NULL;
}

static long do_timer_set(int fd, int flags, const struct itimerspec *it, struct itimerspec *old)
{
	long r;
	struct timer *t = timer_of(fd, &r);

	if (!t)
		return r;
	if (!valid_ts(&it->it_value) || !valid_ts(&it->it_interval) ||
	    (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
		return -EINVAL;
	if (old)
		get_timer(t, old);
	disarm(t);
	uint64_t value = ts_ns(&it->it_value), now = uk__mono_ns();

	t->every = ts_ns(&it->it_interval);
	t->told = false;
	if (!value)
		return 0;
	if (!(flags & TFD_TIMER_ABSTIME)) {
		t->at = now + value;
	} else if (t->realtime) {
		uint64_t wall = uk__wall_ns();

		t->at = value > wall ? now + (value - wall) : now;
	} else {
		t->at = value;
	}
	t->armed = true;
	uk_list_add(&armed, &t->link);
	return 0;
}

static long do_timer_get(int fd, struct itimerspec *out)
{
	long r;
	const struct timer *t = timer_of(fd, &r);

	if (!t)
		return r;
	get_timer(t, out);
	return 0;
}

long uk__event_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_eventfd:
		return do_eventfd((unsigned)a[0], 0);
	case SYS_eventfd2:
		return do_eventfd((unsigned)a[0], (int)a[1]);
	case SYS_timerfd_create:
		return do_timer_create((int)a[0], (int)a[1]);
	case SYS_timerfd_settime:
		return do_timer_set((int)a[0], (int)a[1], (const struct itimerspec *)a[2],
				    (struct itimerspec *)a[3]);
	case SYS_timerfd_gettime:
		return do_timer_get((int)a[0], (struct itimerspec *)a[1]);
	case SYS_pipe:
		return uk__pipe((int *)a[0], 0);
	case SYS_pipe2:
		return uk__pipe((int *)a[0], (int)a[1]);
	default:
		return UK_NOSYS;
	}
}
