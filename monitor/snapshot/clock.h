/* SPDX-License-Identifier: MIT
 *
 * clock.h: what a guest that went through a snapshot is told anew in its boot page: clocks and
 * seed. vCPU thread, VM stopped.
 */
#ifndef MONITOR_SNAPSHOT_CLOCK_H
#define MONITOR_SNAPSHOT_CLOCK_H

#include <stdint.h>

struct vm;

/* The guest's CLOCK_MONOTONIC now, ns: host time less what it slept through as a snapshot. */
uint64_t vm_guest_mono(const struct vm *vm);
/* The guest's monotonic clock goes on from mono_ns, its wall clock is the host's. */
void vm_clock_rebase(struct vm *vm, uint64_t mono_ns);
/* A deadline of the guest's clock in host CLOCK_MONOTONIC; 0 and UINT64_MAX stay what they are. */
uint64_t vm_host_deadline(const struct vm *vm, uint64_t guest_ns);
/* A new seed in the boot page, which the library OS mixes in before it gives out another random
 * byte, and a new generation id. vm_freeze_answer() does it by itself. */
void vm_seed(struct vm *vm);
/* Draws what the next vm_seed() gives: for a thread that cannot draw itself. */
void vm_seed_draw(struct vm *vm);
/* The same for a guest that goes on from anywhere but its freeze point: it finds out by a count in
 * its boot page. */
void vm_tell_restored(struct vm *vm);

#endif
