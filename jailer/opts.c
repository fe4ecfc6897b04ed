/* SPDX-License-Identifier: MIT
 *
 * opts.c: see opts.h. Names and meanings that Firecracker's jailer has are kept.
 */
#include "jailer/opts.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>

#include "jailer/path.h"
#include "jailer/pool.h"
#include "lib/num.h"
#include "lib/opt.h"

/* n bytes as a string of their own, or NULL when the arguments are absurdly long. */
static const char *keep(struct jail_opts *o, const char *s, size_t n)
{
	char *p = o->mem + o->used;

	if (n >= sizeof o->mem - o->used)
		return NULL;
	memcpy(p, s, n);
	p[n] = '\0';
	o->used += n + 1;
	return p;
}

static bool is_word(const char *s, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
		    (c == '\0' || !strchr(more, c)))
			return false;
	}
	return n > 0;
}

bool opts_is_id(const char *id)
{
	size_t n = strnlen(id, JAIL_ID_MAX + 1);

	return n <= JAIL_ID_MAX && is_word(id, n, "-");
}

static int judge_id(const char **ret, const char *val, struct errtext *err)
{
	if (!opts_is_id(val))
		return errtext_set(err, -EINVAL,
				   "needs 1 to 64 letters, digits or hyphens, not '%.80s'", val);
	*ret = val;
	return 0;
}

static int judge_path(const char **ret, const char *val, struct errtext *err)
{
	const char *why;

	if (path_check(val, &why) < 0)
		return errtext_set(err, -EINVAL, "'%.80s' %s", val, why);
	*ret = val;
	return 0;
}

static int set_id(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	return judge_id(&o->id, val, err);
}

static int set_cleanup(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	return judge_id(&o->cleanup, val, err);
}

static int set_exec_file(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	return judge_path(&o->exec_file, val, err);
}

static int set_chroot_base(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	return judge_path(&o->chroot_base, val, err);
}

static int set_netns(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	if (strcmp(val, "host") == 0) {
		o->netns = val;
		return 0;
	}
	return judge_path(&o->netns, val, err);
}

/* 4294967295 is "no change" to the kernel. */
static int judge_user(uint32_t *ret, bool *ret_have, const char *val, struct errtext *err)
{
	uint64_t n;

	if (num_u64(val, strlen(val), 0, UINT32_MAX - 1, &n) < 0)
		return errtext_set(err, -EINVAL, "needs a number from 0 to 4294967294, not '%.40s'",
				   val);
	*ret = (uint32_t)n;
	*ret_have = true;
	return 0;
}

static int set_uid(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	return judge_user(&o->uid, &o->have_uid, val, err);
}

static int set_gid(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	return judge_user(&o->gid, &o->have_gid, val, err);
}

static int set_cgroup_version(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	if (strcmp(val, "1") != 0 && strcmp(val, "2") != 0)
		return errtext_set(err, -EINVAL, "needs 1 or 2, not '%.40s'", val);
	o->cgroup_version = val[0] - '0';
	return 0;
}

/* FILE=VALUE with FILE of a controller: what the group is for, not who is in it (cgroup.procs). */
static int set_cgroup(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;
	const char *eq = strchr(val, '=');
	const char *dot = strchr(val, '.');
	struct cgroup_opt *c = &o->cgroups[o->ncgroups];
	size_t n;

	if (!eq || !dot || dot > eq || dot == val || !is_word(val, (size_t)(eq - val), "._") ||
	    strstr(val, "..") == dot || dot + 1 == eq)
		return errtext_set(
			err, -EINVAL,
			"needs CONTROLLER.FILE=VALUE, such as memory.max=67108864, not '%.80s'",
			val);
	if (strncmp(val, "cgroup.", 7) == 0)
		return errtext_set(err, -EINVAL, "'%.*s' belongs to no controller", (int)(eq - val),
				   val);
	n = strnlen(eq + 1, JAIL_VALUE_MAX + 1);
	if (n == 0 || n > JAIL_VALUE_MAX || eq - val > 63)
		return errtext_set(err, -EINVAL, "the value has 1 to %d bytes", JAIL_VALUE_MAX);
	for (size_t i = 1; i <= n; i++)
		if (eq[i] < ' ' || eq[i] > '~')
			return errtext_set(err, -EINVAL, "the value is not one line of ASCII");
	if (o->ncgroups == JAIL_CGROUPS)
		return errtext_set(err, -EINVAL, "is there more than %d times", JAIL_CGROUPS);
	c->file = keep(o, val, (size_t)(eq - val));
	c->value = eq + 1;
	if (!c->file)
		return errtext_set(err, -EINVAL, "arguments are too long");
	o->ncgroups++;
	return 0;
}

static int set_parent_cgroup(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;
	const char *why;

	if (path_check_relative(val, &why) < 0)
		return errtext_set(err, -EINVAL, "'%.80s' %s", val, why);
	o->parent_cgroup = val;
	return 0;
}

static int set_limit(void *ctx, const char *val, struct errtext *err)
{
	static const struct {
		const char *name;
		int resource;
	} names[] = {{"fsize", RLIMIT_FSIZE},
		     {"no-file", RLIMIT_NOFILE},
		     {"memlock", RLIMIT_MEMLOCK},
		     {"as", RLIMIT_AS}};
	struct jail_opts *o = ctx;
	const char *eq = strchrnul(val, '=');
	size_t k = 0;
	uint64_t n;

	while (k < JAIL_LIMITS && (strlen(names[k].name) != (size_t)(eq - val) ||
				   strncmp(val, names[k].name, (size_t)(eq - val)) != 0))
		k++;
	if (k == JAIL_LIMITS || !*eq)
		return errtext_set(err, -EINVAL,
				   "needs fsize=N, no-file=N, memlock=N or as=N, not '%.80s'", val);
	if (num_u64(eq + 1, strlen(eq + 1), 0, INT64_MAX, &n) < 0)
		return errtext_set(err, -EINVAL, "'%.40s' is not a number", eq + 1);
	for (unsigned i = 0; i < o->nlimits; i++)
		if (o->limits[i].resource == names[k].resource)
			return errtext_set(err, -EINVAL, "%s is there twice", names[k].name);
	o->limits[o->nlimits++] = (struct limit_opt){
		.name = names[k].name, .resource = names[k].resource, .value = n};
	return 0;
}

/* SRC:DST[:ro]; no path with a colon can be named. */
static int set_bind(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;
	struct bind_opt *b = &o->binds[o->nbinds];
	const char *colon = strchr(val, ':');
	const char *why;

	if (o->nbinds == JAIL_BINDS)
		return errtext_set(err, -EINVAL, "is there more than %d times", JAIL_BINDS);
	if (!colon)
		return errtext_set(err, -EINVAL, "needs SRC:DST or SRC:DST:ro, not '%.80s'", val);
	const char *dst = colon + 1, *end = strchrnul(dst, ':');
	if (*end && strcmp(end, ":ro") != 0)
		return errtext_set(err, -EINVAL, "only ':ro' may follow DST, not '%.40s'", end);
	b->ro = *end != '\0';
	b->src = keep(o, val, (size_t)(colon - val));
	b->dst = keep(o, dst, (size_t)(end - dst));
	if (!b->src || !b->dst)
		return errtext_set(err, -EINVAL, "arguments are too long");
	if (path_check(b->src, &why) < 0)
		return errtext_set(err, -EINVAL, "SRC '%.80s' %s", b->src, why);
	if (path_check(b->dst, &why) < 0)
		return errtext_set(err, -EINVAL, "DST '%.80s' %s", b->dst, why);
	o->nbinds++;
	return 0;
}

static int set_fd(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;
	const char *eq = strchrnul(val, '=');
	uint64_t n;

	if (o->nfds == JAIL_FDS)
		return errtext_set(err, -EINVAL, "is there more than %d times", JAIL_FDS);
	if (!*eq || !is_word(val, (size_t)(eq - val), "-_.") || eq - val > 32 ||
	    num_u64(eq + 1, strlen(eq + 1), 3, INT_MAX, &n) < 0)
		return errtext_set(err, -EINVAL,
				   "needs NAME=N with N a descriptor from 3 up, not '%.80s'", val);
	for (unsigned i = 0; i < o->nfds; i++)
		if ((uint64_t)o->fds[i].fd == n)
			return errtext_set(err, -EINVAL, "%d is there twice", (int)n);
	o->fds[o->nfds].name = keep(o, val, (size_t)(eq - val));
	if (!o->fds[o->nfds].name)
		return errtext_set(err, -EINVAL, "arguments are too long");
	o->fds[o->nfds++].fd = (int)n;
	return 0;
}

static int set_pool(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;
	uint64_t n;

	if (num_u64(val, strlen(val), 1, POOL_READY_MAX, &n) < 0)
		return errtext_set(err, -EINVAL, "needs a number from 1 to %d, not '%.40s'",
				   POOL_READY_MAX, val);
	o->pool = (unsigned)n;
	return 0;
}

OPT_FLAG(set_new_pid_ns, struct jail_opts, new_pid_ns)
OPT_FLAG(set_daemonize, struct jail_opts, daemonize)
OPT_FLAG(set_userns, struct jail_opts, userns)
OPT_FLAG(set_dry_run, struct jail_opts, dry_run)
OPT_FLAG(set_json, struct jail_opts, json)
OPT_FLAG(set_timing, struct jail_opts, timing)
OPT_FLAG(set_no_seccomp, struct jail_opts, no_seccomp)
OPT_FLAG(set_seccomp_trace, struct jail_opts, seccomp_trace)
OPT_FLAG(set_userfaultfd, struct jail_opts, userfaultfd)

static int set_help(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	(void)val;
	(void)err;
	o->help = true;
	return OPT_STOP;
}

static int set_version(void *ctx, const char *val, struct errtext *err)
{
	struct jail_opts *o = ctx;

	(void)val;
	(void)err;
	o->version = true;
	return OPT_STOP;
}

static const struct opt_def defs[] = {
	{"id", "ID", false, set_id,
	 "name of the jail: letters, digits, hyphens; at most 64 (required)\n"},
	{"exec-file", "PATH", false, set_exec_file,
	 "static program to run, mayfly-monitor (required). It is not copied: it runs from\n"
	 "where it is, by descriptor, and is not visible in the jail\n"},
	{"uid", "N", false, set_uid, "user the program runs as (required)\n"},
	{"gid", "N", false, set_gid, "group the program runs as (required)\n"},
	{"chroot-base-dir", "DIR", false, set_chroot_base,
	 "where the record of a running jail is kept, and where DIR/PROGRAM/ID/root is looked\n"
	 "for (default: /srv/jailer, or /run/user/UID/mayfly-jailer when not root). It must be\n"
	 "yours and writable by nobody else\n"},
	{"cgroup", "FILE=VALUE", true, set_cgroup,
	 "limit, such as memory.max=67108864 (v2) or memory.limit_in_bytes=67108864 (v1); may be\n"
	 "repeated (default: pids.max=64 where the pids controller can be used)\n"},
	{"cgroup-version", "1|2", false, set_cgroup_version,
	 "hierarchy of the limits (default: the one that has the controller)\n"},
	{"parent-cgroup", "P", false, set_parent_cgroup,
	 "groups are made as P/ID, relative to the hierarchy's root (default: PROGRAM/ID)\n"},
	{"netns", "PATH", false, set_netns,
	 "join this network namespace; 'host' stays in the caller's (default: a new, empty one)\n"},
	{"resource-limit", "NAME=N", true, set_limit,
	 "fsize, no-file, memlock or as; may be repeated (default: no-file=2048)\n"},
	{"bind", "SRC:DST[:ro]", true, set_bind,
	 "make a file, directory or block device visible as DST; may be repeated\n"},
	{"fd", "NAME=N", true, set_fd,
	 "leave descriptor N open for the program, under its number; may be repeated. The name\n"
	 "'exec' stands for the program itself: a sealed memfd in the place of --exec-file's "
	 "file\n"},
	{"pool", "N", false, set_pool,
	 "keep N jails ready, each with its monitor waiting for a VM, and give one to whoever\n"
	 "sends a configuration to BASE/PROGRAM/ID.sock. Jails are called ID-0, ID-1, ..., the\n"
	 "k-th has user and group N + k; see docs/pool.md\n"},
	{"new-pid-ns", NULL, false, set_new_pid_ns,
	 "return at once, as with --daemonize but with the caller's standard descriptors. There\n"
	 "is always a new PID namespace; the PID is in BASE/PROGRAM/ID.pid\n"},
	{"daemonize", NULL, false, set_daemonize,
	 "return when the program runs; it has /dev/null for its standard descriptors\n"},
	{"userns", NULL, false, set_userns, "in a user namespace: needs no root\n"},
	{"userfaultfd", NULL, false, set_userfaultfd,
	 "the program has /dev/userfaultfd, as --restore verify=lazy needs; who has taken a\n"
	 "program over can stop the kernel amid a copy with it, which makes its faults easier to "
	 "use\n"},
	{"dry-run", NULL, false, set_dry_run, "check everything, print the plan, change nothing\n"},
	{"json", NULL, false, set_json, "with --dry-run: print it as JSON\n"},
	{"timing", NULL, false, set_timing, "print on standard error what each step cost\n"},
	{"no-seccomp", NULL, false, set_no_seccomp,
	 "no filters of system calls: neither for the program nor for the jailer that waits\n"},
	{"seccomp-trace", NULL, false, set_seccomp_trace,
	 "the jailer's rules report to mayfly-seccomp trace, under which it runs\n"},
	{"cleanup", "ID", false, set_cleanup,
	 "end and remove what a jail whose jailer was killed has left; fine when there is "
	 "nothing.\n"
	 "Goes with --chroot-base-dir and --exec-file\n"},
	{"help", NULL, false, set_help, "this text\n"},
	{"version", NULL, false, set_version, "print the version\n"},
};

#define NDEFS (sizeof defs / sizeof defs[0])
_Static_assert(NDEFS <= OPT_MAX, "a mask of options fits");

static int missing(const char *name, struct errtext *err)
{
	return errtext_set(err, -EINVAL, "--%s is required; see --help", name);
}

/* What the k-th jail of a pool gets has to be right for all of them. */
static int check_pool(const struct jail_opts *o, struct errtext *err)
{
	if (o->userns)
		return errtext_set(err, -EINVAL,
				   "--pool gives each jail a user of its own and "
				   "cannot go with --userns");
	if (o->nfds || o->daemonize || o->new_pid_ns || o->dry_run || o->json || o->timing)
		return errtext_set(err, -EINVAL,
				   "--pool goes with none of --fd, --daemonize, --new-pid-ns, "
				   "--dry-run, --json and --timing");
	if (strlen(o->id) > JAIL_ID_MAX - 4)
		return errtext_set(err, -EINVAL, "--id: of a pool, at most %d characters",
				   JAIL_ID_MAX - 4);
	if (o->uid > UINT32_MAX - 1 - POOL_SLOTS || o->gid > UINT32_MAX - 1 - POOL_SLOTS)
		return errtext_set(err, -EINVAL, "--uid, --gid: a pool needs %d numbers from there",
				   POOL_SLOTS);
	if (o->nextra > JAIL_ARGS - 2)
		return errtext_set(err, -EINVAL, "more than %d arguments after '--'",
				   JAIL_ARGS - 2);
	return 0;
}

/* What can only be judged when all options are known. */
static int check(const struct jail_opts *o, struct errtext *err)
{
	if (o->cleanup) {
		if (o->id || o->nextra || o->dry_run)
			return errtext_set(err, -EINVAL,
					   "--cleanup starts nothing: leave out --id, "
					   "--dry-run and the program's arguments");
		return 0;
	}
	if (!o->id)
		return missing("id", err);
	if (!o->exec_file)
		return missing("exec-file", err);
	if (!o->have_uid)
		return missing("uid", err);
	if (!o->have_gid)
		return missing("gid", err);
	if (o->pool)
		return check_pool(o, err);
	if (o->json && !o->dry_run)
		return errtext_set(err, -EINVAL, "--json goes with --dry-run");
	if (o->nextra > JAIL_ARGS)
		return errtext_set(err, -EINVAL, "more than %d arguments after '--'", JAIL_ARGS);
	return 0;
}

int opts_parse(int argc, char *const argv[], struct jail_opts *o, struct errtext *err)
{
	int rest;
	int r = opt_parse(defs, NDEFS, argc, argv, o, &rest, err);

	if (r)
		return r == OPT_STOP ? 0 : r;
	o->extra = argv + rest;
	o->nextra = argc - rest;
	return check(o, err);
}

void opts_print_help(FILE *out)
{
	fputs("usage: mayfly-jailer --id ID --exec-file PATH --uid N --gid N [OPTION]... "
	      "[-- ARGUMENT...]\n"
	      "       mayfly-jailer --cleanup ID [--chroot-base-dir DIR] [--exec-file PATH]\n"
	      "\n"
	      "Run one monitor in an empty room: its own namespaces, a read-only root of its own, "
	      "no\n"
	      "capability, no descriptor but those named. Stays as its reaper, hands on signals, "
	      "and\n"
	      "ends with its exit status, leaving nothing behind.\n"
	      "\n"
	      "Options (--name VALUE or --name=VALUE):\n",
	      out);
	opt_print_help(defs, NDEFS, out);
	fputs("\n"
	      "The program gets '--id ID' and then the arguments after '--'.\n"
	      "\n"
	      "Examples:\n"
	      "  mayfly-jailer --id web-1 --exec-file /usr/local/bin/mayfly-monitor --uid 30001 "
	      "--gid 30001 \\\n"
	      "      --cgroup memory.max=67108864 --bind /var/lib/vm/httpd:/kernel:ro \\\n"
	      "      --bind /var/lib/vm/web-1.img:/disk -- --kernel /kernel --block path=/disk\n"
	      "  mayfly-jailer --userns --id try --exec-file /usr/local/bin/mayfly-monitor \\\n"
	      "      --uid 1000 --gid 1000 --bind $PWD/hello:/kernel:ro -- --kernel /kernel\n"
	      "\n"
	      "Exit status: the program's; 2 when the jail could not be made (one line on "
	      "standard\n"
	      "error says which step failed and why); 128+N when signal N ended the program.\n",
	      out);
}
