/* SPDX-License-Identifier: MIT
 *
 * vfs.h: what the files with path calls share.
 */
#ifndef UK_FS_VFS_H
#define UK_FS_VFS_H

#include <stdbool.h>

/* Nothing, "." or "..": no name that could be made or removed. */
bool uk__is_dots(const char *name);

#endif
