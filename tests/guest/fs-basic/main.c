/* SPDX-License-Identifier: MIT
 *
 * fs-basic: every file system call once, with the errors that matter. Runs as a Linux process too
 * (argument: a scratch directory on ext4), which is how its expectations are checked. Exit status 1
 * when one fails.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int failures, checks;

#define CHECK(cond)                                                                      \
	do {                                                                             \
		checks++;                                                                \
		if (!(cond)) {                                                           \
			failures++;                                                      \
			printf("FAIL line %d: %s (errno %d)\n", __LINE__, #cond, errno); \
		}                                                                        \
	} while (0)
#define ERR(call, e) CHECK((errno = 0, (call) == -1) && errno == (e))

static int put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static int has(const char *path, const char *text)
{
	char buf[256] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void open_flags(void)
{
	char buf[16];
	int fd;

	ERR(open("none", O_RDONLY), ENOENT);
	ERR(open("none/x", O_CREAT | O_WRONLY, 0644), ENOENT);
	fd = open("a", O_CREAT | O_EXCL | O_RDWR, 0640);
	CHECK(fd >= 0);
	CHECK(write(fd, "hello", 5) == 5 && lseek(fd, 0, SEEK_CUR) == 5);
	CHECK(lseek(fd, -3, SEEK_END) == 2 && read(fd, buf, 16) == 3 && memcmp(buf, "llo", 3) == 0);
	CHECK(read(fd, buf, 16) == 0);
	CHECK(pwrite(fd, "J", 1, 0) == 1 && lseek(fd, 0, SEEK_CUR) == 5);
	CHECK(pread(fd, buf, 5, 0) == 5 && memcmp(buf, "Jello", 5) == 0);
	ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	ERR(pread(fd, buf, 1, -1), EINVAL);
	close(fd);
	ERR(open("a", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	ERR(open("a/", O_RDONLY), ENOTDIR);
	ERR(open("a/b", O_RDONLY), ENOTDIR);
	ERR(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
	ERR(open(".", O_WRONLY), EISDIR);
	ERR(open(".", O_CREAT | O_RDWR, 0644), EISDIR);
	ERR(open("new/", O_CREAT | O_RDWR, 0644), EISDIR);
	fd = open("a", O_WRONLY | O_APPEND);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "!", 1) == 1);
	ERR(read(fd, buf, 1), EBADF);
	close(fd);
	CHECK(has("a", "Jello!"));
	fd = open("a", O_RDONLY);
	ERR(write(fd, "x", 1), EBADF);
	ERR(ftruncate(fd, 0), EINVAL);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	close(fd);
	ERR(read(fd, buf, 1), EBADF);
	fd = open("a", O_WRONLY | O_TRUNC);
	CHECK(fd >= 0 && size_of("a") == 0);
	close(fd);
	fd = creat("a", 0600);
	CHECK(fd >= 0);
	close(fd);
	fd = open("a", O_RDONLY | O_CLOEXEC);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	close(fd);
	memset(buf, 'n', sizeof(buf));
	ERR(open("", O_RDONLY), ENOENT);
}

static void long_names(void)
{
	static char name[300], path[PATH_MAX + 10];

	memset(name, 'n', 255);
	CHECK(put(name, "long") && has(name, "long") && unlink(name) == 0);
	name[255] = 'n';
	ERR(open(name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
	memset(path, '/', sizeof(path) - 1);
	ERR(open(path, O_RDONLY), ENAMETOOLONG);
}

static void vectors(void)
{
	char a[3], b[4];
	struct iovec w[2] = {{"abc", 3}, {"defg", 4}}, r[2] = {{a, 3}, {b, 4}};
	int fd = open("v", O_CREAT | O_RDWR | O_TRUNC, 0644);

	CHECK(writev(fd, w, 2) == 7);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && readv(fd, r, 2) == 7);
	CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defg", 4) == 0);
	CHECK(pwritev(fd, w, 2, 5) == 7 && preadv(fd, r, 2, 5) == 7 && size_of("v") == 12);
	close(fd);
}

static void stats(void)
{
	struct timespec ts[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
	struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
	struct stat st, st2;
	struct statfs fs;
	int fd;

	CHECK(put("s", "12345"));
	CHECK(stat("s", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 5 && st.st_nlink == 1);
	CHECK((st.st_mode & 07777) == 0644 && st.st_blksize >= 512);
	fd = open("s", O_RDWR);
	CHECK(fstat(fd, &st2) == 0 && st2.st_ino == st.st_ino && st2.st_dev == st.st_dev);
	CHECK(fstatat(AT_FDCWD, "s", &st2, 0) == 0 && st2.st_ino == st.st_ino);
	CHECK(fchmod(fd, 0600) == 0 && chmod("s", 04711) == 0);
	CHECK(stat("s", &st) == 0 && (st.st_mode & 07777) == 04711);
	CHECK(fchown(fd, 70000, 12) == 0 && chown("s", -1, 13) == 0);
	CHECK(stat("s", &st) == 0 && st.st_uid == 70000 && st.st_gid == 13);
	CHECK(utimensat(AT_FDCWD, "s", ts, 0) == 0 && stat("s", &st) == 0);
	CHECK(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec == 1500000000);
	CHECK(st.st_mtim.tv_nsec == 987654321 || st.st_mtim.tv_nsec == 0);
	CHECK(futimens(fd, omit) == 0 && stat("s", &st) == 0);
	CHECK(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec > 1600000000);
	CHECK(access("s", R_OK | W_OK) == 0 && faccessat(AT_FDCWD, "s", F_OK, 0) == 0);
	ERR(access("none", F_OK), ENOENT);
	CHECK(statfs(".", &fs) == 0 && fs.f_bsize > 0 && fs.f_blocks > 0 && fs.f_bfree > 0);
	CHECK(fstatfs(fd, &fs) == 0 && fs.f_namelen == 255);
	CHECK(flock(fd, LOCK_EX) == 0 && flock(fd, LOCK_UN) == 0);
	close(fd);
	CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
}

static void statx_call(void)
{
	struct {
		uint32_t mask, blksize;
		uint64_t attr;
		uint32_t nlink, uid, gid;
		uint16_t mode, pad;
		uint64_t ino, size, rest[27];
	} x;
	struct stat st;

	CHECK(stat("s", &st) == 0);
	CHECK(syscall(SYS_statx, AT_FDCWD, "s", 0, 0x7ff, &x) == 0);
	CHECK(x.size == 5 && x.ino == st.st_ino && x.mode == st.st_mode);
}

static void directories(void)
{
	struct dirent *e;
	struct stat st;
	int seen = 0, dots = 0, fd;
	char name[256], tail[180] = "";
	DIR *d;

	CHECK(mkdir("d", 0755) == 0 && stat("d", &st) == 0 && S_ISDIR(st.st_mode) &&
	      st.st_nlink == 2);
	ERR(mkdir("d", 0755), EEXIST);
	ERR(mkdir("none/d", 0755), ENOENT);
	CHECK(mkdir("d/sub", 0700) == 0 && stat("d", &st) == 0 && st.st_nlink == 3);
	ERR(rmdir("d"), ENOTEMPTY);
	ERR(unlink("d"), EISDIR);
	ERR(rmdir("d/."), EINVAL);
	CHECK(put("d/f", "x"));
	ERR(rmdir("d/f"), ENOTDIR);
	CHECK(rmdir("d/sub") == 0 && stat("d", &st) == 0 && st.st_nlink == 2);
	/* Long names, so that the directory takes several blocks. */
	memset(tail, 't', sizeof(tail) - 1);
	for (int i = 0; i < 90; i++) {
		sprintf(name, "d/entry-number-%d-%s", i, tail);
		CHECK(put(name, ""));
	}
	d = opendir("d");
	CHECK(d != NULL);
	while (d && (e = readdir(d))) {
		dots += e->d_name[0] == '.';
		seen += strncmp(e->d_name, "entry-number-", 13) == 0 && e->d_type == DT_REG;
	}
	CHECK(seen == 90 && dots == 2);
	rewinddir(d);
	seen = 0;
	while (d && (e = readdir(d)))
		seen++;
	CHECK(seen == 93);
	/* Removing while reading is what rm -r does. */
	rewinddir(d);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			CHECK(unlinkat(dirfd(d), e->d_name, 0) == 0);
	closedir(d);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && mkdirat(fd, "e", 0755) == 0 && unlinkat(fd, "e", AT_REMOVEDIR) == 0);
	ERR(read(fd, name, 1), EISDIR);
	close(fd);
	CHECK(rmdir("d") == 0);
	ERR(stat("d", &st), ENOENT);
}

static void links(void)
{
	char buf[64], target[200];
	struct stat st;
	int fd;

	CHECK(put("l", "data") && link("l", "l2") == 0 && stat("l2", &st) == 0 && st.st_nlink == 2);
	ERR(link("l", "l2"), EEXIST);
	CHECK(unlink("l") == 0 && has("l2", "data"));
	ERR(unlink("l"), ENOENT);
	CHECK(symlink("l2", "sym") == 0 && has("sym", "data"));
	CHECK(lstat("sym", &st) == 0 && S_ISLNK(st.st_mode) && st.st_size == 2);
	CHECK(readlink("sym", buf, sizeof(buf)) == 2 && memcmp(buf, "l2", 2) == 0);
	CHECK(readlink("sym", buf, 1) == 1);
	ERR(readlink("l2", buf, sizeof(buf)), EINVAL);
	ERR(open("sym", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK(symlink("loop2", "loop1") == 0 && symlink("loop1", "loop2") == 0);
	ERR(open("loop1", O_RDONLY), ELOOP);
	ERR(open("loop1", O_CREAT | O_RDWR, 0644), ELOOP);
	CHECK(symlink("made", "dangling") == 0);
	ERR(open("dangling", O_RDONLY), ENOENT);
	ERR(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	fd = open("dangling", O_CREAT | O_RDWR, 0644);
	CHECK(fd >= 0 && write(fd, "m", 1) == 1);
	close(fd);
	CHECK(has("made", "m"));
	/* Longer than what fits the inode. */
	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	CHECK(symlink(target, "slow") == 0 && lstat("slow", &st) == 0 && st.st_size == 199);
	CHECK(mkdir("ld", 0755) == 0 && symlink("../l2", "ld/up") == 0 && has("ld/up", "data"));
	CHECK(symlink("ld", "lds") == 0 && has("lds/up", "data") && has("lds/../l2", "data"));
	ERR(rmdir("lds"), ENOTDIR);
	CHECK(unlink("lds") == 0 && unlink("ld/up") == 0 && rmdir("ld") == 0);
	CHECK(unlink("slow") == 0 && unlink("loop1") == 0 && unlink("loop2") == 0);
}

static void renames(void)
{
	struct stat st;
	char buf[8];
	int fd;

	CHECK(put("r1", "one") && put("r2", "two"));
	fd = open("r2", O_RDONLY);
	CHECK(rename("r1", "r2") == 0 && has("r2", "one"));
	CHECK(read(fd, buf, 8) == 3 && memcmp(buf, "two", 3) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0);
	close(fd);
	ERR(stat("r1", &st), ENOENT);
	CHECK(put("r1", "1"));
	ERR(syscall(SYS_renameat2, AT_FDCWD, "r1", AT_FDCWD, "r2", 1), EEXIST);
	CHECK(syscall(SYS_renameat2, AT_FDCWD, "r1", AT_FDCWD, "r3", 1) == 0 && has("r3", "1"));
	ERR(rename("none", "r9"), ENOENT);
	CHECK(mkdir("x", 0755) == 0 && mkdir("x/y", 0755) == 0 && mkdir("z", 0755) == 0);
	ERR(rename("x", "x/y/in"), EINVAL);
	ERR(rename("r2", "x"), EISDIR);
	ERR(rename("x", "r2"), ENOTDIR);
	ERR(rename("z", "x"), ENOTEMPTY);
	CHECK(put("x/y/f", "deep") && rename("x/y", "z/y") == 0 && has("z/y/f", "deep"));
	CHECK(has("z/y/../../r2", "one"));
	CHECK(stat("x", &st) == 0 && st.st_nlink == 2 && stat("z", &st) == 0 && st.st_nlink == 3);
	CHECK(rename("r2", "z/y/g") == 0 && has("z/y/g", "one"));
	CHECK(rename("x", "w") == 0 && rename("z", "z") == 0);
	CHECK(unlink("z/y/f") == 0 && unlink("z/y/g") == 0 && rmdir("z/y") == 0);
	CHECK(rename("w", "z") == 0 && rmdir("z") == 0 && unlink("r3") == 0);
}

static void sizes(void)
{
	static char big[300000], back[300000];
	struct stat st;
	int fd = open("t", O_CREAT | O_RDWR | O_TRUNC, 0644);
	void *map;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 4096);
	CHECK(write(fd, big, sizeof(big)) == sizeof(big));
	CHECK(pread(fd, back, sizeof(back), 0) == sizeof(back) &&
	      memcmp(big, back, sizeof(big)) == 0);
	CHECK(ftruncate(fd, 1000) == 0 && size_of("t") == 1000);
	CHECK(truncate("t", 200000) == 0 && pread(fd, back, sizeof(back), 0) == 200000);
	CHECK(memcmp(big, back, 1000) == 0 && back[1000] == 0 && back[199999] == 0);
	memset(big + 1000, 0, sizeof(big) - 1000);
	CHECK(memcmp(big, back, 200000) == 0);
	ERR(truncate("t", -1), EINVAL);
	/* Holes: far beyond the end. */
	CHECK(pwrite(fd, "end", 3, 5000000) == 3 && fstat(fd, &st) == 0 && st.st_size == 5000003);
	CHECK(st.st_blocks < 2000);
	CHECK(lseek(fd, 300000, SEEK_DATA) >= 4000000 && lseek(fd, 300000, SEEK_HOLE) == 300000);
	CHECK(pread(fd, back, 100, 4000000) == 100 && back[50] == 0);
	CHECK(pread(fd, back, 100, 4999990) == 13 && memcmp(back + 10, "end", 3) == 0);
	CHECK(posix_fallocate(fd, 0, 100000) == 0 &&
	      fallocate(fd, FALLOC_FL_KEEP_SIZE, 6000000, 50000) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 5000003);
	CHECK(pread(fd, back, 2000, 0) == 2000 && memcmp(back, big, 2000) == 0);
	CHECK(pwrite(fd, "mid", 3, 6010000) == 3 && pread(fd, back, 10, 6009997) == 6);
	CHECK(back[0] == 0 && back[2] == 0 && memcmp(back + 3, "mid", 3) == 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 500, 10000) == 0);
	CHECK(pread(fd, back, 2000, 0) == 2000 && memcmp(back, big, 500) == 0 && back[500] == 0);
	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0);
	sync();
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, big, 500) == 0);
	if (map != MAP_FAILED)
		munmap(map, 4096);
	close(fd);
	CHECK(unlink("t") == 0);
}

static void orphans(void)
{
	char buf[8];
	struct stat st;
	int fd = open("o", O_CREAT | O_RDWR, 0644), fd2;

	CHECK(write(fd, "before", 6) == 6 && fsync(fd) == 0 && unlink("o") == 0);
	CHECK(pwrite(fd, "after!", 6, 0) == 6 && fsync(fd) == 0);
	CHECK(put("o", "new") && pread(fd, buf, 8, 0) == 6 && memcmp(buf, "after!", 6) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0);
	fd2 = dup(fd);
	close(fd);
	CHECK(lseek(fd2, 0, SEEK_SET) == 0 && read(fd2, buf, 8) == 6);
	close(fd2);
	CHECK(has("o", "new") && unlink("o") == 0);
}

static void working_directory(void)
{
	char before[PATH_MAX], buf[PATH_MAX];
	int fd;

	CHECK(getcwd(before, sizeof(before)) != NULL);
	CHECK(mkdir("cd", 0755) == 0 && mkdir("cd/in", 0755) == 0 && chdir("cd/in") == 0);
	CHECK(getcwd(buf, sizeof(buf)) && strlen(buf) > 6 &&
	      strcmp(buf + strlen(buf) - 6, "/cd/in") == 0);
	ERR((getcwd(buf, 3) ? 0 : -1), ERANGE);
	CHECK(put("here", "h") && has("../in/here", "h") && unlink("here") == 0);
	fd = open("..", O_RDONLY | O_DIRECTORY);
	CHECK(fchdir(fd) == 0 && rmdir("in") == 0);
	close(fd);
	ERR(chdir("none"), ENOENT);
	CHECK(chdir(before) == 0 && rmdir("cd") == 0);
	CHECK(chdir("/") == 0 && getcwd(buf, sizeof(buf)) && strcmp(buf, "/") == 0);
	CHECK(chdir(before) == 0);
}

static void devices(void)
{
	char buf[64], zero[64] = "";
	int fd, fd2;

	fd = open("/dev/zero", O_RDWR);
	memset(buf, 1, sizeof(buf));
	CHECK(read(fd, buf, sizeof(buf)) == sizeof(buf) && memcmp(buf, zero, sizeof(buf)) == 0);
	close(fd);
	fd = open("/dev/null", O_RDWR);
	CHECK(read(fd, buf, 1) == 0 && write(fd, buf, 64) == 64);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	ERR(write(fd, buf, 1), ENOSPC);
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	CHECK(read(fd, buf, sizeof(buf)) == sizeof(buf) && memcmp(buf, zero, sizeof(buf)) != 0);
	close(fd);
	ERR(open("/dev/none", O_RDONLY), ENOENT);
	ERR(open("/dev/null/x", O_RDONLY), ENOTDIR);
	fd = open("a", O_RDONLY);
	sprintf(buf, "/dev/fd/%d", fd);
	fd2 = open(buf, O_RDONLY);
	CHECK(fd2 >= 0 && fd2 != fd);
	close(fd);
	close(fd2);
}

static void copies(void)
{
	char buf[32];
	off_t off = 2;
	int in = open("c1", O_CREAT | O_RDWR, 0644), out = open("c2", O_CREAT | O_RDWR, 0644);

	CHECK(write(in, "0123456789", 10) == 10);
	CHECK(sendfile(out, in, &off, 100) == 8 && off == 10 && lseek(in, 0, SEEK_CUR) == 10);
	CHECK(pread(out, buf, 32, 0) == 8 && memcmp(buf, "23456789", 8) == 0);
	close(in);
	close(out);
	CHECK(unlink("c1") == 0 && unlink("c2") == 0);
}

/* Only on a small disk: fill it, and find the space again after removal. */
static void full(void)
{
	static char buf[65536];
	struct statfs before, after;
	off_t sum = 0;
	ssize_t n;
	int fd;

	CHECK(statfs(".", &before) == 0);
	if ((unsigned long long)before.f_bavail * (unsigned long long)before.f_bsize > 100 << 20)
		return;
	fd = open("full", O_CREAT | O_RDWR | O_TRUNC, 0644);
	while ((n = write(fd, buf, sizeof(buf))) > 0)
		sum += n;
	CHECK(n == -1 && errno == ENOSPC);
	CHECK(size_of("full") == sum &&
	      sum > (off_t)(before.f_bavail * (unsigned long)before.f_bsize) / 2);
	ERR(write(fd, buf, sizeof(buf)), ENOSPC);
	close(fd);
	CHECK(unlink("full") == 0);
	sync();
	CHECK(statfs(".", &after) == 0 && after.f_bfree + 8 > before.f_bfree);
	CHECK(put("full", "again") && has("full", "again") && unlink("full") == 0);
}

int main(int argc, char **argv)
{
	if (chdir(argc > 1 ? argv[1] : "/") || mkdir("fs-basic", 0755) || chdir("fs-basic")) {
		printf("FAIL cannot make a scratch directory: %s\n", strerror(errno));
		return 1;
	}
	open_flags();
	long_names();
	vectors();
	stats();
	statx_call();
	directories();
	links();
	renames();
	sizes();
	orphans();
	working_directory();
	devices();
	copies();
	full();
	printf("%s %d of %d checks\n", failures ? "FAIL" : "PASS", checks - failures, checks);
	return failures != 0;
}
