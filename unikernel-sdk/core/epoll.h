/* SPDX-License-Identifier: MIT
 *
 * epoll.h: what the rest of the core needs of epoll.
 */
#ifndef UK_EPOLL_H
#define UK_EPOLL_H

struct uk_file;

/* The file's last reference is gone: no epoll watches it any longer. */
void uk__epoll_forget(struct uk_file *f);

long uk__epoll_syscall(long n, const long a[6]);

#endif
