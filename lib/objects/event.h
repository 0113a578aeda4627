/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event (proto/layout.h). A waiter enlists, looks whether what it waits for is there, and if not
 * waits for the event's next count. The session that brings it about does so first, and raises the
 * event after that. So either that session sees the waiter enlisted, or the waiter sees what was
 * brought about.
 */
#ifndef LIB_OBJECTS_EVENT_H
#define LIB_OBJECTS_EVENT_H

#include "lib/objects/futex.h"
#include "proto/layout.h"

struct event {
	struct object *object;
	uint64_t offset; /* of its word, from the object's header */
};

/* Count this session among the waiters, as @weight. *ret_count is the event's count. */
int event_enlist(const struct event *event, uint64_t weight, uint64_t *ret_count);
int event_count(const struct event *event, uint64_t *ret_count);
/* Take it out again. The result @r of the wait is kept, also where this fails. */
int event_leave(const struct event *event, uint64_t weight, int r);
/* Wait, enlisted as @weight, first spinning and then parked, until the event has another count than
 * @count. @share is how much of the count of a wake-up this waiter needs. Returns 0 when the caller
 * should look again, or an error as futex_wait. */
int event_wait(const struct event *event, uint64_t weight, uint64_t count, uint16_t share,
	       struct spin *spin, int64_t deadline_ns);
/* Raise the event's count by one. *ret_waiters is the sum of the weights of the waiters. */
int event_raise(const struct event *event, uint64_t *ret_waiters);

#endif
