/* SPDX-License-Identifier: MIT
 *
 * path.h: from a path to what it names. The tree is the disk's, with /dev laid over it, and with
 * /etc/resolv.conf when the disk has none. Without a disk only those exist.
 */
#ifndef UK_FS_PATH_H
#define UK_FS_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include "fs/fs.h"

struct uk_file;

enum uk_place_kind {
	UK_AT_NODE,   /* on the disk; node holds a reference */
	UK_AT_ROOT,   /* the root directory when there is no disk */
	UK_AT_DEVDIR, /* /dev */
	UK_AT_DEV,    /* a device, id in dev */
	UK_AT_RESOLV, /* /etc/resolv.conf made from the network's configuration */
};

struct uk_place {
	enum uk_place_kind kind;
	struct uk_node *node;
	int dev;
	/* With UK_PATH_PARENT: the last component, which node (a directory) may or may not contain.
	 */
	char name[UK_NAME_MAX + 1];
	bool slash; /* the path ended in a slash: only a directory will do */
};

#define UK_PATH_NOFOLLOW 1u /* a symbolic link as last component is the result */
#define UK_PATH_PARENT	 2u /* stop before the last component */

/* Start at dirfd (AT_FDCWD: the working directory) or, when base is not NULL, at that directory.
 * The result is to be given to uk__place_put(). -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EBADF...
 */
int uk__path_find(int dirfd, struct uk_node *base, const char *path, unsigned flags,
		  struct uk_place *ret_place);
void uk__place_put(struct uk_place *p);

/* Working directory: takes a reference of its own; kinds NODE, ROOT and DEVDIR only. */
int uk__path_chdir(const struct uk_place *p);
long uk__path_getcwd(char *buf, unsigned long size);

#endif
