/* SPDX-License-Identifier: MIT
 *
 * caps.h: giving up privilege for good. Steps of apply.c that run in the jail; 0 or -errno.
 */
#ifndef JAILER_CAPS_H
#define JAILER_CAPS_H

#include "jailer/apply.h"

/* Securebits, user and groups, all five sets of capabilities, no_new_privs, no memory both written
 * and executed. */
int caps_drop_all(struct jail *jail);
/* In the reaper: only what it needs to end the program stays. */
void caps_keep_kill(void);

#endif
