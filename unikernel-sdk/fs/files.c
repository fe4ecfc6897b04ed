/* SPDX-License-Identifier: MIT
 *
 * files.c: descriptor operations for files and directories (see files.h). Positions live in struct
 * uk_file, so descriptors that were dup'ed share one.
 */
#include "fs/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "fs/dent.h"
#include "fs/devfs.h"
#include "fs/fs.h"
#include "fs/path.h"

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

struct open_node {
	struct uk_node *node;
	struct uk_ahead ahead;
};

static ssize_t node_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct open_node *o = f->priv;
	int64_t pos = off < 0 ? f->pos : off;
	ssize_t sum = 0;

	for (int i = 0; i < n; i++) {
		ssize_t k = uk__node_read(o->node, &o->ahead, iov[i].iov_base, iov[i].iov_len, pos);

		if (k < 0 && sum == 0)
			return k;
		if (k <= 0)
			break;
		sum += k;
		pos += k;
		if ((size_t)k < iov[i].iov_len)
			break;
	}
	if (off < 0)
		f->pos = pos;
	return sum;
}

static ssize_t node_writev(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct open_node *o = f->priv;
	int64_t pos = f->flags & O_APPEND ? uk__node_size(o->node) : off < 0 ? f->pos : off;
	ssize_t sum = 0;
	int r;

	for (int i = 0; i < n; i++) {
		ssize_t k = uk__node_write(o->node, iov[i].iov_base, iov[i].iov_len, pos);

		if (k < 0 && sum == 0)
			return k;
		if (k < 0)
			break;
		sum += k;
		pos += k;
		if ((size_t)k < iov[i].iov_len)
			break;
	}
	if (off < 0)
		f->pos = pos;
	if (f->flags & O_DSYNC) {
		r = uk__fs_sync();
		if (r < 0)
			return r;
	}
	uk__fs_relax();
	return sum;
}

static int64_t node_lseek(struct uk_file *f, int64_t off, int whence)
{
	struct open_node *o = f->priv;
	int64_t base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = uk__node_size(o->node);
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		off = uk__node_seek(o->node, off, whence == SEEK_HOLE);
		if (off < 0)
			return off;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &base) || base < 0)
		return -EINVAL;
	return f->pos = base;
}

static int node_fstat(struct uk_file *f, struct stat *st)
{
	struct open_node *o = f->priv;

	uk__node_stat(o->node, st);
	return 0;
}

static int node_fsync(struct uk_file *f, bool data_only)
{
	(void)f;
	(void)data_only;
	return uk__fs_sync();
}

static int node_truncate(struct uk_file *f, int64_t len)
{
	struct open_node *o = f->priv;
	int r = uk__node_truncate(o->node, len);

	uk__fs_relax();
	return r;
}

static void node_release(struct uk_file *f)
{
	struct open_node *o = f->priv;

	uk__node_put(o->node);
	free(o);
}

static const struct uk_fops file_ops = {
	.name = "file",
	.readv = node_readv,
	.writev = node_writev,
	.lseek = node_lseek,
	.fstat = node_fstat,
	.fsync = node_fsync,
	.truncate = node_truncate,
	.release = node_release,
};

static long dir_getdents(struct uk_file *f, void *buf, size_t len)
{
	struct open_node *o = f->priv;

	return uk__dir_read(o->node, &f->pos, buf, len);
}

static ssize_t dir_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)iov;
	(void)n;
	(void)off;
	return -EISDIR;
}

static int64_t dir_lseek(struct uk_file *f, int64_t off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	if (off < 0 || whence > SEEK_CUR)
		return -EINVAL;
	return f->pos = off;
}

static const struct uk_fops dir_ops = {
	.name = "directory",
	.readv = dir_readv,
	.lseek = dir_lseek,
	.fstat = node_fstat,
	.getdents = dir_getdents,
	.fsync = node_fsync,
	.release = node_release,
};

int uk__file_of_node(struct uk_node *n, int flags, struct uk_file **ret_file)
{
	bool dir = S_ISDIR(uk__node_mode(n));
	struct open_node *o;
	struct uk_file *f;

	if (!dir && flags & O_DIRECTORY)
		return -ENOTDIR;
	if (dir && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	if (!dir && !(flags & O_PATH) && !S_ISREG(uk__node_mode(n)))
		return -ENXIO; /* nodes of pipes and devices on the disk lead nowhere here */
	o = calloc(1, sizeof(*o));
	f = o ? uk__file_new(dir ? &dir_ops : &file_ops, flags, o) : NULL;
	if (!f) {
		free(o);
		return -ENOMEM;
	}
	o->node = n;
	*ret_file = f;
	return 0;
}

/* --- directories without a disk ------------------------------------------------------ */

static long root_getdents(struct uk_file *f, void *buf, size_t len)
{
	static const char *const names[] = {".", "..", "dev"};
	size_t used = 0;

	for (; f->pos >= 0 && f->pos < 3; f->pos++) {
		const char *name = names[f->pos];
		size_t k = uk__dent_put((char *)buf + used, len - used, 1, f->pos + 1,
					4 /* DT_DIR */, name, strlen(name));

		if (k == 0)
			return used ? (long)used : -EINVAL;
		used += k;
	}
	return (long)used;
}

static long dev_getdents(struct uk_file *f, void *buf, size_t len)
{
	return uk__devfs_list(&f->pos, buf, len);
}

static int made_up_fstat(struct uk_file *f, struct stat *st)
{
	(void)f;
	uk__devfs_stat_dir(st);
	return 0;
}

static const struct uk_fops root_ops = {
	.name = "root",
	.readv = dir_readv,
	.lseek = dir_lseek,
	.fstat = made_up_fstat,
	.getdents = root_getdents,
};
static const struct uk_fops dev_ops = {
	.name = "/dev",
	.readv = dir_readv,
	.lseek = dir_lseek,
	.fstat = made_up_fstat,
	.getdents = dev_getdents,
};

int uk__file_of_dir(const struct uk_place *p, int flags, struct uk_file **ret_file)
{
	if (!(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	*ret_file = uk__file_new(p->kind == UK_AT_DEVDIR ? &dev_ops : &root_ops, flags, NULL);
	return *ret_file ? 0 : -ENOMEM;
}

struct uk_node *uk__file_node(const struct uk_file *f)
{
	const struct open_node *o = f->priv;

	return f->ops == &file_ops || f->ops == &dir_ops ? o->node : NULL;
}

int uk__file_place(const struct uk_file *f, struct uk_place *ret_place)
{
	struct uk_node *n = uk__file_node(f);

	if (n && f->ops == &dir_ops)
		*ret_place = (struct uk_place){.kind = UK_AT_NODE, .node = uk__node_ref(n)};
	else if (f->ops == &root_ops)
		*ret_place = (struct uk_place){.kind = UK_AT_ROOT};
	else if (f->ops == &dev_ops)
		*ret_place = (struct uk_place){.kind = UK_AT_DEVDIR};
	else
		return -ENOTDIR;
	return 0;
}
