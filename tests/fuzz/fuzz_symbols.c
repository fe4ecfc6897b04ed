/* SPDX-License-Identifier: MIT
 *
 * fuzz_symbols.c: any bytes as the file that a crashed guest's addresses are looked up in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "monitor/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t vas[] = {0, 0x1000, 0x4fff, 0x100000, UINT64_MAX};
	static int fd = -1;
	char name[64];

	if (fd < 0)
		fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();

	/* As if the file had been longer when it was opened, too. */
	struct image img = {.fd = fd, .size = size + (size & 1) * 4096, .elf = {.span = 0x200000}};

	for (size_t i = 0; i < sizeof vas / sizeof *vas; i++) {
		image_symbol(&img, vas[i], name, sizeof name);
		for (const char *p = name; *p; p++)
			if (*p < 0x20 || *p > 0x7e)
				abort();
	}
	return 0;
}
