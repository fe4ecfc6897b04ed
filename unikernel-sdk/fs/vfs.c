/* SPDX-License-Identifier: MIT
 *
 * vfs.c: system calls that take paths, and those on descriptors that only files of the disk
 * understand. Anchors the module: uk__need_fs lives here. There is one user, root, so modes are
 * stored and not checked; the only refusal of access is a read-only disk.
 */
#include "fs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "fs/aio.h"
#include "fs/files.h"
#include "fs/fs.h"
#include "fs/open.h"
#include "fs/path.h"
#include "fs/stat.h"
#include "platform.h"
#include "sys.h"

const char uk__need_fs[1]; /* referenced by call sites, never read */

/* A place on the disk, for calls that change it. */
static int find_node(int dirfd, const char *path, unsigned flags, struct uk_place *ret_place)
{
	int r = uk__path_find(dirfd, NULL, path, flags, ret_place);

	if (r == 0 && ret_place->kind != UK_AT_NODE) {
		uk__place_put(ret_place);
		return -EPERM;
	}
	return r;
}

/* Parent directory and last component, for calls that make or remove a name. */
static int find_parent(int dirfd, const char *path, struct uk_place *ret_place)
{
	int r = find_node(dirfd, path, UK_PATH_PARENT, ret_place);

	if (r == 0 && !S_ISDIR(uk__node_mode(ret_place->node))) {
		uk__place_put(ret_place);
		return -ENOTDIR;
	}
	return r;
}

bool uk__is_dots(const char *name)
{
	return !name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* --- names --------------------------------------------------------------------------- */

static int do_mkdir(int dirfd, const char *path, mode_t mode)
{
	struct uk_place p;
	int r = find_parent(dirfd, path, &p);

	if (r)
		return r;
	r = uk__is_dots(p.name) ? -EEXIST
				: uk__dir_mkdir(p.node, p.name, mode & 01777 & ~uk__umask());
	uk__place_put(&p);
	return r;
}

static int do_mknod(int dirfd, const char *path, mode_t mode)
{
	struct uk_place p;
	struct uk_node *n;
	int r;

	if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != 0)
		return -EPERM;
	r = find_parent(dirfd, path, &p);
	if (r)
		return r;
	r = uk__is_dots(p.name)
		    ? -EEXIST
		    : uk__dir_create(p.node, p.name, S_IFREG | (mode & 07777 & ~uk__umask()), &n);
	if (r == 0)
		uk__node_put(n);
	uk__place_put(&p);
	return r;
}

static int do_unlink(int dirfd, const char *path, bool rmdir)
{
	struct uk_place p;
	struct uk_node *n;
	uint32_t ino;
	int r = find_parent(dirfd, path, &p);

	if (r)
		return r;
	if (uk__is_dots(p.name))
		r = !rmdir			? -EISDIR
		    : strcmp(p.name, "..") == 0 ? -ENOTEMPTY
		    : p.name[0]			? -EINVAL
						: -EBUSY;
	/* "file/" names no file. */
	if (r == 0 && p.slash && !rmdir) {
		r = uk__dir_lookup(p.node, p.name, &ino);
		if (r == 0)
			r = uk__node_get(ino, &n);
		if (r == 0) {
			r = S_ISDIR(uk__node_mode(n)) ? -EISDIR : -ENOTDIR;
			uk__node_put(n);
		}
	}
	if (r == 0)
		r = uk__dir_unlink(p.node, p.name, rmdir);
	uk__place_put(&p);
	return r;
}

static int do_symlink(const char *target, int dirfd, const char *path)
{
	struct uk_place p;
	int r;

	if (!target || !*target)
		return -ENOENT;
	r = find_parent(dirfd, path, &p);
	if (r)
		return r;
	r = uk__is_dots(p.name) ? -EEXIST : uk__dir_symlink(p.node, p.name, target);
	uk__place_put(&p);
	return r;
}

static int do_link(int odir, const char *old, int ndir, const char *new, int flags)
{
	struct uk_place from, to;
	int r;

	if (flags & ~AT_SYMLINK_FOLLOW)
		return -EINVAL;
	r = find_node(odir, old, flags & AT_SYMLINK_FOLLOW ? 0 : UK_PATH_NOFOLLOW, &from);
	if (r)
		return r;
	r = find_parent(ndir, new, &to);
	if (r == 0) {
		r = uk__is_dots(to.name) ? -EEXIST : uk__dir_link(to.node, to.name, from.node);
		uk__place_put(&to);
	}
	uk__place_put(&from);
	return r;
}

static int do_rename(int odir, const char *old, int ndir, const char *new, unsigned flags)
{
	struct uk_place from, to;
	int r;

	if (flags & ~1u) /* RENAME_NOREPLACE alone */
		return -EINVAL;
	r = find_parent(odir, old, &from);
	if (r)
		return r;
	r = find_parent(ndir, new, &to);
	if (r == 0) {
		if (uk__is_dots(from.name) || uk__is_dots(to.name))
			r = -EBUSY;
		else
			r = uk__dir_rename(from.node, from.name, to.node, to.name,
					   (flags & 1) != 0);
		uk__place_put(&to);
	}
	uk__place_put(&from);
	return r;
}

/* --- attributes and data ------------------------------------------------------------- */

/* The node that a path or, when path is NULL, a descriptor names. Put it in the end. */
static int node_at(int dirfd, const char *path, unsigned flags, struct uk_node **ret_node)
{
	struct uk_place p;
	struct uk_file *f;
	int r;

	if (path) {
		r = find_node(dirfd, path, flags, &p);
		if (r == 0)
			*ret_node = p.node;
		return r;
	}
	f = uk__fd_get(dirfd);
	if (!f || f->flags & O_PATH)
		return -EBADF;
	if (!uk__file_node(f))
		return -EPERM;
	*ret_node = uk__node_ref(uk__file_node(f));
	return 0;
}

static int do_chmod(int dirfd, const char *path, mode_t mode)
{
	struct uk_node *n;
	int r = node_at(dirfd, path, 0, &n);

	if (r)
		return r;
	r = uk__node_chmod(n, mode);
	uk__node_put(n);
	return r;
}

static int do_chown(int dirfd, const char *path, uint32_t uid, uint32_t gid, bool nofollow)
{
	struct uk_node *n;
	int r = node_at(dirfd, path, nofollow ? UK_PATH_NOFOLLOW : 0, &n);

	if (r)
		return r;
	r = uk__node_chown(n, uid, gid);
	uk__node_put(n);
	return r;
}

/* times: atime and mtime, with UTIME_NOW and UTIME_OMIT; NULL is now for both. */
static int do_utimes(int dirfd, const char *path, const struct timespec *times, bool nofollow)
{
	uint64_t ns = uk__wall_ns();
	const struct timespec now = {.tv_sec = (time_t)(ns / 1000000000u),
				     .tv_nsec = (long)(ns % 1000000000u)};
	const struct timespec *t[2] = {&now, &now};
	struct uk_node *n;
	int r;

	for (int i = 0; times && i < 2; i++) {
		if (times[i].tv_nsec == UTIME_OMIT)
			t[i] = NULL;
		else if (times[i].tv_nsec != UTIME_NOW)
			t[i] = &times[i];
		if (t[i] && (t[i]->tv_nsec < 0 || t[i]->tv_nsec > 999999999))
			return -EINVAL;
	}
	r = node_at(dirfd, path, nofollow ? UK_PATH_NOFOLLOW : 0, &n);
	if (r)
		return r;
	r = uk__node_utimes(n, t[0], t[1]);
	uk__node_put(n);
	return r;
}

/* utime, utimes and futimesat give microseconds or seconds. */
static int do_utimes_us(int dirfd, const char *path, const long us[4])
{
	struct timespec ts[2];

	if (!us)
		return do_utimes(dirfd, path, NULL, false);
	for (int i = 0; i < 2; i++) {
		if (us[2 * i + 1] < 0 || us[2 * i + 1] > 999999)
			return -EINVAL;
		ts[i] = (struct timespec){.tv_sec = us[2 * i], .tv_nsec = us[2 * i + 1] * 1000};
	}
	return do_utimes(dirfd, path, ts, false);
}

static int do_truncate(const char *path, int64_t len)
{
	struct uk_place p;
	int r;

	if (len < 0)
		return -EINVAL;
	r = find_node(AT_FDCWD, path, 0, &p);
	if (r)
		return r;
	r = S_ISDIR(uk__node_mode(p.node))    ? -EISDIR
	    : !S_ISREG(uk__node_mode(p.node)) ? -EINVAL
					      : uk__node_truncate(p.node, len);
	uk__place_put(&p);
	return r;
}

static int do_fallocate(int fd, int mode, int64_t off, int64_t len)
{
	struct uk_file *f = uk__fd_get(fd);
	struct uk_node *n;

	if (!f || (f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	n = uk__file_node(f);
	if (!n)
		return -ENODEV;
	return uk__node_fallocate(n, mode, off, len);
}

static int do_chdir(int fd, const char *path)
{
	struct uk_place p;
	struct uk_file *f;
	int r;

	if (path) {
		r = uk__path_find(AT_FDCWD, NULL, path, 0, &p);
	} else {
		f = uk__fd_get(fd);
		r = f ? uk__file_place(f, &p) : -EBADF;
	}
	if (r)
		return r;
	r = uk__path_chdir(&p);
	uk__place_put(&p);
	return r;
}

/* --- dispatch ------------------------------------------------------------------------ */

#define S(i) ((const char *)a[i])
#define I(i) ((int)a[i])

static long open_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_open:
		return uk__open(AT_FDCWD, S(0), I(1), (mode_t)a[2]);
	case SYS_openat:
		return uk__open(I(0), S(1), I(2), (mode_t)a[3]);
	case SYS_creat:
		return uk__open(AT_FDCWD, S(0), O_CREAT | O_WRONLY | O_TRUNC, (mode_t)a[1]);
	case SYS_getcwd:
		return uk__path_getcwd((char *)a[0], (unsigned long)a[1]);
	case SYS_chdir:
		return do_chdir(-1, S(0));
	case SYS_fchdir:
		return do_chdir(I(0), NULL);
	default:
		return UK_NOSYS;
	}
}

static long name_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_mkdir:
		return do_mkdir(AT_FDCWD, S(0), (mode_t)a[1]);
	case SYS_mkdirat:
		return do_mkdir(I(0), S(1), (mode_t)a[2]);
	case SYS_mknod:
		return do_mknod(AT_FDCWD, S(0), (mode_t)a[1]);
	case SYS_mknodat:
		return do_mknod(I(0), S(1), (mode_t)a[2]);
	case SYS_rmdir:
		return do_unlink(AT_FDCWD, S(0), true);
	case SYS_unlink:
		return do_unlink(AT_FDCWD, S(0), false);
	case SYS_unlinkat:
		return a[2] & ~(long)AT_REMOVEDIR ? -EINVAL : do_unlink(I(0), S(1), a[2] != 0);
	case SYS_rename:
		return do_rename(AT_FDCWD, S(0), AT_FDCWD, S(1), 0);
	case SYS_renameat:
		return do_rename(I(0), S(1), I(2), S(3), 0);
	case SYS_renameat2:
		return do_rename(I(0), S(1), I(2), S(3), (unsigned)a[4]);
	case SYS_link:
		return do_link(AT_FDCWD, S(0), AT_FDCWD, S(1), 0);
	case SYS_linkat:
		return do_link(I(0), S(1), I(2), S(3), I(4));
	case SYS_symlink:
		return do_symlink(S(0), AT_FDCWD, S(1));
	case SYS_symlinkat:
		return do_symlink(S(0), I(1), S(2));
	default:
		return UK_NOSYS;
	}
}

static long attr_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_chmod:
		return do_chmod(AT_FDCWD, S(0), (mode_t)a[1]);
	case SYS_fchmod:
		return do_chmod(I(0), NULL, (mode_t)a[1]);
	case SYS_fchmodat:
		return do_chmod(I(0), S(1), (mode_t)a[2]);
	case SYS_chown:
		return do_chown(AT_FDCWD, S(0), (uint32_t)a[1], (uint32_t)a[2], false);
	case SYS_lchown:
		return do_chown(AT_FDCWD, S(0), (uint32_t)a[1], (uint32_t)a[2], true);
	case SYS_fchown:
		return do_chown(I(0), NULL, (uint32_t)a[1], (uint32_t)a[2], false);
	case SYS_fchownat:
		return do_chown(I(0), a[4] & AT_EMPTY_PATH && !*S(1) ? NULL : S(1), (uint32_t)a[2],
				(uint32_t)a[3], (a[4] & AT_SYMLINK_NOFOLLOW) != 0);
	case SYS_utimensat:
		return do_utimes(I(0), S(1), (const struct timespec *)a[2],
				 (a[3] & AT_SYMLINK_NOFOLLOW) != 0);
	case SYS_utimes:
		return do_utimes_us(AT_FDCWD, S(0), (const long *)a[1]);
	case SYS_futimesat:
		return do_utimes_us(I(0), S(1), (const long *)a[2]);
	case SYS_utime: {
		const long *t = (const long *)a[1];
		const long us[4] = {t ? t[0] : 0, 0, t ? t[1] : 0, 0};

		return do_utimes_us(AT_FDCWD, S(0), t ? us : NULL);
	}
	case SYS_truncate:
		return do_truncate(S(0), a[1]);
	case SYS_fallocate:
		return do_fallocate(I(0), I(1), a[2], a[3]);
	case SYS_sync:
		uk__fs_sync();
		return 0;
	case SYS_syncfs:
		return uk__fd_get(I(0)) ? uk__fs_sync() : -EBADF;
	case SYS_sync_file_range:
		return uk__fd_get(I(0)) ? uk__fs_sync() : -EBADF;
	default:
		return UK_NOSYS;
	}
}

long uk__fs_syscall(long n, const long a[6])
{
	long r = uk__stat_syscall(n, a);

	if (r == UK_NOSYS)
		r = open_syscall(n, a);
	if (r != UK_NOSYS)
		return r;
	r = name_syscall(n, a);
	if (r == UK_NOSYS)
		r = attr_syscall(n, a);
	if (r != UK_NOSYS) {
		uk__fs_relax();
		return r;
	}
	return uk__aio_syscall(n, a);
}
