/* SPDX-License-Identifier: MIT
 *
 * area.h: how the parts of the core hang together: each area serves some system calls, in the
 * manner of the optional modules (UK_NOSYS for a number of somebody else), and has at most one
 * start-up function. Arguments are as in Linux x86-64; pointers come from the application, which
 * shares our address space.
 */
#ifndef UK_AREA_H
#define UK_AREA_H

#include <stdbool.h>
#include <stdint.h>

long uk__file_syscall(long n, const long a[6]);
long uk__poll_syscall(long n, const long a[6]);	 /* poll, select, epoll */
long uk__event_syscall(long n, const long a[6]); /* eventfd, timerfd, pipe */
long uk__time_syscall(long n, const long a[6]);
long uk__mmap_syscall(long n, const long a[6]);
long uk__sig_syscall(long n, const long a[6]);
long uk__proc_syscall(long n, const long a[6]);

/* Start-up, in this order. */
void uk__mem_init(void);
void uk__time_init(void);
void uk__fd_init(void);

/* Nanoseconds the vCPU was given away since boot: what is not idle counts as CPU time. */
uint64_t uk__idle_ns(void);

#endif
