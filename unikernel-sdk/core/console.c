/* SPDX-License-Identifier: MIT
 *
 * console.c: see console.h. One static file, shared by its descriptors as a terminal's is.
 */
#include "core/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "core/fd.h"
#include "core/platform.h"

static ssize_t console_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	(void)f;
	(void)iov;
	(void)n;
	return off >= 0 ? -ESPIPE : 0;
}

static ssize_t console_writev(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	ssize_t sum = 0;

	(void)f;
	if (off >= 0)
		return -ESPIPE;
	for (int i = 0; i < n; i++) {
		uk__console_write(iov[i].iov_base, iov[i].iov_len);
		sum += (ssize_t)iov[i].iov_len;
	}
	uk__console_poke();
	return sum;
}

static long console_ioctl(struct uk_file *f, unsigned long req, long arg)
{
	(void)f;
	switch (req) {
	case TIOCGWINSZ:
		*(struct winsize *)arg = (struct winsize){.ws_row = 24, .ws_col = 80};
		return 0;
	case TCGETS:
		memset((void *)arg, 0, 36); /* the kernel's struct termios */
		return 0;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return 0;
	case FIONREAD:
		*(int *)arg = 0;
		return 0;
	default:
		return -ENOTTY;
	}
}

static int console_fstat(struct uk_file *f, struct stat *st)
{
	(void)f;
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFCHR | 0620;
	st->st_nlink = 1;
	st->st_rdev = makedev(5, 1);
	st->st_blksize = 1024;
	return 0;
}

static const struct uk_fops console_ops = {
	.name = "console",
	.readv = console_readv,
	.writev = console_writev,
	.ioctl = console_ioctl,
	.fstat = console_fstat,
};

/* The static reference is never dropped. */
static struct uk_file console = {.ops = &console_ops, .refs = 1, .flags = O_RDWR};

struct uk_file *uk__console_file(void)
{
	console.refs++;
	return &console;
}
