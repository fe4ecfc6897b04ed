/* SPDX-License-Identifier: MIT
 *
 * clock.h: a monotonic clock that stands where a test puts it. Programs with clock.c are linked
 * with -Wl,--wrap=clock_gettime.
 */
#ifndef TESTS_UNIT_CLOCK_H
#define TESTS_UNIT_CLOCK_H

#include <stdint.h>

extern uint64_t fake_now; /* ns; 0: the clock is the host's */

#endif
