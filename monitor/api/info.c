/* SPDX-License-Identifier: MIT
 *
 * info.c: calls that only read.
 */
#include <errno.h>
#include <string.h>

#include "monitor/api/api.h"
#include "monitor/api/handlers.h"
#include "monitor/api/model.h"

#define FIRECRACKER_API "1.17.0" /* whose shape docs/openapi.yaml has */

int api_answer_json(struct api_call *call, json_t *v)
{
	call->text = v ? json_dumps(v, JSON_COMPACT) : NULL;
	json_decref(v);
	if (!call->text)
		return fault_set(&call->fault, "host_error", "There is no memory left.");
	call->text_len = strlen(call->text);
	call->type = "application/json";
	return 0;
}

int api_describe_instance(struct api *api, struct api_call *call)
{
	static const char *const states[] = {"Not started", "Running", "Paused", "Running"};

	return api_answer_json(call, json_pack("{s:s, s:s, s:s, s:s}", "id",
					       api->id ? api->id : "anonymous-instance", "state",
					       states[api->vmm->phase(api->ctx)], "vmm_version",
					       MAYFLY_VERSION, "app_name", "Mayfly"));
}

int api_get_version(struct api *api, struct api_call *call)
{
	(void)api;
	return api_answer_json(call, json_pack("{s:s}", "firecracker_version", FIRECRACKER_API));
}

int api_get_machine_configuration(struct api *api, struct api_call *call)
{
	json_t *all = model_export(api->model);
	json_t *machine = json_incref(json_object_get(all, "machine-config"));

	json_decref(all);
	return api_answer_json(call, machine);
}

int api_get_export_vm_config(struct api *api, struct api_call *call)
{
	return api_answer_json(call, model_export(api->model));
}

int api_get_metrics(struct api *api, struct api_call *call)
{
	call->text = api->vmm->metrics(api->ctx, &call->text_len);
	call->type = "text/plain; version=0.0.4";
	return call->text ? 0 : fault_set(&call->fault, "host_error", "There is no memory left.");
}

int api_get_events(struct api *api, struct api_call *call)
{
	if (!api->events)
		return fault_set(&call->fault, "host_error", "Events are not recorded.");
	call->stream = true;
	return 0;
}
