/* SPDX-License-Identifier: MIT
 *
 * ext2_mount.c: mounting, and when what reaches the disk. No journal, so order is everything:
 *  1. the first modification marks the superblock "not clean"; only a clean stop takes that back;
 *  2. write-back goes data and new blocks, inodes and descriptors, then directories (cache.h), so
 * that a name never refers to an inode that is not there, nor an inode to blocks that are not;
 *  3. blocks and inodes are freed only after the removal of their last name is on disk, and a freed
 * block is not reused before its freeing is;
 *  4. bitmaps may be stale after a crash: e2fsck rebuilds them, and so do we before the first
 * write. fsync = one write-back of everything + VIRTIO FLUSH. The disk is input: nothing on it is
 * trusted.
 */
#include "fs/ext2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include "fs/cache.h"
#include "platform.h"
#include "sys.h"
#include "wait.h"

#define CACHE_SHARE 8u		  /* the default cache is this part of memory... */
#define CACHE_MAX   (64ull << 20) /* ...and at most this */
#define ZOMBIES_MAX 64u
#define FIRST_READ  (96u << 10) /* read ahead of the mount */

#define INCOMPAT_OK                                                       \
	(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER | \
	 EXT2_FEATURE_INCOMPAT_META_BG | EXT3_FEATURE_INCOMPAT_EXTENTS |  \
	 EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG |    \
	 EXT4_FEATURE_INCOMPAT_CSUM_SEED)
#define RO_COMPAT_OK                                                               \
	(EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE | \
	 EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_GDT_CSUM |      \
	 EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |   \
	 EXT4_FEATURE_RO_COMPAT_METADATA_CSUM)

struct uk_ext2 uk__ext2;
#define m uk__ext2

static const struct {
	errcode_t e;
	int err;
} err_table[] = {
	{EXT2_ET_NO_MEMORY, ENOMEM},	     {EXT2_ET_BLOCK_ALLOC_FAIL, ENOSPC},
	{EXT2_ET_INODE_ALLOC_FAIL, ENOSPC},  {EXT2_ET_DIR_NO_SPACE, ENOSPC},
	{EXT2_ET_TOOSMALL, ENOSPC},	     {EXT2_ET_FILE_NOT_FOUND, ENOENT},
	{EXT2_ET_NO_DIRECTORY, ENOTDIR},     {EXT2_ET_DIR_EXISTS, EEXIST},
	{EXT2_ET_FILE_EXISTS, EEXIST},	     {EXT2_ET_FILE_TOO_BIG, EFBIG},
	{EXT2_ET_RO_FILSYS, EROFS},	     {EXT2_ET_SHORT_READ, EUCLEAN},
	{EXT2_ET_UNIMPLEMENTED, EOPNOTSUPP}, {EXT2_ET_INVALID_ARGUMENT, EINVAL},
};

int uk__ext2_err(errcode_t e)
{
	static bool told;

	if (e == 0)
		return 0;
	if (e > 0 && e < 4096)
		return -(int)e;
	for (unsigned i = 0; i < sizeof(err_table) / sizeof(err_table[0]); i++)
		if (err_table[i].e == e && err_table[i].err != EUCLEAN)
			return -err_table[i].err;
	if (!told)
		uk__log("file system damaged (libext2fs error %ld): read-only from here on, run "
			"e2fsck",
			(long)e);
	told = true;
	m.ro = true;
	if (m.fs)
		m.fs->super->s_state |= EXT2_ERROR_FS;
	return -EUCLEAN;
}

/* libext2fs complains through this about block and inode numbers that cannot be: damage. Weak,
 * since a program may bring the real one. */
__attribute__((weak)) void com_err(const char *who, errcode_t e, const char *fmt, ...)
{
	(void)who;
	(void)fmt;
	uk__ext2_err(e);
}

/* Disks with case-insensitive directories are refused, so the library's 64 KiB of Unicode tables
 * stay out. */
const struct ext2fs_nls_table *ext2fs_load_nls_table(int encoding)
{
	(void)encoding;
	return NULL;
}

/* --- mount --------------------------------------------------------------------------- */

/* "512K", "4M" or plain KiB; 0 when it does not parse. */
static uint64_t parse_size(const char *s)
{
	char *end;
	unsigned long long v = strtoull(s, &end, 10);

	if (end == s || v > UINT32_MAX)
		return 0;
	switch (*end) {
	case 'G':
		return v << 30;
	case 'M':
		return v << 20;
	case 'K':
	case '\0':
		return v << 10;
	default:
		return 0;
	}
}

static uint64_t cache_limit(void)
{
	const char *s = uk__setting("cache");
	uint64_t def = uk__boot->mem_size / CACHE_SHARE;
	uint64_t v = s ? parse_size(s) : 0;

	if (def > CACHE_MAX)
		def = CACHE_MAX;
	if (v == 0)
		return def;
	return v < uk__boot->mem_size / 2 ? v : uk__boot->mem_size / 2;
}

/* mayfly.root=/dev/vdX or vdX; the first disk by default. */
static struct uk_blk *root_disk(void)
{
	const char *s = uk__setting("root");
	unsigned n = 0;

	if (s) {
		if (strncmp(s, "/dev/", 5) == 0)
			s += 5;
		if (strncmp(s, "vd", 2) != 0 || s[2] < 'a' || s[2] >= 'a' + (int)UK_BLK_MAX ||
		    s[3]) {
			uk__log("mayfly.root=%s: not one of vda, vdb...", s);
			return NULL;
		}
		n = (unsigned)(s[2] - 'a');
	}
	return uk__blk_get(n);
}

/* Descriptors and inode tables go between new blocks and directories. */
static enum uk_cache_class classify(uint64_t blk)
{
	ext2_filsys fs = m.fs;

	if (!fs || blk <= fs->super->s_first_data_block + (uint64_t)fs->desc_blocks)
		return UK_CACHE_INODE;
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		uint64_t first = ext2fs_inode_table_loc(fs, g);

		if (blk >= first && blk - first < fs->inode_blocks_per_group)
			return UK_CACHE_INODE;
	}
	return UK_CACHE_META;
}

static void blocks_freed(ext2_filsys fs, blk64_t blk, blk_t n, int inuse)
{
	(void)fs;
	if (inuse >= 0)
		return;
	uk__cache_drop(blk, n);
	m.freed = true;
}

static void block_freed(ext2_filsys fs, blk64_t blk, int inuse)
{
	blocks_freed(fs, blk, 1, inuse);
}

/* The block size, from a superblock that looks like one. -EINVAL: this is no ext2. */
static int peek(struct uk_blk *disk, uint32_t *ret_bsize)
{
	struct ext2_super_block *sb = malloc(SUPERBLOCK_SIZE);
	int r = -ENOMEM;

	if (!sb)
		return r;
	r = uk__blk_rw(disk, false, SUPERBLOCK_OFFSET / UK_SECTOR, sb, SUPERBLOCK_SIZE);
	if (r == 0 && (sb->s_magic != EXT2_SUPER_MAGIC || sb->s_log_block_size > 6))
		r = -EINVAL;
	if (r == 0)
		*ret_bsize = 1024u << sb->s_log_block_size;
	free(sb);
	return r;
}

static int check_features(const struct ext2_super_block *sb)
{
	uint32_t bad = sb->s_feature_incompat & ~INCOMPAT_OK;

	if (bad) {
		uk__log("disk uses ext4 features that are not supported (incompat %x)", bad);
		return -EINVAL;
	}
	bad = sb->s_feature_ro_compat & ~RO_COMPAT_OK;
	if (bad && !m.ro) {
		uk__log("disk uses ext4 features that allow only reading (ro_compat %x)", bad);
		m.ro = true;
	}
	if (sb->s_feature_incompat & EXT3_FEATURE_INCOMPAT_RECOVER && !m.ro) {
		uk__log("disk has a journal to be replayed: read-only, run e2fsck");
		m.ro = true;
	}
	return 0;
}

/* The library bounds its own reads by the device; tables that lie outside would only waste time. */
static int check_geometry(ext2_filsys fs)
{
	uint64_t blocks = ext2fs_blocks_count(fs->super);

	if (blocks > m.disk->sectors / (m.bsize / UK_SECTOR)) {
		uk__log("disk is smaller than its file system");
		return -EUCLEAN;
	}
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		uint64_t t = ext2fs_inode_table_loc(fs, g);

		if (t == 0 || t >= blocks || fs->inode_blocks_per_group > blocks - t) {
			uk__log("inode table of group %u lies outside the disk", g);
			return -EUCLEAN;
		}
	}
	return 0;
}

static int mount_disk(void)
{
	struct ext2_super_block *sb;
	errcode_t e;
	int r = peek(m.disk, &m.bsize);

	if (r < 0)
		return r;
	r = uk__cache_init(m.disk, m.bsize, cache_limit(), classify);
	if (r < 0)
		return r;
	/* On a small disk this has everything that finding the first file takes, in one request. */
	uk__cache_readahead(0, FIRST_READ / m.bsize);
	m.ro = m.disk->ro;
	e = ext2fs_open2("disk", NULL,
			 EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES | (m.ro ? 0 : EXT2_FLAG_RW),
			 0, 0, uk__ext2_io, &m.fs);
	if (e == EXT2_ET_RO_UNSUPP_FEATURE) {
		m.ro = true;
		e = ext2fs_open2("disk", NULL, EXT2_FLAG_64BITS, 0, 0, uk__ext2_io, &m.fs);
	}
	if (e) {
		m.fs = NULL;
		return uk__ext2_err(e);
	}
	sb = m.fs->super;
	r = check_features(sb);
	if (r == 0)
		r = check_geometry(m.fs);
	if (r < 0)
		return r;
	m.was_clean = (sb->s_state & (EXT2_VALID_FS | EXT2_ERROR_FS)) == EXT2_VALID_FS;
	if (sb->s_state & EXT2_ERROR_FS && !m.ro) {
		uk__log("disk is marked as damaged: read-only, run e2fsck");
		m.ro = true;
	}
	ext2fs_set_block_alloc_stats_callback(m.fs, block_freed, NULL);
	m.fs->block_alloc_stats_range = blocks_freed;
	m.fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
	return 0;
}

int uk__fs_mount(void)
{
	static int result = 1;

	if (result <= 0)
		return result;
	m.disk = root_disk();
	if (!m.disk) {
		result = -ENOENT;
		return result;
	}
	result = mount_disk();
	if (result < 0) {
		const char *why = result == -EINVAL ? "no ext2 file system that we can use"
				  : result == -EIO  ? "the disk cannot be read"
						    : "the file system is damaged";

		uk__log("root disk not mounted: %s (error %d)", why, -result);
		if (result == -EINVAL)
			result = -ENOENT;
		m.fs = NULL;
	}
	return result;
}

bool uk__fs_readonly(void)
{
	return m.ro;
}

const struct uk_blk *uk__fs_owns(void)
{
	return m.fs && !m.ro ? m.disk : NULL;
}

int uk__fs_statfs(struct statfs *ret_st)
{
	struct ext2_super_block *sb;
	uint64_t meta;

	if (!m.fs)
		return -ENOENT;
	sb = m.fs->super;
	meta = (uint64_t)m.fs->group_desc_count * (m.fs->inode_blocks_per_group + 2) +
	       m.fs->desc_blocks;
	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->f_type = EXT2_SUPER_MAGIC;
	ret_st->f_bsize = (long)m.bsize;
	ret_st->f_frsize = (long)m.bsize;
	ret_st->f_blocks = ext2fs_blocks_count(sb) - meta;
	ret_st->f_bfree = ext2fs_free_blocks_count(sb);
	ret_st->f_bavail = ret_st->f_bfree > ext2fs_r_blocks_count(sb)
				   ? ret_st->f_bfree - ext2fs_r_blocks_count(sb)
				   : 0;
	ret_st->f_files = sb->s_inodes_count;
	ret_st->f_ffree = sb->s_free_inodes_count;
	ret_st->f_namelen = UK_NAME_MAX;
	ret_st->f_flags = m.ro ? 1 : 0;
	return 0;
}

/* --- write order --------------------------------------------------------------------- */

/* Superblock (and, unless super_only, descriptors and bitmaps) into the cache. */
static int write_super(bool super_only)
{
	errcode_t e;

	if (super_only)
		m.fs->flags |= EXT2_FLAG_SUPER_ONLY;
	e = ext2fs_flush2(m.fs, EXT2_FLAG_FLUSH_NO_SYNC);
	m.fs->flags &= ~EXT2_FLAG_SUPER_ONLY;
	return uk__ext2_err(e);
}

static struct uk_poller late_poller;

static int start_writing(void)
{
	static bool polled;
	struct ext2_super_block *sb = m.fs->super;
	int r = 0;

	if (!m.have_bitmaps) {
		r = m.was_clean ? uk__ext2_err(ext2fs_read_bitmaps(m.fs)) : uk__ext2_recover(m.fs);
		if (r < 0)
			return r;
		m.have_bitmaps = true;
	}
	sb->s_state &= (uint16_t)~EXT2_VALID_FS;
	sb->s_mtime = (uint32_t)(uk__wall_ns() / 1000000000u);
	r = write_super(true);
	if (r == 0)
		r = uk__cache_writeback();
	if (r == 0)
		r = uk__blk_flush(m.disk);
	m.writing = r == 0;
	if (r == 0 && !polled) {
		polled = true;
		uk__poller_add(&late_poller);
	}
	return r;
}

int uk__ext2_begin(bool alloc)
{
	int r;

	if (m.ro)
		return -EROFS;
	if (!m.writing) {
		r = start_writing();
		if (r < 0)
			return r;
	}
	r = alloc && m.freed ? uk__ext2_writeback(false) : 0;
	if (!m.dirty_since)
		m.dirty_since = uk__mono_ns();
	return r;
}

int uk__ext2_writeback(bool flush)
{
	int r = uk__node_flush_all();

	if (r == 0 && m.new_inodes)
		r = write_super(false);
	if (r == 0)
		r = uk__cache_writeback();
	if (r < 0)
		return r;
	m.new_inodes = false;
	m.freed = false;
	m.dirty_since = 0;
	if (!flush)
		return 0;
	r = uk__blk_flush(m.disk);
	if (r < 0)
		return r;
	uk__node_bury(false);
	return 0;
}

bool uk__ext2_reclaim(void)
{
	uint64_t before = ext2fs_free_blocks_count(m.fs->super);
	uint32_t inodes = m.fs->super->s_free_inodes_count;

	if (m.zombies == 0 || uk__ext2_writeback(true) < 0)
		return false;
	return ext2fs_free_blocks_count(m.fs->super) > before ||
	       m.fs->super->s_free_inodes_count > inodes;
}

void uk__fs_relax(void)
{
	if (m.zombies > ZOMBIES_MAX)
		uk__ext2_writeback(true);
	else if (uk__cache_pressed())
		uk__ext2_writeback(false);
}

int uk__fs_sync(void)
{
	if (!m.fs || !m.writing)
		return 0;
	return uk__ext2_writeback(true);
}

/* --- write-back of what nobody fsyncs --------------------------------------------------- */

#define DIRTY_NS UINT64_C(5000000000) /* how long a change may stay in memory alone */

/* Not while a file system call is under way: those meet the pollers only while they wait for the
 * disk. */
static bool write_late(void)
{
	if (!m.dirty_since || uk__blk_waiting() || uk__mono_ns() - m.dirty_since < DIRTY_NS)
		return false;
	uk__ext2_writeback(true);
	m.dirty_since = 0; /* after an error too: fsync will find it, no need to try for ever */
	return true;
}

static uint64_t write_deadline(void)
{
	return m.dirty_since && !uk__blk_waiting() ? m.dirty_since + DIRTY_NS : UK_FOREVER;
}

static struct uk_poller late_poller = {.poll = write_late, .deadline = write_deadline};

/* Everything to the disk, and the superblock clean again if it was so when we came. */
int uk__fs_sync_all(void)
{
	int r;

	if (!m.fs || !m.writing)
		return 0;
	r = uk__ext2_writeback(true);
	uk__node_bury(true);
	m.new_inodes = true;
	if (r == 0)
		r = uk__ext2_writeback(true);
	if (r < 0 || !m.was_clean || m.fs->super->s_state & EXT2_ERROR_FS) {
		if (r < 0)
			uk__log("disk not written back: error %d", -r);
		return r;
	}
	m.fs->super->s_state |= EXT2_VALID_FS;
	r = write_super(true);
	if (r == 0)
		r = uk__cache_writeback();
	if (r == 0)
		r = uk__blk_flush(m.disk);
	m.writing = r != 0;
	return r;
}
