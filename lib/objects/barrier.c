/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/objects/word.h"

#include <errno.h>

#define SPIN_MISSING_MAX 8 /* parties */

struct dso_barrier {
	struct object object;
	uint64_t parties;
};

static uint32_t round_of(uint64_t word)
{
	return (uint32_t)(word / BARRIER_ROUND);
}

static uint64_t arrived_of(uint64_t word)
{
	return word % BARRIER_ROUND / BARRIER_ARRIVAL;
}

int dso_barrier_open(struct dso_session *session, const char *name,
		     const struct dso_barrier_params *params, struct dso_barrier **ret_barrier)
{
	struct open_request request = {.type = OBJECT_BARRIER, .given = params != NULL};
	struct dso_barrier *barrier;
	int r;

	if (params) {
		if (params->parties > DSO_BARRIER_PARTIES_MAX || params->reserved)
			return session_fail(
				session, -EINVAL,
				"cannot open barrier %s: it has 1 to %d parties, not %u", name,
				DSO_BARRIER_PARTIES_MAX, params->parties);
		request.parameters[BARRIER_PARAMETER_PARTIES] = params->parties;
	}
	r = object_open(session, name, &request, sizeof *barrier, &barrier);
	if (r)
		return r;
	barrier->parties = barrier->object.parameters[BARRIER_PARAMETER_PARTIES];
	*ret_barrier = barrier;
	return 0;
}

void dso_barrier_close(struct dso_barrier *barrier)
{
	object_close((struct object *)barrier);
}

/* Something other than an arrival has happened: who is parked is to look. */
static int announce(struct dso_barrier *barrier)
{
	uint64_t before;
	int r = word_add(&barrier->object, BARRIER_EVENT_OFFSET, 1, &before);

	return r ? r : futex_wake_all(&barrier->object, BARRIER_EVENT_OFFSET);
}

/* Replace the word, which was @value when it was last seen, as long as it is of the same round. Returns
 * -EAGAIN when that is over. */
static int change(struct dso_barrier *barrier, uint64_t value, uint64_t (*changed)(uint64_t value))
{
	uint32_t round = round_of(value);
	uint64_t before;

	for (;; value = before) {
		int r = word_cas(&barrier->object, BARRIER_WORD_OFFSET, value, changed(value),
				 &before);

		if (r)
			return r;
		if (before == value)
			return announce(barrier);
		if (round_of(before) != round)
			return -EAGAIN;
	}
}

static uint64_t broken(uint64_t value)
{
	return value | BARRIER_BROKEN;
}

/* Many rounds on, so that who waits can tell it from rounds that were completed. */
static uint64_t reset(uint64_t value)
{
	return (value / BARRIER_ROUND + BARRIER_RESET) * BARRIER_ROUND;
}

/* What a round came to that is @past rounds ago. */
static int outcome(int32_t past)
{
	return past % BARRIER_RESET ? 0 : -ENOTRECOVERABLE;
}

/* Look at both words, at the event first, and add @arrivals to the other. */
static int look(struct dso_barrier *barrier, uint64_t arrivals, uint64_t *event, uint64_t *word)
{
	struct op ops[2] = {word_op(&barrier->object, DATA_FAA, BARRIER_EVENT_OFFSET, 0, 0),
			    word_op(&barrier->object, DATA_FAA, BARRIER_WORD_OFFSET, arrivals, 0)};
	int r = session_execute(&barrier->object, ops, 2);

	*event = ops[0].value;
	*word = ops[1].value;
	return r;
}

/* Whether so few are missing that it is worth to spin for them. */
static bool is_nearly_full(const struct dso_barrier *barrier, uint64_t word)
{
	return barrier->parties - arrived_of(word) % barrier->parties <= SPIN_MISSING_MAX;
}

/* Wait until round @round is over. @event was looked at, and then @word. */
static int wait_for_others(struct dso_barrier *barrier, uint32_t round, uint64_t event,
			   uint64_t word, int64_t deadline_ns)
{
	struct spin spin = spin_begin(barrier->object.session, deadline_ns);
	int r, s;

	do {
		int32_t past = (int32_t)(round_of(word) - round);

		if (past > 0)
			return outcome(past);
		if (word & BARRIER_BROKEN)
			return -ENOTRECOVERABLE;
		if (!is_nearly_full(barrier, word) ||
		    !spin_on(&spin, &barrier->object, BARRIER_EVENT_OFFSET, event)) {
			r = futex_wait(&barrier->object, BARRIER_EVENT_OFFSET, event, deadline_ns);
			if (r && r != -ETIMEDOUT && r != -ECANCELED)
				return r;
			/* Who leaves before the others came breaks it for them, unless they just
			 * came. */
			s = r ? change(barrier, word, broken) : -EAGAIN;
			if (s != -EAGAIN)
				return s ? s : r;
		}
		r = look(barrier, 0, &event, &word);
	} while (r == 0);
	return r;
}

/* It was broken when this party arrived in the round of @word: it did not. */
static int step_back(struct dso_barrier *barrier, uint64_t word)
{
	uint32_t round = round_of(word);
	uint64_t before;

	for (; round_of(word) == round && word & BARRIER_BROKEN && arrived_of(word);
	     word = before) {
		int r = word_cas(&barrier->object, BARRIER_WORD_OFFSET, word,
				 word - BARRIER_ARRIVAL, &before);

		if (r)
			return r;
		if (before == word)
			break;
	}
	return -ENOTRECOVERABLE;
}

/* All have come: begin the next round, unless this one was broken or reset meanwhile, for all of them. */
static int complete(struct dso_barrier *barrier, uint64_t value, uint32_t round)
{
	for (;;) {
		int32_t past = (int32_t)(round_of(value) - round);
		uint64_t next = value + BARRIER_ROUND - barrier->parties * BARRIER_ARRIVAL, before;
		int r;

		if (past > 0)
			return outcome(past);
		if (value & BARRIER_BROKEN)
			return -ENOTRECOVERABLE;
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
	uint64_t event, before, arrived;
	uint32_t round;
	int r = look(barrier, BARRIER_ARRIVAL, &event, &before);

	if (r)
		return r;
	if (before & BARRIER_BROKEN)
		return step_back(barrier, before + BARRIER_ARRIVAL);
	/* More than there are parties may come before the last of them has begun the next round. */
	arrived = arrived_of(before);
	round = round_of(before) + (uint32_t)(arrived / barrier->parties);
	*ret_last = arrived % barrier->parties + 1 == barrier->parties;
	return *ret_last ? complete(barrier, before + BARRIER_ARRIVAL, round)
			 : wait_for_others(barrier, round, event, before + BARRIER_ARRIVAL,
					   deadline_ns);
}

int dso_barrier_wait(struct dso_barrier *barrier, int64_t timeout, int *ret_last)
{
	int64_t deadline_ns;
	bool last;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0)
		r = arrive(barrier, deadline_ns, &last);
	if (r)
		return object_fail(&barrier->object, "wait", r);
	if (ret_last)
		*ret_last = last;
	return 0;
}

int dso_barrier_reset(struct dso_barrier *barrier)
{
	uint64_t word;
	int r = word_load(&barrier->object, BARRIER_WORD_OFFSET, &word);

	/* Where the round ends meanwhile there is nothing to be reset any more, unless it is broken. */
	if (r == 0)
		r = change(barrier, word, reset);
	if (r == -EAGAIN)
		r = 0;
	return r ? object_fail(&barrier->object, "reset", r) : 0;
}

int dso_barrier_stat(struct dso_barrier *barrier, uint32_t *ret_parties, uint32_t *ret_waiting,
		     int *ret_broken)
{
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
