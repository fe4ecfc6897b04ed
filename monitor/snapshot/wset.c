/* SPDX-License-Identifier: MIT
 *
 * wset.c: see wset.h. What was touched is read from /proc/self/pagemap, which needs no privilege
 * for presence and kind of a page; where there is no /proc (in the jail) move_pages, which moves
 * none, tells what is present. Source: admin-guide/mm/pagemap.rst, move_pages(2).
 */
#include "monitor/snapshot/wset.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/fullio.h"
#include "monitor/keeper.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/newfile.h"
#include "monitor/virtio/net.h"
#include "monitor/vm.h"
#include "monitor/snapshot/wset_file.h"

#define REQUEST_NS UINT64_C(100000000) /* a first request is over so long after its first frame */
#define PM_PRESENT (UINT64_C(1) << 63)
#define PM_SWAPPED (UINT64_C(1) << 62)
#define PM_FILE	   (UINT64_C(1) << 61)
#define PM_BATCH   4096u
#define SMALL	   2048u /* bytes of a file that needs no memory of its own */

struct wset {
	char path[PATH_MAX];
	uint64_t first_frame; /* when one had arrived, 0 = none yet */
};

/* --- loading --- */

/* The disk learns of all of it before anything waits for the first piece. */
static void announce(const struct snapshot *s, const struct wset_run *run, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		posix_fadvise(s->mem, (off_t)run[i].first * SNAP_PAGE,
			      (off_t)(run[i].count & ~WSET_WRITTEN) * SNAP_PAGE,
			      POSIX_FADV_WILLNEED);
}

static void load(struct vm *vm, const struct wset_run *run, uint32_t n)
{
	announce(vm->cfg->snap, run, n);
	for (uint32_t i = 0; i < n; i++) {
		bool written = run[i].count & WSET_WRITTEN;

		/* Before Linux 5.14 this is EINVAL, and pages come as they are touched. */
		if (madvise(vm->gm.base + (uint64_t)run[i].first * SNAP_PAGE,
			    (size_t)(run[i].count & ~WSET_WRITTEN) * SNAP_PAGE,
			    written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) &&
		    errno == EINVAL)
			return;
		vm->m.prefetched += run[i].count & ~WSET_WRITTEN;
	}
}

/* Most of them are small, and memory from the heap would cost more than reading them. The size of
 * the file; what is larger than the room is not read. 0 when there is none. */
static size_t read_small(const char *path, void *room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t len = 0;

	if (fd < 0)
		return 0;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0)
		len = (size_t)st.st_size;
	if (len <= SMALL && full_read(fd, room, len, 0))
		len = 0;
	close(fd);
	return len;
}

/* False when there is no file yet, or none that we understand: it is to be made. */
static bool load_file(struct vm *vm, const char *path)
{
	const struct snap_view *v = &vm->cfg->snap->v;
	const struct wset_run *run;
	uint64_t room[SMALL / 8];
	char err[PATH_MAX + 64];
	uint32_t n;
	size_t len = read_small(path, room);
	void *buf = NULL;

	if (!len ||
	    (len > sizeof room && snap_read(path, SNAP_STATE_MAX * 2, &buf, &len, err, sizeof err)))
		return false;
	run = wset_decode(buf ? buf : room, len, v->head->id, v->npages, &n);
	if (run)
		load(vm, run, n);
	free(buf);
	return run != NULL;
}

void wset_begin(struct vm *vm)
{
	char path[PATH_MAX];

	/* A VM that serves requests has all of its memory looked at before the first one. */
	if (vm->cfg->restore.no_prefetch || vm->lazy || vm->cfg->snap->base || vm->serve)
		return;
	if ((size_t)snprintf(path, sizeof path, "%s.ws", vm->cfg->restore.path) >= sizeof path ||
	    load_file(vm, path))
		return;
	struct wset *w = calloc(1, sizeof *w);

	if (w)
		memcpy(w->path, path, sizeof path);
	vm->wset = w;
}

/* --- recording --- */

enum kind { UNTOUCHED, READ, WRITTEN };

static bool kinds_by_pagemap(const struct vm *vm, int pagemap, uint64_t first, uint64_t n,
			     uint8_t *ret)
{
	uint64_t entry[PM_BATCH], at = (uint64_t)vm->gm.base / SNAP_PAGE + first;

	if (pread(pagemap, entry, n * 8, (off_t)(at * 8)) != (ssize_t)(n * 8))
		return false;
	for (uint64_t i = 0; i < n; i++)
		ret[i] = !(entry[i] & (PM_PRESENT | PM_SWAPPED)) ? UNTOUCHED
			 : entry[i] & PM_FILE			 ? READ
								 : WRITTEN;
	return true;
}

/* A copy of our own that is as the file still is counts as read. */
static bool kinds_by_call(const struct vm *vm, uint64_t first, uint64_t n, uint8_t *ret)
{
	uint8_t *page[PM_BATCH], was[SNAP_PAGE];
	int status[PM_BATCH];

	for (uint64_t i = 0; i < n; i++)
		page[i] = vm->gm.base + (first + i) * SNAP_PAGE;
	if (syscall(SYS_move_pages, 0, n, page, NULL, status, 0) < 0)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		ret[i] = status[i] < 0 ? UNTOUCHED : READ;
		if (ret[i] == READ && (full_read(vm->cfg->snap->mem, was, sizeof was,
						 (off_t)((first + i) * SNAP_PAGE)) ||
				       memcmp(was, page[i], sizeof was) != 0))
			ret[i] = WRITTEN;
	}
	return true;
}

/* Runs of touched pages in memory of the caller's; how many. pagemap: -1: there is none. */
static uint32_t find_runs(int pagemap, const struct vm *vm, struct wset_run *run, uint32_t max)
{
	uint64_t npages = vm->gm.size / SNAP_PAGE;
	uint8_t kinds[PM_BATCH];
	uint32_t n = 0;

	for (uint64_t p = 0; p < npages; p += PM_BATCH) {
		uint64_t want = npages - p < PM_BATCH ? npages - p : PM_BATCH;

		if (pagemap >= 0 ? !kinds_by_pagemap(vm, pagemap, p, want, kinds)
				 : !kinds_by_call(vm, p, want, kinds))
			return 0;
		for (uint64_t i = 0; i < want; i++) {
			uint32_t kind = kinds[i] == WRITTEN ? WSET_WRITTEN : 0;
			struct wset_run *last = n ? &run[n - 1] : NULL;

			if (kinds[i] == UNTOUCHED)
				continue;
			if (last && (last->count & WSET_WRITTEN) == kind &&
			    last->first + (last->count & ~WSET_WRITTEN) == p + i) {
				last->count++;
				continue;
			}
			if (n == max)
				return n;
			run[n++] = (struct wset_run){(uint32_t)(p + i), 1 | kind};
		}
	}
	return n;
}

static void record(struct vm *vm, const char *path)
{
	const uint32_t max = 65536;
	struct wset_run *run = calloc(max, sizeof *run);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint32_t n = run ? find_runs(pagemap, vm, run, max) : 0;

	if (n)
		(void)wset_write(path, vm->cfg->snap->v.head->id, run, n); /* a hint */
	if (pagemap >= 0)
		close(pagemap);
	free(run);
}

static int record_and_forget(struct vm *vm, void *arg)
{
	(void)arg;
	record(vm, vm->wset->path);
	wset_free(vm);
	return 0;
}

void wset_done(struct vm *vm)
{
	if (vm->wset)
		(void)keeper_run(vm, record_and_forget, NULL);
}

void wset_idle(struct vm *vm)
{
	struct wset *w = vm->wset;
	uint64_t now = vm_now(), rx = 0;

	if (!w)
		return;
	if (w->first_frame) {
		if (now - w->first_frame >= REQUEST_NS)
			wset_done(vm);
		return;
	}
	for (unsigned i = vm->cfg->nblk; i < vm->nslots; i++)
		rx += vnet_metrics(vm->slot[i].dev)->rx_frames;
	if (rx)
		w->first_frame = now;
}

void wset_free(struct vm *vm)
{
	free(vm->wset);
	vm->wset = NULL;
}
