/* SPDX-License-Identifier: MIT
 *
 * handed.h: files that were handed over open. A path "/dev/fd/N" or "/proc/self/fd/N" means
 * descriptor N, also where there is no /dev/fd and no /proc: in a jail. Any thread.
 */
#ifndef LIB_HANDED_H
#define LIB_HANDED_H

#include <sys/types.h>

/*
 * open(2), but for those paths: a new descriptor of the same open file, close-on-exec, the access
 * mode being at least that of flags (else EACCES); O_DIRECT and O_APPEND are set on it when asked
 * for, and nothing is created or truncated. -1 and errno: EBADF when N is not open. Position and
 * locks are shared with N.
 */
int handed_open(const char *path, int flags, mode_t mode);
/* The N of such a path, or -1. Not 0 to 2: those are the monitor's own. */
int handed_number(const char *path);

#endif
