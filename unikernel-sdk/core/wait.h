/* SPDX-License-Identifier: MIT
 *
 * wait.h: the one place where the library OS blocks. There are no threads: a system call that must
 * wait runs the pollers (network stack, disk) until its condition holds, and idles the vCPU between
 * passes.
 */
#ifndef UK_WAIT_H
#define UK_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#define UK_FOREVER UINT64_MAX

/* A subsystem that must be looked at: poll() does the work that is due and says whether it did any;
 * deadline() is the monotonic ns at which it wants poll() again, UK_FOREVER when only an interrupt
 * matters. */
struct uk_poller {
	bool (*poll)(void);
	uint64_t (*deadline)(void); /* NULL = UK_FOREVER */
	struct uk_poller *next;	    /* owned by wait.c */
};
/* Register a poller (static storage, for ever). Called by a subsystem when it initialises itself.
 */
void uk__poller_add(struct uk_poller *p);

/* Run every poller once. Called at the entry of I/O system calls too, so that a busy program still
 * receives; when more than 200 us passed since the host last looked at our queues it lets it look.
 */
void uk__poll(void);

/*
 * Run pollers and idle until ready(arg) is true or deadline_ns (monotonic, absolute) passed.
 * Returns 0 when ready, -EAGAIN-free: -ETIMEDOUT on the deadline, -EINTR when a handled signal is
 * pending.
 */
int uk__wait(bool (*ready)(void *arg), void *arg, uint64_t deadline_ns);

#endif
