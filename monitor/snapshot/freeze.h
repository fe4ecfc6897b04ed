/* SPDX-License-Identifier: MIT
 *
 * freeze.h: UK_CTL_FREEZE, the point at which a guest lets itself be snapshotted, and what a clone
 * is told there of who it is. vCPU thread.
 */
#ifndef MONITOR_SNAPSHOT_FREEZE_H
#define MONITOR_SNAPSHOT_FREEZE_H

#include <stddef.h>
#include <stdint.h>

#include "uk_abi.h"

struct vm;

/* Who a clone is. All zero: whoever it was. */
struct vm_identity {
	struct uk_restore_dev dev[UK_MAX_DEVS]; /* by slot */
	char hostname[64];
	char env[2048]; /* NAME=VALUE, each NUL-terminated */
	uint32_t env_len;
};

/* The guest wrote gpa to UK_CTL_FREEZE. */
void vm_freeze(struct vm *vm, uint64_t gpa);
/*
 * Fill in the guest's freeze page before it goes on: why, a new generation id and seed, clocks, id
 * (NULL: nothing changes). req_len: bytes of a request that stand at the guest's request buffer.
 * Nothing is done when the guest stands at no freeze point.
 */
void vm_freeze_answer(struct vm *vm, enum uk_why why, const struct vm_identity *id,
		      uint64_t req_len);
/* Where the guest takes requests; len 0 when it takes none. Judged against RAM. */
struct vm_request_buf {
	uint64_t gpa, len;
};
struct vm_request_buf vm_freeze_request_buf(const struct vm *vm);

#endif
