/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts at the ends of their range. What waits is ended by an interrupt that came before it. */
#include "tests/conformance_pair.h"

#include <errno.h>
#include <stdint.h>

/* @call, with a timeout of `t` in it, waits for as long as there are nanoseconds, and for no
 * negative time. */
#define WAITS_FOR_EVER(call)                                                                      \
	do {                                                                                      \
		static const int64_t long_ones[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};     \
		int64_t t;                                                                        \
		for (unsigned i = 0; i < sizeof long_ones / sizeof *long_ones; i++) {             \
			t = long_ones[i];                                                         \
			dso_interrupt(session);                                                   \
			ck_assert_msg((call) == -ECANCELED, "%s: %s", #call, dso_error(session)); \
		}                                                                                 \
		t = -2;                                                                           \
		ck_assert_int_eq((call), -EINVAL);                                                \
		t = INT64_MIN;                                                                    \
		ck_assert_int_eq((call), -EINVAL);                                                \
	} while (0)

START_TEST(the_longest_timeout_of_a_lock_does_not_pass)
{
	struct dso_mutex *mutex, *theirs;

	OK(session, dso_mutex_open(session, name, NULL, &mutex));
	OK(other, dso_mutex_open(other, name, NULL, &theirs));
	OK(other, dso_mutex_lock(theirs, INT64_MAX, NULL));
	WAITS_FOR_EVER(dso_mutex_lock(mutex, t, NULL));
}
END_TEST

START_TEST(the_longest_timeout_of_a_rwlock_does_not_pass)
{
	struct dso_rwlock *rwlock, *theirs;

	OK(session, dso_rwlock_open(session, name, NULL, &rwlock));
	OK(other, dso_rwlock_open(other, name, NULL, &theirs));
	OK(other, dso_rwlock_wrlock(theirs, INT64_MAX));
	WAITS_FOR_EVER(dso_rwlock_rdlock(rwlock, t));
	WAITS_FOR_EVER(dso_rwlock_wrlock(rwlock, t));
	OK(other, dso_rwlock_unlock(theirs));
	OK(other, dso_rwlock_rdlock(theirs, INT64_MAX));
	WAITS_FOR_EVER(dso_rwlock_wrlock(rwlock, t));
}
END_TEST

START_TEST(the_longest_timeout_of_a_semaphore_does_not_pass)
{
	const struct dso_semaphore_params one = {.permits = 1};
	struct dso_semaphore *semaphore, *theirs;

	OK(session, dso_semaphore_open(session, name, &one, &semaphore));
	OK(other, dso_semaphore_open(other, name, NULL, &theirs));
	OK(other, dso_semaphore_acquire(theirs, 1, INT64_MAX));
	WAITS_FOR_EVER(dso_semaphore_acquire(semaphore, 1, t));
}
END_TEST

START_TEST(the_longest_timeout_of_what_opens_once_does_not_pass)
{
	const struct dso_latch_params two = {.count = 2};
	struct dso_latch *latch;
	struct dso_future *future;
	struct dso_once *once, *theirs;
	char text[8];
	int mine;

	OK(session, dso_once_open(session, name, NULL, &once));
	OK(other, dso_once_open(other, name, NULL, &theirs));
	OK(other, dso_once_begin(theirs, INT64_MAX, &mine));
	WAITS_FOR_EVER(dso_once_begin(once, t, &mine));
	OK(session, dso_latch_open(session, conformance_name(), &two, &latch));
	WAITS_FOR_EVER(dso_latch_wait(latch, t));
	OK(session, dso_future_open(session, conformance_name(), NULL, &future));
	WAITS_FOR_EVER(dso_future_get(future, text, sizeof text, t, NULL));
}
END_TEST

/* Whoever leaves a barrier breaks it. */
START_TEST(the_longest_timeout_of_a_barrier_does_not_pass)
{
	const struct dso_barrier_params two = {.parties = 2};
	struct dso_barrier *barrier;

	OK(session, dso_barrier_open(session, conformance_name(), &two, &barrier));
	dso_interrupt(session);
	ck_assert_int_eq(dso_barrier_wait(barrier, INT64_MAX, NULL), -ECANCELED);
	OK(session, dso_barrier_reset(barrier));
	ck_assert_int_eq(dso_barrier_wait(barrier, -2, NULL), -EINVAL);
	ck_assert_int_eq(dso_barrier_wait(barrier, INT64_MIN, NULL), -EINVAL);
}
END_TEST

START_TEST(the_longest_timeout_of_a_condition_does_not_pass_and_its_mutex_is_locked)
{
	struct dso_condition *condition;
	struct dso_mutex *mutex;

	OK(session, dso_condition_open(session, conformance_name(), NULL, &condition));
	OK(session, dso_mutex_open(session, conformance_name(), NULL, &mutex));
	OK(session, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	dso_interrupt(session);
	ck_assert_int_eq(dso_condition_wait(condition, mutex, INT64_MAX), -ECANCELED);
	ck_assert_int_eq(dso_condition_wait(condition, mutex, -2), -EINVAL);
	OK(session, dso_mutex_unlock(mutex));
}
END_TEST

START_TEST(the_longest_timeout_of_a_word_in_memory_does_not_pass)
{
	struct dso_memory *memory;

	OK(session, dso_memory_open(session, conformance_name(), NULL, &memory));
	WAITS_FOR_EVER(dso_memory_wait(memory, 0, 0, t));
}
END_TEST

START_TEST(reap_takes_the_longest_timeout_and_no_negative_one)
{
	struct dso_completion completion;
	struct dso_counter *counter;
	size_t count = 7;

	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	for (uint64_t i = 0; i < 20; i++) {
		OK(session, dso_counter_add_submit(counter, 1, i));
		ck_assert_int_eq(dso_reap(session, &completion, 1, -2, &count), -EINVAL);
		ck_assert_int_eq(dso_reap(session, &completion, 1, INT64_MIN, &count), -EINVAL);
		OK(session, dso_reap(session, &completion, 1, INT64_MAX, &count));
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(completion.tag, i);
	}
}
END_TEST

/* Silence that is never long enough to give storaged up. In place of the other session: a transport
 * may have room for one. */
START_TEST(a_session_opens_and_works_with_the_longest_timeout)
{
	struct dso_counter *counter;
	int64_t value;

	dso_close(session);
	session = conformance_open_with_timeout(INT64_MAX);
	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_counter_set(counter, 5));
	OK(session, dso_counter_get(counter, &value));
	ck_assert_int_eq(value, 5);
	OK(session, dso_ping(session, NULL));
}
END_TEST

Suite *conformance_timeouts_suite(void)
{
	Suite *suite = suite_create("timeouts");
	TCase *tcase = tcase_create("timeouts");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_test(tcase, the_longest_timeout_of_a_lock_does_not_pass);
	tcase_add_test(tcase, the_longest_timeout_of_a_rwlock_does_not_pass);
	tcase_add_test(tcase, the_longest_timeout_of_a_semaphore_does_not_pass);
	tcase_add_test(tcase, the_longest_timeout_of_what_opens_once_does_not_pass);
	tcase_add_test(tcase, the_longest_timeout_of_a_barrier_does_not_pass);
	tcase_add_test(tcase,
		       the_longest_timeout_of_a_condition_does_not_pass_and_its_mutex_is_locked);
	tcase_add_test(tcase, the_longest_timeout_of_a_word_in_memory_does_not_pass);
	tcase_add_test(tcase, reap_takes_the_longest_timeout_and_no_negative_one);
	tcase_add_test(tcase, a_session_opens_and_works_with_the_longest_timeout);
	suite_add_tcase(suite, tcase);
	return suite;
}
