/* SPDX-License-Identifier: MIT
 *
 * policies.h: the policies of this folder as the build compiled them (build/gen/policies.c).
 */
#ifndef MONITOR_SECCOMP_POLICIES_H
#define MONITOR_SECCOMP_POLICIES_H

#include "lib/filter.h"

extern const struct filter_policy filter_setup, filter_vcpu, filter_io, filter_api, filter_lazy;

#endif
