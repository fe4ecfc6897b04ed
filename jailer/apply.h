/* SPDX-License-Identifier: MIT
 *
 * apply.h: carries a plan out, one small step after the other, each of which names itself when it
 * fails. Some run in the jailer, the rest in the process that becomes the program. That process
 * shares the jailer's memory (the jailer stands still until it has executed the program or died),
 * so a step's result needs no pipe. Main thread of either.
 */
#ifndef JAILER_APPLY_H
#define JAILER_APPLY_H

#include <signal.h>

#include "jailer/plan.h"

#define APPLY_STEPS 32

struct jail {
	const struct jail_plan *plan;
	/* Made by the jailer. -1: not there. */
	int exec_fd;
	int dir_fd;    /* BASE/PROGRAM */
	int record_fd; /* ID.jail in it, locked while the jail lives */
	bool own_room; /* the operator has made BASE/PROGRAM/ID/root */
	int netns_fd;
	int null_fd;		    /* with daemonize */
	int enter_fds[PLAN_GROUPS]; /* file of each group to write "0" to */
	int group_fds[PLAN_GROUPS]; /* directory of each, locked while the jail lives */
	int v2_fd;		    /* the one of them to be born in */
	int alive_fd;		    /* pidfd of the jailer itself */
	sigset_t mask;		    /* as the jailer was started with */
	unsigned ngroups;	    /* made so far */
	/* Made in the jail. */
	int root_fd, room_fd; /* the mount namespace's root, and the program's */
	/* The program's process. */
	pid_t pid;
	int pidfd;
	bool at_exec; /* all was done but the program's execution */
	int err;      /* of the step that failed in the jail */
	/* Where we are: written by whichever process runs. */
	unsigned step;
	const char *what; /* object of the step that failed, if there is one */
	char what_buf[320];
	uint64_t started, cost[APPLY_STEPS];
};

/* Name of the i-th step of this plan, NULL behind the last. */
const char *apply_step_name(const struct jail_plan *plan, unsigned i);
/*
 * Make the jail and start the program in it. Returns 0 with jail->pid set, the record locked and
 * nothing else left open; or -errno with one line in err and everything undone.
 */
int apply(struct jail *jail, const struct jail_plan *plan, struct errtext *err);
/* One line per step on standard error. */
void apply_print_costs(const struct jail *jail);

/* The steps of the jail; ns_clone calls it in the new process. Returns only when one failed:
 * -errno. */
int apply_in_jail(struct jail *jail);
/* Say which object a step failed with and return code. */
int jail_blame(struct jail *jail, int code, const char *what);

#endif
