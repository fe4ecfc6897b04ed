/* SPDX-License-Identifier: MIT
 *
 * standin.c: stands for a waiting monitor in a pool, on hosts without KVM. Says "ready" on the
 * descriptor that --standby names, and then does what the message says:
 *
 *   exit N   "ok", "hello UID" to the first descriptor that came, ends with N
 *   stay     the same, ends when that descriptor's other end is closed
 *   bad      "error told", ends with 2
 *   evil     says far too much, hands out descriptors, ends with 0
 *   die      ends without a word
 */
#include <err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static char text[65536];

static int receive(int s, ssize_t *ret_len)
{
	char room[CMSG_SPACE(16 * sizeof(int))];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof text - 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = room,
			     .msg_controllen = sizeof room};
	int fd = -1;

	*ret_len = recvmsg(s, &msg, 0);
	struct cmsghdr *c = *ret_len < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void evil(int s)
{
	char room[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = {.iov_base = text, .iov_len = 60000};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = room,
			     .msg_controllen = sizeof room};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(c), &s, sizeof s);
	for (int i = 0; i < 100; i++)
		if (sendmsg(s, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
}

static void tell(int s, const char *what)
{
	if (send(s, what, strlen(what), MSG_NOSIGNAL) < 0)
		err(1, "send");
}

int main(int argc, char *argv[])
{
	int s = -1;
	ssize_t n;

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--standby") == 0)
			s = (int)strtol(argv[i + 1], NULL, 10);
	tell(s, "ready");
	int fd = receive(s, &n);
	if (n <= 0)
		return 0;
	if (strcmp(text, "die") == 0)
		return 3;
	if (strcmp(text, "evil") == 0) {
		evil(s);
		return 0;
	}
	if (strcmp(text, "bad") == 0) {
		tell(s, "error told");
		return 2;
	}
	tell(s, "ok");
	close(s);
	if (fd >= 0)
		dprintf(fd, "hello %u\n", getuid());
	if (strcmp(text, "stay") == 0) {
		struct pollfd closed = {.fd = fd};
		poll(&closed, 1, -1);
		return 0;
	}
	return (int)strtol(text + 5, NULL, 10);
}
