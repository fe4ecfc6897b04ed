/* SPDX-License-Identifier: MIT
 *
 * disks.h: what disks with an overlay in memory hold, in the memory file of a snapshot (format.h).
 * vCPU thread with the VM stopped, or before it runs; what comes from a file is hostile.
 */
#ifndef MONITOR_SNAPSHOT_DISKS_H
#define MONITOR_SNAPSHOT_DISKS_H

#include <stddef.h>
#include <stdint.h>

struct dev_state;
struct overlay;
struct vm;
struct vm_state;

/* Those of vm into fd from offset `at` on; st learns where and with what hash. 0 and the bytes, or
 * -errno with a message. */
int disks_save(struct vm *vm, struct vm_state *st, int fd, uint64_t at, uint64_t *ret_len,
	       char *err, size_t errlen);
/* The way back, into overlays that are empty. 0, or -errno with a message that names the disk and
 * the way out. */
int disks_load(struct vm *vm, const struct vm_state *st, int fd, const char *path, char *err,
	       size_t errlen);

/* One disk's. NULL: it has no overlay (any more). */
int disk_save(struct overlay *ov, struct dev_state *st, int fd, uint64_t at, char *err,
	      size_t errlen);
int disk_load(struct overlay *ov, const struct dev_state *st, int fd, const char *path, char *err,
	      size_t errlen);

#endif
