/* SPDX-License-Identifier: MIT
 *
 * confine.c: see confine.h. Main thread, but for confine_install().
 */
#include "monitor/confine.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "lib/filter_file.h"
#include "lib/log.h"
#include "monitor/opts.h"
#include "monitor/seccomp/policies.h"
#include "monitor/serve/serve.h"
#include "monitor/virtio/blk.h"
#include "monitor/virtio/net.h"
#include "monitor/vm.h"

static enum filter_mode confine_mode; /* FILTER_OFF until confine_setup() */
static bool confine_is_narrow;
static struct confine_prog main_prog; /* of the main thread, first the wide one */
static const struct filter_file *confine_file;

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
	for (unsigned i = 0; i < vm->nslots; i++) {
		if (i < vm->cfg->nblk)
			vblk_confine(vm->slot[i].dev, c);
		else
			vnet_confine(vm->slot[i].dev, c);
	}
}

/* --- the filters --- */

static const struct filter_policy *find_policy(const char *name)
{
	static const struct filter_policy *const built_in[] = {&filter_vcpu, &filter_io};
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
	const struct filter_use uses[] = {{.feature = "always"},
					  {.feature = "narrow"},
					  {.feature = early->helper ? "helper" : "-"},
					  {.feature = early->serve ? "serve" : "-"},
					  {.feature = early->restore ? "restore" : "-"},
					  {.feature = early->api ? "api" : "-"},
					  {.feature = early->standby ? "standby" : "-"},
					  {.feature = early->check_host ? "check-host" : "-"}};
	int r;

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
	r = filter_link(&filter_setup, uses, sizeof uses / sizeof uses[0], early->seccomp,
			main_prog.insns);
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

/*
 * A VM that an API manages can be saved, copied by fork() and given other disks while it runs; one
 * that is restored may have memory of which pages come late, or write down which it used. They keep
 * the wide filter.
 */
static bool stays_wide(const struct vm *vm)
{
	return vm->control || vm->cfg->save.path || vm->cfg->fork.n || vm->lazy || vm->wset;
}

int confine_link(struct vm *vm, const char *policy, struct confine_prog *ret_prog,
		 struct errtext *err)
{
	struct confine c;

	ret_prog->n = 0;
	if (!confine_on() || stays_wide(vm))
		return 0;
	collect(&c, vm);
	int r = c.full ? -E2BIG
		       : filter_link(find_policy(policy), c.uses, c.n, confine_mode,
				     ret_prog->insns);
	if (r < 0)
		return errtext_set(err, r, "seccomp: policy '%s' does not fit this VM: %s", policy,
				   r == -ENOENT ? "it wants a descriptor that there is none of"
						: strerror(-r));
	ret_prog->n = r;
	return 0;
}

int confine_install(const struct confine_prog *prog)
{
	return prog->n ? filter_install(prog->insns, (size_t)prog->n) : 0;
}

int confine_vcpu(struct vm *vm, struct errtext *err)
{
	int r = confine_link(vm, "vcpu", &main_prog, err);

	if (r == 0)
		r = confine_install(&main_prog);
	confine_is_narrow = r == 0 && main_prog.n;
	return r < 0 && !err->text[0] ? errtext_set(err, r, "seccomp: %s", strerror(-r)) : r;
}
