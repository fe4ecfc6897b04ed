/* SPDX-License-Identifier: MIT
 *
 * usernet.c: see usernet.h. posix_spawn: the monitor's memory is not copied, and every descriptor
 * of ours but the helper's end of the pair is close-on-exec.
 */
#include "monitor/backend/usernet.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/vec.h"
#include "monitor/backend/usernet/link.h"
#include "monitor/config.h"
#include "monitor/signals.h"

#define HELPER	  "mayfly-usernet"
#define HELPER_FD 3
#define FWD_LEN	  48
#define LEAVE_NS  UINT64_C(2000000000)

extern char **environ;

/* Beside the monitor's own file. */
static int helper_path(char *buf, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", buf, len - 1);

	if (n <= 0)
		return -ENOENT;
	buf[n] = 0;
	char *slash = strrchr(buf, '/');

	if (!slash || (size_t)(slash - buf) + sizeof "/" HELPER > len)
		return -ENOENT;
	memcpy(slash + 1, HELPER, sizeof HELPER);
	return access(buf, X_OK) ? -errno : 0;
}

static int spawn(pid_t *ret_pid, int fd, char *const argv[])
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	char path[512];
	int ret;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&fa))
		return -ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&fa);
		return -ENOMEM;
	}
	/* The monitor may have signals blocked for its signalfd, and the terminal's Ctrl-C is for
	 * the monitor. */
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	ret = posix_spawn_file_actions_adddup2(&fa, fd, HELPER_FD);
	if (!ret) {
		if (helper_path(path, sizeof path) == 0)
			ret = posix_spawn(ret_pid, path, &fa, &attr, argv, environ);
		else
			ret = posix_spawnp(ret_pid, HELPER, &fa, &attr, argv, environ);
	}
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return -ret;
}

int usernet_spawn(struct usernet *ret_un, const struct net_config *cfg, char *err, size_t errlen)
{
	char fwd[CONFIG_MAX_FWD][FWD_LEN], id[64], name[] = HELPER;
	char loopback[] = "--host-loopback", *argv[CONFIG_MAX_FWD + 4];
	int sv[2], argc = 0, ret;

	argv[argc++] = name;
	snprintf(id, sizeof id, "--id=%s", cfg->id);
	argv[argc++] = id;
	for (unsigned i = 0; i < cfg->nfwd && i < CONFIG_MAX_FWD; i++) {
		const struct net_fwd *f = &cfg->fwd[i];

		snprintf(fwd[i], FWD_LEN, "--fwd=%s:%u.%u.%u.%u:%u:%u", f->udp ? "udp" : "tcp",
			 f->host_addr >> 24, f->host_addr >> 16 & 255, f->host_addr >> 8 & 255,
			 f->host_addr & 255, f->host_port, f->guest_port);
		argv[argc++] = fwd[i];
	}
	if (cfg->host_loopback)
		argv[argc++] = loopback;
	argv[argc] = NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv)) {
		ret = -errno;
		snprintf(err, errlen, "--net id=%s: socketpair: %s", cfg->id, strerror(-ret));
		return ret;
	}
	ret_un->pid = -1;
	ret = spawn(&ret_un->pid, sv[1], argv);
	close(sv[1]);
	if (ret) {
		close(sv[0]);
		snprintf(err, errlen,
			 "--net id=%s: cannot start " HELPER
			 ": %s: it belongs next to mayfly-monitor or into PATH",
			 cfg->id, strerror(-ret));
		return ret;
	}
	ret_un->fd = sv[0];
	return 0;
}

/* "ok", or "<errno> text". */
static int judge_ready(const char *msg, char *err, size_t errlen)
{
	char *text;
	long e;

	if (!strcmp(msg, "ok"))
		return 0;
	e = strtol(msg, &text, 10);
	snprintf(err, errlen, "%s", *text == ' ' ? text + 1 : text);
	return e > 0 && e < 4096 ? -(int)e : -EIO;
}

int usernet_wait_ready(struct usernet *un, const struct net_config *cfg, char *err, size_t errlen)
{
	struct pollfd pfd = {.fd = un->fd, .events = POLLIN};
	char msg[320];
	ssize_t n;

	for (;;) {
		n = recv(un->fd, msg, sizeof msg - 1, 0);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
		poll(&pfd, 1, -1);
	}
	if (n <= 0) {
		snprintf(err, errlen,
			 "--net id=%s: " HELPER " ended before it was ready: run it with --help to "
			 "see whether it starts at all",
			 cfg->id);
		return -EPIPE;
	}
	msg[n] = 0;
	return judge_ready(msg, err, errlen);
}

void usernet_leave(struct usernet *un)
{
	struct pollfd pfd = {.fd = un->fd};
	char bye = 0;

	if (un->fd < 0 || vec_put(un->fd, &bye, USERNET_BYE) < 0)
		return;
	signals_poll(&pfd, 1, LEAVE_NS);
}

void usernet_stop(struct usernet *un)
{
	if (un->fd >= 0)
		close(un->fd);
	/* It ends when the socket does. */
	while (un->pid > 0 && waitpid(un->pid, NULL, 0) < 0 && errno == EINTR)
		;
	un->fd = -1;
	un->pid = -1;
}
