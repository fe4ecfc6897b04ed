/* SPDX-License-Identifier: MIT
 *
 * snapshot.c: see snapshot.h: taking one. vCPU thread, VM stopped.
 */
#include "monitor/snapshot/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "monitor/config_field.h"
#include "monitor/config_json.h"
#include "monitor/keeper.h"
#include "monitor/snapshot/clock.h"
#include "monitor/snapshot/cpu.h"
#include "monitor/snapshot/dirty.h"
#include "monitor/snapshot/disks.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/state.h"
#include "monitor/vm.h"

/* Disks first: what the guest believes to be written is in its files before they are named in a
 * snapshot. */
static int save_state(struct vm *vm, struct vm_state *st, char *err, size_t errlen)
{
	/* Output of before belongs to this VM, not to each of its clones. */
	console_drain(&vm->console, &vm->gm, vm->shared);
	int r = vm_state_save(vm, st, err, errlen);

	if (!r) {
		r = vm_devices_sync(vm);
		if (r)
			snprintf(err, errlen, "a disk could not be flushed: %s", strerror(-r));
	}
	return r;
}

struct disks_arg {
	struct vm *vm;
	struct vm_state *st;
};

static int write_disks(void *arg, int fd, uint64_t at, uint64_t *ret_len, char *err, size_t errlen)
{
	const struct disks_arg *a = arg;

	return disks_save(a->vm, a->st, fd, at, ret_len, err, errlen);
}

static int write_files(struct vm *vm, struct vm_state *st, const char *state, const char *mem,
		       bool diff, char *err, size_t errlen)
{
	struct snap_cpu cpu;
	struct snap_written w;
	char *config = config_json_shape(vm->cfg);
	struct disks_arg disks = {vm, st};
	struct snap_source src = {.state = st,
				  .cpu = &cpu,
				  .config = config,
				  .base = vm->gm.base,
				  .disks = write_disks,
				  .disks_arg = &disks};
	int r = config ? vcpu_features(vm, &cpu, err, errlen) : -EILSEQ;

	if (!config)
		snprintf(err, errlen,
			 "%s: the configuration cannot be written as JSON (not UTF-8?)", state);
	if (!r && vm->dirty)
		r = dirty_collect(vm, err, errlen);
	if (!r && diff && vm->dirty->has_base) {
		src.only = vm->dirty->pages;
		src.base_id = vm->dirty->base_id;
	}
	r = r ? r : snap_files_write(&src, state, mem, &w, err, errlen);
	if (!r && vm->dirty && !src.only)
		dirty_rebase(vm, w.id);
	free(config);
	return r;
}

int snapshot_create(struct vm *vm, const char *state, const char *mem, bool diff, char *err,
		    size_t errlen)
{
	struct vm_state *st;
	char path[PATH_MAX];

	if (diff && !vm->dirty) {
		snprintf(err, errlen,
			 "a diff snapshot needs --track-dirty (track_dirty_pages) from the start");
		return -EINVAL;
	}
	if (!mem) {
		if ((size_t)snprintf(path, sizeof path, "%s.mem", state) >= sizeof path) {
			snprintf(err, errlen, "%s: %s", state, strerror(ENAMETOOLONG));
			return -ENAMETOOLONG;
		}
		mem = path;
	}
	if (strcmp(state, mem) == 0) {
		snprintf(err, errlen, "%s: state and memory need two files", state);
		return -EINVAL;
	}
	st = calloc(1, sizeof *st);
	if (!st) {
		snprintf(err, errlen, "%s: out of memory", state);
		return -ENOMEM;
	}
	int r = save_state(vm, st, err, errlen);

	r = r ? r : write_files(vm, st, state, mem, diff, err, errlen);
	free(st);
	return r;
}

/* --- at the freeze point --- */

static int save_asked(struct vm *vm)
{
	const struct snapshot_config *c = &vm->cfg->save;
	char err[512];

	pthread_mutex_lock(&vm->lock);
	int r = snapshot_create(vm, c->path, c->mem, false, err, sizeof err);
	pthread_mutex_unlock(&vm->lock);
	if (r)
		log_err("snapshot: %s", err);
	return r;
}

/* The configurations of all copies, or NULL with a message. */
static struct vm_config *copies(const struct vm_config *cfg, struct errtext *err)
{
	struct vm_config *c = calloc(cfg->fork.n, sizeof *c);

	if (!c)
		config_fail(err, "out of memory");
	for (unsigned i = 0; c && i < cfg->fork.n; i++) {
		if (fork_config_copy(&c[i], cfg, i + 1, err) == 0)
			continue;
		do
			config_fini(&c[i]);
		while (i-- > 0);
		free(c);
		return NULL;
	}
	return c;
}

static int fork_asked(struct vm *vm)
{
	const unsigned n = vm->cfg->fork.n;
	struct vm_config *ptr[VM_FORK_MAX], *cfg;
	pid_t pid[VM_FORK_MAX];
	struct errtext err;
	int fd;

	cfg = copies(vm->cfg, &err);
	if (!cfg) {
		log_err("--fork: %s", err.text);
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++)
		ptr[i] = &cfg[i];
	pthread_mutex_lock(&vm->lock);
	int r = vm_fork(vm, ptr, n, &fd, err.text, sizeof err.text);
	pthread_mutex_unlock(&vm->lock);
	r = r ? r : vm_fork_wait(fd, n, pid, err.text, sizeof err.text);
	if (r)
		log_err("--fork: %s", err.text);
	for (unsigned i = 0; i < n; i++)
		config_fini(&cfg[i]);
	free(cfg);
	return r;
}

static int all_asked(struct vm *vm, void *arg)
{
	int r = vm->cfg->save.path ? save_asked(vm) : 0;

	(void)arg;
	r = !r && vm->cfg->fork.n ? fork_asked(vm) : r;
	vm_seed_draw(vm); /* after the copies were made: they draw their own */
	return r;
}

enum uk_why snapshot_at_freeze(struct vm *vm)
{
	const struct vm_config *cfg = vm->cfg;
	char err[128];
	int r;

	if (vm->frozen || (!cfg->save.path && !cfg->fork.n))
		return UK_WHY_NOTHING;
	vm->frozen = true; /* once: a guest that freezes in a loop must not fill the disk */
	r = vm_settle(vm, err, sizeof err);
	if (r) {
		vm->exit_code = 2;
		return UK_WHY_NOTHING;
	}
	r = keeper_run(vm, all_asked, NULL);
	if (r)
		vm->exit_code = 2;
	else if (!cfg->fork.n && !cfg->save.run)
		vm->exit_code = 0;
	return UK_WHY_ORIGINAL;
}
