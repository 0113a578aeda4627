/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unlocking a mutex behind a long hold, where somebody was parked the last time: the unlock expects
 * a parked waiter, who may be there or not, and anything may have happened to the mutex meanwhile.
 */
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <string.h>

#define LONG  (20 * DSO_MILLISECOND) /* far longer than a waiter spins */
#define SHORT (5 * DSO_MILLISECOND)

static struct dso_mutex *mine, *theirs;

static void lock_and_unlock(struct party *party)
{
	struct dso_mutex *mutex;

	OK(party->session, dso_mutex_open(party->session, name, NULL, &mutex));
	OK(party->session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(party->session, dso_mutex_unlock(mutex));
}

static void leave_before_the_unlock(struct party *party)
{
	struct dso_mutex *mutex;
	int r;

	OK(party->session, dso_mutex_open(party->session, name, NULL, &mutex));
	r = dso_mutex_lock(mutex, SHORT, NULL);
	ck_assert(r == 0 || r == -ETIMEDOUT);
	if (r == 0)
		OK(party->session, dso_mutex_unlock(mutex));
}

static void hear_of_the_force(struct party *party)
{
	struct dso_mutex *mutex;

	OK(party->session, dso_mutex_open(party->session, name, NULL, &mutex));
	ck_assert_int_eq(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL), -EOWNERDEAD);
	OK(party->session, dso_mutex_consistent(mutex));
	OK(party->session, dso_mutex_unlock(mutex));
}

/* Hold it for long with one party that does @work meanwhile: it parks, or it leaves. */
static void hold_beside(void (*work)(struct party *party))
{
	OK(session, dso_mutex_lock(mine, HANG_TIMEOUT, NULL));
	parties_begin(1, work);
	if (work != leave_before_the_unlock)
		conformance_until_parked(1);
	nap(LONG);
	OK(session, dso_mutex_unlock(mine));
	parties_end();
}

static void hold_alone(void)
{
	OK(session, dso_mutex_lock(mine, HANG_TIMEOUT, NULL));
	nap(LONG);
	OK(session, dso_mutex_unlock(mine));
}

static void is_free(void)
{
	uint32_t holder;

	OK(other, dso_mutex_holder(theirs, &holder, NULL));
	ck_assert_uint_eq(holder, 0);
	OK(other, dso_mutex_lock(theirs, DSO_NOWAIT, NULL));
	OK(other, dso_mutex_unlock(theirs));
}

/* The last unlock woke a parked waiter. */
static void setup(void)
{
	pair_begin();
	OK(session, dso_mutex_open(session, name, NULL, &mine));
	OK(other, dso_mutex_open(other, name, NULL, &theirs));
	hold_beside(lock_and_unlock);
}

START_TEST(an_unlock_that_expects_a_waiter_finds_one)
{
	for (int i = 0; i < 3; i++)
		hold_beside(lock_and_unlock);
	is_free();
}
END_TEST

START_TEST(an_unlock_that_expects_a_waiter_finds_none)
{
	for (int i = 0; i < 3; i++)
		hold_alone();
	is_free();
	hold_beside(lock_and_unlock);
	is_free();
}
END_TEST

START_TEST(an_unlock_that_expects_a_waiter_finds_that_it_has_left)
{
	hold_beside(leave_before_the_unlock);
	is_free();
	hold_beside(lock_and_unlock);
	is_free();
}
END_TEST

START_TEST(an_unlock_that_expects_a_waiter_finds_that_the_mutex_was_taken_by_force)
{
	uint64_t token;
	uint32_t holder;

	OK(session, dso_mutex_lock(mine, HANG_TIMEOUT, &token));
	nap(LONG);
	OK(other, dso_mutex_force_unlock(theirs, token));
	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
	OK(other, dso_mutex_holder(theirs, &holder, NULL));
	ck_assert_uint_eq(holder, 0);
	ck_assert_int_eq(dso_mutex_lock(theirs, HANG_TIMEOUT, NULL), -EOWNERDEAD);
	OK(other, dso_mutex_consistent(theirs));
	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
	ck_assert_int_eq(dso_mutex_lock(mine, DSO_NOWAIT, NULL), -ETIMEDOUT);
	OK(other, dso_mutex_unlock(theirs));
	hold_alone();
	is_free();
}
END_TEST

START_TEST(an_unlock_that_expects_a_waiter_finds_that_one_has_it_by_force)
{
	uint64_t token;

	OK(session, dso_mutex_lock(mine, HANG_TIMEOUT, &token));
	parties_begin(1, hear_of_the_force);
	conformance_until_parked(1);
	nap(LONG);
	OK(other, dso_mutex_force_unlock(theirs, token));
	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
	parties_end();
	is_free();
}
END_TEST

START_TEST(an_unlock_that_expects_a_waiter_finds_that_the_mutex_was_deleted)
{
	OK(session, dso_mutex_lock(mine, HANG_TIMEOUT, NULL));
	nap(LONG);
	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(dso_mutex_unlock(mine), -ESTALE);
	ck_assert_int_eq(dso_mutex_lock(mine, DSO_NOWAIT, NULL), -ESTALE);
}
END_TEST

START_TEST(another_handle_of_the_holder_neither_locks_nor_unlocks)
{
	struct dso_mutex *second;

	OK(session, dso_mutex_open(session, name, NULL, &second));
	OK(session, dso_mutex_lock(mine, HANG_TIMEOUT, NULL));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(dso_mutex_lock(second, DSO_NOWAIT, NULL), -EDEADLK);
		ck_assert_int_eq(dso_mutex_lock(mine, DSO_NOWAIT, NULL), -EDEADLK);
		ck_assert_int_eq(dso_mutex_unlock(second), -EPERM);
	}
	ck_assert_int_eq(dso_mutex_lock(theirs, DSO_NOWAIT, NULL), -ETIMEDOUT);
	nap(LONG);
	OK(session, dso_mutex_unlock(mine));
	is_free();
	OK(session, dso_mutex_lock(second, DSO_NOWAIT, NULL));
	OK(session, dso_mutex_unlock(second));
}
END_TEST

Suite *conformance_unlock_suite(void)
{
	Suite *suite = suite_create("unlock");
	TCase *tests = tcase_create("unlock");

	tcase_set_timeout(tests, 0);
	tcase_add_checked_fixture(tests, setup, pair_end);
	tcase_add_test(tests, an_unlock_that_expects_a_waiter_finds_one);
	tcase_add_test(tests, an_unlock_that_expects_a_waiter_finds_none);
	tcase_add_test(tests, an_unlock_that_expects_a_waiter_finds_that_it_has_left);
	tcase_add_test(tests,
		       an_unlock_that_expects_a_waiter_finds_that_the_mutex_was_taken_by_force);
	tcase_add_test(tests, an_unlock_that_expects_a_waiter_finds_that_one_has_it_by_force);
	tcase_add_test(tests, an_unlock_that_expects_a_waiter_finds_that_the_mutex_was_deleted);
	tcase_add_test(tests, another_handle_of_the_holder_neither_locks_nor_unlocks);
	suite_add_tcase(suite, tests);
	return suite;
}
