/* SPDX-License-Identifier: MIT
 *
 * cgroup.c: see cgroup.h.
 */
#include "jailer/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "jailer/path.h"
#include "jailer/sys.h"

/* What tells a group of ours from anybody else's. */
#define MARK "user.mayfly-jailer"

static ssize_t read_at(int dir, const char *name, char *buf, size_t len)
{
	int fd = path_open(dir, name, O_RDONLY);

	if (fd < 0)
		return fd;
	ssize_t n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n;
}

static int write_at(int dir, const char *name, const char *text)
{
	int fd = path_open(dir, name, O_WRONLY);

	if (fd < 0)
		return fd;
	int r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* v2: what children may limit. Written only where it is not so yet: who was given a subtree may not
 * write above it. */
static int enable(int dir, const char *words)
{
	char have[256] = " ", word[72];
	ssize_t n = read_at(dir, "cgroup.subtree_control", have + 1, sizeof have - 2);
	bool all = n >= 0;

	if (all)
		have[strcspn(have, "\n")] = ' ';
	for (const char *p = words; all && *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		snprintf(word, sizeof word, " %.*s ", (int)len - 1, p + 1);
		all = strstr(have, word) != NULL;
		p += len;
	}
	return all ? 0 : write_at(dir, "cgroup.subtree_control", words);
}

/* v1: a cpuset with no processors or no memory can have no process. */
static int inherit_cpuset(int parent, int child)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	char buf[1024];

	for (size_t i = 0; i < 2; i++) {
		ssize_t n = read_at(child, files[i], buf, sizeof buf);

		if (n > 1)
			continue;
		n = n < 0 ? n : read_at(parent, files[i], buf, sizeof buf);
		int r = n < 0 ? (int)n : write_at(child, files[i], buf);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A directory of groups, made where it is not there. */
static int take_shared(int dir, const char *name)
{
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return path_open(dir, name, O_RDONLY | O_DIRECTORY);
}

/* One level down. Closes dir. */
static int descend(int dir, const char *name, const struct plan_group *g,
		   int (*take)(int dir, const char *name))
{
	int r = g->mount->v2 ? enable(dir, g->enable) : 0;
	int fd = -1;

	if (r == 0) {
		fd = take(dir, name);
		r = fd < 0 ? fd : 0;
	}
	if (r == 0 && !g->mount->v2 && strstr(g->mount->controllers, " cpuset "))
		r = inherit_cpuset(dir, fd);
	close(dir);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int open_parent(const struct jail_plan *p, const struct plan_group *g)
{
	char name[256];
	int dir = path_open(AT_FDCWD, g->mount->dir, O_RDONLY | O_DIRECTORY);

	for (const char *at = p->parent; dir >= 0 && *at; at += *at == '/') {
		size_t n = strcspn(at, "/");

		snprintf(name, sizeof name, "%.*s", (int)n, at);
		dir = descend(dir, name, g, take_shared);
		at += n;
	}
	return dir;
}

/* How the jail gets in: the new one born in a v2 group, or "0" written by itself. */
static int open_entrance(struct jail *jail, int i, int dir)
{
	const struct plan_group *g = &jail->plan->groups[i];

	if (g->mount->v2 && !jail->plan->opts->userns) {
		jail->v2_fd = dir;
		return 0;
	}
	/* "tasks": one thread moves without the lock that "cgroup.procs" takes. */
	int fd = path_open(dir, g->mount->v2 ? "cgroup.procs" : "tasks", O_WRONLY);
	jail->enter_fds[i] = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

/* Whether the number stands in the group's list on a line of its own. */
static bool lists(int dir, long pid)
{
	char buf[4096], word[24];

	buf[0] = '\n';
	if (read_at(dir, "cgroup.procs", buf + 1, sizeof buf - 1) < 0)
		return false;
	snprintf(word, sizeof word, "\n%ld\n", pid);
	return strstr(buf, word) != NULL;
}

/* v2 ends a group with one word. In v1 a number may be another's by the time it is used: hold it,
 * and look again. */
static void end_all(int dir)
{
	char buf[4096], *end;

	if (write_at(dir, "cgroup.kill", "1") == 0 ||
	    read_at(dir, "cgroup.procs", buf, sizeof buf) <= 0)
		return;
	for (char *p = buf; *p; p = *end ? end + 1 : end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			return;
		int fd = pid > 0 ? sys_pidfd_open((pid_t)pid) : -1;
		if (fd < 0)
			continue;
		if (lists(dir, pid))
			sys_pidfd_send_signal(fd, SIGKILL);
		close(fd);
	}
}

static int empty_and_remove(int dir, int parent, const char *name)
{
	struct timespec pause = {.tv_nsec = 500000};

	for (int tries = 0; unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT; tries++) {
		if (errno != EBUSY || tries == 100)
			return errno == EBUSY ? -ENOTEMPTY : -errno;
		end_all(dir);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 20000000)
			pause.tv_nsec *= 2;
	}
	return 0;
}

/* Whether the group is locked now and still there. -EBUSY: of a jail that lives; -EAGAIN: gone. */
static int lock_left(int parent, const char *name, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return path_is_there(parent, name, fd) ? 0 : -EAGAIN;
}

/* A group there already: -EAGAIN when it was a dead jail's and is gone now. */
static int displace(int dir, const char *id)
{
	int fd = path_open(dir, id, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd == -ENOENT ? -EAGAIN : fd;
	int r = lock_left(dir, id, fd);
	if (r == 0)
		r = fgetxattr(fd, MARK, NULL, 0) < 0 ? -EEXIST : empty_and_remove(fd, dir, id);
	close(fd);
	return r == 0 ? -EAGAIN : r;
}

/* A new group. -EAGAIN: removed before it was locked, by a cleanup after a dead jail of its name.
 */
static int make_own(int dir, const char *id)
{
	int fd = path_open(dir, id, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd == -ENOENT ? -EAGAIN : fd;
	/* Whoever else has it locked lets go at once: it lacks the mark. */
	int r = flock(fd, LOCK_EX) < 0 ? -errno : path_is_there(dir, id, fd) ? 0 : -EAGAIN;
	/* A kernel without such marks: only what a record names is cleaned up after. */
	if (r == 0 && fsetxattr(fd, MARK, "1", 1, 0) < 0 && errno != EOPNOTSUPP)
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* The group of this jail alone, locked. -EBUSY: of a jail that lives; -EEXIST: nobody knows whose.
 */
static int take_own(int dir, const char *id)
{
	int r;

	do
		r = mkdirat(dir, id, 0711) == 0 ? make_own(dir, id)
		    : errno == EEXIST		? displace(dir, id)
						: -errno;
	while (r == -EAGAIN);
	return r;
}

static int blame_taken(struct jail *jail, int r, const char *path)
{
	char what[320];

	if (r != -EBUSY && r != -EEXIST)
		return jail_blame(jail, r, path);
	snprintf(what, sizeof what, "%.200s %s", path,
		 r == -EBUSY
			 ? "is a jail's that lives; choose another --id or --parent-cgroup"
			 : "was made by no jailer, or just now; remove it or choose another --id");
	return jail_blame(jail, r, what);
}

static int make_one(struct jail *jail, unsigned i)
{
	const struct jail_plan *p = jail->plan;
	const struct plan_group *g = &p->groups[i];
	char path[512];

	int r = cgroup_path(p, i, path, sizeof path);
	if (r < 0)
		return r;
	int dir = open_parent(p, g);
	if (dir >= 0)
		dir = descend(dir, p->opts->id, g, take_own);
	if (dir < 0)
		return blame_taken(jail, dir, path);
	jail->group_fds[i] = dir;
	jail->ngroups = i + 1;
	for (unsigned k = 0; k < p->nlines; k++) {
		if (!(g->lines & UINT64_C(1) << k))
			continue;
		r = write_at(dir, p->lines[k].file, p->lines[k].value);
		if (r < 0)
			return jail_blame(jail, r, p->lines[k].file);
	}
	r = open_entrance(jail, (int)i, dir);
	return r < 0 ? jail_blame(jail, r, path) : 0;
}

int cgroup_make(struct jail *jail)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < jail->plan->ngroups; i++)
		r = make_one(jail, i);
	return r;
}

int cgroup_enter(struct jail *jail)
{
	for (unsigned i = 0; i < jail->plan->ngroups; i++)
		if (jail->enter_fds[i] >= 0 && write(jail->enter_fds[i], "0", 1) < 0)
			return jail_blame(jail, -errno, jail->plan->groups[i].mount->dir);
	return 0;
}

int cgroup_path(const struct jail_plan *plan, unsigned i, char *buf, size_t len)
{
	int n = snprintf(buf, len, "%s/%s/%s", plan->groups[i].mount->dir, plan->parent,
			 plan->opts->id);

	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

int cgroup_remove(const char *path, int held)
{
	struct statfs fs;

	int dir = held >= 0 ? held : path_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	int r = fstatfs(dir, &fs) < 0						      ? -errno
		: fs.f_type != CGROUP_SUPER_MAGIC && fs.f_type != CGROUP2_SUPER_MAGIC ? -ENOTDIR
										      : 0;
	if (r == 0 && held < 0)
		r = lock_left(AT_FDCWD, path, dir);
	if (r == 0)
		r = empty_and_remove(dir, AT_FDCWD, path);
	else if (r == -EBUSY || r == -EAGAIN)
		r = 0;
	if (dir != held)
		close(dir);
	return r;
}
