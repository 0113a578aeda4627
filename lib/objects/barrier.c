/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/word.h"

#include <errno.h>

#define SPIN_MISSING_MAX 8 /* parties */

struct dso_barrier {
	struct object object;
	uint64_t parties;
	bool joined;
};

static uint32_t round_of(uint64_t word)
{
	return (uint32_t)(word / BARRIER_ROUND);
}

static uint64_t arrived_of(uint64_t word)
{
	return word % BARRIER_ROUND / BARRIER_ARRIVAL;
}

/* A session holds nothing of a barrier, and the loss of a party has broken it. */
static bool lose(struct object *object, struct dso_loss *loss)
{
	if (loss)
		((struct dso_barrier *)object)->joined = false;
	return false;
}

int dso_barrier_open(struct dso_session *session, const char *name,
		     const struct dso_barrier_params *params, struct dso_barrier **ret_barrier)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_BARRIER,
		.lose = lose,
		.unwanted = !ret_barrier,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_barrier *barrier;
	int r;

	if (params)
		request.parameters[BARRIER_PARAMETER_PARTIES] = params->parties;
	r = object_open(session, name, &request, sizeof *barrier, &barrier);
	if (r)
		return r;
	barrier->parties = barrier->object.parameters[BARRIER_PARAMETER_PARTIES];
	*ret_barrier = barrier;
	return 0;
}

/* The number of rounds that are current or have arrivals in them. There is more than one where more
 * sessions than there are parties come before the last party of a round has begun the next one. */
static uint64_t rounds_begun(const struct dso_barrier *barrier, uint64_t word)
{
	return 1 + arrived_of(word) / barrier->parties;
}

/* The history after the end of @count more rounds, each ended by a @reset or not. */
static uint64_t history_after(uint64_t word, uint64_t count, bool reset)
{
	uint64_t mask = (UINT64_C(1) << BARRIER_HISTORY_BITS) - 1;
	uint64_t history = word / BARRIER_HISTORY & mask;

	if (count > BARRIER_HISTORY_BITS)
		count = BARRIER_HISTORY_BITS;
	history = history << count | (reset ? (UINT64_C(1) << count) - 1 : 0);
	return (history & mask) * BARRIER_HISTORY;
}

/* The word when its round is complete. */
static uint64_t completed(const struct dso_barrier *barrier, uint64_t word)
{
	uint64_t arrived = arrived_of(word) - barrier->parties;

	return (word / BARRIER_ROUND + 1) * BARRIER_ROUND + arrived * BARRIER_ARRIVAL +
	       history_after(word, 1, false);
}

/* The word after a reset: no arrival is counted any more. */
static uint64_t reset(const struct dso_barrier *barrier, uint64_t word)
{
	uint64_t count = rounds_begun(barrier, word);

	return (word / BARRIER_ROUND + count) * BARRIER_ROUND + history_after(word, count, true);
}

static uint64_t broken(const struct dso_barrier *barrier, uint64_t word)
{
	(void)barrier;
	return word | BARRIER_BROKEN;
}

/* Something other than an arrival has happened: wake the parked parties, so that they look. */
static int announce(struct dso_barrier *barrier)
{
	uint64_t before;
	int r = word_add(&barrier->object, BARRIER_EVENT_OFFSET, 1, &before);

	return r ? r : futex_wake_all(&barrier->object, BARRIER_EVENT_OFFSET);
}

/* Replace the word, last seen as @value, while it is of the same round. Returns -EAGAIN when that
 * round is over. */
static int change(struct dso_barrier *barrier, uint64_t value,
		  uint64_t (*changed)(const struct dso_barrier *barrier, uint64_t word))
{
	uint32_t round = round_of(value);
	uint64_t before;

	for (;; value = before) {
		int r = word_cas(&barrier->object, BARRIER_WORD_OFFSET, value,
				 changed(barrier, value), &before);

		if (r)
			return r;
		if (before == value)
			return announce(barrier);
		if (round_of(before) != round)
			return -EAGAIN;
	}
}

/* The arrival of one party in a round: the round, and the event as it was before. */
struct arrival {
	uint32_t round;
	uint64_t event;
};

/* Both counts of resets. */
static uint64_t resets_of(uint64_t event)
{
	return event / BARRIER_RESET_ENDED;
}

/* A reset was begun and has not ended: its change of the word may come between any two looks. */
static bool is_resetting(uint64_t event)
{
	return (uint16_t)(event / BARRIER_RESET_BEGUN) != (uint16_t)(event / BARRIER_RESET_ENDED);
}

/* How the round of @arrival ended, now that the word is @word. The history says so for as many
 * rounds as it has bits. Beyond that the round was completed if there was no reset since. If there
 * was one, it may have ended another round; but no party may be told that all came when they did
 * not. */
static int outcome(struct dso_barrier *barrier, const struct arrival *arrival, uint64_t word)
{
	uint32_t past = round_of(word) - arrival->round;
	uint64_t history = word / BARRIER_HISTORY, event;
	int r;

	if (past <= BARRIER_HISTORY_BITS)
		return history >> (past - 1) & 1 ? -ENOTRECOVERABLE : 0;
	r = word_load(&barrier->object, BARRIER_EVENT_OFFSET, &event);
	if (r)
		return r;
	return resets_of(event) == resets_of(arrival->event) && !is_resetting(event)
		       ? 0
		       : -ENOTRECOVERABLE;
}

/* Read both words, the event first, and add @arrivals to the other. */
static int read_words(struct dso_barrier *barrier, uint64_t arrivals, uint64_t *event,
		      uint64_t *word)
{
	struct op ops[2] = {word_op(&barrier->object, DATA_FAA, BARRIER_EVENT_OFFSET, 0, 0),
			    word_op(&barrier->object, DATA_FAA, BARRIER_WORD_OFFSET, arrivals, 0)};
	int r = session_execute(&barrier->object, ops, 2);

	*event = ops[0].value;
	*word = ops[1].value;
	return r;
}

/* Whether so few parties are missing that spinning for them pays. */
static bool is_nearly_full(const struct dso_barrier *barrier, uint64_t word)
{
	return barrier->parties - arrived_of(word) % barrier->parties <= SPIN_MISSING_MAX;
}

/* Wait until the round of @arrival is over. @word was seen after the arrival. */
static int wait_for_others(struct dso_barrier *barrier, const struct arrival *arrival,
			   uint64_t word, int64_t deadline_ns)
{
	struct spin spin = spin_begin(barrier->object.session, deadline_ns);
	uint64_t event = arrival->event;
	int r, s;

	do {
		if ((int32_t)(round_of(word) - arrival->round) > 0)
			return outcome(barrier, arrival, word);
		if (word & BARRIER_BROKEN)
			return -ENOTRECOVERABLE;
		if (!is_nearly_full(barrier, word) ||
		    !spin_on(&spin, &barrier->object, BARRIER_EVENT_OFFSET, event)) {
			r = futex_wait(&barrier->object, BARRIER_EVENT_OFFSET, event, deadline_ns);
			if (r && r != -ETIMEDOUT && r != -ECANCELED)
				return r;
			/* A party that leaves before the others have come breaks the barrier for
			 * them, unless they have just come. */
			s = r ? change(barrier, word, broken) : -EAGAIN;
			if (s != -EAGAIN)
				return s ? s : r;
		}
		r = read_words(barrier, 0, &event, &word);
	} while (r == 0);
	return r;
}

/* Take this party's arrival back: the barrier was broken when it arrived in the round of @word.
 * Where that fails the barrier is broken all the same. */
static int step_back(struct dso_barrier *barrier, uint64_t word)
{
	uint32_t round = round_of(word);
	uint64_t before;

	for (; round_of(word) == round && word & BARRIER_BROKEN && arrived_of(word);
	     word = before) {
		int r = word_cas(&barrier->object, BARRIER_WORD_OFFSET, word,
				 word - BARRIER_ARRIVAL, &before);

		if (r || before == word)
			break;
	}
	return -ENOTRECOVERABLE;
}

/* All parties have come: begin the next round, unless this one was broken or reset meanwhile. */
static int complete(struct dso_barrier *barrier, const struct arrival *arrival, uint64_t value)
{
	for (;;) {
		uint64_t next, before;
		int r;

		if ((int32_t)(round_of(value) - arrival->round) > 0)
			return outcome(barrier, arrival, value);
		if (value & BARRIER_BROKEN)
			return -ENOTRECOVERABLE;
		next = completed(barrier, value);
		r = word_cas(&barrier->object, BARRIER_WORD_OFFSET, value, next, &before);
		if (r == 0 && before == value)
			r = announce(barrier);
		if (r)
			return r;
		value = before == value ? next : before;
	}
}

static int arrive(struct dso_barrier *barrier, int64_t deadline_ns, bool *ret_last)
{
	struct arrival arrival;
	uint64_t before, arrived;
	int r = read_words(barrier, BARRIER_ARRIVAL, &arrival.event, &before);

	if (r)
		return r;
	if (before & BARRIER_BROKEN)
		return step_back(barrier, before + BARRIER_ARRIVAL);
	arrived = arrived_of(before);
	arrival.round = round_of(before) + (uint32_t)(arrived / barrier->parties);
	*ret_last = arrived % barrier->parties + 1 == barrier->parties;
	before += BARRIER_ARRIVAL;
	/* It has arrived, whatever becomes of the rest. */
	return object_half_done(*ret_last
					? complete(barrier, &arrival, before)
					: wait_for_others(barrier, &arrival, before, deadline_ns));
}

/* Announce this session as a party: if it dies, the barrier breaks, so that the others do not wait
 * for it. */
static int join(struct dso_barrier *barrier)
{
	struct object *object = &barrier->object;
	uint16_t me = object->session->owner;
	uint64_t word = 0;
	int r;

	if (barrier->joined)
		return 0;
	do
		r = word_flag(object, BARRIER_PARTY_OFFSET(me), BARRIER_PARTY(me), &word);
	while (r == -EAGAIN);
	barrier->joined = r == 0;
	return r;
}

/* Whether the session is a party by another handle, too. */
static bool has_joined_again(const struct dso_barrier *barrier)
{
	struct dso_session *session = barrier->object.session;
	const struct object *object;

	pthread_mutex_lock(&session->lock);
	for (object = session->objects; object; object = object->next)
		if (object != &barrier->object && object->type == OBJECT_BARRIER &&
		    object->offset == barrier->object.offset &&
		    ((const struct dso_barrier *)object)->joined)
			break;
	pthread_mutex_unlock(&session->lock);
	return object;
}

void dso_barrier_close(struct dso_barrier *barrier)
{
	INSIDE(check_session(barrier));

	if (barrier && barrier->joined && !has_joined_again(barrier)) {
		uint16_t me = barrier->object.session->owner;
		uint64_t before;

		word_add(&barrier->object, BARRIER_PARTY_OFFSET(me), 0 - BARRIER_PARTY(me),
			 &before);
	}
	object_close((struct object *)barrier);
}

int dso_barrier_wait(struct dso_barrier *barrier, int64_t timeout, int *ret_last)
{
	INSIDE_OF(barrier);
	int64_t deadline_ns;
	bool last, was_joined = barrier->joined;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0)
		r = join(barrier);
	if (r == 0)
		r = arrive(barrier, deadline_ns, &last);
	/* A session that has become a party breaks the barrier when it ends. */
	if (barrier->joined && !was_joined)
		r = object_half_done(r);
	if (r)
		return r == -ENOTRECOVERABLE
			       ? object_refuse(
					 &barrier->object, "wait", r,
					 "it is broken: a party ended or gave up its wait, "
					 "or it was reset; dso_barrier_reset() makes it as new")
			       : object_fail_wait(&barrier->object, "wait", timeout, r);
	if (ret_last)
		*ret_last = last;
	return 0;
}

int dso_barrier_reset(struct dso_barrier *barrier)
{
	INSIDE_OF(barrier);
	uint64_t word;
	int r = word_add(&barrier->object, BARRIER_EVENT_OFFSET, BARRIER_RESET_BEGUN, &word);

	if (r)
		return object_fail(&barrier->object, "reset", r);
	r = word_load(&barrier->object, BARRIER_WORD_OFFSET, &word);
	/* Where the round ends meanwhile there is nothing to be reset any more, unless it is
	 * broken. */
	if (r == 0)
		r = change(barrier, word, reset);
	if (r == 0 || r == -EAGAIN)
		r = word_add(&barrier->object, BARRIER_EVENT_OFFSET, BARRIER_RESET_ENDED, &word);
	return r ? object_fail(&barrier->object, "reset", object_half_done(r)) : 0;
}

int dso_barrier_stat(struct dso_barrier *barrier, uint32_t *ret_parties, uint32_t *ret_waiting,
		     int *ret_broken)
{
	INSIDE_OF(barrier);
	uint64_t word;
	int r = word_load(&barrier->object, BARRIER_WORD_OFFSET, &word);

	if (r)
		return object_fail(&barrier->object, "stat", r);
	if (ret_parties)
		*ret_parties = (uint32_t)barrier->parties;
	if (ret_waiting)
		*ret_waiting = (uint32_t)arrived_of(word);
	if (ret_broken)
		*ret_broken = (word & BARRIER_BROKEN) != 0;
	return 0;
}
