/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much one kind of work may take of a turn of the loop, over all connections and sessions: a
 * number of steps, and a time. What is left goes on in the next turn, after whatever has come
 * meanwhile. A step is what a light request takes. A piece of work, whose price in steps is asked
 * for, is small enough not to be divided.
 */
#ifndef STORAGED_SESSION_BUDGET_H
#define STORAGED_SESSION_BUDGET_H

#include "lib/core/clock.h"

#include <stdbool.h>

#define BUDGET_STEPS_MAX 1024
#define BUDGET_NS        INT64_C(500000)

struct budget {
	/* left */
	unsigned steps;
	/* 0: nothing was done yet */
	int64_t end_ns;
};

static inline struct budget budget_begin(void)
{
	return (struct budget){.steps = BUDGET_STEPS_MAX};
}

/* Whether a piece of work of @steps may be done in this turn. The first piece always may. */
static inline bool budget_take(struct budget *budget, unsigned steps)
{
	int64_t now_ns;

	if (budget->steps == 0)
		return false;
	now_ns = clock_now_ns();
	if (budget->end_ns == 0)
		budget->end_ns = now_ns + BUDGET_NS;
	if (now_ns >= budget->end_ns)
		return false;
	budget->steps -= steps < budget->steps ? steps : budget->steps;
	return true;
}

#endif
