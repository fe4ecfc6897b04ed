/* SPDX-License-Identifier: MIT
 *
 * path.h: paths of options, opened once and never resolved again. No symbolic link is followed in
 * any part of any of them: whoever can write one directory on the way could otherwise send a root
 * process elsewhere. Main thread. Every descriptor returned is O_CLOEXEC.
 */
#ifndef JAILER_PATH_H
#define JAILER_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Absolute, printable, below PATH_MAX, with no "", "." or ".." in it. -EINVAL with the rest of a
 * sentence in *ret_why. */
int path_check(const char *path, const char **ret_why);
/* The same for a path that must not begin with '/'. */
int path_check_relative(const char *path, const char **ret_why);
/* openat2 that follows no link of either kind. flags as of open(2). A descriptor or -errno (-ELOOP:
 * a link). */
int path_open(int dir, const char *path, int flags);
/*
 * Open a directory whose path nobody but root and owner could have changed: each component belongs
 * to one of them and is writable by no other (sticky ones pass, but not as the last), the last
 * belongs to owner. mode != 0: missing components are made with it. -EPERM: somebody else has a
 * hand in it; *ret_bad is then the length of the path up to the culprit.
 */
int path_open_own_dir(const char *path, uid_t owner, mode_t mode, size_t *ret_bad);
/* Open the component name below dir, a directory of owner that nobody else can write; made if mode
 * != 0. */
int path_open_subdir(int dir, const char *name, uid_t owner, mode_t mode);
/* Whether the name in dir still leads to what fd is: it may have been removed meanwhile. */
bool path_is_there(int dir, const char *name, int fd);

#endif
