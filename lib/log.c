/* SPDX-License-Identifier: MIT
 *
 * log.c: see log.h. A line is formatted into one buffer and written with one write(2), so that
 * lines of several processes on one stderr do not mix.
 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *log_program = "mayfly";
static const char *log_id;

void log_init(const char *program, const char *id)
{
	log_program = program;
	log_id = id;
}

static void log_line(const char *level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
static void log_line(const char *level, const char *fmt, va_list ap)
{
	char buf[1024];
	int n = log_id ? snprintf(buf, sizeof buf, "%s[%s]: %s", log_program, log_id, level)
		       : snprintf(buf, sizeof buf, "%s: %s", log_program, level);

	if (n < 0 || n >= (int)sizeof buf - 2)
		return;
	int m = vsnprintf(buf + n, sizeof buf - (size_t)n - 1, fmt, ap);
	if (m < 0)
		return;
	n += m < (int)sizeof buf - n - 1 ? m : (int)sizeof buf - n - 2;
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		return; /* nobody to tell */
}

#define LOG_LEVEL(level)                  \
	do {                              \
		va_list ap;               \
		va_start(ap, fmt);        \
		log_line(level, fmt, ap); \
		va_end(ap);               \
	} while (0)

void log_err(const char *fmt, ...)
{
	LOG_LEVEL("error: ");
}

void log_warn(const char *fmt, ...)
{
	LOG_LEVEL("warning: ");
}

void log_info(const char *fmt, ...)
{
	LOG_LEVEL("");
}

bool log_first(struct log_once *once)
{
	return once->count++ == 0;
}
