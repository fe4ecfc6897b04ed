/* SPDX-License-Identifier: MIT
 *
 * ext2.h: what the ext2_*.c files share: the mounted file system, the node struct, and the rules
 * for changing either. Private to them: it pulls in libext2fs.
 *
 * The inode in a node is the truth. libext2fs reads and writes inodes by number, so a node is
 * flushed before a library call that looks at its inode and reloaded after one that changes it
 * (directories).
 */
#ifndef UK_FS_EXT2_H
#define UK_FS_EXT2_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h> /* ext2fs.h needs it */
#include <ext2fs/ext2fs.h>
#include "fs/fs.h"

struct uk_extent {
	uint32_t lblk, len;
	uint64_t pblk; /* 0 = hole */
	bool unwritten;
};

struct uk_node {
	ext2_ino_t ino;
	int refs;
	bool dirty;  /* inode differs from the inode table */
	bool fresh;  /* no name of it has reached the disk yet */
	bool zombie; /* last name is gone; storage goes once the disk knows and nobody holds it */
	bool dead;   /* storage is gone although somebody holds it: the VM is stopping */
	struct uk_extent map; /* last mapping used, len 0 = none */
	struct uk_node *hash_next;
	struct uk_node *lru_prev, *lru_next; /* while refs == 0 */
	struct ext2_inode_large inode;
};

struct uk_ext2 {
	ext2_filsys fs;
	struct uk_blk *disk;
	uint32_t bsize;
	bool ro;	 /* device, features or damage forbid writing */
	bool was_clean;	 /* at mount: no check needed */
	bool writing;	 /* the superblock on disk says "not clean" */
	bool freed;	 /* blocks were freed and the disk does not know yet */
	bool new_inodes; /* inode bitmaps and descriptors changed */
	bool have_bitmaps;
	unsigned zombies;
	uint64_t dirty_since; /* monotonic ns of the oldest change that may be in memory alone, 0 =
				 none */
};
extern struct uk_ext2 uk__ext2;

static inline struct ext2_inode *uk__node_inode(struct uk_node *n)
{
	return (struct ext2_inode *)(void *)&n->inode;
}

/* A library error as -errno. Damage is logged once and makes the file system read-only. */
int uk__ext2_err(errcode_t e);

/* Before any modification: -EROFS or 0. Marks the disk "not clean" and reads the bitmaps the first
 * time. With alloc, also makes sure that no block is reused before its freeing is on disk. */
int uk__ext2_begin(bool alloc);
/* Ordered write-back; with flush also the device's cache, after which zombies are buried. */
int uk__ext2_writeback(bool flush);
/* An allocation failed: true when write-back set something free, so that a retry makes sense. */
bool uk__ext2_reclaim(void);
/* Rebuild the bitmaps from the inodes, after an unclean stop. */
int uk__ext2_recover(ext2_filsys fs);

extern io_manager uk__ext2_io;

int uk__node_flush(struct uk_node *n);
int uk__node_reload(struct uk_node *n);
/* ctime, and mtime too, become now. */
void uk__node_touch(struct uk_node *n, bool modified);
int uk__node_flush_all(void);
/* The last name is gone. */
void uk__node_condemn(struct uk_node *n);
/* Free zombies whose removal is on disk; all of them when the VM stops. */
void uk__node_bury(bool stopping);
/* The run of blocks around lblk: mapped, unwritten or a hole. len >= 1. */
int uk__node_map(struct uk_node *n, uint32_t lblk, struct uk_extent *ret_ext);
void uk__dir_forget(ext2_ino_t dir); /* drop cached names of a directory */

#endif
