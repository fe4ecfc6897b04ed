/* SPDX-License-Identifier: MIT
 *
 * stop.c: the end that a signal asks for. The guest is told, finishes the call it is in, writes its
 * file systems back and exits. It has a few seconds; more as long as its disks are at work, for how
 * long that takes is the disk's and the host's doing, and a guest that is cut off there leaves a
 * file system to repair. That is bounded, too: a guest may ignore the request and write for ever.
 * What does not stop in time is stopped, and said to be. vCPU thread.
 */
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "monitor/signals.h"
#include "monitor/virtio/blk.h"
#include "monitor/vm.h"

#define STOP_GRACE_S   2  /* for a guest whose disks do nothing, and between two looks at them */
#define STOP_LONGEST_S 30 /* whatever they do */

/* Has a disk had work since the last look, or has it some now? */
static bool disks_work(struct vm *vm)
{
	uint64_t requests = 0;
	bool busy = false;

	for (unsigned i = 0; i < vm->cfg->nblk; i++) {
		requests += vblk_requests(vm->slot[i].dev);
		busy |= vblk_busy(vm->slot[i].dev);
	}
	busy |= requests != vm->stop.requests;
	vm->stop.requests = requests;
	return busy;
}

void vm_stop_ask(struct vm *vm, const struct signals_seen *s)
{
	if (vm->stop_signal || s->stops > 1) {
		log_warn("a second signal to stop: stopped without the guest's consent");
		vm->exit_code = 128 + (vm->stop_signal ? vm->stop_signal : s->stop);
		return;
	}
	vm->stop_signal = s->stop;
	vm_resume(vm); /* a paused guest could not flush */
	__atomic_store_n(&vm->shared->stop, (uint32_t)s->stop, __ATOMIC_RELEASE);
	disks_work(vm);
	vm->stop.asked = vm_now();
	alarm(STOP_GRACE_S);
	vm->news = true;
	if (!vm->idle_exit) {
		struct kvm_msi wake = {.address_lo = 0xfee00000, .data = UK_VEC_TIMER};

		ioctl(vm->fd, KVM_SIGNAL_MSI,
		      &wake); /* out of HLT; failing, the grace period ends it */
	}
}

void vm_stop_grace_over(struct vm *vm)
{
	const uint64_t s = (vm_now() - vm->stop.asked) / 1000000000;
	const bool work = disks_work(vm);

	if (work && s + STOP_GRACE_S <= STOP_LONGEST_S) {
		alarm(STOP_GRACE_S);
		return;
	}
	log_warn("the guest did not stop within %u s of the signal%s: stopped without its consent",
		 (unsigned)s,
		 work ? " and is still at work on a disk, whose file system may need e2fsck" : "");
	vm->exit_code = 128 + vm->stop_signal;
}
