/* SPDX-License-Identifier: MIT
 *
 * cache.h: the buffer cache of the mounted disk: fixed-size blocks keyed by block number, bounded,
 * least recently used out first, written back in an order that a crash can live with.
 */
#ifndef UK_FS_CACHE_H
#define UK_FS_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "drivers/blk.h"

/*
 * Write-back goes through the classes in this order, each complete before the next starts. FRESH:
 * file data and blocks that nothing on disk refers to yet. INODE: inode tables, which refer to
 * fresh blocks. META: what refers to inodes or to older state (directories, bitmaps, descriptors,
 * superblock).
 */
enum uk_cache_class { UK_CACHE_FRESH, UK_CACHE_INODE, UK_CACHE_META, UK_CACHE_NCLASS };

/* Which class a write to a cached, clean block belongs to; supplied by the file system. */
typedef enum uk_cache_class uk_cache_classify(uint64_t blk);

/* limit: bytes of block data at most (a floor keeps it usable). 0 or -ENOMEM. */
int uk__cache_init(struct uk_blk *disk, uint32_t block_size, uint64_t limit,
		   uk_cache_classify *classify);

/* Copy out of block blk, reading it when absent. 0 or -EIO. */
int uk__cache_read(uint64_t blk, uint32_t off, void *dst, uint32_t len);
/*
 * Copy into block blk and mark it dirty; src NULL writes zeroes. A partial write reads the block
 * first unless fresh says that the rest is to be zero. data: the block holds file data. 0, -EIO,
 * -EROFS.
 */
int uk__cache_write(uint64_t blk, uint32_t off, const void *src, uint32_t len, bool data,
		    bool fresh);

/* n blocks from blk straight into dst, but for those that the cache has. */
int uk__cache_read_direct(uint64_t blk, uint32_t n, void *dst);
/* n blocks from src straight to the disk; cached copies are dropped. */
int uk__cache_write_direct(uint64_t blk, uint32_t n, const void *src);
/* Start reading what is absent of n blocks, in the background, as far as buffers allow. */
void uk__cache_readahead(uint64_t blk, uint32_t n);
/* Use these blocks first when room is needed: a stream has passed over them. */
void uk__cache_cool(uint64_t blk, uint32_t n);
/* The blocks are free now: forget them, dirty or not. */
void uk__cache_drop(uint64_t blk, uint64_t n);

/* Write all dirty blocks, class by class. No device flush. 0 or the first error; blocks stay dirty
 * then. */
int uk__cache_writeback(void);
/* True when so much is dirty that the caller should write back soon. */
bool uk__cache_pressed(void);
bool uk__cache_dirty(void);
/* Blocks the cache may hold. */
uint32_t uk__cache_blocks(void);

#endif
