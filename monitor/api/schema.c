/* SPDX-License-Identifier: MIT
 *
 * schema.c: see schema.h. The words are those of Firecracker (serde), so that who matches on them
 * goes on to.
 */
#include "monitor/api/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/buf.h"

#define LIST_TEXT 300

static const char *kind_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "map";
	case JSON_ARRAY:
		return "sequence";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "floating point";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

static const char *type_name(unsigned type)
{
	static const char names[][10] = {"a string", "integer", "a boolean", "a map", "sequence"};

	return names[type];
}

static int judge_object(unsigned id, json_t *v, struct api_fault *fault);

/* One more of n names, as serde lists them: "`a`", "`a` or `b`", "one of `a`, `b`, `c`". */
static void list_name(struct buf *b, unsigned i, unsigned n, const char *name)
{
	if (i == 0 && n > 2)
		buf_printf(b, "one of ");
	else if (i)
		buf_printf(b, n > 2 ? ", " : " or ");
	buf_printf(b, "`%s`", name);
}

static const char *list_text(uint16_t list, char text[LIST_TEXT])
{
	struct buf b;

	buf_init(&b, text, LIST_TEXT);
	for (uint16_t i = 0; i < schema_lists[list]; i++)
		list_name(&b, i, schema_lists[list], schema_text + schema_lists[list + 1 + i]);
	return text;
}

static bool in_list(uint16_t list, const char *s)
{
	for (uint16_t i = 1; i <= schema_lists[list]; i++)
		if (!strcmp(s, schema_text + schema_lists[list + i]))
			return true;
	return false;
}

static int wrong_type(const json_t *v, unsigned type, struct api_fault *fault)
{
	char text[80];
	struct buf b;

	buf_init(&b, text, sizeof text);
	buf_printf(&b, "%s", kind_of(v));
	if (json_is_string(v))
		buf_printf(&b, " \"%.40s\"", json_string_value(v));
	else if (json_is_integer(v))
		buf_printf(&b, " `%" JSON_INTEGER_FORMAT "`", json_integer_value(v));
	else if (json_is_real(v))
		buf_printf(&b, " `%g`", json_real_value(v));
	else if (json_is_boolean(v))
		buf_printf(&b, " `%s`", json_is_true(v) ? "true" : "false");
	return fault_set(fault, "wrong_type", SCHEMA_BODY_ERROR "invalid type: %s, expected %s.",
			 text, type_name(type));
}

static bool has_type(const json_t *v, unsigned type)
{
	switch ((enum schema_type)type) {
	case SCHEMA_STRING:
		return json_is_string(v);
	case SCHEMA_INTEGER:
		return json_is_integer(v);
	case SCHEMA_BOOLEAN:
		return json_is_boolean(v);
	case SCHEMA_OBJECT:
		return json_is_object(v);
	case SCHEMA_ARRAY:
		return json_is_array(v);
	}
	return false;
}

/* Strings go to the system as C strings. */
static int judge_string(const struct schema_field *f, const json_t *v, struct api_fault *fault)
{
	char text[LIST_TEXT];
	const char *s = json_string_value(v);

	if (strlen(s) != json_string_length(v))
		return fault_set(fault, "bad_value", SCHEMA_BODY_ERROR "a NUL in a string.");
	if (f->values && !in_list(f->values, s))
		return fault_set(fault, "out_of_range",
				 SCHEMA_BODY_ERROR "unknown variant `%.40s`, expected %s.", s,
				 list_text(f->values, text));
	return 0;
}

static int judge_integer(const struct schema_field *f, const json_t *v, struct api_fault *fault)
{
	json_int_t n = json_integer_value(v);

	if (n < f->min || n > f->max)
		return fault_set(fault, "out_of_range",
				 SCHEMA_BODY_ERROR "invalid value: integer `%" JSON_INTEGER_FORMAT
						   "`, expected %" PRId64 " to %" PRId64 ".",
				 n, f->min, f->max);
	return 0;
}

static int judge_array(const struct schema_field *f, json_t *v, struct api_fault *fault)
{
	char at[24];
	json_t *item;
	size_t i;

	if ((int64_t)json_array_size(v) < f->min || (int64_t)json_array_size(v) > f->max)
		return fault_set(fault, "out_of_range",
				 SCHEMA_BODY_ERROR "invalid length %zu, expected %" PRId64
						   " to %" PRId64 " items.",
				 json_array_size(v), f->min, f->max);
	json_array_foreach(v, i, item)
	{
		int r = has_type(item, f->item) ? 0 : wrong_type(item, f->item, fault);

		if (!r && f->ref)
			r = judge_object(f->ref, item, fault);
		else if (!r && f->item == SCHEMA_STRING)
			r = judge_string(&(struct schema_field){0}, item, fault);
		snprintf(at, sizeof at, "[%zu]", i);
		if (r)
			return fault_field(fault, at);
	}
	return 0;
}

/* What Firecracker knows and this monitor does not have. */
static int judge_only(const struct schema_field *f, const json_t *v, struct api_fault *fault)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY);
	const char *plain = json_is_string(v) ? json_string_value(v) : text;
	bool ok = plain && in_list(f->only, plain);

	free(text);
	if (ok)
		return 0;
	if (!schema_lists[f->only])
		return fault_set(fault, "unsupported", "`%s` is not supported: %s.",
				 schema_str(f->name), schema_str(f->why));
	char list[LIST_TEXT];
	return fault_set(fault, "unsupported", "`%s` can only be %s here: %s.", schema_str(f->name),
			 list_text(f->only, list), schema_str(f->why));
}

static int judge_value(const struct schema_field *f, json_t *v, struct api_fault *fault)
{
	int r = has_type(v, f->type) ? 0 : wrong_type(v, f->type, fault);

	if (!r && f->type == SCHEMA_STRING)
		r = judge_string(f, v, fault);
	else if (!r && f->type == SCHEMA_INTEGER)
		r = judge_integer(f, v, fault);
	/* An empty list of what is not here asks for nothing. */
	bool nothing = json_is_array(v) && !json_array_size(v);
	if (!r && f->only && !nothing)
		r = judge_only(f, v, fault);
	else if (!r && f->type == SCHEMA_ARRAY)
		r = judge_array(f, v, fault);
	else if (!r && f->type == SCHEMA_OBJECT && f->ref)
		r = judge_object(f->ref, v, fault);
	return r ? fault_field(fault, schema_str(f->name)) : 0;
}

static int unknown_field(const struct schema *s, const char *key, struct api_fault *fault)
{
	char text[LIST_TEXT];
	struct buf b;

	buf_init(&b, text, sizeof text);
	for (unsigned i = 0; i < s->nfields; i++)
		list_name(&b, i, s->nfields, schema_str(schema_fields[s->first + i].name));
	fault_set(fault, "unknown_field", SCHEMA_BODY_ERROR "unknown field `%.60s`, expected %s.",
		  key, text);
	return fault_field(fault, key);
}

const struct schema_field *schema_field(unsigned id, const char *name)
{
	const struct schema *s = &schemas[id];

	for (unsigned i = 0; i < s->nfields; i++)
		if (!strcmp(schema_str(schema_fields[s->first + i].name), name))
			return &schema_fields[s->first + i];
	return NULL;
}

static int judge_object(unsigned id, json_t *v, struct api_fault *fault)
{
	const struct schema *s = &schemas[id];
	const char *key;
	json_t *item;
	void *next;

	json_object_foreach_safe(v, next, key, item)
	{
		const struct schema_field *f = schema_field(id, key);

		if (!f)
			return unknown_field(s, key, fault);
		if (json_is_null(item) && !f->required)
			json_object_del(v, key);
		else if (judge_value(f, item, fault))
			return -EINVAL;
	}
	for (unsigned i = 0; i < s->nfields; i++) {
		const struct schema_field *f = &schema_fields[s->first + i];

		if (!f->required || json_object_get(v, schema_str(f->name)))
			continue;
		fault_set(fault, "missing_field", SCHEMA_BODY_ERROR "missing field `%s`.",
			  schema_str(f->name));
		return fault_field(fault, schema_str(f->name));
	}
	if (json_object_size(v) < s->min_properties)
		return fault_set(fault, "no_body", "Empty PATCH request.");
	return 0;
}

int schema_judge(unsigned id, json_t *v, struct api_fault *fault)
{
	fault->field[0] = '\0';
	if (!json_is_object(v))
		return wrong_type(v, SCHEMA_OBJECT, fault);
	return judge_object(id, v, fault);
}
