/* SPDX-License-Identifier: Apache-2.0 */
/* What a waiter in a waitlist (lib/core/waitlist.h) is parked for. */
#ifndef LIB_CORE_PARK_H
#define LIB_CORE_PARK_H

#include "lib/core/transport.h"
#include "proto/control.h"
#include "proto/layout.h"

#include <stdbool.h>

#define PARK_TRIES 8
/* Wake-ups that pass a waiter by because its share is too big, before one wakes it all the same. */
#define PARK_PASSES_MAX 64

struct park {
	uint64_t offset;   /* of the word, from the object's header */
	uint64_t expected; /* struct control_wait's */
	uint64_t leave;    /* taken off the next word when the session ends */
	enum control_wait_until until;
	uint16_t owner; /* CONTROL_WAIT_TAKEN: the session that is to own the word */
	/* of an owned word: the flags to set for this waiter, OWNED_WAITED at least */
	uint8_t flags;
	/* it was parked there for the same before, and woken in vain: it keeps its place */
	bool again;
	/* its part of a wake-up's count: the permits that it waits for; 0 stands for 1 */
	uint16_t share;
	/* CONTROL_WAIT_SUM_*: the words that are added up, one a line from @offset on */
	uint16_t words;
	/* CONTROL_WAIT_TAKEN: OWNED_GRANTED where the owner is to take the word up, or 0 */
	uint8_t grant;
};

#define PARK_WORDS_MAX COUNTER_STRIPES_MAX

/* Whether nobody wakes the waiter: its words are to be looked at now and then. */
static inline bool park_is_sum(const struct park *park)
{
	return park->until == CONTROL_WAIT_SUM_LEAST || park->until == CONTROL_WAIT_SUM_OTHER;
}

/* Whether @sum is what the waiter for a sum waits for. */
static inline bool park_sum_is_reached(const struct park *park, uint64_t sum)
{
	return park->until == CONTROL_WAIT_SUM_LEAST ? (int64_t)sum >= (int64_t)park->expected
						     : sum != park->expected;
}

/* Fill @ops, of park->words, with a load of each word; the first is at @word in the region. */
void park_load_words(const struct park *park, uint64_t word, struct op *ops);
/* What the loaded words add up to. */
uint64_t park_sum(const struct park *park, const struct op *ops);

enum park_verdict {
	PARK_STAYS, /* the word's owner knows that there is a waiter */
	PARK_OVER,  /* there is nothing to wait for */
	PARK_TAKEN, /* the word is park->owner's, to be taken up where park->grant says so */
};

/*
 * Look at @word (an offset in the region), by atomics, for a waiter that is parked there already:
 * take the word for it, or set its flags in the word. @others: more waiters are parked there.
 * *ret_value is the word as it was left. Returns a verdict, or a negative errno: -EBUSY (the word
 * changed at every try), or the word cannot be reached; then it is unknown whether the word's owner
 * knows of the waiter.
 */
int park_look(struct transport *transport, const struct park *park, uint64_t word, bool others,
	      uint64_t *ret_value);

/* After a WAKE: whether the waiters parked behind the first stay parked, given the @verdict on the
 * first, whose word is @value. If they do not, either no waiter may take the word any more, or it
 * is unknown whether its owner knows of them. */
bool park_others_stay(const struct park *park, int verdict, uint64_t value);

/* Whether a wake-up, of whose count @left is left, wakes this waiter rather than the ones behind
 * it. *left is then less by the waiter's share. A waiter that wants more than is left is passed by,
 * and *passes counts how often; once in PARK_PASSES_MAX it is woken all the same, so that it learns
 * of the wake-ups. */
bool park_is_woken(const struct park *park, uint64_t *left, unsigned *passes);

/* Whether the waiter should look at the word itself, now that it is @value. Never of a sum, which
 * one word does not tell. */
bool park_is_over(const struct park *park, uint64_t value);

#endif
