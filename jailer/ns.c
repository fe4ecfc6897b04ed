/* SPDX-License-Identifier: MIT
 *
 * ns.c: see ns.h.
 */
#include "jailer/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jailer/sys.h"

#define STACK (128 << 10)
#define OOM_SCORE_ADJ \
	"500" /* before the daemons of the host, and it cannot be lowered from inside */

static char stack[STACK] __attribute__((aligned(16)));

/*
 * A map that a process writes for itself names its own effective ids outside. A root jailer takes
 * the jail's for that moment, so that the jail is not root outside.
 */
static int put_on(const struct jail_plan *p)
{
	if (!p->opts->userns || p->host->euid != 0)
		return 0;
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, -1, p->gid, -1) < 0 ||
	    syscall(SYS_setresuid, -1, p->uid, -1) < 0)
		return -errno;
	/* The change made us one of those whose /proc files belong to root. Nobody can trace us all
	 * the same: our real user is root. */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

static int take_off(const struct jail_plan *p)
{
	if (!p->opts->userns || p->host->euid != 0)
		return 0;
	if (syscall(SYS_setresuid, -1, 0, -1) < 0 || syscall(SYS_setresgid, -1, 0, -1) < 0)
		return -errno;
	return 0;
}

static int live(void *arg)
{
	struct jail *jail = arg;

	jail->err = apply_in_jail(jail);
	return 1;
}

static void reap_failed(struct jail *jail)
{
	while (waitpid(jail->pid, NULL, 0) < 0 && errno == EINTR)
		;
	jail->pid = 0;
}

/* The kernel's words for "no user namespaces here" are the wrong ones. */
static int blame_clone(struct jail *jail, int r)
{
	if (jail->plan->opts->userns && (r == -EPERM || r == -ENOSPC || r == -EUSERS))
		return jail_blame(jail, r,
				  "user namespaces are refused here (sysctl "
				  "user.max_user_namespaces, kernel.unprivileged_userns_clone; "
				  "none in a chroot)");
	return r;
}

int ns_clone(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWIPC | CLONE_NEWUTS,
		.pidfd = (uintptr_t)&jail->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof stack,
	};

	if (p->net == NET_NEW && jail->netns_fd < 0)
		args.flags |= CLONE_NEWNET;
	if (p->opts->userns)
		args.flags |= CLONE_NEWUSER;
	if (jail->v2_fd >= 0) {
		/* Born there: to move would take a lock that waits for all processes of the host.
		 */
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)jail->v2_fd;
	}
	jail->alive_fd = sys_pidfd_open(getpid());
	if (jail->alive_fd < 0)
		return -errno;
	int r = put_on(p);
	if (r < 0)
		return r;
	long pid = ns_clone3(&args, live, jail);
	r = take_off(p);
	if (pid < 0)
		return blame_clone(jail, (int)pid);
	jail->pid = (pid_t)pid;
	if (r < 0)
		kill(jail->pid, SIGKILL);
	else if (jail->at_exec && jail->err == 0)
		return 0;
	else
		r = jail->err ? jail->err : jail_blame(jail, -EINTR, "killed while being made");
	reap_failed(jail);
	return r;
}

static int write_file(struct jail *jail, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return jail_blame(jail, -errno, path);
	int r = write(fd, text, strlen(text)) < 0 ? jail_blame(jail, -errno, path) : 0;
	close(fd);
	return r;
}

int ns_map_user(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	bool root = p->host->euid == 0;
	char map[48];

	int r = write_file(jail, "/proc/self/setgroups", "deny");
	if (r < 0)
		return r;
	snprintf(map, sizeof map, "%u %u 1", p->uid, root ? p->uid : p->host->euid);
	r = write_file(jail, "/proc/self/uid_map", map);
	if (r < 0)
		return r;
	snprintf(map, sizeof map, "%u %u 1", p->gid, root ? p->gid : p->host->egid);
	return write_file(jail, "/proc/self/gid_map", map);
}

int ns_settle(struct jail *jail)
{
	/* After the groups were entered, so that they are the namespace's root. */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return jail_blame(jail, -errno, "cgroup namespace");
	if (sethostname("jail", 4) < 0 || setdomainname("", 0) < 0)
		return jail_blame(jail, -errno, "host name");
	/* The caller's session keyring stays the caller's. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return jail_blame(jail, -errno, "keyring");
	/* No controlling terminal: a terminal handed over cannot be typed into (TIOCSTI). */
	if (setsid() < 0)
		return jail_blame(jail, -errno, "session");
	return write_file(jail, "/proc/self/oom_score_adj", OOM_SCORE_ADJ);
}

int ns_tie(struct jail *jail)
{
	struct pollfd dead = {.fd = jail->alive_fd, .events = POLLIN};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* It may have died before. */
	int n = poll(&dead, 1, 0);
	return n < 0 ? -errno : n > 0 ? -ESRCH : 0;
}
