/* SPDX-License-Identifier: MIT
 *
 * plan.h: what a jail will be, worked out from the options and the host's facts without a single
 * system call, so that it can be tested and printed. apply.c does it. Main thread. A plan borrows
 * from the options and the host.
 */
#ifndef JAILER_PLAN_H
#define JAILER_PLAN_H

#include <stdio.h>

#include "jailer/host.h"
#include "jailer/opts.h"

#define PLAN_GROUPS 16
#define PLAN_LIMITS 16

/* One directory to be made in one cgroup hierarchy, with what is written into it. */
struct plan_group {
	const struct cgroup_mount *mount;
	char enable[160]; /* v2: "+memory +pids", for each ancestor's cgroup.subtree_control */
	uint64_t lines;	  /* which of plan.lines belong here */
};

struct plan_limit {
	const char *name;
	int resource;
	uint64_t value;
};

enum plan_net { NET_NEW, NET_HOST, NET_JOIN };

struct jail_plan {
	const struct jail_opts *opts;
	const struct jail_host *host;
	const char *program; /* last component of exec_file */
	char base[256];
	char parent[256]; /* of the groups, below each hierarchy's root */
	uint32_t uid, gid;
	int exec_fd; /* -1: open opts->exec_file */
	enum plan_net net;
	struct plan_group groups[PLAN_GROUPS];
	unsigned ngroups;
	struct cgroup_opt lines[JAIL_CGROUPS + 1];
	unsigned nlines;
	struct plan_limit limits[PLAN_LIMITS];
	unsigned nlimits;
	const char *argv[JAIL_ARGS + 4]; /* of the program, NULL at its end */
	unsigned nwarnings;
	const char *warnings[4]; /* what the jail will lack */
};

/* 0, or -EINVAL with one line in err. Warnings are for the caller to log. */
int plan_make(struct jail_plan *ret_plan, const struct jail_opts *opts,
	      const struct jail_host *host, struct errtext *err);
/* Where --cleanup looks, for want of a plan: the base directory's path into buf. */
void plan_base(char *buf, size_t len, const struct jail_opts *opts, uid_t euid);
/* 0, or -EIO. */
int plan_print(const struct jail_plan *plan, bool json, FILE *out);

/* Whether the jail has the device: one that the host has, and that is always there or was asked
 * for. */
bool plan_has_device(const struct jail_plan *plan, enum host_dev dev);

#endif
