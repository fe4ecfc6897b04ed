/* SPDX-License-Identifier: MIT
 *
 * wset_file.h: the file of a working set (wset.h), without a VM. Any thread.
 */
#ifndef MONITOR_SNAPSHOT_WSET_FILE_H
#define MONITOR_SNAPSHOT_WSET_FILE_H

#include "monitor/snapshot/wset.h"

/* 0 or -errno; -EBUSY: another VM is writing the same. */
int wset_write(const char *path, const uint8_t id[SNAP_ID], const struct wset_run *run,
	       uint32_t nruns);

#endif
