/* SPDX-License-Identifier: MIT
 *
 * fds.c: see fds.h.
 */
#include "jailer/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/sys.h"

/* A directory or an O_PATH descriptor leads back into the host's tree. */
static int check_one(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? -EISDIR : flags & O_PATH ? -EBADF : 0;
}

int fds_check(struct jail *jail)
{
	const struct jail_opts *o = jail->plan->opts;

	for (unsigned i = 0; i < o->nfds; i++) {
		int r = check_one(o->fds[i].fd);

		if (r < 0)
			return jail_blame(jail, r, o->fds[i].name);
	}
	for (int fd = 0; fd < 3; fd++) {
		int r = check_one(fd);

		if (r < 0)
			return jail_blame(jail, r, "standard descriptor");
	}
	if (o->daemonize) {
		jail->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (jail->null_fd < 0)
			return jail_blame(jail, -errno, "/dev/null");
	}
	return 0;
}

int fds_leave_named(struct jail *jail)
{
	const struct jail_opts *o = jail->plan->opts;

	for (int fd = 0; fd < 3 && jail->null_fd >= 0; fd++)
		if (dup2(jail->null_fd, fd) < 0)
			return -errno;
	if (sys_close_range_on_exec(3) < 0)
		return -errno;
	for (unsigned i = 0; i < o->nfds; i++)
		if (o->fds[i].fd != jail->plan->exec_fd && fcntl(o->fds[i].fd, F_SETFD, 0) < 0)
			return jail_blame(jail, -errno, o->fds[i].name);
	return 0;
}

void fds_let_go(const struct jail_plan *plan)
{
	for (unsigned i = 0; i < plan->opts->nfds; i++)
		if (plan->opts->fds[i].fd != plan->exec_fd) /* that one is closed already */
			close(plan->opts->fds[i].fd);
}
