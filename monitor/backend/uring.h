/* SPDX-License-Identifier: MIT
 *
 * uring.h: io_uring for one block device with a deep queue. What is submitted to a ring passes by
 * every seccomp filter, so the ring itself is restricted: it reads, writes and syncs one file, and
 * nothing else ever. Where the kernel or a filter refuses it, the device goes on with plain calls.
 * The device's thread.
 */
#ifndef MONITOR_BACKEND_URING_H
#define MONITOR_BACKEND_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

struct buring {
	struct io_uring ring;
	bool up;
	unsigned queued;   /* prepared, not submitted */
	unsigned inflight; /* prepared or submitted, not reaped */
};

/* A ring for the n files of fds, which stay open. 0 or -errno. At most `entries` requests may be in
 * flight; the caller sees to it. */
int buring_init(struct buring *b, unsigned entries, const int *fds, unsigned n)
	__attribute__((warn_unused_result));
/* Nothing may be in flight. Accepts a zeroed struct. */
/* Let the ring have that descriptor, which is free. 0 or -errno. */
int buring_renumber(struct buring *b, int fd);
void buring_fini(struct buring *b);

/* Prepare one request of fds[file]; tag comes back with its completion. iov is the kernel's until
 * buring_submit returns; the buffers are until the completion. */
void buring_rw(struct buring *b, int file, bool write, const struct iovec *iov, unsigned n,
	       uint64_t off, int rwf, uint64_t tag);
void buring_fdatasync(struct buring *b, int file, uint64_t tag);
/* One system call for all that is prepared; wait: until at least one completion is there. 0 or
 * -errno. */
int buring_submit(struct buring *b, bool wait);
/* Next completion, false when none is there yet. No system call. */
bool buring_reap(struct buring *b, uint64_t *ret_tag, int *ret_res);

#endif
