/* SPDX-License-Identifier: MIT
 *
 * handlers.h: what each call of docs/openapi.yaml does, by operationId. Phase, id and form of the
 * body have been judged. 0 with the answer in call (nothing: 204), or -EINVAL with call->fault. API
 * thread.
 */
#ifndef MONITOR_API_HANDLERS_H
#define MONITOR_API_HANDLERS_H

#include <stdbool.h>

struct api;
struct api_call;
struct json_t;
struct vm_config;

/* info.c */
int api_describe_instance(struct api *api, struct api_call *call);
int api_get_version(struct api *api, struct api_call *call);
int api_get_machine_configuration(struct api *api, struct api_call *call);
int api_get_export_vm_config(struct api *api, struct api_call *call);
int api_get_metrics(struct api *api, struct api_call *call);
int api_get_events(struct api *api, struct api_call *call);

/* configure.c */
int api_put_guest_boot_source(struct api *api, struct api_call *call);
int api_put_machine_configuration(struct api *api, struct api_call *call);
int api_patch_machine_configuration(struct api *api, struct api_call *call);
int api_put_guest_drive_by_id(struct api *api, struct api_call *call);
int api_delete_guest_drive_by_id(struct api *api, struct api_call *call);
int api_put_guest_network_interface_by_id(struct api *api, struct api_call *call);
int api_delete_guest_network_interface_by_id(struct api *api, struct api_call *call);
int api_put_logger(struct api *api, struct api_call *call);
int api_put_metrics(struct api *api, struct api_call *call);

/* act.c */
int api_create_sync_action(struct api *api, struct api_call *call);
int api_create_vm(struct api *api, struct api_call *call);
int api_patch_vm(struct api *api, struct api_call *call);
int api_patch_guest_drive_by_id(struct api *api, struct api_call *call);
int api_patch_guest_network_interface_by_id(struct api *api, struct api_call *call);

/* snapshots.c */
int api_create_snapshot(struct api *api, struct api_call *call);
int api_load_snapshot(struct api *api, struct api_call *call);
int api_rewind_vm(struct api *api, struct api_call *call);
int api_fork_vm(struct api *api, struct api_call *call);

/* --- for handlers --- */

/* A JSON answer; takes v, NULL: out of memory. */
int api_answer_json(struct api_call *call, struct json_t *v);
/* What came back from the VM: 0, or the fault that r and err stand for, with prefix before it. */
int api_result(struct api_call *call, int r, const char *prefix, const char *err);
/* Start what cfg (from calloc, with base_config() in it) says; takes cfg. */

int api_start(struct api *api, struct api_call *call, struct vm_config *cfg, bool paused,
	      const char *prefix);
/* A new configuration with what the command line says, NULL with call->fault. */
struct vm_config *api_base_config(struct api *api, struct api_call *call);
void api_free_config(struct vm_config *cfg);
/* Put the logger's settings in force. */
int api_apply_logger(struct api_call *call, const struct json_t *logger);
/* Put the descriptor that v's "fd" counts into v, and out of the call. */
int api_take_fd(struct api_call *call, struct json_t *v);

#endif
