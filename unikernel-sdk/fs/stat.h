/* SPDX-License-Identifier: MIT
 *
 * stat.h: system calls that look at a file without opening it.
 */
#ifndef UK_FS_STAT_H
#define UK_FS_STAT_H

long uk__stat_syscall(long n, const long a[6]); /* UK_NOSYS for other numbers */

#endif
