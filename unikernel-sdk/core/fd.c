/* SPDX-License-Identifier: MIT
 *
 * fd.c: the descriptor table (see fd.h). Descriptors 0, 1 and 2 are the console from the start.
 */
#include "core/fd.h"

#include <errno.h>
#include <stddef.h>

#include "core/area.h"
#include "core/console.h"
#include "core/epoll.h"
#include "core/fdtab.h"
#include "core/pool.h"
#include "core/sys.h"
#include "uk_abi.h"

/* The first descriptors are in the image, the many of a server in pages of their own: page touches
 * are what boot costs. */
#define LOW_FDS	   64
#define HIGH_PAGES (((UK_MAX_FDS - LOW_FDS) * sizeof(struct uk_file *) + UK_PAGE - 1) / UK_PAGE)

static struct uk_file *low[LOW_FDS];
static struct uk_file **high; /* of descriptor LOW_FDS on; NULL until one is needed */
static uint64_t open_map[UK_MAX_FDS / 64];
static uint64_t cloexec_map[UK_MAX_FDS / 64];
static struct uk_pool files = {.size = sizeof(struct uk_file)};

void uk__fd_init(void)
{
	for (int fd = 0; fd < 3; fd++)
		uk__fd_install(uk__console_file(), fd, false);
}

struct uk_file *uk__file_new(const struct uk_fops *ops, int flags, void *priv)
{
	struct uk_file *f = uk__pool_get(&files);

	if (f)
		*f = (struct uk_file){.ops = ops, .refs = 1, .flags = flags, .priv = priv};
	return f;
}

void uk__file_put(struct uk_file *f)
{
	if (!f || --f->refs)
		return;
	uk__epoll_forget(f);
	if (f->ops->release)
		f->ops->release(f);
	uk__pool_put(&files, f);
}

/* Room for fd in the table: false when out of memory. */
static bool have_slot(int fd)
{
	if (fd >= LOW_FDS && !high)
		high = uk__pages_alloc(HIGH_PAGES);
	return fd < LOW_FDS || high;
}

static struct uk_file **slot(int fd)
{
	return fd < LOW_FDS ? low + fd : high + (fd - LOW_FDS);
}

/* have_slot(fd) must hold. */
static void put_at(struct uk_file *f, int fd, bool cloexec)
{
	uint64_t bit = UINT64_C(1) << fd % 64;

	*slot(fd) = f;
	open_map[fd / 64] |= bit;
	cloexec_map[fd / 64] = (cloexec_map[fd / 64] & ~bit) | (cloexec ? bit : 0);
}

int uk__fd_install(struct uk_file *f, int min, bool cloexec)
{
	if (min < 0 || min >= UK_MAX_FDS)
		return -EINVAL;
	for (int w = min / 64; w < UK_MAX_FDS / 64; w++) {
		uint64_t avail = ~open_map[w];

		if (w == min / 64)
			avail &= UINT64_MAX << min % 64;
		if (!avail)
			continue;
		int fd = w * 64 + __builtin_ctzll(avail);

		if (!have_slot(fd))
			return -ENOMEM;
		put_at(f, fd, cloexec);
		return fd;
	}
	return -EMFILE;
}

struct uk_file *uk__fd_get(int fd)
{
	if ((unsigned)fd < LOW_FDS)
		return low[fd];
	return (unsigned)fd < UK_MAX_FDS && high ? high[fd - LOW_FDS] : NULL;
}

int uk__fd_close(int fd)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	*slot(fd) = NULL;
	open_map[fd / 64] &= ~(UINT64_C(1) << fd % 64);
	uk__file_put(f);
	return 0;
}

int uk__fd_replace(struct uk_file *f, int fd, bool cloexec)
{
	if ((unsigned)fd >= UK_MAX_FDS)
		return -EBADF;
	if (!have_slot(fd))
		return -ENOMEM;
	uk__fd_close(fd);
	put_at(f, fd, cloexec);
	return fd;
}

bool uk__fd_cloexec(int fd)
{
	return cloexec_map[fd / 64] >> fd % 64 & 1;
}

void uk__fd_set_cloexec(int fd, bool on)
{
	put_at(*slot(fd), fd, on);
}
