/* SPDX-License-Identifier: MIT
 *
 * rewind.h: a running VM back to a point in its past, in place: no KVM object is made again, and
 * the price is that of the pages written since. vCPU thread, VM lock held.
 */
#ifndef MONITOR_SNAPSHOT_REWIND_H
#define MONITOR_SNAPSHOT_REWIND_H

#include <stddef.h>
#include <stdint.h>

#include "monitor/metrics.h"

struct vm;

/*
 * This is the point to return to. Writes are logged from here on; pages with content are copied,
 * once. A second call moves the point. 0, or -errno with a message in err.
 */
int vm_rewind_arm(struct vm *vm, char *err, size_t errlen);
/*
 * Back to it: memory, registers, LAPIC, FPU, MSRs, devices, the guest's monotonic clock. Wall clock
 * and random seed are new. 0, or -errno with a message; the VM is not to be run after a failure.
 */
int vm_rewind(struct vm *vm, char *err, size_t errlen);
/* The same for whoever is no server of requests: a guest that stands at its freeze point learns
 * that it was rewound. For vm_control(). */
int vm_rewind_answer(struct vm *vm, char *err, size_t errlen);
void vm_rewind_free(struct vm *vm);
/* Counters since the VM started; zeroes when it was never armed. */
struct rewind_metrics vm_rewind_metrics(const struct vm *vm);

#endif
