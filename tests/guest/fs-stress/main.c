/* SPDX-License-Identifier: MIT
 *
 * fs-stress: random operations on a few files, compared after each step with copies of them in
 * memory. Arguments: seed, steps, scratch directory. The same seed does the same; a difference ends
 * it with status 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 12
#define MAX   (192 * 1024)

static struct file {
	int exists, fd;
	size_t len;
	uint8_t *data;
} files[FILES];
static uint8_t buf[MAX];
static uint64_t rng;
static long step;
static char did[160]; /* the last operation, for the message */

static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 32) % n;
}

static void fail(const char *what, int i)
{
	printf("FAIL step %ld file %d: %s (errno %d) after %s\n", step, i, what, errno, did);
	exit(1);
}

static const char *name(int i)
{
	static char s[2][64];
	static int turn;

	turn ^= 1;
	/* Some names lie in a subdirectory, some are long. */
	sprintf(s[turn], i % 3 ? "file%d" : "sub/a-rather-long-name-for-file-%d", i);
	return s[turn];
}

static int open_file(int i, int flags)
{
	int fd = open(name(i), flags, 0644);

	if (fd < 0)
		fail("open", i);
	return fd;
}

static void compare(int i)
{
	struct file *f = &files[i];
	struct stat st;
	int fd = open_file(i, O_RDONLY);
	size_t done = 0;

	if (fstat(fd, &st) || (size_t)st.st_size != f->len)
		fail("size differs", i);
	while (done < f->len) {
		size_t want = 1 + rnd(MAX);
		ssize_t n = read(fd, buf, want);

		if (n <= 0)
			fail("read", i);
		for (ssize_t k = 0; k < n; k++)
			if (buf[k] != f->data[done + (size_t)k]) {
				printf("at %zu of %zu: %x instead of %x\n", done + (size_t)k,
				       f->len, buf[k], f->data[done + (size_t)k]);
				fail("content differs", i);
			}
		done += (size_t)n;
	}
	if (read(fd, buf, 1) != 0)
		fail("no end", i);
	close(fd);
}

static void do_write(int i, int append)
{
	struct file *f = &files[i];
	size_t off = append ? f->len : rnd(MAX), len = 1 + rnd(rnd(4) ? 5000 : MAX / 2);
	int fd = open_file(i, O_CREAT | O_WRONLY | (append ? O_APPEND : 0));

	if (off + len > MAX)
		len = off < MAX ? MAX - off : 0;
	sprintf(did, "write %zu at %zu of %zu", len, off, f->len);
	for (size_t k = 0; k < len; k++)
		buf[k] = (uint8_t)(rng >> (k % 8 * 8)) ^ (uint8_t)k;
	if (!append && lseek(fd, (off_t)off, SEEK_SET) != (off_t)off)
		fail("lseek", i);
	if (write(fd, buf, len) != (ssize_t)len)
		fail("write", i);
	if (len && off > f->len)
		memset(f->data + f->len, 0, off - f->len);
	memcpy(f->data + off, buf, len);
	if (len && off + len > f->len)
		f->len = off + len;
	f->exists = 1;
	if (rnd(20) == 0 && fsync(fd))
		fail("fsync", i);
	close(fd);
}

static void do_truncate(int i)
{
	struct file *f = &files[i];
	size_t len = rnd(3) ? rnd(MAX) : rnd((uint32_t)f->len + 1);

	sprintf(did, "truncate %zu to %zu", f->len, len);
	if (truncate(name(i), (off_t)len))
		fail("truncate", i);
	if (len > f->len)
		memset(f->data + f->len, 0, len - f->len);
	f->len = len;
}

static void do_fallocate(int i)
{
	struct file *f = &files[i];
	size_t off = rnd(MAX - 1), len = 1 + rnd((uint32_t)(MAX - off));
	int punch = (int)rnd(2), fd = open_file(i, O_RDWR);

	sprintf(did, "%s %zu at %zu of %zu", punch ? "punch" : "allocate", len, off, f->len);
	if (fallocate(fd, punch ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0, (off_t)off,
		      (off_t)len))
		fail("fallocate", i);
	if (!punch && off + len > f->len) {
		memset(f->data + f->len, 0, off + len - f->len);
		f->len = off + len;
	}
	if (punch && off < f->len)
		memset(f->data + off, 0, off + len < f->len ? len : f->len - off);
	close(fd);
}

/* A removed file lives on behind its descriptor. */
static void do_unlink(int i)
{
	struct file *f = &files[i];
	int fd = open_file(i, O_RDONLY);

	if (unlink(name(i)))
		fail("unlink", i);
	if (f->len && (pread(fd, buf, 1, (off_t)f->len - 1) != 1 || buf[0] != f->data[f->len - 1]))
		fail("unlinked file lost its content", i);
	close(fd);
	if (open(name(i), O_RDONLY) >= 0 || errno != ENOENT)
		fail("still there", i);
	f->exists = 0;
	f->len = 0;
}

static void do_rename(int i, int j)
{
	uint8_t *data = files[j].data;

	if (i == j)
		return;
	sprintf(did, "rename to %d", j);
	if (rename(name(i), name(j)))
		fail("rename", i);
	files[j] = files[i];
	files[i] = (struct file){.data = data};
}

static void one_step(void)
{
	int i = (int)rnd(FILES), op = (int)rnd(100);

	if (!files[i].exists || op < 45)
		do_write(i, (int)rnd(2));
	else if (op < 60)
		do_truncate(i);
	else if (op < 68)
		do_fallocate(i);
	else if (op < 76)
		do_unlink(i);
	else if (op < 84)
		do_rename(i, (int)rnd(FILES));
	else if (op < 86)
		sync();
	if (files[i].exists)
		compare(i);
}

int main(int argc, char **argv)
{
	long steps = argc > 2 ? atol(argv[2]) : 500;

	rng = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 0x9e3779b97f4a7c15u + 1;
	if (chdir(argc > 3 ? argv[3] : "/") || mkdir("fs-stress", 0755) || chdir("fs-stress") ||
	    mkdir("sub", 0755))
		fail("scratch directory", -1);
	for (int i = 0; i < FILES; i++)
		if (!(files[i].data = malloc(MAX)))
			fail("memory", i);
	for (step = 0; step < steps; step++)
		one_step();
	for (int i = 0; i < FILES; i++)
		if (files[i].exists)
			compare(i);
	printf("PASS %ld steps\n", steps);
	return 0;
}
