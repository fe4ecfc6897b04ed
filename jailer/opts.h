/* SPDX-License-Identifier: MIT
 *
 * opts.h: the command line of mayfly-jailer, judged one option at a time and without looking at the
 * host; what options mean together is plan.h's. Main thread. Text points into argv or into mem.
 */
#ifndef JAILER_OPTS_H
#define JAILER_OPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/errtext.h"

#define JAIL_ID_MAX    64
#define JAIL_CGROUPS   32
#define JAIL_BINDS     32
#define JAIL_FDS       32
#define JAIL_LIMITS    4
#define JAIL_ARGS      256
#define JAIL_VALUE_MAX 255

struct cgroup_opt {
	const char *file, *value; /* "memory.max", "67108864" */
};

struct bind_opt {
	const char *src, *dst;
	bool ro;
};

struct fd_opt {
	const char *name;
	int fd;
};

struct limit_opt {
	const char *name; /* as on the command line */
	int resource;	  /* RLIMIT_x */
	uint64_t value;
};

struct jail_opts {
	const char *id, *exec_file, *chroot_base, *netns, *parent_cgroup, *cleanup;
	uint32_t uid, gid;
	unsigned pool; /* jails to keep ready, 0: just one, at once */
	bool have_uid, have_gid;
	int cgroup_version; /* 0: whichever has the controller */
	bool new_pid_ns, daemonize, userns, dry_run, json, timing, help, version;
	bool no_seccomp, seccomp_trace, userfaultfd;
	struct cgroup_opt cgroups[JAIL_CGROUPS];
	struct bind_opt binds[JAIL_BINDS];
	struct fd_opt fds[JAIL_FDS];
	struct limit_opt limits[JAIL_LIMITS];
	unsigned ncgroups, nbinds, nfds, nlimits;
	char *const *extra; /* after "--" */
	int nextra;
	char mem[16384]; /* pieces of arguments that had to be cut up */
	size_t used;
};

/* 0, or -EINVAL with one line in err. With help or version set nothing else counts. */
int opts_parse(int argc, char *const argv[], struct jail_opts *ret_opts, struct errtext *err);
/* ID of a jail: 1 to 64 letters, digits and hyphens. */
bool opts_is_id(const char *id);
/* The text of --help. */
void opts_print_help(FILE *out);

#endif
