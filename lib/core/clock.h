/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time in nanoseconds. */
#ifndef LIB_CORE_CLOCK_H
#define LIB_CORE_CLOCK_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / INT64_C(1000000000),
				 .tv_nsec = ns % INT64_C(1000000000)};
}

/* Milliseconds for poll(2) until @deadline_ns, rounded up, not negative; at most what an int
 * holds. */
static inline int clock_poll_ms(int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_now_ns();
	int64_t left_ms = left_ns / 1000000 + (left_ns % 1000000 > 0);

	return left_ns <= 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

#endif
