/* SPDX-License-Identifier: MIT
 *
 * buf.h: text built up in memory of the caller's, cut off and marked when it does not fit. No
 * allocation, so that a report can be written where memory is short. One thread per buffer.
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *p;
	size_t len, cap; /* len < cap; p[len] is NUL */
	bool cut;	 /* something did not fit and was left out */
};

/* cap >= 1. mem is borrowed. */
void buf_init(struct buf *b, char *mem, size_t cap);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string with its quotes. Bytes that are not valid there are escaped; s is ASCII or
 * UTF-8. */
void buf_json_str(struct buf *b, const char *s);

#endif
