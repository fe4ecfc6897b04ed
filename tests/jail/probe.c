/* SPDX-License-Identifier: MIT
 *
 * probe.c: the smallest program to put in a jail: says "x", then does what its arguments after
 * "--id ID" say, and without any ends with standard input.
 *
 *   exit N | fault | cat FILE | write FILE | term (ends with 42 on SIGTERM) | spin |
 *   securebits (ends with them)
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

static void end(int sig)
{
	(void)sig;
	_exit(42);
}

static int copy(int from, int to)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(from, buf, sizeof buf)) > 0)
		if (to >= 0 && write(to, buf, (size_t)n) != n)
			return 1;
	return n < 0;
}

static int write_to(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);

	return fd < 0 || write(fd, "y", 1) != 1;
}

static int act(const char *what, const char *arg)
{
	if (strcmp(what, "exit") == 0)
		return (int)strtol(arg, NULL, 10);
	if (strcmp(what, "fault") == 0)
		__builtin_trap();
	if (strcmp(what, "cat") == 0)
		return copy(open(arg, O_RDONLY), STDOUT_FILENO);
	if (strcmp(what, "write") == 0)
		return write_to(arg);
	if (strcmp(what, "securebits") == 0)
		return prctl(PR_GET_SECUREBITS);
	while (strcmp(what, "term") == 0)
		pause();
	while (strcmp(what, "spin") == 0)
		__asm__ volatile("pause");
	return 1;
}

int main(int argc, char *argv[])
{
	bool acts = argc > 3 && strcmp(argv[1], "--id") == 0;

	if (acts && strcmp(argv[3], "term") == 0)
		signal(SIGTERM, end);
	if (write(STDOUT_FILENO, "x", 1) != 1)
		return 1;
	return acts ? act(argv[3], argc > 4 ? argv[4] : "") : copy(STDIN_FILENO, -1);
}
