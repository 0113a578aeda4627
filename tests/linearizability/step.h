/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of the specifications have in common. */
#ifndef TESTS_LINEARIZABILITY_STEP_H
#define TESTS_LINEARIZABILITY_STEP_H

#include <errno.h>

#include "tests/linearizability/specs.h"

static inline uint64_t bit_of(const struct operation *operation)
{
	return UINT64_C(1) << operation->client;
}

/* Whether result @index is @value, where it is known. */
static inline bool agrees(const struct operation *operation, unsigned index, uint64_t value)
{
	return !operation->known || (uint64_t)operation->results[index] == value;
}

static inline bool failed(const struct operation *operation)
{
	return operation->known && operation->status != 0;
}

static inline bool returned(const struct operation *operation, int status)
{
	return operation->known && operation->status == status;
}

/* Whether it gave up. Argument @timeout is how long it was to wait. */
static inline bool timed_out(const struct operation *operation, unsigned timeout)
{
	return returned(operation, -ETIMEDOUT) && operation->arguments[timeout] < HANG_TIMEOUT;
}

/*
 * Whether the session of the client has not ended, of which *dead keeps the account. What a session
 * had under way when its process died may land for a while; nothing of it lands after storaged has
 * let go what it held, which is what DIE stands for.
 */
static inline bool is_alive(uint64_t *dead, const struct operation *operation)
{
	bool alive = !(*dead & bit_of(operation));

	if (operation->kind == DIE)
		*dead |= bit_of(operation);
	return alive;
}

#endif
