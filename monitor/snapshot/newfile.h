/* SPDX-License-Identifier: MIT
 *
 * newfile.h: a file that takes the place of another in one step: written under PATH.new, synced,
 * renamed. Whenever the process dies, PATH is the old file or the new one, whole; a PATH.new left
 * behind is overwritten by the next attempt. Paths come from the user; whoever may write to their
 * directory is trusted not to race with us.
 */
#ifndef MONITOR_SNAPSHOT_NEWFILE_H
#define MONITOR_SNAPSHOT_NEWFILE_H

#include <limits.h>
#include <stddef.h>

struct newfile {
	int fd;		  /* read and write; -1 = closed */
	const char *path; /* the caller's */
	char tmp[PATH_MAX];
};

/*
 * Begin. The file is empty, private (0600) and locked against another newfile of the same path. 0,
 * or -errno with a message that names the path; then there is nothing to close.
 */
int newfile_open(struct newfile *nf, const char *path, char *err, size_t errlen);
/* What was written is on disk when this returns 0. */
int newfile_sync(struct newfile *nf, char *err, size_t errlen);
/* It takes its place, and that is on disk too. The caller has synced it. */
int newfile_commit(struct newfile *nf, char *err, size_t errlen);
/* Close; without commit the file is gone. Safe to repeat, and on {.fd = -1}. */
void newfile_close(struct newfile *nf);
/* Names in the folder of path are on disk. 0 or -errno. */
int newfile_sync_dir(const char *path);

#endif
