/* SPDX-License-Identifier: MIT
 *
 * file.c: see file.h. Judged as the body of PUT /vm is, and in the same words; an error begins with
 * the path of the key, as for the other form.
 */
#include "monitor/api/file.h"

#include <string.h>

#include "api_tables.h"
#include "monitor/api/model.h"
#include "monitor/api/schema.h"

bool api_file_is(const json_t *root)
{
	static const char marks[][20] = {"boot-source", MODEL_DRIVES, "machine-config", MODEL_NETS};

	for (unsigned i = 0; i < sizeof marks / sizeof *marks; i++)
		if (json_object_get(root, marks[i]))
			return true;
	return false;
}

/* "block[0].path: is empty." of drives[0].path_on_host is "drives[0].path_on_host: is empty". */
static int fail(const struct api_fault *f, struct errtext *err)
{
	static const char body[] = SCHEMA_BODY_ERROR;
	const char *text = f->text, *colon = strstr(text, ": ");
	size_t n;

	if (!strncmp(text, body, sizeof body - 1))
		text += sizeof body - 1;
	else if (colon && f->field[0] && !memchr(text, ' ', (size_t)(colon - text)))
		text = colon + 2;
	n = strlen(text);
	if (n && text[n - 1] == '.')
		n--;
	return config_fail(err, "%s%s%.*s", f->field, f->field[0] ? ": " : "", (int)n, text);
}

/* What only a call can do. */
static int judge_file(const json_t *root, struct api_fault *fault)
{
	static const char lists[][20] = {MODEL_DRIVES, MODEL_NETS};
	bool fd = json_object_get(json_object_get(root, "boot-source"), "fd") != NULL;
	json_t *v;
	size_t i;

	for (unsigned k = 0; k < 2; k++)
		json_array_foreach(json_object_get(root, lists[k]), i, v) fd |=
			json_object_get(v, "fd") != NULL;
	if (fd)
		return fault_set(
			fault, "bad_value",
			"an fd comes with an API call; in a file say /dev/fd/N as the path");
	if (json_is_true(json_object_get(root, "paused")))
		return fault_set(fault, "bad_value",
				 "paused is for PUT /vm of the API: a file starts its VM");
	return 0;
}

int api_file_decode(struct vm_config *cfg, json_t *root, struct errtext *err)
{
	struct api_fault fault = {0};
	const json_t *logger = json_object_get(root, "logger");

	if (schema_judge(SCHEMA_ID_FullVmConfiguration, root, &fault) || judge_file(root, &fault) ||
	    model_config(root, cfg, true, &fault))
		return fail(&fault, err);
	if (json_is_object(logger)) {
		cfg->log = model_logger(logger);
		cfg->log.path = cfg->log.path ? config_str(cfg, cfg->log.path) : NULL;
	}
	model_warn(root);
	return 0;
}
