/* SPDX-License-Identifier: MIT
 *
 * handed.c: see handed.h.
 */
#include "lib/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/num.h"

int handed_number(const char *path)
{
	static const char *const prefixes[] = {"/dev/fd/", "/proc/self/fd/"};

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		size_t n = strlen(prefixes[i]);
		uint64_t fd;

		if (strncmp(path, prefixes[i], n) == 0 &&
		    num_u64(path + n, strlen(path + n), 3, INT_MAX, &fd) == 0)
			return (int)fd;
	}
	return -1;
}

int handed_open(const char *path, int flags, mode_t mode)
{
	int from = handed_number(path);

	if (from < 0)
		return openat(AT_FDCWD, path, flags,
			      mode); /* musl's open() sets FD_CLOEXEC once more */
	int have = fcntl(from, F_GETFL), want = flags & O_ACCMODE,
	    keep = flags & (O_DIRECT | O_APPEND);
	if (have < 0)
		return -1;
	if ((have & O_ACCMODE) != want && (have & O_ACCMODE) != O_RDWR) {
		errno = EACCES;
		return -1;
	}
	if (keep & ~have && fcntl(from, F_SETFL, have | keep) < 0)
		return -1;
	return fcntl(from, F_DUPFD_CLOEXEC, 3);
}
