/* SPDX-License-Identifier: Apache-2.0 */
/* How a thread that looks again and again lets others have its processor. */
#ifndef LIB_CORE_YIELD_H
#define LIB_CORE_YIELD_H

#include "lib/core/clock.h"

#include <sched.h>
#include <stdbool.h>

/* A yield takes less where no other thread is ready to run: one system call. */
#define YIELD_ALONE_NS 1000

struct yield {
	/* Another thread ran meanwhile: one that waits here keeps it from its work. */
	bool is_shared;
	/* The last look found something: the next one may, too. */
	bool has_found;
};

/* Whether to yield before a look: what is waited for comes after others have run. */
static inline bool yield_comes_first(const struct yield *yield)
{
	return yield->is_shared && !yield->has_found;
}

/* Yield at @now_ns. Returns the time after it. */
static inline int64_t yield_processor(struct yield *yield, int64_t now_ns)
{
	int64_t after_ns;

	sched_yield();
	after_ns = clock_now_ns();
	yield->is_shared = after_ns - now_ns > YIELD_ALONE_NS;
	return after_ns;
}

#endif
