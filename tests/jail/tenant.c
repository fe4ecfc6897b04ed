/* SPDX-License-Identifier: MIT
 *
 * tenant.c: one of ten jailed programs side by side. Says "x", then does what each line of standard
 * input asks, answering each with one line; ends with standard input.
 *
 *   hide PATH       make what a neighbour would look for: sockets, shared memory, the file PATH
 *   spy UID PATH PID...   look for a neighbour's, by its user, file and processes: "ok" or what was
 * found work PATH       compute, touch memory, write a file: "done" burn cpu|memory|processes|disk
 * PATH|net   for ever, in processes of its own: "burning"
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY	    4242
#define PORT	    4243
#define NEAR_PIDS   16
#define LOW_PIDS    2048
#define WORK_ROUNDS 2000000u
#define MIB	    (1 << 20)

static void answer(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line - 1, fmt, ap);
	va_end(ap);
	line[n] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n + 1) != n + 1)
		_exit(1);
}

/* --- what there is to find --- */

static struct sockaddr_un abstract_name(unsigned long uid, socklen_t *ret_len)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int n = snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "tenant-%lu", uid);

	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return sa;
}

static const char *hide(const char *path)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	socklen_t len;
	struct sockaddr_un sa = abstract_name(getuid(), &len);
	int s = socket(AF_UNIX, SOCK_STREAM, 0), in = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(s, (struct sockaddr *)&sa, len) < 0 || listen(s, 8) < 0)
		return "abstract socket";
	if (bind(in, (const struct sockaddr *)&any, sizeof any) < 0)
		return "port";
	int id = shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0666);
	unsigned *p = id < 0 ? NULL : shmat(id, NULL, 0);
	if (!p || p == (void *)-1)
		return "shared memory";
	*p = getuid();
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0666);
	return fd < 0 || fchmod(fd, 0666) < 0 || write(fd, "secret", 6) != 6 ? "file" : NULL;
}

/* --- looking for it: each returns NULL, or what it got hold of --- */

static const char *touch_pid(pid_t pid)
{
	char byte, path[32];
	struct iovec to = {.iov_base = &byte, .iov_len = 1},
		     from = {.iov_base = (void *)0x400000, .iov_len = 1};

	if (pid == getpid())
		return NULL;
	if (kill(pid, 0) == 0 || errno != ESRCH)
		return "kill";
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 || errno != ESRCH)
		return "ptrace";
	if (process_vm_readv(pid, &to, 1, &from, 1, 0) >= 0 || errno != ESRCH)
		return "process_vm_readv";
	if (syscall(SYS_pidfd_open, pid, 0) >= 0)
		return "pidfd_open";
	if (getsid(pid) >= 0 || sched_getscheduler(pid) >= 0 ||
	    getpriority(PRIO_PROCESS, (id_t)pid) >= 0)
		return "getsid or getpriority";
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	return open(path, O_RDONLY) >= 0 ? "/proc" : NULL;
}

static const char *touch_pids(char *list)
{
	const char *found = NULL;
	char *save = NULL;

	for (char *w = strtok_r(list, " \n", &save); w && !found;
	     w = strtok_r(NULL, " \n", &save)) {
		pid_t pid = (pid_t)strtol(w, NULL, 10);

		for (pid_t p = pid - NEAR_PIDS; p < pid + NEAR_PIDS && !found; p++)
			found = p > 1 ? touch_pid(p) : NULL;
	}
	for (pid_t p = 2; p < LOW_PIDS && !found; p++)
		found = kill(p, 0) == 0 ? "kill of a low number" : NULL;
	if (!found && kill(-1, SIGKILL) == 0)
		found = "kill of everything";
	return found;
}

static const char *spy(unsigned long uid, const char *path, char *pids)
{
	const struct sockaddr_in lo = {.sin_family = AF_INET,
				       .sin_port = htons(PORT),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len;
	struct sockaddr_un sa = abstract_name(uid, &len);
	int s = socket(AF_UNIX, SOCK_STREAM, 0), in = socket(AF_INET, SOCK_DGRAM, 0);

	if (connect(s, (struct sockaddr *)&sa, len) == 0)
		return "abstract socket";
	if (connect(in, (const struct sockaddr *)&lo, sizeof lo) == 0)
		return "port";
	unsigned *p = shmat(shmget(KEY, 4096, 0), NULL, SHM_RDONLY);
	if (p == (void *)-1 || *p != getuid())
		return "shared memory that is not ours";
	if (open(path, O_RDONLY) >= 0 || errno != ENOENT)
		return "file";
	if (getpriority(PRIO_USER, (id_t)uid) >= 0 || setpriority(PRIO_USER, (id_t)uid, 19) == 0)
		return "priority by user";
	return touch_pids(pids);
}

/* --- work and its enemies --- */

static const char *work(const char *path)
{
	volatile unsigned sum = 0;
	char buf[4096] = "work";

	for (unsigned i = 0; i < WORK_ROUNDS; i++)
		sum += i * i;
	char *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return "memory";
	memset(p, 1, 4 * MIB);
	munmap(p, 4 * MIB);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0 || write(fd, buf, sizeof buf) != sizeof buf || close(fd) < 0)
		return "file";
	return NULL;
}

static void burn_memory(void)
{
	for (;;) {
		char *p =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED)
			memset(p, 1, MIB);
	}
}

static void burn_disk(const char *path)
{
	char *buf = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(path, O_CREAT | O_WRONLY | O_DIRECT, 0600);

	for (;;)
		if (pwrite(fd, buf, 65536, 0) != 65536)
			_exit(1);
}

static void burn_net(void)
{
	struct sockaddr_in lo = {.sin_family = AF_INET,
				 .sin_port = htons(9),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static char packet[1400];
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	for (;;)
		sendto(s, packet, sizeof packet, 0, (struct sockaddr *)&lo, sizeof lo);
}

static void burn_one(const char *what, const char *path)
{
	if (strcmp(what, "memory") == 0)
		burn_memory();
	if (strcmp(what, "disk") == 0)
		burn_disk(path);
	if (strcmp(what, "net") == 0)
		burn_net();
	while (strcmp(what, "processes") == 0)
		if (fork() == 0)
			pause();
	for (;;)
		__asm__ volatile("pause");
}

/* Somebody burns at all times: who is killed for it has a successor. */
static void burn(const char *what, const char *path)
{
	if (fork() != 0)
		return;
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			burn_one(what, path);
		while (pid > 0 && waitpid(pid, NULL, 0) < 0)
			;
	}
}

static void obey(char *line)
{
	char *save = NULL, *what = strtok_r(line, " \n", &save), *a = strtok_r(NULL, " \n", &save),
	     *b = strtok_r(NULL, " \n", &save);
	const char *wrong = "no such command";

	if (what && a && strcmp(what, "hide") == 0)
		wrong = hide(a);
	else if (what && b && strcmp(what, "spy") == 0)
		wrong = spy(strtoul(a, NULL, 10), b, save);
	else if (what && a && strcmp(what, "work") == 0)
		wrong = work(a);
	else if (what && a && strcmp(what, "burn") == 0) {
		burn(a, b);
		wrong = NULL;
	}
	answer(wrong ? "%s: %s" : "ok", wrong, strerror(errno));
}

int main(void)
{
	char line[1024];

	if (write(STDOUT_FILENO, "x", 1) != 1)
		return 1;
	while (fgets(line, sizeof line, stdin))
		obey(line);
	return 0;
}
