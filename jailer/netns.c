/* SPDX-License-Identifier: MIT
 *
 * netns.c: see netns.h. The thread shares everything with the main one but its network namespace,
 * and is gone before clone(): whoever becomes the program comes from a process of one thread.
 */
#include "jailer/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "jailer/path.h"

static struct {
	pthread_t thread;
	bool begun;
	int fd; /* or -errno */
} ahead;

static void *make(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNET) < 0) {
		ahead.fd = -errno;
		return NULL;
	}
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ahead.fd = fd < 0 ? -errno : fd;
	return NULL;
}

/* With one processor the thread would only be in the way. */
static bool has_company(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
}

void netns_begin(void)
{
	ahead.begun = has_company() && pthread_create(&ahead.thread, NULL, make, NULL) == 0;
}

int netns_await(struct jail *jail)
{
	if (!ahead.begun)
		return 0;
	ahead.begun = false;
	int r = pthread_join(ahead.thread, NULL);
	if (r > 0)
		return -r;
	if (ahead.fd < 0)
		return jail_blame(jail, ahead.fd, "new network namespace");
	jail->netns_fd = ahead.fd;
	return 0;
}

int netns_open(struct jail *jail)
{
	const char *path = jail->plan->opts->netns;

	jail->netns_fd = path_open(AT_FDCWD, path, O_RDONLY);
	return jail->netns_fd < 0 ? jail_blame(jail, jail->netns_fd, path) : 0;
}

int netns_join(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;

	if (jail->netns_fd < 0)
		return 0; /* clone() has made it */
	return setns(jail->netns_fd, CLONE_NEWNET) < 0
		       ? jail_blame(jail, -errno,
				    p->net == NET_JOIN ? p->opts->netns : "new network namespace")
		       : 0;
}
