/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pairing heap by due time. Its links are in the members, so that it takes no memory of its own.
 * Inserting takes one step, removing the first a few.
 */
#ifndef LIB_CORE_DUE_H
#define LIB_CORE_DUE_H

#include <stddef.h>
#include <stdint.h>

struct due {
	int64_t at_ns;
	/* the heap's; @previous is the parent of a first child */
	struct due *child, *next, *previous;
};

/* Merge two trees, neither of which has siblings. */
static inline struct due *due_meld(struct due *one, struct due *other)
{
	struct due *first = other->at_ns < one->at_ns ? other : one;
	struct due *second = first == one ? other : one;

	second->previous = first;
	second->next = first->child;
	if (first->child)
		first->child->previous = second;
	first->child = second;
	return first;
}

/* Merge @trees, which are siblings, into one: first in pairs, then the pairs. */
static inline struct due *due_join(struct due *trees)
{
	struct due *pairs = NULL, *all = NULL;

	while (trees) {
		struct due *one = trees, *other = one->next;

		trees = other ? other->next : NULL;
		one->next = NULL;
		if (other) {
			other->next = NULL;
			one = due_meld(one, other);
		}
		one->next = pairs;
		pairs = one;
	}
	while (pairs) {
		struct due *one = pairs;

		pairs = one->next;
		one->next = NULL;
		all = all ? due_meld(all, one) : one;
	}
	if (all)
		all->previous = NULL;
	return all;
}

static inline void due_put(struct due **first, struct due *due, int64_t at_ns)
{
	*due = (struct due){.at_ns = at_ns};
	*first = *first ? due_meld(*first, due) : due;
}

/* @due is in the heap. */
static inline void due_remove(struct due **first, struct due *due)
{
	struct due *children = due_join(due->child);

	if (due == *first) {
		*first = children;
		return;
	}
	if (due->previous->child == due)
		due->previous->child = due->next;
	else
		due->previous->next = due->next;
	if (due->next)
		due->next->previous = due->previous;
	if (children)
		*first = due_meld(*first, children);
}

#endif
