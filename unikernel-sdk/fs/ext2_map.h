/* SPDX-License-Identifier: MIT
 *
 * ext2_map.h: allocation as ext2_file.c needs it.
 */
#ifndef UK_FS_EXT2_MAP_H
#define UK_FS_EXT2_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct uk_node;

/*
 * Give blocks to the hole that starts at lblk: count of them, or fewer but at least one.
 * *ret_zeroed tells whether the first reads as zero through the cache; otherwise contents are
 * garbage and the caller must write all of each block. 0, -ENOSPC, ...
 */
int uk__node_alloc(struct uk_node *n, uint32_t lblk, uint32_t count, bool *ret_zeroed);
/* An unwritten block has its contents in the cache now. */
int uk__node_set_written(struct uk_node *n, uint32_t lblk, uint64_t pblk);

#endif
