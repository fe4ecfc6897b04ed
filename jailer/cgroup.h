/* SPDX-License-Identifier: MIT
 *
 * cgroup.h: the jail's groups, one in each hierarchy that has a limit to set: v1, v2, or both at
 * once.
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
 * Remove a group, ending first what still runs in it. No group is fine; a path that is no group is
 * -ENOTDIR. Waits up to two seconds for the dead to leave.
 */
int cgroup_remove(const char *path);

#endif
