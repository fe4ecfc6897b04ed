/* SPDX-License-Identifier: MIT
 *
 * rebind.h: the address that a clone was given, for config.c.
 */
#ifndef UK_NET_REBIND_H
#define UK_NET_REBIND_H

#include <stdbool.h>

struct uk_nif;

/* Give nif, NIC i, the address that came with the restore; false when none did. */
bool uk__net_given(struct uk_nif *nif, unsigned i);

#endif
