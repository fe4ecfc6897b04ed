/* SPDX-License-Identifier: MIT
 *
 * confine.h: the monitor's seccomp filters at run time. Two steps: a wide one from main()'s first
 * lines, the same for every VM; before the guest's first instruction a narrow one per thread, made
 * of the policy's blocks for what this VM has, with its descriptors (lib/filter.h). What the narrow
 * filters allow is all that the process can do from then on; the vCPU thread cannot open, connect,
 * start or end anything in an orderly way, so it ends by _exit().
 */
#ifndef MONITOR_CONFINE_H
#define MONITOR_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/errtext.h"
#include "lib/filter.h"

struct vm;

#define CONFINE_USES 80

/* What is there, in the policies' words. Devices add theirs. */
struct confine {
	unsigned n;
	bool full; /* something did not fit */
	struct filter_use uses[CONFINE_USES];
};

/* feature is there, with slot = value pairs up to a NULL. Values are descriptors. */
void confine_use(struct confine *c, const char *feature, ...) __attribute__((sentinel));

struct opts_early;

/* The wide filter, with what the options may lead to. 0 or -errno with a text. */
int confine_setup(const struct opts_early *early, struct errtext *err);
/* Is anything loaded? Then nothing can be set up later. */
bool confine_on(void);
/* Is the narrow one of the main thread loaded? Then the process ends by _exit(). */
bool confine_narrow(void);

/*
 * The other threads. Whoever makes one says before that it will be there; the thread itself says
 * that it is there before it does anything else, and waits for its filter until the VM runs.
 */
enum confine_thread { CONFINE_IO, CONFINE_API, CONFINE_KEEPER, CONFINE_LAZY, CONFINE_THREADS };
void confine_expect(enum confine_thread who);
/* The thread: false when it is to end, since the VM will not run. */
bool confine_enter(enum confine_thread who);
/* For a thread that has to work before the VM runs: its filter now, of these features alone. 0 or
 * -errno with a text. */
int confine_early(enum confine_thread who, const struct confine *c, struct errtext *err);
/* The VM will not run: threads that wait go on, to their end. */
void confine_abandon(void);
/*
 * Main thread, right before vm_run()'s loop: the narrow filters of all threads, this one's, which
 * is the vCPU's, among them. 0 or -errno with a text.
 */
int confine_vcpu(struct vm *vm, struct errtext *err);
/* In a forked copy: it has the filter of the thread that forked, and starts anew on top of it. */
void confine_copy(void);
/* May a copy of this VM start programs? */
bool confine_may_exec(void);

#endif
