/* SPDX-License-Identifier: MIT
 *
 * errtext.h: an error's text, made where the cause is known and logged once by the owner of the
 * operation. Any thread; no allocation.
 */
#ifndef LIB_ERRTEXT_H
#define LIB_ERRTEXT_H

#include <stdarg.h>

struct errtext {
	char text[512];
};

/* Sets the text, one printable line (printable.h), and returns code, so that "return
 * errtext_set(err, -EINVAL, ...)" is one line. */
int errtext_set(struct errtext *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void errtext_vset(struct errtext *err, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* Puts "CONTEXT: " in front of the text. Returns code. */
int errtext_blame(struct errtext *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
