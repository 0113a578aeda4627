/* SPDX-License-Identifier: Apache-2.0 */
/* An aggregator's handle, and its public form (lib/objects/aggregator.h). */
#include "lib/objects/aggregator.h"
#include "lib/client/check.h"

#include <stdlib.h>
#include <string.h>

#define READS_MAX       1000  /* of a result while rounds end */
#define AHEAD_BYTES_MAX 65536 /* of a vector: a longer one takes far longer than a round trip */

/* ---- the handle ---- */

/* The places are the session's, and are taken back with it. Nothing else is held. */
static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_aggregator *aggregator = (struct dso_aggregator *)object;

	if (loss) {
		memset(aggregator->places, 0,
		       aggregator->contributors * sizeof *aggregator->places);
		aggregator->word = 0;
	}
	return false;
}

/* The wire's parameters. Returns 0 or -EINVAL. */
static int encode(const struct dso_aggregator_params *params, uint64_t parameters[4])
{
	unsigned operation = params->operation ? params->operation : DSO_SUM;
	unsigned element = params->element ? params->element : DSO_DOUBLE;

	if (operation > DSO_ARGMAX || element > DSO_DOUBLE ||
	    params->flags & ~(uint32_t)(DSO_AGGREGATOR_RETRIES | DSO_AGGREGATOR_OPEN_END))
		return -EINVAL;
	parameters[AGGREGATOR_PARAMETER_LENGTH] = params->length;
	if (params->operation || params->element)
		parameters[AGGREGATOR_PARAMETER_KIND] = AGGREGATOR_KIND(operation, element);
	parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS] = params->contributors;
	parameters[AGGREGATOR_PARAMETER_FLAGS] = params->flags;
	return 0;
}

int dso_aggregator_open(struct dso_session *session, const char *name,
			const struct dso_aggregator_params *params,
			struct dso_aggregator **ret_aggregator)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_AGGREGATOR,
		.lose = lose,
		.unwanted = !ret_aggregator,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_aggregator *aggregator;
	int r;

	if (params && encode(params, request.parameters))
		return session_fail(session, -EINVAL,
				    "cannot open an aggregator: its parameters are operation 1 to "
				    "%d, element 1 or 2, and known flags",
				    DSO_ARGMAX);
	r = object_open(session, name, &request, sizeof *aggregator, &aggregator);
	if (r)
		return r;
	aggregator->length = aggregator->object.parameters[AGGREGATOR_PARAMETER_LENGTH];
	aggregator->contributors = aggregator->object.parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS];
	aggregator->flags = aggregator->object.parameters[AGGREGATOR_PARAMETER_FLAGS];
	aggregator->places = calloc(aggregator->contributors, sizeof *aggregator->places);
	aggregator->object.memory[0] = aggregator->places;
	if (dso_aggregator_bytes(aggregator) <= AHEAD_BYTES_MAX)
		aggregator->ahead = malloc(dso_aggregator_bytes(aggregator));
	aggregator->object.memory[1] = aggregator->ahead;
	if (!aggregator->places) {
		object_close(&aggregator->object);
		return session_fail(session, -ENOMEM, "cannot open aggregator %s: out of memory",
				    name);
	}
	*ret_aggregator = aggregator;
	return 0;
}

/* Give the places back to others. What was published from them stays. */
static void leave_places(struct dso_aggregator *aggregator)
{
	struct op ops[AGGREGATOR_BATCH];
	unsigned count = 0;

	for (uint64_t id = 0; id < aggregator->contributors; id++) {
		const struct aggregator_place *place = &aggregator->places[id];

		if (place->word)
			ops[count++] = word_op(&aggregator->object, DATA_CAS,
					       aggregator_place_offset(place->number), place->word,
					       owned_word_without_owner(place->word));
		if (count == AGGREGATOR_BATCH || (count && id + 1 == aggregator->contributors)) {
			session_execute(&aggregator->object, ops, count);
			count = 0;
		}
	}
}

void dso_aggregator_close(struct dso_aggregator *aggregator)
{
	INSIDE(check_session(aggregator));

	if (aggregator)
		leave_places(aggregator);
	object_close((struct object *)aggregator);
}

size_t dso_aggregator_bytes(const struct dso_aggregator *aggregator)
{
	return 8 * aggregator->length;
}

int aggregator_look(struct dso_aggregator *aggregator)
{
	uint64_t word;
	int r = word_load(&aggregator->object, AGGREGATOR_ROUND_OFFSET, &word);

	if (r == 0)
		aggregator_see(aggregator, word);
	return r;
}

/* ---- the public form ---- */

static int fail(struct dso_aggregator *aggregator, const char *verb, int64_t timeout, int error)
{
	struct object *object = &aggregator->object;

	switch (error) {
	case -EALREADY:
		return object_refuse(object, verb, error, "too late: that round is over");
	case -EUSERS:
		return object_refuse(
			object, verb, error, "all %llu places are taken by handles that contribute",
			(unsigned long long)aggregator_places(aggregator->contributors));
	case -ENODATA:
		return object_refuse(object, verb, error, "there is no result of that round");
	}
	return object_fail_wait(object, verb, timeout, error);
}

/* Check what was given to @verb: an id, and a vector of @bytes. Returns 0 or an error with its
 * sentence. */
static int check(struct dso_aggregator *aggregator, const char *verb, uint64_t id,
		 const void *vector, size_t bytes)
{
	struct object *object = &aggregator->object;

	if (id >= aggregator->contributors)
		return object_refuse(object, verb, -EINVAL, "the id is %llu, there are 0 to %llu",
				     (unsigned long long)id,
				     (unsigned long long)aggregator->contributors - 1);
	if (bytes != 8 * aggregator->length)
		return object_refuse(object, verb, -EMSGSIZE,
				     "%zu bytes given, a vector has %llu of them", bytes,
				     (unsigned long long)(8 * aggregator->length));
	if (!vector)
		return object_refuse(object, verb, -EINVAL, "there is no vector");
	return 0;
}

int dso_aggregator_contribute(struct dso_aggregator *aggregator, uint32_t id, const void *values,
			      size_t values_bytes, uint64_t round, int64_t timeout,
			      uint64_t *ret_round)
{
	INSIDE_OF(aggregator);
	struct aggregator_contribution contribution = {.id = id, .values = values, .round = round};
	uint64_t in;
	int r = check(aggregator, "contribute", id, values, values_bytes);

	if (r)
		return r;
	r = futex_deadline(timeout, &contribution.deadline_ns);
	if (r == 0)
		r = aggregator_contribute(aggregator, &contribution, &in);
	if (r)
		return fail(aggregator, "contribute", timeout, r);
	if (ret_round)
		*ret_round = in;
	return 0;
}

/* Wait for the end of @round, 0: the current one, and read its result. */
static int wait_and_read(struct dso_aggregator *aggregator, uint64_t *round,
			 struct aggregator_watch *watch, void *result, int64_t deadline_ns,
			 uint32_t *ret_contributors)
{
	int r = 0;

	if (*round == 0) {
		r = aggregator_look(aggregator);
		*round = aggregator_now(aggregator);
	}
	if (r == 0)
		r = aggregator_await(aggregator, *round, watch, deadline_ns);
	if (r == 0)
		r = aggregator_read(aggregator, *round, result, ret_contributors);
	return aggregator_leave(aggregator, r);
}

int dso_aggregator_all_reduce(struct dso_aggregator *aggregator, uint32_t id, const void *values,
			      size_t values_bytes, uint64_t round, void *result, int64_t timeout,
			      uint64_t *ret_round)
{
	INSIDE_OF(aggregator);
	struct aggregator_contribution contribution = {
		.id = id, .values = values, .round = round, .watch.reads = true};
	uint64_t in = 0;
	uint32_t contributors;
	int r = check(aggregator, "all_reduce", id, values, values_bytes);

	if (r == 0 && !result)
		r = check(aggregator, "all_reduce", id, result, values_bytes);
	if (r)
		return r;
	r = futex_deadline(timeout, &contribution.deadline_ns);
	aggregator->copy = result;
	aggregator->copied_round = 0;
	if (r == 0)
		r = aggregator_contribute(aggregator, &contribution, &in);
	if (r == 0 && aggregator->copied_round != in)
		r = object_half_done(wait_and_read(aggregator, &in, &contribution.watch, result,
						   contribution.deadline_ns, &contributors));
	r = aggregator_leave(aggregator, r);
	aggregator->copy = NULL;
	if (r)
		return fail(aggregator, "all_reduce", timeout, r);
	if (ret_round)
		*ret_round = in;
	return 0;
}

int dso_aggregator_round_wait(struct dso_aggregator *aggregator, uint64_t round, void *result,
			      size_t result_bytes, int64_t timeout, uint32_t *ret_contributors)
{
	INSIDE_OF(aggregator);
	struct aggregator_watch watch = {.reads = true};
	int64_t deadline_ns;
	uint32_t contributors;
	int r = check(aggregator, "wait for a round", 0, result, result_bytes);

	if (r)
		return r;
	r = futex_deadline(timeout, &deadline_ns);
	if (r == 0)
		r = wait_and_read(aggregator, &round, &watch, result, deadline_ns, &contributors);
	if (r)
		return fail(aggregator, "wait for a round", timeout, r);
	if (ret_contributors)
		*ret_contributors = contributors;
	return 0;
}

/* Be the one who takes the result of @round, or a later one. Returns 0, -EALREADY or an error. */
static int take_result(struct dso_aggregator *aggregator, uint64_t round)
{
	uint64_t taken = round - 1, before;
	int r;

	for (;; taken = before) {
		r = word_cas(&aggregator->object, AGGREGATOR_TAKEN_OFFSET, taken, round, &before);
		if (r || before == taken)
			return r;
		if (before >= round)
			return -EALREADY;
	}
}

int dso_aggregator_reduce_wait(struct dso_aggregator *aggregator, uint64_t round, void *result,
			       size_t result_bytes, int64_t timeout, uint32_t *ret_contributors)
{
	INSIDE_OF(aggregator);
	struct aggregator_watch watch = {.reads = true};
	int64_t deadline_ns;
	uint32_t contributors;
	int r = check(aggregator, "reduce_wait", 0, result, result_bytes);

	if (r)
		return r;
	r = futex_deadline(timeout, &deadline_ns);
	if (r == 0)
		r = wait_and_read(aggregator, &round, &watch, result, deadline_ns, &contributors);
	if (r == 0)
		r = take_result(aggregator, round);
	if (r == -EALREADY)
		return object_refuse(&aggregator->object, "reduce_wait", r,
				     "another has taken the result of that round, or a later one");
	if (r)
		return fail(aggregator, "reduce_wait", timeout, r);
	if (ret_contributors)
		*ret_contributors = contributors;
	return 0;
}

/* The last round that has a result, 0: none of those whose results are kept has. */
static uint64_t last_result(const struct dso_aggregator *aggregator)
{
	uint64_t now = aggregator_now(aggregator);

	for (uint64_t ago = 1; ago <= AGGREGATOR_RESULTS && ago < now; ago++)
		if (!aggregator_was_reset(aggregator->word, now - ago))
			return now - ago;
	return 0;
}

/* Read the result of the last round. More rounds may end meanwhile: then it is looked for again. */
static int read_last(struct dso_aggregator *aggregator, void *result, uint64_t *ret_round,
		     uint32_t *ret_contributors)
{
	int r;

	for (unsigned attempts = 0; attempts < READS_MAX; attempts++) {
		r = aggregator_look(aggregator);
		if (r)
			return r;
		*ret_round = last_result(aggregator);
		if (*ret_round == 0)
			return -ENODATA;
		r = aggregator_read(aggregator, *ret_round, result, ret_contributors);
		if (r != -ENODATA && r != -ENOTRECOVERABLE)
			return r;
	}
	return r;
}

int dso_aggregator_get(struct dso_aggregator *aggregator, void *result, size_t result_bytes,
		       uint64_t *ret_round, uint32_t *ret_contributors)
{
	INSIDE_OF(aggregator);
	uint32_t contributors;
	uint64_t round;
	int r = check(aggregator, "get", 0, result, result_bytes);

	if (r)
		return r;
	r = read_last(aggregator, result, &round, &contributors);
	if (r)
		return fail(aggregator, "get", 0, r);
	if (ret_round)
		*ret_round = round;
	if (ret_contributors)
		*ret_contributors = contributors;
	return 0;
}

/* Change the word of @round (0: the current one) into @changed of it. Returns 0, or -EALREADY (it
 * is over). */
static int change_round(struct dso_aggregator *aggregator, uint64_t *round,
			uint64_t (*changed)(uint64_t word))
{
	int r = aggregator_look(aggregator);

	if (r)
		return r;
	if (*round == 0)
		*round = aggregator_now(aggregator);
	while (aggregator_now(aggregator) == *round) {
		uint64_t word = aggregator->word, before;

		r = word_cas(&aggregator->object, AGGREGATOR_ROUND_OFFSET, word, changed(word),
			     &before);
		if (r)
			return r;
		aggregator_see(aggregator, before == word ? changed(word) : before);
		if (before == word)
			return 0;
	}
	return aggregator_is_over(aggregator, *round) ? -EALREADY : -EINVAL;
}

static uint64_t closed(uint64_t word)
{
	return word | AGGREGATOR_CLOSED;
}

static uint64_t reset(uint64_t word)
{
	return aggregator_next_round(word, true);
}

int dso_aggregator_finish(struct dso_aggregator *aggregator, uint64_t round, uint64_t *ret_round)
{
	INSIDE_OF(aggregator);
	int r = change_round(aggregator, &round, closed);

	if (r == 0 && aggregator->word & AGGREGATOR_BROKEN)
		r = -ENOTRECOVERABLE;
	if (r == 0)
		r = object_half_done(aggregator_reduce(aggregator, round));
	if (r == -EINVAL)
		return object_refuse(&aggregator->object, "finish", r, "that round has not begun");
	if (r)
		return fail(aggregator, "finish", 0, r);
	if (ret_round)
		*ret_round = round;
	return 0;
}

int dso_aggregator_reset(struct dso_aggregator *aggregator)
{
	INSIDE_OF(aggregator);
	uint64_t round = 0;
	int r = change_round(aggregator, &round, reset);

	/* Where the round ends meanwhile there is nothing to be reset any more. */
	if (r == 0 || r == -EALREADY)
		r = object_half_done(aggregator_announce(aggregator));
	return r ? fail(aggregator, "reset", 0, r) : 0;
}

int dso_aggregator_stat(struct dso_aggregator *aggregator, uint64_t *ret_round,
			uint32_t *ret_contributed, int *ret_broken)
{
	INSIDE_OF(aggregator);
	uint32_t contributed;
	int r = aggregator_look(aggregator);

	if (r == 0)
		r = aggregator_count(aggregator, &contributed);
	if (r)
		return fail(aggregator, "stat", 0, r);
	if (ret_round)
		*ret_round = aggregator_now(aggregator);
	if (ret_contributed)
		*ret_contributed = contributed;
	if (ret_broken)
		*ret_broken = (aggregator->word & AGGREGATOR_BROKEN) != 0;
	return 0;
}
