/* SPDX-License-Identifier: MIT
 *
 * fuzz_api.c: any stream of bytes as calls to the API of a VM that is a stub: parser, routing,
 * validation, model, translation, answers. Files are not opened: open() is ours here.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "monitor/api/api.h"
#include "monitor/api/events.h"
#include "tests/unit/api_stub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -Dopen=fuzz_open: every other path can be opened. */
int fuzz_open(const char *path, int flags, ...)
{
	(void)flags;
	return strlen(path) % 2 ? -1 : (creat)("/dev/null", 0600);
}

int log_open(const char *path)
{
	return path && strlen(path) % 2 ? -2 : 0;
}

void log_form(enum log_level level, bool show_level, bool show_origin)
{
	(void)level;
	(void)show_level;
	(void)show_origin;
}

void log_err(const char *fmt, ...)
{
	(void)fmt;
}

void log_warn(const char *fmt, ...)
{
	(void)fmt;
}

static void check(const struct api_call *call)
{
	if (call->status != 204 && !call->text && !call->stream)
		abort();
	if (call->status >= 400) {
		json_t *fault = json_loads(call->text, 0, NULL);

		if (!json_object_get(fault, "fault_message") || !json_object_get(fault, "code"))
			abort();
		json_decref(fault);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int event_place;
	struct api_stub stub = {0};
	struct api api;
	struct http_parser *p = http_parser_create(API_BODY_MAX);
	size_t at = 0;

	if (api_init(&api, &api_stub_vmm, &stub, "fuzz", (struct events *)&event_place))
		abort();
	while (at < size) {
		size_t used = 0;
		enum http_verdict v =
			http_parser_feed(p, (const char *)data + at, size - at, &used);

		at += used;
		if (v == HTTP_MORE || v == HTTP_BAD)
			break;
		if (v != HTTP_READY)
			continue;
		struct api_call call = {0};
		stub.fail = stub.phase == VM_NOT_STARTED && at % 3 == 0 ? -5 : 0;
		api_handle(&api, http_parser_request(p), &call);
		check(&call);
		api_call_fini(&call);
		http_parser_next(p);
	}
	http_parser_destroy(p);
	api_fini(&api);
	api_stub_fini(&stub);
	return 0;
}
