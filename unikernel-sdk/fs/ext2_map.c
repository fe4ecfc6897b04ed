/* SPDX-License-Identifier: MIT
 *
 * ext2_map.c: which disk blocks make up a file, and changing that: mapping, allocation, truncation,
 * holes. A node remembers the run that it used last; a run is a whole extent, so that a sequential
 * reader asks libext2fs once per extent.
 */
#include "fs/ext2_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/cache.h"
#include "fs/ext2.h"

#define m uk__ext2

#define RUN_MAX (1u << 20) /* blocks of a hole reported at once */
#define IND_RUN 128u	   /* blocks of a block-mapped file looked up at once */

static int check_block(uint64_t pblk, uint64_t n)
{
	uint64_t blocks = ext2fs_blocks_count(m.fs->super);

	if (pblk <= m.fs->super->s_first_data_block || pblk >= blocks || n > blocks - pblk)
		return uk__ext2_err(EXT2_ET_BAD_BLOCK_NUM);
	return 0;
}

/* The extent that covers lblk, or the hole up to the next one. */
static errcode_t map_extent(ext2_extent_handle_t h, uint32_t lblk, struct uk_extent *ret)
{
	struct ext2fs_extent ext;
	errcode_t e = ext2fs_extent_goto(h, lblk);
	int op = EXT2_EXTENT_CURRENT;

	*ret = (struct uk_extent){.lblk = lblk, .len = RUN_MAX};
	if (e && e != EXT2_ET_EXTENT_NOT_FOUND)
		return e;
	if (e == 0) {
		e = ext2fs_extent_get(h, op, &ext);
		if (e)
			return e;
		if (ext.e_lblk > lblk || ext.e_len == 0 || lblk - ext.e_lblk >= ext.e_len)
			return EXT2_ET_EXTENT_INVALID_LENGTH;
		*ret = (struct uk_extent){
			.lblk = (uint32_t)ext.e_lblk,
			.len = ext.e_len,
			.pblk = ext.e_pblk,
			.unwritten = (ext.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0,
		};
		return 0;
	}
	for (; (e = ext2fs_extent_get(h, op, &ext)) == 0; op = EXT2_EXTENT_NEXT_LEAF) {
		if (!(ext.e_flags & EXT2_EXTENT_FLAGS_LEAF) || ext.e_lblk <= lblk)
			continue;
		if (ext.e_lblk - lblk < ret->len)
			ret->len = (uint32_t)(ext.e_lblk - lblk);
		return 0;
	}
	return e == EXT2_ET_EXTENT_NO_NEXT || e == EXT2_ET_NO_CURRENT_NODE ? 0 : e;
}

/* Block-mapped files: gather neighbours as long as they stay contiguous. */
static errcode_t map_indirect(struct uk_node *n, uint32_t lblk, struct uk_extent *ret)
{
	static char *scratch; /* two blocks, kept */
	blk64_t pblk, next;
	errcode_t e = 0;

	if (!scratch)
		e = ext2fs_get_array(2, m.bsize, &scratch);
	if (!e)
		e = ext2fs_bmap2(m.fs, n->ino, uk__node_inode(n), scratch, 0, lblk, NULL, &pblk);
	if (e)
		return e;
	*ret = (struct uk_extent){.lblk = lblk, .len = 1, .pblk = pblk};
	while (pblk && ret->len < IND_RUN && lblk + ret->len != 0) {
		e = ext2fs_bmap2(m.fs, n->ino, uk__node_inode(n), scratch, 0,
				 (uint64_t)lblk + ret->len, NULL, &next);
		if (e || next != pblk + ret->len)
			break;
		ret->len++;
	}
	return 0;
}

int uk__node_map(struct uk_node *n, uint32_t lblk, struct uk_extent *ret_ext)
{
	ext2_extent_handle_t h;
	struct uk_extent ext;
	errcode_t e;
	int r;

	if (n->map.len && lblk >= n->map.lblk && lblk - n->map.lblk < n->map.len) {
		ext = n->map;
	} else {
		if (n->inode.i_flags & EXT4_EXTENTS_FL) {
			e = ext2fs_extent_open2(m.fs, n->ino, uk__node_inode(n), &h);
			if (!e) {
				e = map_extent(h, lblk, &ext);
				ext2fs_extent_free(h);
			}
		} else {
			e = map_indirect(n, lblk, &ext);
		}
		if (e)
			return uk__ext2_err(e);
		if (ext.pblk) {
			r = check_block(ext.pblk, ext.len);
			if (r)
				return r;
		}
		n->map = ext;
	}
	/* Report from lblk on. */
	ext.len -= lblk - ext.lblk;
	if (ext.pblk)
		ext.pblk += lblk - ext.lblk;
	ext.lblk = lblk;
	*ret_ext = ext;
	return 0;
}

/* --- allocation ---------------------------------------------------------------------- */

/* Lengthen the extent that ends with lblk by up to `more` blocks that follow it on disk. */
static errcode_t extend(ext2_extent_handle_t h, uint32_t lblk, uint32_t more, uint32_t *ret_done)
{
	struct ext2fs_extent ext;
	errcode_t e = ext2fs_extent_goto(h, lblk);
	uint32_t max;

	*ret_done = 0;
	if (!e)
		e = ext2fs_extent_get(h, EXT2_EXTENT_CURRENT, &ext);
	if (e)
		return e;
	max = ext.e_flags & EXT2_EXTENT_FLAGS_UNINIT ? EXT_UNINIT_MAX_LEN : EXT_INIT_MAX_LEN;
	if (ext.e_lblk + ext.e_len != (uint64_t)lblk + 1 || ext.e_len >= max)
		return 0;
	if (more > max - ext.e_len)
		more = max - ext.e_len;
	ext.e_len += more;
	e = ext2fs_extent_replace(h, 0, &ext);
	if (!e)
		e = ext2fs_extent_fix_parents(h);
	if (!e)
		*ret_done = more;
	return e;
}

/*
 * A contiguous run of up to count blocks for the hole at lblk of an extent-mapped file.
 * (ext2fs_fallocate() would do, but it takes more than it is asked for when an extent lies behind
 * the range.)
 */
static errcode_t alloc_run(struct uk_node *n, uint32_t lblk, uint32_t count, bool unwritten)
{
	struct ext2_inode *inode = uk__node_inode(n);
	ext2_extent_handle_t h;
	struct uk_extent before = {.pblk = 0};
	uint32_t more = 0;
	blk64_t goal, pblk, got;
	errcode_t e;

	if (lblk > 0 && uk__node_map(n, lblk - 1, &before) == 0 && before.pblk)
		goal = before.pblk + 1;
	else
		goal = ext2fs_find_inode_goal(m.fs, n->ino, inode, lblk);
	if (goal >= ext2fs_blocks_count(m.fs->super))
		goal = m.fs->super->s_first_data_block;
	e = ext2fs_new_range(m.fs, 0, goal, count, NULL, &pblk, &got);
	if (e)
		return e;
	e = ext2fs_extent_open2(m.fs, n->ino, inode, &h);
	if (e)
		return e;
	/* Claimed first: the extent tree may need blocks of its own. */
	ext2fs_block_alloc_stats_range(m.fs, pblk, (blk_t)got, +1);
	n->dirty = true;
	e = ext2fs_extent_set_bmap(h, lblk, pblk, unwritten ? EXT2_EXTENT_SET_BMAP_UNINIT : 0);
	if (!e) {
		if (got > 1)
			e = extend(h, lblk, (uint32_t)got - 1, &more);
		ext2fs_iblk_add_blocks(m.fs, inode, 1 + more);
		more++;
	}
	ext2fs_extent_free(h);
	if (more < got)
		ext2fs_block_alloc_stats_range(m.fs, pblk + more, (blk_t)(got - more), -1);
	return more ? 0 : e;
}

/* Blocks for the hole at lblk, see uk__node_alloc(). */
static errcode_t try_alloc(struct uk_node *n, uint32_t lblk, uint32_t count, bool unwritten)
{
	blk64_t pblk;
	errcode_t e;

	if (n->inode.i_flags & EXT4_EXTENTS_FL)
		return alloc_run(n, lblk, count, unwritten);
	/* This leaves a block of zeroes in the cache. */
	e = ext2fs_bmap2(m.fs, n->ino, uk__node_inode(n), NULL, BMAP_ALLOC, lblk, NULL, &pblk);
	n->dirty = true;
	return e;
}

static int alloc(struct uk_node *n, uint32_t lblk, uint32_t count, bool unwritten)
{
	errcode_t e;
	int r;

	for (int retry = 0;; retry++) {
		r = uk__ext2_begin(true);
		/* The library rereads the inode from its table. */
		if (r == 0)
			r = uk__node_flush(n);
		if (r)
			return r;
		e = try_alloc(n, lblk, count, unwritten);
		n->map.len = 0;
		if (e != EXT2_ET_BLOCK_ALLOC_FAIL || retry || !uk__ext2_reclaim())
			break;
	}
	if (e)
		return uk__ext2_err(e);
	return uk__node_flush(n);
}

int uk__node_alloc(struct uk_node *n, uint32_t lblk, uint32_t count, bool *ret_zeroed)
{
	*ret_zeroed = !(n->inode.i_flags & EXT4_EXTENTS_FL);
	return alloc(n, lblk, count, false);
}

int uk__node_set_written(struct uk_node *n, uint32_t lblk, uint64_t pblk)
{
	blk64_t phys = pblk;
	errcode_t e;
	int r = uk__node_flush(n);

	if (r)
		return r;
	e = ext2fs_bmap2(m.fs, n->ino, uk__node_inode(n), NULL, BMAP_SET, lblk, NULL, &phys);
	n->map.len = 0;
	n->dirty = true;
	return uk__ext2_err(e);
}

/* Zero bytes [from, to) of one block of the file, if it is there. */
static int zero_part(struct uk_node *n, int64_t from, int64_t to)
{
	uint32_t in = (uint32_t)((uint64_t)from % m.bsize);
	struct uk_extent ext;
	int r;

	if (from >= to)
		return 0;
	r = uk__node_map(n, (uint32_t)((uint64_t)from / m.bsize), &ext);
	if (r < 0 || ext.pblk == 0 || ext.unwritten)
		return r;
	return uk__cache_write(ext.pblk, in, NULL, (uint32_t)(to - from), true, false);
}

static int punch(struct uk_node *n, uint64_t first, uint64_t last)
{
	errcode_t e;
	int r = uk__node_flush(n);

	if (r)
		return r;
	e = ext2fs_punch(m.fs, n->ino, uk__node_inode(n), NULL, first, last);
	n->map.len = 0;
	n->dirty = true;
	return uk__ext2_err(e);
}

/* Does the mapping of this file reach a size of len? */
static bool too_big(const struct uk_node *n, int64_t len)
{
	uint64_t blocks = ((uint64_t)len + m.bsize - 1) / m.bsize, per = m.bsize / 4;

	if (blocks >= UINT32_MAX - 1)
		return true;
	return !(n->inode.i_flags & EXT4_EXTENTS_FL) &&
	       blocks > EXT2_NDIR_BLOCKS + per + per * per + per * per * per;
}

int uk__node_truncate(struct uk_node *n, int64_t len)
{
	int64_t old = uk__node_size(n), bs = m.bsize;
	int64_t keep = (len + bs - 1) / bs * bs, tail = len < old ? len : old;
	int r;

	if (len < 0)
		return -EINVAL;
	if (n->dead)
		return -EIO;
	if (too_big(n, len))
		return -EFBIG;
	r = uk__ext2_begin(false);
	/* What lies between the smaller size and the end of its block must read as zero later. */
	if (r == 0)
		r = zero_part(n, tail, (tail + bs - 1) / bs * bs);
	if (r == 0 && len < old)
		r = punch(n, (uint64_t)(keep / bs), ~0ULL);
	if (r == 0)
		r = uk__ext2_err(ext2fs_inode_size_set(m.fs, uk__node_inode(n), len));
	if (r)
		return r;
	uk__node_touch(n, true);
	return 0;
}

static int punch_hole(struct uk_node *n, int64_t off, int64_t len)
{
	int64_t bs = m.bsize, end = off + len;
	int64_t first = (off + bs - 1) / bs, last = end / bs; /* whole blocks [first, last) */
	int r;

	if (first > last) /* inside one block */
		return zero_part(n, off, end);
	r = zero_part(n, off, first * bs);
	if (r == 0)
		r = zero_part(n, last * bs, end);
	if (r == 0 && first < last)
		r = punch(n, (uint64_t)first, (uint64_t)last - 1);
	return r;
}

/* Give blocks to all holes in the range; they read as zero. */
static int reserve(struct uk_node *n, int64_t off, int64_t len)
{
	uint64_t blk = (uint64_t)off / m.bsize;
	uint64_t end = ((uint64_t)off + (uint64_t)len + m.bsize - 1) / m.bsize;
	int r = 0;

	if (end - blk > ext2fs_blocks_count(m.fs->super))
		return -ENOSPC;
	while (blk < end && r == 0) {
		struct uk_extent ext;
		uint64_t left = end - blk;

		r = uk__node_map(n, (uint32_t)blk, &ext);
		if (r == 0 && ext.pblk) {
			blk += ext.len;
			continue;
		}
		if (r == 0)
			r = alloc(n, (uint32_t)blk, ext.len < left ? ext.len : (uint32_t)left,
				  true);
		if (uk__cache_pressed())
			uk__ext2_writeback(false);
	}
	return r;
}

int uk__node_fallocate(struct uk_node *n, int mode, int64_t off, int64_t len)
{
	bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
	int64_t end;
	int r;

	if (off < 0 || len <= 0 || __builtin_add_overflow(off, len, &end))
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (too_big(n, end))
		return -EFBIG;
	if (n->dead)
		return -EIO;
	r = uk__ext2_begin(true);
	if (r == 0)
		r = uk__node_flush(n);
	if (r)
		return r;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		r = keep_size ? punch_hole(n, off, len) : -EOPNOTSUPP;
	} else {
		r = reserve(n, off, len);
		if (r == 0 && !keep_size && end > uk__node_size(n))
			r = uk__ext2_err(ext2fs_inode_size_set(m.fs, uk__node_inode(n), end));
	}
	if (r == 0)
		uk__node_touch(n, true);
	return r;
}

int64_t uk__node_seek(struct uk_node *n, int64_t off, bool hole)
{
	int64_t size = uk__node_size(n);

	if (off < 0 || off >= size)
		return -ENXIO;
	while (off < size) {
		uint32_t lblk = (uint32_t)((uint64_t)off / m.bsize);
		struct uk_extent ext = {.len = 1};
		int r = uk__node_map(n, lblk, &ext);

		if (r)
			return r;
		if ((ext.pblk == 0 || ext.unwritten) == hole)
			return off;
		off = ((int64_t)lblk + ext.len) * m.bsize;
	}
	return hole ? size : -ENXIO;
}
