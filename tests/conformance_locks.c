/* SPDX-License-Identifier: Apache-2.0 */
/* Mutex, rwlock, once and condition. */
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SHORT (30 * DSO_MILLISECOND)

/* ---- mutex ---- */

START_TEST(a_mutex_keeps_others_out_until_it_is_unlocked)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);
	uint64_t token, next;
	uint32_t holder;

	OK(session, dso_mutex_lock(mine, DSO_NOWAIT, &token));
	ck_assert_int_eq(dso_mutex_lock(theirs, DSO_NOWAIT, NULL), -ETIMEDOUT);
	ck_assert_int_eq(dso_mutex_lock(theirs, SHORT, NULL), -ETIMEDOUT);
	OK(other, dso_mutex_holder(theirs, &holder, &next));
	ck_assert_uint_ne(holder, 0);
	ck_assert_uint_eq(next, token);
	OK(session, dso_mutex_unlock(mine));
	OK(other, dso_mutex_lock(theirs, DSO_NOWAIT, &next));
	ck_assert_uint_gt(next, token);
	OK(other, dso_mutex_unlock(theirs));
	OK(other, dso_mutex_holder(theirs, &holder, NULL));
	ck_assert_uint_eq(holder, 0);
}
END_TEST

START_TEST(a_mutex_is_unlocked_by_its_holder_alone_and_locked_once)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);

	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
	OK(session, dso_mutex_lock(mine, DSO_FOREVER, NULL));
	ck_assert_int_eq(dso_mutex_lock(mine, DSO_FOREVER, NULL), -EDEADLK);
	ck_assert_int_eq(dso_mutex_unlock(theirs), -EPERM);
	ck_assert_int_eq(dso_mutex_consistent(mine), -EINVAL);
	ck_assert_int_eq(dso_mutex_lock(theirs, -7, NULL), -EINVAL);
	OK(session, dso_mutex_unlock(mine));
	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
}
END_TEST

START_TEST(a_mutex_that_is_closed_is_unlocked)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);

	OK(session, dso_mutex_lock(mine, DSO_FOREVER, NULL));
	dso_mutex_close(mine);
	OK(other, dso_mutex_lock(theirs, DSO_FOREVER, NULL));
}
END_TEST

static void lock_in_turn(struct party *party)
{
	struct dso_mutex *mutex = mutex_in(party->session);
	struct dso_memory *memory;
	uint64_t value;

	OK(party->session, dso_memory_open(party->session, "plain", NULL, &memory));
	for (int i = 0; i < 200; i++) {
		OK(party->session, dso_mutex_lock(mutex, DSO_FOREVER, NULL));
		/* Not atomic: the mutex is what makes it exact. */
		OK(party->session, dso_memory_read(memory, 0, &value, sizeof value));
		value++;
		OK(party->session, dso_memory_write(memory, 0, &value, sizeof value));
		OK(party->session, dso_mutex_unlock(mutex));
	}
}

START_TEST(what_a_mutex_guards_is_exact_with_several_at_it)
{
	struct dso_memory *memory;
	uint64_t before, after;

	OK(session, dso_memory_open(session, "plain", NULL, &memory));
	OK(session, dso_memory_fetch_add(memory, 0, 0, &before));
	parties_run(4, lock_in_turn);
	OK(session, dso_memory_fetch_add(memory, 0, 0, &after));
	ck_assert_uint_eq(after - before, 800);
}
END_TEST

#define SESSIONS 16
#define SHARE    16 /* turns; a hand-over in the order of parking comes to each after 15 others */

static _Atomic unsigned without_share; /* sessions */

/* A session that has had its share goes on, in the way of those that have not. */
static void take_turns(struct party *party)
{
	struct dso_mutex *mutex = mutex_in(party->session);

	for (unsigned turns = 1; without_share; turns++) {
		OK(party->session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
		without_share -= turns == SHARE;
		OK(party->session, dso_mutex_unlock(mutex));
	}
}

/* A mutex is not fair to the turn, but nobody waits for ever while the others take turns. */
START_TEST(each_of_many_sessions_has_its_share_of_a_mutex)
{
	without_share = SESSIONS;
	parties_run(SESSIONS, take_turns);
}
END_TEST

START_TEST(the_end_of_a_holder_is_told_to_the_next)
{
	struct dso_mutex *mine = mutex_in(session), *theirs;
	struct dso_session *dying = conformance_open_another();
	uint64_t token, next;

	theirs = mutex_in(dying);
	OK(dying, dso_mutex_lock(theirs, DSO_FOREVER, &token));
	dso_close(dying);
	ck_assert_int_eq(dso_mutex_lock(mine, HANG_TIMEOUT, &next), -EOWNERDEAD);
	ck_assert_uint_gt(next, token);
	OK(session, dso_mutex_consistent(mine));
	OK(session, dso_mutex_unlock(mine));
	OK(session, dso_mutex_lock(mine, DSO_NOWAIT, NULL));
	OK(session, dso_mutex_unlock(mine));
}
END_TEST

START_TEST(what_was_not_made_consistent_is_not_recoverable)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);
	struct dso_session *dying = conformance_open_another();
	uint64_t token;

	OK(dying, dso_mutex_lock(mutex_in(dying), DSO_FOREVER, NULL));
	dso_close(dying);
	ck_assert_int_eq(dso_mutex_lock(mine, HANG_TIMEOUT, NULL), -EOWNERDEAD);
	OK(session, dso_mutex_unlock(mine));
	ck_assert_int_eq(dso_mutex_lock(mine, DSO_FOREVER, NULL), -ENOTRECOVERABLE);
	ck_assert_int_eq(dso_mutex_lock(theirs, DSO_FOREVER, NULL), -ENOTRECOVERABLE);
	/* Both have seen it, and yet hear that it was deleted. */
	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(dso_mutex_lock(mine, DSO_NOWAIT, NULL), -ESTALE);
	ck_assert_int_eq(dso_mutex_lock(mine, DSO_NOWAIT, &token), -ESTALE);
	OK(other, dso_ping(other, NULL)); /* behind the notice of the deletion */
	ck_assert_int_eq(dso_mutex_lock(theirs, DSO_NOWAIT, NULL), -ESTALE);
}
END_TEST

START_TEST(a_mutex_is_taken_from_its_holder_by_force)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);
	uint64_t token;

	OK(session, dso_mutex_lock(mine, DSO_FOREVER, &token));
	ck_assert_int_eq(dso_mutex_force_unlock(theirs, token - 1), -EAGAIN);
	OK(other, dso_mutex_force_unlock(theirs, token));
	ck_assert_int_eq(dso_mutex_force_unlock(theirs, token), -EAGAIN);
	ck_assert_int_eq(dso_mutex_lock(theirs, HANG_TIMEOUT, NULL), -EOWNERDEAD);
	OK(other, dso_mutex_consistent(theirs));
	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
	OK(other, dso_mutex_unlock(theirs));
	OK(session, dso_mutex_lock(mine, DSO_NOWAIT, NULL));
	OK(session, dso_mutex_unlock(mine));
}
END_TEST

START_TEST(a_mutex_that_was_taken_by_force_is_not_made_consistent_by_its_holder_before)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);
	uint64_t token;

	OK(session, dso_mutex_lock(mine, DSO_FOREVER, &token));
	OK(other, dso_mutex_force_unlock(theirs, token));
	ck_assert_int_eq(dso_mutex_unlock(mine), -EPERM);
	ck_assert_int_eq(dso_mutex_lock(theirs, HANG_TIMEOUT, &token), -EOWNERDEAD);
	OK(session, dso_mutex_force_unlock(mine, token));
	ck_assert_int_eq(dso_mutex_consistent(theirs), -EINVAL);
	ck_assert_int_eq(dso_mutex_unlock(theirs), -EPERM);
	ck_assert_int_eq(dso_mutex_lock(mine, HANG_TIMEOUT, NULL), -EOWNERDEAD);
	OK(session, dso_mutex_consistent(mine));
	OK(session, dso_mutex_unlock(mine));
}
END_TEST

static void lock_and_unlock(struct party *party)
{
	struct dso_mutex *mutex = mutex_in(party->session);

	OK(party->session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(party->session, dso_mutex_unlock(mutex));
}

START_TEST(all_sessions_parked_on_a_mutex_get_it_one_after_the_other)
{
	struct dso_mutex *mine = mutex_in(session);

	OK(session, dso_mutex_lock(mine, DSO_FOREVER, NULL));
	parties_begin(5, lock_and_unlock);
	conformance_until_parked(5);
	OK(session, dso_mutex_unlock(mine));
	parties_end();
}
END_TEST

static void lock_what_is_deleted(struct party *party)
{
	ck_assert_int_eq(dso_mutex_lock(mutex_in(party->session), HANG_TIMEOUT, NULL), -ESTALE);
}

START_TEST(a_waiter_for_a_mutex_hears_of_its_deletion)
{
	struct dso_mutex *mine = mutex_in(session);

	OK(session, dso_mutex_lock(mine, DSO_FOREVER, NULL));
	parties_begin(2, lock_what_is_deleted);
	conformance_until_parked(2);
	OK(session, dso_object_delete(session, name));
	parties_end();
}
END_TEST

/* ---- rwlock ---- */

START_TEST(many_may_read_or_one_may_write)
{
	struct dso_rwlock *mine = rwlock_in(session, 0), *theirs = rwlock_in(other, 0);

	OK(session, dso_rwlock_rdlock(mine, DSO_NOWAIT));
	OK(other, dso_rwlock_rdlock(theirs, DSO_NOWAIT));
	OK(other, dso_rwlock_unlock(theirs));
	ck_assert_int_eq(dso_rwlock_wrlock(theirs, SHORT), -ETIMEDOUT);
	ck_assert_int_eq(dso_rwlock_wrlock(mine, DSO_FOREVER), -EDEADLK);
	OK(session, dso_rwlock_unlock(mine));
	OK(other, dso_rwlock_wrlock(theirs, DSO_NOWAIT));
	ck_assert_int_eq(dso_rwlock_rdlock(mine, SHORT), -ETIMEDOUT);
	ck_assert_int_eq(dso_rwlock_wrlock(mine, DSO_NOWAIT), -ETIMEDOUT);
	OK(other, dso_rwlock_unlock(theirs));
	OK(session, dso_rwlock_rdlock(mine, DSO_NOWAIT));
	OK(session, dso_rwlock_unlock(mine));
	ck_assert_int_eq(dso_rwlock_unlock(mine), -EPERM);
}
END_TEST

START_TEST(more_readers_than_slots_take_turns)
{
	struct dso_rwlock_params params = {.readers = 1};
	struct dso_rwlock *mine, *theirs;

	OK(session, dso_rwlock_open(session, name, &params, &mine));
	OK(other, dso_rwlock_open(other, name, &params, &theirs));
	OK(session, dso_rwlock_rdlock(mine, DSO_NOWAIT));
	ck_assert_int_eq(dso_rwlock_rdlock(theirs, SHORT), -ETIMEDOUT);
	OK(session, dso_rwlock_unlock(mine));
	OK(other, dso_rwlock_rdlock(theirs, DSO_NOWAIT));
	params.readers = 2;
	ck_assert_int_eq(dso_rwlock_open(session, name, &params, &mine), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "readers"));
}
END_TEST

static _Atomic unsigned readers;

static void read_alone(struct party *party)
{
	struct dso_rwlock *rwlock = rwlock_in(party->session, 0);

	for (unsigned i = 0; i < 50; i++) {
		OK(party->session, dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
		ck_assert_uint_eq(readers++, 0);
		readers--;
		OK(party->session, dso_rwlock_unlock(rwlock));
	}
}

START_TEST(a_reader_too_many_waits_for_one_that_is_in)
{
	struct dso_rwlock_params params = {.readers = 1};
	struct dso_rwlock *rwlock;

	readers = 0;
	OK(session, dso_rwlock_open(session, name, &params, &rwlock));
	parties_run(4, read_alone);
}
END_TEST

static void write_once(struct party *party)
{
	struct dso_rwlock *rwlock = rwlock_in(party->session, 0);

	OK(party->session, dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
	OK(party->session, dso_rwlock_unlock(rwlock));
}

START_TEST(a_writer_that_waits_comes_before_new_readers)
{
	struct dso_rwlock *mine = rwlock_in(session, 0), *theirs = rwlock_in(other, 0);

	OK(session, dso_rwlock_rdlock(mine, DSO_NOWAIT));
	parties_begin(1, write_once);
	conformance_until_parked(1);
	ck_assert_int_eq(dso_rwlock_rdlock(theirs, SHORT), -ETIMEDOUT);
	OK(session, dso_rwlock_unlock(mine));
	parties_end();
	OK(other, dso_rwlock_rdlock(theirs, HANG_TIMEOUT));
}
END_TEST

static void read_and_write(struct party *party)
{
	struct dso_rwlock *rwlock = rwlock_in(party->session, 0);
	struct dso_memory *memory;
	uint64_t pair[2];

	OK(party->session, dso_memory_open(party->session, "pair", NULL, &memory));
	for (unsigned i = 0; i < 150; i++) {
		bool writes = (i + party->number) % 3 == 0;

		if (writes)
			OK(party->session, dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
		else
			OK(party->session, dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
		OK(party->session, dso_memory_read(memory, 0, &pair[0], 8));
		OK(party->session, dso_memory_read(memory, 2048, &pair[1], 8));
		ck_assert_uint_eq(pair[0], pair[1]);
		pair[0]++;
		if (writes) {
			OK(party->session, dso_memory_write(memory, 0, pair, 8));
			OK(party->session, dso_memory_write(memory, 2048, pair, 8));
		}
		OK(party->session, dso_rwlock_unlock(rwlock));
	}
}

START_TEST(readers_see_nothing_half_written_and_no_write_is_lost)
{
	struct dso_memory *memory;
	uint64_t before, after;

	OK(session, dso_memory_open(session, "pair", NULL, &memory));
	OK(session, dso_memory_fetch_add(memory, 0, 0, &before));
	parties_run(4, read_and_write);
	OK(session, dso_memory_fetch_add(memory, 0, 0, &after));
	ck_assert_uint_eq(after - before, 200);
}
END_TEST

START_TEST(the_end_of_a_reader_frees_the_writer_and_that_of_a_writer_is_told)
{
	struct dso_rwlock *mine = rwlock_in(session, 0), *theirs = rwlock_in(other, 0);
	struct dso_session *dying = conformance_open_another();

	OK(dying, dso_rwlock_rdlock(rwlock_in(dying, 0), DSO_FOREVER));
	dso_close(dying);
	OK(session, dso_rwlock_wrlock(mine, HANG_TIMEOUT));
	OK(session, dso_rwlock_unlock(mine));
	dying = conformance_open_another();
	OK(dying, dso_rwlock_wrlock(rwlock_in(dying, 0), DSO_FOREVER));
	dso_close(dying);
	ck_assert_int_eq(dso_rwlock_rdlock(theirs, HANG_TIMEOUT), -EOWNERDEAD);
	OK(other, dso_rwlock_unlock(theirs));
	ck_assert_int_eq(dso_rwlock_wrlock(mine, HANG_TIMEOUT), -EOWNERDEAD);
	OK(session, dso_rwlock_consistent(mine));
	OK(session, dso_rwlock_unlock(mine));
	OK(other, dso_rwlock_rdlock(theirs, DSO_NOWAIT));
}
END_TEST

/* ---- once ---- */

static _Atomic bool reader_is_done;

static void write_again_and_again(struct party *party)
{
	struct dso_rwlock *rwlock = rwlock_in(party->session, 0);

	for (unsigned i = 0; party->number == 0 && i < 20; i++) {
		OK(party->session, dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
		OK(party->session, dso_rwlock_unlock(rwlock));
	}
	reader_is_done |= party->number == 0;
	while (!reader_is_done) {
		OK(party->session, dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
		OK(party->session, dso_rwlock_unlock(rwlock));
	}
}

START_TEST(a_reader_comes_in_between_writers_that_take_turns)
{
	reader_is_done = false;
	parties_run(4, write_again_and_again);
}
END_TEST

static struct dso_once *once_in(struct dso_session *in)
{
	struct dso_once *once;

	OK(in, dso_once_open(in, name, NULL, &once));
	return once;
}

#define DOERS 4

static _Atomic unsigned times;

static void do_once(struct party *party)
{
	struct dso_once *once = once_in(party->session);
	int mine;

	OK(party->session, dso_once_begin(once, HANG_TIMEOUT, &mine));
	if (mine) {
		conformance_until_parked(DOERS - 1);
		times++;
		OK(party->session, dso_once_done(once));
	}
	ck_assert_uint_eq(times, 1);
}

START_TEST(once_is_done_once_and_all_go_on_behind_it)
{
	int mine;

	times = 0;
	parties_run(DOERS, do_once);
	OK(session, dso_once_begin(once_in(session), DSO_NOWAIT, &mine));
	ck_assert_int_eq(mine, 0);
	ck_assert_int_eq(dso_once_done(once_in(session)), -EPERM);
}
END_TEST

START_TEST(what_was_begun_and_not_done_is_begun_again)
{
	struct dso_session *dying = conformance_open_another();
	struct dso_once *once = once_in(session);
	int mine;

	OK(dying, dso_once_begin(once_in(dying), DSO_FOREVER, &mine));
	ck_assert_int_eq(mine, 1);
	ck_assert_int_eq(dso_once_begin(once, SHORT, &mine), -ETIMEDOUT);
	dso_close(dying);
	OK(session, dso_once_begin(once, HANG_TIMEOUT, &mine));
	ck_assert_int_eq(mine, 1);
	ck_assert_int_eq(dso_once_begin(once, HANG_TIMEOUT, &mine), -EDEADLK);
	OK(session, dso_once_abandon(once));
	OK(other, dso_once_begin(once_in(other), DSO_NOWAIT, &mine));
	ck_assert_int_eq(mine, 1);
}
END_TEST

/* ---- condition ---- */

static void take_one(struct party *party)
{
	struct dso_condition *condition;
	struct dso_mutex *mutex = mutex_in(party->session);
	struct dso_memory *memory;
	uint64_t left = 0;

	OK(party->session, dso_condition_open(party->session, "not empty", NULL, &condition));
	OK(party->session, dso_memory_open(party->session, "stock", NULL, &memory));
	OK(party->session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	for (;;) {
		OK(party->session, dso_memory_read(memory, 0, &left, 8));
		if (left)
			break;
		OK(party->session, dso_condition_wait(condition, mutex, HANG_TIMEOUT));
	}
	left--;
	OK(party->session, dso_memory_write(memory, 0, &left, 8));
	OK(party->session, dso_mutex_unlock(mutex));
}

/* Bring @count, and tell one or all. */
static void bring(struct dso_memory *memory, struct dso_mutex *mutex,
		  struct dso_condition *condition, uint64_t count, bool all)
{
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(session, dso_memory_fetch_add(memory, 0, count, NULL));
	if (all)
		OK(session, dso_condition_broadcast(condition));
	else
		OK(session, dso_condition_signal(condition));
	OK(session, dso_mutex_unlock(mutex));
}

START_TEST(a_condition_wakes_one_or_all)
{
	struct dso_condition *condition;
	struct dso_mutex *mutex = mutex_in(session);
	struct dso_memory *memory;
	uint64_t left;

	OK(session, dso_condition_open(session, "not empty", NULL, &condition));
	OK(session, dso_memory_open(session, "stock", NULL, &memory));
	parties_begin(5, take_one);
	conformance_until_parked(5);
	bring(memory, mutex, condition, 1, false);
	bring(memory, mutex, condition, 1, false);
	bring(memory, mutex, condition, 3, true);
	parties_end();
	OK(session, dso_memory_read(memory, 0, &left, 8));
	ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(a_condition_that_nobody_signals_times_out_with_the_mutex_locked)
{
	struct dso_condition *condition;
	struct dso_mutex *mutex = mutex_in(session), *theirs = mutex_in(other);

	OK(session, dso_condition_open(session, "never", NULL, &condition));
	ck_assert_int_eq(dso_condition_wait(condition, mutex, SHORT), -EPERM);
	ck_assert_int_eq(dso_condition_wait(condition, theirs, SHORT), -EINVAL);
	OK(session, dso_mutex_lock(mutex, DSO_FOREVER, NULL));
	ck_assert_int_eq(dso_condition_wait(condition, mutex, SHORT), -ETIMEDOUT);
	ck_assert_int_eq(dso_mutex_lock(theirs, DSO_NOWAIT, NULL), -ETIMEDOUT);
	OK(session, dso_mutex_unlock(mutex));
}
END_TEST

Suite *conformance_locks_suite(void)
{
	Suite *suite = suite_create("locks");
	TCase *tcase = tcase_create("locks");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_test(tcase, a_mutex_keeps_others_out_until_it_is_unlocked);
	tcase_add_test(tcase, a_mutex_is_unlocked_by_its_holder_alone_and_locked_once);
	tcase_add_test(tcase, a_mutex_that_is_closed_is_unlocked);
	tcase_add_test(tcase, what_a_mutex_guards_is_exact_with_several_at_it);
	tcase_add_test(tcase, each_of_many_sessions_has_its_share_of_a_mutex);
	tcase_add_test(tcase, the_end_of_a_holder_is_told_to_the_next);
	tcase_add_test(tcase, what_was_not_made_consistent_is_not_recoverable);
	tcase_add_test(tcase, a_mutex_is_taken_from_its_holder_by_force);
	tcase_add_test(tcase,
		       a_mutex_that_was_taken_by_force_is_not_made_consistent_by_its_holder_before);
	tcase_add_test(tcase, all_sessions_parked_on_a_mutex_get_it_one_after_the_other);
	tcase_add_test(tcase, a_waiter_for_a_mutex_hears_of_its_deletion);
	tcase_add_test(tcase, many_may_read_or_one_may_write);
	tcase_add_test(tcase, more_readers_than_slots_take_turns);
	tcase_add_test(tcase, a_reader_too_many_waits_for_one_that_is_in);
	tcase_add_test(tcase, a_writer_that_waits_comes_before_new_readers);
	tcase_add_test(tcase, readers_see_nothing_half_written_and_no_write_is_lost);
	tcase_add_test(tcase, a_reader_comes_in_between_writers_that_take_turns);
	tcase_add_test(tcase, the_end_of_a_reader_frees_the_writer_and_that_of_a_writer_is_told);
	tcase_add_test(tcase, once_is_done_once_and_all_go_on_behind_it);
	tcase_add_test(tcase, what_was_begun_and_not_done_is_begun_again);
	tcase_add_test(tcase, a_condition_wakes_one_or_all);
	tcase_add_test(tcase, a_condition_that_nobody_signals_times_out_with_the_mutex_locked);
	suite_add_tcase(suite, tcase);
	return suite;
}
