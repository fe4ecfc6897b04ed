/* SPDX-License-Identifier: MIT
 *
 * fs.h: the disk file system as the VFS layer sees it: nodes, names in directories, bytes in files.
 * Calls return >= 0 or -errno. -EIO is the disk's fault, -EUCLEAN means that what is on the disk
 * contradicts itself. Names are NUL-terminated, at most 255 bytes, without a slash.
 */
#ifndef UK_FS_FS_H
#define UK_FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UK_FS_ROOT  2u /* inode number of the root directory */
#define UK_NAME_MAX 255u

struct stat;
struct statfs;
struct timespec;
struct uk_blk;
struct uk_node;

/* Mount at the first call. 0, -ENOENT without a disk, else why the disk cannot be used (logged
 * once). */
int uk__fs_mount(void);
bool uk__fs_readonly(void);
/* The disk that is mounted writable: raw writes to it would destroy it. NULL when none. */
const struct uk_blk *uk__fs_owns(void);
/* Everything dirty to the disk in order, then a device flush. 0 or the error. */
int uk__fs_sync(void);
int uk__fs_statfs(struct statfs *ret_st);
/* Write back when much is dirty. Called after operations that modify; errors stay for fsync to
 * find. */
void uk__fs_relax(void);

/* --- nodes: one struct per inode in use; get and put count references ---------------- */
int uk__node_get(uint32_t ino, struct uk_node **ret_node);
struct uk_node *uk__node_ref(struct uk_node *n);
void uk__node_put(struct uk_node *n);
uint32_t uk__node_ino(const struct uk_node *n);
mode_t uk__node_mode(const struct uk_node *n);
int64_t uk__node_size(const struct uk_node *n);
void uk__node_stat(const struct uk_node *n, struct stat *ret_st);
int uk__node_chmod(struct uk_node *n, mode_t mode);
int uk__node_chown(struct uk_node *n, uint32_t uid, uint32_t gid); /* UINT32_MAX keeps */
/* NULL keeps that time. */
int uk__node_utimes(struct uk_node *n, const struct timespec *atime, const struct timespec *mtime);

/* --- file contents ------------------------------------------------------------------- */
/* Per open file: where a sequential reader will go on. Zero it at open. */
struct uk_ahead {
	int64_t next;	 /* offset after the last read */
	uint32_t window; /* blocks to read ahead, 0 = not sequential */
	uint32_t issued; /* first logical block that has not been asked for */
};
ssize_t uk__node_read(struct uk_node *n, struct uk_ahead *ra, void *buf, size_t len, int64_t off);
ssize_t uk__node_write(struct uk_node *n, const void *buf, size_t len, int64_t off);
int uk__node_truncate(struct uk_node *n, int64_t len);
int uk__node_fallocate(struct uk_node *n, int mode, int64_t off, int64_t len);
/* SEEK_DATA or SEEK_HOLE from off; -ENXIO beyond the end. */
int64_t uk__node_seek(struct uk_node *n, int64_t off, bool hole);
/* Target of a symbolic link, not terminated; at most cap bytes. Length. */
ssize_t uk__node_readlink(struct uk_node *n, char *buf, size_t cap);

/* --- names
 * --------------------------------------------------------------------------------------------------
 */
int uk__dir_lookup(struct uk_node *dir, const char *name,
		   uint32_t *ret_ino); /* -ENOENT, -ENOTDIR */
int uk__dir_create(struct uk_node *dir, const char *name, mode_t mode, struct uk_node **ret_node);
int uk__dir_mkdir(struct uk_node *dir, const char *name, mode_t mode);
int uk__dir_symlink(struct uk_node *dir, const char *name, const char *target);
int uk__dir_link(struct uk_node *dir, const char *name, struct uk_node *n);
int uk__dir_unlink(struct uk_node *dir, const char *name, bool rmdir);
int uk__dir_rename(struct uk_node *from, const char *from_name, struct uk_node *to,
		   const char *to_name, bool noreplace);
/* linux_dirent64 records from *pos on, which moves. Bytes, 0 at the end, -EINVAL when buf is too
 * small. */
ssize_t uk__dir_read(struct uk_node *dir, int64_t *pos, void *buf, size_t len);
/* Absolute path of a directory, terminated. Length with the NUL, -ERANGE, -ENOENT when it was
 * removed. */
ssize_t uk__dir_path(struct uk_node *dir, char *buf, size_t len);

#endif
