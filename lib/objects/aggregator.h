/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An aggregator (proto/layout.h): a round of it takes a vector from each contributor and ends with
 * the vector that they are reduced to.
 *
 * Who writes where. A session writes a contribution into a *place*, a vector whose owned word names
 * it, so that nobody else writes there. It takes a place with its first contribution for an id, and
 * keeps it. What counts for the id is the id's own word {round, place}, changed by CAS: a session
 * publishes its place there, and so replaces what was published for that id in that round. Two
 * sessions with one id come one after the other, each whole. A place may be written to again when
 * its round is over; until then its session replaces its own contribution from another place.
 *
 * A contribution is one batch: WRITE the vector, CAS the id's word, load the event, add 1 to the
 * arrivals, load the round. The count of arrivals is a hint, never too low but for moments: a
 * contribution that is replaced or comes too late counts, too. The session that sees it reach the
 * number of contributors reduces; how many have contributed, the reducer finds in the ids' words.
 *
 * The reduction (lib/core/reduction.c): take the reducer's word; freeze the ids' words, by CAS, so
 * that the round takes nothing more; reduce the vectors into the result's slot; publish it by the
 * CAS that begins the next round; take the arrivals off, let the reducer's word go, raise the
 * event.
 * Where the memory is mapped the session does that itself, otherwise storaged in its name.
 *
 * What each step leaves behind when its session ends there, is fenced and swept:
 *
 *   place taken                    the sweep frees it
 *   vector written, in part        the same; no id's word names the place in this round
 *   id's word published, arrival   the contribution counts; the place is free, but nobody takes it
 *   counted or not                 before the round is over, as the id's word names it. Without
 *                                  retries the round is broken; with them the sweep counts an
 *                                  arrival, as the session may not have
 *   the last arrival, not reduced  the sweep raises the event; a session that waits, or comes to
 *                                  wait later and sees the arrivals, has the round reduced
 *   reducer's word taken           the sweep frees it and raises the event: whoever waits has the
 *   some ids frozen                round reduced again, from the start; what is frozen stays
 *   result written, in part        it is written again: no result before the round's end is read
 *   round ended                    the sweep raises the event; the arrivals are too high, until the
 *                                  next reduction takes off what it finds
 *   CLOSED set, not reduced        as the last arrival
 *   the round reset, not told      the sweep raises the event
 *
 * A reducer that is frozen holds the round up until its session ends, as the owner of a mutex does;
 * so does a contributor that does not come.
 *
 * A session that waits spins on the event; only before it parks it enlists as a waiter, looks
 * again, and so misses nothing. The batch of a contribution is such a look, too. Over a network a
 * session does not spin while more than one contribution is missing, and enlists along with its
 * contribution if that was so the last time: woken, it looks, reads the result and leaves in one
 * batch. It has the round reduced where the arrivals suffice, where the round is closed, and after
 * each event that did not end the round, once for what it saw.
 *
 * Results of the last two rounds are kept. That of round r is overwritten by the reduction of round
 * r + 2, whose reader finds the checksum wrong, and then the round's word at r + 2 or more.
 */
#ifndef LIB_OBJECTS_AGGREGATOR_H
#define LIB_OBJECTS_AGGREGATOR_H

#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/word.h"

#define AGGREGATOR_BATCH 64 /* operations under way at once */

/* What a handle has for an id that it contributes for. */
struct aggregator_place {
	/* of the place; 0: it has none */
	uint64_t word;
	/* of the id, as last seen, and whether this handle has published it so */
	uint64_t id_word;
	bool is_mine;
	/* that was published from there last */
	uint64_t round;
	uint32_t number;
};

struct dso_aggregator {
	struct object object;
	uint64_t length, contributors, flags;
	/* of the round, as last seen */
	uint64_t word;
	/* by the id; the object's memory */
	struct aggregator_place *places;
	/* where a result is put that this session makes itself; NULL: nowhere. Its round is then
	 * noted. */
	uint8_t *copy;
	uint64_t copied_round;
	/* it is counted among the waiters for the event */
	bool is_enlisted;
	/* more than its contribution was missing when it came last */
	bool comes_early;
	/* Room for a vector that is read before its round is known to be over; NULL: vectors are
	 * too long for that. The round whose result is there, 0: none, with its header. */
	uint8_t *ahead;
	uint64_t ahead_round;
	struct aggregator_result ahead_header;
};

static inline uint64_t aggregator_now(const struct dso_aggregator *aggregator)
{
	return aggregator_round(aggregator->word);
}

static inline bool aggregator_is_over(const struct dso_aggregator *aggregator, uint64_t round)
{
	return aggregator_now(aggregator) > round;
}

/* Whether a reset has ended @round, which is over; of those that are long over nobody knows. */
static inline bool aggregator_is_reset(const struct dso_aggregator *aggregator, uint64_t round)
{
	return aggregator_now(aggregator) - round <= AGGREGATOR_HISTORY_BITS &&
	       aggregator_was_reset(aggregator->word, round);
}

/* Rounds only go up: a word that was loaded before another may come after it. */
static inline void aggregator_see(struct dso_aggregator *aggregator, uint64_t word)
{
	if (aggregator_round(word) >= aggregator_now(aggregator))
		aggregator->word = word;
}

/* Load the round. Returns 0 or what session_execute_one returns. */
int aggregator_look(struct dso_aggregator *aggregator);

/* What a session has seen of a round that it takes part in or waits for, and with what it had the
 * round reduced last. */
struct aggregator_watch {
	/* 0: of none yet */
	uint64_t round;
	uint64_t event, arrived;
	uint64_t first_event;
	uint64_t asked_event, asked_arrived;
	bool has_looked, has_asked;
	/* the result is read behind the wait */
	bool reads;
};

/* From here on it is about @round: what was seen of another one does not count. */
static inline void aggregator_watch_begin(struct aggregator_watch *watch, uint64_t round)
{
	if (watch->round != round)
		*watch = (struct aggregator_watch){.round = round, .reads = watch->reads};
}

#define AGGREGATOR_LOOKS 4
/* The operations that look at the round, and add @arrivals to it; before that the session enlists
 * as a waiter, with @enlist, where it is not done. Returns how many. */
unsigned aggregator_look_with(struct dso_aggregator *aggregator, uint64_t arrivals, bool enlist,
			      struct op ops[AGGREGATOR_LOOKS]);

/* What these saw, of which @last is the last one. */
void aggregator_learn(struct dso_aggregator *aggregator, const struct op *last,
		      struct aggregator_watch *watch);

/* Whether all contributions have come, as far as the arrivals tell. */
static inline bool aggregator_is_complete(const struct dso_aggregator *aggregator,
					  const struct aggregator_watch *watch)
{
	return !(aggregator->flags & AGGREGATOR_OPEN_END) &&
	       watch->arrived >= aggregator->contributors;
}

/* Whether it may be long until the round is over, over a network: more than one is missing. */
static inline bool aggregator_is_early(const struct dso_aggregator *aggregator,
				       const struct aggregator_watch *watch)
{
	return !(aggregator->flags & AGGREGATOR_OPEN_END) &&
	       !transport_ops(aggregator->object.session->transport)->execute &&
	       watch->arrived + 1 < aggregator->contributors;
}

/* Leave the waiters, where it is enlisted. The result @r of the call is kept, also where this
 * fails. */
int aggregator_leave(struct dso_aggregator *aggregator, int r);

/* A contribution under way. */
struct aggregator_contribution {
	uint32_t id;
	const uint8_t *values;
	/* in which it is to count; 0: in the one that takes it */
	uint64_t round;
	int64_t deadline_ns;
	bool is_written;
	/* of the round that it was published in last */
	struct aggregator_watch watch;
};

/* Returns 0 when the contribution counts in *ret_round, or an error of
 * dso_aggregator_contribute(). */
int aggregator_contribute(struct dso_aggregator *aggregator,
			  struct aggregator_contribution *contribution, uint64_t *ret_round);

/* Have @round reduced, if it is complete. */
int aggregator_reduce(struct dso_aggregator *aggregator, uint64_t round);

/* Wait until @round is over. With watch->reads the session may be enlisted yet, so that it leaves
 * as it reads. Returns 0, -ENOTRECOVERABLE (it is broken) or the errors of a wait. */
int aggregator_await(struct dso_aggregator *aggregator, uint64_t round,
		     struct aggregator_watch *watch, int64_t deadline_ns);

/* How many have contributed to the current round. */
int aggregator_count(struct dso_aggregator *aggregator, uint32_t *ret_count);

/* Whatever happened to the round, those who wait look. */
int aggregator_announce(struct dso_aggregator *aggregator);

/* Read the result of @round, which is over. Returns 0, -ENODATA (it is not kept any longer),
 * -ENOTRECOVERABLE (a reset ended it), -EBADMSG, or what session_execute returns. */
int aggregator_read(struct dso_aggregator *aggregator, uint64_t round, void *result,
		    uint32_t *ret_contributors);

#endif
