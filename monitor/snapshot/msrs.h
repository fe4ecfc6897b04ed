/* SPDX-License-Identifier: MIT
 *
 * msrs.h: the model specific registers that belong to a guest: what is saved of them, and what it
 * may write once it is to be put back. vCPU thread.
 */
#ifndef MONITOR_SNAPSHOT_MSRS_H
#define MONITOR_SNAPSHOT_MSRS_H

#include <stddef.h>
#include <stdint.h>

struct vm;

#define MSRS_SAVED 13u

/* What a guest may have changed. The deadline comes last: it is armed against a LAPIC and a TSC
 * that are already in place. */
extern const uint32_t msrs_saved[MSRS_SAVED];

/*
 * From now on the guest can write no register but those that a rewind puts back: the ones above,
 * those in KVM's segment registers, the x2APIC's. Another write is a #GP; reading stays as it was.
 * 0, or -errno with a message.
 */
int msrs_limit(struct vm *vm, char *err, size_t errlen);

#endif
