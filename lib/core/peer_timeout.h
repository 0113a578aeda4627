/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a peer may be silent before it is given up. The last quarter of the timeout begins when
 * the rest is seen to be over. So a process that stood still, as on a paused machine, looks once
 * more before it gives up a peer that stood still with it.
 */
#ifndef LIB_CORE_PEER_TIMEOUT_H
#define LIB_CORE_PEER_TIMEOUT_H

#include "lib/core/due.h"

#include <stdbool.h>
#include <stdint.h>

struct peer_timeout {
	/* when to look next; 0: not begun */
	int64_t until_ns;
	/* behind that */
	int64_t rest_ns;
};

static inline void peer_timeout_begin(struct peer_timeout *timeout, int64_t now_ns,
				      int64_t whole_ns)
{
	timeout->rest_ns = whole_ns / 4;
	timeout->until_ns = now_ns + whole_ns - timeout->rest_ns;
}

static inline bool peer_timeout_is_over(struct peer_timeout *timeout, int64_t now_ns)
{
	if (now_ns < timeout->until_ns)
		return false;
	if (timeout->rest_ns == 0)
		return true;
	timeout->until_ns = now_ns + timeout->rest_ns;
	timeout->rest_ns = 0;
	return false;
}

/*
 * The timeouts of many peers. When a peer is heard of, its timeout begins anew, but it keeps its
 * place in the heap; the place is corrected when it comes first.
 */
struct peer_timers {
	struct due *first;
	int64_t whole_ns;
	/* The time for which the thread wanted to run and did not, taken off CLOCK_MONOTONIC: the
	 * timeouts go by a clock that stands still meanwhile. */
	int64_t starved_ns;
};

/* Zeroed: it does not run. */
struct peer_timer {
	struct due due; /* the first member */
	struct peer_timeout timeout;
	bool runs;
};

static inline void peer_timer_begin(struct peer_timers *timers, struct peer_timer *timer,
				    int64_t now_ns)
{
	peer_timeout_begin(&timer->timeout, now_ns - timers->starved_ns, timers->whole_ns);
	if (!timer->runs)
		due_put(&timers->first, &timer->due, timer->timeout.until_ns);
	timer->runs = true;
}

/* Does nothing where it does not run. */
static inline void peer_timer_end(struct peer_timers *timers, struct peer_timer *timer)
{
	if (timer->runs)
		due_remove(&timers->first, &timer->due);
	timer->runs = false;
}

/* When to look next; INT64_MAX: no timeout runs. */
static inline int64_t peer_timers_due_ns(const struct peer_timers *timers)
{
	return timers->first ? timers->first->at_ns + timers->starved_ns : INT64_MAX;
}

/* A peer whose timeout is over, and runs on; NULL when there is none. */
static inline struct peer_timer *peer_timers_over(struct peer_timers *timers, int64_t now_ns)
{
	now_ns -= timers->starved_ns;
	while (timers->first && timers->first->at_ns <= now_ns) {
		struct peer_timer *timer = (struct peer_timer *)timers->first;

		if (peer_timeout_is_over(&timer->timeout, now_ns))
			return timer;
		due_remove(&timers->first, &timer->due);
		due_put(&timers->first, &timer->due, timer->timeout.until_ns);
	}
	return NULL;
}

#endif
