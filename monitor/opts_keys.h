/* SPDX-License-Identifier: MIT
 *
 * opts_keys.h: judges of the options whose value is KEYS: key=value,key=value about a device, a
 * snapshot or copies. The keys are config_field.h's; values are hostile. Main thread, no allocation
 * unless a value is long.
 */
#ifndef MONITOR_OPTS_KEYS_H
#define MONITOR_OPTS_KEYS_H

#include "monitor/opts.h"

/* What the judges of the options fill in. */
struct opts_ctx {
	struct vm_config *cfg;
	struct opts *opts;
	const char *name; /* of the option that is being judged */
};

int opts_set_block(void *ctx, const char *val, struct errtext *err);
int opts_set_net(void *ctx, const char *val, struct errtext *err);
int opts_set_restore(void *ctx, const char *val, struct errtext *err);
int opts_set_snapshot(void *ctx, const char *val, struct errtext *err);
int opts_set_fork(void *ctx, const char *val, struct errtext *err);

#endif
