/* SPDX-License-Identifier: MIT
 *
 * fds.h: which descriptors the program gets. Steps of apply.c; 0 or -errno.
 */
#ifndef JAILER_FDS_H
#define JAILER_FDS_H

#include "jailer/apply.h"

/* In the jailer, first of all: 0, 1 and 2 are open, what is handed over is, and is no way out. */
int fds_check(struct jail *jail);
/* In the jail: all but the named ones end when the program begins. */
int fds_leave_named(struct jail *jail);
/* In the jailer, when the program runs: it alone holds what was handed over. */
void fds_let_go(const struct jail_plan *plan);

#endif
