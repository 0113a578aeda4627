/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep takes back, word by word, what a session held when it ended, after the session was
 * fenced. The table of types (lib/store/types.c) says in which words of an object a session can be.
 */
#ifndef LIB_CORE_SWEEP_H
#define LIB_CORE_SWEEP_H

#include "lib/store/store.h"
#include "lib/core/transport.h"

struct sweep_tally {
	bool again;        /* input: the sweep of this object before this one failed */
	unsigned taken;    /* words that were taken back */
	unsigned failures; /* words that cannot be reached, or whose state is unknown */
};

/*
 * Take @owner out of every word of the object that names it. @died: the session ended without a
 * goodbye. Returns whether anything changed, or may have in an earlier sweep that failed: then the
 * waiters parked on the object have to be woken. What was done is added to *tally. After a failure
 * the object has to be swept again: an atomic with an unknown outcome may have been executed, so
 * only the words themselves say what is left to do.
 */
bool sweep_object(struct transport *transport, const struct store_reference *reference,
		  uint16_t owner, bool died, struct sweep_tally *tally);

/* Whether the session, which the sweep did not find in the object, may still owe its parked waiters
 * a wake-up. A session that said goodbye has sent every wake-up that objects other than memory owe.
 * What words of a memory object mean, and which session has to wake for them, only its users
 * know. */
bool sweep_owes_wakes(const struct store_reference *reference, bool died);

/* ---- the same words, to be looked at alone ---- */

struct sweep_word {
	uint64_t offset; /* in the region */
	uint64_t value;  /* as sweep_load read it */
	uint64_t tag;    /* the caller's */
	unsigned part;   /* of the object: rwlock 0 the writer's word, 1 a reader's; else 0 */
};

/* How many words of an object of @type can name a session; 0: none can, and no session can hold
 * it. */
uint64_t sweep_count(enum object_type type, const uint64_t parameters[4]);
/* Word @index of them, not read yet; @object is where the object's header is. */
struct sweep_word sweep_word(enum object_type type, const uint64_t parameters[4], uint64_t object,
			     uint64_t index);
/* Read @words, which may be of several objects, by atomics. Returns 0, or a negative errno: some
 * words could not be reached, and none of what was read may be believed. */
int sweep_load(struct transport *transport, struct sweep_word *words, unsigned count);

#endif
