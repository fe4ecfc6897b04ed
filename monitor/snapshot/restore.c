/* SPDX-License-Identifier: MIT
 *
 * restore.c: see restore.h. Everything from the files has been judged by
 * snap_files_open; KVM and the devices judge once more what they are given.
 */
#include "monitor/snapshot/restore.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "monitor/snapshot/clock.h"
#include "monitor/snapshot/cpu.h"
#include "monitor/snapshot/disks.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/freeze.h"
#include "monitor/snapshot/lazy.h"
#include "monitor/snapshot/wset.h"
#include "monitor/virtio/net.h"
#include "monitor/vm.h"

#define MSR_TSC_DEADLINE  0x6e0u
#define TSC_TOLERANCE_PPM 250u

static struct vm_identity identity; /* of the one VM */

/* The way that was asked for, or the best that is possible where the choice is ours. */
int restore_memory(struct vm *vm, char *err, size_t errlen)
{
	const struct snapshot *s = vm->cfg->snap;
	enum restore_verify verify = vm->cfg->restore.verify;
	bool chosen = verify != VERIFY_AUTO;

	if (!chosen && vm->cfg->restore.key)
		verify = VERIFY_LAZY;
	if (verify == VERIFY_LAZY && !s->base) {
		int r = lazy_start(&vm->lazy, s, &vm->gm, err, errlen);

		if (!r || chosen)
			return r;
	}
	if (verify == VERIFY_LAZY)
		verify = VERIFY_COPY; /* two layers, or not allowed to */
	int r = snap_files_memory(s, verify, vm->gm.base, err, errlen);

	if (!r && verify != VERIFY_COPY)
		wset_begin(vm);
	return r;
}

static int check_tsc(struct vm *vm, uint64_t want_hz, char *err, size_t errlen)
{
	int khz = ioctl(vm->vcpu, KVM_GET_TSC_KHZ, 0);
	uint64_t want = want_hz / 1000, have = khz > 0 ? (uint64_t)khz : 0;
	uint64_t off = want > have ? want - have : have - want;

	if (off <= want * TSC_TOLERANCE_PPM / 1000000 || !ioctl(vm->vcpu, KVM_SET_TSC_KHZ, want))
		return 0;
	snprintf(err, errlen,
		 "was taken where the TSC runs at %lu kHz; here it runs at %lu kHz and KVM cannot "
		 "scale it",
		 want, have);
	return -ENOTSUP;
}

/* A deadline is in the ticks of another time: let it pass now, and the guest looks at its clock. */
static void expire_deadline(struct vcpu_state *v)
{
	for (uint32_t i = 0; i < v->nmsrs; i++)
		if (v->msr[i].index == MSR_TSC_DEADLINE && v->msr[i].data)
			v->msr[i].data = 1;
}

static void fill_identity(const struct vm *vm, struct vm_identity *id)
{
	const struct vm_config *cfg = vm->cfg;

	for (unsigned i = 0; i < cfg->nnet; i++) {
		const struct net_config *n = &cfg->net[i];
		struct uk_restore_dev *d = &id->dev[cfg->nblk + i];

		memcpy(d->mac, vnet_mac(vm->slot[cfg->nblk + i].dev), sizeof d->mac);
		d->has_mac = 1;
		d->has_ip4 = n->ip4 != 0;
		d->ip4 = n->ip4;
		d->gw4 = n->gw4;
		d->dns4 = n->dns4;
		d->prefix4 = n->prefix4;
	}
	if (cfg->hostname)
		memcpy(id->hostname, cfg->hostname, strlen(cfg->hostname));
	for (unsigned i = 0; i < cfg->nenv; i++) {
		size_t n = strlen(cfg->env[i]) + 1;

		if (n > sizeof id->env - id->env_len)
			break; /* vm_env has counted */
		memcpy(id->env + id->env_len, cfg->env[i], n);
		id->env_len += (uint32_t)n;
	}
}

int restore_from(struct vm *vm, struct vm_state *st, const struct snap_cpu *cpu, char *err,
		 size_t errlen)
{
	int r = vcpu_setup_restored(vm, cpu, err, errlen);

	r = r ? r : check_tsc(vm, st->tsc_hz, err, errlen);
	if (r)
		return r;
	expire_deadline(&st->vcpu);
	for (unsigned i = 0; i < vm->cfg->nnet; i++) {
		unsigned slot = vm->cfg->nblk + i;

		memcpy(st->dev[slot].mac, vnet_mac(vm->slot[slot].dev), sizeof st->dev[slot].mac);
	}
	r = vm_state_load(vm, st, err, errlen);
	if (r)
		return r;
	vm_clock_rebase(vm, st->mono_ns);
	if (!vm->freeze_gpa)
		vm_tell_restored(vm); /* else the answer does */
	identity = (struct vm_identity){0};
	fill_identity(vm, &identity);
	vm->identity = &identity;
	vm_freeze_answer(vm, UK_WHY_CLONE, vm->identity, 0);
	vm->news = true;
	return 0;
}

int restore_state(struct vm *vm, char *err, size_t errlen)
{
	const struct snap_view *v = &vm->cfg->snap->v;
	char why[400];
	/* In place: a copy would cost more than loading it. */
	struct vm_state *st = snap_files_state(vm->cfg->snap);
	int r = disks_load(vm, st, vm->cfg->snap->mem, vm->cfg->snap->mem_path, why, sizeof why);

	r = r ? r : restore_from(vm, st, v->cpu, why, sizeof why);
	if (r)
		snprintf(err, errlen, "%s: %s", vm->cfg->restore.path, why);
	return r;
}
