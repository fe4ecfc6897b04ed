/* SPDX-License-Identifier: MIT
 *
 * syscall.h: the two halves of the socket system calls, UK_NOSYS for numbers that are not theirs.
 */
#ifndef UK_NET_SYSCALL_H
#define UK_NET_SYSCALL_H

long uk__net_syscall(long n, const long a[6]);
long uk__sock_syscall(long n, const long a[6]);
long uk__msg_syscall(long n, const long a[6]);

#endif
