/* SPDX-License-Identifier: MIT
 *
 * What a VM answers about processes and limits, and what it refuses: an unserved call is ENOSYS,
 * named once.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

static void *thread(void *arg)
{
	return arg;
}

int main(void)
{
	struct utsname u;
	struct rlimit rl;
	cpu_set_t cpus;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t t;

	CHECK(getpid() == 1 && getppid() == 0 && getuid() == 0 && geteuid() == 0 && gettid() == 1);
	CHECK(!uname(&u) && !strcmp(u.sysname, "Linux") && !strcmp(u.machine, "x86_64"));
	CHECK(!strcmp(u.nodename, "box"));
	CHECK(!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur == 1024);
	CHECK(!getrlimit(RLIMIT_STACK, &rl) && rl.rlim_cur >= 65536);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) == 1 && sysconf(_SC_PAGESIZE) == 4096);
	CHECK(!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) == 1);
	CHECK(!setuid(0));
	CHECK_ERR(setuid(1000), EPERM);
	CHECK(umask(077) == 022 && umask(022) == 077);
	CHECK(!sched_yield());

	CHECK_ERR(fork(), ENOSYS);
	CHECK_ERR(fork(), ENOSYS); /* the second is not named again */
	CHECK_ERR(vfork(), ENOSYS);
	CHECK_ERR(execl("/bin/sh", "sh", (char *)NULL), ENOSYS);
	CHECK_ERR(syscall(SYS_bpf, 0, 0, 0), ENOSYS);
	CHECK_ERR(syscall(100000), ENOSYS);
	CHECK_ERR(syscall(-5L), ENOSYS);
	CHECK_ERR(wait(NULL), ECHILD);
	CHECK(pthread_create(&t, NULL, thread, NULL) == EAGAIN);
	CHECK(!pthread_mutex_lock(&lock) && pthread_mutex_trylock(&lock) == EBUSY);
	CHECK(!pthread_mutex_unlock(&lock) && pthread_self());
	return pass();
}
