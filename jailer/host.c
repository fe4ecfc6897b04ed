/* SPDX-License-Identifier: MIT
 *
 * host.c: see host.h.
 */
#include "jailer/host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "jailer/landlock.h"

const char *host_dev_path(enum host_dev dev)
{
	static const char *const paths[] = {[DEV_KVM] = "/dev/kvm",
					    [DEV_TUN] = "/dev/net/tun",
					    [DEV_URANDOM] = "/dev/urandom",
					    [DEV_UFFD] = "/dev/userfaultfd"};

	return paths[dev];
}

/* A list separated by sep, each item between spaces; words that are no controllers do not matter.
 */
static bool add_controllers(struct cgroup_mount *m, const char *list, char sep)
{
	size_t n = strcspn(list, "\n"), len = strlen(m->controllers);

	if (len + n + 3 > sizeof m->controllers)
		return false;
	m->controllers[len++] = ' ';
	for (size_t i = 0; i < n; i++)
		m->controllers[len++] = list[i] == sep ? ' ' : list[i];
	m->controllers[len++] = ' ';
	m->controllers[len] = '\0';
	return true;
}

/* ID PARENT MAJ:MIN ROOT DIR OPTIONS [OPTIONAL]... - TYPE SOURCE SUPEROPTIONS */
int host_parse_mount(char *line, struct cgroup_mount *ret)
{
	struct cgroup_mount m = {0};
	char *tail = strstr(line, " - cgroup");
	char *field[6], *save = NULL, *type, *super;

	if (!tail)
		return 0;
	*tail = '\0';
	for (int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return 0;
	}
	type = strtok_r(tail + 3, " ", &save);
	super = strtok_r(NULL, " ", &save) ? strtok_r(NULL, " \n", &save) : NULL;
	/* A path with \040 and its like is no place for cgroups. */
	if (!type || !super || strchr(field[4], '\\') || strlen(field[4]) >= sizeof m.dir)
		return 0;
	memcpy(m.dir, field[4], strlen(field[4]) + 1);
	m.v2 = strcmp(type, "cgroup2") == 0;
	if (!m.v2 && (strcmp(type, "cgroup") != 0 || !add_controllers(&m, super, ',')))
		return 0;
	*ret = m;
	return 1;
}

static void read_v2(struct cgroup_mount *m)
{
	char buf[160], path[160];

	snprintf(path, sizeof path, "%s/cgroup.controllers", m->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n <= 0)
		return;
	buf[n] = '\0';
	if (!add_controllers(m, buf, ' '))
		m->controllers[0] = '\0';
}

static void add_mount(struct jail_host *h, char *line)
{
	struct cgroup_mount *m = &h->mounts[h->nmounts];

	if (h->nmounts == HOST_MOUNTS || host_parse_mount(line, m) == 0)
		return;
	for (unsigned i = 0; i < h->nmounts; i++)
		if (h->mounts[i].v2 == m->v2 &&
		    (m->v2 || strcmp(h->mounts[i].controllers, m->controllers) == 0))
			return; /* the same hierarchy once more */
	if (m->v2)
		read_v2(m);
	m->writable = faccessat(AT_FDCWD, m->dir, W_OK, AT_EACCESS) == 0;
	h->nmounts++;
}

static int read_mounts(struct jail_host *h, struct errtext *err)
{
	char buf[8192];
	size_t have = 0;
	int r = 0;

	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errtext_set(err, -errno, "/proc/self/mountinfo: %s", strerror(errno));
	for (;;) {
		ssize_t n = read(fd, buf + have, sizeof buf - 1 - have);

		if (n < 0)
			r = errtext_set(err, -errno, "/proc/self/mountinfo: %s", strerror(errno));
		if (n <= 0)
			break;
		have += (size_t)n;
		buf[have] = '\0';
		char *line = buf, *end;
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			add_mount(h, line);
			line = end + 1;
		}
		have -= (size_t)(line - buf);
		if (have == sizeof buf - 1)
			have = 0; /* a line that long is no cgroup mount of ours; its rest does not
				     parse */
		memmove(buf, line, have);
	}
	close(fd);
	return r;
}

int host_read(struct jail_host *h, struct errtext *err)
{
	struct rlimit rl;

	*h = (struct jail_host){.euid = geteuid(), .egid = getegid()};
	for (int i = 0; i < HOST_DEVS; i++) {
		struct stat st;

		if (stat(host_dev_path((enum host_dev)i), &st) < 0 || !S_ISCHR(st.st_mode))
			continue;
		h->devs[i].present = true;
		h->devs[i].open_to_all = (st.st_mode & 06) == 06;
		h->devs[i].open_to_us = faccessat(AT_FDCWD, host_dev_path((enum host_dev)i),
						  R_OK | W_OK, AT_EACCESS) == 0;
		h->devs[i].major = major(st.st_rdev);
		h->devs[i].minor = minor(st.st_rdev);
	}
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return errtext_set(err, -errno, "getrlimit: %s", strerror(errno));
	h->max_files = rl.rlim_max;
	h->landlock_abi = landlock_abi();
	return read_mounts(h, err);
}
