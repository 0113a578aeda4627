/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event (proto/layout.h): who waits enlists, looks whether what it waits for is there, and then
 * waits for the event's next count. Who brings it about does that first and then raises the event:
 * either it sees who is enlisted, or that one sees what was brought.
 */
#ifndef LIB_OBJECTS_EVENT_H
#define LIB_OBJECTS_EVENT_H

#include "lib/objects/futex.h"
#include "proto/layout.h"

struct event {
	struct object *object;
	uint64_t offset; /* of its word, from the object's header */
};

/* Count this session among those who wait, as @weight, and tell the event's count. */
int event_enlist(const struct event *event, uint64_t weight, uint64_t *ret_count);
int event_count(const struct event *event, uint64_t *ret_count);
/* Not any more. Whatever happened to the wait, its result @r is kept where this fails as well. */
int event_leave(const struct event *event, uint64_t weight, int r);
/* Wait, enlisted as @weight, for a while spinning and then parked, until the event has another
 * count than @count. @share: of the count of a wake-up. Returns 0, when it is worth to look again,
 * or an error as futex_wait. */
int event_wait(const struct event *event, uint64_t weight, uint64_t count, uint16_t share,
	       struct spin *spin, int64_t deadline_ns);
/* Count it up. *ret_waiters is the sum of the weights of who waits. */
int event_raise(const struct event *event, uint64_t *ret_waiters);

#endif
