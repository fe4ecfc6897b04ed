/* SPDX-License-Identifier: MIT
 *
 * file.c: see file.h. One system call per request in the common case. With O_DIRECT, requests that
 * do not fit the file's alignment go through one bounce buffer, block by block; the caller has
 * nothing else in flight then (a partial block is read, changed and written back).
 */
#include "monitor/backend/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/handed.h"
#include "lib/vec.h"
#include "monitor/config.h"

#define SECTOR		 512u
#define BOUNCE_SIZE	 65536u
#define BOUNCE_MAX_ALIGN 4096u
#define LOCK_WAIT_MS	 500
#define LOCK_TRIES	 100

/* Never written: all of it is the kernel's zero page. */
static uint8_t zeroes[BOUNCE_SIZE] __attribute__((aligned(4096)));

static int explain_open(const struct blk_config *cfg, int e, char *err, size_t errlen)
{
	const char *fix = "";

	if (e == ENOENT)
		fix = ": create it, for example with 'truncate -s 64M'";
	else if (e == EACCES || e == EPERM)
		fix = cfg->ro ? ": give this user read permission"
			      : ": give this user write permission, or add ,ro";
	else if (e == EROFS)
		fix = ": add ,ro";
	else if (e == EINVAL && cfg->direct)
		fix = ": its filesystem has no O_DIRECT, leave out ,direct";
	snprintf(err, errlen, "--block id=%s: cannot open %s: %s%s", cfg->id, cfg->path,
		 strerror(e), fix);
	return -e;
}

/* An open-file-description lock: it goes away with the last descriptor, however we end. A VM that
 * has ended a moment ago may still hold its lock: the kernel takes an io_uring and the file it was
 * made for apart behind the process' back. So "taken" is believed after half a second. */
int bfile_lock(int fd, bool shared)
{
	struct flock fl = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
	const struct timespec pause = {.tv_nsec = LOCK_WAIT_MS * 1000000L / LOCK_TRIES};

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
			return 0;
		/* A filesystem without locks (some network ones) is not a reason to refuse the
		 * disk. */
		if (errno != EAGAIN && errno != EACCES)
			return 0;
		ppoll(NULL, 0, &pause, NULL);
	}
	return -EBUSY;
}

static int lock_file(int fd, const struct blk_config *cfg, char *err, size_t errlen)
{
	if (bfile_lock(fd, cfg->ro) == 0)
		return 0;
	snprintf(err, errlen,
		 "--block id=%s: %s is in use by another VM: stop that one, or attach it with ,ro "
		 "in both",
		 cfg->id, cfg->path);
	return -EBUSY;
}

void bfile_unlock(int fd)
{
	struct flock fl = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	(void)fcntl(fd, F_OFD_SETLK, &fl);
}

int bfile_measure(struct bfile *f)
{
	struct stat st;
	uint64_t size;

	if (fstat(f->fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(f->fd, BLKGETSIZE64, &size))
			return -errno;
	} else if (S_ISREG(st.st_mode)) {
		size = (uint64_t)st.st_size;
	} else {
		return -ENOTBLK;
	}
	f->size = size - size % (f->align > SECTOR ? f->align : SECTOR);
	return 0;
}

/* The smallest alignment that the file takes, found by asking it. 0 or -errno. */
static int probe_align(struct bfile *f)
{
	uint8_t *buf = aligned_alloc(BOUNCE_MAX_ALIGN, BOUNCE_SIZE);

	if (!buf)
		return -ENOMEM;
	for (uint32_t a = SECTOR; a <= BOUNCE_MAX_ALIGN; a *= 2) {
		/* Memory and offset aligned to a and to nothing more. Behind the end the kernel may
		 * not look at the alignment: small files take the largest. */
		if (a < BOUNCE_MAX_ALIGN && 2 * a > f->size)
			continue;
		if (pread(f->fd, buf + a, a, a) >= 0) {
			f->align = a;
			f->bounce = buf;
			return 0;
		}
		if (errno != EINVAL)
			break;
	}
	int ret = -errno;

	free(buf);
	return ret;
}

int bfile_open(struct bfile *ret_f, const struct blk_config *cfg, char *err, size_t errlen)
{
	struct bfile f = {.align = 1, .ro = cfg->ro};
	int ret;

	ret_f->fd = -1;
	int flags =
		(cfg->ro ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | (cfg->direct ? O_DIRECT : 0);

	/* A FIFO opened read-only would hang the start; but io_uring must not see O_NONBLOCK later.
	 */
	f.fd = handed_open(cfg->path, flags | (cfg->ro ? O_NONBLOCK : 0), 0);
	if (f.fd < 0)
		return explain_open(cfg, errno, err, errlen);
	ret = cfg->ro && fcntl(f.fd, F_SETFL, flags & O_DIRECT) ? -errno : bfile_measure(&f);
	if (!ret && cfg->direct && (ret = probe_align(&f)) == 0)
		ret = bfile_measure(&f);
	if (ret == -ENOTBLK) {
		snprintf(err, errlen,
			 "--block id=%s: %s is neither a regular file nor a block device", cfg->id,
			 cfg->path);
	} else if (ret) {
		snprintf(err, errlen, "--block id=%s: cannot use %s%s: %s%s", cfg->id, cfg->path,
			 cfg->direct ? " with O_DIRECT" : "", strerror(-ret),
			 cfg->direct ? ": leave out ,direct" : "");
	} else if (f.size == 0) {
		snprintf(err, errlen,
			 "--block id=%s: %s has less than one block: grow it, for example with "
			 "'truncate -s 64M'",
			 cfg->id, cfg->path);
		ret = -EINVAL;
	} else {
		ret = lock_file(f.fd, cfg, err, errlen);
	}
	if (ret) {
		bfile_close(&f);
		return ret;
	}
	*ret_f = f;
	return 0;
}

void bfile_close(struct bfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->bounce);
	f->fd = -1;
	f->bounce = NULL;
}

bool bfile_aligned(const struct bfile *f, const struct iovec *iov, unsigned n, uint64_t off)
{
	uintptr_t bits = (uintptr_t)off;

	if (f->align == 1)
		return true;
	for (unsigned i = 0; i < n; i++)
		bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return !(bits & (f->align - 1));
}

static uint64_t iov_bytes(const struct iovec *iov, unsigned n)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* Drop the first `done` bytes. */
static void iov_advance(struct iovec **iov, unsigned *n, size_t done)
{
	while (*n && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		++*iov;
		--*n;
	}
	if (*n && done) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

static ssize_t write_some(struct bfile *f, const struct iovec *iov, unsigned n, uint64_t off,
			  bool stable)
{
	if (stable && !f->no_dsync) {
		ssize_t ret = vec_write(f->fd, iov, n, off, RWF_DSYNC);

		if (ret >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
			return ret;
		f->no_dsync = true;
	}
	return vec_write(f->fd, iov, n, off, 0);
}

/* All of iov, aligned as the file wants it. */
static int transfer(struct bfile *f, bool write, struct iovec *iov, unsigned n, uint64_t off,
		    bool stable)
{
	uint64_t left = iov_bytes(iov, n);

	while (left) {
		ssize_t done =
			write ? write_some(f, iov, n, off, stable) : vec_read(f->fd, iov, n, off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			return write ? -ENOSPC : -EIO; /* the file is shorter than it was */
		left -= (uint64_t)done;
		off += (uint64_t)done;
		iov_advance(&iov, &n, (size_t)done);
	}
	return write && stable && f->no_dsync ? bfile_sync(f) : 0;
}

static int bounce_io(struct bfile *f, bool write, uint64_t off, uint32_t len, bool stable)
{
	struct iovec iov = {.iov_base = f->bounce, .iov_len = len};

	return transfer(f, write, &iov, 1, off, stable);
}

/* Copy between the guest's buffers and the bounce buffer, consuming the former. */
static void bounce_copy(bool to_guest, struct iovec **iov, unsigned *n, uint8_t *p, size_t len)
{
	while (len && *n) {
		size_t part = (*iov)->iov_len < len ? (*iov)->iov_len : len;

		if (to_guest)
			memcpy((*iov)->iov_base, p, part);
		else
			memcpy(p, (*iov)->iov_base, part);
		iov_advance(iov, n, part);
		p += part;
		len -= part;
	}
}

static int transfer_unaligned(struct bfile *f, bool write, struct iovec *iov, unsigned n,
			      uint64_t off, bool stable)
{
	uint64_t end = off + iov_bytes(iov, n), mask = f->align - 1;

	while (off < end) {
		uint64_t lo = off & ~mask;
		uint64_t hi = lo + BOUNCE_SIZE < end ? lo + BOUNCE_SIZE : end;
		uint32_t len = (uint32_t)(((hi + mask) & ~mask) - lo);
		bool partial = off != lo || (hi & mask);
		int ret = 0;

		if (!write || partial)
			ret = bounce_io(f, false, lo, len, false);
		if (ret)
			return ret;
		bounce_copy(!write, &iov, &n, f->bounce + (off - lo), hi - off);
		if (write)
			ret = bounce_io(f, true, lo, len, stable);
		if (ret)
			return ret;
		off = hi;
	}
	return 0;
}

int bfile_read(struct bfile *f, struct iovec *iov, unsigned n, uint64_t off)
{
	if (!bfile_aligned(f, iov, n, off))
		return transfer_unaligned(f, false, iov, n, off, false);
	return transfer(f, false, iov, n, off, false);
}

int bfile_write(struct bfile *f, struct iovec *iov, unsigned n, uint64_t off, bool stable)
{
	if (!bfile_aligned(f, iov, n, off))
		return transfer_unaligned(f, true, iov, n, off, stable);
	return transfer(f, true, iov, n, off, stable);
}

int bfile_sync(struct bfile *f)
{
	return fdatasync(f->fd) ? -errno : 0;
}

static int punch(struct bfile *f, int mode, uint64_t off, uint64_t len)
{
	int ret;

	do {
		ret = fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) ? -errno
											   : 0;
	} while (ret == -EINTR);
	return ret;
}

static bool unsupported(int ret)
{
	return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -EINVAL || ret == -ENODEV;
}

int bfile_discard(struct bfile *f, uint64_t off, uint64_t len)
{
	int ret = punch(f, FALLOC_FL_PUNCH_HOLE, off, len);

	return unsupported(ret) ? 0 : ret;
}

int bfile_zero(struct bfile *f, uint64_t off, uint64_t len, bool unmap, bool stable)
{
	int ret = -EOPNOTSUPP;

	if (unmap)
		ret = punch(f, FALLOC_FL_PUNCH_HOLE, off, len);
	if (unsupported(ret) && !f->no_zero) {
		ret = punch(f, FALLOC_FL_ZERO_RANGE, off, len);
		f->no_zero = unsupported(ret);
	}
	if (!unsupported(ret))
		return ret || !stable ? ret : bfile_sync(f);
	while (len) {
		struct iovec iov = {.iov_base = zeroes,
				    .iov_len = len < sizeof zeroes ? len : sizeof zeroes};
		uint64_t part = iov.iov_len;

		ret = bfile_write(f, &iov, 1, off, stable);
		if (ret)
			return ret;
		f->zeroes_written += part;
		off += part;
		len -= part;
	}
	return 0;
}
