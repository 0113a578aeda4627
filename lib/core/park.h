/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody is parked for, in storaged (storaged/session/futex.c) and in a process with a store
 * of its own (lib/client/embedded.c).
 */
#ifndef LIB_CORE_PARK_H
#define LIB_CORE_PARK_H

#include "lib/core/transport.h"
#include "proto/control.h"

#include <stdbool.h>

#define PARK_TRIES 8
/* Wake-ups that pass somebody by whose share is too big, before one wakes it all the same. */
#define PARK_PASSES_MAX 64

struct park {
	uint64_t offset;   /* of the word, from the object's header */
	uint64_t expected; /* struct control_wait's */
	uint64_t leave;    /* taken off the word behind it when the session ends */
	enum control_wait_until until;
	uint16_t owner; /* CONTROL_WAIT_TAKEN: whose the word is to be */
	uint8_t flags; /* of an owned word: what is set in it for this one; OWNED_WAITED at least */
	bool again;    /* it was parked there for the same, and woken in vain: it keeps its place */
	uint16_t share; /* of a wake-up's count: as many permits as it waits for; 0 stands for 1 */
	/* CONTROL_WAIT_TAKEN: OWNED_GRANTED where the owner is to take the word up, or 0 */
	uint8_t grant;
};

enum park_verdict {
	PARK_STAYS, /* its owner knows that somebody waits */
	PARK_OVER,  /* there is nothing to wait for */
	PARK_TAKEN, /* the word is park->owner's, to be taken up where park->grant says so */
};

/*
 * Look at @word (an offset in the region), by atomics, for somebody who is parked there already:
 * take it for him, or set its flags in it. @others are parked there, too. Returns a verdict, or a
 * negative errno: -EBUSY (the word changed at every try) or it cannot be reached; whether its owner
 * knows is unknown then. *ret_value is the word as it was left.
 */
int park_look(struct transport *transport, const struct park *park, uint64_t word, bool others,
	      uint64_t *ret_value);

/* After a WAKE: whether those who are parked behind stay so, by the @verdict on the first, whose
 * word is @value. Else nobody is to take it any more, or it is not known who knows of them. */
bool park_others_stay(const struct park *park, int verdict, uint64_t value);

/* Whether a wake-up of which @left is left over wakes the one who is parked, and not who is parked
 * behind. *left is less by its share then. Those who want more than there is are passed by, *passes
 * counts how often; once in PARK_PASSES_MAX one is woken all the same, so that it learns of it. */
bool park_is_woken(const struct park *park, uint64_t *left, unsigned *passes);

/* Whether who is parked is to look at the word himself, now that it is @value. */
bool park_is_over(const struct park *park, uint64_t value);

#endif
