/* SPDX-License-Identifier: MIT
 *
 * ext2_dir.c: names. Lookups are remembered in a small table, absent names too, so that a hot path
 * costs no directory search. Every change of a directory goes through uk__dir_begin() and
 * uk__dir_end(), which keep the directory's node and libext2fs' idea of its inode the same.
 * Directory contents are checked by libext2fs.
 */
#include "fs/ext2_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define m uk__ext2

#define LINK_MAX_EXT2 65000u

/* --- name cache ---------------------------------------------------------------------- */

#define NAMES	 256u
#define NAME_LEN 36u

static struct {
	ext2_ino_t dir, ino; /* dir 0 = unused; ino 0 = no such name */
	char name[NAME_LEN + 4];
} names[NAMES];

static unsigned name_slot(ext2_ino_t dir, const char *name, size_t len)
{
	uint32_t h = dir * 2654435761u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 16777619u;
	return (h ^ h >> 15) % NAMES;
}

static bool recall(ext2_ino_t dir, const char *name, size_t len, ext2_ino_t *ret_ino)
{
	unsigned i = name_slot(dir, name, len);

	if (len > NAME_LEN || names[i].dir != dir || strcmp(names[i].name, name) != 0)
		return false;
	*ret_ino = names[i].ino;
	return true;
}

void uk__dir_remember(ext2_ino_t dir, const char *name, ext2_ino_t ino)
{
	size_t len = strlen(name);
	unsigned i = name_slot(dir, name, len);

	if (len > NAME_LEN)
		return;
	names[i].dir = dir;
	names[i].ino = ino;
	memcpy(names[i].name, name, len + 1);
}

void uk__dir_forget(ext2_ino_t dir)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (names[i].dir == dir)
			names[i].dir = 0;
}

int uk__dir_lookup(struct uk_node *dir, const char *name, uint32_t *ret_ino)
{
	size_t len = strlen(name);
	ext2_ino_t ino = 0;
	errcode_t e;

	if (!S_ISDIR(dir->inode.i_mode))
		return -ENOTDIR;
	if (dir->zombie)
		return -ENOENT;
	if (!recall(dir->ino, name, len, &ino)) {
		e = ext2fs_lookup(m.fs, dir->ino, name, (int)len, NULL, &ino);
		if (e && e != EXT2_ET_FILE_NOT_FOUND)
			return uk__ext2_err(e);
		if (e)
			ino = 0;
		uk__dir_remember(dir->ino, name, ino);
	}
	if (ino == 0)
		return -ENOENT;
	*ret_ino = ino;
	return 0;
}

/* --- changing a directory ------------------------------------------------------------ */

int uk__dir_begin(struct uk_node *dir)
{
	int r = uk__ext2_begin(true);

	return r < 0 ? r : uk__node_flush(dir);
}

int uk__dir_end(struct uk_node *dir)
{
	int r = uk__node_reload(dir);

	if (r == 0)
		uk__node_touch(dir, true);
	return r;
}

uint8_t uk__dir_file_type(mode_t mode)
{
	return S_ISDIR(mode) ? EXT2_FT_DIR : S_ISLNK(mode) ? EXT2_FT_SYMLINK : EXT2_FT_REG_FILE;
}

/* Add a name; the directory grows when it is full. */
int uk__dir_add_name(struct uk_node *dir, const char *name, ext2_ino_t ino, mode_t mode)
{
	errcode_t e = ext2fs_link(m.fs, dir->ino, name, ino, uk__dir_file_type(mode));

	if (e == EXT2_ET_DIR_NO_SPACE) {
		e = ext2fs_expand_dir(m.fs, dir->ino);
		if (!e)
			e = ext2fs_link(m.fs, dir->ino, name, ino, uk__dir_file_type(mode));
	}
	if (!e)
		uk__dir_remember(dir->ino, name, ino);
	return uk__ext2_err(e);
}

int uk__dir_remove_name(struct uk_node *dir, const char *name, ext2_ino_t ino)
{
	errcode_t e = ext2fs_unlink(m.fs, dir->ino, name, ino, 0);

	if (!e)
		uk__dir_remember(dir->ino, name, 0);
	return uk__ext2_err(e == EXT2_ET_DIR_NO_SPACE ? EXT2_ET_FILE_NOT_FOUND : e);
}

/* A place for a new name: the directory is alive and the name is free. */
static int check_new(struct uk_node *dir, const char *name)
{
	uint32_t ino;
	int r = uk__dir_lookup(dir, name, &ino);

	if (r == 0)
		return -EEXIST;
	if (r == -ENOENT)
		return dir->zombie ? -ENOENT : uk__dir_begin(dir);
	return r;
}

static errcode_t new_inode(struct uk_node *dir, mode_t mode, ext2_ino_t *ret_ino)
{
	errcode_t e = ext2fs_new_inode(m.fs, dir->ino, (int)mode, NULL, ret_ino);

	if (e == EXT2_ET_INODE_ALLOC_FAIL && uk__ext2_reclaim() && uk__dir_begin(dir) == 0)
		e = ext2fs_new_inode(m.fs, dir->ino, (int)mode, NULL, ret_ino);
	m.new_inodes = true;
	return e;
}

/* The inode is made and counted; name it, or take it back. */
static int publish(struct uk_node *dir, const char *name, ext2_ino_t ino, struct uk_node **ret_node)
{
	struct uk_node *n;
	int r = uk__node_get(ino, &n), r2;

	if (r)
		return r;
	n->fresh = true;
	r = uk__dir_add_name(dir, name, ino, n->inode.i_mode);
	r2 = uk__dir_end(dir);
	if (r < 0) {
		if (S_ISDIR(n->inode.i_mode) && r2 == 0)
			dir->inode.i_links_count--;
		uk__node_condemn(n);
		uk__node_put(n);
		return r;
	}
	*ret_node = n;
	return 0;
}

int uk__dir_create(struct uk_node *dir, const char *name, mode_t mode, struct uk_node **ret_node)
{
	struct ext2_inode inode = {.i_mode = (uint16_t)mode, .i_links_count = 1};
	ext2_extent_handle_t h;
	ext2_ino_t ino;
	errcode_t e;
	int r = check_new(dir, name);

	if (r)
		return r;
	e = new_inode(dir, mode, &ino);
	if (!e && ext2fs_has_feature_extents(m.fs->super)) {
		/* With no block set, opening makes an empty extent header. */
		e = ext2fs_extent_open2(m.fs, ino, &inode, &h);
		if (!e)
			ext2fs_extent_free(h);
	}
	if (!e)
		e = ext2fs_write_new_inode(m.fs, ino, &inode);
	if (e)
		return uk__ext2_err(e);
	ext2fs_inode_alloc_stats2(m.fs, ino, +1, 0);
	r = publish(dir, name, ino, ret_node);
	if (r == 0)
		uk__node_touch(*ret_node, true);
	return r;
}

/* A folder, or a link to target. */
static errcode_t make(ext2_ino_t dir, ext2_ino_t ino, const char *target)
{
	return target ? ext2fs_symlink(m.fs, dir, ino, NULL, target)
		      : ext2fs_mkdir(m.fs, dir, ino, NULL);
}

static int make_named(struct uk_node *dir, const char *name, mode_t mode, const char *target)
{
	struct uk_node *n;
	ext2_ino_t ino;
	errcode_t e;
	int r;

	e = new_inode(dir, mode, &ino);
	if (!e)
		e = make(dir->ino, ino, target);
	if (e == EXT2_ET_BLOCK_ALLOC_FAIL && uk__ext2_reclaim() && uk__dir_begin(dir) == 0)
		e = make(dir->ino, ino, target);
	if (e)
		return uk__ext2_err(e);
	r = publish(dir, name, ino, &n);
	if (r)
		return r;
	if (!target)
		n->inode.i_mode = (uint16_t)mode;
	uk__node_touch(n, true);
	uk__node_put(n);
	return 0;
}

int uk__dir_mkdir(struct uk_node *dir, const char *name, mode_t mode)
{
	int r = check_new(dir, name);

	if (r)
		return r;
	if (dir->inode.i_links_count >= LINK_MAX_EXT2)
		return -EMLINK;
	return make_named(dir, name, S_IFDIR | (mode & 07777), NULL);
}

int uk__dir_symlink(struct uk_node *dir, const char *name, const char *target)
{
	int r = check_new(dir, name);

	if (r)
		return r;
	if (strlen(target) >= m.bsize)
		return -ENAMETOOLONG;
	return make_named(dir, name, S_IFLNK | 0777, target);
}

int uk__dir_link(struct uk_node *dir, const char *name, struct uk_node *n)
{
	int r, r2;

	if (S_ISDIR(n->inode.i_mode))
		return -EPERM;
	if (n->zombie)
		return -ENOENT;
	if (n->inode.i_links_count >= LINK_MAX_EXT2)
		return -EMLINK;
	r = check_new(dir, name);
	if (r)
		return r;
	/* The count goes up before the name exists: too high is harmless after a crash, too low is
	 * not. */
	n->inode.i_links_count++;
	uk__node_touch(n, false);
	r = uk__node_flush(n);
	if (r == 0)
		r = uk__dir_add_name(dir, name, n->ino, n->inode.i_mode);
	r2 = uk__dir_end(dir);
	if (r < 0) {
		n->inode.i_links_count--;
		n->dirty = true;
	}
	return r < 0 ? r : r2;
}

static int not_dot(ext2_ino_t dir, int entry, struct ext2_dir_entry *d, int offset, int size,
		   char *buf, void *arg)
{
	int len = ext2fs_dirent_name_len(d);

	(void)dir;
	(void)entry;
	(void)offset;
	(void)size;
	(void)buf;
	if (len == 1 && d->name[0] == '.')
		return 0;
	if (len == 2 && d->name[0] == '.' && d->name[1] == '.')
		return 0;
	*(bool *)arg = false;
	return DIRENT_ABORT;
}

static int is_empty(struct uk_node *dir, bool *ret_empty)
{
	*ret_empty = true;
	return uk__ext2_err(ext2fs_dir_iterate2(m.fs, dir->ino, 0, NULL, not_dot, ret_empty));
}

/* One name of n is gone from its directory. */
void uk__dir_drop_link(struct uk_node *n, struct uk_node *dir)
{
	if (S_ISDIR(n->inode.i_mode)) {
		if (dir->inode.i_links_count > 2)
			dir->inode.i_links_count--;
		dir->dirty = true;
		uk__node_condemn(n);
	} else if (n->inode.i_links_count > 1) {
		n->inode.i_links_count--;
		uk__node_touch(n, false);
	} else {
		uk__node_condemn(n);
	}
}

/* May n be removed, by rmdir or by unlink? */
int uk__dir_check_removal(struct uk_node *n, bool rmdir)
{
	bool dir = S_ISDIR(n->inode.i_mode), empty;
	int r;

	if (dir && !rmdir)
		return -EISDIR;
	if (!dir && rmdir)
		return -ENOTDIR;
	if (!dir)
		return 0;
	if (n->ino == UK_FS_ROOT)
		return -EBUSY;
	r = is_empty(n, &empty);
	return r < 0 ? r : empty ? 0 : -ENOTEMPTY;
}

int uk__dir_unlink(struct uk_node *dir, const char *name, bool rmdir)
{
	struct uk_node *n;
	uint32_t ino = 0;
	int r = uk__dir_lookup(dir, name, &ino);

	if (r)
		return r;
	r = uk__node_get(ino, &n);
	if (r)
		return r;
	r = uk__dir_check_removal(n, rmdir);
	if (r == 0)
		r = uk__dir_begin(dir);
	if (r == 0)
		r = uk__dir_remove_name(dir, name, ino);
	if (r == 0)
		r = uk__dir_end(dir);
	if (r == 0)
		uk__dir_drop_link(n, dir);
	uk__node_put(n);
	return r;
}
