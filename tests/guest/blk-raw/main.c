/* SPDX-License-Identifier: MIT
 *
 * blk-raw: the first disk as a raw device: sizes, whole and partial sectors, the end of the device,
 * and native AIO at depth 32 by plain system calls, each read compared with what was written.
 * Destroys the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH	 32
#define BLOCK	 4096
#define REQUESTS 1000

static int failures;

#define CHECK(cond)                                                                      \
	do {                                                                             \
		if (!(cond)) {                                                           \
			failures++;                                                      \
			printf("FAIL line %d: %s (errno %d)\n", __LINE__, #cond, errno); \
		}                                                                        \
	} while (0)

static uint8_t a[1 << 20], b[1 << 20];
static uint8_t bufs[DEPTH][BLOCK] __attribute__((aligned(4096)));

static void fill(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 56);
	}
}

static void synchronous(int fd, uint64_t size)
{
	fill(a, sizeof(a), 1);
	CHECK(pwrite(fd, a, sizeof(a), 0) == (ssize_t)sizeof(a));
	CHECK(pread(fd, b, sizeof(b), 0) == (ssize_t)sizeof(b) && memcmp(a, b, sizeof(a)) == 0);
	/* Partial sectors, across a boundary, leave their neighbours alone. */
	fill(b, 3000, 2);
	CHECK(pwrite(fd, b, 3000, 777) == 3000);
	memcpy(a + 777, b, 3000);
	CHECK(pread(fd, b, 8192, 1) == 8192 && memcmp(a + 1, b, 8192) == 0);
	CHECK(lseek(fd, 512, SEEK_SET) == 512 && read(fd, b, 100) == 100 &&
	      read(fd, b + 100, 500) == 500);
	CHECK(memcmp(a + 512, b, 600) == 0 && lseek(fd, 0, SEEK_CUR) == 1112);
	CHECK(lseek(fd, 0, SEEK_END) == (off_t)size);
	CHECK(read(fd, b, 1) == 0);
	errno = 0;
	CHECK(write(fd, b, 1) == -1 && errno == ENOSPC);
	CHECK(pread(fd, b, 4096, (off_t)size - 1024) == 1024);
	CHECK(fsync(fd) == 0);
}

static long io(aio_context_t ctx, struct iocb *cb)
{
	return syscall(SYS_io_submit, ctx, 1L, &cb);
}

/* One pass over random blocks of the second half of the disk; writing, or comparing. */
static void deep(aio_context_t ctx, int fd, uint64_t size, int write_pass)
{
	static struct iocb cbs[DEPTH];
	struct io_event ev[DEPTH];
	uint64_t blocks = size / 2 / BLOCK, done = 0, next = 0;
	int slots[DEPTH], nfree = DEPTH, deepest = 0;

	for (int i = 0; i < DEPTH; i++)
		slots[i] = i;
	while (done < REQUESTS) {
		while (nfree > 0 && next < REQUESTS) {
			int s = slots[--nfree];
			/* Odd step: a permutation as long as the count of blocks is a power of two.
			 */
			uint64_t blk = (next * 1597 + 7) % blocks;

			cbs[s] = (struct iocb){.aio_fildes = (uint32_t)fd,
					       .aio_lio_opcode = write_pass ? IOCB_CMD_PWRITE
									    : IOCB_CMD_PREAD,
					       .aio_buf = (uint64_t)(uintptr_t)bufs[s],
					       .aio_nbytes = BLOCK,
					       .aio_offset = (int64_t)(size / 2 + blk * BLOCK),
					       .aio_data = (uint64_t)s << 32 | blk};
			if (write_pass)
				fill(bufs[s], BLOCK, blk);
			CHECK(io(ctx, &cbs[s]) == 1);
			next++;
		}
		if (DEPTH - nfree > deepest)
			deepest = DEPTH - nfree;
		long n = syscall(SYS_io_getevents, ctx, 1L, (long)DEPTH, ev, NULL);

		CHECK(n >= 1);
		if (n < 1)
			return;
		for (long i = 0; i < n; i++, done++) {
			int s = (int)(ev[i].data >> 32);

			CHECK(ev[i].res == BLOCK && ev[i].obj == (uint64_t)(uintptr_t)&cbs[s]);
			if (!write_pass) {
				fill(a, BLOCK, (uint32_t)ev[i].data);
				CHECK(memcmp(a, bufs[s], BLOCK) == 0);
			}
			slots[nfree++] = s;
		}
	}
	CHECK(deepest == DEPTH);
}

static void asynchronous(int fd, uint64_t size)
{
	struct iocb cb = {.aio_fildes = (uint32_t)fd, .aio_lio_opcode = IOCB_CMD_FSYNC};
	struct timespec zero = {0, 0};
	struct io_event ev;
	aio_context_t ctx = 0;

	CHECK(syscall(SYS_io_setup, DEPTH, &ctx) == 0 && ctx != 0);
	deep(ctx, fd, size, 1);
	CHECK(io(ctx, &cb) == 1);
	CHECK(syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, NULL) == 1 && ev.res == 0);
	deep(ctx, fd, size, 0);
	CHECK(syscall(SYS_io_getevents, ctx, 0L, 1L, &ev, &zero) == 0);
	cb = (struct iocb){.aio_fildes = 999, .aio_lio_opcode = IOCB_CMD_PREAD};
	CHECK(io(ctx, &cb) == -1 && errno == EBADF);
	/* Beyond the end: nothing to read. */
	cb = (struct iocb){.aio_fildes = (uint32_t)fd,
			   .aio_lio_opcode = IOCB_CMD_PREAD,
			   .aio_buf = (uint64_t)(uintptr_t)b,
			   .aio_nbytes = BLOCK,
			   .aio_offset = (int64_t)size};
	CHECK(io(ctx, &cb) == 1 && syscall(SYS_io_getevents, ctx, 1L, 1L, &ev, NULL) == 1 &&
	      ev.res == 0);
	/* Requests in flight when the context goes away. */
	cb.aio_offset = 0;
	CHECK(io(ctx, &cb) == 1 && syscall(SYS_io_destroy, ctx) == 0);
	CHECK(syscall(SYS_io_destroy, ctx) == -1 && errno == EINVAL);
}

int main(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "/dev/vda", O_RDWR | O_DIRECT), sector = 0;
	uint64_t size = 0;
	struct stat st;

	CHECK(fd >= 0);
	if (fd < 0)
		return 1;
	CHECK(ioctl(fd, BLKGETSIZE64, &size) == 0 && size >= (8 << 20));
	CHECK(ioctl(fd, BLKSSZGET, &sector) == 0 && sector == 512);
	CHECK(fstat(fd, &st) == 0 && S_ISBLK(st.st_mode));
	synchronous(fd, size);
	asynchronous(fd, size);
	printf("%s\n", failures ? "FAIL" : "PASS");
	return failures != 0;
}
