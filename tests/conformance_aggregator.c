/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/await.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include "proto/layout.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dso_aggregator *aggregator_in(struct dso_session *in, uint64_t length,
					    uint32_t contributors, uint32_t flags)
{
	const struct dso_aggregator_params params = {
		.length = length, .contributors = contributors, .flags = flags};
	struct dso_aggregator *aggregator;

	OK(in, dso_aggregator_open(in, name, length ? &params : NULL, &aggregator));
	return aggregator;
}

/* Contribute one double. Returns the round, or a negative errno. */
static int64_t give_in(struct dso_aggregator *aggregator, uint32_t id, double value, uint64_t round,
		       int64_t timeout)
{
	uint64_t in = 77;
	int r = dso_aggregator_contribute(aggregator, id, &value, sizeof value, round, timeout,
					  &in);

	ck_assert(r == 0 || in == 77);
	return r ? r : (int64_t)in;
}

static int64_t give(struct dso_aggregator *aggregator, uint32_t id, double value)
{
	return give_in(aggregator, id, value, 0, DSO_NOWAIT);
}

/* The result of @round, of one double, which is there. */
static void gives(struct dso_aggregator *aggregator, uint64_t round, double expected,
		  uint32_t contributors)
{
	double value;
	uint32_t count;
	int r = dso_aggregator_round_wait(aggregator, round, &value, sizeof value, DSO_NOWAIT,
					  &count);

	ck_assert_msg(r == 0, "round %llu: %d", (unsigned long long)round, r);
	ck_assert_double_eq(value, expected);
	ck_assert_uint_eq(count, contributors);
}

static int outcome_of(struct dso_aggregator *aggregator, uint64_t round, int64_t timeout)
{
	double value;

	return dso_aggregator_round_wait(aggregator, round, &value, sizeof value, timeout, NULL);
}

/* ---- rounds ---- */

START_TEST(a_round_ends_with_its_last_contributor_and_the_next_one_begins)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 3, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);

	for (unsigned round = 1; round < 6; round++) {
		ck_assert_int_eq(give(mine, 0, round), round);
		ck_assert_int_eq(give(theirs, 2, 100), round);
		ck_assert_int_eq(outcome_of(theirs, round, DSO_NOWAIT), -ETIMEDOUT);
		ck_assert_int_eq(outcome_of(mine, round, DSO_MILLISECOND), -ETIMEDOUT);
		ck_assert_int_eq(give(mine, 1, 20), round);
		gives(mine, round, 120 + round, 3);
		gives(theirs, round, 120 + round, 3);
	}
}
END_TEST

START_TEST(a_contribution_of_the_same_id_replaces_the_one_before_and_counts_once)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	uint32_t contributed;

	for (unsigned round = 1; round < 4; round++) {
		for (unsigned i = 0; i < 5; i++)
			ck_assert_int_eq(give(mine, 1, 1000 + i), round);
		for (unsigned i = 0; i < 5; i++) {
			ck_assert_int_eq(give(theirs, 1, 10 + i), round);
			ck_assert_int_eq(give(mine, 1, 20 + i), round);
		}
		OK(session, dso_aggregator_stat(mine, NULL, &contributed, NULL));
		ck_assert_uint_eq(contributed, 1);
		ck_assert_int_eq(outcome_of(theirs, round, DSO_NOWAIT), -ETIMEDOUT);
		ck_assert_int_eq(give(theirs, 0, 1), round);
		gives(mine, round, 25, 2);
	}
}
END_TEST

START_TEST(a_contribution_to_a_round_that_is_over_is_refused_and_changes_nothing)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);

	ck_assert_int_eq(give_in(mine, 0, 1, 1, DSO_NOWAIT), 1);
	ck_assert_int_eq(give_in(theirs, 1, 2, 1, DSO_NOWAIT), 1);
	ck_assert_int_eq(give_in(mine, 0, 50, 1, DSO_FOREVER), -EALREADY);
	ck_assert_int_eq(give_in(mine, 1, 50, 1, DSO_FOREVER), -EALREADY);
	ck_assert_int_eq(give_in(theirs, 0, 50, 1, DSO_FOREVER), -EALREADY);
	gives(mine, 1, 3, 2);
	ck_assert_int_eq(give_in(mine, 0, 5, 2, DSO_NOWAIT), 2);
	ck_assert_int_eq(give_in(theirs, 1, 6, 2, DSO_NOWAIT), 2);
	gives(theirs, 2, 11, 2);
}
END_TEST

START_TEST(a_contribution_to_a_later_round_waits_for_it)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);

	ck_assert_int_eq(give_in(mine, 0, 1, 2, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(give_in(mine, 0, 1, 2, DSO_MILLISECOND), -ETIMEDOUT);
	ck_assert_int_eq(give(mine, 0, 1), 1);
	ck_assert_int_eq(give(mine, 1, 1), 1);
	ck_assert_int_eq(give_in(mine, 0, 1, 2, DSO_NOWAIT), 2);
}
END_TEST

START_TEST(the_results_of_two_rounds_are_kept)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 1, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	double value;
	uint64_t round;

	ck_assert_int_eq(dso_aggregator_get(theirs, &value, 8, &round, NULL), -ENODATA);
	for (unsigned i = 1; i < 8; i++) {
		ck_assert_int_eq(give(mine, 0, i), i);
		gives(theirs, i, i, 1);
		OK(other, dso_aggregator_get(theirs, &value, 8, &round, NULL));
		ck_assert_uint_eq(round, i);
		ck_assert_double_eq(value, i);
		if (i > 1)
			gives(theirs, i - 1, i - 1, 1);
		if (i > 2)
			ck_assert_int_eq(outcome_of(theirs, i - 2, DSO_FOREVER), -ENODATA);
	}
}
END_TEST

START_TEST(a_round_is_finished_with_those_who_have_come)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 3, DSO_AGGREGATOR_OPEN_END);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	uint64_t round;

	ck_assert_int_eq(give(mine, 1, 1), 1);
	OK(other, dso_aggregator_finish(theirs, 0, &round));
	ck_assert_uint_eq(round, 1);
	gives(mine, 1, 1, 1);
	ck_assert_int_eq(give_in(mine, 0, 1, 1, DSO_NOWAIT), -EALREADY);
	ck_assert_int_eq(give_in(theirs, 0, 1, 1, DSO_NOWAIT), -EALREADY);
	ck_assert_int_eq(dso_aggregator_finish(theirs, 1, &round), -EALREADY);
	ck_assert_int_eq(dso_aggregator_finish(theirs, 3, &round), -EINVAL);
	/* It does not end by itself. */
	for (uint32_t id = 0; id < 3; id++)
		ck_assert_int_eq(give(mine, id, 1), 2);
	ck_assert_int_eq(outcome_of(mine, 2, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(give(mine, 0, 5), 2);
	OK(session, dso_aggregator_finish(mine, 2, NULL));
	gives(theirs, 2, 7, 3);
	/* Of nobody. */
	OK(session, dso_aggregator_finish(mine, 3, NULL));
	gives(theirs, 3, 0, 0);
}
END_TEST

START_TEST(a_reset_ends_a_round_without_a_result)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	double value;
	uint64_t round;

	ck_assert_int_eq(give(mine, 0, 1), 1);
	ck_assert_int_eq(give(theirs, 1, 2), 1);
	ck_assert_int_eq(give(mine, 0, 1), 2);
	OK(other, dso_aggregator_reset(theirs));
	ck_assert_int_eq(outcome_of(mine, 2, DSO_FOREVER), -ENOTRECOVERABLE);
	ck_assert_int_eq(give_in(mine, 0, 1, 2, DSO_NOWAIT), -EALREADY);
	OK(session, dso_aggregator_get(mine, &value, 8, &round, NULL));
	ck_assert_uint_eq(round, 1);
	ck_assert_int_eq(give(mine, 0, 3), 3);
	ck_assert_int_eq(give(theirs, 1, 4), 3);
	gives(mine, 3, 7, 2);
	OK(other, dso_aggregator_reset(theirs));
	OK(other, dso_aggregator_reset(theirs));
	ck_assert_int_eq(dso_aggregator_get(mine, &value, 8, &round, NULL), -ENODATA);
}
END_TEST

START_TEST(the_result_is_given_to_one_who_waits_for_that)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 1, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	double value;

	for (unsigned i = 1; i < 4; i++) {
		ck_assert_int_eq(give(mine, 0, i), i);
		OK(other, dso_aggregator_reduce_wait(i % 2 ? mine : theirs, i, &value, 8,
						     DSO_NOWAIT, NULL));
		ck_assert_double_eq(value, i);
		ck_assert_int_eq(dso_aggregator_reduce_wait(theirs, i, &value, 8, DSO_NOWAIT, NULL),
				 -EALREADY);
		gives(theirs, i, i, 1);
	}
}
END_TEST

START_TEST(a_contributor_that_leaves_in_order_breaks_nothing)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_session *third = conformance_open_another();
	struct dso_aggregator *another = aggregator_in(third, 0, 0, 0);

	for (unsigned round = 1; round < 7; round++) {
		ck_assert_int_eq(give(another, 1, 10), round);
		if (round % 2)
			dso_aggregator_close(another);
		else
			dso_close(third), third = conformance_open_another();
		another = aggregator_in(third, 0, 0, 0);
		ck_assert_int_eq(give(mine, 0, 1), round);
		gives(another, round, 11, 2);
	}
	dso_close(third);
}
END_TEST

START_TEST(more_sessions_than_there_are_places_are_refused_until_one_leaves)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 1, DSO_AGGREGATOR_OPEN_END);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	struct dso_session *third = conformance_open_another();
	struct dso_aggregator *another = aggregator_in(third, 0, 0, 0);

	ck_assert_int_eq(give(mine, 0, 1), 1);
	ck_assert_int_eq(give(theirs, 0, 2), 1);
	ck_assert_int_eq(give(another, 0, 3), -EUSERS);
	dso_aggregator_close(mine);
	ck_assert_int_eq(give(another, 0, 3), 1);
	OK(other, dso_aggregator_finish(theirs, 0, NULL));
	gives(theirs, 1, 3, 1);
	dso_close(third);
}
END_TEST

/* ---- several at once ---- */

#define PARTIES 4
#define ROUNDS  200
#define LENGTH  700

static void reduce_rounds(struct party *party)
{
	struct dso_aggregator *aggregator = aggregator_in(party->session, 0, 0, 0);
	double values[LENGTH], result[LENGTH];

	for (unsigned round = 1; round <= ROUNDS; round++) {
		uint64_t in;

		for (unsigned i = 0; i < LENGTH; i++)
			values[i] = i + 1000.0 * round + 0.5 * party->number;
		OK(party->session,
		   dso_aggregator_all_reduce(aggregator, party->number, values, sizeof values, 0,
					     result, HANG_TIMEOUT, &in));
		ck_assert_uint_eq(in, round);
		for (unsigned i = 0; i < LENGTH; i++)
			ck_assert_double_eq(result[i], PARTIES * (i + 1000.0 * round) +
							       0.25 * PARTIES * (PARTIES - 1));
	}
}

START_TEST(everybody_gets_the_result_of_every_round)
{
	aggregator_in(session, LENGTH, PARTIES, 0);
	parties_run(PARTIES, reduce_rounds);
}
END_TEST

static void contribute_for_two_ids(struct party *party)
{
	struct dso_aggregator *aggregator = aggregator_in(party->session, 0, 0, 0);
	double values[LENGTH];

	for (unsigned i = 0; i < LENGTH; i++)
		values[i] = party->number;
	for (unsigned i = 0; i < ROUNDS; i++)
		OK(party->session, dso_aggregator_contribute(aggregator, i % 2, values,
							     sizeof values, 0, HANG_TIMEOUT, NULL));
}

/* Both contribute for the same two ids: every result is the sum of two whole vectors. */
START_TEST(an_id_that_several_use_has_the_vector_of_one_of_them)
{
	struct dso_aggregator *mine = aggregator_in(session, LENGTH, PARTIES, 0);
	double result[LENGTH];
	uint64_t seen = 0, round;

	parties_begin(2, contribute_for_two_ids);
	for (unsigned n = 0; n < 50; n++) {
		OK(session, dso_aggregator_finish(mine, 0, &round));
		ck_assert_uint_gt(round, seen);
		seen = round;
		if (dso_aggregator_round_wait(mine, round, result, sizeof result, DSO_FOREVER,
					      NULL))
			continue;
		for (unsigned i = 1; i < LENGTH; i++)
			ck_assert_double_eq(result[i], result[0]);
	}
	parties_end();
}
END_TEST

static void hear_of_a_reset(struct party *party)
{
	struct dso_aggregator *aggregator = aggregator_in(party->session, 0, 0, 0);

	ck_assert_int_eq(outcome_of(aggregator, 1, HANG_TIMEOUT), -ENOTRECOVERABLE);
}

START_TEST(who_is_parked_hears_of_a_reset)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	uint64_t before = conformance_parked();

	parties_begin(1, hear_of_a_reset);
	conformance_until_parked(before + 1);
	OK(session, dso_aggregator_reset(mine));
	parties_end();
}
END_TEST

static void get_the_result(struct party *party)
{
	struct dso_aggregator *aggregator = aggregator_in(party->session, 0, 0, 0);

	OK(party->session, outcome_of(aggregator, 1, HANG_TIMEOUT));
}

START_TEST(all_who_are_parked_are_woken_by_the_last_contribution)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	uint64_t before = conformance_parked();

	parties_begin(3, get_the_result);
	conformance_until_parked(before + 3);
	ck_assert_int_eq(give(mine, 0, 1), 1);
	ck_assert_int_eq(give(mine, 1, 1), 1);
	parties_end();
}
END_TEST

START_TEST(who_waits_for_a_round_can_be_interrupted)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);

	dso_interrupt(session);
	ck_assert_int_eq(outcome_of(mine, 1, HANG_TIMEOUT), -ECANCELED);
	ck_assert_int_eq(give(mine, 0, 1), 1);
	ck_assert_int_eq(give(mine, 1, 1), 1);
	gives(mine, 1, 2, 2);
}
END_TEST

/* ---- vectors ---- */

START_TEST(every_length_of_a_vector_is_reduced_whole)
{
	static const uint64_t lengths[] = {1, 7, 511, 512, 513, 8192, 8193, 70001};
	uint64_t length = lengths[_i];
	struct dso_aggregator *mine = aggregator_in(session, length, 3, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	double *values = malloc(8 * length), *result = malloc(8 * length);

	ck_assert_uint_eq(dso_aggregator_bytes(theirs), 8 * length);
	for (uint32_t id = 0; id < 3; id++) {
		for (uint64_t i = 0; i < length; i++)
			values[i] = (double)i * (id + 1);
		OK(session, dso_aggregator_contribute(id == 1 ? theirs : mine, id, values,
						      8 * length, 0, DSO_NOWAIT, NULL));
	}
	memset(result, 1, 8 * length);
	OK(other, dso_aggregator_round_wait(theirs, 1, result, 8 * length, DSO_NOWAIT, NULL));
	for (uint64_t i = 0; i < length; i++)
		ck_assert_double_eq(result[i], 6.0 * (double)i);
	free(values);
	free(result);
}
END_TEST

static const struct {
	enum dso_operation operation;
	double doubles[2]; /* of 3, -1, 4; and of -0.0, infinity, 7 */
	int64_t integer;   /* of 3, -1, 4 */
} operations[] = {
	{DSO_SUM, {6, INFINITY}, 6},  {DSO_MIN, {-1, -0.0}, -1}, {DSO_MAX, {4, INFINITY}, 4},
	{DSO_MEAN, {2, INFINITY}, 0}, {DSO_COUNT, {0}, 3},       {DSO_ARGMIN, {0}, 1},
	{DSO_ARGMAX, {0}, 2},
};

START_TEST(doubles_are_reduced_by_each_operation)
{
	const struct dso_aggregator_params params = {
		.length = 2, .contributors = 3, .operation = operations[_i].operation};
	static const double values[3][2] = {{3, -0.0}, {-1, INFINITY}, {4, 7}};
	struct dso_aggregator *aggregator;
	union {
		double doubles[2];
		int64_t int64s[2];
	} result;

	OK(session, dso_aggregator_open(session, name, &params, &aggregator));
	for (uint32_t id = 0; id < 3; id++)
		OK(session,
		   dso_aggregator_contribute(aggregator, id, values[id], 16, 0, DSO_NOWAIT, NULL));
	OK(session, dso_aggregator_get(aggregator, &result, 16, NULL, NULL));
	if (operations[_i].operation >= DSO_COUNT) {
		ck_assert_int_eq(result.int64s[0], operations[_i].integer);
		return;
	}
	ck_assert_double_eq(result.doubles[0], operations[_i].doubles[0]);
	ck_assert(result.doubles[1] == operations[_i].doubles[1]);
}
END_TEST

START_TEST(integers_are_reduced_by_each_operation)
{
	const struct dso_aggregator_params params = {.length = 1,
						     .contributors = 3,
						     .element = DSO_INT64,
						     .operation = operations[_i].operation};
	static const int64_t values[3] = {3, -1, 4};
	struct dso_aggregator *aggregator;
	union {
		double number;
		int64_t integer;
	} result;

	OK(session, dso_aggregator_open(session, name, &params, &aggregator));
	for (uint32_t id = 0; id < 3; id++)
		OK(session,
		   dso_aggregator_contribute(aggregator, id, &values[id], 8, 0, DSO_NOWAIT, NULL));
	OK(session, dso_aggregator_get(aggregator, &result, 8, NULL, NULL));
	if (operations[_i].operation == DSO_MEAN)
		ck_assert_double_eq(result.number, 2);
	else
		ck_assert_int_eq(result.integer, operations[_i].integer);
}
END_TEST

START_TEST(what_is_no_number_makes_the_result_none)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	double value;

	ck_assert_int_eq(give(mine, 0, NAN), 1);
	ck_assert_int_eq(give(mine, 1, 1), 1);
	OK(session, dso_aggregator_get(mine, &value, 8, NULL, NULL));
	ck_assert(isnan(value));
	ck_assert_int_eq(give(mine, 0, INFINITY), 2);
	ck_assert_int_eq(give(mine, 1, -INFINITY), 2);
	OK(session, dso_aggregator_get(mine, &value, 8, NULL, NULL));
	ck_assert(isnan(value));
}
END_TEST

/* ---- what is refused ---- */

START_TEST(an_aggregator_has_what_it_was_made_with)
{
	static const struct dso_aggregator_params wrong[] = {
		{.length = 4},
		{.contributors = 9},
		{.element = DSO_INT64},
		{.operation = DSO_MAX},
		{.flags = DSO_AGGREGATOR_OPEN_END},
		{.length = DSO_AGGREGATOR_LENGTH_MAX + 1},
		{.contributors = DSO_AGGREGATOR_CONTRIBUTORS_MAX + 1},
		{.operation = DSO_ARGMAX + 1},
		{.element = DSO_DOUBLE + 1},
		{.flags = 4},
		{.ephemeral = 2}};
	static const struct dso_aggregator_params right[] = {{.length = 3},
							     {.contributors = 2},
							     {.element = DSO_DOUBLE},
							     {.operation = DSO_SUM}};
	struct dso_aggregator *aggregator;
	struct dso_counter *counter;

	ck_assert_int_eq(dso_aggregator_open(session, name, NULL, &aggregator), -EINVAL);
	ck_assert_int_eq(dso_aggregator_open(session, name, &right[0], &aggregator), -EINVAL);
	aggregator_in(session, 3, 2, DSO_AGGREGATOR_RETRIES);
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(dso_aggregator_open(other, name, &wrong[i], &aggregator), -EINVAL);
	for (unsigned i = 0; i < sizeof right / sizeof *right; i++)
		OK(other, dso_aggregator_open(other, name, &right[i], &aggregator));
	ck_assert_int_eq(dso_counter_open(other, name, NULL, &counter), -EEXIST);
}
END_TEST

START_TEST(what_does_not_fit_is_refused_and_counts_nothing)
{
	struct dso_aggregator *mine = aggregator_in(session, 2, 2, 0);
	double values[3] = {1, 2, 3};
	uint64_t round = 77;
	uint32_t contributed;

	ck_assert_int_eq(dso_aggregator_contribute(mine, 2, values, 16, 0, 0, &round), -EINVAL);
	ck_assert_int_eq(dso_aggregator_contribute(mine, 0, NULL, 16, 0, 0, &round), -EINVAL);
	ck_assert_int_eq(dso_aggregator_contribute(mine, 0, values, 16, 0, -2, &round), -EINVAL);
	ck_assert_int_eq(dso_aggregator_contribute(mine, 0, values, 8, 0, 0, &round), -EMSGSIZE);
	ck_assert_int_eq(dso_aggregator_contribute(mine, 0, values, 24, 0, 0, &round), -EMSGSIZE);
	ck_assert_int_eq(dso_aggregator_round_wait(mine, 1, values, 8, 0, NULL), -EMSGSIZE);
	ck_assert_int_eq(dso_aggregator_round_wait(mine, 1, NULL, 16, 0, NULL), -EINVAL);
	ck_assert_int_eq(dso_aggregator_get(mine, values, 24, NULL, NULL), -EMSGSIZE);
	ck_assert_int_eq(
		dso_aggregator_all_reduce(mine, 0, values, 16, 0, NULL, DSO_NOWAIT, &round),
		-EINVAL);
	ck_assert_uint_eq(round, 77);
	OK(session, dso_aggregator_stat(mine, &round, &contributed, NULL));
	ck_assert_uint_eq(round, 1);
	ck_assert_uint_eq(contributed, 0);
}
END_TEST

START_TEST(a_deleted_aggregator_is_stale)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);

	ck_assert_int_eq(give(mine, 0, 1), 1);
	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(give(mine, 0, 1), -ESTALE);
	ck_assert_int_eq(outcome_of(mine, 1, DSO_FOREVER), -ESTALE);
	ck_assert_int_eq(dso_aggregator_finish(mine, 0, NULL), -ESTALE);
	ck_assert_int_eq(dso_aggregator_reset(mine), -ESTALE);
}
END_TEST

/* ---- words that make no sense ---- */

static uint64_t *id_word(uint64_t contributors, uint64_t id)
{
	return word_at(aggregator_id_offset(contributors, id));
}

START_TEST(words_that_were_written_over_cost_their_round_and_no_more)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);
	uint64_t *result = word_at(aggregator_result_offset(2, 1, 1) + 64);
	double value;

	/* A place that there is not. */
	*id_word(2, 0) = aggregator_contribution(1, 5000);
	ck_assert_int_eq(give(theirs, 1, 2), 1);
	OK(other, dso_aggregator_finish(theirs, 1, NULL));
	gives(theirs, 1, 2, 1);
	/* A round that has not begun. */
	*id_word(2, 0) = aggregator_contribution(9, 1) | AGGREGATOR_FROZEN;
	ck_assert_int_eq(give(mine, 0, 2), -EBADMSG);
	*id_word(2, 0) = aggregator_contribution(1, 0) | AGGREGATOR_FROZEN;
	ck_assert_int_eq(give(mine, 0, 2), 2);
	/* The result. */
	*result ^= 1;
	ck_assert_int_eq(outcome_of(theirs, 1, DSO_FOREVER), -EBADMSG);
	ck_assert_int_eq(dso_aggregator_get(theirs, &value, 8, NULL, NULL), -EBADMSG);
	/* A reducer that is nobody keeps those who wait, and nobody else. */
	*word_at(AGGREGATOR_REDUCER_OFFSET) = owned_word(1, OWNED_BY_STORAGED);
	ck_assert_int_eq(give(theirs, 1, 2), 2);
	ck_assert_int_eq(outcome_of(theirs, 2, DSO_MILLISECOND), -ETIMEDOUT);
	OK(session, dso_aggregator_reset(mine));
	*word_at(AGGREGATOR_REDUCER_OFFSET) = 0;
	ck_assert_int_eq(give(theirs, 1, 2), 3);
	ck_assert_int_eq(give(mine, 0, 3), 3);
	gives(theirs, 3, 5, 2);
}
END_TEST

START_TEST(a_round_that_is_broken_is_so_until_a_reset)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 1, 2, 0);
	int broken;

	*word_at(AGGREGATOR_ROUND_OFFSET) |= AGGREGATOR_BROKEN;
	ck_assert_int_eq(give(mine, 0, 1), -ENOTRECOVERABLE);
	ck_assert_int_eq(give(theirs, 1, 1), -ENOTRECOVERABLE);
	ck_assert_int_eq(outcome_of(mine, 1, DSO_FOREVER), -ENOTRECOVERABLE);
	ck_assert_int_eq(dso_aggregator_finish(mine, 0, NULL), -ENOTRECOVERABLE);
	OK(session, dso_aggregator_stat(mine, NULL, NULL, &broken));
	ck_assert(broken);
	OK(session, dso_aggregator_reset(mine));
	ck_assert_int_eq(give(mine, 0, 1), 2);
	/* It is not told of the reset. */
	ck_assert_int_eq(give(theirs, 1, 1), 2);
	gives(mine, 2, 2, 2);
}
END_TEST

/* The last arrival was counted, and its session ended before it had the round reduced. */
START_TEST(a_round_that_nobody_reduced_is_reduced_for_who_waits)
{
	struct dso_aggregator *mine = aggregator_in(session, 1, 2, 0);
	struct dso_aggregator *theirs = aggregator_in(other, 0, 0, 0);

	*word_at(AGGREGATOR_REDUCER_OFFSET) = owned_word(1, OWNED_BY_STORAGED);
	ck_assert_int_eq(give(mine, 0, 1), 1);
	ck_assert_int_eq(give(mine, 1, 1), 1);
	ck_assert_int_eq(outcome_of(theirs, 1, DSO_NOWAIT), -ETIMEDOUT);
	*word_at(AGGREGATOR_REDUCER_OFFSET) = owned_word(1, 0);
	gives(theirs, 1, 2, 2);
}
END_TEST

Suite *conformance_aggregator_suite(void)
{
	Suite *suite = suite_create("aggregator");
	TCase *tests = tcase_create("aggregator"), *behind = tcase_create("behind");

	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, a_round_ends_with_its_last_contributor_and_the_next_one_begins);
	tcase_add_test(tests,
		       a_contribution_of_the_same_id_replaces_the_one_before_and_counts_once);
	tcase_add_test(tests,
		       a_contribution_to_a_round_that_is_over_is_refused_and_changes_nothing);
	tcase_add_test(tests, a_contribution_to_a_later_round_waits_for_it);
	tcase_add_test(tests, the_results_of_two_rounds_are_kept);
	tcase_add_test(tests, a_round_is_finished_with_those_who_have_come);
	tcase_add_test(tests, a_reset_ends_a_round_without_a_result);
	tcase_add_test(tests, the_result_is_given_to_one_who_waits_for_that);
	tcase_add_test(tests, a_contributor_that_leaves_in_order_breaks_nothing);
	tcase_add_test(tests, more_sessions_than_there_are_places_are_refused_until_one_leaves);
	tcase_add_test(tests, everybody_gets_the_result_of_every_round);
	tcase_add_test(tests, an_id_that_several_use_has_the_vector_of_one_of_them);
	tcase_add_test(tests, who_is_parked_hears_of_a_reset);
	tcase_add_test(tests, all_who_are_parked_are_woken_by_the_last_contribution);
	tcase_add_test(tests, who_waits_for_a_round_can_be_interrupted);
	tcase_add_loop_test(tests, every_length_of_a_vector_is_reduced_whole, 0, 8);
	tcase_add_loop_test(tests, doubles_are_reduced_by_each_operation, 0,
			    sizeof operations / sizeof *operations);
	tcase_add_loop_test(tests, integers_are_reduced_by_each_operation, 0,
			    sizeof operations / sizeof *operations);
	tcase_add_test(tests, what_is_no_number_makes_the_result_none);
	tcase_add_test(tests, an_aggregator_has_what_it_was_made_with);
	tcase_add_test(tests, what_does_not_fit_is_refused_and_counts_nothing);
	tcase_add_test(tests, a_deleted_aggregator_is_stale);
	suite_add_tcase(suite, tests);
	tcase_add_checked_fixture(behind, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_test(behind, words_that_were_written_over_cost_their_round_and_no_more);
	tcase_add_test(behind, a_round_that_is_broken_is_so_until_a_reset);
	tcase_add_test(behind, a_round_that_nobody_reduced_is_reduced_for_who_waits);
	suite_add_tcase(suite, behind);
	return suite;
}
