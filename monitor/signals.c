/* SPDX-License-Identifier: MIT
 *
 * signals.c: see signals.h. Handlers run on the main thread (others block these signals) and touch
 * only the words below: nothing that locks, allocates or logs.
 */
#include "monitor/signals.h"

#include <linux/kvm.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t sig_pending, sig_stop, sig_stops, sig_metrics, sig_lease, sig_grace,
	sig_control;
static struct kvm_run *sig_run;
static volatile struct timespec sig_timeout;

static void on_signal(int sig)
{
	if (sig == SIGTERM || sig == SIGINT) {
		sig_stop = sig;
		sig_stops = sig_stops + 1;
	} else if (sig == SIGUSR1) {
		sig_metrics = 1;
	} else if (sig == SIGNAL_LEASE) {
		sig_lease = 1;
	} else if (sig == SIGALRM) {
		sig_grace = 1;
	} else if (sig == SIGNAL_CONTROL) {
		sig_control = 1;
	}
	sig_pending = 1;
	if (sig_run)
		sig_run->immediate_exit = 1;
	sig_timeout.tv_sec = 0;
	sig_timeout.tv_nsec = 0;
}

void signals_init(void)
{
	static const int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGNAL_LEASE, SIGALRM};
	struct sigaction sa = {.sa_handler = on_signal};

	for (unsigned i = 0; i < sizeof handled / sizeof *handled; i++)
		sigaction(handled[i], &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

void signals_control(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGNAL_CONTROL, &sa, NULL);
}

void signals_bind(struct kvm_run *run)
{
	sig_run = run;
	if (sig_pending && run)
		run->immediate_exit = 1;
}

bool signals_pending(void)
{
	return sig_pending;
}

struct signals_seen signals_take(void)
{
	struct signals_seen s = {0};

	sig_pending = 0; /* before the words: a signal from here on makes another round */
	s.stop = sig_stop;
	sig_stop = 0;
	s.stops = sig_stops;
	s.metrics = sig_metrics;
	sig_metrics = 0;
	s.lease = sig_lease;
	sig_lease = 0;
	s.grace_over = sig_grace;
	sig_grace = 0;
	s.control = sig_control;
	sig_control = 0;
	return s;
}

int signals_poll(struct pollfd *pfd, unsigned n, uint64_t timeout_ns)
{
	const uint64_t cap = UINT64_C(1000000000) * 86400;

	if (timeout_ns > cap)
		timeout_ns = cap;
	sig_timeout.tv_sec = (time_t)(timeout_ns / 1000000000);
	sig_timeout.tv_nsec = (long)(timeout_ns % 1000000000);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (sig_pending)
		return 0;
	/* The raw call: the C library's wrapper would copy the timeout too early. */
	long r = syscall(SYS_ppoll, pfd, n, &sig_timeout, NULL, 8);
	return r < 0 ? 0 : (int)r;
}
