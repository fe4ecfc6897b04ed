/* SPDX-License-Identifier: MIT
 *
 * confine.h: the monitor's seccomp filters at run time. Two steps: a wide one from main()'s first
 * lines, the same for every VM; before the guest's first instruction a narrow one per thread, made
 * of the policy's blocks for what this VM has, with its descriptors (lib/filter.h). What the narrow
 * filters allow is all that the process can do from then on: it cannot open, connect, start or end
 * anything in an orderly way, so it ends by _exit().
 */
#ifndef MONITOR_CONFINE_H
#define MONITOR_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/errtext.h"
#include "lib/filter.h"

struct vm;

#define CONFINE_USES 72

/* What is there, in the policies' words. Devices add theirs. */
struct confine {
	struct filter_use uses[CONFINE_USES];
	unsigned n;
	bool full; /* something did not fit */
};

/* feature is there, with slot = value pairs up to a NULL. Values are descriptors. */
void confine_use(struct confine *c, const char *feature, ...) __attribute__((sentinel));

struct opts_early;

/* The wide filter, with what the options may lead to. 0 or -errno with a text. */
int confine_setup(const struct opts_early *early, struct errtext *err);
/* Is anything loaded? Then nothing can be set up later. */
bool confine_on(void);
/* Is the narrow one loaded? Then the process ends by _exit(). */
bool confine_narrow(void);
/*
 * Main thread, right before vm_run()'s loop: the narrow filter of this thread, which is the vCPU's.
 * Others have theirs by then (confine_thread). 0 or -errno with a text.
 */
int confine_vcpu(struct vm *vm, struct errtext *err);
/*
 * The narrow filter of another thread, in two steps: linked by whoever makes the thread, installed
 * by the thread before it does anything else. policy: "io", "api".
 */
struct confine_prog {
	struct sock_filter insns[FILTER_INSNS];
	int n; /* 0: nothing to install */
};
int confine_link(struct vm *vm, const char *policy, struct confine_prog *ret_prog,
		 struct errtext *err);
int confine_install(const struct confine_prog *prog);

#endif
