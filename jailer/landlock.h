/* SPDX-License-Identifier: MIT
 *
 * landlock.h: a second lock on the room, one that holds even where the first is broken: only what
 * was put there can be opened, nothing but the program executed, no TCP, no signal and no abstract
 * socket to anybody outside. By raw system calls; what this kernel's version does not know is left
 * out.
 */
#ifndef JAILER_LANDLOCK_H
#define JAILER_LANDLOCK_H

#include "jailer/apply.h"

/* Version of the kernel's Landlock, 0: none. */
int landlock_abi(void);
/* Step of apply.c, in the jail after no_new_privs; 0 or -errno. */
int landlock_enforce(struct jail *jail);

#endif
