/* SPDX-License-Identifier: Apache-2.0 */
/* Handles of what is held: two of a session are one holder, and one that is closed gives back what
 * it holds. */
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"
#include "tests/kinds.h"

#include <errno.h>
#include <string.h>

static const struct hold {
	const struct kind *kind;
	const struct kind *alone; /* how it is taken by nobody beside */
	int taken_twice;          /* what the session hears that takes it by another handle, too */
} holds[] = {
	{&kind_mutex, &kind_mutex, -EDEADLK},   {&kind_reader, &kind_writer, -EDEADLK},
	{&kind_writer, &kind_reader, -EDEADLK}, {&kind_permit, &kind_permit, -ETIMEDOUT},
	{&kind_once, &kind_once, -EDEADLK},
};
#define HOLDS (int)(sizeof holds / sizeof *holds)

START_TEST(a_handle_that_is_closed_gives_back_what_it_holds)
{
	const struct kind *kind = holds[_i].kind, *alone = holds[_i].alone;
	void *mine = kind->open(session, name), *theirs = kind->open(other, name);

	OK(session, kind->take(mine, DSO_NOWAIT));
	ck_assert_int_eq(alone->take(theirs, DSO_NOWAIT), -ETIMEDOUT);
	kind->close(mine);
	OK(other, alone->take(theirs, DSO_NOWAIT));
}
END_TEST

START_TEST(each_handle_of_a_session_gives_back_what_was_taken_through_it)
{
	const struct kind *kind = holds[_i].kind, *alone = holds[_i].alone;
	void *first = kind->open(session, name), *second = kind->open(session, name);
	void *theirs = kind->open(other, name);

	OK(session, kind->take(first, DSO_NOWAIT));
	ck_assert_int_eq(kind->take(second, DSO_NOWAIT), holds[_i].taken_twice);
	ck_assert_int_eq(kind->give(second), -EPERM);
	kind->close(second);
	ck_assert_int_eq(alone->take(theirs, DSO_NOWAIT), -ETIMEDOUT);
	OK(session, kind->give(first));
	ck_assert_int_eq(kind->give(first), -EPERM);
	OK(other, alone->take(theirs, DSO_NOWAIT));
}
END_TEST

/* ---- future ---- */

START_TEST(a_future_is_set_through_the_handle_that_promised_it)
{
	struct dso_future *first = future_in(session, 0), *second = future_in(session, 0);

	OK(session, dso_future_promise(first));
	OK(session, dso_future_promise(first));
	ck_assert_int_eq(dso_future_promise(second), -EDEADLK);
	ck_assert_int_eq(dso_future_set(second, "x", 1), -EDEADLK);
	ck_assert_int_eq(dso_future_set_error(second, "x"), -EDEADLK);
	dso_future_close(second);
	OK(session, dso_future_set(first, "x", 1));
	ck_assert_int_eq(dso_future_promise(first), -EALREADY);
}
END_TEST

START_TEST(a_future_is_done_when_it_is_set_or_its_promise_is_broken)
{
	struct dso_future *mine, *theirs;
	int done = 1;

	/* Closed without being set, set to an error, set to a value. */
	for (int i = 0; i < 3; i++) {
		mine = future_in(session, 0);
		theirs = future_in(other, 0);
		OK(session, dso_future_promise(mine));
		OK(other, dso_future_is_done(theirs, &done));
		ck_assert_int_eq(done, 0);
		if (i)
			OK(session, i == 1 ? dso_future_set_error(mine, "no")
					   : dso_future_set(mine, NULL, 0));
		dso_future_close(mine);
		OK(other, dso_future_is_done(theirs, &done));
		ck_assert_int_eq(done, 1);
		ck_assert_int_eq(dso_future_get(theirs, NULL, 0, DSO_NOWAIT, NULL),
				 i == 0   ? -EOWNERDEAD
				 : i == 1 ? -EREMOTEIO
					  : 0);
		OK(other, dso_object_delete(other, name));
		dso_future_close(theirs);
	}
}
END_TEST

/* ---- rwlock ---- */

START_TEST(a_rwlock_that_a_dead_writer_left_is_made_consistent_by_a_writer_or_lost)
{
	struct dso_session *dying = conformance_open_another();
	struct dso_rwlock *mine = rwlock_in(session, 0), *theirs = rwlock_in(other, 0);

	OK(dying, dso_rwlock_wrlock(rwlock_in(dying, 0), DSO_NOWAIT));
	dso_close(dying);
	ck_assert_int_eq(dso_rwlock_rdlock(mine, HANG_TIMEOUT), -EOWNERDEAD);
	ck_assert_int_eq(dso_rwlock_consistent(mine), -EINVAL);
	OK(session, dso_rwlock_unlock(mine));
	ck_assert_int_eq(dso_rwlock_wrlock(mine, HANG_TIMEOUT), -EOWNERDEAD);
	OK(session, dso_rwlock_unlock(mine));
	ck_assert_int_eq(dso_rwlock_wrlock(mine, DSO_NOWAIT), -ENOTRECOVERABLE);
	ck_assert_int_eq(dso_rwlock_rdlock(theirs, DSO_NOWAIT), -ENOTRECOVERABLE);
}
END_TEST

/* ---- what they are made with ---- */

/* Of the object that was opened without parameters. */
static uint64_t parameter_now(void)
{
	struct dso_stat stat;

	OK(session, dso_object_stat(session, name, &stat));
	return stat.parameters[0];
}

START_TEST(defaults_are_those_of_the_type)
{
	rwlock_in(session, 0);
	ck_assert_uint_eq(parameter_now(), 64);
	strcpy(name, conformance_name());
	future_in(session, 0);
	ck_assert_uint_eq(parameter_now(), 4096);
}
END_TEST

START_TEST(a_latch_is_made_with_a_count_and_opened_with_no_other)
{
	struct dso_latch_params params = {.count = 0};
	struct dso_latch *latch;
	int64_t left;

	ck_assert_int_eq(dso_latch_open(session, name, NULL, &latch), -EINVAL);
	ck_assert_int_eq(dso_latch_open(session, name, &params, &latch), -EINVAL);
	params.count = 3;
	OK(session, dso_latch_open(session, name, &params, &latch));
	OK(session, dso_latch_count_down(latch, 1, NULL));
	params.count = 2;
	ck_assert_int_eq(dso_latch_open(other, name, &params, &latch), -EINVAL);
	params.count = 0;
	OK(other, dso_latch_open(other, name, &params, &latch));
	OK(other, dso_latch_open(other, name, NULL, &latch));
	OK(other, dso_latch_count(latch, &left));
	ck_assert_int_eq(left, 2);
}
END_TEST

Suite *conformance_handles_suite(void)
{
	Suite *suite = suite_create("handles");
	TCase *tcase = tcase_create("handles");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_loop_test(tcase, a_handle_that_is_closed_gives_back_what_it_holds, 0, HOLDS);
	tcase_add_loop_test(tcase, each_handle_of_a_session_gives_back_what_was_taken_through_it, 0,
			    HOLDS);
	tcase_add_test(tcase, a_future_is_set_through_the_handle_that_promised_it);
	tcase_add_test(tcase, a_future_is_done_when_it_is_set_or_its_promise_is_broken);
	tcase_add_test(tcase,
		       a_rwlock_that_a_dead_writer_left_is_made_consistent_by_a_writer_or_lost);
	tcase_add_test(tcase, defaults_are_those_of_the_type);
	tcase_add_test(tcase, a_latch_is_made_with_a_count_and_opened_with_no_other);
	suite_add_tcase(suite, tcase);
	return suite;
}
