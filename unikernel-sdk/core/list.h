/* SPDX-License-Identifier: MIT
 *
 * list.h: circular doubly linked lists, a head being a link of its own. An empty head points to
 * itself.
 */
#ifndef UK_LIST_H
#define UK_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct uk_link {
	struct uk_link *prev, *next;
};

#define UK_LINK_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void uk_list_init(struct uk_link *head)
{
	head->prev = head->next = head;
}

static inline bool uk_list_empty(const struct uk_link *head)
{
	return head->next == head;
}

/* Insert before at: at the end when at is the head. */
static inline void uk_list_add(struct uk_link *at, struct uk_link *l)
{
	l->prev = at->prev;
	l->next = at;
	at->prev->next = l;
	at->prev = l;
}

static inline void uk_list_del(struct uk_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
}

/* Move everything from one head to the end of another. */
static inline void uk_list_splice(struct uk_link *from, struct uk_link *to)
{
	if (uk_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	uk_list_init(from);
}

#endif
