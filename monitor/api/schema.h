/* SPDX-License-Identifier: MIT
 *
 * schema.h: what docs/openapi.yaml says, as tables that scripts/openapi.py makes at build time, and
 * the judge of JSON bodies by them. Pure: no VM, no socket. Any thread; bodies are hostile.
 */
#ifndef MONITOR_API_SCHEMA_H
#define MONITOR_API_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor/api/fault.h"

/*
 * The tables hold numbers, not pointers: offsets into one pool of text and indices. A pointer would
 * be a relocation, done at every start of the monitor, with an API or without.
 */
enum schema_type { SCHEMA_STRING, SCHEMA_INTEGER, SCHEMA_BOOLEAN, SCHEMA_OBJECT, SCHEMA_ARRAY };

struct schema_field {
	uint16_t name;	 /* in schema_text, as all text here; 0 = none */
	uint16_t config; /* key in docs/config.md that takes the value */
	uint16_t why;	 /* not others than `only` */
	uint16_t values; /* enum of strings: index into schema_lists, 0 = any */
	uint16_t only;	 /* what is served, as in JSON, likewise; an empty list: only null */
	uint16_t ref;	 /* enum schema_id of an object, or of an array's items; 0 = none */
	uint8_t type;	 /* enum schema_type */
	uint8_t item;	 /* of an array's items */
	bool required;
	int64_t min, max; /* integers; of an array the number of items */
};

struct schema {
	uint16_t name, first, nfields; /* in schema_fields */
	uint16_t min_properties;
};

/* schema_lists: at an index the number of entries, then each entry's place in schema_text. */
extern const char schema_text[];
extern const uint16_t schema_lists[];
extern const struct schema_field schema_fields[];
extern const struct schema schemas[]; /* by enum schema_id */

static inline const char *schema_str(uint16_t at)
{
	return at ? schema_text + at : NULL;
}

/* Firecracker's words before what is wrong with the form of a body. */
#define SCHEMA_BODY_ERROR "An error occurred when deserializing the json body of a request: "

/*
 * Does v fit? 0, or -EINVAL and *fault in Firecracker's words, with code and the path of the field.
 * null stands for "not given" where the field is not required, and is removed.
 */
int schema_judge(unsigned id, json_t *v, struct api_fault *fault);
/* The field of that name, NULL when there is none. */
const struct schema_field *schema_field(unsigned id, const char *name);

/* --- calls --- */

enum { PHASE_N = 1, PHASE_R = 2, PHASE_P = 4 };

struct api;
struct api_call;

struct api_route {
	uint16_t path;	   /* one "{}" stands for an id */
	uint16_t left_out; /* the message of a call that is not served; 0: it is */
	uint16_t id_field; /* of the body: has to be the path's id */
	uint16_t body;	   /* enum schema_id, 0 = none */
	uint8_t method;	   /* enum http_method */
	uint8_t phases;	   /* PHASE_* in which it is allowed */
	uint8_t call;	   /* for api_dispatch */
};

extern const struct api_route api_routes[];
extern const unsigned api_nroutes;
/* The handler of a call (handlers.h). */
int api_dispatch(unsigned call_number, struct api *api, struct api_call *call);

#endif
