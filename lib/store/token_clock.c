/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/token_clock.h"
#include "lib/core/clock.h"

static struct token_clock process_clock;

static int64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

uint64_t token_clock_step(struct token_clock *clock, int64_t realtime_ns, int64_t monotonic_ns)
{
	uint64_t now;

	if (clock->began == 0) {
		clock->monotonic_ns = monotonic_ns;
		/* A clock that reads before 1970 is wrong; the time that passes counts all the
		 * same. */
		clock->began = realtime_ns > 0 ? (uint64_t)realtime_ns : 1;
		if (clock->began <= clock->last)
			clock->began = clock->last + 1;
	}
	now = clock->began + (uint64_t)(monotonic_ns - clock->monotonic_ns);
	clock->last = now > clock->last ? now : clock->last + 1;
	return clock->last;
}

uint64_t token_clock_next(void)
{
	return token_clock_step(&process_clock, realtime_ns(), clock_now_ns());
}

void token_clock_raise(uint64_t reserved)
{
	/* Begin anew, above both what was given and what was reserved. */
	process_clock.began = 0;
	if (process_clock.last < reserved)
		process_clock.last = reserved;
}
