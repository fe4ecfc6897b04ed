/* SPDX-License-Identifier: MIT
 *
 * report.h: `mayfly-seccomp report`: rules against the logs of `mayfly-seccomp trace`.
 */
#ifndef MONITOR_SECCOMP_REPORT_H
#define MONITOR_SECCOMP_REPORT_H

#include "monitor/seccomp/policy.h"

/* Prints every rule with how often it was used. Exit status: 1 when one was never used. */
int report(const struct policy *policies, char *const *paths, unsigned n, char *const *logs,
	   unsigned nlogs);

#endif
