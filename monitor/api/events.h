/* SPDX-License-Identifier: MIT
 *
 * events.h: what happened to the VM, as lines of JSON for GET /events, and the end of the guest's
 * output. Added by any thread, mostly the vCPU's, which never waits for a reader: old events make
 * room for new ones. Readers hold a number, not a lock. Everything accepts NULL: events that nobody
 * asked for cost one comparison.
 */
#ifndef MONITOR_API_EVENTS_H
#define MONITOR_API_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct events;
struct vm;

#define EVENTS_KEPT    64
#define EVENT_TEXT_MAX 8192

/* wake_fd: an eventfd that is written to when there is news; borrowed. NULL: out of memory. */
struct events *events_create(int wake_fd);
void events_destroy(struct events *ev);
/* What is written to. */
int events_fd(const struct events *ev);

/* t_ns: CLOCK_MONOTONIC, 0 = now. */
void events_add(struct events *ev, const char *name, uint64_t t_ns);
void events_add_text(struct events *ev, const char *name, const char *text);
/* The guest has written this. */
void events_console(struct events *ev, const uint8_t *p, size_t len);
/* reason: exited, crashed, stopped or failed. */
void events_exit(struct events *ev, int status, const char *reason);
/* Did the guest pass a mark (first instruction, ready) since the last look? True: not all yet. */
bool events_marks(struct events *ev, const struct vm *vm);

/*
 * The event of that number, or the oldest that is kept: text becomes its JSON, *number that of the
 * next one. How long the text is, 0: there is none yet.
 */
size_t events_read(struct events *ev, uint64_t *number, char text[EVENT_TEXT_MAX]);

#endif
