/* SPDX-License-Identifier: MIT
 *
 * plan.c: see plan.h.
 */
#include "jailer/plan.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define DEFAULT_FILES 2048
#define DEFAULT_PIDS  "64" /* threads of a monitor: a vCPU, I/O, a ring's workers */
#define DEFAULT_PROCS 64

void plan_base(char *buf, size_t len, const struct jail_opts *opts, uid_t euid)
{
	if (opts->chroot_base)
		snprintf(buf, len, "%s", opts->chroot_base);
	else if (euid == 0)
		snprintf(buf, len, "/srv/jailer");
	else
		snprintf(buf, len, "/run/user/%u/mayfly-jailer", euid);
}

static bool has_controller(const struct cgroup_mount *m, const char *name, size_t n)
{
	char word[72];

	if (n > 64)
		return false;
	snprintf(word, sizeof word, " %.*s ", (int)n, name);
	return strstr(m->controllers, word) != NULL;
}

static const struct cgroup_mount *find_mount(const struct jail_plan *p, const char *name, size_t n)
{
	for (unsigned i = 0; i < p->host->nmounts; i++) {
		const struct cgroup_mount *m = &p->host->mounts[i];

		if (p->opts->cgroup_version && m->v2 != (p->opts->cgroup_version == 2))
			continue;
		if (has_controller(m, name, n))
			return m;
	}
	return NULL;
}

static struct plan_group *group_of(struct jail_plan *p, const struct cgroup_mount *m)
{
	for (unsigned i = 0; i < p->ngroups; i++)
		if (p->groups[i].mount == m)
			return &p->groups[i];
	if (p->ngroups == PLAN_GROUPS)
		return NULL;
	p->groups[p->ngroups] = (struct plan_group){.mount = m};
	return &p->groups[p->ngroups++];
}

static bool enable(struct plan_group *g, const char *name, size_t n)
{
	char word[72];
	size_t len = strlen(g->enable);

	snprintf(word, sizeof word, "+%.*s", (int)n, name);
	for (const char *at = g->enable; (at = strstr(at, word)); at++)
		if (at[n + 1] == ' ' || at[n + 1] == '\0')
			return true;
	int k = snprintf(g->enable + len, sizeof g->enable - len, "%s%s", len ? " " : "", word);
	return k > 0 && (size_t)k < sizeof g->enable - len;
}

static int add_line(struct jail_plan *p, const struct cgroup_mount *m, const char *file,
		    const char *value, struct errtext *err)
{
	size_t n = strcspn(file, ".");
	struct plan_group *g = group_of(p, m);

	if (!g || (m->v2 && !enable(g, file, n)))
		return errtext_set(err, -EINVAL, "too many cgroup hierarchies");
	for (unsigned i = 0; i < p->nlines; i++)
		if (strcmp(p->lines[i].file, file) == 0)
			return errtext_set(err, -EINVAL, "--cgroup: %s is there twice", file);
	p->lines[p->nlines] = (struct cgroup_opt){.file = file, .value = value};
	g->lines |= UINT64_C(1) << p->nlines++;
	return 0;
}

static int plan_cgroups(struct jail_plan *p, struct errtext *err)
{
	const struct jail_opts *o = p->opts;
	const struct cgroup_mount *pids = find_mount(p, "pids", 4);
	bool bounded = false;
	int n = o->parent_cgroup ? snprintf(p->parent, sizeof p->parent, "%s", o->parent_cgroup)
				 : snprintf(p->parent, sizeof p->parent, "%s", p->program);

	if (n < 0 || (size_t)n >= sizeof p->parent)
		return errtext_set(err, -EINVAL, "--parent-cgroup: is too long");
	for (unsigned i = 0; i < o->ncgroups; i++) {
		const char *file = o->cgroups[i].file;
		size_t len = strcspn(file, ".");
		const struct cgroup_mount *m = find_mount(p, file, len);

		if (!m)
			return errtext_set(err, -EINVAL,
					   "--cgroup: no controller '%.*s' in %s of this host",
					   (int)len, file,
					   o->cgroup_version == 1   ? "cgroup v1"
					   : o->cgroup_version == 2 ? "cgroup v2"
								    : "any cgroup hierarchy");
		bounded |= strcmp(file, "pids.max") == 0;
		int r = add_line(p, m, file, o->cgroups[i].value, err);
		if (r < 0)
			return r;
	}
	if (bounded || !pids || (!pids->writable && o->ncgroups == 0))
		return 0;
	return add_line(p, pids, "pids.max", DEFAULT_PIDS, err);
}

static void add_limit(struct jail_plan *p, const char *name, int resource, uint64_t value)
{
	p->limits[p->nlimits++] =
		(struct plan_limit){.name = name, .resource = resource, .value = value};
}

static bool is_bounded(const struct jail_plan *p)
{
	for (unsigned i = 0; i < p->nlines; i++)
		if (strcmp(p->lines[i].file, "pids.max") == 0)
			return true;
	return false;
}

static void plan_limits(struct jail_plan *p)
{
	const struct jail_opts *o = p->opts;
	bool files = false;

	for (unsigned i = 0; i < o->nlimits; i++) {
		add_limit(p, o->limits[i].name, o->limits[i].resource, o->limits[i].value);
		files |= o->limits[i].resource == RLIMIT_NOFILE;
	}
	if (!files)
		add_limit(p, "no-file", RLIMIT_NOFILE,
			  p->host->max_files < DEFAULT_FILES ? p->host->max_files : DEFAULT_FILES);
	add_limit(p, "core", RLIMIT_CORE, 0); /* a dump would hold the guest's memory */
	add_limit(p, "msgqueue", RLIMIT_MSGQUEUE, 0);
	add_limit(p, "rtprio", RLIMIT_RTPRIO, 0);
	add_limit(p, "nice", RLIMIT_NICE, 0);
	/* Second best: it counts all processes of the user, or of the user namespace where
	 * there is one. */
	if (!is_bounded(p))
		add_limit(p, "nproc", RLIMIT_NPROC, DEFAULT_PROCS);
}

/* Whether one path is the other or lies below it. */
static bool is_within(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	size_t n = na < nb ? na : nb;

	return strncmp(a, b, n) == 0 && (na == nb || (na < nb ? b : a)[n] == '/');
}

static int check_binds(const struct jail_plan *p, struct errtext *err)
{
	const struct jail_opts *o = p->opts;

	for (unsigned i = 0; i < o->nbinds; i++) {
		const char *dst = o->binds[i].dst;

		if (is_within(dst, "/dev"))
			return errtext_set(err, -EINVAL, "--bind: %.80s: /dev is the jailer's",
					   dst);
		if (strlen(dst) > 255)
			return errtext_set(err, -EINVAL, "--bind: DST '%.40s...' is too long", dst);
		for (unsigned k = 0; k < i; k++)
			if (is_within(dst, o->binds[k].dst))
				return errtext_set(err, -EINVAL, "--bind: %.80s and %.80s overlap",
						   dst, o->binds[k].dst);
	}
	return 0;
}

static int plan_fds(struct jail_plan *p, struct errtext *err)
{
	const struct jail_opts *o = p->opts;

	p->exec_fd = -1;
	for (unsigned i = 0; i < o->nfds; i++) {
		for (unsigned k = 0; k < i; k++)
			if (strcmp(o->fds[i].name, o->fds[k].name) == 0)
				return errtext_set(err, -EINVAL,
						   "--fd: the name '%s' is there twice",
						   o->fds[i].name);
		if (strcmp(o->fds[i].name, "exec") == 0)
			p->exec_fd = o->fds[i].fd;
	}
	return 0;
}

static void plan_argv(struct jail_plan *p)
{
	const struct jail_opts *o = p->opts;
	unsigned n = 0;

	p->argv[n++] = p->program;
	p->argv[n++] = "--id";
	p->argv[n++] = o->id;
	for (int i = 0; i < o->nextra; i++)
		p->argv[n++] = o->extra[i];
}

/* What a monitor will miss. It is no failure: the VM may have been made elsewhere and handed over.
 */
static void plan_warnings(struct jail_plan *p)
{
	const struct jail_host *h = p->host;

	if (!h->devs[DEV_KVM].present)
		p->warnings[p->nwarnings++] = "this host has no /dev/kvm, so the jail has none: a "
					      "monitor in it cannot make a VM";
	else if (p->opts->userns && !h->devs[DEV_KVM].open_to_us)
		p->warnings[p->nwarnings++] = "/dev/kvm is not open to this user (be in its "
					      "group): a monitor in the jail cannot make a VM";
	else if (p->opts->userns && h->euid == 0 && !h->devs[DEV_KVM].open_to_all)
		p->warnings[p->nwarnings++] = "/dev/kvm is not open to all, and a user namespace "
					      "gets the host's node: a monitor in the "
					      "jail cannot make a VM";
}

bool plan_has_device(const struct jail_plan *p, enum host_dev dev)
{
	return p->host->devs[dev].present && (dev != DEV_UFFD || p->opts->userfaultfd);
}

/* What was asked for must be there. */
static int check_devices(const struct jail_plan *p, struct errtext *err)
{
	const struct jail_host *h = p->host;

	if (!p->opts->userfaultfd)
		return 0;
	if (!h->devs[DEV_UFFD].present)
		return errtext_set(err, -ENODEV,
				   "--userfaultfd: this host has no /dev/userfaultfd (Linux 6.1, "
				   "CONFIG_USERFAULTFD)");
	if (p->opts->userns &&
	    (h->euid ? !h->devs[DEV_UFFD].open_to_us : !h->devs[DEV_UFFD].open_to_all))
		return errtext_set(
			err, -EACCES,
			"--userfaultfd: /dev/userfaultfd is not open to the jail's user, "
			"and with --userns it gets the host's node");
	return 0;
}

int plan_make(struct jail_plan *p, const struct jail_opts *o, const struct jail_host *h,
	      struct errtext *err)
{
	int r;

	memset(p, 0, sizeof *p);
	p->opts = o;
	p->host = h;
	p->program = strrchr(o->exec_file, '/') + 1;
	p->uid = o->uid;
	p->gid = o->gid;
	if (h->euid != 0 && !o->userns)
		return errtext_set(err, -EINVAL, "needs root; without it say --userns");
	if (o->uid == 0 && !(o->userns && h->euid != 0))
		return errtext_set(err, -EINVAL, "--uid: a jail of root's is none");
	if (o->chroot_base && strlen(o->chroot_base) >= sizeof p->base)
		return errtext_set(err, -EINVAL, "--chroot-base-dir: is too long");
	plan_base(p->base, sizeof p->base, o, h->euid);
	p->net = !o->netns ? NET_NEW : strcmp(o->netns, "host") == 0 ? NET_HOST : NET_JOIN;
	r = plan_fds(p, err);
	if (r == 0)
		r = check_binds(p, err);
	if (r == 0)
		r = check_devices(p, err);
	if (r == 0)
		r = plan_cgroups(p, err);
	if (r < 0)
		return r;
	plan_limits(p);
	plan_argv(p);
	plan_warnings(p);
	return 0;
}
