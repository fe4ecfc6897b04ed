/* SPDX-License-Identifier: MIT
 *
 * standby.c: see standby.h.
 */
#include "monitor/standby.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor/config_json.h"

static void tell(int fd, const char *what, const char *text)
{
	char msg[400];
	int n = snprintf(msg, sizeof msg, "%s%s", what, text);
	size_t len = n < (int)sizeof msg ? (size_t)n : sizeof msg - 1;

	if (send(fd, msg, len, MSG_NOSIGNAL) < 0)
		return; /* nobody is there to be told; the VM is what counts */
}

/* Give the descriptors their numbers. On failure those that came are closed with the process. */
static int place(const int *fds, size_t n, struct errtext *err)
{
	for (size_t i = 0; i < n; i++) {
		int to = STANDBY_FD + (int)i;

		if (dup3(fds[i], to, O_CLOEXEC) < 0)
			return config_fail(err, "descriptor %zu of the message: %s", i,
					   strerror(errno));
		close(fds[i]);
	}
	return 0;
}

/* One message: its length, 0 at the end, or -errno. */
static ssize_t receive(int fd, char *text, int fds[STANDBY_FDS_MAX], size_t *ret_nfds,
		       struct errtext *err)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(STANDBY_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = STANDBY_MAX};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof control};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return config_fail(err, "%s", strerror(errno));
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	*ret_nfds = 0;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*ret_nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *ret_nfds * sizeof(int));
	}
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return config_fail(err, "the message has more than %u bytes or %d descriptors",
				   STANDBY_MAX, STANDBY_FDS_MAX);
	return n;
}

int standby_wait(int fd, struct vm_config *cfg, struct errtext *err)
{
	static char text[STANDBY_MAX];
	int fds[STANDBY_FDS_MAX], r;
	size_t nfds = 0;

	tell(fd, "ready", "");
	ssize_t n = receive(fd, text, fds, &nfds, err);
	if (n == 0)
		return 0;
	r = n < 0 ? (int)n : place(fds, nfds, err);
	if (r == 0)
		r = config_json_decode(cfg, text, (size_t)n, err);
	if (r == 0)
		r = config_check(cfg, err);
	if (r < 0) {
		tell(fd, "error ", err->text);
		return r;
	}
	return 1;
}

void standby_tell(int fd, const char *problem)
{
	tell(fd, problem ? "error " : "ok", problem ? problem : "");
	close(fd);
}
