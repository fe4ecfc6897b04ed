/* SPDX-License-Identifier: MIT
 *
 * devfs.h: the files that are not on the disk: /dev and the made-up /etc/resolv.conf.
 */
#ifndef UK_FS_DEVFS_H
#define UK_FS_DEVFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stat;
struct uk_file;

/* The configuration of the name resolver as text; its length or -errno. NULL when no network is
 * linked in. */
extern int uk__net_resolv_conf(char *buf, size_t len) __attribute__((weak));

int uk__devfs_find(const char *name); /* id of /dev/name, -ENOENT */
int uk__devfs_fd(const char *number); /* id of /dev/fd/number, -ENOENT */
int uk__devfs_open(int id, int flags, struct uk_file **ret_file);
void uk__devfs_stat(int id, struct stat *ret_st);
void uk__devfs_stat_dir(struct stat *ret_st);
ssize_t uk__devfs_list(int64_t *pos, void *buf, size_t len); /* as uk__dir_read() */

bool uk__devfs_has_resolv(void);
int uk__devfs_open_resolv(int flags, struct uk_file **ret_file);

/* blkdev.c: disk n as a file of bytes. -ENXIO, -EROFS, -EBUSY when it is mounted writable. */
int uk__blkdev_open(unsigned n, int flags, struct uk_file **ret_file);
/* The disk behind a file, NULL when it is none. */
struct uk_blk *uk__blkdev_of(const struct uk_file *f);

#endif
