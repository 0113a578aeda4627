/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of deadlines that are all equally far ahead, and are therefore lists in order. */
#ifndef LIB_CORE_DEADLINES_H
#define LIB_CORE_DEADLINES_H

#include "lib/core/list.h"

#include <stdint.h>

struct deadlines {
	struct list list;
	int64_t duration_ns;
};

struct deadline {
	struct list link;
	int64_t at_ns;
};

static inline void deadlines_init(struct deadlines *deadlines, int64_t duration_ns)
{
	list_init(&deadlines->list);
	deadlines->duration_ns = duration_ns;
}

/* Set, or move, @deadline to the queue's duration from now on. */
static inline void deadline_set(struct deadlines *deadlines, struct deadline *deadline,
				int64_t now_ns)
{
	list_remove(&deadline->link);
	deadline->at_ns = now_ns + deadlines->duration_ns;
	list_append(&deadlines->list, &deadline->link);
}

/* Set @deadline to @at_ns, whatever the queue's duration is. It looks for its place from the end,
 * since deadlines that are set later are mostly due later. */
static inline void deadline_insert(struct deadlines *deadlines, struct deadline *deadline,
				   int64_t at_ns)
{
	struct list *before;

	list_remove(&deadline->link);
	before = deadlines->list.previous;
	while (before != &deadlines->list &&
	       container_of(before, struct deadline, link)->at_ns > at_ns)
		before = before->previous;
	deadline->at_ns = at_ns;
	list_append(before->next, &deadline->link);
}

/* The first deadline of the queue, NULL when there is none. */
static inline struct deadline *deadline_first(const struct deadlines *deadlines)
{
	return list_empty(&deadlines->list)
		       ? NULL
		       : container_of(deadlines->list.next, struct deadline, link);
}

#endif
