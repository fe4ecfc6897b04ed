/* SPDX-License-Identifier: MIT
 *
 * wset.h: the working set of a snapshot: the pages that a VM restored from it needs for its first
 * request. Recorded once, into STATE.ws; from then on they are read and mapped in one go before the
 * guest runs, those that will be written as copies of its own. A hint and no more: a missing,
 * foreign or damaged file costs time. vCPU thread.
 */
#ifndef MONITOR_SNAPSHOT_WSET_H
#define MONITOR_SNAPSHOT_WSET_H

#include <stddef.h>
#include <stdint.h>

#include "monitor/snapshot/format.h"

#define WSET_MAGIC "MAYFLYWS"

struct vm;

struct wset_run {
	uint32_t first; /* page */
	uint32_t count; /* pages; bit 31: they are written */
};
#define WSET_WRITTEN 0x80000000u

struct wset_head {
	char magic[8];
	uint32_t version; /* SNAP_VERSION */
	uint32_t nruns;
	uint8_t id[SNAP_ID];	     /* of the snapshot */
	uint8_t checksum[SNAP_HASH]; /* of the runs, which follow */
};

/* Guest memory is mapped: load the working set, or begin to record it. */
void wset_begin(struct vm *vm);
/* The guest has nothing to do, or has ended: has its first request been answered? */
void wset_idle(struct vm *vm);
/* It has: write down what was touched until now. */
void wset_done(struct vm *vm);
void wset_free(struct vm *vm);

/* Judge a file: its runs, or NULL. Pure. */
const struct wset_run *wset_decode(const void *buf, size_t len, const uint8_t id[SNAP_ID],
				   uint64_t npages, uint32_t *ret_nruns);

#endif
