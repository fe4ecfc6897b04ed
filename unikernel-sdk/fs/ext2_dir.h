/* SPDX-License-Identifier: MIT
 *
 * ext2_dir.h: changing directories, as rename needs it from ext2_dir.c.
 */
#ifndef UK_FS_EXT2_DIR_H
#define UK_FS_EXT2_DIR_H

#include "fs/ext2.h"

/* Around every change: begin makes the disk writable and the inode table current, end rereads the
 * inode that libext2fs may have changed and sets the times. */
int uk__dir_begin(struct uk_node *dir);
int uk__dir_end(struct uk_node *dir);

int uk__dir_add_name(struct uk_node *dir, const char *name, ext2_ino_t ino, mode_t mode);
int uk__dir_remove_name(struct uk_node *dir, const char *name, ext2_ino_t ino);
/* May n be removed, by rmdir or by unlink? */
int uk__dir_check_removal(struct uk_node *n, bool rmdir);
/* One name of n is gone from dir. */
void uk__dir_drop_link(struct uk_node *n, struct uk_node *dir);
/* Keep the name cache right; ino 0: there is no such name. */
void uk__dir_remember(ext2_ino_t dir, const char *name, ext2_ino_t ino);
uint8_t uk__dir_file_type(mode_t mode); /* as directory entries store it */

#endif
