/* SPDX-License-Identifier: MIT
 *
 * snapshots.c: calls on /snapshot and /vm/fork. What a clone or a copy is told to be goes through
 * the judges of the configuration, on top of what it inherits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api_tables.h"
#include "monitor/api/api.h"
#include "monitor/api/handlers.h"
#include "monitor/api/model.h"
#include "monitor/api/schema.h"

#define COPIES_MAX 64

static const char *text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

int api_create_snapshot(struct api *api, struct api_call *call)
{
	const char *type = text_of(call->body, "snapshot_type");
	char err[400] = "";
	int r = api->vmm->snapshot(api->ctx, text_of(call->body, "snapshot_path"),
				   text_of(call->body, "mem_file_path"),
				   type && !strcmp(type, "Diff"), err, sizeof err);

	return api_result(call, r, "Create snapshot error: ", err);
}

int api_rewind_vm(struct api *api, struct api_call *call)
{
	char err[400] = "";
	int r = api->vmm->rewind(api->ctx, !strcmp(text_of(call->body, "action"), "Mark"), err,
				 sizeof err);

	return api_result(call, r, "Rewind error: ", err);
}

/* Of a clone or copy: who it is, and what its devices stand on. */
static int rebind(const json_t *v, unsigned schema, struct vm_config *cfg, struct api_fault *fault)
{
	static const struct {
		const char *list, *id, *devices;
		unsigned schema;
	} kinds[] = {
		{"network_overrides", "iface_id", "net", SCHEMA_ID_NetworkOverride},
		{"drive_overrides", "drive_id", "block", SCHEMA_ID_DriveOverride},
	};
	json_t *dev;
	size_t i;

	for (unsigned k = 0; k < 2; k++)
		json_array_foreach(json_object_get(v, kinds[k].list), i, dev)
		{
			char at[40];

			snprintf(at, sizeof at, "%s[%zu]", kinds[k].list, i);
			if (model_overlay(dev, kinds[k].schema, cfg, kinds[k].devices,
					  text_of(dev, kinds[k].id), fault))
				return fault_field(fault, at);
		}
	return model_overlay(v, schema, cfg, NULL, NULL, fault);
}

/* mem_file_path is Firecracker's old way to say it, mem_backend the new one. */
static int mem_path(struct api_call *call, const char **ret_path)
{
	const char *old = text_of(call->body, "mem_file_path"),
		   *path = text_of(json_object_get(call->body, "mem_backend"), "backend_path");

	*ret_path = old ? old : path;
	if (!old != !path)
		return 0;
	fault_set(&call->fault, old ? "bad_value" : "missing_field",
		  "An error occurred when deserializing the json body of a request: %s field%s: "
		  "either `mem_backend` or `mem_file_path` %sis required.",
		  old ? "too many" : "missing", old ? "s" : "", old ? "exclusively " : "");
	return fault_field(&call->fault, "mem_file_path");
}

/* Firecracker's rule: a VM is configured or loaded. */
static bool configured(const struct api *api)
{
	return json_object_get(api->model, "boot-source") ||
	       json_object_get(api->model, "machine-config") ||
	       json_array_size(json_object_get(api->model, MODEL_DRIVES)) ||
	       json_array_size(json_object_get(api->model, MODEL_NETS));
}

int api_load_snapshot(struct api *api, struct api_call *call)
{
	struct api_snapshot snap = {
		.state = text_of(call->body, "snapshot_path"),
		.key = text_of(call->body, "key"),
		.sig = text_of(call->body, "sig"),
		.track_dirty = json_is_true(json_object_get(call->body, "track_dirty_pages")) ||
			       json_is_true(json_object_get(call->body, "enable_diff_snapshots")),
	};
	bool paused = !json_is_true(json_object_get(call->body, "resume_vm"));
	char err[400] = "";

	if (mem_path(call, &snap.mem))
		return -EINVAL;
	if (snap.sig && !snap.key) {
		fault_set(&call->fault, "bad_value", "`sig` has no effect without `key`.");
		return fault_field(&call->fault, "sig");
	}
	if (configured(api))
		return fault_set(
			&call->fault, "wrong_phase",
			"Load snapshot error: Loading a microVM snapshot not allowed after "
			"configuring boot-specific resources.");
	struct vm_config *cfg = api_base_config(api, call);
	if (!cfg)
		return -EINVAL;
	int r = api->vmm->load_config(api->ctx, cfg, &snap, err, sizeof err);
	r = r ? api_result(call, r, "Load snapshot error: ", err)
	      : rebind(call->body, SCHEMA_ID_SnapshotLoadParams, cfg, &call->fault);
	if (r) {
		api_free_config(cfg);
		return r;
	}
	r = api_start(api, call, cfg, paused, "Load snapshot error: ");
	if (!r) {
		char *text = api->vmm->config(api->ctx);
		json_t *model = model_of_config(text);

		free(text);
		if (model) {
			model_free(api->model);
			api->model = model;
		}
	}
	return r;
}

static int prepare_copies(struct api *api, struct api_call *call, struct vm_config **cfg)
{
	json_t *copy;
	size_t i;

	json_array_foreach(json_object_get(call->body, "copies"), i, copy)
	{
		struct errtext err;
		char at[40];

		cfg[i] = calloc(1, sizeof **cfg);
		if (!cfg[i])
			return fault_set(&call->fault, "host_error", "There is no memory left.");
		if (api->vmm->fork_config(api->ctx, cfg[i], &err))
			return fault_set(&call->fault, "host_error", "Fork error: %s.", err.text);
		snprintf(at, sizeof at, "copies[%zu]", i);
		cfg[i]->start_paused = json_is_true(json_object_get(copy, "paused"));
		if (cfg[i]->start_paused && !text_of(copy, "api_sock")) {
			fault_set(&call->fault, "missing_field",
				  "Fork error: a copy that starts paused needs an api_sock of its "
				  "own: nobody could resume it.");
			return fault_field(&call->fault, at);
		}
		if (rebind(copy, SCHEMA_ID_Copy, cfg[i], &call->fault))
			return fault_field(&call->fault, at);
	}
	return 0;
}

static int answer_pids(struct api_call *call, const pid_t *pids, size_t n)
{
	json_t *list = json_array();
	int bad = 0;

	for (size_t i = 0; i < n; i++)
		bad |= json_array_append_new(list, json_integer(pids[i]));
	if (bad) {
		json_decref(list);
		list = NULL;
	}
	return api_answer_json(call, json_pack("{s:o}", "pids", list));
}

int api_fork_vm(struct api *api, struct api_call *call)
{
	size_t n = json_array_size(json_object_get(call->body, "copies"));
	struct vm_config *cfg[COPIES_MAX] = {0};
	pid_t pids[COPIES_MAX];
	char err[400] = "";
	int r = prepare_copies(api, call, cfg);

	if (!r)
		r = api_result(call,
			       api->vmm->fork(api->ctx, cfg, (unsigned)n, pids, err, sizeof err),
			       "Fork error: ", err);
	for (size_t i = 0; i < n; i++)
		api_free_config(cfg[i]);
	return r ? r : answer_pids(call, pids, n);
}
