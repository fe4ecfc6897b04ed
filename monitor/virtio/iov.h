/* SPDX-License-Identifier: MIT
 *
 * iov.h: byte-stream access to scattered guest buffers, so that no device depends on how a driver
 * cut its request into descriptors (virtio 1.2, 2.7.4.1). Lengths were checked by virtq.c; contents
 * are not.
 */
#ifndef MONITOR_VIRTIO_IOV_H
#define MONITOR_VIRTIO_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* Up to len bytes from offset off; how many there were. */
static inline size_t iov_read(const struct iovec *iov, unsigned n, size_t off, void *dst,
			      size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		size_t part = iov[i].iov_len - off;

		part = part < len - done ? part : len - done;
		memcpy((uint8_t *)dst + done, (uint8_t *)iov[i].iov_base + off, part);
		done += part;
		off = 0;
	}
	return done;
}

static inline size_t iov_write(const struct iovec *iov, unsigned n, size_t off, const void *src,
			       size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		size_t part = iov[i].iov_len - off;

		part = part < len - done ? part : len - done;
		memcpy((uint8_t *)iov[i].iov_base + off, (const uint8_t *)src + done, part);
		done += part;
		off = 0;
	}
	return done;
}

/* dst = bytes [off, off + len) of the stream as iovecs; dst has room for n. How many iovecs. */
static inline unsigned iov_slice(struct iovec *dst, const struct iovec *iov, unsigned n, size_t off,
				 size_t len)
{
	unsigned out = 0;

	for (unsigned i = 0; i < n && len; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		size_t part = iov[i].iov_len - off;

		part = part < len ? part : len;
		dst[out++] = (struct iovec){.iov_base = (uint8_t *)iov[i].iov_base + off,
					    .iov_len = part};
		len -= part;
		off = 0;
	}
	return out;
}

#endif
