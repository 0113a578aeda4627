/* SPDX-License-Identifier: Apache-2.0 */
/* A future's capacity is decided by whoever sets it, and what is in it is read by everybody. */
#include "tests/conformance_pair.h"
#include "proto/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG 70000

static char value[LONG], got[LONG];

static void setup(void)
{
	pair_begin();
	for (size_t i = 0; i < LONG; i++)
		value[i] = (char)('a' + i * 31 % 26);
	memset(got, 0, sizeof got);
}

static void is_got(struct dso_session *in, struct dso_future *future, size_t length_bytes)
{
	size_t length = 0;

	OK(in, dso_future_get(future, got, sizeof got, DSO_NOWAIT, &length));
	ck_assert_uint_eq(length, length_bytes);
	ck_assert_int_eq(memcmp(got, value, length), 0);
}

START_TEST(the_first_waiter_does_not_decide_how_long_the_value_may_be)
{
	struct dso_future *waiter = future_in(other, 0), *setter;

	ck_assert_int_eq(dso_future_get(waiter, got, sizeof got, DSO_NOWAIT, NULL), -ETIMEDOUT);
	setter = future_in(session, LONG);
	OK(session, dso_future_set(setter, value, LONG));
	is_got(other, waiter, LONG);
	is_got(session, setter, LONG);
	is_got(other, future_in(other, 0), LONG);
	is_got(other, future_in(other, LONG), LONG);
}
END_TEST

START_TEST(setting_makes_room_where_the_capacity_is_undecided)
{
	struct dso_future *waiter = future_in(other, 0), *setter = future_in(session, 0);

	OK(session, dso_future_set(setter, value, LONG));
	is_got(other, waiter, LONG);
	is_got(session, setter, LONG);
	ck_assert_int_eq(dso_future_get(waiter, got, 10, DSO_NOWAIT, NULL), -EMSGSIZE);
}
END_TEST

START_TEST(a_short_value_in_a_long_future_is_read_by_everybody)
{
	struct dso_future *waiter = future_in(other, 0), *setter = future_in(session, LONG);

	OK(session, dso_future_set(setter, value, 10));
	is_got(other, waiter, 10);
	is_got(session, setter, 10);
}
END_TEST

START_TEST(the_first_open_with_a_capacity_decides_it)
{
	struct dso_future *early = future_in(other, 0), *setter = future_in(session, 5000);
	const struct dso_future_params another = {.capacity_bytes = LONG};
	struct dso_future *future;

	ck_assert_int_eq(dso_future_open(other, name, &another, &future), -EINVAL);
	ck_assert_int_eq(dso_future_set(early, value, LONG), -EMSGSIZE);
	ck_assert_int_eq(dso_future_set(setter, value, 5001), -EMSGSIZE);
	/* A failed set has promised nothing. */
	OK(other, dso_future_set(early, value, 5000));
	is_got(session, setter, 5000);
}
END_TEST

START_TEST(a_smaller_capacity_than_the_default_holds_too)
{
	struct dso_future *waiter = future_in(other, 0), *setter = future_in(session, 100);

	ck_assert_int_eq(dso_future_set(setter, value, 101), -EMSGSIZE);
	OK(session, dso_future_set(setter, value, 100));
	is_got(other, waiter, 100);
}
END_TEST

START_TEST(what_was_opened_before_a_smaller_capacity_was_decided_sets_what_everybody_reads)
{
	struct dso_future *early = future_in(session, 0), *decider = future_in(other, 10);

	OK(session, dso_future_set(early, value, 4096));
	is_got(other, decider, 4096);
	is_got(session, early, 4096);
}
END_TEST

START_TEST(a_promise_is_kept_while_the_future_grows)
{
	struct dso_future *promiser = future_in(other, 0), *late = future_in(session, LONG);

	OK(other, dso_future_promise(promiser));
	ck_assert_int_eq(dso_future_set(late, value, LONG), -EALREADY);
	OK(other, dso_future_set(promiser, value, LONG));
	is_got(session, late, LONG);
}
END_TEST

START_TEST(a_deleted_future_does_not_grow_into_the_next_one_of_its_name)
{
	struct dso_future *before = future_in(other, 0), *after;

	OK(session, dso_object_delete(session, name));
	after = future_in(session, LONG);
	ck_assert_int_eq(dso_future_set(before, value, LONG), -ESTALE);
	OK(session, dso_future_set(after, value, LONG));
	ck_assert_int_eq(dso_future_get(before, got, sizeof got, DSO_NOWAIT, NULL), -ESTALE);
	is_got(session, after, LONG);
}
END_TEST

START_TEST(a_deleted_future_is_stale_also_where_its_name_is_of_another_type_now)
{
	struct dso_future *before = future_in(other, 0);
	struct dso_counter *after;

	OK(session, dso_object_delete(session, name));
	OK(session, dso_counter_open(session, name, NULL, &after));
	ck_assert_int_eq(dso_future_set(before, value, LONG), -ESTALE);
	ck_assert_int_eq(dso_future_set_error(before, "in vain"), -ESTALE);
	ck_assert_int_eq(dso_future_get(before, got, sizeof got, DSO_NOWAIT, NULL), -ESTALE);
}
END_TEST

/* 200 times 8 MiB are more than there is. */
START_TEST(the_memory_of_a_future_that_has_grown_comes_back)
{
	for (unsigned i = 0; i < 200; i++) {
		struct dso_future *waiter = future_in(other, 0),
				  *setter = future_in(session, 8 << 20);

		OK(session, dso_future_set(setter, value, LONG));
		is_got(other, waiter, LONG);
		OK(session, dso_object_delete(session, name));
		dso_future_close(waiter);
		dso_future_close(setter);
		/* Closing is not answered: behind this it is done. */
		OK(other, dso_ping(other, NULL));
		OK(session, dso_ping(session, NULL));
	}
}
END_TEST

#define ROOM   (8 << 20)
#define PIECES 120 /* of half of that: more than there are */

/* What such a value takes is free, between what is there to stay, and no byte more. */
static void leave_a_gap(void)
{
	const struct dso_memory_params params = {.size_bytes = ROOM - MEMORY_DATA_OFFSET};
	char gap[80], edge[80];
	struct dso_counter *counter;
	struct dso_memory *memory;

	snprintf(gap, sizeof gap, "%s-gap", name);
	snprintf(edge, sizeof edge, "%s-edge", name);
	OK(session, dso_memory_open(session, gap, &params, &memory));
	OK(session, dso_counter_open(session, edge, NULL, &counter));
	OK(session, dso_object_delete(session, gap));
	dso_memory_close(memory);
}

/* An embedded store would give its memory back page by page, of which it has too many. */
START_TEST(a_value_for_which_there_is_no_room_is_not_set_and_a_shorter_one_is)
{
	const struct dso_memory_params params = {.size_bytes = ROOM / 2};
	struct dso_future *future = future_in(session, 0);
	char *much = calloc(1, ROOM), piece[80];
	struct dso_memory *memory;
	unsigned count = 0;

	if (!conformance_is("embedded")) {
		leave_a_gap();
		do
			snprintf(piece, sizeof piece, "%s-%u", name, count);
		while (dso_memory_open(session, piece, &params, &memory) == 0 && ++count < PIECES);
		ck_assert_uint_lt(count, PIECES);
		ck_assert_int_eq(dso_future_set(future, much, ROOM), -ENOSPC);
		OK(session, dso_future_set(future, value, 10));
		is_got(other, future_in(other, 0), 10);
		while (count--) {
			snprintf(piece, sizeof piece, "%s-%u", name, count);
			OK(session, dso_object_delete(session, piece));
		}
	}
	free(much);
}
END_TEST

/* ---- errors ---- */

static void error_is_told(size_t length_bytes)
{
	struct dso_future *waiter = future_in(other, 0), *setter = future_in(session, 0);
	char sentence[LONG] = "";

	memcpy(sentence, value, length_bytes);
	OK(session, dso_future_set_error(setter, sentence));
	ck_assert_int_eq(dso_future_get(waiter, got, sizeof got, DSO_NOWAIT, NULL), -EREMOTEIO);
	ck_assert_msg(strstr(dso_error(other), sentence), "%s", dso_error(other));
}

START_TEST(an_error_of_more_than_255_bytes_is_told_whole)
{
	error_is_told(256);
	OK(session, dso_object_delete(session, name));
	error_is_told(1024);
}
END_TEST

START_TEST(an_error_without_a_sentence_is_told_as_one)
{
	struct dso_future *setter = future_in(session, 0);

	OK(session, dso_future_set_error(setter, ""));
	ck_assert_int_eq(dso_future_get(setter, got, sizeof got, DSO_NOWAIT, NULL), -EREMOTEIO);
	ck_assert_msg(strstr(dso_error(session), "without a sentence"), "%s", dso_error(session));
}
END_TEST

START_TEST(an_error_that_is_very_long_is_cut)
{
	struct dso_future *waiter = future_in(other, 0), *setter = future_in(session, 0);
	char start[1025] = "";

	value[LONG - 1] = '\0';
	OK(session, dso_future_set_error(setter, value));
	ck_assert_int_eq(dso_future_get(waiter, NULL, 0, DSO_NOWAIT, NULL), -EREMOTEIO);
	memcpy(start, value, 1024);
	ck_assert(strstr(dso_error(other), start));
	/* In a future whose capacity was decided it is cut at that. */
	OK(session, dso_object_delete(session, name));
	setter = future_in(session, 3);
	OK(session, dso_future_set_error(setter, "abcdef"));
	ck_assert_int_eq(dso_future_get(setter, NULL, 0, DSO_NOWAIT, NULL), -EREMOTEIO);
	ck_assert_msg(strstr(dso_error(session), ": abc") && !strstr(dso_error(session), "abcd"),
		      "%s", dso_error(session));
}
END_TEST

Suite *conformance_future_suite(void)
{
	Suite *suite = suite_create("future");
	TCase *tcase = tcase_create("future"), *memory = tcase_create("memory of futures");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, pair_end);
	tcase_add_test(tcase, the_first_waiter_does_not_decide_how_long_the_value_may_be);
	tcase_add_test(tcase, setting_makes_room_where_the_capacity_is_undecided);
	tcase_add_test(tcase, a_short_value_in_a_long_future_is_read_by_everybody);
	tcase_add_test(tcase, the_first_open_with_a_capacity_decides_it);
	tcase_add_test(tcase, a_smaller_capacity_than_the_default_holds_too);
	tcase_add_test(
		tcase,
		what_was_opened_before_a_smaller_capacity_was_decided_sets_what_everybody_reads);
	tcase_add_test(tcase, a_promise_is_kept_while_the_future_grows);
	tcase_add_test(tcase, a_deleted_future_does_not_grow_into_the_next_one_of_its_name);
	tcase_add_test(tcase, a_deleted_future_is_stale_also_where_its_name_is_of_another_type_now);
	tcase_add_test(tcase, a_value_for_which_there_is_no_room_is_not_set_and_a_shorter_one_is);
	tcase_add_test(tcase, an_error_of_more_than_255_bytes_is_told_whole);
	tcase_add_test(tcase, an_error_without_a_sentence_is_told_as_one);
	tcase_add_test(tcase, an_error_that_is_very_long_is_cut);
	suite_add_tcase(suite, tcase);
	/* Of the allocator. */
	tcase_set_tags(memory, SAME_ON_EACH_PATH);
	tcase_set_timeout(memory, 120);
	tcase_add_checked_fixture(memory, setup, pair_end);
	tcase_add_test(memory, the_memory_of_a_future_that_has_grown_comes_back);
	suite_add_tcase(suite, memory);
	return suite;
}
