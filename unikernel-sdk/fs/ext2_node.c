/* SPDX-License-Identifier: MIT
 *
 * ext2_node.c: inodes in use, each once. Nodes without references stay cached up to a bound, so
 * that opening a hot file costs two hash lookups. Removed files live on as zombies until their
 * removal is on disk and the last descriptor is closed (the order rules are in ext2_mount.c).
 */
#include "fs/ext2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "platform.h"

#define BUCKETS	   64u
#define CACHED_MAX 64u

#define m uk__ext2

static struct uk_node *table[BUCKETS];
static struct uk_node *lru_first, *lru_last; /* most recently put first */
static unsigned ncached;

static int inode_bytes(void)
{
	int size = EXT2_INODE_SIZE(m.fs->super);

	return size < (int)sizeof(struct ext2_inode_large) ? size
							   : (int)sizeof(struct ext2_inode_large);
}

static void lru_add(struct uk_node *n)
{
	n->lru_prev = NULL;
	n->lru_next = lru_first;
	if (lru_first)
		lru_first->lru_prev = n;
	else
		lru_last = n;
	lru_first = n;
	ncached++;
}

static void lru_del(struct uk_node *n)
{
	if (n->lru_prev)
		n->lru_prev->lru_next = n->lru_next;
	else
		lru_first = n->lru_next;
	if (n->lru_next)
		n->lru_next->lru_prev = n->lru_prev;
	else
		lru_last = n->lru_prev;
	ncached--;
}

static void bury_one(struct uk_node *n);

static void forget(struct uk_node *n)
{
	struct uk_node **p = &table[n->ino % BUCKETS];

	while (*p != n)
		p = &(*p)->hash_next;
	*p = n->hash_next;
	free(n);
}

/* Keep the cache of unreferenced nodes within its bound. A node that cannot be flushed stays. */
static void trim(void)
{
	struct uk_node *n = lru_last, *prev;

	for (; n && ncached > CACHED_MAX; n = prev) {
		prev = n->lru_prev;
		if (n->zombie || uk__node_flush(n) < 0)
			continue;
		lru_del(n);
		forget(n);
	}
}

int uk__node_get(uint32_t ino, struct uk_node **ret_node)
{
	struct uk_node *n = table[ino % BUCKETS];
	int r;

	while (n && n->ino != ino)
		n = n->hash_next;
	if (n) {
		*ret_node = uk__node_ref(n);
		return 0;
	}
	if (ino == 0 || ino > m.fs->super->s_inodes_count)
		return uk__ext2_err(EXT2_ET_BAD_INODE_NUM);
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->ino = ino;
	r = uk__node_reload(n);
	/* A name that refers to a free inode: damage, or a crash that nobody repaired. */
	if (r == 0 && n->inode.i_links_count == 0)
		r = -EUCLEAN;
	if (r < 0) {
		free(n);
		return r;
	}
	n->refs = 1;
	n->hash_next = table[ino % BUCKETS];
	table[ino % BUCKETS] = n;
	*ret_node = n;
	return 0;
}

struct uk_node *uk__node_ref(struct uk_node *n)
{
	if (n->refs++ == 0)
		lru_del(n);
	return n;
}

void uk__node_put(struct uk_node *n)
{
	if (!n || --n->refs > 0)
		return;
	lru_add(n);
	if (n->dead) {
		lru_del(n);
		forget(n);
	} else if (n->zombie && n->fresh) {
		bury_one(n); /* the disk has never heard of it */
	} else {
		trim();
	}
}

int uk__node_flush(struct uk_node *n)
{
	errcode_t e;

	if (!n->dirty || n->dead)
		return 0;
	e = ext2fs_write_inode_full(m.fs, n->ino, uk__node_inode(n), inode_bytes());
	if (!e)
		n->dirty = false;
	return uk__ext2_err(e);
}

int uk__node_reload(struct uk_node *n)
{
	n->map.len = 0;
	return uk__ext2_err(ext2fs_read_inode_full(m.fs, n->ino, uk__node_inode(n), inode_bytes()));
}

int uk__node_flush_all(void)
{
	int r = 0, err = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct uk_node *n = table[i]; n; n = n->hash_next) {
			r = uk__node_flush(n);
			if (r < 0 && err == 0)
				err = r;
			n->fresh = false;
		}
	}
	return err;
}

/* --- removal ------------------------------------------------------------------------- */

void uk__node_condemn(struct uk_node *n)
{
	n->zombie = true;
	m.zombies++;
	if (S_ISDIR(n->inode.i_mode))
		uk__dir_forget(n->ino);
}

static int free_storage(struct uk_node *n)
{
	struct ext2_inode *inode = uk__node_inode(n);
	bool dir = S_ISDIR(n->inode.i_mode);
	errcode_t e = 0;

	if (ext2fs_inode_has_valid_blocks2(m.fs, inode))
		e = ext2fs_punch(m.fs, n->ino, inode, NULL, 0, ~0ULL);
	if (!e && n->inode.i_file_acl)
		e = ext2fs_free_ext_attr(m.fs, n->ino, &n->inode);
	if (e)
		return uk__ext2_err(e);
	n->inode.i_links_count = 0;
	n->inode.i_size = n->inode.i_size_high = 0;
	n->inode.i_dtime = (uint32_t)(uk__wall_ns() / 1000000000u);
	n->dirty = true;
	e = uk__node_flush(n);
	ext2fs_inode_alloc_stats2(m.fs, n->ino, -1, dir);
	m.new_inodes = true;
	return (int)e;
}

/* The node may be gone afterwards. */
static void bury_one(struct uk_node *n)
{
	free_storage(n);
	m.zombies--;
	n->dead = true;
	n->dirty = false;
	if (n->refs > 0)
		return;
	lru_del(n);
	forget(n);
}

void uk__node_bury(bool stopping)
{
	for (unsigned i = 0; i < BUCKETS && m.zombies > 0; i++) {
		struct uk_node *n, *next;

		for (n = table[i]; n; n = next) {
			next = n->hash_next;
			if (n->zombie && !n->dead && (n->refs == 0 || stopping))
				bury_one(n);
		}
	}
}

/* --- attributes ---------------------------------------------------------------------- */

uint32_t uk__node_ino(const struct uk_node *n)
{
	return n->ino;
}

mode_t uk__node_mode(const struct uk_node *n)
{
	return n->inode.i_mode;
}

int64_t uk__node_size(const struct uk_node *n)
{
	/* A size that no file can have is clipped rather than turned negative. */
	uint64_t size = n->inode.i_size | (uint64_t)n->inode.i_size_high << 32;

	return size > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)size;
}

static bool has_field(const struct uk_node *n, size_t end)
{
	return EXT2_INODE_SIZE(m.fs->super) >= end &&
	       EXT2_GOOD_OLD_INODE_SIZE + (size_t)n->inode.i_extra_isize >= end;
}

#define HAS(n, field) \
	has_field(n, offsetof(struct ext2_inode_large, field) + sizeof((n)->inode.field))

static struct timespec get_time(uint32_t sec, uint32_t extra, bool has)
{
	struct timespec ts = {.tv_sec = (int32_t)sec};

	if (has) {
		ts.tv_sec += (time_t)(extra & 3) << 32;
		ts.tv_nsec = extra >> 2;
		if (ts.tv_nsec >= 1000000000)
			ts.tv_nsec = 0;
	}
	return ts;
}

static void set_time(const struct timespec *ts, uint32_t *sec, uint32_t *extra, bool has)
{
	*sec = (uint32_t)ts->tv_sec;
	if (has)
		*extra = (uint32_t)ts->tv_nsec << 2 |
			 (uint32_t)((ts->tv_sec - (int32_t)ts->tv_sec) >> 32 & 3);
}

static struct timespec now(void)
{
	uint64_t ns = uk__wall_ns();

	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
				 .tv_nsec = (long)(ns % 1000000000u)};
}

void uk__node_touch(struct uk_node *n, bool modified)
{
	struct timespec ts = now();

	set_time(&ts, &n->inode.i_ctime, &n->inode.i_ctime_extra, HAS(n, i_ctime_extra));
	if (modified)
		set_time(&ts, &n->inode.i_mtime, &n->inode.i_mtime_extra, HAS(n, i_mtime_extra));
	n->dirty = true;
}

/* 8 or 12 bits minor, as the kernel stores them in the first two block pointers. */
static dev_t device_number(const struct uk_node *n)
{
	uint32_t v = n->inode.i_block[0];

	if (v)
		return makedev(v >> 8 & 0xff, v & 0xff);
	v = n->inode.i_block[1];
	return makedev((v & 0xfff00) >> 8, (v & 0xff) | (v >> 12 & 0xfff00));
}

void uk__node_stat(const struct uk_node *n, struct stat *ret_st)
{
	const struct ext2_inode_large *i = &n->inode;

	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->st_dev = makedev(254, 0);
	ret_st->st_ino = n->ino;
	ret_st->st_mode = i->i_mode;
	ret_st->st_nlink = n->zombie ? 0 : i->i_links_count;
	ret_st->st_uid = i->i_uid | (uint32_t)i->osd2.linux2.l_i_uid_high << 16;
	ret_st->st_gid = i->i_gid | (uint32_t)i->osd2.linux2.l_i_gid_high << 16;
	if (S_ISCHR(i->i_mode) || S_ISBLK(i->i_mode))
		ret_st->st_rdev = device_number(n);
	ret_st->st_size = uk__node_size(n);
	ret_st->st_blksize = (blksize_t)m.bsize;
	ret_st->st_blocks = i->i_blocks | (blkcnt_t)i->osd2.linux2.l_i_blocks_hi << 32;
	if (i->i_flags & EXT4_HUGE_FILE_FL)
		ret_st->st_blocks *= m.bsize / 512;
	ret_st->st_atim = get_time(i->i_atime, i->i_atime_extra, HAS(n, i_atime_extra));
	ret_st->st_mtim = get_time(i->i_mtime, i->i_mtime_extra, HAS(n, i_mtime_extra));
	ret_st->st_ctim = get_time(i->i_ctime, i->i_ctime_extra, HAS(n, i_ctime_extra));
}

int uk__node_chmod(struct uk_node *n, mode_t mode)
{
	int r = uk__ext2_begin(false);

	if (r < 0)
		return r;
	n->inode.i_mode = (uint16_t)((n->inode.i_mode & S_IFMT) | (mode & 07777));
	uk__node_touch(n, false);
	return 0;
}

int uk__node_chown(struct uk_node *n, uint32_t uid, uint32_t gid)
{
	int r = uk__ext2_begin(false);

	if (r < 0)
		return r;
	if (uid != UINT32_MAX) {
		n->inode.i_uid = (uint16_t)uid;
		n->inode.osd2.linux2.l_i_uid_high = (uint16_t)(uid >> 16);
	}
	if (gid != UINT32_MAX) {
		n->inode.i_gid = (uint16_t)gid;
		n->inode.osd2.linux2.l_i_gid_high = (uint16_t)(gid >> 16);
	}
	uk__node_touch(n, false);
	return 0;
}

int uk__node_utimes(struct uk_node *n, const struct timespec *atime, const struct timespec *mtime)
{
	int r = uk__ext2_begin(false);

	if (r < 0)
		return r;
	if (atime)
		set_time(atime, &n->inode.i_atime, &n->inode.i_atime_extra, HAS(n, i_atime_extra));
	if (mtime)
		set_time(mtime, &n->inode.i_mtime, &n->inode.i_mtime_extra, HAS(n, i_mtime_extra));
	uk__node_touch(n, false);
	return 0;
}
