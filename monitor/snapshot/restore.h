/* SPDX-License-Identifier: MIT
 *
 * restore.h: the pieces of vm_create() for a VM that does not boot: of a snapshot (cfg->snap), or
 * forked from another. vCPU thread.
 */
#ifndef MONITOR_SNAPSHOT_RESTORE_H
#define MONITOR_SNAPSHOT_RESTORE_H

#include <stddef.h>

struct snap_cpu;
struct vm;
struct vm_state;

/* Guest memory as the snapshot has it, over the zero pages that are there. 0 or -errno. */
int restore_memory(struct vm *vm, char *err, size_t errlen);
/* vCPU, devices and clocks as the snapshot has them; all are made. 0 or -errno. */
int restore_state(struct vm *vm, char *err, size_t errlen);
/*
 * The same from a state in memory: clocks go on, a guest that stands at its freeze point is told
 * who it is. Changes st where this VM is to differ (MAC).
 */
int restore_from(struct vm *vm, struct vm_state *st, const struct snap_cpu *cpu, char *err,
		 size_t errlen);

#endif
