/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/event.h"
#include "lib/objects/word.h"

/* Two atomics in one round trip: add @waiters to the word of the waiters, and @count to the count,
 * in this order or the other. */
static int both(const struct event *event, uint64_t waiters, uint64_t count, bool count_first,
		struct op ops[2])
{
	ops[count_first] =
		word_op(event->object, DATA_FAA, event->offset + EVENT_WAITERS_OFFSET, waiters, 0);
	ops[!count_first] = word_op(event->object, DATA_FAA, event->offset, count, 0);
	return session_execute(event->object, ops, 2);
}

int event_enlist(const struct event *event, uint64_t weight, uint64_t *ret_count)
{
	struct op ops[2];
	int r = both(event, weight, 0, false, ops);

	*ret_count = ops[1].value;
	return r;
}

int event_count(const struct event *event, uint64_t *ret_count)
{
	return word_load(event->object, event->offset, ret_count);
}

int event_leave(const struct event *event, uint64_t weight, int r)
{
	uint64_t before;

	word_add(event->object, event->offset + EVENT_WAITERS_OFFSET, 0 - weight, &before);
	return r;
}

int event_wait(const struct event *event, uint64_t weight, uint64_t count, uint16_t share,
	       struct spin *spin, int64_t deadline_ns)
{
	struct park park = {.offset = event->offset,
			    .expected = count,
			    .leave = weight,
			    .until = CONTROL_WAIT_CHANGED,
			    .again = spin->parked,
			    .share = share};
	uint64_t now;
	int r;

	while (spin_on(spin, event->object, event->offset, count)) {
		r = event_count(event, &now);
		if (r || now != count)
			return r;
	}
	spin->parked = true;
	return futex_park(event->object, &park, deadline_ns, &now);
}

int event_raise(const struct event *event, uint64_t *ret_waiters)
{
	struct op ops[2];
	int r = both(event, 0, 1, true, ops);

	*ret_waiters = ops[1].value;
	return r;
}
