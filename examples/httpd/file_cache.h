/* SPDX-License-Identifier: MIT
 *
 * file_cache.h: open files of the document root, with what a response needs to know of them, so
 * that a repeated request costs no file system call. An entry is checked against the file system
 * once it is a second old: a changed file is served in its old form for at most that long. One
 * thread. The root is opened by the caller.
 */
#ifndef HTTPD_FILE_CACHE_H
#define HTTPD_FILE_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "http_date.h"

#define FILE_CACHE_ENTRIES 32
#define FILE_CACHE_BODY	   16384u	/* a file up to this size is kept in memory */
#define FILE_CACHE_BODIES  (256u << 10) /* bytes of all kept bodies */
#define FILE_TTL_MS	   1000

struct file {
	int fd;
	int refs; /* the cache's own included */
	uint64_t size;
	int64_t mtime;
	const char *type;
	char *body; /* the whole content, or NULL: read it with pread */
	char etag[40];
	char last_modified[HTTP_DATE_SIZE];
	/* the cache's */
	int64_t checked_ms, used_ms;
	uint64_t dev, ino;
	struct timespec mtim;
	char path[];
};

struct file_cache {
	int root_fd;
	uint32_t body_bytes;
	struct file *entry[FILE_CACHE_ENTRIES];
};

/*
 * Finds or opens the regular file `path` (relative, normalised; a trailing slash or "" means its
 * index.html). now_ms is any clock that does not run backwards. On success *ret has one more
 * reference, to be given back with file_put(). -ENOENT, -EACCES (also: not a regular file, or a
 * directory without an index), -EISDIR (a directory named without its slash), -ENOMEM, -EMFILE,
 * -EIO...
 */
int file_get(struct file_cache *c, const char *path, int64_t now_ms, struct file **ret);

/* Gives a reference back; NULL is fine. */
void file_put(struct file_cache *c, struct file *f);

/* Closes everything that no response uses. */
void file_cache_clear(struct file_cache *c);

#endif
