/* SPDX-License-Identifier: MIT
 *
 * record.c: see record.h. The directory is the jailer's user's alone, so the text is as good as our
 * own; it is judged all the same before anything is removed for its sake.
 */
#include "jailer/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/cgroup.h"
#include "jailer/path.h"
#include "lib/log.h"
#include "jailer/sys.h"

#define RECORD_MAX 16384

static const char *name_of(const char *id, const char *suffix, char buf[JAIL_ID_MAX + 8])
{
	snprintf(buf, JAIL_ID_MAX + 8, "%s%s", id, suffix);
	return buf;
}

/* Start time of a process in clock ticks, which with its number is its name for ever; 0: gone. */
static unsigned long long start_time(long pid)
{
	char path[40], buf[1024];
	unsigned long long t = 0;

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, buf, sizeof buf - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	/* Field 22; the second may have anything in it, so count from its closing parenthesis. */
	char *p = strrchr(buf, ')');
	for (int i = 2; p && i < 22; i++)
		p = strchr(p + 1, ' ');
	if (p)
		t = strtoull(p, NULL, 10);
	return t;
}

static void end_process(long pid, unsigned long long start)
{
	int fd = sys_pidfd_open((pid_t)pid);

	if (fd < 0)
		return;
	if (start && start_time(pid) == start)
		sys_pidfd_send_signal(fd, SIGKILL);
	close(fd);
}

static int remove_line(const char *line, const char *id)
{
	const char *last, *why;
	unsigned long long start;
	long pid;

	if (sscanf(line, "pid %ld %llu", &pid, &start) == 2 && pid > 0) {
		end_process(pid, start);
		return 0;
	}
	if (strncmp(line, "cgroup ", 7) != 0 || path_check(line + 7, &why) < 0)
		return 0;
	last = strrchr(line, '/');
	return strcmp(last + 1, id) == 0 ? cgroup_remove(line + 7, -1) : 0;
}

/* End and remove what the record names. The first failure, which keeps the record. */
static int remove_named(int fd, const char *id)
{
	char buf[RECORD_MAX], *end;
	int first = 0;

	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	for (char *line = buf; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		int r = remove_line(line, id);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_nlink <= 1 && !(st.st_mode & 022);
}

/* The locked record, or -errno: -EBUSY when it is another's, -ENOENT without O_CREAT in flags. */
static int lock_record(int dir, const char *id, int flags)
{
	char name[JAIL_ID_MAX + 8];

	name_of(id, ".jail", name);
	for (;;) {
		int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
				0600);

		if (fd < 0)
			return -errno;
		int r = !is_ours(fd) ? -EPERM : flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
		if (r == 0 && path_is_there(dir, name, fd)) /* its last holder removes it */
			return fd;
		close(fd);
		if (r < 0)
			return r == -EWOULDBLOCK ? -EBUSY : r;
	}
}

void record_unlink(int dir, const char *id)
{
	static const char *const suffixes[] = {".pid", ".sock", ".jail"};
	char name[JAIL_ID_MAX + 8];

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
		unlinkat(dir, name_of(id, suffixes[i], name), 0);
}

int record_open(int dir, const char *id, const char **ret_what)
{
	struct stat st;
	int r = 0;

	*ret_what = NULL;
	int fd = lock_record(dir, id, O_CREAT);
	if (fd == -EBUSY)
		*ret_what = "a jail or pool with this id is running";
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		r = remove_named(fd, id);
		if (r == 0 && ftruncate(fd, 0) < 0)
			r = -errno;
	}
	if (r == 0)
		return fd;
	*ret_what = "leftovers of an earlier jail";
	close(fd); /* the record stays for --cleanup */
	return r;
}

static int open_dirs(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	size_t bad;

	int base = path_open_own_dir(p->base, p->host->euid, 0700, &bad);
	if (base < 0) {
		snprintf(jail->what_buf, sizeof jail->what_buf, "%.*s%s",
			 (int)(bad < 200 ? bad : 200), p->base,
			 base == -EPERM ? " can be changed by another user" : "");
		return jail_blame(jail, base, jail->what_buf);
	}
	jail->dir_fd = path_open_subdir(base, p->program, p->host->euid, 0700);
	close(base);
	return jail->dir_fd < 0 ? jail_blame(jail, jail->dir_fd, p->program) : 0;
}

/* BASE/PROGRAM/ID/root is the operator's to make, as for Firecracker's jailer; mostly there is
 * none. */
static int open_room(struct jail *jail)
{
	const char *id = jail->plan->opts->id;
	int dir = path_open_subdir(jail->dir_fd, id, jail->plan->host->euid, 0);

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return jail_blame(jail, dir, id);
	int room = path_open(dir, "root", O_PATH | O_DIRECTORY);
	close(dir);
	if (room >= 0)
		close(room);
	jail->own_room = room >= 0;
	return room < 0 && room != -ENOENT ? jail_blame(jail, room, "root") : 0;
}

static int write_groups(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	char text[RECORD_MAX], path[512];
	size_t len = 0;

	for (unsigned i = 0; i < p->ngroups; i++) {
		int r = cgroup_path(p, i, path, sizeof path);
		if (r < 0)
			return r;
		len += (size_t)snprintf(text + len, sizeof text - len, "cgroup %s\n", path);
	}
	return len && pwrite(jail->record_fd, text, len, 0) != (ssize_t)len ? -ENOSPC : 0;
}

_Static_assert(PLAN_GROUPS *(512 + 16) < RECORD_MAX, "a record fits");

int record_take(struct jail *jail)
{
	const char *id = jail->plan->opts->id;
	const char *what;

	int r = open_dirs(jail);
	if (r < 0)
		return r;
	int fd = record_open(jail->dir_fd, id, &what);
	if (fd < 0)
		return jail_blame(jail, fd, what ? what : id);
	jail->record_fd = fd;
	r = open_room(jail);
	return r < 0 ? r : write_groups(jail);
}

void record_running(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	char text[64], name[JAIL_ID_MAX + 8];

	int n = snprintf(text, sizeof text, "pid %d %llu\n", jail->pid, start_time(jail->pid));
	off_t end = lseek(jail->record_fd, 0, SEEK_END);
	if (end < 0 || pwrite(jail->record_fd, text, (size_t)n, end) != n)
		log_warn(
			"the record of the jail cannot be written; --cleanup may miss its process");
	if (!p->opts->daemonize && !p->opts->new_pid_ns)
		return;
	int fd = openat(jail->dir_fd, name_of(p->opts->id, ".pid", name),
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	n = snprintf(text, sizeof text, "%d\n", jail->pid);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		log_warn("%s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void record_drop(struct jail *jail)
{
	char path[512];
	int first = 0;

	if (jail->record_fd >= 0) {
		for (unsigned i = 0; i < jail->ngroups; i++) {
			int r = cgroup_path(jail->plan, i, path, sizeof path);

			r = r < 0 ? r : cgroup_remove(path, jail->group_fds[i]);
			if (r < 0 && first == 0) {
				first = r;
				log_warn("%s: %s", path, strerror(-r));
			}
		}
		if (first == 0)
			record_unlink(jail->dir_fd, jail->plan->opts->id);
		close(jail->record_fd);
	}
	if (jail->dir_fd >= 0)
		close(jail->dir_fd);
	jail->record_fd = jail->dir_fd = -1;
}

static int cleanup_in(int dir, const char *id, const char *program, struct errtext *err)
{
	int fd = lock_record(dir, id, 0);

	if (fd == -ENOENT)
		return 0;
	if (fd == -EBUSY)
		return errtext_set(err, fd, "jail '%s' of %s is running; end it first", id,
				   program);
	int r = fd < 0 ? fd : remove_named(fd, id);
	if (r == 0)
		record_unlink(dir, id);
	if (fd >= 0)
		close(fd);
	return r < 0 ? errtext_set(err, r, "jail '%s' of %s: %s", id, program, strerror(-r)) : 0;
}

static int cleanup_all(int base, const struct jail_opts *o, uid_t euid, struct errtext *err)
{
	const char *only = o->exec_file ? strrchr(o->exec_file, '/') + 1 : NULL;
	DIR *d = fdopendir(base);
	struct dirent *e;
	int first = 0;

	if (!d) {
		first = errtext_set(err, -errno, "%s", strerror(errno));
		close(base);
		return first;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || (only && strcmp(only, e->d_name) != 0))
			continue;
		int dir = path_open_subdir(dirfd(d), e->d_name, euid, 0);
		if (dir < 0)
			continue; /* no directory of ours, so nothing that we made */
		int r = cleanup_in(dir, o->cleanup, e->d_name, err);
		close(dir);
		if (r < 0 && first == 0)
			first = r;
	}
	closedir(d);
	return first;
}

int record_cleanup(const struct jail_opts *o, struct errtext *err)
{
	uid_t euid = geteuid();
	char path[256];
	size_t bad;

	if (o->chroot_base && strlen(o->chroot_base) >= sizeof path)
		return errtext_set(err, -EINVAL, "--chroot-base-dir: is too long");
	plan_base(path, sizeof path, o, euid);
	int base = path_open_own_dir(path, euid, 0, &bad);
	if (base == -ENOENT)
		return 0;
	if (base < 0)
		return errtext_set(err, base, "%.*s%s: %s", (int)bad, path,
				   base == -EPERM ? " can be changed by another user" : "",
				   strerror(-base));
	return cleanup_all(base, o, euid, err);
}
