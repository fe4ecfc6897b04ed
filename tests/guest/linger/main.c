/* SPDX-License-Identifier: MIT
 *
 * linger: stays up while the host does something to the files under it, told when by SIGTERM.
 *   image     checksum of our own text and constants before and after: the file may have changed,
 * we may not disk      after the signal, the end of /dev/vda must give EIO and its beginning must
 * still read flood N   write N MiB to the console as fast as it goes
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char uk__image_start[], uk__stub_vectors[];
static volatile sig_atomic_t told;

static void on_term(int sig)
{
	(void)sig;
	told = 1;
}

static void wait_for_signal(void)
{
	signal(SIGTERM, on_term);
	puts("up");
	while (!told)
		pause();
}

/* From the ELF header to the ring-0 stub, which ends the text and is not ours to read. */
static uint64_t checksum(void)
{
	uint64_t sum = 14695981039346656037u;

	for (const char *p = uk__image_start; p < uk__stub_vectors; p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		sum = (sum ^ word) * 1099511628211u;
	}
	return sum;
}

static int image(void)
{
	uint64_t before = checksum();

	wait_for_signal();
	int same = checksum() == before;
	puts(same ? "PASS" : "FAIL: the image changed under us");
	return !same;
}

static int disk(void)
{
	static char buf[4096];
	int fd = open("/dev/vda", O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);

	if (fd < 0 || size < 1 << 20)
		return puts("FAIL: no disk"), 1;
	wait_for_signal();
	if (pread(fd, buf, sizeof buf, size - 4096) != -1 || errno != EIO)
		return puts("FAIL: the end of a shrunken disk reads"), 1;
	if (pread(fd, buf, sizeof buf, 0) != sizeof buf)
		return puts("FAIL: the beginning of a shrunken disk does not read"), 1;
	puts("PASS");
	return 0;
}

static int flood(int mib)
{
	static char block[65536];

	memset(block, 'x', sizeof block);
	for (size_t i = 63; i < sizeof block; i += 64)
		block[i] = '\n';
	for (int i = 0; i < mib * 16; i++)
		if (write(1, block, sizeof block) != sizeof block)
			return 1;
	return 7;
}

int main(int argc, char *argv[])
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "image"))
		return image();
	if (!strcmp(mode, "disk"))
		return disk();
	if (!strcmp(mode, "flood"))
		return flood(argc > 2 ? atoi(argv[2]) : 16);
	puts("usage: linger image|disk|flood N");
	return 2;
}
