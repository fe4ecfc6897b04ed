/* SPDX-License-Identifier: MIT
 *
 * apply.c: see apply.h. The order of the steps is the security argument; it stands in the two
 * tables.
 */
#include "jailer/apply.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jailer/caps.h"
#include "jailer/cgroup.h"
#include "jailer/confine.h"
#include "jailer/exec.h"
#include "jailer/fds.h"
#include "jailer/landlock.h"
#include "jailer/mnt.h"
#include "jailer/netns.h"
#include "jailer/ns.h"
#include "jailer/record.h"
#include "jailer/rlimit.h"
#include "lib/log.h"

struct step {
	const char *name;
	int (*run)(struct jail *jail);		      /* 0 or -errno */
	bool (*wanted)(const struct jail_plan *plan); /* NULL: always */
};

static bool want_groups(const struct jail_plan *p)
{
	return p->ngroups > 0;
}

static bool want_userns(const struct jail_plan *p)
{
	return p->opts->userns;
}

static bool want_join(const struct jail_plan *p)
{
	return p->net == NET_JOIN;
}

/* A user namespace owns its network namespace, so that one cannot be made ahead of it. */
static bool want_ahead(const struct jail_plan *p)
{
	return p->net == NET_NEW && !p->opts->userns;
}

static bool want_netns(const struct jail_plan *p)
{
	return want_join(p) || want_ahead(p);
}

static bool want_binds(const struct jail_plan *p)
{
	return p->opts->nbinds > 0;
}

static bool want_landlock(const struct jail_plan *p)
{
	return p->host->landlock_abi > 0;
}

static bool want_seccomp(const struct jail_plan *p)
{
	return !p->opts->no_seccomp;
}

static const struct step host_steps[] = {
	{"program", exec_open, NULL},
	{"descriptors", fds_check, NULL},
	{"netns-open", netns_open, want_join},
	{"record", record_take, NULL},
	{"cgroup", cgroup_make, want_groups},
	{"netns-await", netns_await, want_ahead},
	{"clone", ns_clone, NULL},
};

/*
 * What needs the host's file system comes before "pivot", what needs a capability before
 * "privileges", and the tie to the jailer after it, because a change of user cuts the tie.
 */
static const struct step jail_steps[] = {
	{"user-map", ns_map_user, want_userns},
	{"cgroup-enter", cgroup_enter, want_groups},
	{"netns-join", netns_join, want_netns},
	{"namespaces", ns_settle, NULL},
	{"root", mnt_root, NULL},
	{"devices", mnt_devices, NULL},
	{"binds", mnt_binds, want_binds},
	{"pivot", mnt_pivot, NULL},
	{"limits", rlimit_set, NULL},
	{"close", fds_leave_named, NULL},
	{"privileges", caps_drop_all, NULL},
	{"tie", ns_tie, NULL},
	{"landlock", landlock_enforce, want_landlock},
	{"seccomp", confine_program, want_seccomp},
	{"exec", exec_run, NULL},
};

#define NHOST (sizeof host_steps / sizeof host_steps[0])
#define NJAIL (sizeof jail_steps / sizeof jail_steps[0])
_Static_assert(NHOST + NJAIL <= APPLY_STEPS, "every step has room for its cost");

static const struct step *step_at(unsigned i)
{
	return i < NHOST ? &host_steps[i] : &jail_steps[i - NHOST];
}

const char *apply_step_name(const struct jail_plan *plan, unsigned i)
{
	for (unsigned k = 0; k < NHOST + NJAIL; k++) {
		const struct step *s = step_at(k);

		if ((!s->wanted || s->wanted(plan)) && i-- == 0)
			return s->name;
	}
	return NULL;
}

int jail_blame(struct jail *jail, int code, const char *what)
{
	if (what != jail->what_buf)
		snprintf(jail->what_buf, sizeof jail->what_buf, "%.300s", what);
	jail->what = jail->what_buf;
	return code;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int run_steps(struct jail *jail, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		const struct step *s = step_at(i);

		if (s->wanted && !s->wanted(jail->plan))
			continue;
		jail->step = i;
		int r = s->run(jail);
		if (r < 0)
			return r;
		uint64_t t = now_ns();
		/* The clone's cost was taken in the jail; back here the program has just been
		 * executed. */
		jail->cost[jail->cost[i] ? NHOST + NJAIL - 1 : i] = t - jail->started;
		jail->started = t;
	}
	return 0;
}

int apply_in_jail(struct jail *jail)
{
	uint64_t t = now_ns();

	jail->cost[NHOST - 1] = t - jail->started;
	jail->started = t;
	return run_steps(jail, NHOST, NHOST + NJAIL);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What only the making needed. Descriptors handed over must not live on in the reaper either: the
 * other end of a pipe would never see its end. */
static void close_all(struct jail *jail)
{
	close_fd(&jail->exec_fd);
	close_fd(&jail->netns_fd);
	close_fd(&jail->null_fd);
	close_fd(&jail->alive_fd);
	for (unsigned i = 0; i < PLAN_GROUPS; i++)
		close_fd(&jail->enter_fds[i]);
}

/* The C library's word for a link, "loop" or "too many levels", would mislead. */
static const char *reason(int r)
{
	return r == -ELOOP ? "a symbolic link, which is not followed" : strerror(-r);
}

static int give_up(struct jail *jail, int r, struct errtext *err)
{
	const struct step *s = step_at(jail->step);

	if (jail->what)
		errtext_set(err, r, "step '%s': %s: %s", s->name, jail->what, reason(r));
	else
		errtext_set(err, r, "step '%s': %s", s->name, reason(r));
	close_all(jail);
	close_fd(&jail->pidfd);
	record_drop(jail);
	return r;
}

int apply(struct jail *jail, const struct jail_plan *plan, struct errtext *err)
{
	*jail = (struct jail){.plan = plan,
			      .exec_fd = -1,
			      .dir_fd = -1,
			      .record_fd = -1,
			      .room_fd = -1,
			      .netns_fd = -1,
			      .null_fd = -1,
			      .v2_fd = -1,
			      .alive_fd = -1,
			      .root_fd = -1,
			      .pidfd = -1,
			      .started = now_ns()};
	for (unsigned i = 0; i < PLAN_GROUPS; i++)
		jail->enter_fds[i] = jail->group_fds[i] = -1;
	int r = run_steps(jail, 0, NHOST);
	if (r < 0)
		return give_up(jail, r, err);
	close_all(jail);
	fds_let_go(plan);
	record_running(jail);
	return 0;
}

void apply_print_costs(const struct jail *jail)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NHOST + NJAIL; i++) {
		const struct step *s = step_at(i);

		if (s->wanted && !s->wanted(jail->plan))
			continue;
		sum += jail->cost[i];
		log_info("timing: %-14s %6llu us", s->name,
			 (unsigned long long)(jail->cost[i] + 500) / 1000);
	}
	log_info("timing: %-14s %6llu us", "sum", (unsigned long long)(sum + 500) / 1000);
}
