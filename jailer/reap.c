/* SPDX-License-Identifier: MIT
 *
 * reap.c: see reap.h.
 */
#include "jailer/reap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jailer/caps.h"
#include "jailer/confine.h"
#include "jailer/record.h"
#include "jailer/sys.h"
#include "lib/log.h"

void reap_signals(sigset_t *ret_set)
{
	static const int list[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,
				   SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		sigaddset(ret_set, list[i]);
}

/* Whether the program catches or ignores the signal, as /proc tells. */
static bool handles(pid_t pid, int sig)
{
	char path[40], buf[4096];
	unsigned long long mask, all = 0;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return true; /* it is gone */
	buf[n] = '\0';
	for (size_t i = 0; i < 2; i++) {
		const char *at = strstr(buf, i ? "SigIgn:" : "SigCgt:");

		if (at && sscanf(at + 7, "%llx", &mask) == 1)
			all |= mask;
	}
	return all & 1ull << (sig - 1);
}

/*
 * The first process of a PID namespace does not get signals that it has no handler for. Any other
 * would be ended by them, so it is: returns the signal that was meant, 0 when it was just handed
 * on.
 */
static int hand_on(const struct jail *jail, int sig)
{
	bool ends = sig != SIGWINCH && !handles(jail->pid, sig);

	sys_pidfd_send_signal(jail->pidfd, ends ? SIGKILL : sig);
	return ends ? sig : 0;
}

static int wait_for(const struct jail *jail, const sigset_t *signals)
{
	int status, meant = 0;

	for (;;) {
		pid_t pid = waitpid(jail->pid, &status, WNOHANG);

		if (pid == jail->pid && WIFSIGNALED(status))
			return 128 +
			       (meant && WTERMSIG(status) == SIGKILL ? meant : WTERMSIG(status));
		if (pid == jail->pid)
			return WEXITSTATUS(status);
		if (pid < 0 && errno != EINTR)
			return 2;
		int sig = sigwaitinfo(signals, NULL);
		if (sig > 0 && sig != SIGCHLD && !meant)
			meant = hand_on(jail, sig);
	}
}

int reap(struct jail *jail, const sigset_t *signals)
{
	caps_keep_kill();
	int r = confine_reaper(jail);
	if (r < 0)
		log_warn("seccomp: %s: the jailer has no filter", strerror(-r));
	int code = wait_for(jail, signals);
	record_drop(jail);
	return code;
}
