/* SPDX-License-Identifier: MIT
 *
 * unix.c: socketpair(): streams, datagrams, the end of the peer, backpressure.
 */
#include "check.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stream(void)
{
	static char big[256 << 10];
	char buf[16];
	ssize_t n;
	int fd[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	CHECK(write(fd[0], "ab", 2) == 2 && write(fd[0], "cd", 2) == 2);
	CHECK(read(fd[1], buf, sizeof(buf)) == 4 && memcmp(buf, "abcd", 4) == 0);
	CHECK_ERR(recv(fd[1], buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK(wait_for(fd[1], POLLIN | POLLOUT, 0) == POLLOUT);
	do {
		n = send(fd[0], big, sizeof(big), MSG_DONTWAIT);
	} while (n > 0);
	CHECK_ERR(send(fd[0], big, sizeof(big), MSG_DONTWAIT), EAGAIN);
	CHECK(wait_for(fd[0], POLLOUT, 0) == 0);
	while (recv(fd[1], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	CHECK(wait_for(fd[0], POLLOUT, 0) == POLLOUT);
	CHECK(write(fd[0], "x", 1) == 1);
	close(fd[0]);
	CHECK(wait_for(fd[1], POLLIN, 0) == (POLLIN | POLLHUP));
	CHECK(read(fd[1], buf, sizeof(buf)) == 1);
	CHECK(read(fd[1], buf, sizeof(buf)) == 0);
	CHECK_ERR(write(fd[1], "x", 1), EPIPE);
	close(fd[1]);
}

static void datagrams(void)
{
	char buf[16];
	int fd[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
	CHECK(send(fd[0], "one", 3, 0) == 3 && send(fd[0], "three", 5, 0) == 5);
	CHECK(recv(fd[1], buf, 2, MSG_PEEK) == 2);
	CHECK(recv(fd[1], buf, sizeof(buf), 0) == 3);
	CHECK(recv(fd[1], buf, 2, MSG_TRUNC) == 5);
	CHECK_ERR(recv(fd[1], buf, 2, MSG_DONTWAIT), EAGAIN);
	close(fd[0]);
	close(fd[1]);
}

void test_unix(void)
{
	stream();
	datagrams();
}
