/* SPDX-License-Identifier: MIT
 *
 * path.c: see path.h.
 */
#include "jailer/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int no(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EINVAL;
}

int path_check_relative(const char *path, const char **ret_why)
{
	size_t len = strnlen(path, PATH_MAX);

	if (len == 0)
		return no("is empty", ret_why);
	if (len >= PATH_MAX)
		return no("is too long", ret_why);
	if (path[0] == '/')
		return no("must not begin with '/'", ret_why);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
			return no("has a control character in it", ret_why);
	for (const char *p = path; p; p = *p ? p + 1 : NULL) {
		const char *end = strchrnul(p, '/');
		size_t n = (size_t)(end - p);

		if (n == 0)
			return no("has an empty component", ret_why);
		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return no("has '.' or '..' in it", ret_why);
		if (n > NAME_MAX)
			return no("has a component above 255 bytes", ret_why);
		p = end;
	}
	return 0;
}

int path_check(const char *path, const char **ret_why)
{
	if (path[0] != '/')
		return no("is not an absolute path", ret_why);
	if (path[1] == '\0')
		return no("is the root directory", ret_why);
	return path[1] == '/' ? no("has an empty component", ret_why)
			      : path_check_relative(path + 1, ret_why);
}

int path_open(int dir, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
			       .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

	long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	return fd < 0 ? -errno : (int)fd;
}

/* Whether only root and owner can change what is in the directory; the last one has to be owner's.
 */
static bool is_safe(const struct stat *st, uid_t owner, bool last)
{
	if (last ? st->st_uid != owner : st->st_uid != owner && st->st_uid != 0)
		return false;
	return !(st->st_mode & 022) || (!last && st->st_mode & S_ISVTX);
}

static int open_component(int dir, const char *name, uid_t owner, mode_t mode, bool last)
{
	struct stat st;

	int fd = path_open(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd == -ENOENT && mode) {
		if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return -errno;
		fd = path_open(dir, name, O_RDONLY | O_DIRECTORY);
	}
	if (fd < 0)
		return fd;
	int r = fstat(fd, &st) < 0 ? -errno : is_safe(&st, owner, last) ? 0 : -EPERM;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int path_open_subdir(int dir, const char *name, uid_t owner, mode_t mode)
{
	return open_component(dir, name, owner, mode, true);
}

bool path_is_there(int dir, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int path_open_own_dir(const char *path, uid_t owner, mode_t mode, size_t *ret_bad)
{
	char name[NAME_MAX + 1];
	const char *p = path;

	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (fd >= 0 && *p) {
		const char *end = strchrnul(++p, '/');

		memcpy(name, p, (size_t)(end - p));
		name[end - p] = '\0';
		int next = open_component(fd, name, owner, mode, *end == '\0');
		close(fd);
		fd = next;
		p = end;
	}
	*ret_bad = (size_t)(p - path);
	return fd;
}
