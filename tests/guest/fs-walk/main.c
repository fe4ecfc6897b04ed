/* SPDX-License-Identifier: MIT
 *
 * fs-walk: reads every file below /, then makes, writes and removes a few. Errors are counted and
 * printed; it is run on damaged disks, where anything may fail but nothing may crash. Argument "ro"
 * leaves the disk alone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long files, dirs, bytes, errors;
static char buf[70000];

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW);
	long budget = 80 << 20; /* a damaged size may be anything */
	ssize_t n = 0;

	if (fd < 0) {
		errors++;
		return;
	}
	while (budget > 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		bytes += n;
		budget -= n;
	}
	errors += n < 0;
	close(fd);
	files++;
}

static void walk(const char *path, int depth)
{
	char sub[1024];
	struct dirent *e;
	struct stat st;
	DIR *d = depth < 12 ? opendir(path) : NULL;
	int budget = 5000;

	if (!d) {
		errors++;
		return;
	}
	dirs++;
	while (budget-- && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name) >= (int)sizeof(sub))
			continue;
		if (lstat(sub, &st))
			errors++;
		else if (S_ISDIR(st.st_mode))
			walk(sub, depth + 1);
		else if (S_ISLNK(st.st_mode))
			errors += readlink(sub, buf, sizeof(buf)) < 0;
		else if (S_ISREG(st.st_mode))
			read_file(sub);
	}
	closedir(d);
}

static void change(void)
{
	char name[32];
	int fd;

	for (int i = 0; i < 20; i++) {
		sprintf(name, "/new-%d", i);
		fd = open(name, O_CREAT | O_RDWR, 0644);
		errors += fd < 0 || write(fd, buf, (size_t)i * 3000) < 0;
		if (i % 3 == 0)
			errors += fsync(fd) != 0;
		close(fd);
	}
	errors += mkdir("/new-dir", 0755) != 0;
	errors += rename("/new-1", "/new-dir/x") != 0;
	for (int i = 0; i < 20; i++) {
		sprintf(name, "/new-%d", i);
		errors += unlink(name) != 0;
	}
	sync();
}

int main(int argc, char **argv)
{
	walk("/", 0);
	if (argc < 2 || strcmp(argv[1], "ro"))
		change();
	printf("walked %ld directories, %ld files, %ld bytes, %ld errors\n", dirs, files, bytes,
	       errors);
	return 0;
}
