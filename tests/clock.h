/* SPDX-License-Identifier: Apache-2.0 */
/* Time for tests: clock_now_ns() of the library's, and a pause. */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include "lib/core/clock.h"

static inline int64_t now_ms(void)
{
	return clock_now_ns() / 1000000;
}

/* A clock that leaps in no test (tests/leap/clock.c). */
static inline int64_t clock_raw_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline void nap(int64_t ns)
{
	struct timespec pause = clock_timespec(ns);

	nanosleep(&pause, NULL);
}

#endif
