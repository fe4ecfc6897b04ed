/* SPDX-License-Identifier: MIT
 *
 * files.h: open files and directories of the disk as descriptors.
 */
#ifndef UK_FS_FILES_H
#define UK_FS_FILES_H

struct uk_file;
struct uk_node;
struct uk_place;

/* An open file of this node; takes over the caller's reference on success. */
int uk__file_of_node(struct uk_node *n, int flags, struct uk_file **ret_file);
/* An open directory that is not on the disk: /dev, or the root without a disk. */
int uk__file_of_dir(const struct uk_place *p, int flags, struct uk_file **ret_file);
/* The node behind an open file, borrowed; NULL when it is not on the disk. */
struct uk_node *uk__file_node(const struct uk_file *f);
/* An open directory as the start of a path, with a reference. -ENOTDIR. */
int uk__file_place(const struct uk_file *f, struct uk_place *ret_place);

#endif
