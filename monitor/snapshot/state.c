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
#include "monitor/virtio/save.h"
#include "monitor/vm.h"

/* What a guest may have changed. Those that this KVM does not know are left out when saving. The
 * deadline comes last: it is armed against a LAPIC and a TSC that are already in place. */
static const uint32_t saved_msrs[] = {
	0xc0000081,		  /* STAR */
	0xc0000082,		  /* LSTAR */
	0xc0000083,		  /* CSTAR */
	0xc0000084,		  /* SFMASK */
	0xc0000102,		  /* KERNEL_GS_BASE */
	0xc0000103,		  /* TSC_AUX */
	0x174,			  /* SYSENTER_CS, ESP, EIP */
	0x175,	    0x176, 0x277, /* PAT */
	0x1a0,			  /* MISC_ENABLE */
	0x2ff,			  /* MTRR default type */
	0x6e0,			  /* TSC_DEADLINE */
};

_Static_assert(sizeof saved_msrs / sizeof *saved_msrs <= VM_STATE_MSRS, "they fit");

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry e[VM_STATE_MSRS];
};

/* --- save --- */

int vm_settle(struct vm *vm, char *err, size_t errlen)
{
	if (vm->held)
		return 0;
	vm->run->immediate_exit = 1;
	int r = ioctl(vm->vcpu, KVM_RUN, 0);

	if (r < 0 && errno != EINTR && errno != EAGAIN)
		return vm_error(err, errlen, "KVM_RUN");
	return 0;
}

static int save_msrs(struct vm *vm, struct vcpu_state *st)
{
	struct msr_list m;

	st->nmsrs = 0;
	for (unsigned i = 0; i < sizeof saved_msrs / sizeof *saved_msrs; i++) {
		m.head = (struct kvm_msrs){.nmsrs = 1};
		m.e[0] = (struct kvm_msr_entry){.index = saved_msrs[i]};
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
	if (!vm->idle_exit && ioctl(vm->vcpu, KVM_GET_LAPIC, &st->lapic))
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

/* In the order that KVM's documentation and QEMU settle on: what others depend on first. */
static int load_vcpu(struct vm *vm, const struct vcpu_state *st, bool rewinding, char *err,
		     size_t errlen)
{
	if (!rewinding && st->xcrs.nr_xcrs && ioctl(vm->vcpu, KVM_SET_XCRS, &st->xcrs))
		return vm_error(err, errlen, "KVM_SET_XCRS");
	if (ioctl(vm->vcpu, KVM_SET_XSAVE, &st->xsave))
		return vm_error(err, errlen, "KVM_SET_XSAVE");
	if (!vm->idle_exit) {
		/* Off and on again: a timer of the run that ends must not fire in the next. */
		if (ioctl(vm->vcpu, KVM_SET_SREGS, &st->sregs))
			return vm_error(err, errlen, "KVM_SET_SREGS");
		if (ioctl(vm->vcpu, KVM_SET_LAPIC, &st->lapic))
			return vm_error(err, errlen, "KVM_SET_LAPIC");
	}
	int r = set_msrs(vm, st, err, errlen);
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
