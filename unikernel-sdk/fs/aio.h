/* SPDX-License-Identifier: MIT
 *
 * aio.h: Linux's native asynchronous I/O: io_setup and its kin.
 */
#ifndef UK_FS_AIO_H
#define UK_FS_AIO_H

long uk__aio_syscall(long n, const long a[6]); /* UK_NOSYS for other numbers */

#endif
