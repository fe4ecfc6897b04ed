/* SPDX-License-Identifier: MIT
 *
 * fullio.h: all of a piece of a file, however the kernel cuts it. Any thread.
 */
#ifndef LIB_FULLIO_H
#define LIB_FULLIO_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* len bytes at off into dst. 0, or -errno; -ENODATA: the file ends before. */
static inline int full_read(int fd, void *dst, uint64_t len, uint64_t off)
{
	uint8_t *p = (uint8_t *)dst;

	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* len bytes from src to off. 0, or -errno; -EIO: the kernel takes none and says no reason. */
static inline int full_write(int fd, const void *src, uint64_t len, uint64_t off)
{
	const uint8_t *p = (const uint8_t *)src;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

#endif
