/* SPDX-License-Identifier: MIT
 *
 * log.c: see log.h. A line is formatted into one buffer and written with one write, so that
 * lines of several processes on one stderr do not mix.
 */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/printable.h"
#include "lib/vec.h"

static const char *log_program = "mayfly";
static const char *log_id;

void log_init(const char *program, const char *id)
{
	log_program = program;
	log_id = id;
}

static enum log_level log_max = LOG_ALL;
static bool log_show_level = true, log_show_origin = true;
static int log_fd = STDERR_FILENO;

int log_open(const char *path)
{
	int fd;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
	if (fd < 0)
		return -errno;
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	__atomic_store_n(&log_fd, fd, __ATOMIC_RELEASE);
	return 0;
}

int log_file(void)
{
	return __atomic_load_n(&log_fd, __ATOMIC_ACQUIRE);
}

void log_form(enum log_level level, bool show_level, bool show_origin)
{
	log_max = level;
	log_show_level = show_level;
	log_show_origin = show_origin;
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
static void log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const char names[][10] = {"", "error: ", "warning: ", ""};
	const char *name = log_show_level ? names[level] : "";
	char buf[1024];
	int n = !log_show_origin ? snprintf(buf, sizeof buf, "%s", name)
		: log_id ? snprintf(buf, sizeof buf, "%s[%s]: %s", log_program, log_id, name)
			 : snprintf(buf, sizeof buf, "%s: %s", log_program, name);

	if (level > log_max || n < 0 || n >= (int)sizeof buf - 2)
		return;
	int m = vsnprintf(buf + n, sizeof buf - (size_t)n - 1, fmt, ap);
	if (m < 0)
		return;
	n += m < (int)sizeof buf - n - 1 ? m : (int)sizeof buf - n - 2;
	printable(buf); /* a path or a guest's word in it forges no second line */
	buf[n++] = '\n';
	/* If it fails there is nobody to tell. */
	(void)vec_put(log_file(), buf, (size_t)n);
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
	LOG_LEVEL(LOG_ERRORS);
}

void log_warn(const char *fmt, ...)
{
	LOG_LEVEL(LOG_WARNINGS);
}

void log_info(const char *fmt, ...)
{
	LOG_LEVEL(LOG_ALL);
}

bool log_first(struct log_once *once)
{
	return once->count++ == 0;
}
