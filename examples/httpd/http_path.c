/* SPDX-License-Identifier: MIT
 *
 * http_path.c: request targets to relative paths and back. The result of http_decode_path() cannot
 * leave the root by construction: ".." only ever removes a segment that was written before, and
 * never the root.
 */
#include "http_parse.h"

#include <string.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One decoded character of a path, or -400 for what no name here holds: NUL, control characters,
 * and a slash that was escaped. Moves *p past it. */
static int take_char(const char **p, const char *end)
{
	int hi, lo, c = (unsigned char)*(*p)++;

	if (c == '%') {
		if (end - *p < 2)
			return -400;
		hi = hex((*p)[0]);
		lo = hex((*p)[1]);
		*p += 2;
		c = hi < 0 || lo < 0 ? '/' : hi << 4 | lo;
		if (c == '/')
			return -400;
	}
	return c < 0x20 || c == 0x7f ? -400 : c;
}

/* Ends the segment out[start..len): drops "" and ".", undoes the one before for "..". New length or
 * -400. */
static int end_segment(const char *out, size_t start, size_t len)
{
	size_t n = len - start;

	if (n == 0 || (n == 1 && out[start] == '.'))
		return (int)start;
	if (n != 2 || out[start] != '.' || out[start + 1] != '.')
		return (int)len;
	if (!start)
		return -400;
	start--;
	while (start && out[start - 1] != '/')
		start--;
	return (int)start;
}

static struct http_str path_of(struct http_str target)
{
	struct http_str path = target;
	const char *q;

	if (path.n >= 7 && !strncasecmp(path.s, "http://", 7)) {
		const char *slash = memchr(path.s + 7, '/', path.n - 7);
		static const char root[] = "/";

		if (!slash)
			return (struct http_str){root, 1};
		path.n -= (size_t)(slash - path.s);
		path.s = slash;
	}
	q = memchr(path.s, '?', path.n);
	if (q)
		path.n = (size_t)(q - path.s);
	return path;
}

int http_decode_path(struct http_str target, char *out, size_t size)
{
	struct http_str path = path_of(target);
	const char *p = path.s, *end = path.s + path.n;
	size_t len = 0, start = 0;
	int r;

	if (!path.n || *p++ != '/')
		return -400;
	while (p < end) {
		bool slash = *p == '/';
		int c = take_char(&p, end);

		if (c < 0)
			return c;
		if (slash) {
			r = end_segment(out, start, len);
			if (r < 0)
				return r;
			if ((size_t)r == len && len > start)
				out[len++] = '/';
			else
				len = (size_t)r;
			start = len;
		} else {
			out[len++] = (char)c;
		}
		if (len + 1 >= size)
			return -414;
	}
	r = end_segment(out, start, len);
	if (r < 0)
		return r;
	out[r] = '\0';
	return r;
}

int http_encode_path(const char *path, char *out, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || strchr("/-._~", c);

		if (n + 4 > size)
			return -414;
		if (plain) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	out[n] = '\0';
	return (int)n;
}
