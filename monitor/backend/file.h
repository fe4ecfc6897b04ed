/* SPDX-License-Identifier: MIT
 *
 * file.h: a raw disk image or a block device as the block device sees it: bytes at offsets, flush,
 * discard, zero. Offsets were checked against `size` by the caller; buffers are guest memory,
 * nothing in it is read here. Never mapped: a file that shrinks under us is an error code, not
 * SIGBUS. The device's thread.
 */
#ifndef MONITOR_BACKEND_FILE_H
#define MONITOR_BACKEND_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct blk_config;

struct bfile {
	int fd;
	uint64_t size;	/* bytes; multiple of 512 and of align */
	uint32_t align; /* O_DIRECT: what offset, length and memory must be multiples of; else 1 */
	bool ro;
	bool no_dsync;		 /* this file cannot RWF_DSYNC */
	bool no_zero;		 /* ... or FALLOC_FL_ZERO_RANGE */
	uint8_t *bounce;	 /* O_DIRECT: for what is not aligned */
	uint64_t zeroes_written; /* bytes that bfile_zero had to write out */
};

/* Opens, locks (shared when read-only, so that two writers never meet) and measures. 0 or -errno,
 * with a message in err that names the file and the fix. */
int bfile_open(struct bfile *ret_f, const struct blk_config *cfg, char *err, size_t errlen);
/* Lock an open file against other VMs, or against their writing. 0, or -EBUSY. */
int bfile_lock(int fd, bool shared);
/* Accepts a zeroed or failed struct with fd -1. */
void bfile_close(struct bfile *f);
/* Nothing is in flight any more: another VM may have it from now on, and not only when the kernel
 * has taken our io_uring apart. */
void bfile_unlock(int fd);
/* Look at the size again. 0 or -errno. */
int bfile_measure(struct bfile *f);

/* May exactly this be handed to the kernel? Always without O_DIRECT. */
bool bfile_aligned(const struct bfile *f, const struct iovec *iov, unsigned n, uint64_t off);
/* Transfer all of iov (which is clobbered) at off. stable: written data survives a power cut on
 * return. 0 or -errno; -EIO also when the file ends before. What was transferred before an error is
 * undefined. */
int bfile_read(struct bfile *f, struct iovec *iov, unsigned n, uint64_t off);
int bfile_write(struct bfile *f, struct iovec *iov, unsigned n, uint64_t off, bool stable);
int bfile_sync(struct bfile *f);
/* Advice: 0 too when the filesystem cannot. */
int bfile_discard(struct bfile *f, uint64_t off, uint64_t len);
/* Reads as zeroes after. unmap: may free the blocks. */
int bfile_zero(struct bfile *f, uint64_t off, uint64_t len, bool unmap, bool stable);

#endif
