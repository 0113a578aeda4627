/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does while there is nothing to do: it looks again, lets others have the processor,
 * or sleeps, as its policy says. */
#ifndef STORAGED_PATHS_IDLE_H
#define STORAGED_PATHS_IDLE_H

#include "lib/core/clock.h"
#include "lib/core/transport.h"

#include <sched.h>

struct idle {
	enum transport_poll poll;
	/* 0: there was something to do */
	int64_t since_ns;
};

static inline void idle_ends(struct idle *idle)
{
	idle->since_ns = 0;
}

/* There was nothing to do. */
static inline void idle_goes_on(struct idle *idle)
{
	int64_t now_ns;

	if (idle->poll == TRANSPORT_POLL_BLOCK)
		return;
	now_ns = clock_now_ns();
	if (idle->since_ns == 0)
		idle->since_ns = now_ns;
	if (idle->poll == TRANSPORT_POLL_ADAPTIVE ||
	    now_ns - idle->since_ns > TRANSPORT_SPIN_ALONE_NS)
		sched_yield();
}

/* Whether to sleep now rather than look again. A worker without connections sleeps under every
 * policy. */
static inline bool idle_may_sleep(const struct idle *idle, bool serves_nobody)
{
	return serves_nobody || idle->poll == TRANSPORT_POLL_BLOCK ||
	       (idle->poll == TRANSPORT_POLL_ADAPTIVE && idle->since_ns &&
		clock_now_ns() - idle->since_ns > TRANSPORT_SPIN_NS);
}

#endif
