/* SPDX-License-Identifier: MIT
 *
 * trace.c: see trace.h. In FILTER_TRACE mode a rule that matches stops its thread with the rule's
 * number as the event's message (seccomp(2), ptrace(2)). The tracer is a grandchild, so that the
 * traced program keeps the number, the parent and the children it would have without.
 */
#include "monitor/seccomp/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/num.h"
#include "monitor/seccomp/explain.h"

#define OPTIONS                                                                                   \
	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

static uint32_t used[65536];
static int denied = -1; /* file of calls that no rule allows */

/* A thread ends: was it because of what it called? */
static void on_exit_event(pid_t tid)
{
	struct user_regs_struct r;
	unsigned long status;

	/* The others of its process end the same way, but what they were called for is undone. */
	if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &status) == 0 && (status & 0x7f) == SIGSYS &&
	    ptrace(PTRACE_GETREGS, tid, NULL, &r) == 0 && r.rax == r.orig_rax)
		dprintf(denied, "thread %d: call %lld (%#llx, %#llx, %#llx, %#llx, %#llx, %#llx)\n",
			tid, (long long)r.orig_rax, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9);
}

/* One stop of one thread. */
static void on_stop(pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;
	unsigned long rule = 0;

	if (event == PTRACE_EVENT_SECCOMP) {
		if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &rule) == 0)
			used[rule & 0xffff]++;
		sig = 0;
	} else if (event == PTRACE_EVENT_EXIT) {
		on_exit_event(tid);
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP &&
		   (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)) {
		/* A real stop of the group goes on when somebody continues it. */
		ptrace(PTRACE_LISTEN, tid, NULL, NULL);
		return;
	} else if (event) {
		sig = 0;
	}
	ptrace(PTRACE_CONT, tid, NULL, (long)sig);
}

/* A file of its own for every run, in the folder that log is. */
static void write_log(const char *log, pid_t pid)
{
	char path[4096];
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	snprintf(path, sizeof path, "%s/%ld.%ld.%d", log, (long)t.tv_sec, t.tv_nsec, pid);
	FILE *f = fopen(path, "we");

	for (unsigned i = 0; f && i < 65536; i++)
		if (used[i])
			fprintf(f, "%u %u\n", i, used[i]);
	if (!f || fclose(f))
		log_err("%s: %s", path, strerror(errno));
}

static void tracer(pid_t pid, int ready, const char *log)
{
	char path[4096];
	int status;
	char go = 0;

	snprintf(path, sizeof path, "%s/denied", log);
	denied = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (ptrace(PTRACE_SEIZE, pid, NULL, (long)OPTIONS) < 0) {
		log_err("cannot trace: %s", strerror(errno));
		_exit(2);
	}
	if (write(ready, &go, 1) != 1)
		_exit(2);
	close(ready);
	/* Nobody waits for our ends of his pipes. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 2 && null >= 0; fd++)
		dup2(null, fd);
	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid > 0 && WIFSTOPPED(status))
			on_stop(tid, status);
		else if (tid < 0 && errno != EINTR)
			break;
	}
	write_log(log, pid);
	_exit(0);
}

int trace_run(const char *log, char *const argv[])
{
	pid_t self = getpid(), child;
	int fds[2];
	char c;

	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		log_err("%s", strerror(errno));
		return 2;
	}
	if (child == 0) {
		close(fds[0]);
		if (setsid() < 0 || fork() != 0)
			_exit(0);
		tracer(self, fds[1], log);
	}
	/* Yama lets only those trace who are asked to. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	close(fds[1]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (read(fds[0], &c, 1) != 1)
		return 2;
	close(fds[0]);
	execvp(argv[0], argv);
	log_err("%s: %s", argv[0], strerror(errno));
	return 127;
}

/* --- a running process --- */

static int filter_of(pid_t tid, unsigned long index, struct sock_filter *prog)
{
	long n = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, index, prog);

	return n < 0 ? -errno : (int)n;
}

static int show_thread(int pid, pid_t tid, bool all)
{
	static struct sock_filter prog[BPF_MAXINSNS];
	unsigned long count = 0;
	int status, n;

	if (ptrace(PTRACE_SEIZE, tid, NULL, 0L) < 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, &status, __WALL) < 0) {
		log_err("thread %d cannot be traced: %s", tid, strerror(errno));
		return 2;
	}
	while ((n = filter_of(tid, count, prog)) > 0)
		count++;
	printf("thread %d%s: ", tid, tid == pid ? " (vCPU)" : "");
	if (count)
		printf("%lu filters, the newest allows\n", count);
	else
		printf("no filter%s%s\n", n == -ENOENT ? "" : ", or it cannot be read: ",
		       n == -ENOENT ? "" : strerror(-n));
	for (unsigned long i = count; i-- > 0 && (all || i + 1 == count);) {
		n = filter_of(tid, i, prog);
		if (i + 1 < count)
			printf("thread %d, filter %lu below\n", tid, i);
		n = n > 0 ? explain_filter(prog, (unsigned)n, pid, stdout) : n;
		if (n >= 0)
			printf("  %d different calls\n", n);
		else
			printf("  not understood\n");
	}
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return 0;
}

int trace_show(int pid, bool all)
{
	char path[40];
	struct dirent *e;
	uint64_t tid;
	int r = 0;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d) {
		log_err("process %d: %s", pid, strerror(errno));
		return 2;
	}
	while ((e = readdir(d)))
		if (num_u64(e->d_name, strlen(e->d_name), 1, INT32_MAX, &tid) == 0 &&
		    show_thread(pid, (pid_t)tid, all))
			r = 2;
	closedir(d);
	return r;
}
