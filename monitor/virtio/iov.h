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

/* Where a walk along the stream stands: the rest of iov[0..n), off bytes into its first. */
struct iov_at {
	const struct iovec *iov;
	unsigned n;
	size_t off;
};

/* The next piece, as much as lies in one buffer; none at the end. One that len cuts short is the
 * last, since the walk then stands at the next buffer: iov_slice() may write over the one it has
 * left. */
static inline struct iovec iov_piece(struct iov_at *at, size_t len)
{
	for (; at->n && at->off >= at->iov->iov_len; at->iov++, at->n--)
		at->off -= at->iov->iov_len;
	if (!at->n)
		return (struct iovec){0};

	struct iovec p = {(uint8_t *)at->iov->iov_base + at->off, at->iov->iov_len - at->off};

	if (p.iov_len > len)
		p.iov_len = len;
	at->iov++;
	at->n--;
	at->off = 0;
	return p;
}

/* Up to len bytes from offset off; how many there were. */
static inline size_t iov_read(const struct iovec *iov, unsigned n, size_t off, void *dst,
			      size_t len)
{
	struct iov_at at = {iov, n, off};
	struct iovec p;
	size_t done = 0;

	for (; (p = iov_piece(&at, len - done)).iov_len; done += p.iov_len)
		memcpy((uint8_t *)dst + done, p.iov_base, p.iov_len);
	return done;
}

static inline size_t iov_write(const struct iovec *iov, unsigned n, size_t off, const void *src,
			       size_t len)
{
	struct iov_at at = {iov, n, off};
	struct iovec p;
	size_t done = 0;

	for (; (p = iov_piece(&at, len - done)).iov_len; done += p.iov_len)
		memcpy(p.iov_base, (const uint8_t *)src + done, p.iov_len);
	return done;
}

/* dst = bytes [off, off + len) of the stream as iovecs; dst has room for n. How many iovecs. */
static inline unsigned iov_slice(struct iovec *dst, const struct iovec *iov, unsigned n, size_t off,
				 size_t len)
{
	struct iov_at at = {iov, n, off};
	struct iovec p;
	unsigned out = 0;

	for (; (p = iov_piece(&at, len)).iov_len; len -= p.iov_len)
		dst[out++] = p; /* not the one of no bytes: dst may have no room for it */
	return out;
}

#endif
