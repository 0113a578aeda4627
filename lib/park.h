/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody is parked for, in storaged (storaged/futex.c) and in a process with a store of its own
 * (lib/embedded.c).
 */
#ifndef LIB_PARK_H
#define LIB_PARK_H

#include "lib/transport.h"
#include "proto/control.h"

#include <stdbool.h>

#define PARK_FLAG_TRIES 8

struct park {
	uint64_t offset;   /* of the word, from the object's header */
	uint64_t expected; /* CONTROL_WAIT_CHANGED: its value */
	uint64_t leave;    /* taken off the word behind it when the session ends */
	enum control_wait_until until;
};

/*
 * Look at @word (an offset in the region) by atomics, after somebody was parked on it, and with
 * CONTROL_WAIT_GIVEN_BACK set OWNED_WAITED in it. Returns 0 (there is something to wait for), -EAGAIN
 * (there is not, or the word changed at every try), or another negative errno: it cannot be reached.
 */
int park_look(struct transport *transport, const struct park *park, uint64_t word);

/* Whether there is nothing to wait for, now that the word is @value. */
bool park_is_over(const struct park *park, uint64_t value);

#endif
