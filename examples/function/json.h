/* SPDX-License-Identifier: MIT
 *
 * json.h: as much of JSON (RFC 8259) as the function needs: an object, its numbers handed out one
 * by one, at any depth. The text is hostile. Part of an example: a program of yours would link a
 * library.
 */
#ifndef FUNCTION_JSON_H
#define FUNCTION_JSON_H

#include <stddef.h>

/* Call fn for every number in the object text[0..len); key: of the innermost member. 0, or -1 with
 * a reason that is safe in a JSON string. */
int json_numbers(const char *text, size_t len, void (*fn)(void *arg, const char *key, double value),
		 void *arg, char *error, size_t errlen);

#endif
