/* SPDX-License-Identifier: MIT
 *
 * fault.c: see fault.h.
 */
#include "monitor/api/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/printable.h"

int fault_set(struct api_fault *f, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	printable(f->text);
	f->code = code;
	f->status = 400;
	return -EINVAL;
}

int fault_field(struct api_fault *f, const char *name)
{
	char rest[sizeof f->field];
	struct buf b;

	memcpy(rest, f->field, sizeof rest);
	buf_init(&b, f->field, sizeof f->field); /* a path that is too long is cut */
	buf_printf(&b, "%.60s%s%s", name, *rest && *rest != '[' ? "." : "", rest);
	printable(f->field);
	return -EINVAL;
}
