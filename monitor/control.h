/* SPDX-License-Identifier: MIT
 *
 * control.h: the life cycle of a VM, and how other threads act on it. Work from outside (API,
 * snapshots) runs on the vCPU thread between two KVM_RUNs, so that nothing of the VM needs a lock
 * for it. Without control_init() none of this exists and the run loop pays one load per exit.
 */
#ifndef MONITOR_CONTROL_H
#define MONITOR_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

enum vm_phase {
	VM_NOT_STARTED, /* being configured; there may be no KVM object yet */
	VM_RUNNING,
	VM_PAUSED, /* does not run, devices are not served; control work and signals are */
	VM_ENDED   /* the guest exited or was stopped; the process is about to end */
};

/*
 * Let other threads control vm; the calling thread is (or will be) its vCPU thread. signals_init()
 * has been called. Survives vm_create() and vm_destroy(). 0 or -errno. control_fini() comes after
 * control_ended() and when no other thread is left that could call; it accepts a VM without
 * control.
 */
int control_init(struct vm *vm);
void control_fini(struct vm *vm);

/*
 * Run fn(vm, arg) on the vCPU thread and return its result. Any thread; waits until it is done;
 * several callers take turns. The guest is between two instructions: a pending MMIO access has been
 * completed, registers may be read and written. In IDLE_HLT mode the VM lock is held, so that the
 * I/O thread is out of the devices (fn must not stop that thread). Works while the guest runs,
 * sleeps in the monitor, is paused, or is not started (vm_wait_start). -ESHUTDOWN when the VM ends
 * before fn has run. Called on the vCPU thread it runs fn at once.
 */
int vm_control(struct vm *vm, int (*fn)(struct vm *vm, void *arg), void *arg)
	__attribute__((warn_unused_result));

/*
 * The same, but fn runs on the calling thread while the vCPU thread waits between two instructions:
 * for what the filter of the vCPU thread does not allow (open, rename, fork).
 */
int vm_hold(struct vm *vm, int (*fn)(struct vm *vm, void *arg), void *arg)
	__attribute__((warn_unused_result));
/* Any thread: the same as SIGTERM to the process. 0 or -ESHUTDOWN. */
int control_stop(struct vm *vm);

/* Any thread; it may change right after. */
enum vm_phase vm_phase(const struct vm *vm);

/* --- for fn of vm_control() and vm_hold() only --- */

/* Stop before the next instruction, and go on. Pausing a paused VM changes nothing. The guest's
 * monotonic clock stands meanwhile, its wall clock does not. */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* The VM was built (vm_create) and may enter vm_run: ends vm_wait_start(). paused: it first waits
 * for vm_resume(). */
void vm_started(struct vm *vm, bool paused);

/* --- for the run loop: vCPU thread only --- */

/* Serve control work until vm_started(). False when a signal asked to stop before that. */
bool vm_wait_start(struct vm *vm);
/* Do the work that waits. */
void control_serve(struct vm *vm);
/* Sleep until a signal or control work comes. */
void control_sleep(void);
/* The guest has ended, or will never run: who waits and who comes gets -ESHUTDOWN. */
void control_ended(struct vm *vm);

#endif
