/* SPDX-License-Identifier: MIT
 *
 * rlimit.h: the program's resource limits, soft and hard alike. A step of apply.c that runs in the
 * jail.
 */
#ifndef JAILER_RLIMIT_H
#define JAILER_RLIMIT_H

#include "jailer/apply.h"

int rlimit_set(struct jail *jail);

#endif
