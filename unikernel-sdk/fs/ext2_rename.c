/* SPDX-License-Identifier: MIT
 *
 * ext2_rename.c: rename, so that a crash at any moment leaves the file under its old name, its new
 * name or both, and a replaced name never absent: a name that exists is pointed elsewhere by one
 * block write.
 */
#include "fs/ext2.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/ext2_dir.h"

#define m uk__ext2

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
		.name = name, .len = strlen(name), .ino = ino, .type = uk__dir_file_type(mode)};
	errcode_t e = ext2fs_dir_iterate2(m.fs, dir->ino, 0, NULL, retarget_entry, &rt);

	if (!e && !rt.done)
		e = EXT2_ET_FILE_NOT_FOUND;
	if (!e && strcmp(name, "..") != 0)
		uk__dir_remember(dir->ino, name, ino);
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
		r = uk__dir_check_removal(old, S_ISDIR(n->inode.i_mode));
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
	int r = uk__dir_begin(from);

	if (r == 0)
		r = uk__dir_begin(to);
	if (r == 0)
		r = old ? retarget_name(to, to_name, n->ino, n->inode.i_mode)
			: uk__dir_add_name(to, to_name, n->ino, n->inode.i_mode);
	if (r == 0)
		r = uk__dir_end(to);
	/* In different blocks the new name must be on disk before the old one goes, or a crash in
	 * between loses the file. */
	if (r == 0 && (from != to || uk__node_size(to) > m.bsize))
		r = uk__ext2_writeback(false);
	if (r == 0)
		r = uk__node_flush(from);
	if (r == 0)
		r = uk__dir_remove_name(from, from_name, n->ino);
	if (r == 0)
		r = uk__dir_end(from);
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
				uk__dir_drop_link(old, to);
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
