/* SPDX-License-Identifier: MIT
 *
 * uring.c: see uring.h. The ring is used by whichever thread serves the device, so it has none of
 * the single-issuer flags. Its descriptor polls readable when completions wait.
 */
#include "monitor/backend/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian's liburing does not export what it has for these. */
static int set_up(struct io_uring *ring, unsigned what, void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, (long)ring->ring_fd, (long)what, arg, (long)n) < 0
		       ? -errno
		       : 0;
}

/* Five operations on the registered files; no registering either once the ring is enabled. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE,
				      IORING_OP_WRITEV, IORING_OP_FSYNC};
	struct io_uring_restriction res[sizeof ops + 1] = {0};

	for (unsigned i = 0; i < sizeof ops; i++) {
		res[i].opcode = IORING_RESTRICTION_SQE_OP;
		res[i].sqe_op = ops[i];
	}
	res[sizeof ops].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	res[sizeof ops].sqe_flags = IOSQE_FIXED_FILE;
	return set_up(ring, IORING_REGISTER_RESTRICTIONS, res, sizeof ops + 1);
}

int buring_init(struct buring *b, unsigned entries, const int *fds, unsigned n)
{
	int ret = io_uring_queue_init(entries, &b->ring, IORING_SETUP_R_DISABLED);

	if (ret)
		return ret;
	/* Without these two an iovec must outlive its submission and completions can be lost. */
	if ((b->ring.features & (IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_NODROP)) !=
	    (IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_NODROP))
		ret = -EOPNOTSUPP;
	ret = ret ? ret : io_uring_register_files(&b->ring, fds, n);
	ret = ret ? ret : restrict_ring(&b->ring);
	ret = ret ? ret : set_up(&b->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (ret) {
		io_uring_queue_exit(&b->ring);
		return ret;
	}
	/* A forked copy of the VM has no business in this ring. */
	io_uring_ring_dontfork(&b->ring);
	b->up = true;
	return 0;
}

int buring_renumber(struct buring *b, int fd)
{
	if (b->ring.ring_fd == fd)
		return 0;
	if (dup3(b->ring.ring_fd, fd, O_CLOEXEC) < 0)
		return -errno;
	close(b->ring.ring_fd);
	b->ring.ring_fd = b->ring.enter_ring_fd = fd;
	return 0;
}

void buring_fini(struct buring *b)
{
	if (b->up)
		io_uring_queue_exit(&b->ring);
	*b = (struct buring){0};
}

static struct io_uring_sqe *get(struct buring *b)
{
	/* There is room: no more than `entries` are ever in flight. */
	b->queued++;
	b->inflight++;
	return io_uring_get_sqe(&b->ring);
}

void buring_rw(struct buring *b, int file, bool write, const struct iovec *iov, unsigned n,
	       uint64_t off, int rwf, uint64_t tag)
{
	struct io_uring_sqe *sqe = get(b);

	if (n == 1 && iov->iov_len <= UINT32_MAX / 2) {
		if (write)
			io_uring_prep_write(sqe, file, iov->iov_base, (unsigned)iov->iov_len, off);
		else
			io_uring_prep_read(sqe, file, iov->iov_base, (unsigned)iov->iov_len, off);
	} else {
		if (write)
			io_uring_prep_writev(sqe, file, iov, n, off);
		else
			io_uring_prep_readv(sqe, file, iov, n, off);
	}
	sqe->rw_flags = rwf;
	sqe->flags = IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, tag);
}

void buring_fdatasync(struct buring *b, int file, uint64_t tag)
{
	struct io_uring_sqe *sqe = get(b);

	io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
	sqe->flags = IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, tag);
}

int buring_submit(struct buring *b, bool wait)
{
	while (b->queued || wait) {
		int ret = io_uring_submit_and_wait(&b->ring, wait ? 1 : 0);

		if (ret == -EINTR)
			continue;
		if (ret < 0)
			return ret;
		b->queued -= (unsigned)ret < b->queued ? (unsigned)ret : b->queued;
		if (wait)
			return 0;
		/* A short count: the kernel stopped at one it could not take now; that one has
		 * completed with an error, the rest is still to go. */
		if (!ret)
			return -EAGAIN;
	}
	return 0;
}

bool buring_reap(struct buring *b, uint64_t *ret_tag, int *ret_res)
{
	struct io_uring_cqe *cqe;

	if (!b->inflight || io_uring_peek_cqe(&b->ring, &cqe))
		return false;
	*ret_tag = io_uring_cqe_get_data64(cqe);
	*ret_res = cqe->res;
	io_uring_cqe_seen(&b->ring, cqe);
	b->inflight--;
	return true;
}
