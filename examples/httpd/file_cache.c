/* SPDX-License-Identifier: MIT
 *
 * file_cache.c: a small table searched from front to back; at this size a hash would cost more than
 * it saves. Symbolic links below the root are followed: who can write there decides what is served.
 */
#include "file_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mime.h"

#define INDEX	     "index.html"
#define NAME_MAX_LEN 1024

static void file_free(struct file_cache *c, struct file *f)
{
	if (f->body)
		c->body_bytes -= (uint32_t)f->size;
	free(f->body);
	close(f->fd);
	free(f);
}

void file_put(struct file_cache *c, struct file *f)
{
	if (f && --f->refs == 0)
		file_free(c, f);
}

static void drop_entry(struct file_cache *c, int i)
{
	struct file *f = c->entry[i];

	c->entry[i] = NULL;
	file_put(c, f);
}

void file_cache_clear(struct file_cache *c)
{
	for (int i = 0; i < FILE_CACHE_ENTRIES; i++)
		drop_entry(c, i);
}

static bool same_file(const struct file *f, const struct stat *st)
{
	return f->dev == st->st_dev && f->ino == st->st_ino && f->size == (uint64_t)st->st_size &&
	       f->mtim.tv_sec == st->st_mtim.tv_sec && f->mtim.tv_nsec == st->st_mtim.tv_nsec;
}

/* The slot of path, or of the entry to give up for it when it is not there. */
static int find_slot(const struct file_cache *c, const char *path)
{
	int victim = 0;

	for (int i = 0; i < FILE_CACHE_ENTRIES; i++) {
		const struct file *f = c->entry[i], *v = c->entry[victim];

		if (f && !strcmp(f->path, path))
			return i;
		if (v && (!f || f->used_ms < v->used_ms))
			victim = i;
	}
	return victim;
}

/* Keeps the content in memory when there is room; a file that cannot be read whole is served by
 * pread. */
static void load_body(struct file_cache *c, struct file *f)
{
	if (f->size > FILE_CACHE_BODY || c->body_bytes + f->size > FILE_CACHE_BODIES)
		return;
	f->body = malloc(f->size ? f->size : 1);
	if (!f->body)
		return;
	if (pread(f->fd, f->body, f->size, 0) != (ssize_t)f->size) {
		free(f->body);
		f->body = NULL;
		return;
	}
	c->body_bytes += (uint32_t)f->size;
}

static int file_open(struct file_cache *c, const char *path, const char *name, struct file **ret)
{
	struct stat st;
	struct file *f;
	/* O_NONBLOCK: a FIFO in the tree must not stop the server. It has no effect on a regular
	 * file. */
	int r, fd = openat(c->root_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENXIO ? -EACCES : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else
		r = S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	f = r ? NULL : calloc(1, sizeof(*f) + strlen(path) + 1);
	if (!f) {
		close(fd);
		return r ? r : -ENOMEM;
	}
	memcpy(f->path, path, strlen(path) + 1);
	f->fd = fd;
	f->refs = 1;
	f->size = (uint64_t)st.st_size;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->mtim = st.st_mtim;
	f->mtime = st.st_mtim.tv_sec;
	f->type = mime_type(name);
	snprintf(f->etag, sizeof(f->etag), "\"%llx-%llx-%lx\"", (unsigned long long)f->size,
		 (unsigned long long)f->mtime, (unsigned long)f->mtim.tv_nsec);
	http_date_format(f->mtime, f->last_modified);
	load_body(c, f);
	*ret = f;
	return 0;
}

int file_get(struct file_cache *c, const char *path, int64_t now_ms, struct file **ret)
{
	size_t len = strlen(path);
	int r, slot = find_slot(c, path);
	struct file *f = c->entry[slot];
	bool hit = f && !strcmp(f->path, path);
	bool index = !len || path[len - 1] == '/';
	char name[NAME_MAX_LEN];
	struct stat st;

	if (snprintf(name, sizeof(name), "%s%s", path, index ? INDEX : "") >= (int)sizeof(name))
		return -ENAMETOOLONG;
	if (hit && now_ms - f->checked_ms >= FILE_TTL_MS) {
		hit = !fstatat(c->root_fd, name, &st, 0) && same_file(f, &st);
		if (!hit)
			drop_entry(c, slot);
		else
			f->checked_ms = now_ms;
	}
	if (!hit) {
		r = file_open(c, path, name, &f);
		if (r < 0 && index) {
			/* "no such directory" and "no listing of this one" are different answers.
			 */
			bool dir = !fstatat(c->root_fd, len ? path : ".", &st, 0) &&
				   S_ISDIR(st.st_mode);

			return dir && (r == -ENOENT || r == -EISDIR) ? -EACCES : r;
		}
		if (r < 0)
			return r;
		drop_entry(c, slot);
		c->entry[slot] = f;
		f->checked_ms = now_ms;
	}
	f->used_ms = now_ms;
	f->refs++;
	*ret = f;
	return 0;
}
