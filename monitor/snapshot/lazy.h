/* SPDX-License-Identifier: MIT
 *
 * lazy.h: guest memory that is read from a snapshot, and checked against its hash tree, chunk by
 * chunk when it is first touched: by the guest, by a device, by the kernel on behalf of either.
 * Needs userfaultfd for faults in the kernel: privilege, vm.unprivileged_userfaultfd, or
 * /dev/userfaultfd.
 */
#ifndef MONITOR_SNAPSHOT_LAZY_H
#define MONITOR_SNAPSHOT_LAZY_H

#include <stddef.h>

#include "monitor/gmem.h"

struct lazy;
struct snapshot;

/*
 * Serve gm's memory (untouched until now) from s, which outlives it; s is no diff. A thread of its
 * own does; a chunk that does not match its hash ends the process there and then, before anybody
 * has seen it. 0; -EPERM or -ENOSYS when this process may not; other -errno. Messages for all.
 */
int lazy_start(struct lazy **ret, const struct snapshot *s, const struct gmem *gm, char *err,
	       size_t errlen);
/* Everything is in memory afterwards. For what cannot wait: a fork. vCPU thread. */
void lazy_complete(struct lazy *l);
void lazy_stop(struct lazy *l); /* accepts NULL; untouched memory is gone then */
/* In a forked copy, after lazy_complete: there is no such thread here. */
void lazy_leave(struct lazy *l);

#endif
