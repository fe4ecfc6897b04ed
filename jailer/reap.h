/* SPDX-License-Identifier: MIT
 *
 * reap.h: what the jailer does while the program runs: hand on signals, wait, clean up. It reads
 * nothing that the jail can write but an exit status. Main thread.
 */
#ifndef JAILER_REAP_H
#define JAILER_REAP_H

#include "jailer/apply.h"

/* Signals that are handed on, and SIGCHLD: to be blocked before the program is made. */
void reap_signals(sigset_t *ret_set);
/* Waits for the program's end, removes the jail, returns the program's status: 0-255, or 128+N by
 * signal N. */
int reap(struct jail *jail, const sigset_t *signals);

#endif
