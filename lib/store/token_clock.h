/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock that gives a new object the origin of its fencing tokens. It never goes back and runs
 * at least as fast as time does, in nanoseconds. No word is taken once a nanosecond: so an object
 * that is created after another one begins above every token that the other ever had.
 *
 * It begins at CLOCK_REALTIME, which a restarted process finds further on, and goes by
 * CLOCK_MONOTONIC from then on: a step of the realtime clock has no effect before the next start.
 * Where that step went back, token_clock_raise() with what the process before had reserved makes up
 * for it.
 */
#ifndef LIB_STORE_TOKEN_CLOCK_H
#define LIB_STORE_TOKEN_CLOCK_H

#include <stdint.h>

/* Both clocks at the first reading, and the last origin given. Zero: not begun. */
struct token_clock {
	uint64_t began, last;
	int64_t monotonic_ns;
};

/* The next origin, larger than every earlier one, at these readings of CLOCK_REALTIME and
 * CLOCK_MONOTONIC. */
uint64_t token_clock_step(struct token_clock *clock, int64_t realtime_ns, int64_t monotonic_ns);

/* The same by this process's clocks. Any thread may call it, one at a time. */
uint64_t token_clock_next(void);
/* Every origin from now on is larger than @reserved. */
void token_clock_raise(uint64_t reserved);

#endif
