/* SPDX-License-Identifier: MIT
 *
 * freeze.h: how a clone's new identity reaches the modules that keep one.
 */
#ifndef UK_FREEZE_H
#define UK_FREEZE_H

#include "uk_abi.h"

/* uname(2)'s nodename from now on; cut to 64 bytes. proc.c. */
void uk__hostname_set(const char *name);
/* New addresses for the NIC of slot; NULL when there is no network in this image. net/rebind.c. */
extern void uk__net_rebind(unsigned slot, const struct uk_restore_dev *who) __attribute__((weak));

#endif
