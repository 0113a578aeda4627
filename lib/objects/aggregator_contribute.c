/* SPDX-License-Identifier: Apache-2.0 */
/* Contributing to an aggregator, and the places that vectors are written into. */
#include "lib/objects/aggregator.h"

/* Of a contribution that finds its id's word changed by others each time: nobody contributes so
 * often. */
#define CONTRIBUTE_ATTEMPTS_MAX 1000000

/* ---- places ---- */

static struct op load_op(const struct dso_aggregator *aggregator, uint64_t offset)
{
	return word_op(&aggregator->object, DATA_FAA, offset, 0, 0);
}

static uint64_t id_offset(const struct dso_aggregator *aggregator, uint64_t id)
{
	return aggregator_id_offset(aggregator->contributors, id);
}

/* Whether place @number, whose word was @word, is published in a round that is not over: 1 or 0, or
 * a negative errno. Only a session that has the place can publish it. */
static int is_published(struct dso_aggregator *aggregator, uint32_t number, uint64_t word)
{
	uint64_t id_and_1 = aggregator_place_id_and_1(word);
	struct op ops[2] = {load_op(aggregator, AGGREGATOR_ROUND_OFFSET)};
	int r;

	if (id_and_1 == 0 || id_and_1 > aggregator->contributors)
		return 0;
	ops[1] = load_op(aggregator, id_offset(aggregator, id_and_1 - 1));
	r = session_execute(&aggregator->object, ops, 2);
	if (r)
		return r;
	aggregator_see(aggregator, ops[0].value);
	return aggregator_place_and_1(ops[1].value) == number + 1 &&
	       aggregator_round(ops[1].value) >= aggregator_round(ops[0].value);
}

/* Take place @number, whose word was @word, for @id. Returns 1, 0 when it is not free, or a
 * negative errno. */
static int take(struct dso_aggregator *aggregator, uint32_t number, uint64_t word, uint32_t id,
		struct aggregator_place *place)
{
	uint64_t taken = aggregator_place_taken(word, id, aggregator->object.session->owner);
	uint64_t before;
	int r;

	if (owned_word_owner(word))
		return 0;
	r = is_published(aggregator, number, word);
	if (r)
		return r < 0 ? r : 0;
	r = word_cas(&aggregator->object, aggregator_place_offset(number), word, taken, &before);
	if (r || before != word)
		return r;
	place->word = taken;
	place->number = number;
	place->round = 0;
	return 1;
}

/* Take any place for @id, first the two that it has if nobody else comes. A place that another
 * takes meanwhile was free a moment ago, so those after it are looked at with what was read. */
static int take_any(struct dso_aggregator *aggregator, uint32_t id, struct aggregator_place *place)
{
	uint32_t count = (uint32_t)aggregator_places(aggregator->contributors);
	le64_t words[AGGREGATOR_PLACES_EACH * AGGREGATOR_CONTRIBUTORS_MAX];
	struct op ops[3] = {
		load_op(aggregator, AGGREGATOR_ROUND_OFFSET),
		load_op(aggregator, id_offset(aggregator, id)),
		{.opcode = DATA_READ,
		 .length_bytes = 8 * count,
		 .offset = aggregator->object.offset + AGGREGATOR_PLACES_OFFSET,
		 .buffer = words},
	};
	int r = session_execute(&aggregator->object, ops, 3);

	if (r)
		return r;
	aggregator_see(aggregator, ops[0].value);
	place->id_word = ops[1].value;
	for (uint32_t i = 0; r == 0 && i <= count; i++) {
		uint32_t number = i == 1 ? id + (uint32_t)aggregator->contributors
					 : (id + i - (i > 1)) % count;

		r = take(aggregator, number, le64_get(words[number]), id, place);
	}
	return r == 1 ? 0 : r ? r : -EUSERS;
}

/* Have a place to write the next contribution of @id into. *before becomes the one that is
 * published in this round, where there is one, to be left when it was replaced. */
static int have_place(struct dso_aggregator *aggregator, uint32_t id,
		      struct aggregator_place *before)
{
	struct aggregator_place *place = &aggregator->places[id], old = *place;
	int r = 0;

	if (place->word && !aggregator_is_over(aggregator, place->round))
		r = aggregator_look(aggregator);
	if (r || (place->word && aggregator_is_over(aggregator, place->round)))
		return r;
	r = take_any(aggregator, id, place);
	if (r == 0)
		*before = old;
	return r;
}

/* The place @before is not written to any more. */
static int leave_place(struct dso_aggregator *aggregator, const struct aggregator_place *before)
{
	uint64_t word;

	if (!before->word)
		return 0;
	return word_cas(&aggregator->object, aggregator_place_offset(before->number), before->word,
			owned_word_without_owner(before->word), &word);
}

/* ---- contributing ---- */

/* Fill @ops with the WRITEs of the vector from *done on, at most @count_max of them. */
static unsigned write_ops(const struct dso_aggregator *aggregator,
			  const struct aggregator_contribution *contribution, uint64_t *done,
			  struct op *ops, unsigned count_max)
{
	const struct aggregator_place *place = &aggregator->places[contribution->id];
	uint64_t bytes = 8 * aggregator->length;
	uint64_t offset = aggregator->object.offset +
			  aggregator_vector_offset(aggregator->contributors, aggregator->length,
						   place->number);
	unsigned count = 0;

	while (*done < bytes && count < count_max) {
		uint64_t left = bytes - *done;
		uint32_t part =
			left < DATA_TRANSFER_BYTES_MAX ? (uint32_t)left : DATA_TRANSFER_BYTES_MAX;

		ops[count++] = (struct op){
			.opcode = DATA_WRITE,
			.length_bytes = part,
			.offset = offset + *done,
			.buffer = (uint8_t *)(uintptr_t)contribution->values + *done,
		};
		*done += part;
	}
	return count;
}

/* The id's word as it is by now, unless others have changed it: the end of a round freezes what
 * this handle has published in it. That is so at most once, as a reset ends a round too. A word of
 * a round that is not over is expected as it is: frozen, it takes nothing more. */
static uint64_t likely_word(const struct dso_aggregator *aggregator, struct aggregator_place *place)
{
	bool is_frozen =
		place->is_mine && aggregator_is_over(aggregator, aggregator_round(place->id_word));

	place->is_mine = false;
	return is_frozen ? place->id_word | AGGREGATOR_FROZEN : place->id_word;
}

/* Write the vector, unless it is written, and publish it in @round, in one ordered stream. Returns
 * 1, 0 when the id's word was another than this handle had seen, which is then known, or a negative
 * errno. */
static int publish(struct dso_aggregator *aggregator, struct aggregator_contribution *contribution,
		   uint64_t round)
{
	struct aggregator_place *place = &aggregator->places[contribution->id];
	uint64_t mine = aggregator_contribution(round, place->number + 1);
	uint64_t done = contribution->is_written ? 8 * aggregator->length : 0;
	uint64_t likely = likely_word(aggregator, place);
	bool enlists = contribution->watch.reads && aggregator->comes_early;
	const unsigned writes_max = AGGREGATOR_BATCH - 1 - AGGREGATOR_LOOKS;
	struct op ops[AGGREGATOR_BATCH];
	unsigned n, op_count;
	int r;

	while ((n = write_ops(aggregator, contribution, &done, ops, writes_max)) == writes_max &&
	       done < 8 * aggregator->length) {
		r = session_execute(&aggregator->object, ops, n);
		if (r)
			return r;
	}
	ops[n] = word_op(&aggregator->object, DATA_CAS, id_offset(aggregator, contribution->id),
			 likely, mine);
	op_count = n + 1 + aggregator_look_with(aggregator, 1, enlists, &ops[n + 1]);
	r = session_execute(&aggregator->object, ops, op_count);
	if (r)
		return r;
	contribution->is_written = true;
	aggregator_watch_begin(&contribution->watch, round);
	aggregator_learn(aggregator, &ops[op_count - 1], &contribution->watch);
	aggregator->comes_early = aggregator_is_early(aggregator, &contribution->watch);
	if (ops[n].value != likely) {
		place->id_word = ops[n].value;
		return 0;
	}
	place->id_word = mine;
	place->is_mine = true;
	place->round = round;
	return 1;
}

/* A contribution was published, and after that its round was over: it counts if its word was
 * frozen, or replaced. Otherwise a reset had ended the round before; then a later round may have
 * changed the word too. Returns 1 or 0, or a negative errno. */
static int has_counted(struct dso_aggregator *aggregator, uint32_t id, uint64_t round)
{
	struct aggregator_place *place = &aggregator->places[id];
	uint64_t word;
	int r = word_load(&aggregator->object, id_offset(aggregator, id), &word);

	if (r)
		return r;
	r = word != place->id_word && !aggregator_is_reset(aggregator, round);
	place->id_word = word;
	return r;
}

/* Learn of the round that the id's word is of, as it is now: no contribution is ahead of the
 * round. */
static int catch_up(struct dso_aggregator *aggregator, uint32_t id)
{
	struct aggregator_place *place = &aggregator->places[id];
	int r = word_load(&aggregator->object, id_offset(aggregator, id), &place->id_word);

	if (r == 0)
		r = aggregator_look(aggregator);
	if (r)
		return r;
	return aggregator_round(place->id_word) > aggregator_now(aggregator) ? -EBADMSG : 0;
}

/* Wait where the contribution is for a round that has not begun, or the current one has taken the
 * last of this id. What was broken another session may have reset. */
static int wait_for_round(struct dso_aggregator *aggregator,
			  const struct aggregator_contribution *contribution)
{
	const struct aggregator_place *place = &aggregator->places[contribution->id];
	struct aggregator_watch watch = {0};
	int r = 0;

	if (aggregator->word == 0 || aggregator->word & AGGREGATOR_BROKEN ||
	    aggregator_round(place->id_word) > aggregator_now(aggregator))
		r = catch_up(aggregator, contribution->id);
	if (r)
		return r;
	if (contribution->round > aggregator_now(aggregator))
		return aggregator_await(aggregator, contribution->round - 1, &watch,
					contribution->deadline_ns);
	if (contribution->round == 0 && place->id_word & AGGREGATOR_FROZEN &&
	    aggregator_round(place->id_word) == aggregator_now(aggregator))
		return aggregator_await(aggregator, aggregator_now(aggregator), &watch,
					contribution->deadline_ns);
	return 0;
}

/* The round that takes the contribution now. Returns 0, -EALREADY (the one that was named takes
 * nothing more), or the errors of a wait. */
static int find_round(struct dso_aggregator *aggregator,
		      const struct aggregator_contribution *contribution, uint64_t *ret_round)
{
	const struct aggregator_place *place = &aggregator->places[contribution->id];
	uint64_t named = contribution->round;
	int r = wait_for_round(aggregator, contribution);

	if (r)
		return r;
	*ret_round = aggregator_now(aggregator);
	if (named && (named < *ret_round || (place->id_word & AGGREGATOR_FROZEN &&
					     aggregator_round(place->id_word) == named)))
		return -EALREADY;
	return aggregator->word & AGGREGATOR_BROKEN ? -ENOTRECOVERABLE : 0;
}

/* Whether the id's word, as this handle knows it, may be replaced by a contribution to @round. */
static bool takes_more(const struct aggregator_place *place, uint64_t round)
{
	uint64_t id_round = aggregator_round(place->id_word);

	return id_round < round || (id_round == round && !(place->id_word & AGGREGATOR_FROZEN));
}

/* One attempt. Returns 1, 0 when it has to be made again, or a negative errno. */
static int try_to_contribute(struct dso_aggregator *aggregator,
			     struct aggregator_contribution *contribution,
			     struct aggregator_place *before, uint64_t *ret_round)
{
	int r = find_round(aggregator, contribution, ret_round);

	if (r == 0 && !contribution->is_written)
		r = have_place(aggregator, contribution->id, before);
	/* Taking a place may have told of a later round, or that this one takes nothing more. */
	if (r || aggregator_is_over(aggregator, *ret_round) ||
	    !takes_more(&aggregator->places[contribution->id], *ret_round))
		return r;
	r = publish(aggregator, contribution, *ret_round);
	if (r == 1 && aggregator_is_over(aggregator, *ret_round))
		r = object_half_done(has_counted(aggregator, contribution->id, *ret_round));
	return r;
}

int aggregator_contribute(struct dso_aggregator *aggregator,
			  struct aggregator_contribution *contribution, uint64_t *ret_round)
{
	struct aggregator_place before = {0};
	unsigned attempts = 0;
	int r, s;

	do
		r = try_to_contribute(aggregator, contribution, &before, ret_round);
	while (r == 0 && ++attempts < CONTRIBUTE_ATTEMPTS_MAX);
	s = leave_place(aggregator, &before);
	if (r != 1)
		return r ? r : -EBADMSG;
	if (aggregator->word & AGGREGATOR_BROKEN && !aggregator_is_over(aggregator, *ret_round))
		return -ENOTRECOVERABLE;
	/* It has counted, whatever becomes of the rest. */
	if (s == 0 && aggregator_is_complete(aggregator, &contribution->watch) &&
	    !aggregator_is_over(aggregator, *ret_round))
		s = aggregator_reduce(aggregator, *ret_round);
	return object_half_done(s);
}
