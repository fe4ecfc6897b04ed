/* SPDX-License-Identifier: MIT
 *
 * errtext.c: see errtext.h.
 */
#include "lib/errtext.h"

#include <stdarg.h>
#include <stdio.h>

/* What a caller typed may be in it, and an error is one line. */
static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

int errtext_set(struct errtext *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(err->text, sizeof err->text, fmt, ap) < 0)
		err->text[0] = '\0';
	va_end(ap);
	one_line(err->text);
	return code;
}

int errtext_blame(struct errtext *err, int code, const char *fmt, ...)
{
	struct errtext was = *err;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof err->text &&
	    snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", was.text) < 0)
		err->text[n] = '\0';
	return code; /* a text that does not fit is cut at its end */
}
