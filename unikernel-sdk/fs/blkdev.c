/* SPDX-License-Identifier: MIT
 *
 * blkdev.c: /dev/vda... as files of bytes. Whole sectors go straight to the disk; anything else
 * goes through a one-page bounce with read-modify-write. Nothing is cached, so O_DIRECT changes
 * nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "drivers/blk.h"
#include "fd.h"
#include "fs/devfs.h"
#include "fs/fs.h"

#define BOUNCE 4096u

#define BLKROGET     0x125eu
#define BLKGETSIZE   0x1260u
#define BLKFLSBUF    0x1261u
#define BLKSSZGET    0x1268u
#define BLKDISCARD   0x1277u
#define BLKPBSZGET   0x127bu
#define BLKZEROOUT   0x127fu
#define BLKBSZGET    0x80081270u
#define BLKGETSIZE64 0x80081272u

static uint64_t bytes(const struct uk_blk *b)
{
	return b->sectors * UK_SECTOR;
}

/* A piece that is not whole sectors: through the bounce, up to its end. */
static ssize_t piece(struct uk_blk *b, bool write, uint64_t pos, uint8_t *p, size_t len)
{
	static uint8_t bounce[BOUNCE];
	uint64_t first = pos - pos % UK_SECTOR;
	size_t in = (size_t)(pos - first), n = len < BOUNCE - in ? len : BOUNCE - in;
	size_t span = (in + n + UK_SECTOR - 1) & ~(size_t)(UK_SECTOR - 1);
	int r = uk__blk_rw(b, false, first / UK_SECTOR, bounce, span);

	if (r < 0)
		return r;
	if (!write) {
		memcpy(p, bounce + in, n);
		return (ssize_t)n;
	}
	memcpy(bounce + in, p, n);
	r = uk__blk_rw(b, true, first / UK_SECTOR, bounce, span);
	return r < 0 ? r : (ssize_t)n;
}

static ssize_t transfer(struct uk_blk *b, bool write, uint64_t pos, uint8_t *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t whole = (len - done) & ~(size_t)(UK_SECTOR - 1);
		ssize_t k;

		if ((pos + done) % UK_SECTOR || whole == 0)
			k = piece(b, write, pos + done, p + done, len - done);
		else
			k = uk__blk_rw(b, write, (pos + done) / UK_SECTOR, p + done, whole) < 0
				    ? -EIO
				    : (ssize_t)whole;
		if (k < 0)
			return done ? (ssize_t)done : k;
		done += (size_t)k;
	}
	return (ssize_t)done;
}

static ssize_t each(struct uk_file *f, bool write, const struct iovec *iov, int n, int64_t off)
{
	struct uk_blk *b = f->priv;
	uint64_t pos = (uint64_t)(off < 0 ? f->pos : off);
	ssize_t sum = 0, k = 0;
	int r;

	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;

		if (len == 0)
			continue;
		if (pos >= bytes(b))
			uk__blk_measure(b);
		if (pos >= bytes(b)) {
			k = write ? -ENOSPC : 0;
			break;
		}
		if (len > bytes(b) - pos)
			len = bytes(b) - pos;
		k = transfer(b, write, pos, iov[i].iov_base, len);
		if (k < 0)
			break;
		sum += k;
		pos += (uint64_t)k;
		if ((size_t)k < iov[i].iov_len)
			break;
	}
	if (off < 0)
		f->pos = (int64_t)pos;
	if (sum == 0 && k < 0)
		return k;
	if (write && f->flags & O_DSYNC) {
		r = uk__blk_flush(b);
		if (r < 0)
			return r;
	}
	return sum;
}

static ssize_t dev_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	return each(f, false, iov, n, off);
}

static ssize_t dev_writev(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	return each(f, true, iov, n, off);
}

static int64_t dev_lseek(struct uk_file *f, int64_t off, int whence)
{
	if (whence == SEEK_END)
		uk__blk_measure(f->priv);
	int64_t base = whence == SEEK_SET   ? 0
		       : whence == SEEK_CUR ? f->pos
		       : whence == SEEK_END ? (int64_t)bytes(f->priv)
					    : -1;

	if (base < 0 || __builtin_add_overflow(base, off, &base) || base < 0 ||
	    (uint64_t)base > bytes(f->priv))
		return -EINVAL;
	return f->pos = base;
}

static int range_ioctl(struct uk_file *f, enum uk_blk_op op, const uint64_t range[2])
{
	struct uk_blk *b = f->priv;
	uint64_t end;

	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if ((range[0] | range[1]) % UK_SECTOR || __builtin_add_overflow(range[0], range[1], &end) ||
	    end > bytes(b))
		return -EINVAL;
	return uk__blk_range(b, op, range[0] / UK_SECTOR, range[1] / UK_SECTOR);
}

static long dev_ioctl(struct uk_file *f, unsigned long req, long arg)
{
	struct uk_blk *b = f->priv;

	if ((uint32_t)req == BLKGETSIZE64 || (uint32_t)req == BLKGETSIZE)
		uk__blk_measure(b);
	switch ((uint32_t)req) {
	case BLKGETSIZE64:
		*(uint64_t *)arg = bytes(b);
		return 0;
	case BLKGETSIZE:
		*(unsigned long *)arg = b->sectors;
		return 0;
	case BLKSSZGET:
		*(int *)arg = (int)UK_SECTOR;
		return 0;
	case BLKPBSZGET:
		*(unsigned *)arg = b->block_size;
		return 0;
	case BLKBSZGET:
		*(int *)arg = (int)BOUNCE;
		return 0;
	case BLKROGET:
		*(int *)arg = b->ro;
		return 0;
	case BLKFLSBUF:
		return uk__blk_flush(b);
	case BLKDISCARD:
		return range_ioctl(f, UK_BLK_DISCARD, (const uint64_t *)arg);
	case BLKZEROOUT:
		return range_ioctl(f, UK_BLK_ZERO, (const uint64_t *)arg);
	default:
		return -ENOTTY;
	}
}

static int dev_fstat(struct uk_file *f, struct stat *st)
{
	const struct uk_blk *b = f->priv;
	unsigned n = 0;

	while (uk__blk_get(n) && uk__blk_get(n) != b)
		n++;
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFBLK | 0660;
	st->st_nlink = 1;
	st->st_rdev = makedev(254, n * 16);
	st->st_blksize = BOUNCE;
	return 0;
}

static int dev_fsync(struct uk_file *f, bool data_only)
{
	(void)data_only;
	return uk__blk_flush(f->priv);
}

static const struct uk_fops blkdev_ops = {
	.name = "disk",
	.readv = dev_readv,
	.writev = dev_writev,
	.lseek = dev_lseek,
	.ioctl = dev_ioctl,
	.fstat = dev_fstat,
	.fsync = dev_fsync,
};

int uk__blkdev_open(unsigned n, int flags, struct uk_file **ret_file)
{
	struct uk_blk *b = uk__blk_get(n);
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	struct uk_file *f;

	if (!b)
		return -ENXIO;
	if (writes && b->ro)
		return -EROFS;
	if (writes && uk__fs_owns() == b)
		return -EBUSY;
	f = uk__file_new(&blkdev_ops, flags, b);
	if (!f)
		return -ENOMEM;
	*ret_file = f;
	return 0;
}

struct uk_blk *uk__blkdev_of(const struct uk_file *f)
{
	return f->ops == &blkdev_ops ? f->priv : NULL;
}
