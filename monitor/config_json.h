/* SPDX-License-Identifier: MIT
 *
 * config_json.h: a configuration as JSON, in and out; docs/config.md describes the schema. Nothing
 * here runs unless --config-file or --json was said. Main thread; the file is hostile.
 */
#ifndef MONITOR_CONFIG_JSON_H
#define MONITOR_CONFIG_JSON_H

#include "monitor/config.h"

#define CONFIG_JSON_MAX (1u << 20) /* bytes of a configuration file */

/* Add what the text says to an initialised cfg. 0, or -EINVAL with the path of the offending key in
 * err. */
int config_json_decode(struct vm_config *cfg, const char *text, size_t len, struct errtext *err);
/* The same from a file, "-" being stdin; err names the file. */
int config_json_load(struct vm_config *cfg, const char *path, struct errtext *err);
/* Print cfg so that config_json_decode gives it back. 0, -EILSEQ (what is not UTF-8 cannot be JSON)
 * or -EIO. */
int config_json_print(const struct vm_config *cfg, FILE *out);
/* What of cfg a snapshot carries along, as JSON in fresh memory: kernel, command line, memory, idle
 * mode, devices. NULL when it cannot be said in UTF-8. */
char *config_json_shape(const struct vm_config *cfg);
/* The way back; any other key is an error. */
int config_json_decode_shape(struct vm_config *cfg, const char *text, size_t len,
			     struct errtext *err);

#endif
