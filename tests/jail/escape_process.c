/* SPDX-License-Identifier: MIT
 *
 * escape_process.c: ways out through identity, other processes and resources. The host gives pid=
 * (a process of the jail's user outside), shm= (a shared memory segment open to all), fd= (the
 * descriptor that was handed over), pids= and memory= (the limits).
 */
#include "tests/jail/escape.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PID ((pid_t)given_number("pid"))

TRY(become_root, syscall(SYS_setresuid, 0, 0, 0))
TRY(become_other, syscall(SYS_setresuid, 30002, 30002, 30002))
TRY(root_group, syscall(SYS_setresgid, 0, 0, 0))
TRY(add_groups, syscall(SYS_setgroups, 1, &(gid_t){0}))
TRY(no_securebits, prctl(PR_SET_SECUREBITS, 0))
TRY(keep_caps, prctl(PR_SET_KEEPCAPS, 1))
TRY(ambient, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
CHECK(privileges_gone, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
CHECK(undumpable, prctl(PR_GET_DUMPABLE) == 0)
CHECK(one_group, getgroups(0, NULL) == 0)
CHECK(is_first, getpid() == 1 && getppid() == 0)
CHECK(no_environment, environ == NULL || environ[0] == NULL)
TRY(user_ns, unshare(CLONE_NEWUSER))
TRY(mount_ns, unshare(CLONE_NEWNS))
TRY(net_ns, unshare(CLONE_NEWNET))
TRY(pid_ns, unshare(CLONE_NEWPID))
TRY(ipc_ns, unshare(CLONE_NEWIPC))
TRY(cgroup_ns, unshare(CLONE_NEWCGROUP))
TRY(time_ns, unshare(CLONE_NEWTIME))
TRY(own_ns, setns(pidfd_open(getpid(), 0), CLONE_NEWNS))
TRY(kill_outside, kill(PID, SIGKILL))
TRY(kill_all, kill(-1, SIGKILL))
TRY(open_outside, pidfd_open(PID, 0))
TRY(trace, ptrace(PTRACE_ATTACH, PID, NULL, NULL))
TRY(seize, ptrace(PTRACE_SEIZE, PID, NULL, NULL))
TRY(compare, syscall(SYS_kcmp, getpid(), PID, KCMP_FILE, 0, 0))
TRY(move_pages, syscall(SYS_migrate_pages, PID, 8, &(unsigned long){1}, &(unsigned long){1}))
TRY(limit_outside, prlimit(PID, RLIMIT_NOFILE, NULL, &(struct rlimit){0}))
TRY(slow_outside, setpriority(PRIO_PROCESS, (id_t)PID, 19))
TRY(real_time, sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}))
TRY(priority, setpriority(PRIO_PROCESS, 0, -20))
TRY(io_priority, syscall(SYS_ioprio_set, 1, 0, 1 << 13))
TRY(attach_shm, shmat((int)given_number("shm"), NULL, 0) == (void *)-1 ? -1 : 0)
TRY(message_queue, mq_open("/x", O_CREAT | O_RDWR, 0600, NULL))
TRY(type_into_terminal, ioctl(0, TIOCSTI, "x"))
TRY(take_terminal, ioctl(0, TIOCSCTTY, 1))
TRY(outside_tty, open("/dev/tty", O_RDWR))

static int write_and_run(void)
{
	if (prctl(66 /* PR_GET_MDWE, Linux 6.3 */, 0, 0, 0, 0) < 0)
		return -SKIP;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED
		       ? -errno
		       : 0;
}

static int clone_user_ns(void)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static int read_outside(void)
{
	char buf[8];
	struct iovec to = {buf, sizeof buf}, from = {(void *)0x10000, sizeof buf};

	return process_vm_readv(PID, &to, 1, &from, 1, 0) < 0 ? -errno : 0;
}

static int raise_caps(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{.effective = 1, .permitted = 1}};

	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

static int any_caps(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (d[i].effective | d[i].permitted | d[i].inheritable)
			return 0;
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap) == 1 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			return 0;
	return -HOLDS;
}

static int locked_bits(void)
{
	int want = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
		   SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	return (prctl(PR_GET_SECUREBITS) & want) == want ? -HOLDS : 0;
}

static int raise_limit(int what)
{
	struct rlimit rl;

	if (getrlimit((__rlimit_resource_t)what, &rl) < 0)
		return -errno;
	rl.rlim_cur = rl.rlim_max = rl.rlim_max + 1;
	return setrlimit((__rlimit_resource_t)what, &rl) < 0 ? -errno : 0;
}

static int more_files(void)
{
	return raise_limit(RLIMIT_NOFILE);
}

static int more_core(void)
{
	return raise_limit(RLIMIT_CORE);
}

/* Every descriptor but the standard ones and the one that was handed over. */
static int inherited(void)
{
	int named = (int)given_number("fd");

	if (named >= 0 && fcntl(named, F_GETFD) < 0)
		return -errno; /* and that one has to be there */
	for (int fd = 3; fd < 4096; fd++)
		if (fd != named && fcntl(fd, F_GETFD) >= 0)
			return 0;
	return -HOLDS;
}

static int many_files(void)
{
	int fds[8192], n = 0, r = 0;

	while (n < 8192) {
		fds[n] = dup(0);
		if (fds[n] < 0) {
			r = -errno;
			break;
		}
		n++;
	}
	while (n > 0)
		close(fds[--n]);
	return r;
}

static int caller_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "mayfly-test",
		       0) < 0
		       ? -errno
		       : 0;
}

/* Children until there are no more, all of which wait for the parent to let go of a pipe. */
static int fork_bomb(void)
{
	long limit = given_number("pids");
	int gate[2], n = 0, r = 0;
	char c;

	if (limit < 0)
		return -SKIP;
	if (pipe(gate) < 0)
		return 0;
	while (n < 2 * limit) {
		pid_t pid = fork();

		if (pid < 0) {
			r = -errno;
			break;
		}
		if (pid == 0) {
			close(gate[1]);
			_exit(read(gate[0], &c, 1) != 0);
		}
		n++;
	}
	close(gate[0]);
	close(gate[1]);
	while (wait(NULL) > 0)
		;
	return r;
}

/* A child that wants twice what there is has to be killed, and only it. */
static int memory_bomb(void)
{
	long limit = given_number("memory");
	int status;

	if (limit < 0)
		return -SKIP;
	pid_t pid = fork();
	if (pid == 0) {
		char *p = mmap(NULL, 2 * (size_t)limit, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(1);
		for (long i = 0; i < 2 * limit; i += 4096)
			p[i] = 1;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? -HOLDS : 0;
}

/* Before any other row opens something. */
const struct escape first_escapes[] = {
	{"use a descriptor that was not named", inherited, {HOLDS}},
	{0},
};

const struct escape process_escapes[] = {
	{"become root", become_root, {EPERM, EINVAL}},
	{"become the neighbour", become_other, {EPERM, EINVAL}},
	{"take root's group", root_group, {EPERM, EINVAL}},
	{"add a group", add_groups, {EPERM}},
	{"still be in the caller's groups", one_group, {HOLDS}},
	{"clear the securebits", no_securebits, {EPERM}},
	{"securebits are not locked", locked_bits, {HOLDS}},
	{"keep capabilities", keep_caps, {EPERM}},
	{"raise an ambient capability", ambient, {EPERM}},
	{"raise a capability", raise_caps, {EPERM}},
	{"have one in any of the five sets", any_caps, {HOLDS}},
	{"gain privileges by exec", privileges_gone, {HOLDS}},
	{"be dumpable", undumpable, {HOLDS}},
	{"have a parent or another number than 1", is_first, {HOLDS}},
	{"read the caller's environment", no_environment, {HOLDS}},
	{"make a user namespace", user_ns, {EPERM}},
	{"make one by clone3", clone_user_ns, {EPERM}},
	{"make a mount namespace", mount_ns, {EPERM}},
	{"make a network namespace", net_ns, {EPERM}},
	{"make a PID namespace", pid_ns, {EPERM}},
	{"make an IPC namespace", ipc_ns, {EPERM}},
	{"make a cgroup namespace", cgroup_ns, {EPERM}},
	{"make a time namespace", time_ns, {EPERM}},
	{"enter a namespace", own_ns, {EPERM}},
	{"kill a process of the same user outside", kill_outside, {ESRCH}},
	{"kill all there are", kill_all, {ESRCH}},
	{"open a process outside", open_outside, {ESRCH}},
	{"trace a process outside", trace, {ESRCH}},
	{"seize a process outside", seize, {ESRCH}},
	{"read its memory", read_outside, {ESRCH}},
	{"compare its files", compare, {EPERM}},
	{"move its pages", move_pages, {ESRCH, ENOSYS, EPERM}},
	{"limit it", limit_outside, {ESRCH}},
	{"slow it down", slow_outside, {ESRCH}},
	{"real-time priority", real_time, {EPERM}},
	{"higher priority", priority, {EACCES, EPERM}},
	{"real-time I/O priority", io_priority, {EPERM}},
	{"more files than the hard limit", more_files, {EPERM}},
	{"core dumps", more_core, {EPERM}},
	{"more descriptors than the limit", many_files, {EMFILE}},
	{"attach the host's shared memory", attach_shm, {EINVAL, EIDRM}},
	{"make a message queue", message_queue, {EMFILE, ENOSPC, ENOSYS}},
	{"search the caller's session keyring", caller_keyring, {EPERM}},
	{"type into the caller's terminal", type_into_terminal, {EPERM, EIO, ENOTTY}},
	{"take the caller's terminal", take_terminal, {EPERM, ENOTTY}},
	{"open the terminal by name", outside_tty, {ENOENT}},
	{"memory both writable and executable", write_and_run, {EACCES}},
	{"fork bomb", fork_bomb, {EAGAIN}},
	{"memory bomb", memory_bomb, {HOLDS}},
	{0},
};
