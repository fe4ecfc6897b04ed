/* SPDX-License-Identifier: MIT
 *
 * epoll, poll and select over pipes, eventfds and timerfds: level and edge triggered, one shot,
 * time limits, many descriptors, closing what is watched.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void watch(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	CHECK(!epoll_ctl(ep, op, fd, &ev));
}

/* The one event that is there, 0 when there is none. */
static uint32_t one(int ep, int timeout, int *ret_fd)
{
	struct epoll_event ev[4];
	int n = epoll_wait(ep, ev, 4, timeout);

	CHECK(n == 0 || n == 1);
	*ret_fd = n ? ev[0].data.fd : -1;
	return n ? ev[0].events : 0;
}

static void pipes(void)
{
	int p[2], n;
	char buf[8192];

	CHECK(!pipe2(p, O_NONBLOCK));
	CHECK_ERR(read(p[0], buf, 1), EAGAIN);
	CHECK(write(p[1], "hello", 5) == 5);
	CHECK(!ioctl(p[0], FIONREAD, &n) && n == 5);
	CHECK(read(p[0], buf, sizeof(buf)) == 5 && !memcmp(buf, "hello", 5));
	CHECK_ERR(lseek(p[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(write(p[0], "x", 1), EBADF);
	/* A full pipe takes exactly 64 KiB, and small writes are all or nothing. */
	long sum = 0;
	memset(buf, 'z', sizeof(buf));
	while ((n = (int)write(p[1], buf, 3000)) > 0)
		sum += n;
	CHECK(n == -1 && errno == EAGAIN && sum % 3000 == 0 && sum <= 65536 && sum > 40000);
	CHECK(read(p[0], buf, 5000) == 5000 && buf[4999] == 'z');
	CHECK(!close(p[1]));
	while ((n = (int)read(p[0], buf, sizeof(buf))) > 0)
		sum -= n;
	CHECK(n == 0 && sum == 5000);
	CHECK(!close(p[0]));
	CHECK(!pipe(p) && !close(p[0]));
#ifdef __mayfly__
	CHECK_ERR(write(p[1], "x", 1), EPIPE);
#endif
	CHECK(!close(p[1]) && close(p[1]) == -1 && errno == EBADF);
}

static void level_and_edge(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2], fd;
	char c;

	CHECK(ep >= 0 && !pipe2(p, O_NONBLOCK));
	watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &(struct epoll_event){0}), EEXIST);
	CHECK(one(ep, 0, &fd) == 0);
	CHECK(write(p[1], "ab", 2) == 2);
	CHECK(one(ep, -1, &fd) == EPOLLIN && fd == p[0]);
	CHECK(one(ep, 0, &fd) == EPOLLIN); /* level: still there */
	watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET);
	CHECK(one(ep, 0, &fd) == EPOLLIN); /* MOD looks again */
	CHECK(one(ep, 0, &fd) == 0);	   /* edge: told once */
	CHECK(read(p[0], &c, 1) == 1 && one(ep, 0, &fd) == 0);
	CHECK(write(p[1], "c", 1) == 1 &&
	      one(ep, 0, &fd) == EPOLLIN); /* news although some was unread */
	watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT);
	CHECK(one(ep, 0, &fd) == EPOLLIN);
	CHECK(write(p[1], "d", 1) == 1 && one(ep, 0, &fd) == 0);
	watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT);
	CHECK(one(ep, 0, &fd) == EPOLLIN);
	watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN);
	CHECK(!close(p[1]) && one(ep, 0, &fd) == (EPOLLIN | EPOLLHUP));
	/* A duplicate keeps the watch; the last close ends it. */
	int copy = dup(p[0]);
	CHECK(copy >= 0 && !close(p[0]) && one(ep, 0, &fd) == (EPOLLIN | EPOLLHUP));
	CHECK(!close(copy) && one(ep, 0, &fd) == 0);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, copy, NULL), EBADF);
	CHECK(!close(ep));
	CHECK_ERR(epoll_wait(ep, &(struct epoll_event){0}, 1, 0), EBADF);
}

static void edge_out(void)
{
	int ep = epoll_create1(0), p[2], fd;
	char buf[4096] = {0};

	CHECK(!pipe2(p, O_NONBLOCK));
	watch(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET);
	CHECK(one(ep, 0, &fd) == EPOLLOUT && one(ep, 0, &fd) == 0);
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	CHECK(one(ep, 0, &fd) == 0);
	while (read(p[0], buf, sizeof(buf)) > 0)
		;
	CHECK(one(ep, 0, &fd) == EPOLLOUT);
	CHECK(!close(p[0]) && !close(p[1]) && !close(ep));
}

static void eventfds(void)
{
	int e = eventfd(3, EFD_NONBLOCK), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	uint64_t v = 4;

	CHECK(write(e, &v, 8) == 8 && read(e, &v, 8) == 8 && v == 7);
	CHECK_ERR(read(e, &v, 8), EAGAIN);
	CHECK_ERR(read(e, &v, 4), EINVAL);
	v = UINT64_MAX - 1;
	CHECK(write(e, &v, 8) == 8);
	v = 1;
	CHECK_ERR(write(e, &v, 8), EAGAIN);
	CHECK(read(s, &v, 8) == 8 && v == 1 && read(s, &v, 8) == 8 && v == 1);
	CHECK_ERR(read(s, &v, 8), EAGAIN);
	CHECK(!close(e) && !close(s));
}

static void timers(void)
{
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), ep = epoll_create1(0), fd;
	struct itimerspec it = {.it_value.tv_nsec = 30000000, .it_interval.tv_nsec = 10000000};
	uint64_t v;
	long long start = now_ms();

	watch(ep, EPOLL_CTL_ADD, t, EPOLLIN);
	CHECK(one(ep, 0, &fd) == 0);
	CHECK(!timerfd_settime(t, 0, &it, NULL) && one(ep, 0, &fd) == 0);
	CHECK_ERR(read(t, &v, 8), EAGAIN);
	CHECK(one(ep, -1, &fd) == EPOLLIN && fd == t && now_ms() - start >= 29);
	CHECK(read(t, &v, 8) == 8 && v >= 1);
	uint64_t sum = v;
	while (sum < 5) {
		CHECK(one(ep, -1, &fd) == EPOLLIN && read(t, &v, 8) == 8);
		sum += v;
	}
	CHECK(now_ms() - start >= 69);
	CHECK(!timerfd_gettime(t, &it) && it.it_interval.tv_nsec == 10000000 &&
	      it.it_value.tv_nsec <= 10000000);
	CHECK(!timerfd_settime(t, 0, &(struct itimerspec){0}, NULL) && one(ep, 20, &fd) == 0);
	/* An absolute time on the real-time clock. */
	int r = timerfd_create(CLOCK_REALTIME, 0);
	struct timespec ts;
	CHECK(!clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_nsec += 20000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	start = now_ms();
	CHECK(!timerfd_settime(r, TFD_TIMER_ABSTIME, &(struct itimerspec){.it_value = ts}, NULL));
	CHECK(read(r, &v, 8) == 8 && v == 1 && now_ms() - start >= 18);
	CHECK(!close(r) && !close(t) && !close(ep));
}

static void polling(void)
{
	int p[2], e = eventfd(0, 0);
	long long start = now_ms();

	CHECK(!pipe(p));
	struct pollfd fds[4] = {
		{p[0], POLLIN, 0}, {-1, POLLIN, 7}, {999, POLLIN, 0}, {e, POLLOUT, 0}};
	CHECK(poll(fds, 1, 30) == 0 && now_ms() - start >= 30);
	CHECK(poll(fds, 4, 0) == 2 && !fds[0].revents && !fds[1].revents);
	CHECK(fds[2].revents == POLLNVAL && fds[3].revents == POLLOUT);
	CHECK(write(p[1], "x", 1) == 1 && poll(fds, 1, -1) == 1 && fds[0].revents == POLLIN);

	fd_set in, out;
	struct timeval tv = {0, 20000};
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	FD_SET(e, &in);
	FD_SET(e, &out);
	CHECK(select(e + p[1] + 1, &in, &out, NULL, NULL) == 2);
	CHECK(FD_ISSET(p[0], &in) && !FD_ISSET(e, &in) && FD_ISSET(e, &out));
	FD_ZERO(&in);
	FD_SET(e, &in);
	start = now_ms();
	CHECK(select(e + 1, &in, NULL, NULL, &tv) == 0 && !FD_ISSET(e, &in) &&
	      now_ms() - start >= 19);
	FD_SET(40, &in);
	CHECK_ERR(select(41, &in, NULL, NULL, &tv), EBADF);
	/* An epoll is ready when one of its files is. */
	int ep = epoll_create1(0);
	watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN);
	struct pollfd pe = {ep, POLLIN, 0};
	CHECK(poll(&pe, 1, 0) == 1);
	CHECK(!close(p[0]) && !close(p[1]) && !close(e) && !close(ep));
}

static void many(void)
{
	enum { N = 900 };
	static int fd[N];
	static struct epoll_event ev[N];
	int ep = epoll_create1(0);
	uint64_t v = 1;

	for (int i = 0; i < N; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK);
		CHECK(fd[i] >= 0);
		watch(ep, EPOLL_CTL_ADD, fd[i], EPOLLIN);
	}
	CHECK(epoll_wait(ep, ev, N, 0) == 0);
	for (int i = 0; i < N; i += 3)
		CHECK(write(fd[i], &v, 8) == 8);
	CHECK(epoll_wait(ep, ev, N, 0) == N / 3);
	/* A small array sees everyone in turn. */
	static char seen[1024];
	for (int k = 0; k < N / 3 / 10; k++) {
		CHECK(epoll_wait(ep, ev, 10, 0) == 10);
		for (int i = 0; i < 10; i++)
			seen[ev[i].data.fd]++;
	}
	for (int i = 0; i < N; i++)
		CHECK(seen[fd[i]] == (i % 3 == 0));
	for (int i = 0; i < N; i += 2)
		CHECK(!close(fd[i]));
	CHECK(epoll_wait(ep, ev, N, 0) == N / 6);
	int n = 0, extra[200];
	while (n < 200 && (extra[n] = dup(ep)) >= 0)
		n++;
	CHECK(n == 200);
	while (n)
		CHECK(!close(extra[--n]));
	for (int i = 1; i < N; i += 2)
		CHECK(!close(fd[i]));
	CHECK(epoll_wait(ep, ev, N, 0) == 0 && !close(ep));
}

static void descriptors(void)
{
	int fd = dup(1), n = 0;
	static int all[2000];

	CHECK(fd == 3 && fcntl(fd, F_GETFD) == 0 && !fcntl(fd, F_SETFD, FD_CLOEXEC));
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_DUPFD, 100) == 100);
	CHECK(dup2(fd, 200) == 200 && dup2(200, 200) == 200 && dup3(fd, 201, O_CLOEXEC) == 201);
	CHECK_ERR(dup3(fd, fd, 0), EINVAL);
	CHECK_ERR(dup2(55, 56), EBADF);
	CHECK(!close(100) && !close(200) && !close(201));
#ifdef __mayfly__
	while ((all[n] = dup(1)) >= 0)
		n++;
	CHECK(errno == EMFILE && n == 1024 - 4);
#endif
	while (n)
		CHECK(!close(all[--n]));
	CHECK(!close(fd) && dup(1) == 3 && !close(3));
}

int main(void)
{
	descriptors();
	pipes();
	level_and_edge();
	edge_out();
	eventfds();
	timers();
	polling();
	many();
	return pass();
}
