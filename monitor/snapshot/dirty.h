/* SPDX-License-Identifier: MIT
 *
 * dirty.h: the pages that were written since the last full snapshot: KVM's dirty log for what the
 * vCPU wrote, gm->dirty for the monitor. Exists only with cfg->track_dirty. vCPU thread.
 */
#ifndef MONITOR_SNAPSHOT_DIRTY_H
#define MONITOR_SNAPSHOT_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/snapshot/format.h"

struct vm;

struct dirty {
	uint64_t *pages; /* a bit a page: since base */
	uint64_t *log;	 /* room for KVM's answer */
	uint64_t words;
	bool has_base;
	uint8_t base_id[SNAP_ID];
};

/* Start to log; before the memory region is given to KVM with KVM_MEM_LOG_DIRTY_PAGES. 0 or -errno.
 */
int dirty_start(struct vm *vm, char *err, size_t errlen);
/* Take in what has been written since the last call. 0 or -errno. */
int dirty_collect(struct vm *vm, char *err, size_t errlen);
/* All of memory is in the full snapshot id: nothing is dirty any more. */
void dirty_rebase(struct vm *vm, const uint8_t id[SNAP_ID]);
void dirty_free(struct vm *vm);

#endif
