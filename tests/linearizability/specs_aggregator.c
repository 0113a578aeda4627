/* SPDX-License-Identifier: Apache-2.0 */
/* Of an aggregator: rounds, each of which ends with all that was contributed to it, or by a reset.
 */
#include "tests/linearizability/specs.h"
#include "tests/linearizability/step.h"

#include <assert.h>
#include <string.h>

#define RESULTS       2  /* that are kept */
#define HISTORY_BITS  64 /* rounds of which it is known whether a reset ended them */
#define CLIENTS       10
#define RESET_IS_DONE 128

/* What the words of the state are. */
struct aggregator {
	/* of the round; and of the last rounds, by their lowest bit: sums */
	uint64_t contributions, results[RESULTS];
	uint64_t dead;
	uint64_t history; /* a bit for each round before this one: a reset ended it */
	uint16_t round, result_rounds[RESULTS], taken;
	uint8_t contributors;
	bool has_retries, is_broken, is_closed;
	/* A session died while the round was complete: that breaks this round, or the next. */
	bool breaks_one;
	uint8_t joined;
	/* of each client: how many it has done, and whether the next has had its effect */
	uint8_t resets[CLIENTS];
};
static_assert(sizeof(struct aggregator) == sizeof(struct state), "no padding: bytes are compared");

static const struct operation_kind aggregator_kinds[] = {
	[DIE] = {"die", 0, 0},
	[AGGREGATOR_CONTRIBUTE] = {"contribute", 3, 1},
	[AGGREGATOR_JOIN] = {"join", 0, 0},
	[AGGREGATOR_WAIT] = {"wait", 2, 1},
	[AGGREGATOR_TAKE] = {"take", 1, 0},
	[AGGREGATOR_GET] = {"get", 0, 2},
	[AGGREGATOR_STAT] = {"stat", 0, 2},
	[AGGREGATOR_FINISH] = {"finish", 0, 1},
	[AGGREGATOR_RESET] = {"reset", 0, 0},
	[AGGREGATOR_RESETTING] = {"resetting", 1, 0},
	[AGGREGATOR_END] = {"end", 1, 0},
};

static void aggregator_begin(struct state *state, int64_t parameter)
{
	struct aggregator it = {.round = 1};

	it.contributors = (uint8_t)parameter;
	it.has_retries = parameter & AGGREGATOR_HAS_RETRIES;
	memcpy(state, &it, sizeof it);
}

/* ---- rounds ---- */

static unsigned count(const struct aggregator *it)
{
	unsigned count = 0;

	for (unsigned id = 0; id < it->contributors; id++)
		count += (it->contributions & AGGREGATOR_FIELD(id)) != 0;
	return count;
}

static bool is_complete(const struct aggregator *it)
{
	return it->is_closed || count(it) == it->contributors;
}

static void begin_next(struct aggregator *it, bool is_reset)
{
	it->history = it->history << 1 | is_reset;
	it->round++;
	it->contributions = 0;
	it->is_broken = it->is_closed = false;
}

/*
 * A round that is complete is reduced by the client that completed it or by any that waits, some
 * time before their calls return; until then it takes more, or says that it is too late. So no
 * operation ends it, and it ends before the first one that shows that it has ended.
 */
static bool end(struct aggregator *it)
{
	if (it->is_broken || !is_complete(it))
		return false;
	it->results[it->round % RESULTS] = it->contributions;
	it->result_rounds[it->round % RESULTS] = it->round;
	begin_next(it, false);
	it->is_broken = it->breaks_one;
	it->breaks_one = false;
	return true;
}

/* An operation shows that @round is the current one. */
static bool see(struct aggregator *it, int64_t round)
{
	if (round == it->round + 1)
		end(it);
	return round == it->round;
}

/* An operation shows that @round is broken, or, where that is another one, that some round is. */
static bool see_broken(struct aggregator *it, int64_t round)
{
	if (round != it->round)
		return it->is_broken || it->breaks_one;
	it->is_broken |= it->breaks_one;
	it->breaks_one = false;
	return it->is_broken;
}

static bool was_reset(const struct aggregator *it, int64_t round)
{
	int64_t ago = it->round - round;

	return ago >= 1 && ago <= HISTORY_BITS && it->history >> (ago - 1) & 1;
}

/* Whether the result of @round may be gone: the current one is or was being reduced into its place.
 */
static bool is_overwritten(const struct aggregator *it, int64_t round)
{
	return it->round - round == RESULTS && (is_complete(it) || it->is_broken);
}

/* ---- operations ---- */

static void put(struct aggregator *it, const struct operation *operation)
{
	unsigned id = operation->client % it->contributors;

	it->joined |= (uint8_t)bit_of(operation);
	if (!it->is_broken)
		it->contributions = (it->contributions & ~AGGREGATOR_FIELD(id)) |
				    AGGREGATOR_VALUE(id, (uint64_t)operation->arguments[0]);
}

static bool contribute(struct aggregator *it, const struct operation *operation)
{
	int64_t named = operation->arguments[1];

	switch (operation->known ? operation->status : 0) {
	case 0:
		if (operation->known && (!see(it, operation->results[0]) || it->is_broken))
			return false;
		put(it, operation);
		return named == 0 || named == it->round;
	case -EALREADY:
		return named && (named < it->round || (named == it->round && is_complete(it)));
	case -ETIMEDOUT:
		if (named <= it->round + (named != 0))
			return timed_out(operation, 2) &&
			       (named == it->round + 1
					? !is_complete(it) || operation->disturbed
					: named == 0 && is_complete(it) && operation->disturbed);
		return timed_out(operation, 2);
	case -ENOTRECOVERABLE:
		return see_broken(it, named);
	case -EUSERS:
		/* Who replaces a contribution has two places for a moment. */
		return operation->disturbed;
	}
	return false;
}

/* Those who wait reduce what is complete. Operations without an effect stay out where they are not
 * known. */
static bool wait_for(struct aggregator *it, const struct operation *operation)
{
	int64_t round = operation->arguments[0], ago = it->round - round;

	if (!operation->known)
		return false;
	switch (operation->status) {
	case 0:
		return (ago || end(it)) && it->result_rounds[round % RESULTS] == round &&
		       agrees(operation, 0, it->results[round % RESULTS]);
	case -EALREADY:
		return ago > 0 || (ago == 0 && end(it));
	case -ETIMEDOUT:
		return timed_out(operation, 1) &&
		       (ago < 0 || (ago == 0 && (!is_complete(it) || operation->disturbed)));
	case -ENOTRECOVERABLE:
		return was_reset(it, round) || (ago <= 0 && see_broken(it, round));
	case -ENODATA:
		return ago > RESULTS || is_overwritten(it, round);
	}
	return false;
}

static bool take(struct aggregator *it, const struct operation *operation)
{
	int64_t round = operation->arguments[0];
	bool was_taken = it->taken >= round;

	if (operation->known && operation->status)
		return operation->status != -EALREADY || was_taken;
	it->taken = (uint16_t)round;
	return !was_taken;
}

static bool get(struct aggregator *it, const struct operation *operation)
{
	unsigned ago = 1;
	int64_t last;

	if (!operation->known)
		return false;
	if (operation->status == 0 && operation->results[1] == it->round && !end(it))
		return false;
	while (ago <= RESULTS && was_reset(it, it->round - ago))
		ago++;
	last = ago > RESULTS || ago >= it->round ? 0 : it->round - ago;
	if (operation->status)
		return operation->status == -ENODATA && (last == 0 || is_overwritten(it, last));
	return last && agrees(operation, 1, (uint64_t)last) &&
	       agrees(operation, 0, it->results[last % RESULTS]);
}

/* The contributions are counted one after the other. */
static bool stat(struct aggregator *it, const struct operation *operation)
{
	bool shows_broken = operation->results[1] & AGGREGATOR_SHOWS_BROKEN;

	if (!operation->known || operation->status || !see(it, operation->results[0]))
		return false;
	if (shows_broken ? !see_broken(it, it->round) : it->is_broken)
		return false;
	return operation->disturbed ||
	       (operation->results[1] & ~(int64_t)AGGREGATOR_SHOWS_BROKEN) == count(it);
}

static bool finish(struct aggregator *it, const struct operation *operation)
{
	if (returned(operation, -EALREADY))
		return operation->disturbed;
	if (returned(operation, -ENOTRECOVERABLE))
		return see_broken(it, 0);
	if (failed(operation) || (operation->known && !see(it, operation->results[0])))
		return false;
	it->is_closed = true;
	return !operation->known || !it->is_broken;
}

/*
 * A reset resets the round that it finds, and nothing where that ends meanwhile. So its effect is
 * an operation of its own, which is never known, and END another one: the round was over just
 * before. Both are to come before the reset itself, the @number of the client.
 */
static bool reset(struct aggregator *it, const struct operation *operation)
{
	uint8_t *resets = &it->resets[operation->client];
	bool is_done = *resets & RESET_IS_DONE;

	if (!operation->known || operation->status)
		return false;
	*resets = (uint8_t)((*resets & ~RESET_IS_DONE) + 1);
	return is_done || operation->disturbed;
}

static bool resetting(struct aggregator *it, const struct operation *operation)
{
	uint8_t *resets = &it->resets[operation->client];

	if (*resets != operation->arguments[0])
		return false;
	*resets |= RESET_IS_DONE;
	it->breaks_one = false;
	begin_next(it, true);
	return true;
}

static void die(struct aggregator *it, const struct operation *operation)
{
	if (it->has_retries || !(it->joined & bit_of(operation)) || it->is_broken)
		return;
	it->breaks_one = is_complete(it);
	it->is_broken = !it->breaks_one;
}

static bool step(struct aggregator *it, const struct operation *operation)
{
	if (!is_alive(&it->dead, operation))
		return false;
	switch (operation->kind) {
	case DIE:
		die(it, operation);
		return true;
	case AGGREGATOR_CONTRIBUTE:
		return contribute(it, operation);
	case AGGREGATOR_JOIN:
		it->joined |= (uint8_t)bit_of(operation);
		return true;
	case AGGREGATOR_WAIT:
		return wait_for(it, operation);
	case AGGREGATOR_TAKE:
		return take(it, operation);
	case AGGREGATOR_GET:
		return get(it, operation);
	case AGGREGATOR_STAT:
		return stat(it, operation);
	case AGGREGATOR_FINISH:
		return finish(it, operation);
	case AGGREGATOR_RESET:
		return reset(it, operation);
	case AGGREGATOR_RESETTING:
		return resetting(it, operation);
	case AGGREGATOR_END:
		return it->resets[operation->client] == operation->arguments[0] && end(it);
	}
	return false;
}

static bool aggregator_step(struct state *state, const struct operation *operation)
{
	struct aggregator it;
	bool may_be;

	memcpy(&it, state, sizeof it);
	may_be = step(&it, operation);
	memcpy(state, &it, sizeof it);
	return may_be;
}

static bool aggregator_disturbs(const struct operation *other, const struct operation *operation)
{
	static const bool changes_nothing[] = {[AGGREGATOR_JOIN] = true,
					       [AGGREGATOR_GET] = true,
					       [AGGREGATOR_STAT] = true,
					       /* the reset does */
					       [AGGREGATOR_RESETTING] = true,
					       [AGGREGATOR_END] = true};

	(void)operation;
	return !changes_nothing[other->kind];
}

const struct specification aggregator_specification = {
	.name = "aggregator",
	.kinds = aggregator_kinds,
	.begin = aggregator_begin,
	.step = aggregator_step,
	.disturbs = aggregator_disturbs,
};
