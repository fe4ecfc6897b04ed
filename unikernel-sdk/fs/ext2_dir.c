/* SPDX-License-Identifier: MIT
 *
 * ext2_dir.c: names. Lookups are remembered in a small table, absent names too, so that a hot path
 * costs no directory search. Every change of a directory goes through begin_dir() and end_dir(),
 * which keep the directory's node and libext2fs' idea of its inode the same. Directory contents are
 * checked by libext2fs.
 */
#include "fs/ext2.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/dent.h"

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

static void remember(ext2_ino_t dir, const char *name, ext2_ino_t ino)
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
		remember(dir->ino, name, ino);
	}
	if (ino == 0)
		return -ENOENT;
	*ret_ino = ino;
	return 0;
}

/* --- changing a directory ------------------------------------------------------------ */

static int begin_dir(struct uk_node *dir)
{
	int r = uk__ext2_begin(true);

	return r < 0 ? r : uk__node_flush(dir);
}

static int end_dir(struct uk_node *dir)
{
	int r = uk__node_reload(dir);

	if (r == 0)
		uk__node_touch(dir, true);
	return r;
}

static uint8_t file_type(mode_t mode)
{
	return S_ISDIR(mode) ? EXT2_FT_DIR : S_ISLNK(mode) ? EXT2_FT_SYMLINK : EXT2_FT_REG_FILE;
}

/* Add a name; the directory grows when it is full. */
static int add_name(struct uk_node *dir, const char *name, ext2_ino_t ino, mode_t mode)
{
	errcode_t e = ext2fs_link(m.fs, dir->ino, name, ino, file_type(mode));

	if (e == EXT2_ET_DIR_NO_SPACE) {
		e = ext2fs_expand_dir(m.fs, dir->ino);
		if (!e)
			e = ext2fs_link(m.fs, dir->ino, name, ino, file_type(mode));
	}
	if (!e)
		remember(dir->ino, name, ino);
	return uk__ext2_err(e);
}

static int remove_name(struct uk_node *dir, const char *name, ext2_ino_t ino)
{
	errcode_t e = ext2fs_unlink(m.fs, dir->ino, name, ino, 0);

	if (!e)
		remember(dir->ino, name, 0);
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
		return dir->zombie ? -ENOENT : begin_dir(dir);
	return r;
}

static errcode_t new_inode(struct uk_node *dir, mode_t mode, ext2_ino_t *ret_ino)
{
	errcode_t e = ext2fs_new_inode(m.fs, dir->ino, (int)mode, NULL, ret_ino);

	if (e == EXT2_ET_INODE_ALLOC_FAIL && uk__ext2_reclaim() && begin_dir(dir) == 0)
		e = ext2fs_new_inode(m.fs, dir->ino, (int)mode, NULL, ret_ino);
	m.new_inodes = true;
	return e;
}

/* The inode is made and counted; name it, or take it back. */
static int publish(struct uk_node *dir, const char *name, ext2_ino_t ino, struct uk_node **ret_node)
{
	struct uk_node *n;
	int r = uk__node_get(ino, &n), r2;

	if (r < 0)
		return r;
	n->fresh = true;
	r = add_name(dir, name, ino, n->inode.i_mode);
	r2 = end_dir(dir);
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

	if (r < 0)
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

int uk__dir_mkdir(struct uk_node *dir, const char *name, mode_t mode)
{
	struct uk_node *n;
	ext2_ino_t ino;
	errcode_t e;
	int r = check_new(dir, name);

	if (r < 0)
		return r;
	if (dir->inode.i_links_count >= LINK_MAX_EXT2)
		return -EMLINK;
	e = new_inode(dir, S_IFDIR | mode, &ino);
	if (!e)
		e = ext2fs_mkdir(m.fs, dir->ino, ino, NULL);
	if (e == EXT2_ET_BLOCK_ALLOC_FAIL && uk__ext2_reclaim() && begin_dir(dir) == 0)
		e = ext2fs_mkdir(m.fs, dir->ino, ino, NULL);
	if (e)
		return uk__ext2_err(e);
	r = publish(dir, name, ino, &n);
	if (r < 0)
		return r;
	n->inode.i_mode = (uint16_t)(S_IFDIR | (mode & 07777));
	uk__node_touch(n, true);
	uk__node_put(n);
	return 0;
}

int uk__dir_symlink(struct uk_node *dir, const char *name, const char *target)
{
	struct uk_node *n;
	ext2_ino_t ino;
	errcode_t e;
	int r = check_new(dir, name);

	if (r < 0)
		return r;
	if (strlen(target) >= m.bsize)
		return -ENAMETOOLONG;
	e = new_inode(dir, S_IFLNK | 0777, &ino);
	if (!e)
		e = ext2fs_symlink(m.fs, dir->ino, ino, NULL, target);
	if (e == EXT2_ET_BLOCK_ALLOC_FAIL && uk__ext2_reclaim() && begin_dir(dir) == 0)
		e = ext2fs_symlink(m.fs, dir->ino, ino, NULL, target);
	if (e)
		return uk__ext2_err(e);
	r = publish(dir, name, ino, &n);
	if (r < 0)
		return r;
	uk__node_touch(n, true);
	uk__node_put(n);
	return 0;
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
	if (r < 0)
		return r;
	/* The count goes up before the name exists: too high is harmless after a crash, too low is
	 * not. */
	n->inode.i_links_count++;
	uk__node_touch(n, false);
	r = uk__node_flush(n);
	if (r == 0)
		r = add_name(dir, name, n->ino, n->inode.i_mode);
	r2 = end_dir(dir);
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
static void drop_link(struct uk_node *n, struct uk_node *dir)
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
static int check_removal(struct uk_node *n, bool rmdir)
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
	uint32_t ino;
	int r = uk__dir_lookup(dir, name, &ino);

	if (r < 0)
		return r;
	r = uk__node_get(ino, &n);
	if (r < 0)
		return r;
	r = check_removal(n, rmdir);
	if (r == 0)
		r = begin_dir(dir);
	if (r == 0)
		r = remove_name(dir, name, ino);
	if (r == 0)
		r = end_dir(dir);
	if (r == 0)
		drop_link(n, dir);
	uk__node_put(n);
	return r;
}

/* --- rename -------------------------------------------------------------------------- */

struct retarget {
	const char *name;
	size_t len;
	ext2_ino_t ino;
	uint8_t type;
	bool done;
};

static int retarget_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *d, int offset, int size,
			  char *buf, void *arg)
{
	struct retarget *rt = arg;

	(void)dir;
	(void)entry;
	(void)offset;
	(void)size;
	(void)buf;
	if ((size_t)ext2fs_dirent_name_len(d) != rt->len || memcmp(d->name, rt->name, rt->len) != 0)
		return 0;
	d->inode = rt->ino;
	if (ext2fs_has_feature_filetype(m.fs->super))
		ext2fs_dirent_set_file_type(d, rt->type);
	rt->done = true;
	return DIRENT_CHANGED | DIRENT_ABORT;
}

/* Make an existing name refer to another inode: one block write, so it is never absent. */
static int retarget_name(struct uk_node *dir, const char *name, ext2_ino_t ino, mode_t mode)
{
	struct retarget rt = {
		.name = name, .len = strlen(name), .ino = ino, .type = file_type(mode)};
	errcode_t e = ext2fs_dir_iterate2(m.fs, dir->ino, 0, NULL, retarget_entry, &rt);

	if (!e && !rt.done)
		e = EXT2_ET_FILE_NOT_FOUND;
	if (!e && strcmp(name, "..") != 0)
		remember(dir->ino, name, ino);
	return uk__ext2_err(e);
}

/* Is `dir` equal to or below the directory `top`? Bounded, in case the disk has a loop. */
static int below(struct uk_node *dir, ext2_ino_t top)
{
	ext2_ino_t ino = dir->ino, up;

	for (unsigned i = 0; i < 4096 && ino != UK_FS_ROOT; i++) {
		errcode_t e;

		if (ino == top)
			return -EINVAL;
		e = ext2fs_lookup(m.fs, ino, "..", 2, NULL, &up);
		if (e)
			return uk__ext2_err(e);
		ino = up;
	}
	return ino == UK_FS_ROOT ? 0 : -EUCLEAN;
}

/* Everything that can refuse a rename, before anything changes. *ret_old: what to_name is now, or
 * NULL. */
static int check_rename(struct uk_node *n, struct uk_node *to, const char *to_name, bool noreplace,
			struct uk_node **ret_old)
{
	struct uk_node *old = NULL;
	uint32_t ino;
	int r = uk__dir_lookup(to, to_name, &ino);

	if (r == 0 && noreplace)
		return -EEXIST;
	if (r == 0)
		r = uk__node_get(ino, &old);
	else if (r == -ENOENT && !to->zombie)
		r = 0;
	if (r == 0 && S_ISDIR(n->inode.i_mode))
		r = below(to, n->ino);
	if (r == 0 && old && old != n) {
		r = check_removal(old, S_ISDIR(n->inode.i_mode));
		if (r == -EISDIR || r == -ENOTDIR)
			r = S_ISDIR(old->inode.i_mode) ? -EISDIR : -ENOTDIR;
	}
	if (r < 0) {
		uk__node_put(old);
		return r;
	}
	*ret_old = old;
	return 0;
}

/* A directory moved: its ".." and the link counts of both parents follow. */
static int reparent(struct uk_node *n, struct uk_node *from, struct uk_node *to)
{
	int r = uk__node_flush(n);

	if (r == 0)
		r = retarget_name(n, "..", to->ino, S_IFDIR);
	if (r == 0)
		r = uk__node_reload(n);
	uk__dir_forget(n->ino);
	to->inode.i_links_count++;
	to->dirty = true;
	if (from->inode.i_links_count > 2)
		from->inode.i_links_count--;
	from->dirty = true;
	return r;
}

static int move(struct uk_node *n, struct uk_node *from, const char *from_name, struct uk_node *to,
		const char *to_name, struct uk_node *old)
{
	int r = begin_dir(from);

	if (r == 0)
		r = begin_dir(to);
	if (r == 0)
		r = old ? retarget_name(to, to_name, n->ino, n->inode.i_mode)
			: add_name(to, to_name, n->ino, n->inode.i_mode);
	if (r == 0)
		r = end_dir(to);
	/* In different blocks the new name must be on disk before the old one goes, or a crash in
	 * between loses the file. */
	if (r == 0 && (from != to || uk__node_size(to) > m.bsize))
		r = uk__ext2_writeback(false);
	if (r == 0)
		r = uk__node_flush(from);
	if (r == 0)
		r = remove_name(from, from_name, n->ino);
	if (r == 0)
		r = end_dir(from);
	return r;
}

int uk__dir_rename(struct uk_node *from, const char *from_name, struct uk_node *to,
		   const char *to_name, bool noreplace)
{
	struct uk_node *n, *old = NULL;
	uint32_t ino;
	int r = uk__dir_lookup(from, from_name, &ino);

	if (r < 0)
		return r;
	r = uk__node_get(ino, &n);
	if (r < 0)
		return r;
	if (n->ino == UK_FS_ROOT)
		r = -EBUSY;
	if (r == 0)
		r = check_rename(n, to, to_name, noreplace, &old);
	if (r == 0 && old != n) {
		r = move(n, from, from_name, to, to_name, old);
		if (r == 0) {
			uk__node_touch(n, false);
			if (old)
				drop_link(old, to);
			if (S_ISDIR(n->inode.i_mode) && from != to)
				r = reparent(n, from, to);
		}
		if (old)
			old->fresh = false; /* it goes only after its successor is on disk */
	}
	uk__node_put(old);
	uk__node_put(n);
	return r;
}

/* --- listing ------------------------------------------------------------------------- */

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
