/* SPDX-License-Identifier: MIT
 *
 * fs-fsync: writes numbered records for ever and says which are safe; the host kills the VM and
 * looks. Each round appends to log, makes one new file, and replaces `current` by rename; "synced
 * N" is printed only after fsync of all that. Argument: how many rounds, 0 = for ever; a second
 * one: SIGTERM has a handler, which calls exit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
	printf("FAIL %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_term(int sig)
{
	(void)sig;
	exit(7);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd))
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 0;
	int log = open("/log", O_CREAT | O_WRONLY | O_APPEND, 0644);
	char rec[64], path[64];

	if (argc > 2)
		signal(SIGTERM, on_term);
	if (log < 0 || (mkdir("/files", 0755) && errno != EEXIST))
		die("set-up");
	for (long n = 1; rounds == 0 || n <= rounds; n++) {
		sprintf(rec, "record %08ld of the log, with some text in it\n", n);
		if (write(log, rec, strlen(rec)) != (ssize_t)strlen(rec))
			die("write");
		sprintf(path, "/files/%ld", n % 500);
		put(path, rec);
		put("/current.tmp", rec);
		if (rename("/current.tmp", "/current") || fsync(log))
			die("rename, fsync");
		printf("synced %ld\n", n);
		fflush(stdout);
	}
	return 0;
}
