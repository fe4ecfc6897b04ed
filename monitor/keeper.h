/* SPDX-License-Identifier: MIT
 *
 * keeper.h: a thread that does for the vCPU thread what that one's filter forbids: at the freeze
 * point it writes the snapshot and makes the copies that the command line asks for, and it writes
 * the record of what a restored guest touched. It has a filter of its own (api.policy), is there
 * only when one of these is to come, and ends when none is. vCPU thread.
 */
#ifndef MONITOR_KEEPER_H
#define MONITOR_KEEPER_H

#include <stddef.h>

struct vm;

/* Before the VM runs: if there will be work for one. 0 or -errno with a message. */
int keeper_start(struct vm *vm, char *err, size_t errlen);
/* fn(vm, arg) on the keeper's thread, or here where there is none; returns its result. The vCPU has
 * been settled (vm_settle) if fn looks at it. */
int keeper_run(struct vm *vm, int (*fn)(struct vm *vm, void *arg), void *arg);
/* The VM did not run. Accepts a VM without one. */
void keeper_stop(struct vm *vm);

#endif
