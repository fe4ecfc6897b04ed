/* SPDX-License-Identifier: MIT
 *
 * json.c: see json.h. A recursive descent with a depth limit; nothing is copied but keys and
 * numbers.
 */
#include "json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
#define WORD_MAX  64

struct json {
	const char *p, *end;
	int depth;
	char key[WORD_MAX];
	void (*fn)(void *arg, const char *key, double value);
	void *arg;
	const char *why;
};

static bool value(struct json *j);

static void blank(struct json *j)
{
	while (j->p < j->end && memchr(" \t\r\n", *j->p, 4))
		j->p++;
}

static bool fail(struct json *j, const char *why)
{
	if (!j->why)
		j->why = why;
	return false;
}

static bool take(struct json *j, char c)
{
	blank(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

/* buf may be NULL; cut to WORD_MAX - 1. Escapes are stepped over, not translated. */
static bool string(struct json *j, char *buf)
{
	size_t n = 0;

	if (!take(j, '"'))
		return fail(j, "a string is expected");
	for (; j->p < j->end && *j->p != '"'; j->p++) {
		if ((unsigned char)*j->p < ' ')
			return fail(j, "a control character in a string");
		if (*j->p == '\\' && ++j->p == j->end)
			break;
		if (buf && n < WORD_MAX - 1)
			buf[n++] = *j->p;
	}
	if (buf)
		buf[n] = '\0';
	return take(j, '"') || fail(j, "a string does not end");
}

static bool number(struct json *j)
{
	char text[WORD_MAX], *end;
	size_t n = 0;

	while (j->p < j->end && n < sizeof(text) - 1 && strchr("+-.0123456789eE", *j->p) && *j->p)
		text[n++] = *j->p++;
	text[n] = '\0';
	double v = strtod(text, &end);

	if (!n || *end)
		return fail(j, "this is no JSON value");
	j->fn(j->arg, j->key, v);
	return true;
}

static bool word(struct json *j, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(j->end - j->p) < n || memcmp(j->p, w, n) != 0)
		return fail(j, "this is no JSON value");
	j->p += n;
	return true;
}

static bool members(struct json *j, char close, bool named)
{
	if (take(j, close))
		return true;
	do {
		if (named && (!string(j, j->key) || (!take(j, ':') && !fail(j, "':' is expected"))))
			return false;
		if (!value(j))
			return false;
	} while (take(j, ','));
	return take(j, close) || fail(j, "',' or the end of a list is expected");
}

static bool value(struct json *j)
{
	bool ok;

	blank(j);
	if (j->p == j->end)
		return fail(j, "the text ends early");
	if (j->depth == DEPTH_MAX)
		return fail(j, "nested too deep");
	j->depth++;
	switch (*j->p) {
	case '{':
		j->p++;
		ok = members(j, '}', true);
		break;
	case '[':
		j->p++;
		ok = members(j, ']', false);
		break;
	case '"':
		ok = string(j, NULL);
		break;
	case 't':
		ok = word(j, "true");
		break;
	case 'f':
		ok = word(j, "false");
		break;
	case 'n':
		ok = word(j, "null");
		break;
	default:
		ok = number(j);
	}
	j->depth--;
	return ok;
}

int json_numbers(const char *text, size_t len, void (*fn)(void *arg, const char *key, double value),
		 void *arg, char *error, size_t errlen)
{
	struct json j = {.p = text, .end = text + len, .fn = fn, .arg = arg};

	blank(&j);
	if (j.p == j.end || *j.p != '{')
		fail(&j, "a JSON object is expected");
	else if (value(&j)) {
		blank(&j);
		if (j.p != j.end)
			fail(&j, "something follows the object");
	}
	if (!j.why)
		return 0;
	snprintf(error, errlen, "%s, at byte %zu", j.why, (size_t)(j.p - text));
	return -1;
}
