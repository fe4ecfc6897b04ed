/* SPDX-License-Identifier: MIT
 *
 * ext2_list.c: reading directories: getdents64 and the path of a directory. A position is a byte
 * offset in the directory, so that names may come and go between calls.
 */
#include "fs/ext2.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dent.h"

#define m uk__ext2

static const uint8_t dt_of[] = {DT_UNKNOWN, DT_REG,  DT_DIR,  DT_CHR,
				DT_BLK,	    DT_FIFO, DT_SOCK, DT_LNK};

/* One record; 0 when it does not fit. */
static size_t put_entry(uint8_t *buf, size_t room, const struct ext2_dir_entry *d, int64_t next)
{
	unsigned len = (unsigned)ext2fs_dirent_name_len(d);
	unsigned type = (unsigned)ext2fs_dirent_file_type(d);

	return uk__dent_put(buf, room, d->inode, next,
			    type < sizeof(dt_of) ? dt_of[type] : DT_UNKNOWN, d->name, len);
}

/* Entries of one block from byte `in` on. *pos moves past what was put. */
static ssize_t list_block(char *block, uint8_t *buf, size_t room, int64_t *pos)
{
	int64_t base = *pos - *pos % m.bsize;
	size_t used = 0;
	unsigned off = 0, rec;

	/* libext2fs checked the block when it read it; the walk is bounded all the same. */
	for (; off + 12 <= m.bsize; off += rec) {
		struct ext2_dir_entry *d = (struct ext2_dir_entry *)(void *)(block + off);
		size_t k;

		if (ext2fs_get_rec_len(m.fs, d, &rec) || rec < 8 || rec > m.bsize - off ||
		    (unsigned)ext2fs_dirent_name_len(d) + 8 > rec)
			return used ? (ssize_t)used : uk__ext2_err(EXT2_ET_DIR_CORRUPTED);
		if (base + off < *pos || d->inode == 0)
			continue;
		k = put_entry(buf + used, room - used, d, base + off + rec);
		if (k == 0)
			return used ? (ssize_t)used : -EINVAL;
		used += k;
		*pos = base + off + rec;
	}
	*pos = base + m.bsize;
	return (ssize_t)used;
}

ssize_t uk__dir_read(struct uk_node *dir, int64_t *pos, void *buf, size_t len)
{
	char *block;
	size_t used = 0;
	ssize_t k = 0;

	if (dir->zombie)
		return 0;
	if (*pos < 0)
		return -EINVAL;
	block = malloc(m.bsize);
	if (!block)
		return -ENOMEM;
	while (*pos < uk__node_size(dir)) {
		int64_t before = *pos;
		struct uk_extent ext;

		k = uk__node_map(dir, (uint32_t)((uint64_t)*pos / m.bsize), &ext);
		if (k == 0 && ext.pblk == 0)
			k = uk__ext2_err(EXT2_ET_DIR_CORRUPTED);
		if (k == 0)
			k = uk__ext2_err(
				ext2fs_read_dir_block4(m.fs, ext.pblk, block, 0, dir->ino));
		if (k == 0)
			k = list_block(block, (uint8_t *)buf + used, len - used, pos);
		if (k < 0)
			break;
		used += (size_t)k;
		if (*pos / m.bsize == before / m.bsize)
			break; /* full within the block */
	}
	free(block);
	return used ? (ssize_t)used : k < 0 ? k : 0;
}

ssize_t uk__dir_path(struct uk_node *dir, char *buf, size_t len)
{
	char *path;
	size_t n;
	errcode_t e;

	if (dir->zombie)
		return -ENOENT;
	e = ext2fs_get_pathname(m.fs, dir->ino, 0, &path);
	if (e)
		return uk__ext2_err(e);
	n = strlen(path) + 1;
	if (n <= len)
		memcpy(buf, path, n);
	free(path);
	return n <= len ? (ssize_t)n : -ERANGE;
}
