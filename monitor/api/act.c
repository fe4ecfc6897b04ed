/* SPDX-License-Identifier: MIT
 *
 * act.c: calls that make, run, stop or change a VM.
 */
#include <errno.h>
#include <string.h>

#include "monitor/api/api.h"
#include "monitor/api/handlers.h"
#include "monitor/api/model.h"

int api_result(struct api_call *call, int r, const char *prefix, const char *err)
{
	if (r >= 0)
		return 0;
	if (r == -ESHUTDOWN)
		return fault_set(&call->fault, "ended", "The microVM has ended.");
	return fault_set(&call->fault, r == -ENODEV ? "no_such_device" : "host_error", "%s%s.",
			 prefix, *err ? err : strerror(-r));
}

int api_start(struct api *api, struct api_call *call, struct vm_config *cfg, bool paused,
	      const char *prefix)
{
	char err[400] = "";
	int r = api->vmm->start(api->ctx, cfg, paused, err, sizeof err);

	if (r)
		api_free_config(cfg);
	return api_result(call, r, prefix, err);
}

static int instance_start(struct api *api, struct api_call *call, bool paused)
{
	struct vm_config *cfg = api_base_config(api, call);

	if (!cfg)
		return -EINVAL;
	if (model_config(api->model, cfg, true, &call->fault)) {
		api_free_config(cfg);
		return -EINVAL;
	}
	model_warn(api->model);
	return api_start(api, call, cfg, paused, "Start microvm error: ");
}

static int wrong_phase(struct api_call *call, const char *when)
{
	fault_set(&call->fault, "wrong_phase",
		  "The requested operation is not supported %s starting the microVM.", when);
	return fault_field(&call->fault, "action_type");
}

int api_create_sync_action(struct api *api, struct api_call *call)
{
	const char *type = json_string_value(json_object_get(call->body, "action_type"));
	bool started = api->vmm->phase(api->ctx) != VM_NOT_STARTED;
	char err[400] = "";

	if (!strcmp(type, "InstanceStart"))
		return started ? wrong_phase(call, "after") : instance_start(api, call, false);
	if (!started)
		return wrong_phase(call, "before");
	int r = !strcmp(type, "FlushMetrics") ? api->vmm->flush_metrics(api->ctx, err, sizeof err)
					      : api->vmm->stop(api->ctx, err, sizeof err);
	return api_result(call, r, "", err);
}

/* Every "fd" of a whole configuration. */
static int take_fds(struct api_call *call)
{
	static const char *const lists[] = {MODEL_DRIVES, MODEL_NETS};
	json_t *boot = json_object_get(call->body, "boot-source"), *v;
	size_t i;

	if (api_take_fd(call, boot))
		return fault_field(&call->fault, "boot-source");
	for (unsigned k = 0; k < 2; k++)
		json_array_foreach(json_object_get(call->body, lists[k]), i, v)
		{
			char at[40];

			if (!api_take_fd(call, v))
				continue;
			snprintf(at, sizeof at, "%s[%zu]", lists[k], i);
			return fault_field(&call->fault, at);
		}
	return 0;
}

/* Lists may be left out of the body; the model always has them. */
static int complete(json_t *model)
{
	int bad = 0;

	if (!json_object_get(model, MODEL_DRIVES))
		bad |= json_object_set_new(model, MODEL_DRIVES, json_array());
	if (!json_object_get(model, MODEL_NETS))
		bad |= json_object_set_new(model, MODEL_NETS, json_array());
	return bad;
}

int api_create_vm(struct api *api, struct api_call *call)
{
	json_t *before = api->model, *logger = json_object_get(call->body, "logger");
	bool paused = json_is_true(json_object_get(call->body, "paused"));
	int r = take_fds(call);

	if (!r && complete(call->body))
		r = fault_set(&call->fault, "host_error", "There is no memory left.");
	if (!r && logger)
		r = api_apply_logger(call, logger);
	if (r) {
		model_free(call->body);
		call->body = NULL;
		return r;
	}
	api->model = call->body;
	call->body = NULL;
	r = instance_start(api, call, paused);
	/* All or nothing. */
	model_free(r ? api->model : before);
	if (r)
		api->model = before;
	return r;
}

int api_patch_vm(struct api *api, struct api_call *call)
{
	const char *state = json_string_value(json_object_get(call->body, "state"));
	char err[400] = "";
	int r = !strcmp(state, "Paused") ? api->vmm->pause(api->ctx, err, sizeof err)
					 : api->vmm->resume(api->ctx, err, sizeof err);

	return api_result(call, r, "", err);
}

/* --- devices of a running VM --- */

static void bucket(const json_t *limiter, const char *key, struct api_bucket *ret)
{
	const json_t *v = json_object_get(limiter, key);

	if (!v)
		return;
	ret->given = true;
	ret->size = (uint64_t)json_integer_value(json_object_get(v, "size"));
	ret->refill_ms = (uint64_t)json_integer_value(json_object_get(v, "refill_time"));
	ret->burst = (uint64_t)json_integer_value(json_object_get(v, "one_time_burst"));
}

static struct api_limits limits(const json_t *body, const char *key)
{
	const json_t *limiter = json_object_get(body, key);
	struct api_limits l = {0};

	bucket(limiter, "bandwidth", &l.bandwidth);
	bucket(limiter, "ops", &l.ops);
	return l;
}

static int unknown_device(struct api_call *call)
{
	fault_set(&call->fault, "no_such_device", "Device not found");
	call->fault.status = 404;
	return -EINVAL;
}

/* What a PATCH changed, for GET /vm/config. A model that is short of memory is only out of date. */
static void remember(struct api *api, const struct api_call *call, const char *list)
{
	int at = model_find(api->model, list, call->id);

	if (at >= 0)
		(void)json_object_update(
			json_array_get(json_object_get(api->model, list), (size_t)at), call->body);
}

int api_patch_guest_drive_by_id(struct api *api, struct api_call *call)
{
	const char *path = json_string_value(json_object_get(call->body, "path_on_host"));
	struct api_limits l = limits(call->body, "rate_limiter");
	char err[400] = "";

	if (model_find(api->model, MODEL_DRIVES, call->id) < 0)
		return unknown_device(call);
	int r = api->vmm->patch_drive(api->ctx, call->id, path, &l, err, sizeof err);
	if (!r)
		remember(api, call, MODEL_DRIVES);
	return api_result(call, r, "Drive config error: Unable to patch the block device: ", err);
}

int api_patch_guest_network_interface_by_id(struct api *api, struct api_call *call)
{
	struct api_limits rx = limits(call->body, "rx_rate_limiter"),
			  tx = limits(call->body, "tx_rate_limiter");
	char err[400] = "";

	if (model_find(api->model, MODEL_NETS, call->id) < 0)
		return unknown_device(call);
	int r = api->vmm->patch_net(api->ctx, call->id, &rx, &tx, err, sizeof err);
	if (!r)
		remember(api, call, MODEL_NETS);
	return api_result(call, r, "Network config error: Unable to update the net device: ", err);
}
