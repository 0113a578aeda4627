/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: what a session held when it ended is taken back, word by word, after it was fenced.
 * In which words of an object a session can be is in the table of types (lib/store/types.c).
 */
#ifndef LIB_CORE_SWEEP_H
#define LIB_CORE_SWEEP_H

#include "lib/store/store.h"
#include "lib/core/transport.h"

struct sweep_tally {
	bool again;        /* for the sweep to know: the one of this object before it failed */
	unsigned taken;    /* words that were taken back */
	unsigned failures; /* words that cannot be reached, or whose state is unknown */
};

/*
 * Let go of every word of the object that names @owner. @died: the session ended without a goodbye.
 * Returns whether anything changed, or may have in a sweep before that failed: then who is parked
 * on the object is to be woken. What was done is added to *tally. After a failure the object is to
 * be swept again: an atomic whose outcome is unknown may have been executed or not, so that only
 * the words themselves say what is left to do.
 */
bool sweep_object(struct transport *transport, const struct store_reference *reference,
		  uint16_t owner, bool died, struct sweep_tally *tally);

/* Whether the session, of which nothing was found in the object, may owe a wake-up to those who are
 * parked there. One that said goodbye has sent every wake-up that an object of ours owes; what
 * words in memory mean, and who has to wake for them, is its user's affair. */
bool sweep_owes_wakes(const struct store_reference *reference, bool died);

/* ---- the same words, to be looked at alone ---- */

struct sweep_word {
	uint64_t offset; /* in the region */
	uint64_t value;  /* as sweep_load read it */
	uint64_t tag;    /* the caller's */
	unsigned part;   /* of the object: rwlock 0 the writer's word, 1 a reader's; else 0 */
};

/* How many words an object of @type has that can name a session; 0: nobody can hold it. */
uint64_t sweep_count(enum object_type type, const uint64_t parameters[4]);
/* Word @index of them, not read yet, of the object whose header is at @object. */
struct sweep_word sweep_word(enum object_type type, const uint64_t parameters[4], uint64_t object,
			     uint64_t index);
/* Read @words, which may be of several objects, by atomics. Returns 0, or a negative errno: some
 * could not be reached, and what was read is not to be believed. */
int sweep_load(struct transport *transport, struct sweep_word *words, unsigned count);

#endif
