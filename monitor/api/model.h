/* SPDX-License-Identifier: MIT
 *
 * model.h: the configuration as calls have put it together, a JSON object in the form of
 * FullVmConfiguration (docs/openapi.yaml), and its translation into a vm_config: to the keys of
 * docs/config.md, judged by their judges. No VM, no socket. One thread; what is put in has passed
 * schema_judge().
 */
#ifndef MONITOR_API_MODEL_H
#define MONITOR_API_MODEL_H

#include <jansson.h>

#include "monitor/api/fault.h"
#include "monitor/config.h"

#define MODEL_DRIVES "drives"
#define MODEL_NETS   "network-interfaces"

/* A descriptor that came with a call is kept in its object under this key, as its number. */
#define MODEL_FD "_fd"

/* NULL: out of memory. */
json_t *model_new(void);
/* Frees it and closes its descriptors; accepts NULL. */
void model_free(json_t *model);

/* Where the device of that id stands in the list, -1 when it is not there. */
int model_find(const json_t *model, const char *list, const char *id);
/* Add or replace; takes its own reference of dev. 0 or -ENOMEM. */
int model_put_device(json_t *model, const char *list, const char *id, json_t *dev);

/*
 * Put what the model says into cfg. whole: it has to be enough to start, else only what is there is
 * judged. 0, or -EINVAL with text, code and field.
 */
int model_config(const json_t *model, struct vm_config *cfg, bool whole, struct api_fault *fault);
/* Put the x-config properties of v, an object of that schema, into cfg, or into its device of that
 * id when dev_list says so ("block", "net"). For what re-binds a snapshot or a copy. */
int model_overlay(const json_t *v, unsigned schema, struct vm_config *cfg, const char *dev_list,
		  const char *id, struct api_fault *fault);

/* What a Logger says; its path is that of the object. */
struct log_config model_logger(const json_t *logger);
/* Warn of what is taken and not done: once a start. */
void model_warn(const json_t *model);

/* The other way: what docs/config.md's JSON says, as a model. NULL: out of memory, or not JSON. */
json_t *model_of_config(const char *text);
/* A copy for the world: with defaults, without descriptors. */
json_t *model_export(const json_t *model);

#endif
