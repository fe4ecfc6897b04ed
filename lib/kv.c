/* SPDX-License-Identifier: MIT
 *
 * kv.c: see kv.h.
 */
#include "lib/kv.h"

#include <errno.h>
#include <string.h>

int kv_next(const char **cursor, char *buf, size_t len, const char **ret_key, const char **ret_val)
{
	const char *p = *cursor;
	size_t n = 0;

	if (*p == '\0')
		return 0;
	for (; *p; p++) {
		if (*p == ',') {
			if (p[1] != ',')
				break;
			p++;
		}
		if (n + 1 >= len)
			return -ENAMETOOLONG;
		buf[n++] = *p;
	}
	if (*p == ',') {
		p++;
		if (*p == '\0')
			return -EINVAL; /* a comma promises another item */
	}
	buf[n] = '\0';

	char *eq = strchr(buf, '=');
	if (n == 0 || eq == buf)
		return -EINVAL;
	if (eq)
		*eq++ = '\0';
	*cursor = p;
	*ret_key = buf;
	*ret_val = eq;
	return 1;
}
