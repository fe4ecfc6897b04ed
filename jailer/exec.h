/* SPDX-License-Identifier: MIT
 *
 * exec.h: the program: opened once, judged, and executed by that descriptor. Never copied: all
 * jails share the pages of one file. Steps of apply.c; 0 or -errno.
 */
#ifndef JAILER_EXEC_H
#define JAILER_EXEC_H

#include "jailer/apply.h"

/* In the jailer. */
int exec_open(struct jail *jail);
/* In the jail, last: returns only when it failed. */
int exec_run(struct jail *jail);

#endif
