/* SPDX-License-Identifier: MIT
 *
 * api: counts until it is stopped. Each line: the count, and by how many ms the wall clock is ahead
 * of where the monotonic clock would have it. "api MODE": crash ends in a fault at 20, exit with
 * status 9; disk adds lines with the size of the first disk and its first word.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static long long ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static void look_at_disk(void)
{
	static char sector[512] __attribute__((aligned(4096)));
	static int fd = -1;
	uint64_t size = 0;

	if (fd < 0)
		fd = open("/dev/vda", O_RDONLY | O_DIRECT);
	ssize_t n = pread(fd, sector, sizeof sector, 0);
	int r = ioctl(fd, BLKGETSIZE64, &size);
	printf("disk %d %llu %.8s\n", n == sizeof sector && !r, (unsigned long long)size, sector);
}

int main(int argc, char **argv)
{
	const struct timespec tick = {.tv_nsec = 5000000};
	int *volatile nowhere = NULL;
	const char *mode = argc > 1 ? argv[1] : "";
	long long base = ms(CLOCK_REALTIME) - ms(CLOCK_MONOTONIC);

	for (int n = 0;; n++) {
		printf("tick %d drift %lld\n", n, ms(CLOCK_REALTIME) - ms(CLOCK_MONOTONIC) - base);
		if (!strcmp(mode, "disk"))
			look_at_disk();
		fflush(stdout);
		if (n == 20 && !strcmp(mode, "exit"))
			exit(9);
		if (n == 20 && !strcmp(mode, "crash"))
			*nowhere = 1;
		nanosleep(&tick, NULL);
	}
}
