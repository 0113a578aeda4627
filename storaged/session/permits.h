/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to take beside owned words, as storaged looks at it when a session that was woken
 * for some of it has not come: permits of a semaphore, items of a queue and room in it. */
#ifndef STORAGED_SESSION_PERMITS_H
#define STORAGED_SESSION_PERMITS_H

#include "storaged/session/waiter.h"

/* Whether sessions are woken for what there is of an object of @type. */
static inline bool permits_are_of(enum object_type type)
{
	return type == OBJECT_SEMAPHORE || type == OBJECT_QUEUE;
}

/* How much of that is free, at the event of which @waiter was woken last; 0 where there is no such
 * event, or it cannot be read. *ret_event is the event for which others may wait. */
uint32_t permits_free(const struct waiter *waiter, struct waitlist_word *ret_event);

#endif
