/* SPDX-License-Identifier: Apache-2.0 */
/* Handles of what is held: two of a session are one holder, and one that is closed gives back what it holds. */
#include "tests/conformance.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <string.h>

static struct dso_session *session, *other;
static char name[64];

static void setup(void)
{
	strcpy(name, conformance_name());
	session = conformance_open();
	other = conformance_open_another();
}

static void teardown(void)
{
	dso_close(session);
	dso_close(other);
}

/* ---- kinds of what is held ---- */

static void *open_mutex(struct dso_session *in)
{
	struct dso_mutex *mutex;

	OK(in, dso_mutex_open(in, name, NULL, &mutex));
	return mutex;
}

static int lock_mutex(void *mutex)
{
	return dso_mutex_lock(mutex, DSO_NOWAIT, NULL);
}

static int unlock_mutex(void *mutex)
{
	return dso_mutex_unlock(mutex);
}

static void close_mutex(void *mutex)
{
	dso_mutex_close(mutex);
}

static void *open_rwlock(struct dso_session *in)
{
	struct dso_rwlock *rwlock;

	OK(in, dso_rwlock_open(in, name, NULL, &rwlock));
	return rwlock;
}

static int lock_for_reading(void *rwlock)
{
	return dso_rwlock_rdlock(rwlock, DSO_NOWAIT);
}

static int lock_for_writing(void *rwlock)
{
	return dso_rwlock_wrlock(rwlock, DSO_NOWAIT);
}

static int unlock_rwlock(void *rwlock)
{
	return dso_rwlock_unlock(rwlock);
}

static void close_rwlock(void *rwlock)
{
	dso_rwlock_close(rwlock);
}

static void *open_semaphore(struct dso_session *in)
{
	const struct dso_semaphore_params one = {.permits = 1};
	struct dso_semaphore *semaphore;

	OK(in, dso_semaphore_open(in, name, &one, &semaphore));
	return semaphore;
}

static int acquire(void *semaphore)
{
	return dso_semaphore_acquire(semaphore, 1, DSO_NOWAIT);
}

static int release(void *semaphore)
{
	return dso_semaphore_release(semaphore, 1);
}

static void close_semaphore(void *semaphore)
{
	dso_semaphore_close(semaphore);
}

static void *open_once(struct dso_session *in)
{
	struct dso_once *once;

	OK(in, dso_once_open(in, name, NULL, &once));
	return once;
}

static int begin_once(void *once)
{
	int mine = 0, r = dso_once_begin(once, DSO_NOWAIT, &mine);

	return r ? r : mine ? 0 : -EIO;
}

static int abandon_once(void *once)
{
	return dso_once_abandon(once);
}

static void close_once(void *once)
{
	dso_once_close(once);
}

static const struct kind {
	const char *name;
	void *(*open)(struct dso_session *in);
	int (*take)(void *object);
	int (*take_alone)(void *object); /* not beside who took it */
	int (*give)(void *object);
	void (*close)(void *object);
	int taken_twice; /* what the session hears that takes it by another handle, too */
} kinds[] = {
	{"mutex", open_mutex, lock_mutex, lock_mutex, unlock_mutex, close_mutex, -EDEADLK},
	{"reader", open_rwlock, lock_for_reading, lock_for_writing, unlock_rwlock, close_rwlock,
	 -EDEADLK},
	{"writer", open_rwlock, lock_for_writing, lock_for_reading, unlock_rwlock, close_rwlock,
	 -EDEADLK},
	{"semaphore", open_semaphore, acquire, acquire, release, close_semaphore, -ETIMEDOUT},
	{"once", open_once, begin_once, begin_once, abandon_once, close_once, -EDEADLK},
};
#define KINDS (int)(sizeof kinds / sizeof *kinds)

START_TEST(a_handle_that_is_closed_gives_back_what_it_holds)
{
	const struct kind *kind = &kinds[_i];
	void *mine = kind->open(session), *theirs = kind->open(other);

	OK(session, kind->take(mine));
	ck_assert_int_eq(kind->take_alone(theirs), -ETIMEDOUT);
	kind->close(mine);
	OK(other, kind->take_alone(theirs));
}
END_TEST

START_TEST(each_handle_of_a_session_gives_back_what_was_taken_through_it)
{
	const struct kind *kind = &kinds[_i];
	void *first = kind->open(session), *second = kind->open(session);
	void *theirs = kind->open(other);

	OK(session, kind->take(first));
	ck_assert_int_eq(kind->take(second), kind->taken_twice);
	ck_assert_int_eq(kind->give(second), -EPERM);
	kind->close(second);
	ck_assert_int_eq(kind->take_alone(theirs), -ETIMEDOUT);
	OK(session, kind->give(first));
	ck_assert_int_eq(kind->give(first), -EPERM);
	OK(other, kind->take_alone(theirs));
}
END_TEST

/* ---- future ---- */

static struct dso_future *future_in(struct dso_session *in)
{
	struct dso_future *future;

	OK(in, dso_future_open(in, name, NULL, &future));
	return future;
}

START_TEST(a_future_is_set_through_the_handle_that_promised_it)
{
	struct dso_future *first = future_in(session), *second = future_in(session);

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
		mine = future_in(session);
		theirs = future_in(other);
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
	struct dso_rwlock *mine = open_rwlock(session), *theirs = open_rwlock(other);

	OK(dying, dso_rwlock_wrlock(open_rwlock(dying), DSO_NOWAIT));
	dso_close(dying);
	ck_assert_int_eq(dso_rwlock_rdlock(mine, PATIENCE), -EOWNERDEAD);
	ck_assert_int_eq(dso_rwlock_consistent(mine), -EINVAL);
	OK(session, dso_rwlock_unlock(mine));
	ck_assert_int_eq(dso_rwlock_wrlock(mine, PATIENCE), -EOWNERDEAD);
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
	open_rwlock(session);
	ck_assert_uint_eq(parameter_now(), 64);
	strcpy(name, conformance_name());
	future_in(session);
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
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_handle_that_is_closed_gives_back_what_it_holds, 0, KINDS);
	tcase_add_loop_test(tcase, each_handle_of_a_session_gives_back_what_was_taken_through_it, 0,
			    KINDS);
	tcase_add_test(tcase, a_future_is_set_through_the_handle_that_promised_it);
	tcase_add_test(tcase, a_future_is_done_when_it_is_set_or_its_promise_is_broken);
	tcase_add_test(tcase,
		       a_rwlock_that_a_dead_writer_left_is_made_consistent_by_a_writer_or_lost);
	tcase_add_test(tcase, defaults_are_those_of_the_type);
	tcase_add_test(tcase, a_latch_is_made_with_a_count_and_opened_with_no_other);
	suite_add_tcase(suite, tcase);
	return suite;
}
