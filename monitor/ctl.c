/* SPDX-License-Identifier: MIT
 *
 * ctl.c: the control page: exit, crash, console doorbell, idle. Writes come from the guest with any
 * offset, width and value; what is not a register is ignored. vCPU thread; takes the VM lock where
 * devices are touched.
 */
#include "monitor/api/events.h"
#include "monitor/serve/serve.h"
#include "monitor/signals.h"
#include "monitor/snapshot/clock.h"
#include "monitor/snapshot/freeze.h"
#include "monitor/snapshot/wset.h"
#include "monitor/vm.h"

/*
 * The guest has nothing to do. Serve what it queued, and when that gives it no news, sleep for it.
 * One exit does the work of a doorbell per queue, an interrupt, and HLT.
 */
static void ctl_idle(struct vm *vm, uint64_t deadline_ns)
{
	vm->m.ctl_idle++;
	console_drain(&vm->console, &vm->gm, vm->shared);
	if (vm->io_running)
		return; /* a guest that has an I/O thread and idles by HLT has no business here */
	vm_devices_serve(vm);
	if (vm->events)
		events_marks(vm->events, vm);
	if (!vm->boot_reported && vm->cfg->boot_timer)
		report_boot(vm, false);
	if (vm->wset)
		wset_idle(vm);
	vm_devices_wait(vm, vm_host_deadline(vm, deadline_ns));
}

void vm_ctl_write(struct vm *vm, uint64_t off, uint64_t val, unsigned len)
{
	if (off == UK_CTL_IDLE && len == 8) {
		ctl_idle(vm, val);
	} else if (off == UK_CTL_CONSOLE && len == 4) {
		vm->m.ctl_console++;
		console_drain(&vm->console, &vm->gm, vm->shared);
	} else if (off == UK_CTL_EXIT && len == 4) {
		vm->m.ctl_exit++;
		vm->exit_code = (int)(val & 0xff);
	} else if (off == UK_CTL_FREEZE && len == 8) {
		vm_freeze(vm, val);
	} else if (off == UK_CTL_REPLY && len == 8) {
		serve_reply(vm, val);
	} else if (off == UK_CTL_CRASH && len == 8) {
		vm->m.ctl_crash++;
		console_drain(&vm->console, &vm->gm, vm->shared);
		crash_report_fault(vm, val);
		vm->exit_code = 134;
	}
}
