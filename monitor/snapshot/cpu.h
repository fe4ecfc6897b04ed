/* SPDX-License-Identifier: MIT
 *
 * cpu.h: what a CPU can do, for a guest that has already looked. A snapshot goes on where the
 * vendor is the same and every feature that it saw is there. Pure. Any thread.
 */
#ifndef MONITOR_SNAPSHOT_CPU_H
#define MONITOR_SNAPSHOT_CPU_H

#include <stddef.h>

#include "monitor/snapshot/format.h"

struct kvm_cpuid2;

/* The feature words in what KVM gave to (or would give to) a vCPU. */
void snap_cpu_collect(const struct kvm_cpuid2 *cpuid, struct snap_cpu *ret_cpu);
/* 0, or -ENOTSUP with a message that names what host lacks. */
int snap_cpu_check(const struct snap_cpu *saved, const struct snap_cpu *host, char *err,
		   size_t errlen);

#endif
