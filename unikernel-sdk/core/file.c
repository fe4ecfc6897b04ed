/* SPDX-License-Identifier: MIT
 *
 * file.c: system calls on descriptors, whatever stands behind them: read and write in all their
 * forms, lseek, fstat, ioctl, fcntl, dup, close, sendfile. Paths are the file system module's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/area.h"
#include "core/fd.h"
#include "core/fdtab.h"
#include "core/sys.h"
#include "uk_abi.h"

#define MAX_RW 0x7ffff000 /* as Linux bounds one transfer */
#define CHUNK  16384
#define STATUS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static bool readable(const struct uk_file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY && !(f->flags & O_PATH);
}

static bool writable(const struct uk_file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY && !(f->flags & O_PATH);
}

static long do_readv(int fd, const struct iovec *iov, long n, int64_t off)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f || !readable(f))
		return -EBADF;
	if (n < 0 || n > IOV_MAX || off < -1 || !f->ops->readv)
		return -EINVAL;
	return f->ops->readv(f, iov, (int)n, off);
}

static long do_writev(int fd, const struct iovec *iov, long n, int64_t off)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f || !writable(f))
		return -EBADF;
	if (n < 0 || n > IOV_MAX || off < -1 || !f->ops->writev)
		return -EINVAL;
	return f->ops->writev(f, iov, (int)n, off);
}

static long do_rw(const long a[6], bool write, int64_t off)
{
	uint64_t len = (uint64_t)a[2] < MAX_RW ? (uint64_t)a[2] : MAX_RW;
	struct iovec iov = {(void *)a[1], len};

	return write ? do_writev((int)a[0], &iov, 1, off) : do_readv((int)a[0], &iov, 1, off);
}

/* pread and its kin: a negative offset is an error and not "the current position". */
static long positioned(const long a[6], bool vec, bool write)
{
	if (a[3] < 0)
		return -EINVAL;
	if (!vec)
		return do_rw(a, write, a[3]);
	return write ? do_writev((int)a[0], (const struct iovec *)a[1], a[2], a[3])
		     : do_readv((int)a[0], (const struct iovec *)a[1], a[2], a[3]);
}

/* preadv2 and pwritev2 have flags and take -1 for the current position. */
static long positioned2(const long a[6], bool write)
{
	if (a[5])
		return -EOPNOTSUPP;
	if (a[3] < -1)
		return -EINVAL;
	return write ? do_writev((int)a[0], (const struct iovec *)a[1], a[2], a[3])
		     : do_readv((int)a[0], (const struct iovec *)a[1], a[2], a[3]);
}

/* Bytes go through a buffer of our own: no file kind lends its pages. */
static long copy(struct uk_file *in, int64_t *in_off, struct uk_file *out, int64_t *out_off,
		 uint64_t len)
{
	static char *buf; /* taken at the first use, kept */
	long sum = 0;

	if (!buf)
		buf = uk__pages_alloc(CHUNK / UK_PAGE);
	if (!buf)
		return -ENOMEM;
	if (len > MAX_RW)
		len = MAX_RW;
	while (len) {
		struct iovec iov = {buf, len < CHUNK ? len : CHUNK};
		int64_t was = in_off ? *in_off : in->pos;
		ssize_t got = in->ops->readv(in, &iov, 1, was);

		if (got <= 0)
			return sum ? sum : got;
		iov.iov_len = (size_t)got;
		ssize_t put = out->ops->writev(out, &iov, 1, out_off ? *out_off : -1);

		if (put < 0)
			return sum ? sum : put;
		if (in_off)
			*in_off += put;
		else
			in->pos += put;
		if (out_off)
			*out_off += put;
		sum += put;
		len -= (uint64_t)put;
		if (put < got)
			break;
	}
	return sum;
}

static long do_copy(int in_fd, int64_t *in_off, int out_fd, int64_t *out_off, uint64_t len)
{
	struct uk_file *in = uk__fd_get(in_fd), *out = uk__fd_get(out_fd);

	if (!in || !out || !readable(in) || !writable(out))
		return -EBADF;
	if (!in->ops->readv || !in->ops->lseek || !out->ops->writev)
		return -EINVAL;
	if ((in_off && *in_off < 0) || (out_off && (*out_off < 0 || !out->ops->lseek)))
		return -EINVAL;
	return copy(in, in_off, out, out_off, len);
}

static long do_lseek(int fd, int64_t off, int whence)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	return f->ops->lseek ? f->ops->lseek(f, off, whence) : -ESPIPE;
}

static long do_fstat(int fd, struct stat *st)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	if (f->ops->fstat)
		return f->ops->fstat(f, st);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IRUSR | S_IWUSR; /* of no type, as Linux shows its anonymous inodes */
	st->st_nlink = 1;
	st->st_blksize = 4096;
	return 0;
}

static long do_ioctl(int fd, unsigned long req, long arg)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	switch (req) {
	case FIONBIO:
		f->flags = *(const int *)arg ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK;
		return 0;
	case FIOCLEX:
	case FIONCLEX:
		uk__fd_set_cloexec(fd, req == FIOCLEX);
		return 0;
	default:
		return f->ops->ioctl ? f->ops->ioctl(f, req, arg) : -ENOTTY;
	}
}

static long do_dup(struct uk_file *f, int min, bool cloexec)
{
	if (!f)
		return -EBADF;
	int fd = uk__fd_install(f, min, cloexec);

	if (fd >= 0)
		f->refs++;
	return fd;
}

static long do_dup3(int from, int to, int flags, bool same_ok)
{
	struct uk_file *f = uk__fd_get(from);

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	if (!f || (unsigned)to >= UK_MAX_FDS)
		return -EBADF;
	if (from == to)
		return same_ok ? to : -EINVAL;
	f->refs++;
	int fd = uk__fd_replace(f, to, flags & O_CLOEXEC);

	if (fd < 0)
		uk__file_put(f);
	return fd;
}

static long do_fcntl(int fd, int cmd, long arg)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return do_dup(f, (int)arg, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return uk__fd_cloexec(fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		uk__fd_set_cloexec(fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return f->flags;
	case F_SETFL:
		f->flags = (f->flags & ~STATUS) | ((int)arg & STATUS);
		return 0;
	case F_GETLK: /* the only process never conflicts with itself */
		((struct flock *)arg)->l_type = F_UNLCK;
		return 0;
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
	case F_SETOWN:
	case F_SETSIG:
		return 0;
	default:
		return -EINVAL;
	}
}

static long do_sync(int fd, bool data_only)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	return f->ops->fsync ? f->ops->fsync(f, data_only) : -EINVAL;
}

static long do_truncate(int fd, int64_t len)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	return len >= 0 && f->ops->truncate && writable(f) ? f->ops->truncate(f, len) : -EINVAL;
}

static long do_getdents(int fd, void *buf, size_t len)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -EBADF;
	return f->ops->getdents ? f->ops->getdents(f, buf, len) : -ENOTDIR;
}

static long do_close_range(unsigned first, unsigned last, unsigned flags)
{
	if (flags || first > last)
		return -EINVAL;
	for (unsigned fd = first; fd <= last && fd < UK_MAX_FDS; fd++)
		uk__fd_close((int)fd);
	return 0;
}

/* Less common: kept apart so that the first switch stays short. */
static long other(long n, const long a[6])
{
	switch (n) {
	case SYS_dup:
		return do_dup(uk__fd_get((int)a[0]), 0, false);
	case SYS_dup2:
		return do_dup3((int)a[0], (int)a[1], 0, true);
	case SYS_dup3:
		return do_dup3((int)a[0], (int)a[1], (int)a[2], false);
	case SYS_fsync:
		return do_sync((int)a[0], false);
	case SYS_fdatasync:
		return do_sync((int)a[0], true);
	case SYS_ftruncate:
		return do_truncate((int)a[0], a[1]);
	case SYS_getdents64:
		return do_getdents((int)a[0], (void *)a[1], (size_t)a[2]);
	case SYS_sendfile:
		return do_copy((int)a[1], (int64_t *)a[2], (int)a[0], NULL, (uint64_t)a[3]);
	case SYS_copy_file_range:
		return a[5] ? -EINVAL
			    : do_copy((int)a[0], (int64_t *)a[1], (int)a[2], (int64_t *)a[3],
				      (uint64_t)a[4]);
	case SYS_close_range:
		return do_close_range((unsigned)a[0], (unsigned)a[1], (unsigned)a[2]);
	case SYS_flock: /* nobody else can hold it */
		return uk__fd_get((int)a[0]) ? 0 : -EBADF;
	case SYS_fadvise64:
	case SYS_readahead:
		return uk__fd_get((int)a[0]) ? 0 : -EBADF;
	default:
		return UK_NOSYS;
	}
}

long uk__file_syscall(long n, const long a[6])
{
	switch (n) {
	case SYS_read:
		return do_rw(a, false, -1);
	case SYS_write:
		return do_rw(a, true, -1);
	case SYS_close:
		return uk__fd_close((int)a[0]);
	case SYS_readv:
		return do_readv((int)a[0], (const struct iovec *)a[1], a[2], -1);
	case SYS_writev:
		return do_writev((int)a[0], (const struct iovec *)a[1], a[2], -1);
	case SYS_pread64:
		return positioned(a, false, false);
	case SYS_pwrite64:
		return positioned(a, false, true);
	case SYS_preadv:
		return positioned(a, true, false);
	case SYS_pwritev:
		return positioned(a, true, true);
	case SYS_preadv2:
		return positioned2(a, false);
	case SYS_pwritev2:
		return positioned2(a, true);
	case SYS_lseek:
		return do_lseek((int)a[0], a[1], (int)a[2]);
	case SYS_fstat:
		return do_fstat((int)a[0], (struct stat *)a[1]);
	case SYS_ioctl:
		return do_ioctl((int)a[0], (unsigned long)a[1], a[2]);
	case SYS_fcntl:
		return do_fcntl((int)a[0], (int)a[1], a[2]);
	default:
		return other(n, a);
	}
}
