/* SPDX-License-Identifier: Apache-2.0 */
/* Waits of tests for what must happen, by looking again and again: each ends some time. */
#ifndef TESTS_AWAIT_H
#define TESTS_AWAIT_H

#include "tests/clock.h"

#include <stdio.h>
#include <stdlib.h>

/* A limit that only a hang reaches. */
#define AWAIT_NS INT64_C(120000000000)

/* Ends the program where that took too long, and says what did not happen: it may be any thread, or
 * a child. */
static inline void await_on(int64_t end_ns, const char *what, const char *file, int line)
{
	if (clock_raw_ns() >= end_ns) {
		fprintf(stderr, "%s:%d: never: %s\n", file, line, what);
		abort();
	}
	nap(200000);
}

/* Wait until @condition, an expression that is evaluated each time. */
#define AWAIT(condition)                                                      \
	for (int64_t await_end_ns = clock_raw_ns() + AWAIT_NS; !(condition);) \
	await_on(await_end_ns, #condition, __FILE__, __LINE__)

#endif
