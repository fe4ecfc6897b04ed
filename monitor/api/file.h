/* SPDX-License-Identifier: MIT
 *
 * file.h: a configuration file in the form of Firecracker's --config-file (FullVmConfiguration of
 * docs/openapi.yaml). Main thread; the file is hostile.
 */
#ifndef MONITOR_API_FILE_H
#define MONITOR_API_FILE_H

#include <jansson.h>
#include <stdbool.h>

#include "monitor/config.h"

/* Is it one? Its keys tell: docs/config.md has none of them. */
bool api_file_is(const json_t *root);
/* Add what it says to an initialised cfg. 0, or -EINVAL with the path of the offending key in err.
 * Nulls are taken out of root. */
int api_file_decode(struct vm_config *cfg, json_t *root, struct errtext *err);

#endif
