/* SPDX-License-Identifier: MIT
 *
 * state.c: see state.h. The vCPU half of a VM's state by KVM's ioctls (virt/kvm/api.rst), the
 * device half through virtio/save.c. vCPU thread, between two KVM_RUNs, VM lock held.
 */
#include "monitor/snapshot/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "lib/clock.h"
#include "monitor/control.h"
#include "monitor/snapshot/clock.h"
#include "monitor/snapshot/msrs.h"
#include "monitor/virtio/save.h"
#include "monitor/vm.h"

#define SETTLE_MAX 2048u

_Static_assert(MSRS_SAVED <= VM_STATE_MSRS, "they fit");

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry e[VM_STATE_MSRS];
};

/* --- save --- */

int vm_settle(struct vm *vm, char *err, size_t errlen)
{
	if (vm->held)
		return 0;
	/* A wide access comes in parts, a repeated one in up to 1024, each an exit of its own. */
	for (unsigned i = 0; i < SETTLE_MAX; i++) {
		vm->run->immediate_exit = 1;
		if (ioctl(vm->vcpu, KVM_RUN, 0) == 0)
			continue;
		if (errno == EINTR || errno == EAGAIN)
			return 0;
		return vm_error(err, errlen, "KVM_RUN");
	}
	snprintf(err, errlen, "the guest is in the middle of an instruction that does not end");
	return -EBUSY;
}

static int save_msrs(struct vm *vm, struct vcpu_state *st)
{
	struct msr_list m;

	st->nmsrs = 0; /* those that this KVM does not know are left out */
	for (unsigned i = 0; i < MSRS_SAVED; i++) {
		m.head = (struct kvm_msrs){.nmsrs = 1};
		m.e[0] = (struct kvm_msr_entry){.index = msrs_saved[i]};
		if (ioctl(vm->vcpu, KVM_GET_MSRS, &m) == 1)
			st->msr[st->nmsrs++] = m.e[0];
	}
	return 0;
}

static int save_vcpu(struct vm *vm, struct vcpu_state *st, char *err, size_t errlen)
{
	const struct {
		unsigned long nr;
		void *arg;
		const char *name;
		bool optional; /* absent on an old KVM: zeroes are right then */
	} get[] = {
		{KVM_GET_REGS, &st->regs, "KVM_GET_REGS", false},
		{KVM_GET_SREGS, &st->sregs, "KVM_GET_SREGS", false},
		{KVM_GET_XSAVE, &st->xsave, "KVM_GET_XSAVE", false},
		{KVM_GET_XCRS, &st->xcrs, "KVM_GET_XCRS", true},
		{KVM_GET_DEBUGREGS, &st->debug, "KVM_GET_DEBUGREGS", true},
		{KVM_GET_VCPU_EVENTS, &st->events, "KVM_GET_VCPU_EVENTS", false},
		{KVM_GET_MP_STATE, &st->mp, "KVM_GET_MP_STATE", false},
	};

	for (unsigned i = 0; i < sizeof get / sizeof *get; i++)
		if (ioctl(vm->vcpu, get[i].nr, get[i].arg) && !get[i].optional)
			return vm_error(err, errlen, get[i].name);
	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &st->lapic))
		return vm_error(err, errlen, "KVM_GET_LAPIC");
	return save_msrs(vm, st);
}

int vm_state_save(struct vm *vm, struct vm_state *st, char *err, size_t errlen)
{
	memset(st, 0, sizeof *st);
	int r = vm_settle(vm, err, errlen);
	r = r ? r : save_vcpu(vm, &st->vcpu, err, errlen);
	if (r)
		return r;
	for (unsigned i = 0; i < vm->nslots; i++)
		virtio_dev_save(vm->slot[i].dev, &st->dev[i]);
	st->ndevs = vm->nslots;
	st->idle_exit = vm->idle_exit;
	st->mem_size = vm->gm.size;
	st->image_bias = vm->image_bias;
	st->tsc_hz = vm->layout.tsc_hz;
	st->freeze_gpa = vm->freeze_gpa;
	st->layout = vm->layout;
	st->wall_ns = clock_wall_ns();
	/* A paused guest's clock stands still. */
	st->mono_ns =
		vm->phase == VM_PAUSED && vm->paused_mono ? vm->paused_mono : vm_guest_mono(vm);
	st->tsc = __rdtsc();
	return 0;
}

/* --- load --- */

static int set_msrs(struct vm *vm, const struct vcpu_state *st, char *err, size_t errlen)
{
	struct msr_list m = {.head.nmsrs = st->nmsrs};

	memcpy(m.e, st->msr, st->nmsrs * sizeof *st->msr);
	int n = ioctl(vm->vcpu, KVM_SET_MSRS, &m);
	if (n == (int)st->nmsrs)
		return 0;
	if (n >= 0)
		snprintf(err, errlen, "KVM refuses MSR 0x%x", st->msr[n].index);
	return n < 0 ? vm_error(err, errlen, "KVM_SET_MSRS") : -EINVAL;
}

/* Registers, segments and pending events go in with the next KVM_RUN where KVM can: three calls
 * less. */
static int set_regs(struct vm *vm, const struct vcpu_state *st, char *err, size_t errlen)
{
	const uint64_t all = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;

	if ((vm->sync_regs & all) == all) {
		vm->run->s.regs.regs = st->regs;
		vm->run->s.regs.sregs = st->sregs;
		vm->run->s.regs.events = st->events;
		vm->run->kvm_dirty_regs = all;
		return 0;
	}
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &st->sregs))
		return vm_error(err, errlen, "KVM_SET_SREGS");
	if (ioctl(vm->vcpu, KVM_SET_REGS, &st->regs))
		return vm_error(err, errlen, "KVM_SET_REGS");
	if (ioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &st->events))
		return vm_error(err, errlen, "KVM_SET_VCPU_EVENTS");
	return 0;
}

/* 1 when the LAPIC is not as it was, 0, -errno. */
static int lapic_changed(struct vm *vm, const struct vcpu_state *st, char *err, size_t errlen)
{
	struct kvm_lapic_state now;

	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &now))
		return vm_error(err, errlen, "KVM_GET_LAPIC");
	return memcmp(&now, &st->lapic, sizeof now) != 0;
}

static int load_lapic(struct vm *vm, const struct vcpu_state *st, bool rewinding, char *err,
		      size_t errlen)
{
	/* A guest that does not idle by HLT has none of its own accord. */
	if (vm->idle_exit) {
		int r = rewinding ? lapic_changed(vm, st, err, errlen) : 0;

		if (r <= 0)
			return r;
	}
	/* Off and on again: a timer of the run that ends must not fire in the next. */
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &st->sregs))
		return vm_error(err, errlen, "KVM_SET_SREGS");
	if (ioctl(vm->vcpu, KVM_SET_LAPIC, &st->lapic))
		return vm_error(err, errlen, "KVM_SET_LAPIC");
	return 0;
}

/* In the order that KVM's documentation and QEMU settle on: what others depend on first. */
static int load_vcpu(struct vm *vm, const struct vcpu_state *st, bool rewinding, char *err,
		     size_t errlen)
{
	if (st->xcrs.nr_xcrs && ioctl(vm->vcpu, KVM_SET_XCRS, &st->xcrs))
		return vm_error(err, errlen, "KVM_SET_XCRS");
	if (ioctl(vm->vcpu, KVM_SET_XSAVE, &st->xsave))
		return vm_error(err, errlen, "KVM_SET_XSAVE");
	int r = load_lapic(vm, st, rewinding, err, errlen);

	r = r ? r : set_msrs(vm, st, err, errlen);
	if (!r && ioctl(vm->vcpu, KVM_SET_DEBUGREGS, &st->debug))
		r = vm_error(err, errlen, "KVM_SET_DEBUGREGS");
	if (!r && ioctl(vm->vcpu, KVM_SET_MP_STATE, &st->mp))
		r = vm_error(err, errlen, "KVM_SET_MP_STATE");
	return r ? r : set_regs(vm, st, err, errlen);
}

static int load(struct vm *vm, const struct vm_state *st, bool rewinding, char *err, size_t errlen)
{
	int r = 0;

	for (unsigned i = 0; i < vm->nslots && !r; i++) {
		r = virtio_dev_load(vm->slot[i].dev, &st->dev[i]);
		if (r)
			snprintf(err, errlen, "device %.31s does not fit its saved state: %s",
				 st->dev[i].id, strerror(-r));
	}
	vm->freeze_gpa = st->freeze_gpa;
	vm->froze_itself |= vm->freeze_gpa != 0;
	return r ? r : load_vcpu(vm, &st->vcpu, rewinding, err, errlen);
}

static int same_shape(const struct vm *vm, const struct vm_state *st, char *err, size_t errlen)
{
	const char *what = NULL;

	if (st->mem_size != vm->gm.size)
		what = "--mem";
	else if (st->ndevs != vm->nslots)
		what = "the number of devices";
	else if (!!st->idle_exit != vm->idle_exit)
		what = "--idle";
	for (unsigned i = 0; !what && i < vm->nslots; i++)
		if (st->dev[i].device_id != vm->slot[i].dev->ops->device_id)
			what = "the order of the devices";
	if (!what)
		return 0;
	snprintf(err, errlen, "%s is not that of the VM that was saved", what);
	return -EINVAL;
}

int vm_state_load(struct vm *vm, const struct vm_state *st, char *err, size_t errlen)
{
	int r = same_shape(vm, st, err, errlen);

	if (r)
		return r;
	vm->layout = st->layout;
	vm->image_bias = st->image_bias;
	vm->shared = gmem_ptr(&vm->gm, UK_GPA_BOOT + UK_OFF_SHARED, sizeof *vm->shared);
	return load(vm, st, false, err, errlen);
}

int vm_state_rewind(struct vm *vm, const struct vm_state *st, char *err, size_t errlen)
{
	return load(vm, st, true, err, errlen);
}
