/* SPDX-License-Identifier: MIT
 *
 * ext2_recover.c: after an unclean stop the bitmaps on the disk may be older than the inodes.
 * Before the first write they are rebuilt in memory from the inode tables, so that nothing in use
 * is handed out again. Names without inodes and inodes without names are left to e2fsck: the disk
 * stays marked "not clean".
 */
#include "fs/ext2.h"

#include <errno.h>
#include <stdlib.h>

#include "platform.h"

#define m uk__ext2

struct walk {
	ext2_filsys fs;
	bool bad;
};

static int mark_block(ext2_filsys fs, blk64_t *blk, e2_blkcnt_t cnt, blk64_t ref, int off,
		      void *arg)
{
	struct walk *w = arg;

	(void)cnt;
	(void)ref;
	(void)off;
	if (*blk < fs->super->s_first_data_block || *blk >= ext2fs_blocks_count(fs->super)) {
		w->bad = true;
		return BLOCK_ABORT;
	}
	ext2fs_mark_block_bitmap2(fs->block_map, *blk);
	return 0;
}

static errcode_t mark_inode(struct walk *w, ext2_ino_t ino, struct ext2_inode *inode)
{
	ext2_filsys fs = w->fs;
	uint64_t acl = ext2fs_file_acl_block(fs, inode);

	ext2fs_mark_inode_bitmap2(fs->inode_map, ino);
	if (acl && acl < ext2fs_blocks_count(fs->super))
		ext2fs_mark_block_bitmap2(fs->block_map, acl);
	if (!ext2fs_inode_has_valid_blocks2(fs, inode))
		return 0;
	return ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, mark_block, w);
}

static errcode_t scan_inodes(struct walk *w)
{
	struct ext2_inode inode;
	ext2_inode_scan scan;
	ext2_ino_t ino;
	errcode_t e = ext2fs_open_inode_scan(w->fs, 0, &scan);

	if (e)
		return e;
	/* Tables that were never initialised hold no inodes. */
	ext2fs_inode_scan_flags(scan, EXT2_SF_DO_LAZY, 0);
	while ((e = ext2fs_get_next_inode(scan, &ino, &inode)) == 0 && ino != 0 && !w->bad) {
		if (ino >= EXT2_FIRST_INO(w->fs->super) && inode.i_links_count == 0)
			continue;
		e = mark_inode(w, ino, &inode);
		if (e)
			break;
	}
	ext2fs_close_inode_scan(scan);
	return e;
}

/* Superblocks, descriptors, bitmaps and tables. */
static void mark_metadata(ext2_filsys fs)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		ext2fs_reserve_super_and_bgd(fs, g, fs->block_map);
		ext2fs_mark_block_bitmap2(fs->block_map, ext2fs_block_bitmap_loc(fs, g));
		ext2fs_mark_block_bitmap2(fs->block_map, ext2fs_inode_bitmap_loc(fs, g));
		ext2fs_mark_block_bitmap_range2(fs->block_map, ext2fs_inode_table_loc(fs, g),
						fs->inode_blocks_per_group);
	}
}

static void count_group(ext2_filsys fs, dgrp_t g, uint64_t *blocks, uint32_t *inodes)
{
	uint32_t per_group = fs->super->s_inodes_per_group, nfree = 0;
	uint64_t last = ext2fs_group_last_block2(fs, g), bfree = 0;

	for (uint64_t b = ext2fs_group_first_block2(fs, g); b <= last; b++)
		bfree += !ext2fs_test_block_bitmap2(fs->block_map, b);
	for (uint32_t i = 1; i <= per_group; i++)
		nfree += !ext2fs_test_inode_bitmap2(fs->inode_map, g * per_group + i);
	ext2fs_bg_free_blocks_count_set(fs, g, (uint32_t)bfree);
	ext2fs_bg_free_inodes_count_set(fs, g, nfree);
	ext2fs_bg_flags_clear(fs, g, EXT2_BG_BLOCK_UNINIT);
	if (nfree != per_group)
		ext2fs_bg_flags_clear(fs, g, EXT2_BG_INODE_UNINIT);
	ext2fs_group_desc_csum_set(fs, g);
	*blocks += bfree;
	*inodes += nfree;
}

int uk__ext2_recover(ext2_filsys fs)
{
	struct walk w = {.fs = fs};
	uint64_t blocks = 0;
	uint32_t inodes = 0;
	errcode_t e;

	uk__log("disk was not stopped cleanly: rebuilding its bitmaps");
	/* Read them first: that sets up the maps and how they are written. Their checksums may be
	 * stale. */
	fs->flags |= EXT2_FLAG_IGNORE_CSUM_ERRORS;
	e = ext2fs_read_bitmaps(fs);
	fs->flags &= ~EXT2_FLAG_IGNORE_CSUM_ERRORS;
	if (e)
		return uk__ext2_err(e);
	ext2fs_clear_block_bitmap(fs->block_map);
	ext2fs_clear_inode_bitmap(fs->inode_map);
	mark_metadata(fs);
	for (ext2_ino_t ino = 1; ino < EXT2_FIRST_INO(fs->super); ino++)
		ext2fs_mark_inode_bitmap2(fs->inode_map, ino);
	e = scan_inodes(&w);
	if (!e && w.bad)
		e = EXT2_ET_BAD_BLOCK_NUM;
	if (e)
		return uk__ext2_err(e);
	for (dgrp_t g = 0; g < fs->group_desc_count; g++)
		count_group(fs, g, &blocks, &inodes);
	ext2fs_free_blocks_count_set(fs->super, blocks);
	fs->super->s_free_inodes_count = inodes;
	ext2fs_mark_bb_dirty(fs);
	ext2fs_mark_ib_dirty(fs);
	ext2fs_mark_super_dirty(fs);
	m.new_inodes = true;
	return 0;
}
