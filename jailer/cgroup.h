/* SPDX-License-Identifier: MIT
 *
 * cgroup.h: the jail's groups, one in each hierarchy that has a limit to set: v1, v2, or both at
 * once. A group belongs to the jailer that holds the lock of its directory, which is why only the
 * jailer's user can open that; one that bears a jailer's mark and that nobody holds is a dead
 * jail's, whatever has become of the record, and the next jail of its name takes its place.
 */
#ifndef JAILER_CGROUP_H
#define JAILER_CGROUP_H

#include "jailer/apply.h"

/* Steps of apply.c; 0 or -errno. In the jailer: make and fill them, and find how to enter. */
int cgroup_make(struct jail *jail);
/* In the jail. */
int cgroup_enter(struct jail *jail);
/* Path of the i-th group. 0 or -ENAMETOOLONG. */
int cgroup_path(const struct jail_plan *plan, unsigned i, char *buf, size_t len);
/*
 * Remove a group, ending first what still runs in it. held: its locked directory, -1: a dead
 * jailer's. No group is fine, and so is one that another jail has taken since; a path that is no
 * group is -ENOTDIR. Waits up to two seconds for the dead to leave.
 */
int cgroup_remove(const char *path, int held);

#endif
