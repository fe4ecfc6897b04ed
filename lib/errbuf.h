/* SPDX-License-Identifier: MIT
 *
 * errbuf.h: an error's text into the caller's buffer, for functions that take (err, errlen).
 * errtext.h is for those that own a struct. Any thread; no allocation.
 */
#ifndef LIB_ERRBUF_H
#define LIB_ERRBUF_H

#include <stdarg.h>
#include <stdio.h>

#include "lib/printable.h"

/* Sets the text, one printable line, and returns code, so that "return err_put(err, errlen,
 * -EINVAL, ...)" is one line. */
static inline int err_put(char *err, size_t errlen, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static inline int err_put(char *err, size_t errlen, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	if (errlen)
		printable(err);
	return code;
}

#endif
