/* SPDX-License-Identifier: MIT
 *
 * freeze.h: how a clone's new identity reaches the modules that keep one.
 */
#ifndef UK_FREEZE_H
#define UK_FREEZE_H

#include <stdbool.h>

#include "uk_abi.h"

/* uname(2)'s nodename from now on; cut to 64 bytes. proc.c. */
void uk__hostname_set(const char *name);
/* New addresses for the NIC of slot; NULL when there is no network in this image. net/rebind.c. */
extern void uk__net_rebind(unsigned slot, const struct uk_restore_dev *who) __attribute__((weak));

/*
 * A program that has registered functions is another one since they ran: made so where it stood,
 * not at its freeze point. NULL in an image without freeze.c.
 */
extern bool uk__restored_due(void) __attribute__((weak));
/* Run them. Between two calls of the program's that wait: nothing of the C library or ours is
 * halfway then. */
extern void uk__restored_run(void) __attribute__((weak));
/* Is such a call under way, so that it has to end for them? sys.c. */
extern bool uk__restored_wanted;

#endif
