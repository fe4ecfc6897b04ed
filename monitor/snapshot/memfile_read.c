/* SPDX-License-Identifier: MIT
 *
 * memfile_read.c: see memfile.h: finding, checking and mapping a memory file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/fullio.h"
#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/memfile.h"

#define MAX_SPANS 32u /* mappings of one file: each costs a call now and a search at each fault */
#define MIN_GAP	  16u /* pages */

/* --- the foot --- */

static bool read_foot(int fd, uint64_t size, struct snap_foot *ret_foot)
{
	return size > SNAP_PAGE && size % SNAP_PAGE == 0 &&
	       !full_read(fd, ret_foot, sizeof *ret_foot, size - SNAP_PAGE) &&
	       !memcmp(ret_foot->magic, SNAP_FOOT_MAGIC, sizeof ret_foot->magic);
}

bool memfile_id(int fd, uint8_t ret_id[SNAP_ID])
{
	struct snap_foot foot;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    !read_foot(fd, (uint64_t)st.st_size, &foot))
		return false;
	memcpy(ret_id, foot.id, SNAP_ID);
	return true;
}

/* Does this file belong to v? */
static int check_file(int fd, const char *path, const struct snap_view *v, bool *ret_changed,
		      char *err, size_t errlen)
{
	const uint64_t want = v->head->mem_size + vm_state_disks(v->state) + SNAP_PAGE;
	struct snap_foot foot;
	struct stat st;

	if (fstat(fd, &st))
		return err_put(err, errlen, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_put(err, errlen, -EINVAL, "%s: is no regular file", path);
	if ((uint64_t)st.st_size < want)
		return err_put(err, errlen, -EINVAL, "%s: is truncated: %lld of %lu bytes", path,
			       (long long)st.st_size, want);
	if ((uint64_t)st.st_size > want || !read_foot(fd, want, &foot))
		return err_put(err, errlen, -EINVAL, "%s: is not the memory file of this snapshot",
			       path);
	if (memcmp(foot.id, v->head->id, SNAP_ID) != 0 || foot.mem_size != v->head->mem_size ||
	    memcmp(foot.root, v->head->root, SNAP_HASH) != 0 || foot.version != SNAP_VERSION)
		return err_put(err, errlen, -ESTALE, "%s: belongs to another snapshot", path);
	*ret_changed = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec !=
		       v->head->mem_mtime_ns;
	return 0;
}

static int open_one(const char *path, const struct snap_view *v, int *ret_fd, bool *ret_changed,
		    char *err, size_t errlen)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return err_put(err, errlen, -errno, "%s: %s", path, strerror(errno));
	r = check_file(fd, path, v, ret_changed, err, errlen);
	if (r)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

int memfile_open(const char *path, const struct snap_view *v, int *ret_fd, bool *ret_changed,
		 char *err, size_t errlen)
{
	char old[PATH_MAX], ignored[8];
	int r = open_one(path, v, ret_fd, ret_changed, err, errlen);

	if ((r == -ESTALE || r == -ENOENT || r == -EINVAL) &&
	    (size_t)snprintf(old, sizeof old, "%s.old", path) < sizeof old &&
	    !open_one(old, v, ret_fd, ret_changed, ignored, sizeof ignored))
		return 0;
	return r;
}

/* --- checking --- */

bool memfile_chunk_ok(const uint8_t *chunk, uint64_t size, const uint8_t leaf[SNAP_HASH])
{
	uint8_t sum[SNAP_HASH];

	snap_hash(sum, chunk, size);
	return memcmp(sum, leaf, sizeof sum) == 0;
}

static uint64_t chunk_size(const struct snap_view *v, uint64_t chunk)
{
	uint64_t left = v->head->mem_size - chunk * SNAP_CHUNK;

	return left < SNAP_CHUNK ? left : SNAP_CHUNK;
}

static int altered(const char *path, uint64_t chunk, char *err, size_t errlen)
{
	return err_put(err, errlen, -EBADMSG,
		       "%s: was altered: the hash of its bytes from 0x%lx does not match", path,
		       chunk * SNAP_CHUNK);
}

/* Chunks that should be holes: whatever has data there must be zeros. */
static int check_hole(int fd, const char *path, uint64_t chunk, uint64_t size, uint8_t *buf,
		      char *err, size_t errlen)
{
	off_t start = (off_t)(chunk * SNAP_CHUNK), data = lseek(fd, start, SEEK_DATA);

	if ((data < 0 && errno == ENXIO) || data >= start + (off_t)size)
		return 0;
	int r = full_read(fd, buf, size, (uint64_t)start);

	if (r)
		return err_put(err, errlen, r, "%s: %s", path, strerror(-r));
	for (uint64_t i = 0; i < size; i++)
		if (buf[i])
			return altered(path, chunk, err, errlen);
	return 0;
}

int memfile_verify(int fd, const char *path, const struct snap_view *v, char *err, size_t errlen)
{
	uint8_t *buf = malloc(SNAP_CHUNK);
	uint64_t leaf = 0;
	int r = 0;

	if (!buf)
		return err_put(err, errlen, -ENOMEM, "%s: out of memory", path);
	for (uint64_t c = 0; !r && c < v->nchunks; c++) {
		uint64_t size = chunk_size(v, c);

		if (!snap_chunk_mask(v->pages, c)) {
			r = check_hole(fd, path, c, size, buf, err, errlen);
			continue;
		}
		r = full_read(fd, buf, size, c * SNAP_CHUNK);
		if (r)
			r = err_put(err, errlen, r, "%s: %s", path, strerror(-r));
		else if (!memfile_chunk_ok(buf, size, v->leaves[leaf++]))
			r = altered(path, c, err, errlen);
	}
	free(buf);
	return r;
}

/* --- runs of pages that are in the file --- */

/* The first page from at on that is (or is not) in the file; npages when there is none. */
static uint64_t find(const struct snap_view *v, uint64_t at, bool in)
{
	while (at < v->npages) {
		uint64_t w = v->pages[at / 64];

		w = (in ? w : ~w) >> at % 64;
		if (w) {
			at += (unsigned)__builtin_ctzll(w);
			break;
		}
		at = (at / 64 + 1) * 64;
	}
	return at < v->npages ? at : v->npages;
}

/* The next run at or after at, over gaps shorter than gap. False when there is none. */
static bool next_run(const struct snap_view *v, uint64_t at, uint64_t gap, uint64_t *ret_start,
		     uint64_t *ret_end)
{
	uint64_t start = find(v, at, true), end = find(v, start, false), next;

	if (start == v->npages)
		return false;
	while ((next = find(v, end, true)) < v->npages && next - end < gap)
		end = find(v, next, false);
	*ret_start = start;
	*ret_end = end;
	return true;
}

/* So few runs that mapping them is cheap. */
static uint64_t choose_gap(const struct snap_view *v)
{
	for (uint64_t gap = MIN_GAP;; gap *= 2) {
		uint64_t start, end = 0;
		unsigned n = 0;

		while (n <= MAX_SPANS && next_run(v, end, gap, &start, &end))
			n++;
		if (n <= MAX_SPANS)
			return gap;
	}
}

static int map_run(int fd, uint8_t *base, uint64_t start, uint64_t end)
{
	uint8_t *at = base + start * SNAP_PAGE;
	size_t len = (end - start) * SNAP_PAGE;

	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)(start * SNAP_PAGE)) == MAP_FAILED)
		return -errno;
	return 0;
}

/* Over the snapshot below only exactly the pages of this one may be laid: many short runs are read.
 */
static int overlay_run(int fd, uint8_t *base, uint64_t start, uint64_t end)
{
	if (end - start >= MIN_GAP)
		return map_run(fd, base, start, end);
	return full_read(fd, base + start * SNAP_PAGE, (end - start) * SNAP_PAGE,
			 start * SNAP_PAGE);
}

int memfile_map(int fd, const char *path, const struct snap_view *v, uint8_t *base, char *err,
		size_t errlen)
{
	bool diff = v->head->flags & SNAP_DIFF;
	uint64_t gap = diff ? 1 : choose_gap(v), start, end = 0;
	int r = 0;

	while (!r && next_run(v, end, gap, &start, &end))
		r = diff ? overlay_run(fd, base, start, end) : map_run(fd, base, start, end);
	return r ? err_put(err, errlen, r, "%s: cannot be mapped: %s", path, strerror(-r)) : 0;
}

int memfile_load(int fd, const char *path, const struct snap_view *v, uint8_t *base, char *err,
		 size_t errlen)
{
	uint8_t *buf = malloc(SNAP_CHUNK);
	uint64_t leaf = 0;
	int r = 0;

	if (!buf)
		return err_put(err, errlen, -ENOMEM, "%s: out of memory", path);
	for (uint64_t c = 0; !r && c < v->nchunks; c++) {
		uint16_t mask = snap_chunk_mask(v->pages, c);
		uint64_t size = chunk_size(v, c);

		if (!mask)
			continue;
		r = full_read(fd, buf, size, c * SNAP_CHUNK);
		if (r) {
			r = err_put(err, errlen, r, "%s: %s", path, strerror(-r));
			break;
		}
		if (!memfile_chunk_ok(buf, size, v->leaves[leaf++])) {
			r = altered(path, c, err, errlen);
			break;
		}
		for (unsigned i = 0; i < size / SNAP_PAGE; i++)
			if (mask >> i & 1)
				memcpy(base + c * SNAP_CHUNK + (uint64_t)i * SNAP_PAGE,
				       buf + (uint64_t)i * SNAP_PAGE, SNAP_PAGE);
	}
	free(buf);
	return r;
}
