/* SPDX-License-Identifier: MIT
 *
 * newfile.c: see newfile.h.
 */
#include "monitor/snapshot/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int path_error(const char *path, int e, char *err, size_t errlen)
{
	snprintf(err, errlen, "%s: %s", path, strerror(e));
	return -e;
}

/* Renaming over something that is not a plain file would take a device or a folder away. */
static int check_target(const char *path, char *err, size_t errlen)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : path_error(path, errno, err, errlen);
	if (S_ISREG(st.st_mode))
		return 0;
	snprintf(err, errlen, "%s: is there and no regular file; name a file that may be replaced",
		 path);
	return -EEXIST;
}

/* Is what fd locks still what the name means? Another writer may have renamed it away meanwhile. */
static int still_there(const struct newfile *nf)
{
	struct stat a, b;

	if (fstat(nf->fd, &a))
		return -errno;
	if (!S_ISREG(a.st_mode))
		return -EEXIST;
	if (lstat(nf->tmp, &b))
		return errno == ENOENT ? 0 : -errno;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* 1 when the temporary file is ours, 0 to try again, -errno. */
static int take(struct newfile *nf)
{
	nf->fd = open(nf->tmp, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (nf->fd < 0)
		return -errno;
	int r = flock(nf->fd, LOCK_EX | LOCK_NB) ? -errno : still_there(nf);
	if (r == 1 && (fchmod(nf->fd, 0600) || ftruncate(nf->fd, 0)))
		r = -errno;
	if (r == 1)
		return r;
	close(nf->fd);
	nf->fd = -1;
	return r;
}

int newfile_open(struct newfile *nf, const char *path, char *err, size_t errlen)
{
	int r, tries = 0;

	nf->fd = -1;
	nf->path = path;
	if ((size_t)snprintf(nf->tmp, sizeof nf->tmp, "%s.new", path) >= sizeof nf->tmp)
		return path_error(path, ENAMETOOLONG, err, errlen);
	r = check_target(path, err, errlen);
	if (r)
		return r;
	do
		r = take(nf);
	while (!r && ++tries < 100);
	if (r == 1)
		return 0;
	if (r == -EWOULDBLOCK || !r) {
		snprintf(err, errlen, "%s: another snapshot is being written there", path);
		return -EBUSY;
	}
	return path_error(nf->tmp, -r, err, errlen);
}

int newfile_sync(struct newfile *nf, char *err, size_t errlen)
{
	return fsync(nf->fd) ? path_error(nf->tmp, errno, err, errlen) : 0;
}

int newfile_sync_dir(const char *path)
{
	char dir[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	int ret = 0;

	if (slash) {
		size_t n = slash == path ? 1 : (size_t)(slash - path);

		if (n >= sizeof dir)
			return -ENAMETOOLONG;
		memcpy(dir, path, n);
		dir[n] = '\0';
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret == -EINVAL ? 0 : ret; /* a file system without synchronous folders */
}

int newfile_commit(struct newfile *nf, char *err, size_t errlen)
{
	if (rename(nf->tmp, nf->path))
		return path_error(nf->path, errno, err, errlen);
	int r = newfile_sync_dir(nf->path);

	close(nf->fd);
	nf->fd = -1;
	return r ? path_error(nf->path, -r, err, errlen) : 0;
}

void newfile_close(struct newfile *nf)
{
	if (nf->fd < 0)
		return;
	unlink(nf->tmp); /* before the lock goes: nobody else has it yet */
	close(nf->fd);
	nf->fd = -1;
}
