/* SPDX-License-Identifier: MIT
 *
 * errtext.c: see errtext.h.
 */
#include "lib/errtext.h"

#include <stdio.h>

#include "lib/printable.h"

void errtext_vset(struct errtext *err, const char *fmt, va_list ap)
{
	if (vsnprintf(err->text, sizeof err->text, fmt, ap) < 0)
		err->text[0] = '\0';
	printable(err->text);
}

int errtext_set(struct errtext *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	errtext_vset(err, fmt, ap);
	va_end(ap);
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
	printable(err->text);
	return code; /* a text that does not fit is cut at its end */
}
