/* SPDX-License-Identifier: MIT
 *
 * vec.h: reading and writing, of files, taps, sockets and eventfds alike, by two system calls only,
 * so that a VM's seccomp filter needs no more. Any thread. musl 1.2.3 has no name for them.
 */
#ifndef LIB_VEC_H
#define LIB_VEC_H

#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define VEC_STREAM UINT64_MAX /* no offset: a stream, or the file's own position */

/* As preadv2(2) and pwritev2(2). The fifth argument is the upper half of offsets on 32-bit machines
 * only. */
static inline ssize_t vec_read(int fd, const struct iovec *iov, unsigned n, uint64_t off)
{
	return syscall(SYS_preadv2, (long)fd, iov, (long)n, (long)off, 0L, 0L);
}

static inline ssize_t vec_write(int fd, const struct iovec *iov, unsigned n, uint64_t off,
				int flags)
{
	return syscall(SYS_pwritev2, (long)fd, iov, (long)n, (long)off, 0L, (long)flags);
}

/* As pwrite(2), write(2) and pread(2). */
static inline ssize_t vec_put_at(int fd, const void *p, size_t len, uint64_t off)
{
	union {
		const void *in;
		void *out;
	} u = {p};
	struct iovec iov = {.iov_base = u.out, .iov_len = len};

	return vec_write(fd, &iov, 1, off, 0);
}

static inline ssize_t vec_put(int fd, const void *p, size_t len)
{
	return vec_put_at(fd, p, len, VEC_STREAM);
}

static inline ssize_t vec_get(int fd, void *p, size_t len, uint64_t off)
{
	struct iovec iov = {.iov_base = p, .iov_len = len};

	return vec_read(fd, &iov, 1, off);
}

#endif
