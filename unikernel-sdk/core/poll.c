/* SPDX-License-Identifier: MIT
 *
 * poll.c: poll and select: ask every file, wait, ask again. The cost is linear in the descriptors,
 * as the interface demands; epoll is for many.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "core/area.h"
#include "core/epoll.h"
#include "core/fd.h"
#include "core/platform.h"
#include "core/sig.h"
#include "core/sys.h"
#include "core/wait.h"

#define NEVER_MASKED (POLLERR | POLLHUP | POLLNVAL)
#define SEC	     UINT64_C(1000000000)

static short bits_of(int fd)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return POLLNVAL;
	uint32_t bits = f->ops->poll ? f->ops->poll(f) : POLLIN | POLLOUT;

	if (bits & POLLIN)
		bits |= POLLRDNORM;
	if (bits & POLLOUT)
		bits |= POLLWRNORM;
	return (short)bits;
}

struct poll_arg {
	struct pollfd *fds;
	unsigned long n;
	long ready;
};

static bool any_ready(void *p)
{
	struct poll_arg *arg = p;

	arg->ready = 0;
	for (unsigned long i = 0; i < arg->n; i++) {
		struct pollfd *pfd = arg->fds + i;

		pfd->revents = 0;
		if (pfd->fd >= 0)
			pfd->revents = (short)(bits_of(pfd->fd) & (pfd->events | NEVER_MASKED));
		arg->ready += pfd->revents != 0;
	}
	return arg->ready > 0;
}

static long do_poll(struct pollfd *fds, unsigned long n, uint64_t deadline, const uint64_t *mask)
{
	struct poll_arg arg = {.fds = fds, .n = n};

	uk__sig_mask_begin(mask);
	int r = uk__wait(any_ready, &arg, deadline);

	uk__sig_mask_end(r == -EINTR);
	return r == -EINTR ? r : arg.ready;
}

struct select_arg {
	int n;
	const fd_set *in[3]; /* read, write, except; NULL = none */
	fd_set out[3];
	long ready;
};

static bool has(const fd_set *set, int fd)
{
	return set && FD_ISSET(fd, set);
}

static bool any_selected(void *p)
{
	static const short wanted[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
	struct select_arg *arg = p;

	memset(arg->out, 0, sizeof(arg->out));
	arg->ready = 0;
	for (int fd = 0; fd < arg->n; fd++) {
		if (!has(arg->in[0], fd) && !has(arg->in[1], fd) && !has(arg->in[2], fd))
			continue;
		short bits = bits_of(fd);

		if (bits & POLLNVAL) {
			arg->ready = -EBADF;
			return true;
		}
		for (int s = 0; s < 3; s++)
			if (has(arg->in[s], fd) && bits & wanted[s]) {
				FD_SET(fd, &arg->out[s]);
				arg->ready++;
			}
	}
	return arg->ready > 0;
}

static long do_select(int n, fd_set *sets[3], uint64_t deadline, const uint64_t *mask)
{
	struct select_arg arg = {.n = n < FD_SETSIZE ? n : FD_SETSIZE};

	if (n < 0)
		return -EINVAL;
	for (int s = 0; s < 3; s++)
		arg.in[s] = sets[s];
	uk__sig_mask_begin(mask);
	int r = uk__wait(any_selected, &arg, deadline);

	uk__sig_mask_end(r == -EINTR);
	if (r == -EINTR)
		return r;
	if (arg.ready < 0)
		return arg.ready;
	for (int s = 0; s < 3; s++)
		if (sets[s])
			memcpy(sets[s], &arg.out[s], ((size_t)arg.n + 63) / 64 * 8);
	return arg.ready;
}

/* A relative time that is 0 asks once and must not be EINTR-prone: its deadline is long over. */
static uint64_t after(uint64_t ns)
{
	return ns ? uk__mono_ns() + ns : 0;
}

static uint64_t after_ts(const struct timespec *ts)
{
	return ts ? after((uint64_t)ts->tv_sec * SEC + (uint64_t)ts->tv_nsec) : UK_FOREVER;
}

static uint64_t after_tv(const struct timeval *tv)
{
	return tv ? after((uint64_t)tv->tv_sec * SEC + (uint64_t)tv->tv_usec * 1000u) : UK_FOREVER;
}

long uk__poll_syscall(long n, const long a[6])
{
	struct pollfd *fds = (struct pollfd *)a[0];
	fd_set *sets[3] = {(fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3]};

	switch (n) {
	case SYS_poll:
		return do_poll(fds, (unsigned long)a[1],
			       (int)a[2] < 0 ? UK_FOREVER : after((uint64_t)(int)a[2] * 1000000u),
			       NULL);
	case SYS_ppoll:
		return do_poll(fds, (unsigned long)a[1], after_ts((const struct timespec *)a[2]),
			       (const uint64_t *)a[3]);
	case SYS_select:
		return do_select((int)a[0], sets, after_tv((const struct timeval *)a[4]), NULL);
	case SYS_pselect6:
		return do_select((int)a[0], sets, after_ts((const struct timespec *)a[4]),
				 a[5] ? *(const uint64_t *const *)a[5] : NULL);
	default:
		return uk__epoll_syscall(n, a);
	}
}
