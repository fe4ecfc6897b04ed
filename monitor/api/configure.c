/* SPDX-License-Identifier: MIT
 *
 * configure.c: calls that put a configuration together before the start. Each is tried on the whole
 * model and stays only if that still makes sense.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "monitor/api/api.h"
#include "monitor/api/handlers.h"
#include "monitor/api/model.h"
#include "monitor/config_field.h"

static int no_memory(struct api_call *call)
{
	return fault_set(&call->fault, "host_error", "There is no memory left.");
}

int api_take_fd(struct api_call *call, json_t *v)
{
	const json_t *index = json_object_get(v, "fd");
	json_int_t i = json_integer_value(index);

	if (!index)
		return 0;
	if (i >= call->nfds || call->fds[i] < 0) {
		fault_set(
			&call->fault, "bad_value",
			"Descriptor %d did not come with the call (SCM_RIGHTS), or is used twice.",
			(int)i);
		return fault_field(&call->fault, "fd");
	}
	if (json_object_set_new(v, MODEL_FD, json_integer(call->fds[i])))
		return no_memory(call);
	call->fds[i] = -1;
	return 0;
}

void api_free_config(struct vm_config *cfg)
{
	if (cfg)
		config_fini(cfg);
	free(cfg);
}

struct vm_config *api_base_config(struct api *api, struct api_call *call)
{
	struct vm_config *cfg = calloc(1, sizeof *cfg);
	struct errtext err;

	if (!cfg) {
		no_memory(call);
		return NULL;
	}
	if (!api->vmm->base_config(api->ctx, cfg, &err))
		return cfg;
	fault_set(&call->fault, "host_error", "%s.", err.text);
	api_free_config(cfg);
	return NULL;
}

/* Would the model, as it is now, do? */
static int try_model(struct api *api, struct api_call *call)
{
	struct vm_config *cfg = api_base_config(api, call);
	int r = cfg ? model_config(api->model, cfg, false, &call->fault) : -EINVAL;

	api_free_config(cfg);
	return r;
}

/* Can the file be opened that way? What Firecracker opens, too, when it is told of it. */
static int try_file(struct api_call *call, const json_t *v, const char *key, int flags,
		    const char *what)
{
	const char *path = json_string_value(json_object_get(v, key));
	int fd;

	if (!path || json_object_get(v, MODEL_FD))
		return 0;
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		int e = errno;

		call->fault.field[0] = '\0';
		fault_field(&call->fault, key);
		return fault_set(&call->fault, "host_error", "%s: %.200s: %s (os error %d)", what,
				 path, strerror(e), e);
	}
	close(fd);
	return 0;
}

static void close_kept(const json_t *v)
{
	const json_t *fd = json_object_get(v, MODEL_FD);

	if (fd)
		close((int)json_integer_value(fd));
}

/* Put v in the place of key, or back again when the model does not hold together any more. */
static int replace(struct api *api, struct api_call *call, const char *key, json_t *v)
{
	json_t *old = json_incref(json_object_get(api->model, key));
	int r = json_object_set(api->model, key, v) ? no_memory(call) : try_model(api, call);

	if (r && old)
		json_object_set(api->model, key, old);
	else if (r)
		json_object_del(api->model, key);
	close_kept(r ? v : old);
	json_decref(old);
	return r;
}

int api_put_guest_boot_source(struct api *api, struct api_call *call)
{
	if (api_take_fd(call, call->body) ||
	    try_file(call, call->body, "kernel_image_path", O_RDONLY,
		     "Boot source error: The kernel file cannot be opened"))
		return -EINVAL;
	return replace(api, call, "boot-source", call->body);
}

int api_put_machine_configuration(struct api *api, struct api_call *call)
{
	return replace(api, call, "machine-config", call->body);
}

int api_patch_machine_configuration(struct api *api, struct api_call *call)
{
	const json_t *had = json_object_get(api->model, "machine-config");
	json_t *v = had ? json_deep_copy(had) : json_object();
	int r = !v || json_object_update(v, call->body) ? no_memory(call)
							: replace(api, call, "machine-config", v);

	json_decref(v);
	return r;
}

static int put_device(struct api *api, struct api_call *call, const char *list)
{
	json_t *all = json_object_get(api->model, list);
	int at = model_find(api->model, list, call->id);
	json_t *old = json_incref(json_array_get(all, (size_t)at));
	int r = model_put_device(api->model, list, call->id, call->body) ? no_memory(call)
									 : try_model(api, call);

	if (r && old)
		json_array_set(all, (size_t)at, old);
	else if (r)
		json_array_remove(all, json_array_size(all) - 1);
	close_kept(r ? call->body : old);
	json_decref(old);
	return r;
}

int api_put_guest_drive_by_id(struct api *api, struct api_call *call)
{
	bool ro = json_is_true(json_object_get(call->body, "is_read_only"));

	if (api_take_fd(call, call->body) ||
	    try_file(call, call->body, "path_on_host", ro ? O_RDONLY : O_RDWR,
		     "Drive config error: Unable to create the virtio block device"))
		return -EINVAL;
	return put_device(api, call, MODEL_DRIVES);
}

int api_put_guest_network_interface_by_id(struct api *api, struct api_call *call)
{
	return api_take_fd(call, call->body) ? -EINVAL : put_device(api, call, MODEL_NETS);
}

static int delete_device(struct api *api, struct api_call *call, const char *list)
{
	json_t *all = json_object_get(api->model, list);
	int at = model_find(api->model, list, call->id);

	if (at < 0) {
		fault_set(&call->fault, "no_such_device", "Device not found");
		call->fault.status = 404;
		return -EINVAL;
	}
	close_kept(json_array_get(all, (size_t)at));
	json_array_remove(all, (size_t)at);
	return 0;
}

int api_delete_guest_drive_by_id(struct api *api, struct api_call *call)
{
	return delete_device(api, call, MODEL_DRIVES);
}

int api_delete_guest_network_interface_by_id(struct api *api, struct api_call *call)
{
	return delete_device(api, call, MODEL_NETS);
}

int api_apply_logger(struct api_call *call, const json_t *logger)
{
	const struct log_config l = model_logger(logger);
	int r = log_open(l.path);

	if (r) {
		fault_set(&call->fault, "host_error", "Logger error: %.200s: %s (os error %d)",
			  l.path, strerror(-r), -r);
		return fault_field(&call->fault, "log_path");
	}
	log_form((enum log_level)l.level, l.show_level, !l.path || l.show_origin);
	return 0;
}

int api_put_logger(struct api *api, struct api_call *call)
{
	return api_apply_logger(call, call->body) ? -EINVAL
						  : replace(api, call, "logger", call->body);
}

int api_put_metrics(struct api *api, struct api_call *call)
{
	return replace(api, call, "metrics", call->body);
}
