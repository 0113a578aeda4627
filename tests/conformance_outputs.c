/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that are not wanted are NULL. */
#include "tests/conformance.h"

#include <errno.h>

static struct dso_session *session;

static void setup(void)
{
	session = conformance_open();
}

static void teardown(void)
{
	dso_close(session);
}

START_TEST(of_a_session)
{
	struct dso_figure figures[DSO_FIGURES_MAX];
	struct dso_counter *counter;
	struct dso_completion completion;
	const char *name = conformance_name();

	OK(session, dso_ping(session, NULL));
	OK(session, dso_server_stat(session, NULL));
	OK(session, dso_transport_stat(session, figures, DSO_FIGURES_MAX, NULL));
	OK(session, dso_transport_stat(session, NULL, 0, NULL));
	OK(session, dso_counter_open(session, name, NULL, &counter));
	OK(session, dso_object_stat(session, name, NULL));
	OK(session, dso_counter_add_submit(counter, 1, 0));
	OK(session, dso_reap(session, &completion, 1, DSO_FOREVER, NULL));
	ck_assert_uint_gt(dso_transports(session, NULL, 0), 0);
}
END_TEST

START_TEST(of_values)
{
	struct dso_counter *counter;
	struct dso_register *reg;
	struct dso_memory *memory;
	char text[4];

	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_counter_add(counter, 1, NULL));
	OK(session, dso_counter_get(counter, NULL));
	OK(session, dso_counter_exchange(counter, 1, NULL));
	OK(session, dso_counter_cas(counter, 1, 2, NULL));
	OK(session, dso_register_open(session, conformance_name(), NULL, &reg));
	OK(session, dso_register_set(reg, "text", 4, NULL));
	OK(session, dso_register_get(reg, text, sizeof text, NULL, NULL));
	ck_assert_int_eq(dso_register_get(reg, text, 1, NULL, NULL), -EMSGSIZE);
	OK(session, dso_register_set_if_version(reg, 1, "more", 4, NULL));
	ck_assert_int_eq(dso_register_set_if_version(reg, 1, "x", 1, NULL), -EAGAIN);
	OK(session, dso_register_exchange(reg, "x", 1, text, sizeof text, NULL, NULL));
	OK(session, dso_register_version(reg, NULL));
	OK(session, dso_register_size(reg, NULL));
	OK(session, dso_memory_open(session, conformance_name(), NULL, &memory));
	OK(session, dso_memory_cas(memory, 0, 0, 1, NULL));
	OK(session, dso_memory_fetch_add(memory, 0, 1, NULL));
	OK(session, dso_memory_wake(memory, 0, 1, NULL));
	OK(session, dso_memory_wake(memory, 0, UINT32_MAX, NULL));
}
END_TEST

START_TEST(of_what_blocks)
{
	const struct dso_semaphore_params permits = {.permits = 2};
	const struct dso_barrier_params parties = {.parties = 1};
	const struct dso_latch_params count = {.count = 1};
	struct dso_mutex *mutex;
	struct dso_semaphore *semaphore;
	struct dso_barrier *barrier;
	struct dso_latch *latch;
	struct dso_once *once;
	struct dso_future *future;
	char text[4];

	OK(session, dso_mutex_open(session, conformance_name(), NULL, &mutex));
	OK(session, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	OK(session, dso_mutex_holder(mutex, NULL, NULL));
	OK(session, dso_semaphore_open(session, conformance_name(), &permits, &semaphore));
	OK(session, dso_semaphore_available(semaphore, NULL));
	OK(session, dso_barrier_open(session, conformance_name(), &parties, &barrier));
	OK(session, dso_barrier_wait(barrier, DSO_NOWAIT, NULL));
	OK(session, dso_barrier_stat(barrier, NULL, NULL, NULL));
	OK(session, dso_latch_open(session, conformance_name(), &count, &latch));
	OK(session, dso_latch_count(latch, NULL));
	OK(session, dso_latch_count_down(latch, 1, NULL));
	OK(session, dso_once_open(session, conformance_name(), NULL, &once));
	OK(session, dso_once_begin(once, DSO_NOWAIT, NULL));
	OK(session, dso_future_open(session, conformance_name(), NULL, &future));
	OK(session, dso_future_set(future, "text", 4));
	OK(session, dso_future_get(future, text, sizeof text, DSO_NOWAIT, NULL));
	ck_assert_int_eq(dso_future_get(future, NULL, 0, DSO_NOWAIT, NULL), -EMSGSIZE);
	OK(session, dso_future_is_done(future, NULL));
}
END_TEST

START_TEST(without_a_place_for_the_handle_nothing_is_opened)
{
	const struct dso_semaphore_params permits = {.permits = 2};
	const struct dso_barrier_params parties = {.parties = 1};
	const struct dso_latch_params count = {.count = 1};
	const char *name = conformance_name();
	struct dso_counter *counter;

	ck_assert_int_eq(dso_open(dso_url(session), NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_counter_open(session, NULL, NULL, &counter), -EINVAL);
	ck_assert_int_eq(dso_counter_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_register_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_memory_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_mutex_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_rwlock_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_semaphore_open(session, name, &permits, NULL), -EINVAL);
	ck_assert_int_eq(dso_barrier_open(session, name, &parties, NULL), -EINVAL);
	ck_assert_int_eq(dso_latch_open(session, name, &count, NULL), -EINVAL);
	ck_assert_int_eq(dso_condition_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_once_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_future_open(session, name, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_object_stat(session, name, NULL), -ENOENT);
}
END_TEST

/* Inputs that are not there. */
START_TEST(no_name_is_an_empty_one_and_no_sentence_too)
{
	const char *name = conformance_name();
	struct dso_future *future;
	struct dso_stat stat;
	char text[8];

	ck_assert_int_eq(dso_object_delete(session, NULL), -EINVAL);
	ck_assert_int_eq(dso_object_delete(session, ""), -EINVAL);
	ck_assert_int_eq(dso_object_stat(session, NULL, &stat), -EINVAL);
	OK(session, dso_future_open(session, name, NULL, &future));
	OK(session, dso_future_set_error(future, NULL));
	ck_assert_int_eq(dso_future_get(future, text, sizeof text, DSO_FOREVER, NULL), -EREMOTEIO);
}
END_TEST

Suite *conformance_outputs_suite(void)
{
	Suite *suite = suite_create("outputs");
	TCase *tcase = tcase_create("outputs");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, of_a_session);
	tcase_add_test(tcase, of_values);
	tcase_add_test(tcase, of_what_blocks);
	tcase_add_test(tcase, without_a_place_for_the_handle_nothing_is_opened);
	tcase_add_test(tcase, no_name_is_an_empty_one_and_no_sentence_too);
	suite_add_tcase(suite, tcase);
	return suite;
}
