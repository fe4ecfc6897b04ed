/* SPDX-License-Identifier: MIT
 *
 * sig.h: signals of a VM: those it sends to itself, SIGALRM from its interval timer, and the stop
 * request of the monitor. Handlers run synchronously at the end of a system call, on the caller's
 * stack; faults are not signals here (they end the VM as a crash). SIGPIPE is never generated:
 * writing to a closed peer is EPIPE.
 */
#ifndef UK_SIG_H
#define UK_SIG_H

#include <stdbool.h>
#include <stdint.h>

enum uk_sig_result { UK_SIG_NONE, UK_SIG_RESTART, UK_SIG_INTERRUPT };

/* True when a signal waits that is not blocked and not ignored: what ends a blocking call with
 * EINTR. Polls the stop request and the interval timer. */
bool uk__sig_due(void);
/* Run what is due: a handler, or the default action, which may end the VM with 128 + signal. */
enum uk_sig_result uk__sig_run(void);
/* Monotonic ns of the next SIGALRM, UINT64_MAX when none is armed. */
uint64_t uk__sig_deadline(void);
/*
 * The mask of blocked signals for the time of one call (ppoll, epoll_pwait, sigsuspend). begin with
 * NULL changes nothing. end restores the old mask; with interrupted, only after due handlers have
 * run.
 */
void uk__sig_mask_begin(const uint64_t *mask);
void uk__sig_mask_end(bool interrupted);

#endif
