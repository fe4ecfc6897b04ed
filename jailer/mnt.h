/* SPDX-License-Identifier: MIT
 *
 * mnt.h: the room: a root file system of its own with device nodes and what is bound into it. Steps
 * of apply.c that run in the jail; 0 or -errno. All mounts are made by descriptor, in the jail's
 * mount namespace only: they end with it.
 */
#ifndef JAILER_MNT_H
#define JAILER_MNT_H

#include "jailer/apply.h"

int mnt_root(struct jail *jail);
int mnt_devices(struct jail *jail);
int mnt_binds(struct jail *jail);
/* Makes the room read-only, makes it the root and lets go of the host's. */
int mnt_pivot(struct jail *jail);

#endif
