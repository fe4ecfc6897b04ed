/* SPDX-License-Identifier: MIT
 *
 * fuzz_overlay.c: an overlay's file that is anybody's, then requests. The first byte says how much
 * of the file the input may write: all of it, or the map behind a good head. Whatever comes, the
 * image below keeps its bytes and the count is the map's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/backend/file.h"
#include "monitor/backend/overlay.h"
#include "monitor/config.h"
#include "tests/fuzz/guest.h"

#define CLUSTERS 70u /* two words of the map */
#define DISK	 (CLUSTERS * OVERLAY_CLUSTER - 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t image[DISK], now[DISK], buf[DISK];
static int below = -1;

static void make_base(void)
{
	for (unsigned i = 0; i < DISK; i++)
		image[i] = (uint8_t)(i * 31 + 1);
	below = memfd_create("base", MFD_CLOEXEC);
	if (below < 0 || pwrite(below, image, DISK, 0) != DISK)
		abort();
}

static void good_head(uint8_t *file)
{
	struct stat st;
	uint32_t version = 1, cluster = OVERLAY_CLUSTER;
	uint64_t bytes = DISK;

	if (fstat(below, &st))
		abort();
	int64_t mtime = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;

	memset(file, 0, OVERLAY_CLUSTER);
	memcpy(file, "MAYFLYOV", 8);
	memcpy(file + 8, &version, 4);
	memcpy(file + 12, &cluster, 4);
	memcpy(file + 16, &bytes, 8);
	memcpy(file + 24, &mtime, 8);
}

/* The file of this input. */
static int make_file(struct fuzz_in *in)
{
	static uint8_t file[4 * OVERLAY_CLUSTER];
	uint8_t how = (uint8_t)fuzz_take(in, 1);
	size_t at = how & 1 ? OVERLAY_CLUSTER : 0, n = in->n < 64 ? in->n : 64;
	int fd = memfd_create("overlay", MFD_CLOEXEC);

	memset(file, how, sizeof file);
	memset(file + OVERLAY_CLUSTER, 0, OVERLAY_CLUSTER);
	good_head(file);
	memcpy(file + at, in->p, n);
	in->p += n;
	in->n -= n;
	n = how & 2 ? at + n : sizeof file;
	if (fd < 0 || pwrite(fd, file, n, 0) != (ssize_t)n)
		abort();
	return fd;
}

static void request(struct overlay *ov, struct fuzz_in *in)
{
	unsigned what = fuzz_take(in, 1) % 8;
	uint32_t off = (uint32_t)(fuzz_take(in, 2) * 512 % DISK);
	uint32_t len = (uint32_t)(fuzz_take(in, 2) * 512 % DISK);

	if (len > DISK - off)
		len = DISK - off;
	struct iovec iov[2] = {{buf, len / 3}, {buf + len / 3, len - len / 3}};
	int r = 0;

	switch (what) {
	case 0:
		r = overlay_read(ov, iov, 2, off);
		break;
	case 1:
		memset(buf, (int)len, len);
		r = overlay_write(ov, iov, 2, off, len & 512);
		break;
	case 2:
		r = len ? overlay_zero(ov, off, len, true, false) : 0;
		break;
	case 3:
		r = overlay_discard(ov, off, len);
		break;
	case 4:
		r = overlay_sync(ov);
		break;
	case 5:
		overlay_mark(ov);
		break;
	default:
		r = overlay_rewind(ov);
	}
	(void)r;
}

static void check(struct overlay *ov)
{
	uint64_t n = 0, c = 0;

	for (; overlay_next(ov, c, &c); c++)
		n++;
	if (n != overlay_metrics(ov).clusters || n > CLUSTERS)
		abort();
	if (pread(below, now, DISK, 0) != DISK || memcmp(now, image, DISK) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {.p = data, .n = size};
	char path[2][32], err[400];
	struct bfile base;
	struct overlay *ov;

	if (below < 0)
		make_base();
	int fd = make_file(&in);

	snprintf(path[0], sizeof path[0], "/proc/self/fd/%d", below);
	snprintf(path[1], sizeof path[1], "/proc/self/fd/%d", fd);
	const struct blk_config cfg = {.id = "root",
				       .path = path[0],
				       .ro = true,
				       .overlay = path[1],
				       .overlay_max = 60 * OVERLAY_CLUSTER};

	if (bfile_open(&base, &cfg, err, sizeof err))
		abort();
	if (overlay_open(&ov, &base, &cfg, err, sizeof err) == 0) {
		for (unsigned i = 0; in.n && i < 64; i++)
			request(ov, &in);
		check(ov);
		overlay_close(ov);
	}
	bfile_close(&base);
	close(fd);
	return 0;
}
