/* SPDX-License-Identifier: MIT
 *
 * log.c: uk__log(), a printf subset that pulls in no stdio, so that hello stays small. Ring 3.
 */
#include "core/platform.h"

#include <stdarg.h>

struct line {
	char buf[256];
	size_t n;
};

static void put(struct line *l, char c)
{
	if (l->n < sizeof l->buf - 1)
		l->buf[l->n++] = c;
}

static void put_str(struct line *l, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put(l, *s);
}

static void put_num(struct line *l, uint64_t v, unsigned base)
{
	char digits[24];
	unsigned n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		put(l, digits[--n]);
}

static void put_arg(struct line *l, char conv, int is_long, va_list *ap)
{
	int64_t s;

	switch (conv) {
	case 's':
		put_str(l, va_arg(*ap, const char *));
		break;
	case 'd':
		s = is_long ? va_arg(*ap, long) : va_arg(*ap, int);
		if (s < 0)
			put(l, '-');
		put_num(l, s < 0 ? -(uint64_t)s : (uint64_t)s, 10);
		break;
	case 'u':
	case 'x':
		put_num(l, is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned),
			conv == 'x' ? 16 : 10);
		break;
	default:
		put(l, conv);
	}
}

void uk__log(const char *fmt, ...)
{
	struct line l = {.n = 0};
	va_list ap;

	put_str(&l, "mayfly: ");
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		int is_long = 0;

		if (*fmt != '%') {
			put(&l, *fmt);
			continue;
		}
		while (*++fmt == 'l')
			is_long = 1;
		if (!*fmt)
			break;
		put_arg(&l, *fmt, is_long, &ap);
	}
	va_end(ap);
	l.buf[l.n++] = '\n';
	uk__console_write(l.buf, l.n);
	uk__console_poke();
}
