/* SPDX-License-Identifier: MIT
 *
 * config.h: what libext2fs' configure would find out about our sysroot. No threads, no host system
 * calls.
 */
#define HAVE_ERRNO_H	 1
#define HAVE_STRNLEN	 1
#define HAVE_SYS_STAT_H	 1
#define HAVE_SYS_TIME_H	 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H	 1
#define SIZEOF_INT	 4
#define SIZEOF_LONG	 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SHORT	 2
#define SIZEOF_OFF_T	 8
#define SIZEOF_TIME_T	 8
