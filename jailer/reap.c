/* SPDX-License-Identifier: MIT
 *
 * reap.c: see reap.h.
 */
#include "jailer/reap.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "jailer/caps.h"
#include "jailer/record.h"

void reap_signals(sigset_t *ret_set)
{
	static const int list[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,
				   SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		sigaddset(ret_set, list[i]);
}

static int wait_for(const struct jail *jail, const sigset_t *signals)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(jail->pid, &status, WNOHANG);

		if (pid == jail->pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (pid < 0 && errno != EINTR)
			return 2;
		int sig = sigwaitinfo(signals, NULL);
		if (sig > 0 && sig != SIGCHLD)
			pidfd_send_signal(jail->pidfd, sig, NULL, 0);
	}
}

int reap(struct jail *jail, const sigset_t *signals)
{
	caps_keep_kill();
	int code = wait_for(jail, signals);
	record_drop(jail);
	return code;
}
