/* SPDX-License-Identifier: MIT
 *
 * check_host.h: --check-host: reads the host's settings that decide what VMs can learn from each
 * other and what a guest that has broken out would find, and names the fix for each. Reads only.
 * Main thread.
 */
#ifndef MONITOR_CHECK_HOST_H
#define MONITOR_CHECK_HOST_H

#include <stdbool.h>
#include <stdio.h>

/* Every file is looked for below root ("" for this host; tests make their own). 0: all is well; 1:
 * at least one warning; -errno when it cannot be printed. */
int check_host(const char *root, bool json, FILE *out);

#endif
