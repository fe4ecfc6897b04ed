/* SPDX-License-Identifier: MIT
 *
 * fdtab.h: the rest of the descriptor table, for the system calls that work on descriptors
 * themselves.
 */
#ifndef UK_FDTAB_H
#define UK_FDTAB_H

#include <stdbool.h>

struct uk_file;

/* Close fd if it is open, then give it to f; takes over the caller's reference on success. fd, or
 * -EBADF or -ENOMEM, and then the reference is still the caller's. */
int uk__fd_replace(struct uk_file *f, int fd, bool cloexec);

/* fd must be open. Close-on-exec is kept because programs ask for it; nothing is ever executed. */
bool uk__fd_cloexec(int fd);
void uk__fd_set_cloexec(int fd, bool on);

#endif
