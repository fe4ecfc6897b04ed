/* SPDX-License-Identifier: MIT
 *
 * events.c: see events.h. One lock, held for copying an event and no longer.
 */
#include "monitor/api/events.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/vec.h"
#include "monitor/vm.h"

#define CONSOLE_KEPT 1024
#define TEXT_KEPT    (64u << 10) /* more than the longest event */

struct events {
	pthread_mutex_t lock;
	int wake_fd;
	uint64_t first, next; /* numbers of what is kept */
	struct {
		uint64_t at; /* in all text that ever was */
		size_t len;
	} event[EVENTS_KEPT];
	uint64_t text_len; /* all that ever was */
	char text[TEXT_KEPT];
	char console[CONSOLE_KEPT];
	uint64_t console_len; /* all that was ever written */
	bool seen_first, seen_ready;
};

struct events *events_create(int wake_fd)
{
	struct events *ev = calloc(1, sizeof *ev);

	if (!ev)
		return NULL;
	pthread_mutex_init(&ev->lock, NULL);
	ev->wake_fd = wake_fd;
	return ev;
}

int events_fd(const struct events *ev)
{
	return ev->wake_fd;
}

void events_destroy(struct events *ev)
{
	if (!ev)
		return;
	pthread_mutex_destroy(&ev->lock);
	free(ev);
}

static void ring_put(struct events *ev, const char *p, size_t n)
{
	size_t at = ev->text_len % TEXT_KEPT, first = n < TEXT_KEPT - at ? n : TEXT_KEPT - at;

	memcpy(ev->text + at, p, first);
	memcpy(ev->text, p + first, n - first);
	ev->text_len += n;
}

static void ring_get(const struct events *ev, uint64_t pos, char *p, size_t n)
{
	size_t at = pos % TEXT_KEPT, first = n < TEXT_KEPT - at ? n : TEXT_KEPT - at;

	memcpy(p, ev->text + at, first);
	memcpy(p + first, ev->text, n - first);
}

/* No heap and no other call than the last: the vCPU thread's filter has none. */
static void keep(struct events *ev, const struct buf *b)
{
	uint64_t one = 1;

	if (b->cut || b->len >= EVENT_TEXT_MAX)
		return;
	pthread_mutex_lock(&ev->lock);
	ev->event[ev->next % EVENTS_KEPT].at = ev->text_len;
	ev->event[ev->next++ % EVENTS_KEPT].len = b->len;
	ring_put(ev, b->p, b->len);
	if (ev->next - ev->first > EVENTS_KEPT)
		ev->first = ev->next - EVENTS_KEPT;
	while (ev->text_len - ev->event[ev->first % EVENTS_KEPT].at > TEXT_KEPT)
		ev->first++;
	pthread_mutex_unlock(&ev->lock);
	(void)vec_put(ev->wake_fd, &one, sizeof one); /* at its limit nobody has looked yet */
}

static void begin(struct buf *b, char *mem, size_t cap, const char *name, uint64_t t_ns)
{
	uint64_t now = vm_now(), wall = clock_wall_ns(), at = t_ns ? t_ns : now;

	buf_init(b, mem, cap);
	buf_printf(b, "{\"event\":\"%s\",\"t_ns\":%llu,\"wall_ns\":%llu", name,
		   (unsigned long long)at, (unsigned long long)(wall - (now - at)));
}

void events_add(struct events *ev, const char *name, uint64_t t_ns)
{
	char mem[256];
	struct buf b;

	if (!ev)
		return;
	begin(&b, mem, sizeof mem, name, t_ns);
	buf_printf(&b, "}");
	keep(ev, &b);
}

void events_add_text(struct events *ev, const char *name, const char *text)
{
	char mem[2048];
	struct buf b;

	if (!ev)
		return;
	begin(&b, mem, sizeof mem, name, 0);
	buf_printf(&b, ",\"text\":");
	buf_json_str(&b, text);
	buf_printf(&b, "}");
	keep(ev, &b);
}

void events_console(struct events *ev, const uint8_t *p, size_t len)
{
	if (!ev)
		return;
	if (len > CONSOLE_KEPT) {
		p += len - CONSOLE_KEPT;
		len = CONSOLE_KEPT;
	}
	pthread_mutex_lock(&ev->lock);
	for (size_t i = 0; i < len; i++)
		ev->console[ev->console_len++ % CONSOLE_KEPT] = (char)p[i];
	pthread_mutex_unlock(&ev->lock);
}

/* The last lines, as text that JSON can hold: what is not ASCII is '?'. */
static void console_text(struct events *ev, char text[CONSOLE_KEPT + 1])
{
	uint64_t n = ev->console_len < CONSOLE_KEPT ? ev->console_len : CONSOLE_KEPT;
	size_t at = 0;

	pthread_mutex_lock(&ev->lock);
	for (uint64_t i = ev->console_len - n; i < ev->console_len; i++) {
		char c = ev->console[i % CONSOLE_KEPT];

		text[at++] = c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) ? c : '?';
	}
	pthread_mutex_unlock(&ev->lock);
	text[at] = '\0';
	char *line = n == CONSOLE_KEPT ? strchr(text, '\n') : NULL;
	if (line && line[1])
		memmove(text, line + 1, strlen(line));
}

void events_exit(struct events *ev, int status, const char *reason)
{
	char mem[EVENT_TEXT_MAX], text[CONSOLE_KEPT + 1];
	struct buf b;

	if (!ev)
		return;
	console_text(ev, text);
	begin(&b, mem, sizeof mem, "exit", 0);
	buf_printf(&b, ",\"status\":%d,\"reason\":\"%s\",\"console\":", status, reason);
	buf_json_str(&b, text);
	buf_printf(&b, "}");
	keep(ev, &b);
}

/* True for the one caller who sees the mark first. */
static bool first_seen(struct events *ev, bool *seen, bool now)
{
	if (!now || __atomic_load_n(seen, __ATOMIC_RELAXED))
		return false;
	pthread_mutex_lock(&ev->lock);
	bool mine = !*seen;
	__atomic_store_n(seen, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&ev->lock);
	return mine;
}

bool events_marks(struct events *ev, const struct vm *vm)
{
	if (!ev || !vm->shared ||
	    (__atomic_load_n(&ev->seen_first, __ATOMIC_RELAXED) &&
	     __atomic_load_n(&ev->seen_ready, __ATOMIC_RELAXED)))
		return false;
	uint64_t entry = report_mark_ns(vm, UK_MARK_ENTRY);
	uint64_t ready = report_mark_ns(vm, UK_MARK_LISTEN);

	if (first_seen(ev, &ev->seen_first, entry))
		events_add(ev, "first_instruction", entry);
	if (first_seen(ev, &ev->seen_ready, ready || vm->froze_itself))
		events_add(ev, "guest_ready", ready);
	return true;
}

size_t events_read(struct events *ev, uint64_t *number, char text[EVENT_TEXT_MAX])
{
	size_t n = 0;

	pthread_mutex_lock(&ev->lock);
	if (*number < ev->first)
		*number = ev->first;
	if (*number < ev->next) {
		n = ev->event[*number % EVENTS_KEPT].len;
		ring_get(ev, ev->event[*number % EVENTS_KEPT].at, text, n);
		text[n] = '\0';
		++*number;
	}
	pthread_mutex_unlock(&ev->lock);
	return n;
}
