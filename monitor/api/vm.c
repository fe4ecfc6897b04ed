/* SPDX-License-Identifier: MIT
 *
 * vm.c: what the API does to the real VM. Whatever touches it runs between two KVM_RUNs: on
 * the vCPU thread when that one's filter allows it (vm_control), else here while it stands still
 * (vm_hold); counters and marks are read where they are. API thread.
 */
#include "monitor/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "monitor/api/events.h"
#include "monitor/api/front.h"
#include "monitor/api/prom.h"
#include "monitor/api/server.h"
#include "monitor/config_json.h"
#include "monitor/confine.h"
#include "monitor/snapshot/rewind.h"
#include "monitor/snapshot/snapshot.h"
#include "monitor/virtio/blk.h"
#include "monitor/virtio/net.h"

struct args {
	struct front *front;
	struct vm_config *cfg;
	bool flag;
	const char *path;
	char *err;
	size_t errlen;
};

static enum vm_phase phase(void *ctx)
{
	return vm_phase(((struct front *)ctx)->vm);
}

static int base_config(void *ctx, struct vm_config *cfg, struct errtext *err)
{
	struct front *f = ctx;
	struct opts opts;
	int r = opts_parse(f->argc, f->argv, cfg, &opts, err);

	return r < 0 ? r : 0;
}

static int do_start(struct vm *vm, void *arg)
{
	struct args *a = arg;
	uint64_t t = vm_now();
	int r = vm_create(vm, a->cfg, a->err, a->errlen);

	vm->m.t_start = vm->m.t_config = t;
	if (r) {
		vm_destroy(vm);
		vm->cfg = NULL; /* the caller's again */
		return r;
	}
	confine_expect(CONFINE_API);
	a->front->cfg = a->cfg;
	a->front->own_cfg = true;
	vm->console.events = vm->events;
	events_add(vm->events, "loaded", 0);
	vm_started(vm, a->flag);
	return 0;
}

static int start(void *ctx, struct vm_config *cfg, bool paused, char *err, size_t errlen)
{
	struct front *f = ctx;
	struct args a = {.front = f, .cfg = cfg, .flag = paused, .err = err, .errlen = errlen};

	int r = vm_control(f->vm, do_start, &a);
	if (r == 0 && !confine_enter(CONFINE_API))
		return -ESHUTDOWN; /* the VM says why */
	return r;
}

/* A VM that calls make is not there yet: start() does it. */
static void confine(void *ctx)
{
	if (((struct front *)ctx)->cfg)
		(void)confine_enter(CONFINE_API); /* if it fails, the VM does not run */
}

/* What the guest has marked by now came before. */
static void note(struct vm *vm, const char *name)
{
	events_marks(vm->events, vm);
	events_add(vm->events, name, 0);
}

static int do_pause(struct vm *vm, void *arg)
{
	(void)arg;
	if (vm->phase == VM_RUNNING)
		note(vm, "paused");
	vm_pause(vm);
	return 0;
}

static int do_resume(struct vm *vm, void *arg)
{
	(void)arg;
	if (vm->phase == VM_PAUSED)
		note(vm, "resumed");
	vm_resume(vm);
	return 0;
}

static int pause_vm(void *ctx, char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	return vm_control(((struct front *)ctx)->vm, do_pause, NULL);
}

static int resume(void *ctx, char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	return vm_control(((struct front *)ctx)->vm, do_resume, NULL);
}

/* The guest flushes its files and exits, or is stopped after the grace. */
static int stop(void *ctx, char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	return control_stop(((struct front *)ctx)->vm);
}

static int do_flush(struct vm *vm, void *arg)
{
	struct args *a = arg;

	if (!vm->cfg->metrics) {
		snprintf(a->err, a->errlen,
			 "There is no metrics_path: PUT /metrics before the start");
		return -EINVAL;
	}
	report_metrics(vm);
	return 0;
}

static int flush_metrics(void *ctx, char *err, size_t errlen)
{
	struct args a = {.err = err, .errlen = errlen};

	return vm_control(((struct front *)ctx)->vm, do_flush, &a);
}

/* --- devices while it runs --- */

struct patch_args {
	struct front *front;
	const char *id, *path;
	const struct api_limits *a, *b;
	char *err;
	size_t errlen;
};

/* The bucket to set, NULL when the call says nothing of it. */
static const struct token_bucket *bucket(const struct api_bucket *b, struct token_bucket *place)
{
	if (!b->given)
		return NULL;
	*place = (struct token_bucket){b->size, b->burst, b->refill_ms};
	return place;
}

/* vm->cfg says which file it is, for the next snapshot. */
static int remember_path(struct front *f, unsigned i, const char *path)
{
	struct vm_config *cfg = (struct vm_config *)(uintptr_t)f->cfg;
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(f->swapped[i]);
	f->swapped[i] = copy;
	cfg->blk[i].path = copy;
	return 0;
}

static int do_patch_drive(struct vm *vm, void *arg)
{
	const struct patch_args *p = arg;
	struct token_bucket bw, ops;
	int r = 0;

	for (unsigned i = 0; i < vm->cfg->nblk; i++) {
		if (strcmp(vm->cfg->blk[i].id, p->id) != 0)
			continue;
		if (p->path)
			r = vblk_swap(vm->slot[i].dev, p->path, p->err, p->errlen);
		if (!r && p->path)
			r = remember_path(p->front, i, p->path);
		if (!r)
			vblk_set_limits(vm->slot[i].dev, bucket(&p->a->bandwidth, &bw),
					bucket(&p->a->ops, &ops));
		if (vm->io_running)
			vm_io_kick(vm);
		return r;
	}
	return -ENODEV;
}

static int patch_drive(void *ctx, const char *id, const char *path, const struct api_limits *limit,
		       char *err, size_t errlen)
{
	struct patch_args p = {ctx, id, path, limit, NULL, err, errlen};

	return vm_hold(((struct front *)ctx)->vm, do_patch_drive, &p);
}

static int do_patch_net(struct vm *vm, void *arg)
{
	const struct patch_args *p = arg;
	struct token_bucket t[4];

	for (unsigned i = 0; i < vm->cfg->nnet; i++) {
		if (strcmp(vm->cfg->net[i].id, p->id) != 0)
			continue;
		vnet_set_limits(vm->slot[vm->cfg->nblk + i].dev, bucket(&p->a->bandwidth, &t[0]),
				bucket(&p->a->ops, &t[1]), bucket(&p->b->bandwidth, &t[2]),
				bucket(&p->b->ops, &t[3]));
		if (vm->io_running)
			vm_io_kick(vm);
		return 0;
	}
	return -ENODEV;
}

static int patch_net(void *ctx, const char *id, const struct api_limits *rx,
		     const struct api_limits *tx, char *err, size_t errlen)
{
	struct patch_args p = {ctx, id, NULL, rx, tx, err, errlen};

	return vm_control(((struct front *)ctx)->vm, do_patch_net, &p);
}

static int do_rewind(struct vm *vm, void *arg)
{
	struct args *a = arg;

	if (!a->flag && !vm->rewind) {
		snprintf(a->err, a->errlen, "There is no point to return to: say Mark first");
		return -EINVAL;
	}
	int r = a->flag ? vm_rewind_arm(vm, a->err, a->errlen) : vm_rewind(vm, a->err, a->errlen);
	if (r && !a->flag) {
		log_err("%s: the VM cannot go on", a->err);
		vm->exit_code = 1;
	}
	if (!r && !a->flag)
		note(vm, "rewound");
	return r;
}

static int rewind_vm(void *ctx, bool mark, char *err, size_t errlen)
{
	struct args a = {.flag = mark, .err = err, .errlen = errlen};

	return vm_hold(((struct front *)ctx)->vm, do_rewind, &a);
}

static bool watch(void *ctx)
{
	const struct vm *vm = ((struct front *)ctx)->vm;

	return events_marks(vm->events, vm);
}

static char *metrics(void *ctx, size_t *ret_len)
{
	return prom_text(((struct front *)ctx)->vm, ret_len);
}

static char *config(void *ctx)
{
	const struct front *f = ctx;
	char *text = NULL;
	size_t len;
	FILE *out;

	if (!f->cfg || !(out = open_memstream(&text, &len)))
		return NULL;
	int r = config_json_print(f->cfg, out);
	if (fclose(out) || r) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- snapshots --- */

struct create_args {
	const char *state, *mem;
	bool diff;
	char *err;
	size_t errlen;
};

static int do_snapshot(struct vm *vm, void *arg)
{
	const struct create_args *a = arg;
	int r = snapshot_create(vm, a->state, a->mem, a->diff, a->err, a->errlen);

	if (!r)
		events_add_text(vm->events, "snapshot", a->state);
	return r;
}

static int snapshot(void *ctx, const char *state, const char *mem, bool diff, char *err,
		    size_t errlen)
{
	struct create_args a = {state, mem, diff, err, errlen};

	return vm_hold(((struct front *)ctx)->vm, do_snapshot, &a);
}

/* A copy that lives as long as cfg. NULL stays NULL. */
static int keep(struct vm_config *cfg, const char *text, const char **ret)
{
	*ret = text ? config_str(cfg, text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int load_config(void *ctx, struct vm_config *cfg, const struct api_snapshot *snap, char *err,
		       size_t errlen)
{
	struct restore_config *to = &cfg->restore;
	struct errtext why;

	(void)ctx;
	if (keep(cfg, snap->state, &to->path) || keep(cfg, snap->mem, &to->mem) ||
	    keep(cfg, snap->key, &to->key) || keep(cfg, snap->sig, &to->sig)) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	int r = snapshot_config(cfg, &why);
	if (r)
		snprintf(err, errlen, "%s", why.text);
	cfg->track_dirty |= snap->track_dirty;
	return r;
}

static int fork_config(void *ctx, struct vm_config *cfg, struct errtext *err)
{
	const struct front *f = ctx;

	(void)err;
	config_inherit(cfg, f->cfg);
	return 0;
}

struct fork_args {
	struct vm_config *const *cfg;
	unsigned n;
	int fd; /* for vm_fork_wait */
	char *err;
	size_t errlen;
};

/* A copy never comes back from here: vm->copy_main is its life. */
static int do_fork(struct vm *vm, void *arg)
{
	struct fork_args *a = arg;
	int r = vm_fork(vm, a->cfg, a->n, &a->fd, a->err, a->errlen);

	if (!r)
		note(vm, "forked");
	return r;
}

static int fork_vm(void *ctx, struct vm_config *const *cfg, unsigned n, pid_t *ret_pids, char *err,
		   size_t errlen)
{
	struct fork_args a = {cfg, n, -1, err, errlen};
	int r = vm_hold(((struct front *)ctx)->vm, do_fork, &a);

	return r ? r : vm_fork_wait(a.fd, n, ret_pids, err, errlen);
}

const struct api_vmm api_vmm_real = {
	.confine = confine,
	.phase = phase,
	.base_config = base_config,
	.start = start,
	.load_config = load_config,
	.pause = pause_vm,
	.resume = resume,
	.stop = stop,
	.flush_metrics = flush_metrics,
	.patch_drive = patch_drive,
	.patch_net = patch_net,
	.snapshot = snapshot,
	.rewind = rewind_vm,
	.fork_config = fork_config,
	.fork = fork_vm,
	.watch = watch,
	.metrics = metrics,
	.config = config,
};

/* --- for main.c --- */

int front_start(struct front *f, const char *path, const char *id, const struct vm_config *cfg,
		char *err, size_t errlen)
{
	const struct server_config sc = {.path = path, .id = id, .vmm = &api_vmm_real, .ctx = f};

	f->cfg = cfg;
	int r = control_init(f->vm);
	if (r) {
		snprintf(err, errlen, "--api-sock %s: %s", path, strerror(-r));
		return r;
	}
	if (cfg)
		confine_expect(CONFINE_API);
	r = server_start(&f->server, &sc, &f->vm->events, err, errlen);
	if (!r && cfg)
		events_add(f->vm->events, "loaded", 0);
	f->vm->console.events = f->vm->events;
	return r;
}

void front_stop(struct front *f, int status)
{
	const struct vm *vm = f->vm;

	if (!f->server)
		return;
	events_marks(vm->events, vm);
	events_exit(vm->events, status,
		    vm->stop_signal ? "stopped"
		    : status == 134 ? "crashed"
				    : "exited");
	control_ended(f->vm);
	server_stop(f->server, confine_narrow());
	f->server = NULL;
	f->vm->events = NULL;
	f->vm->console.events = NULL;
}

void front_fini(struct front *f)
{
	control_fini(f->vm);
	for (unsigned i = 0; i < CONFIG_MAX_BLK; i++)
		free(f->swapped[i]);
	if (f->own_cfg) {
		struct vm_config *cfg = (struct vm_config *)(uintptr_t)f->cfg;

		config_fini(cfg);
		free(cfg);
	}
	f->cfg = NULL;
}
