/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static struct dso_session *session;
static struct dso_counter *counter;

static void setup(void)
{
	session = conformance_open();
	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
}

static void teardown(void)
{
	dso_counter_close(counter);
	dso_close(session);
}

START_TEST(a_new_counter_holds_its_initial_value)
{
	struct dso_counter_params params = {.initial = -7};
	struct dso_counter *other;
	int64_t value;

	OK(session, dso_counter_open(session, conformance_name(), &params, &other));
	OK(session, dso_counter_get(other, &value));
	ck_assert_int_eq(value, -7);
	dso_counter_close(other);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, 0);
}
END_TEST

START_TEST(add_returns_the_value_before)
{
	int64_t before = 99;

	OK(session, dso_counter_add(counter, 5, &before));
	ck_assert_int_eq(before, 0);
	OK(session, dso_counter_add(counter, -8, &before));
	ck_assert_int_eq(before, 5);
	OK(session, dso_counter_add(counter, 0, NULL));
	OK(session, dso_counter_get(counter, &before));
	ck_assert_int_eq(before, -3);
}
END_TEST

START_TEST(addition_wraps_at_the_ends_of_int64)
{
	int64_t value;

	OK(session, dso_counter_set(counter, INT64_MAX));
	OK(session, dso_counter_add(counter, 1, &value));
	ck_assert_int_eq(value, INT64_MAX);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, INT64_MIN);
}
END_TEST

START_TEST(cas_swaps_only_when_the_value_is_the_expected_one)
{
	int64_t before, value;

	OK(session, dso_counter_set(counter, 10));
	OK(session, dso_counter_cas(counter, 9, 1, &before));
	ck_assert_int_eq(before, 10);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, 10);
	OK(session, dso_counter_cas(counter, 10, INT64_MIN, &before));
	ck_assert_int_eq(before, 10);
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, INT64_MIN);
}
END_TEST

START_TEST(set_and_exchange_replace_the_value)
{
	int64_t before;

	OK(session, dso_counter_set(counter, 1));
	OK(session, dso_counter_exchange(counter, 2, &before));
	ck_assert_int_eq(before, 1);
	OK(session, dso_counter_exchange(counter, 2, &before));
	ck_assert_int_eq(before, 2);
}
END_TEST

START_TEST(two_sessions_see_one_counter)
{
	struct dso_session *second = conformance_open_another();
	const char *name = conformance_name();
	struct dso_counter *here, *there;
	int64_t value;

	OK(session, dso_counter_open(session, name, NULL, &here));
	OK(second, dso_counter_open(second, name, NULL, &there));
	OK(session, dso_counter_add(here, 40, NULL));
	OK(second, dso_counter_add(there, 2, &value));
	ck_assert_int_eq(value, 40);
	OK(session, dso_counter_get(here, &value));
	ck_assert_int_eq(value, 42);
	dso_close(second);
	dso_counter_close(here);
}
END_TEST

START_TEST(a_striped_counter_counts_the_additions_of_every_session)
{
	struct dso_counter_params params = {.stripes = 16, .initial = 1000};
	const char *name = conformance_name();
	int64_t value;

	for (int i = 0; i < 20; i++) {
		struct dso_session *other = conformance_open_another();
		struct dso_counter *striped;

		OK(other, dso_counter_open(other, name, &params, &striped));
		OK(other, dso_counter_add(striped, i, NULL));
		OK(other, dso_counter_get(striped, &value));
		ck_assert_int_eq(value, 1000 + i * (i + 1) / 2);
		ck_assert_int_eq(dso_counter_set(striped, 0), -EOPNOTSUPP);
		ck_assert_int_eq(dso_counter_exchange(striped, 0, NULL), -EOPNOTSUPP);
		ck_assert_int_eq(dso_counter_cas(striped, 0, 0, NULL), -EOPNOTSUPP);
		ck_assert_ptr_nonnull(strstr(dso_error(other), "striped"));
		dso_close(other);
	}
}
END_TEST

START_TEST(an_addition_to_a_striped_counter_returns_what_its_stripe_was)
{
	const struct dso_counter_params sixteen = {.stripes = 16, .initial = 1000};
	struct dso_session *second = conformance_open_another();
	const char *name = conformance_name();
	struct dso_counter *mine, *theirs;
	int64_t first, before, value;

	OK(session, dso_counter_open(session, name, &sixteen, &mine));
	OK(second, dso_counter_open(second, name, NULL, &theirs));
	OK(session, dso_counter_add(mine, 5, &first));
	OK(second, dso_counter_add(theirs, 7, NULL));
	OK(session, dso_counter_add(mine, 0, &before));
	/* Which of them is whose is not said: theirs is in it, where it is one for both. */
	ck_assert(before == first + 5 || before == first + 12);
	ck_assert(first == 0 || first == 1000 || first == 1007);
	OK(session, dso_counter_get(mine, &value));
	ck_assert_int_eq(value, 1012);
	dso_close(second);
}
END_TEST

START_TEST(another_initial_value_than_the_existing_one_is_no_matter)
{
	const struct dso_counter_params five = {.initial = 5}, six = {.initial = 6};
	const char *name = conformance_name();
	struct dso_counter *first, *second;
	int64_t value;

	OK(session, dso_counter_open(session, name, &five, &first));
	OK(session, dso_counter_open(session, name, &six, &second));
	OK(session, dso_counter_get(second, &value));
	ck_assert_int_eq(value, 5);
}
END_TEST

START_TEST(other_parameters_than_the_existing_ones_are_refused_and_named)
{
	struct dso_counter_params four = {.stripes = 4}, five = {.stripes = 5},
				  many = {.stripes = 65};
	const char *name = conformance_name();
	struct dso_counter *first, *second = NULL;

	OK(session, dso_counter_open(session, name, &four, &first));
	ck_assert_int_eq(dso_counter_open(session, name, &five, &second), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "stripes"));
	ck_assert_int_eq(dso_counter_open(session, name, &many, &second), -EINVAL);
	ck_assert_ptr_null(second);
	OK(session, dso_counter_open(session, name, NULL, &second));
	OK(session, dso_counter_add(first, 1, NULL));
	OK(session, dso_counter_add(second, 1, NULL));
	dso_counter_close(first);
	dso_counter_close(second);
}
END_TEST

struct worker {
	pthread_t thread;
	char name[64];
	int additions;
	int64_t cas_wins;
};

static void *add_and_cas(void *argument)
{
	struct worker *worker = argument;
	struct dso_session *own = conformance_open_another();
	struct dso_counter *shared;
	int64_t before, expected = 0;

	OK(own, dso_counter_open(own, worker->name, NULL, &shared));
	for (int i = 0; i < worker->additions; i++) {
		OK(own, dso_counter_add(shared, 1, NULL));
		OK(own, dso_counter_cas(shared, expected, expected + 1, &before));
		worker->cas_wins += before == expected;
		expected = before;
	}
	dso_close(own);
	return NULL;
}

START_TEST(additions_and_swaps_of_many_threads_are_exact)
{
	struct worker workers[8];
	struct dso_counter *shared;
	const char *name;
	int64_t expected = 0, value;

	memset(workers, 0, sizeof workers);
	name = conformance_name();
	for (int i = 0; i < 8; i++) {
		strcpy(workers[i].name, name);
		workers[i].additions = 500;
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, add_and_cas, &workers[i]),
				 0);
	}
	/* An embedded store lives as long as its sessions: this one is open all the time. */
	OK(session, dso_counter_open(session, workers[0].name, NULL, &shared));
	for (int i = 0; i < 8; i++) {
		pthread_join(workers[i].thread, NULL);
		expected += workers[i].additions + workers[i].cas_wins;
	}
	OK(session, dso_counter_get(shared, &value));
	ck_assert_int_eq(value, expected);
	dso_counter_close(shared);
}
END_TEST

Suite *conformance_counter_suite(void)
{
	Suite *suite = suite_create("counter");
	TCase *tcase = tcase_create("counter");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_new_counter_holds_its_initial_value);
	tcase_add_test(tcase, add_returns_the_value_before);
	tcase_add_test(tcase, addition_wraps_at_the_ends_of_int64);
	tcase_add_test(tcase, cas_swaps_only_when_the_value_is_the_expected_one);
	tcase_add_test(tcase, set_and_exchange_replace_the_value);
	tcase_add_test(tcase, two_sessions_see_one_counter);
	tcase_add_test(tcase, a_striped_counter_counts_the_additions_of_every_session);
	tcase_add_test(tcase, an_addition_to_a_striped_counter_returns_what_its_stripe_was);
	tcase_add_test(tcase, another_initial_value_than_the_existing_one_is_no_matter);
	tcase_add_test(tcase, other_parameters_than_the_existing_ones_are_refused_and_named);
	tcase_add_test(tcase, additions_and_swaps_of_many_threads_are_exact);
	suite_add_tcase(suite, tcase);
	return suite;
}
