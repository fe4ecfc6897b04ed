/* SPDX-License-Identifier: MIT
 *
 * log.h: one line per event on stderr, "PROGRAM[ID]: level: text". Any thread; not from signal
 * handlers. The owner of an operation logs once; the functions below it return -Exxx and stay
 * silent.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_OFF, LOG_ERRORS, LOG_WARNINGS, LOG_ALL };

/* program and id (may be NULL) are borrowed for ever. */
void log_init(const char *program, const char *id);
/* From now on to a file that is created or appended to, or a FIFO; NULL: where it goes now. 0 or
 * -errno. */
int log_open(const char *path);
/* Where it goes now: a descriptor. */
int log_file(void);
/* What is printed, and whether with level and with program and id. */
void log_form(enum log_level level, bool show_level, bool show_origin);
void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A guest can provoke some messages at will. A log_once is printed the first time and counted after
 * that.
 */
struct log_once {
	uint64_t count;
};
/* True exactly the first time. */
bool log_first(struct log_once *once);

#endif
