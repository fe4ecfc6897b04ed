/* SPDX-License-Identifier: MIT
 *
 * timers.h: lwIP's periodic work, run only while something needs it (see timers.c).
 */
#ifndef UK_NET_TIMERS_H
#define UK_NET_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

/* Run what is due at `now` (monotonic ns). True when something ran. */
bool uk__net_timers_run(uint64_t now);
/* When uk__net_timers_run wants to be called next, UK_FOREVER when nothing is pending. */
uint64_t uk__net_timers_deadline(uint64_t now);
/* Before packets or system calls may set TCP to work: its clock runs fast from here on. Cheap. */
void uk__net_timers_touch(void);
/* A packet came: the network is not quiet. */
void uk__net_timers_activity(uint64_t now);

#endif
