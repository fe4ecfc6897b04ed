/* SPDX-License-Identifier: MIT
 *
 * Signals to oneself, masks, interrupted and restarted calls, the interval timer. With the argument
 * "wait": says "waiting" and sleeps until the monitor's stop request runs its SIGTERM handler.
 * "ignore": the same, but it never heeds the request.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

static volatile sig_atomic_t got, count;
static int self_pipe[2];

static void on_signal(int sig)
{
	got = sig;
	count++;
}

static void on_alarm(int sig)
{
	(void)sig;
	count++;
	if (write(self_pipe[1], "!", 1) != 1)
		_exit(9);
}

static void on_info(int sig, siginfo_t *si, void *context)
{
	CHECK(si->si_signo == sig && context);
	got = sig;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	sigemptyset(&sa.sa_mask);
	CHECK(!sigaction(sig, &sa, NULL));
}

static void direct(void)
{
	struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | SA_RESETHAND};

	handle(SIGUSR1, on_signal, 0);
	CHECK(!raise(SIGUSR1) && got == SIGUSR1);
	CHECK(!sigaction(SIGUSR2, &sa, NULL) && !kill(getpid(), SIGUSR2) && got == SIGUSR2);
	CHECK(!sigaction(SIGUSR2, NULL, &sa) && sa.sa_handler == SIG_DFL);
	handle(SIGUSR2, SIG_IGN, 0);
	got = 0;
	CHECK(!raise(SIGUSR2) && !raise(SIGCHLD) && !raise(SIGWINCH) && got == 0);
	CHECK_ERR(kill(4321, SIGUSR1), ESRCH);
	CHECK_ERR(sigaction(SIGKILL, &sa, NULL), EINVAL);
}

static void masks(void)
{
	sigset_t set, old, pend;
	struct timespec ts = {.tv_nsec = 1000000};

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(!sigprocmask(SIG_BLOCK, &set, &old));
	got = count = 0;
	CHECK(!raise(SIGUSR1) && !raise(SIGUSR1) && got == 0);
	CHECK(!sigpending(&pend) && sigismember(&pend, SIGUSR1));
	CHECK(!sigprocmask(SIG_SETMASK, &old, NULL) && got == SIGUSR1 && count == 1);
	CHECK(!sigprocmask(SIG_BLOCK, &set, NULL) && !raise(SIGUSR1));
	CHECK(sigtimedwait(&set, NULL, &ts) == SIGUSR1 && count == 1);
	CHECK(sigtimedwait(&set, NULL, &ts) == -1 && errno == EAGAIN);
	/* ppoll opens the mask only for itself. */
	CHECK(!raise(SIGUSR1) && count == 1);
	CHECK_ERR(ppoll(NULL, 0, NULL, &old), EINTR);
	CHECK(count == 2 && !raise(SIGUSR1) && count == 2);
	CHECK_ERR(sigsuspend(&old), EINTR);
	CHECK(count == 3 && !sigprocmask(SIG_SETMASK, &old, NULL));
}

static void interrupted(void)
{
	struct itimerval it = {.it_value.tv_usec = 20000, .it_interval.tv_usec = 20000}, off = {0};
	struct timespec ts = {.tv_sec = 100}, rem;
	struct epoll_event ev;
	int ep = epoll_create1(0);
	char c;

	CHECK(!pipe(self_pipe));
	handle(SIGALRM, on_signal, 0);
	count = 0;
	CHECK(!setitimer(ITIMER_REAL, &it, NULL));
	CHECK_ERR(pause(), EINTR);
	CHECK_ERR(nanosleep(&ts, &rem), EINTR);
	CHECK(rem.tv_sec <= 99 && rem.tv_sec >= 50);
	CHECK_ERR(poll(NULL, 0, -1), EINTR);
	CHECK_ERR(epoll_wait(ep, &ev, 1, -1), EINTR);
	CHECK_ERR(read(self_pipe[0], &c, 1), EINTR);
	CHECK(count >= 5);
	/* With SA_RESTART the read goes on, and reads what the handler wrote. */
	handle(SIGALRM, on_alarm, SA_RESTART);
	CHECK(read(self_pipe[0], &c, 1) == 1 && c == '!');
	CHECK(!setitimer(ITIMER_REAL, &off, &it) && it.it_interval.tv_usec == 20000);
	CHECK(!getitimer(ITIMER_REAL, &it) && !it.it_value.tv_usec && !it.it_value.tv_sec);
	CHECK(!close(ep));
}

static void wait_for_stop(void)
{
	handle(SIGTERM, on_signal, 0);
	handle(SIGINT, on_signal, 0);
	puts("waiting");
	while (!got)
		pause();
	printf("stopped by signal %d\n", (int)got);
	exit(17);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "wait"))
		wait_for_stop();
	if (argc > 1 && !strcmp(argv[1], "ignore"))
		handle(SIGTERM, SIG_IGN, 0);
	if (argc > 1) { /* or "default" */
		puts("waiting");
		for (;;)
			pause();
	}
	direct();
	masks();
	interrupted();
	return pass();
}
