/* SPDX-License-Identifier: MIT
 *
 * fuzz_blk.c: the block device on a file in memory, with io_uring. Whatever the guest asks for, the
 * file keeps its size. Two devices take turns: one that may be written and one that may not, whose
 * file keeps its bytes too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/config.h"
#include "monitor/virtio/blk.h"
#include "tests/fuzz/guest.h"

#define DISK 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem gm;
static struct virtio_dev *dev[2];
static int fd[2];

static void irq(void *arg)
{
	(void)arg;
}

static void setup(void)
{
	static struct blk_config cfg[2];
	static char path[2][32];
	char err[320];

	gm = fuzz_ram();
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = memfd_create("disk", MFD_CLOEXEC);
		snprintf(path[i], sizeof path[i], "/proc/self/fd/%d", fd[i]);
		cfg[i] = (struct blk_config){.id = "root", .path = path[i], .ro = i, .queues = 2};
		if (ftruncate(fd[i], DISK) || vblk_create(&dev[i], &cfg[i], &gm, err, sizeof err))
			abort();
		dev[i]->irq = irq;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {.p = data, .n = size};
	unsigned ro = fuzz_take(&in, 1) & 1;
	struct stat st;

	if (!dev[0])
		setup();
	fuzz_run(dev[ro], &gm, &in, NULL);
	if (vblk_sync(dev[ro]) || fstat(fd[ro], &st) || st.st_size != DISK || (ro && st.st_blocks))
		abort();
	return 0;
}
