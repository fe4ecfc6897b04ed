/* SPDX-License-Identifier: MIT
 *
 * stat.c: what a path or a descriptor names: stat and its kin, access, statfs, readlink. Changes
 * nothing.
 */
#include "fs/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "fs/devfs.h"
#include "fs/files.h"
#include "fs/fs.h"
#include "fs/path.h"
#include "sys.h"

static int stat_place(const struct uk_place *p, struct stat *ret_st)
{
	struct uk_file *f;
	int r;

	switch (p->kind) {
	case UK_AT_NODE:
		uk__node_stat(p->node, ret_st);
		return 0;
	case UK_AT_DEV:
		uk__devfs_stat(p->dev, ret_st);
		return 0;
	case UK_AT_RESOLV:
		r = uk__devfs_open_resolv(O_RDONLY, &f);
		if (r == 0) {
			r = f->ops->fstat(f, ret_st);
			uk__file_put(f);
		}
		return r;
	default:
		uk__devfs_stat_dir(ret_st);
		return 0;
	}
}

static int do_stat(int dirfd, const char *path, int flags, struct stat *ret_st)
{
	struct uk_place p;
	struct uk_file *f;
	int r;

	if (flags & AT_EMPTY_PATH && path && !*path && dirfd != AT_FDCWD) {
		f = uk__fd_get(dirfd);
		if (!f)
			return -EBADF;
		memset(ret_st, 0, sizeof(*ret_st));
		return f->ops->fstat ? f->ops->fstat(f, ret_st) : 0;
	}
	if (flags & AT_EMPTY_PATH && path && !*path)
		path = ".";
	r = uk__path_find(dirfd, NULL, path, flags & AT_SYMLINK_NOFOLLOW ? UK_PATH_NOFOLLOW : 0,
			  &p);
	if (r)
		return r;
	r = stat_place(&p, ret_st);
	uk__place_put(&p);
	return r;
}

/* The kernel's struct statx; musl hides it under another name. */
struct statx_time {
	int64_t sec;
	uint32_t nsec, pad;
};
struct statx_buf {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	struct statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id, spare[13];
};
_Static_assert(sizeof(struct statx_buf) == 256, "struct statx is ABI");

#define STATX_BASIC 0x7ffu

static struct statx_time to_statx(const struct timespec *ts)
{
	return (struct statx_time){.sec = ts->tv_sec, .nsec = (uint32_t)ts->tv_nsec};
}

static int do_statx(int dirfd, const char *path, int flags, struct statx_buf *ret_x)
{
	struct stat st;
	int r = do_stat(dirfd, path, flags, &st);

	if (r)
		return r;
	*ret_x = (struct statx_buf){
		.mask = STATX_BASIC,
		.blksize = (uint32_t)st.st_blksize,
		.nlink = (uint32_t)st.st_nlink,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.mode = (uint16_t)st.st_mode,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.blocks = (uint64_t)st.st_blocks,
		.atime = to_statx(&st.st_atim),
		.ctime = to_statx(&st.st_ctim),
		.mtime = to_statx(&st.st_mtim),
		.rdev_major = major(st.st_rdev),
		.rdev_minor = minor(st.st_rdev),
		.dev_major = major(st.st_dev),
		.dev_minor = minor(st.st_dev),
	};
	return 0;
}

static int do_access(int dirfd, const char *path, int mode, int flags)
{
	struct stat st;
	int r;

	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	r = do_stat(dirfd, path, flags, &st);
	if (r)
		return r;
	if (mode & W_OK && uk__fs_readonly() && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return -EROFS;
	if (mode & X_OK && S_ISREG(st.st_mode) && !(st.st_mode & 0111))
		return -EACCES;
	return 0;
}

static int do_statfs(const char *path, int fd, struct statfs *ret_st)
{
	struct uk_place p;
	struct uk_file *f = path ? NULL : uk__fd_get(fd);
	bool disk;
	int r;

	if (path) {
		r = uk__path_find(AT_FDCWD, NULL, path, 0, &p);
		if (r)
			return r;
		disk = p.kind == UK_AT_NODE;
		uk__place_put(&p);
	} else {
		if (!f)
			return -EBADF;
		disk = uk__file_node(f) != NULL;
	}
	if (disk)
		return uk__fs_statfs(ret_st);
	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->f_type = 0x01021994; /* tmpfs: what /dev is elsewhere */
	ret_st->f_bsize = 4096;
	ret_st->f_namelen = UK_NAME_MAX;
	return 0;
}

static long do_readlink(int dirfd, const char *path, char *buf, long size)
{
	struct uk_place p;
	long r;

	if (size <= 0)
		return -EINVAL;
	r = uk__path_find(dirfd, NULL, path, UK_PATH_NOFOLLOW, &p);
	if (r)
		return r;
	r = p.kind == UK_AT_NODE ? uk__node_readlink(p.node, buf, (size_t)size) : -EINVAL;
	uk__place_put(&p);
	return r;
}

#define S(i) ((const char *)a[i])
#define I(i) ((int)a[i])

long uk__stat_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_stat:
		return do_stat(AT_FDCWD, S(0), 0, (struct stat *)a[1]);
	case SYS_lstat:
		return do_stat(AT_FDCWD, S(0), AT_SYMLINK_NOFOLLOW, (struct stat *)a[1]);
	case SYS_newfstatat:
		return do_stat(I(0), S(1), I(3), (struct stat *)a[2]);
	case SYS_statx:
		return do_statx(I(0), S(1), I(2), (struct statx_buf *)a[4]);
	case SYS_access:
		return do_access(AT_FDCWD, S(0), I(1), 0);
	case SYS_faccessat:
		return do_access(I(0), S(1), I(2), 0);
	case SYS_faccessat2:
		return do_access(I(0), S(1), I(2), I(3));
	case SYS_readlink:
		return do_readlink(AT_FDCWD, S(0), (char *)a[1], a[2]);
	case SYS_readlinkat:
		return do_readlink(I(0), S(1), (char *)a[2], a[3]);
	case SYS_statfs:
		return do_statfs(S(0), -1, (struct statfs *)a[1]);
	case SYS_fstatfs:
		return do_statfs(NULL, I(0), (struct statfs *)a[1]);
	default:
		return UK_NOSYS;
	}
}
