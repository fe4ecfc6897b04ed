/* SPDX-License-Identifier: MIT
 *
 * devfs.c: /dev. A table of names; what opens as the console or as another descriptor shares that
 * file.
 */
#include "fs/devfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "console.h"
#include "drivers/blk.h"
#include "fd.h"
#include "fs/dent.h"
#include "sys.h"

enum kind { NUL, ZERO, FULL, RANDOM, CONSOLE, FD, DISK };

static const struct {
	const char *name;
	enum kind kind;
	int arg; /* descriptor or disk */
	unsigned major, minor;
} devs[] = {
	{"null", NUL, 0, 1, 3},	       {"zero", ZERO, 0, 1, 5},	     {"full", FULL, 0, 1, 7},
	{"random", RANDOM, 0, 1, 8},   {"urandom", RANDOM, 0, 1, 9}, {"tty", CONSOLE, 0, 5, 0},
	{"console", CONSOLE, 0, 5, 1}, {"stdin", FD, 0, 5, 1},	     {"stdout", FD, 1, 5, 1},
	{"stderr", FD, 2, 5, 1},       {"vda", DISK, 0, 254, 0},     {"vdb", DISK, 1, 254, 16},
	{"vdc", DISK, 2, 254, 32},     {"vdd", DISK, 3, 254, 48},
};
#define NDEVS	 ((int)(sizeof(devs) / sizeof(devs[0])))
#define FIRST_FD 1000 /* ids from here on are /dev/fd/0... */
#define DIR_INO	 0x10000000u

static bool present(int id)
{
	return devs[id].kind != DISK || uk__blk_get((unsigned)devs[id].arg);
}

int uk__devfs_find(const char *name)
{
	for (int i = 0; i < NDEVS; i++)
		if (strcmp(devs[i].name, name) == 0)
			return present(i) ? i : -ENOENT;
	return -ENOENT;
}

int uk__devfs_fd(const char *number)
{
	char *end;
	unsigned long n = strtoul(number, &end, 10);

	if (*number < '0' || *number > '9' || *end || n >= UK_MAX_FDS || !uk__fd_get((int)n))
		return -ENOENT;
	return FIRST_FD + (int)n;
}

/* --- contents ------------------------------------------------------------------------ */

static ssize_t each(const struct iovec *iov, int n, void (*fill)(void *, unsigned long))
{
	ssize_t sum = 0;

	for (int i = 0; i < n; i++) {
		if (fill)
			fill(iov[i].iov_base, iov[i].iov_len);
		sum += (ssize_t)iov[i].iov_len;
	}
	return sum;
}

static void fill_zero(void *p, unsigned long len)
{
	memset(p, 0, len);
}

static ssize_t read_eof(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)iov;
	(void)n;
	(void)off;
	return 0;
}

static ssize_t read_zero(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)off;
	return each(iov, n, fill_zero);
}

static ssize_t read_random(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)off;
	return each(iov, n, uk__random);
}

static ssize_t write_sink(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)off;
	return each(iov, n, NULL);
}

static ssize_t write_full(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)off;
	return each(iov, n, NULL) ? -ENOSPC : 0;
}

static int64_t seek_nowhere(struct uk_file *f, int64_t off, int whence)
{
	(void)f;
	(void)off;
	(void)whence;
	return 0;
}

static int stat_dev(struct uk_file *f, struct stat *ret_st)
{
	uk__devfs_stat((int)(intptr_t)f->priv, ret_st);
	return 0;
}

static const struct uk_fops dev_ops[] = {
	[NUL] = {.name = "null",
		 .readv = read_eof,
		 .writev = write_sink,
		 .lseek = seek_nowhere,
		 .fstat = stat_dev},
	[ZERO] = {.name = "zero",
		  .readv = read_zero,
		  .writev = write_sink,
		  .lseek = seek_nowhere,
		  .fstat = stat_dev},
	[FULL] = {.name = "full",
		  .readv = read_zero,
		  .writev = write_full,
		  .lseek = seek_nowhere,
		  .fstat = stat_dev},
	[RANDOM] = {.name = "random",
		    .readv = read_random,
		    .writev = write_sink,
		    .lseek = seek_nowhere,
		    .fstat = stat_dev},
};

static int share_fd(int fd, struct uk_file **ret_file)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f)
		return -ENXIO;
	f->refs++;
	*ret_file = f;
	return 0;
}

int uk__devfs_open(int id, int flags, struct uk_file **ret_file)
{
	struct uk_file *f;

	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (id >= FIRST_FD)
		return share_fd(id - FIRST_FD, ret_file);
	switch (devs[id].kind) {
	case CONSOLE:
		*ret_file = uk__console_file();
		return 0;
	case FD:
		return share_fd(devs[id].arg, ret_file);
	case DISK:
		return uk__blkdev_open((unsigned)devs[id].arg, flags, ret_file);
	default:
		f = uk__file_new(&dev_ops[devs[id].kind], flags, (void *)(intptr_t)id);
		if (!f)
			return -ENOMEM;
		*ret_file = f;
		return 0;
	}
}

void uk__devfs_stat(int id, struct stat *ret_st)
{
	struct uk_file *f;

	memset(ret_st, 0, sizeof(*ret_st));
	if (id >= FIRST_FD) {
		f = uk__fd_get(id - FIRST_FD);
		if (f && f->ops->fstat)
			f->ops->fstat(f, ret_st);
		return;
	}
	ret_st->st_ino = DIR_INO + 1 + (unsigned)id;
	ret_st->st_mode = (devs[id].kind == DISK ? S_IFBLK : S_IFCHR) | 0666;
	ret_st->st_nlink = 1;
	ret_st->st_rdev = makedev(devs[id].major, devs[id].minor);
	ret_st->st_blksize = 4096;
}

void uk__devfs_stat_dir(struct stat *ret_st)
{
	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->st_ino = DIR_INO;
	ret_st->st_mode = S_IFDIR | 0755;
	ret_st->st_nlink = 2;
	ret_st->st_blksize = 4096;
}

ssize_t uk__devfs_list(int64_t *pos, void *buf, size_t len)
{
	size_t used = 0;

	for (; *pos >= 0 && *pos < NDEVS + 2; ++*pos) {
		int i = (int)*pos - 2;
		const char *name = i < 0 ? &".."[1 - (i + 2)] : devs[i].name;
		uint8_t type = i < 0 ? DT_DIR : devs[i].kind == DISK ? DT_BLK : DT_CHR;
		size_t k;

		if (i >= 0 && !present(i))
			continue;
		k = uk__dent_put((uint8_t *)buf + used, len - used,
				 DIR_INO + 1u + (unsigned)(i < 0 ? 0 : i), *pos + 1, type, name,
				 strlen(name));
		if (k == 0)
			return used ? (ssize_t)used : -EINVAL;
		used += k;
	}
	return (ssize_t)used;
}

/* --- /etc/resolv.conf ---------------------------------------------------------------- */

#define RESOLV_MAX 512

struct text {
	size_t len;
	char s[RESOLV_MAX];
};

static ssize_t read_text(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	const struct text *t = f->priv;
	size_t pos = (size_t)(off < 0 ? f->pos : off);
	ssize_t sum = 0;

	for (int i = 0; i < n && pos < t->len; i++) {
		size_t k = iov[i].iov_len < t->len - pos ? iov[i].iov_len : t->len - pos;

		memcpy(iov[i].iov_base, t->s + pos, k);
		pos += k;
		sum += (ssize_t)k;
	}
	if (off < 0)
		f->pos = (int64_t)pos;
	return sum;
}

static int64_t seek_text(struct uk_file *f, int64_t off, int whence)
{
	const struct text *t = f->priv;

	off += whence == SEEK_CUR ? f->pos : whence == SEEK_END ? (int64_t)t->len : 0;
	if (off < 0 || whence > SEEK_END)
		return -EINVAL;
	return f->pos = off;
}

static int stat_text(struct uk_file *f, struct stat *ret_st)
{
	const struct text *t = f->priv;

	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->st_mode = S_IFREG | 0444;
	ret_st->st_nlink = 1;
	ret_st->st_size = (off_t)t->len;
	ret_st->st_blksize = 4096;
	return 0;
}

static void release_text(struct uk_file *f)
{
	free(f->priv);
}

static const struct uk_fops text_ops = {
	.name = "text",
	.readv = read_text,
	.lseek = seek_text,
	.fstat = stat_text,
	.release = release_text,
};

bool uk__devfs_has_resolv(void)
{
	return uk__net_resolv_conf != NULL;
}

int uk__devfs_open_resolv(int flags, struct uk_file **ret_file)
{
	struct text *t;
	int r;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	if (!uk__net_resolv_conf)
		return -ENOENT;
	t = malloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	r = uk__net_resolv_conf(t->s, sizeof(t->s));
	t->len = r < 0 ? 0 : (size_t)r < sizeof(t->s) ? (size_t)r : sizeof(t->s);
	*ret_file = r < 0 ? NULL : uk__file_new(&text_ops, flags, t);
	if (!*ret_file)
		free(t);
	return *ret_file ? 0 : r < 0 ? r : -ENOMEM;
}
