/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive, circular, doubly linked lists. */
#ifndef LIB_CORE_LIST_H
#define LIB_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct list {
	struct list *previous, *next;
};

static inline void list_init(struct list *list)
{
	list->previous = list->next = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
	link->previous = list->previous;
	link->next = list;
	list->previous->next = link;
	list->previous = link;
}

/* The link is left as an empty list, so that removing it again does nothing. */
static inline void list_remove(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_init(link);
}

/* Move all of @from to the end of @to. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->previous = to->previous;
	to->previous->next = from->next;
	from->previous->next = to;
	to->previous = from->previous;
	list_init(from);
}

#endif
