/* SPDX-License-Identifier: MIT
 *
 * signals.h: what reaches the monitor by signal: stop (SIGTERM, SIGINT), metrics (SIGUSR1), the
 * image lease (SIGIO), the end of the grace period (SIGALRM), control work. Handlers only set
 * words; the run loop acts.
 *
 * No wake-up is lost: a handler sets kvm_run.immediate_exit, which ends the next KVM_RUN at once,
 * and zeroes the timeout that a sleeping loop passes to ppoll(2), which the kernel reads at entry.
 */
#ifndef MONITOR_SIGNALS_H
#define MONITOR_SIGNALS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct kvm_run;

#define SIGNAL_LEASE   SIGIO
#define SIGNAL_CONTROL SIGRTMIN /* control.c has work; nobody else may send it */

/* Install the handlers. run may be set later, by signals_bind(). */
void signals_init(void);
void signals_bind(struct kvm_run *run);
/* Take SIGNAL_CONTROL too. */
void signals_control(void);

/* Take (and clear) what has arrived since the last call. */
struct signals_seen {
	int stop;  /* the signal number, 0 = none */
	int stops; /* how many so far: the second one is meant */
	bool metrics, lease, grace_over, control;
};
bool signals_pending(void);
struct signals_seen signals_take(void);

/* ppoll without a lost wake-up; timeout in ns, UINT64_MAX = none. Number of ready fds, 0 on timeout
 * or signal. */
int signals_poll(struct pollfd *pfd, unsigned n, uint64_t timeout_ns);

#endif
