/* SPDX-License-Identifier: MIT
 *
 * files.c: see files.h: writing.
 */
#include "monitor/snapshot/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/snapshot/memfile.h"
#include "monitor/snapshot/newfile.h"

static int path_error(const char *path, int r, char *err, size_t errlen)
{
	snprintf(err, errlen, "%s: %s", path, strerror(-r));
	return r;
}

/* Memory file: content, foot, on disk. The head learns what the state file has to say of it. */
static int write_mem(struct newfile *nf, const struct snap_source *src, struct snap_head *head,
		     struct memfile_map *map, char *err, size_t errlen)
{
	struct stat st;
	uint64_t disks = 0;
	int r = memfile_write(nf->fd, src->base, head->mem_size, src->only, map);

	if (!r && src->disks) {
		char why[200];

		r = src->disks(src->disks_arg, nf->fd, head->mem_size, &disks, why, sizeof why);
		if (r) {
			snprintf(err, errlen, "%s: %s", nf->path, why);
			return r;
		}
	}
	if (!r) {
		snap_root(head->root, map->pages, head->mem_size,
			  (const uint8_t(*)[SNAP_HASH])map->leaves, map->nleaves);
		r = memfile_finish(nf->fd, head, disks);
	}
	if (r)
		return path_error(nf->path, r, err, errlen);
	r = newfile_sync(nf, err, errlen);
	if (!r && fstat(nf->fd, &st))
		r = path_error(nf->path, -errno, err, errlen);
	if (!r)
		head->mem_mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	return r;
}

static int write_state(struct newfile *nf, const struct snap_source *src,
		       const struct snap_head *head, const struct memfile_map *map, char *err,
		       size_t errlen)
{
	const struct snap_parts parts = {
		.head = *head,
		.state = src->state,
		.cpu = src->cpu,
		.config = src->config,
		.pages = map->pages,
		.leaves = (const uint8_t(*)[SNAP_HASH])map->leaves,
		.nleaves = map->nleaves,
	};
	size_t len, at = 0;
	uint8_t *buf = snap_encode(&parts, &len);
	int r = buf ? 0 : -ENOMEM;

	while (!r && at < len) {
		ssize_t n = write(nf->fd, buf + at, len - at);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			r = n ? -errno : -EIO;
	}
	free(buf);
	return r ? path_error(nf->path, r, err, errlen) : newfile_sync(nf, err, errlen);
}

static bool file_id(const char *path, uint8_t ret_id[SNAP_ID])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool ok = fd >= 0 && memfile_id(fd, ret_id);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool state_id(const char *path, uint8_t ret_id[SNAP_ID])
{
	struct snap_head h;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool ok = fd >= 0 && pread(fd, &h, sizeof h, 0) == sizeof h &&
		  !memcmp(h.magic, SNAP_MAGIC, sizeof h.magic);

	if (fd >= 0)
		close(fd);
	if (ok)
		memcpy(ret_id, h.id, SNAP_ID);
	return ok;
}

/*
 * Until the state file is renamed the old one must find the old memory: as mem.old. When a writer
 * died before us between its two renames, mem.old is what the old state file needs already.
 */
static int keep_old(const char *state, const char *mem, const char *old, char *err, size_t errlen)
{
	uint8_t want[SNAP_ID], have[SNAP_ID];

	if (!state_id(state, want))
		return 0;
	if (file_id(mem, have) && !memcmp(want, have, SNAP_ID)) {
		if (unlink(old) && errno != ENOENT)
			return path_error(old, -errno, err, errlen);
		if (link(mem, old))
			return path_error(old, -errno, err, errlen);
		int r = newfile_sync_dir(mem);

		return r ? path_error(old, r, err, errlen) : 0;
	}
	return 0;
}

int snap_files_commit(struct newfile *nm, struct newfile *ns, char *err, size_t errlen)
{
	char old[PATH_MAX];

	if ((size_t)snprintf(old, sizeof old, "%s.old", nm->path) >= sizeof old)
		return path_error(nm->path, -ENAMETOOLONG, err, errlen);
	int r = keep_old(ns->path, nm->path, old, err, errlen);

	r = r ? r : newfile_commit(nm, err, errlen);
	r = r ? r : newfile_commit(ns, err, errlen);
	if (!r && unlink(old) && errno != ENOENT)
		r = path_error(old, -errno, err, errlen);
	return r;
}

int snap_files_write(const struct snap_source *src, const char *state, const char *mem,
		     struct snap_written *ret, char *err, size_t errlen)
{
	struct newfile nm = {.fd = -1}, ns = {.fd = -1};
	struct memfile_map map = {0};
	struct snap_head head = {.mem_size = src->state->mem_size,
				 .flags = src->only ? SNAP_DIFF : 0};
	int r = 0;

	if (getrandom(head.id, sizeof head.id, 0) != sizeof head.id)
		r = path_error(state, -EIO, err, errlen);
	if (src->base_id)
		memcpy(head.base_id, src->base_id, SNAP_ID);
	r = r ? r : newfile_open(&nm, mem, err, errlen);
	r = r ? r : newfile_open(&ns, state, err, errlen);
	r = r ? r : write_mem(&nm, src, &head, &map, err, errlen);
	r = r ? r : write_state(&ns, src, &head, &map, err, errlen);
	r = r ? r : snap_files_commit(&nm, &ns, err, errlen);
	if (!r) {
		memcpy(ret->id, head.id, SNAP_ID);
		ret->stored = map.stored;
	}
	newfile_close(&ns);
	newfile_close(&nm);
	memfile_map_free(&map);
	return r;
}
