/* SPDX-License-Identifier: MIT
 *
 * api.c: see api.h.
 */
#include "monitor/api/api.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "monitor/api/model.h"
#include "monitor/api/schema.h"

int api_init(struct api *api, const struct api_vmm *vmm, void *ctx, const char *id,
	     struct events *events)
{
	char *config = vmm->config(ctx);

	*api = (struct api){.vmm = vmm, .ctx = ctx, .id = id, .events = events};
	api->model = config ? model_of_config(config) : model_new();
	free(config);
	return api->model ? 0 : -ENOMEM;
}

void api_fini(struct api *api)
{
	model_free(api->model);
	api->model = NULL;
}

static const char *phase_name(enum vm_phase phase)
{
	switch (phase) {
	case VM_NOT_STARTED:
		return "Not started";
	case VM_RUNNING:
		return "Running";
	case VM_PAUSED:
		return "Paused";
	case VM_ENDED:
		break;
	}
	return "Ended";
}

static void answer_fault(struct api *api, struct api_call *call)
{
	const struct api_fault *f = &call->fault;
	char mem[2048];
	struct buf b;

	buf_init(&b, mem, sizeof mem);
	buf_printf(&b, "{\"fault_message\":");
	buf_json_str(&b, f->text);
	buf_printf(&b, ",\"code\":\"%s\"", f->code);
	if (f->field[0]) {
		buf_printf(&b, ",\"field\":");
		buf_json_str(&b, f->field);
	}
	buf_printf(&b, ",\"phase\":\"%s\"}", phase_name(api->vmm->phase(api->ctx)));
	free(call->text);
	call->text = strdup(mem);
	call->text_len = call->text ? b.len : 0;
	call->status = f->status;
	call->type = "application/json";
	call->stream = false;
}

void api_refuse(struct api *api, struct api_call *call, int status, const char *code,
		const char *why)
{
	call->fault.field[0] = '\0';
	fault_set(&call->fault, code, "%s", why);
	call->fault.status = status;
	answer_fault(api, call);
}

/* --- routing --- */

/* Does path, of n bytes, match? Fills in the id. */
static bool match(const char *pattern, const char *path, size_t n, struct api_call *call)
{
	size_t fixed = strcspn(pattern, "{");
	const char *id = path + fixed;

	if (!pattern[fixed])
		return n == fixed && !memcmp(pattern, path, n);
	/* "/drives" and "/drives/" have an empty id, which its judge refuses. */
	if (n + 1 < fixed || memcmp(pattern, path, n < fixed ? n : fixed) != 0)
		return false;
	if (n <= fixed) {
		call->id[0] = '\0';
		return true;
	}
	if (memchr(id, '/', n - fixed))
		return false;
	snprintf(call->id, sizeof call->id, "%.*s", (int)(n - fixed < 1000 ? n - fixed : 1000), id);
	return true;
}

static const struct api_route *find(const struct http_request *r, struct api_call *call)
{
	static const char methods[][8] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};
	size_t n = strcspn(r->target, "?"), used = 0;

	if (n > 1 && r->target[n - 1] == '/')
		n--;
	call->allow[0] = '\0';
	for (unsigned i = 0; i < api_nroutes; i++) {
		const struct api_route *route = &api_routes[i];

		if (!match(schema_str(route->path), r->target, n, call))
			continue;
		if (route->method == r->method)
			return route;
		used += (size_t)snprintf(call->allow + used, sizeof call->allow - used, "%s%s",
					 used ? ", " : "", methods[route->method]);
	}
	fault_set(&call->fault, call->allow[0] ? "method_not_allowed" : "not_found",
		  "Invalid request method and/or path: %s %.100s.", r->method_name, r->target);
	call->fault.status = call->allow[0] ? 405 : 404;
	return NULL;
}

/* --- what has to hold before a handler runs --- */

static int judge_phase(const struct api *api, struct api_call *call)
{
	enum vm_phase phase = api->vmm->phase(api->ctx);
	unsigned allowed = call->route->phases, now = 1u << phase;

	if (phase == VM_ENDED)
		return fault_set(&call->fault, "ended", "The microVM has ended.");
	if (allowed & now)
		return 0;
	if (phase == VM_NOT_STARTED)
		return fault_set(&call->fault, "wrong_phase",
				 "The requested operation is not supported before starting the "
				 "microVM.");
	if (allowed == PHASE_N)
		return fault_set(&call->fault, "wrong_phase",
				 "The requested operation is not supported after starting the "
				 "microVM.");
	return fault_set(&call->fault, "wrong_phase",
			 "The requested operation is only supported while the microVM is paused.");
}

static int judge_id(struct api_call *call)
{
	if (!strchr(schema_str(call->route->path), '{'))
		return 0;
	if (!call->id[0])
		return fault_set(&call->fault, "bad_id", "The ID cannot be empty.");
	for (const char *p = call->id; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return fault_set(&call->fault, "bad_id",
					 "API Resource IDs can only contain alphanumeric "
					 "characters and underscores.");
	if (strlen(call->id) > 31)
		return fault_set(&call->fault, "bad_id", "The ID is longer than 31 characters.");
	return 0;
}

static int judge_same_id(struct api_call *call)
{
	const char *key = schema_str(call->route->id_field), *id;

	if (!key)
		return 0;
	id = json_string_value(json_object_get(call->body, key));
	if (id && !strcmp(id, call->id))
		return 0;
	fault_set(&call->fault, "id_mismatch",
		  "The id from the path [%s] does not match the id from the body [%.64s]!",
		  call->id, id ? id : "");
	return fault_field(&call->fault, key);
}

static int judge_body(const struct http_request *r, struct api_call *call)
{
	json_error_t je;

	if (!call->route->body) {
		if (!r->body_len)
			return 0;
		return fault_set(&call->fault, "unexpected_body", "%s request cannot have a body.",
				 r->method_name);
	}
	if (!r->body_len)
		return fault_set(&call->fault, "no_body", "Empty %s request.", r->method_name);
	call->body = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &je);
	if (!call->body)
		return fault_set(&call->fault, "bad_json",
				 "An error occurred when deserializing the json body of a request: "
				 "%s at line %d column %d.",
				 je.text, je.line, je.column);
	int ret = schema_judge(call->route->body, call->body, &call->fault);
	return ret ? ret : judge_same_id(call);
}

static int carry_out(struct api *api, const struct http_request *r, struct api_call *call)
{
	call->route = find(r, call);
	if (!call->route)
		return -EINVAL;
	if (call->route->left_out)
		return fault_set(&call->fault, "unsupported", "%s",
				 schema_str(call->route->left_out));
	if (judge_id(call) || judge_body(r, call) || judge_phase(api, call))
		return -EINVAL;
	return api_dispatch(call->route->call, api, call);
}

void api_handle(struct api *api, const struct http_request *r, struct api_call *call)
{
	call->status = 204;
	call->type = NULL;
	call->fault.field[0] = '\0';
	if (carry_out(api, r, call))
		answer_fault(api, call);
	else if (call->text)
		call->status = 200;
	for (unsigned i = 0; i < call->nfds; i++)
		if (call->fds[i] >= 0)
			close(call->fds[i]);
	call->nfds = 0;
	json_decref(call->body);
	call->body = NULL;
}

void api_call_fini(struct api_call *call)
{
	free(call->text);
	call->text = NULL;
}
