/* SPDX-License-Identifier: MIT
 *
 * open.h: open(2).
 */
#ifndef UK_FS_OPEN_H
#define UK_FS_OPEN_H

#include <sys/types.h>

/* openat(2): a descriptor or -errno. */
long uk__open(int dirfd, const char *path, int flags, mode_t mode);

#endif
