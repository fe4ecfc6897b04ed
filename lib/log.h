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

/* program and id (may be NULL) are borrowed for ever. */
void log_init(const char *program, const char *id);
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
