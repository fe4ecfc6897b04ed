/* SPDX-License-Identifier: MIT
 *
 * confine.c: see confine.h. Main thread, but for confine_enter().
 */
#include "monitor/confine.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <sys/prctl.h>

#include "lib/filter_file.h"
#include "lib/log.h"
#include "lib/semwait.h"
#include "monitor/api/events.h"
#include "monitor/opts.h"
#include "monitor/seccomp/policies.h"
#include "monitor/serve/serve.h"
#include "monitor/virtio/blk.h"
#include "monitor/virtio/net.h"
#include "monitor/vm.h"

static enum filter_mode confine_mode; /* FILTER_OFF until confine_setup() */
static bool confine_is_narrow, confine_exec;
static const struct filter_file *confine_file;

struct prog {
	int n; /* 0: nothing to install */
	struct sock_filter insns[FILTER_INSNS];
};

static struct {
	bool expected;
	bool given; /* its filter, or none */
	bool gone;  /* the VM will not run */
	sem_t go;   /* given or gone */
	sem_t done;
	int result; /* of installing it */
} threads[CONFINE_THREADS];
/* No page of these is there until it is used, and of most only the first is. */
static struct prog main_prog; /* of the main thread, first the wide one */
static struct prog progs[CONFINE_THREADS];

/* --- what is there --- */

static void use_host(struct confine *c, const struct vm *vm)
{
	confine_use(c, "always", "vcpu", vm->vcpu, "console", vm->console.fd, "image", vm->image.fd,
		    "log", log_file(), NULL);
	if (vm->image.sharing == IMAGE_LEASED)
		confine_use(c, "lease", "image", vm->image.fd, NULL);
	if (vm->report.fd >= 0)
		confine_use(c, "metrics", "metrics", vm->report.fd, NULL);
	if (vm->report.fd >= 0 || vm->cfg->boot_timer)
		confine_use(c, "usage", NULL);
	if (vm->serve) {
		confine_use(c, "serve", "listen", serve_fd(vm), "vcpu", vm->vcpu, "vm", vm->fd,
			    NULL);
		confine_use(c, "serve-rewind", "vcpu", vm->vcpu, "vm", vm->fd, NULL);
	}
	if (vm->report.rollup >= 0)
		confine_use(c, "rollup", "rollup", vm->report.rollup, NULL);
}

/* Threads that act on the VM from outside, and what they may be asked for. */
static void use_control(struct confine *c, const struct vm *vm)
{
	bool api = vm->control, fork = api || vm->cfg->fork.n;

	if (!api && !vm->keeper)
		return;
	confine_use(c, "control", NULL);
	if (vm->events)
		confine_use(c, "events", "events", events_fd(vm->events), NULL);
	if (api)
		confine_use(c, "api", NULL);
	if (vm->cfg->save.path || fork)
		confine_use(c, "save", "vcpu", vm->vcpu, "vm", vm->fd, NULL);
	if (api || vm->cfg->save.path || vm->wset)
		confine_use(c, "files", NULL);
	if (vm->cfg->track_dirty)
		confine_use(c, "dirty", "vm", vm->fd, NULL);
	if (api)
		confine_use(c, "rewind", "vcpu", vm->vcpu, "vm", vm->fd, NULL);
	if (api && vm->cfg->nblk)
		confine_use(c, "patch", NULL);
	if (fork) {
		confine_use(c, "fork", NULL);
		confine_use(c, "fork-narrow", NULL);
		if (confine_exec)
			confine_use(c, "fork-exec", NULL);
	}
}

/* IDLE_HLT: the I/O thread's doorbells and the interrupts that both threads raise. */
static void use_events(struct confine *c, const struct vm *vm)
{
	if (vm->idle_exit) {
		confine_use(c, "exit", NULL);
		return;
	}
	confine_use(c, "hlt", "vm", vm->fd, "wake", vm->io_wake, NULL);
	for (unsigned i = 0; vm->io_wake >= 0 && i < vm->nslots; i++) {
		const int *b = vm->ioeventfd[i];
		int first = b[0];

		confine_use(c, "irq", "irq", vm->slot[i].irqfd, NULL);
		/* Queues that are not there ring the first one's bell. */
#define BELL(q) (b[q] >= 0 ? b[q] : first)
		confine_use(c, "bells", "bell0", BELL(0), "bell1", BELL(1), "bell2", BELL(2),
			    "bell3", BELL(3), "bell4", BELL(4), "bell5", BELL(5), "bell6", BELL(6),
			    "bell7", BELL(7), NULL);
#undef BELL
	}
}

static void collect(struct confine *c, const struct vm *vm)
{
	c->n = 0;
	c->full = false;
	use_host(c, vm);
	use_events(c, vm);
	use_control(c, vm);
	for (unsigned i = 0; i < vm->nslots; i++) {
		if (i < vm->cfg->nblk)
			vblk_confine(vm->slot[i].dev, c);
		else
			vnet_confine(vm->slot[i].dev, c);
		if (i < vm->cfg->nblk && vm->serve)
			vblk_confine_rewind(vm->slot[i].dev, c);
	}
}

/* --- the filters --- */

static const struct filter_policy *find_policy(const char *name)
{
	static const struct filter_policy *const built_in[] = {&filter_vcpu, &filter_io,
							       &filter_api, &filter_lazy};
	const struct filter_policy *p = confine_file ? filter_file_find(confine_file, name) : NULL;

	for (size_t i = 0; !p && i < sizeof built_in / sizeof built_in[0]; i++)
		if (strcmp(built_in[i]->name, name) == 0)
			p = built_in[i];
	return p;
}

bool confine_on(void)
{
	return confine_mode != FILTER_OFF;
}

bool confine_narrow(void)
{
	return confine_is_narrow;
}

int confine_setup(const struct opts_early *early, struct errtext *err)
{
	static struct filter_file file; /* touched only when there is one */
	const char *custom = early->seccomp_policy;
	const struct {
		const char *feature;
		bool there;
	} all[] = {{"always", true},
		   {"narrow", true},
		   {"helper", early->helper},
		   {"clients", early->serve || early->api || early->standby},
		   {"serve", early->serve},
		   {"restore", early->restore},
		   {"api", early->api},
		   {"standby", early->standby},
		   {"check-host", early->check_host},
		   {"disk", early->disk},
		   {"nic", early->nic},
		   {"hlt", early->hlt},
		   {"thread", early->hlt || early->save},
		   {"save", early->save},
		   {"state", early->save || early->serve}};
	struct filter_use uses[sizeof all / sizeof all[0]];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i].there)
			uses[n++] = (struct filter_use){.feature = all[i].feature};
	if (early->seccomp == FILTER_OFF)
		return custom ? errtext_set(err, -EINVAL,
					    "--seccomp-policy has no effect without seccomp; leave "
					    "one of them out")
			      : 0;
	if (custom) {
		r = filter_file_read(&file, custom, err);
		if (r < 0)
			return errtext_blame(err, r, "--seccomp-policy %s", custom);
		confine_file = &file;
	}
	r = filter_link(&filter_setup, uses, n, early->seccomp, main_prog.insns);
	if (r > 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r > 0)
		r = filter_install(main_prog.insns, (size_t)r);
	if (r < 0)
		return errtext_set(err, r,
				   "seccomp: %s: this kernel has no filters; say --seccomp=off to "
				   "run without",
				   strerror(-r));
	confine_mode = early->seccomp;
	return 0;
}

static int link_to(const struct confine *c, const char *policy, struct prog *prog,
		   struct errtext *err)
{
	int r = c->full ? -E2BIG
			: filter_link(find_policy(policy), c->uses, c->n, confine_mode,
				      prog->insns);
	if (r < 0)
		return errtext_set(err, r, "seccomp: policy '%s' does not fit this VM: %s", policy,
				   r == -ENOENT ? "it wants a descriptor that there is none of"
						: strerror(-r));
	prog->n = r;
	return 0;
}

static int install(const struct prog *prog)
{
	return prog->n ? filter_install(prog->insns, (size_t)prog->n) : 0;
}

static int fail(int r, struct errtext *err)
{
	return errtext_set(err, r, "seccomp: %s", strerror(-r));
}

/* --- other threads --- */

static const char *const policy_of[CONFINE_THREADS] = {[CONFINE_IO] = "io",
						       [CONFINE_API] = "api",
						       [CONFINE_KEEPER] = "api",
						       [CONFINE_LAZY] = "lazy"};

void confine_expect(enum confine_thread who)
{
	if (!confine_on())
		return;
	threads[who].expected = true;
	threads[who].given = threads[who].gone = false;
	sem_init(&threads[who].go, 0, 0);
	sem_init(&threads[who].done, 0, 0);
}

bool confine_enter(enum confine_thread who)
{
	if (!confine_on() || !threads[who].expected)
		return true;
	sem_take(&threads[who].go);
	if (threads[who].gone)
		return false;
	threads[who].result = install(&progs[who]);
	sem_post(&threads[who].done);
	return threads[who].result == 0;
}

static void give(enum confine_thread who)
{
	threads[who].given = true;
	sem_post(&threads[who].go);
}

int confine_early(enum confine_thread who, const struct confine *c, struct errtext *err)
{
	if (!confine_on())
		return 0;
	int r = link_to(c, policy_of[who], &progs[who], err);
	if (r < 0)
		return r;
	give(who);
	sem_take(&threads[who].done);
	threads[who].expected = false;
	return threads[who].result < 0 ? fail(threads[who].result, err) : 0;
}

void confine_abandon(void)
{
	for (unsigned i = 0; confine_on() && i < CONFINE_THREADS; i++)
		if (threads[i].expected && !threads[i].given) {
			threads[i].gone = true;
			give(i);
		}
}

/* Each thread loads its own at the same time. */
static int give_all(const struct confine *c, struct errtext *err)
{
	for (unsigned i = 0; i < CONFINE_THREADS; i++) {
		if (!threads[i].expected || threads[i].given)
			continue;
		int r = link_to(c, policy_of[i], &progs[i], err);
		if (r < 0)
			return r;
		give(i);
	}
	return 0;
}

static int wait_for_all(struct errtext *err)
{
	for (unsigned i = 0; i < CONFINE_THREADS; i++) {
		if (!threads[i].expected)
			continue;
		sem_take(&threads[i].done);
		if (threads[i].result < 0)
			return fail(threads[i].result, err);
	}
	return 0;
}

int confine_vcpu(struct vm *vm, struct errtext *err)
{
	static struct confine c;

	if (!confine_on())
		return 0;
	for (unsigned i = 0; i < vm->cfg->nnet; i++)
		confine_exec |= vm->cfg->net[i].backend == NET_USER;
	collect(&c, vm);
	int r = link_to(&c, "vcpu", &main_prog, err);
	r = r < 0 ? r : give_all(&c, err);
	if (r < 0)
		return r;
	r = install(&main_prog);
	if (r < 0)
		return fail(r, err);
	confine_is_narrow = true;
	return wait_for_all(err);
}

void confine_copy(void)
{
	confine_is_narrow = false;
	memset(threads, 0, sizeof threads);
}

bool confine_may_exec(void)
{
	return !confine_on() || confine_exec;
}
