/* SPDX-License-Identifier: MIT
 *
 * test_handed.c: lib/handed.h: paths that mean descriptors, and those that only look so.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/handed.h"

static int file(int flags)
{
	char path[] = "/tmp/handed.XXXXXX";
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, "abc", 3), 3);
	close(fd);
	fd = open(path, flags);
	unlink(path);
	cr_assert_geq(fd, 3);
	return fd;
}

static const char *path_of(int fd)
{
	static char path[40];

	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	return path;
}

Test(handed, numbers)
{
	static const char *const none[] = {"/dev/fd/",
					   "/dev/fd/x",
					   "/dev/fd/3/",
					   "/dev/fd/-1",
					   "/dev/fd/+3",
					   "/dev/fd/0",
					   "/dev/fd/2",
					   "dev/fd/3",
					   "/dev/fd/99999999999",
					   "/dev/fdx3",
					   "/proc/self/fd/",
					   "/proc/1/fd/3",
					   "",
					   "3"};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		cr_assert_eq(handed_number(none[i]), -1, "'%s'", none[i]);
	cr_assert_eq(handed_number("/dev/fd/3"), 3);
	cr_assert_eq(handed_number("/proc/self/fd/64"), 64);
}

Test(handed, is_the_same_file_with_a_number_of_its_own)
{
	int fd = file(O_RDONLY);
	char buf[4] = "";
	int got = handed_open(path_of(fd), O_RDONLY | O_CLOEXEC, 0);

	cr_assert_geq(got, 3);
	cr_assert_neq(got, fd);
	cr_assert(fcntl(got, F_GETFD) & FD_CLOEXEC);
	close(fd);
	cr_assert_eq(pread(got, buf, 3, 0), 3);
	cr_assert_str_eq(buf, "abc");
}

Test(handed, gives_no_more_access_than_there_is)
{
	int fd = file(O_RDONLY), rw = file(O_RDWR);

	cr_assert_eq(handed_open(path_of(fd), O_RDWR, 0), -1);
	cr_assert_eq(errno, EACCES);
	cr_assert_eq(handed_open(path_of(fd), O_WRONLY, 0), -1);
	cr_assert_geq(handed_open(path_of(rw), O_RDONLY, 0), 3, "less is fine");
	cr_assert_geq(handed_open(path_of(rw), O_WRONLY | O_APPEND, 0), 3);
	cr_assert(fcntl(rw, F_GETFL) & O_APPEND, "as asked");
}

Test(handed, what_is_not_open_is_said)
{
	cr_assert_eq(handed_open("/dev/fd/900", O_RDONLY, 0), -1);
	cr_assert_eq(errno, EBADF);
	cr_assert_eq(handed_open("/no/such", O_RDONLY, 0), -1);
	cr_assert_eq(errno, ENOENT, "other paths are opened as ever");
}
