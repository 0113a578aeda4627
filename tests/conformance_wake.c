/* SPDX-License-Identifier: Apache-2.0 */
/* How waits end: by an interrupt, by a death, by a wake-up of many, and what is left behind
 * then. */
#include "tests/await.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define A_WHILE (30 * DSO_MILLISECOND) /* somebody who means to wait does by then, most likely */

static char second_name[72];

static void setup(void)
{
	pair_begin();
	snprintf(second_name, sizeof second_name, "%s-2", name);
}

static struct dso_condition *condition_in(struct dso_session *in)
{
	struct dso_condition *condition;

	OK(in, dso_condition_open(in, second_name, NULL, &condition));
	return condition;
}

/* Until as many as that wait at the barrier. */
static void until_waiting(struct dso_barrier *barrier, uint32_t parties)
{
	uint32_t waiting = 0;

	AWAIT(dso_barrier_stat(barrier, NULL, &waiting, NULL) || waiting >= parties);
	ck_assert_uint_ge(waiting, parties);
}

/* ---- one thread more, in `session` or a session of its own ---- */

static pthread_t thread;

static void begin(void *(*run)(void *argument), void *argument)
{
	ck_assert_int_eq(pthread_create(&thread, NULL, run, argument), 0);
}

static int end(void)
{
	void *result;

	pthread_join(thread, &result);
	return (int)(intptr_t)result;
}

/* ---- condition ---- */

static _Atomic bool waits;

static void *wait_for_signal(void *condition)
{
	struct dso_mutex *mutex = mutex_in(session);
	int r;

	OK(session, dso_mutex_lock(mutex, DSO_FOREVER, NULL));
	waits = true;
	r = dso_condition_wait(condition, mutex, DSO_FOREVER);
	/* Whatever it says, the mutex is locked. */
	OK(session, dso_mutex_unlock(mutex));
	return (void *)(intptr_t)r;
}

/* The wait of `session` was signalled, and it locks the mutex, which `other` has. */
static void begin_to_lock_again(struct dso_mutex *theirs)
{
	waits = false;
	begin(wait_for_signal, condition_in(session));
	AWAIT(waits);
	OK(other, dso_mutex_lock(theirs, DSO_FOREVER, NULL));
	OK(other, dso_condition_signal(condition_in(other)));
	conformance_until_parked(1);
}

START_TEST(a_condition_wait_that_is_interrupted_while_it_locks_again_has_the_mutex)
{
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);
	int r = 0;

	for (int64_t pause_ns = DSO_MILLISECOND; r == 0; pause_ns *= 2) {
		begin_to_lock_again(theirs);
		dso_interrupt(session);
		nap(pause_ns);
		dso_interrupt(session);
		nap(pause_ns);
		OK(other, dso_mutex_unlock(theirs));
		r = end();
		if (r)
			continue;
		/* The mutex came before the thread had a processor: that was for the next wait. */
		OK(session, dso_mutex_lock(mine, DSO_FOREVER, NULL));
		ck_assert_int_eq(dso_condition_wait(condition_in(session), mine, DSO_FOREVER),
				 -ECANCELED);
		OK(session, dso_mutex_unlock(mine));
	}
	ck_assert_int_eq(r, -ECANCELED);
}
END_TEST

struct last_breath {
	struct dso_session *dying;
	struct dso_mutex *mutex;
	_Atomic bool has_it;
};

/* Takes the mutex when the wait has let it go, keeps it until the time of the wait is over, and
 * ends with it. */
static void *die_with_it(void *argument)
{
	struct last_breath *last = argument;
	int r = dso_mutex_lock(last->mutex, DSO_FOREVER, NULL);

	last->has_it = true;
	nap(2 * A_WHILE);
	dso_close(last->dying);
	return (void *)(intptr_t)r;
}

START_TEST(a_death_is_more_to_tell_than_that_the_time_is_over)
{
	static struct last_breath last; /* a check that fails leaves the thread behind */
	struct dso_mutex *mine = mutex_in(session);
	struct dso_condition *condition = condition_in(session);
	int r;

	last.dying = conformance_open_another();
	last.mutex = mutex_in(last.dying);
	last.has_it = false;
	OK(session, dso_mutex_lock(mine, DSO_FOREVER, NULL));
	begin(die_with_it, &last);
	/* A wait may be over before the other was woken; then that has the mutex in a later one. */
	AWAIT((r = dso_condition_wait(condition, mine, A_WHILE)) != -ETIMEDOUT || last.has_it);
	ck_assert_int_eq(r, -EOWNERDEAD);
	ck_assert_int_eq(end(), 0);
	OK(session, dso_mutex_consistent(mine));
	OK(session, dso_mutex_unlock(mine));
}
END_TEST

/* ---- barrier ---- */

static void *wait_at_barrier(void *barrier)
{
	return (void *)(intptr_t)dso_barrier_wait(barrier, DSO_FOREVER, NULL);
}

START_TEST(a_party_that_is_interrupted_breaks_the_barrier)
{
	struct dso_barrier *mine = barrier_in(session, 2), *theirs = barrier_in(other, 2);
	int broken;

	begin(wait_at_barrier, theirs);
	until_waiting(mine, 1);
	dso_interrupt(other);
	ck_assert_int_eq(end(), -ECANCELED);
	OK(session, dso_barrier_stat(mine, NULL, NULL, &broken));
	ck_assert_int_eq(broken, 1);
	ck_assert_int_eq(dso_barrier_wait(mine, DSO_FOREVER, NULL), -ENOTRECOVERABLE);
}
END_TEST

#define CROSSING_PARTIES  5
#define CROSSING_ARRIVALS 400 /* of all of them: a whole number of rounds of 2 */

static _Atomic unsigned arrivals, lasts;

static void cross(struct party *party)
{
	struct dso_barrier *barrier = barrier_in(party->session, 2);
	int last;

	while (arrivals++ < CROSSING_ARRIVALS) {
		OK(party->session, dso_barrier_wait(barrier, HANG_TIMEOUT, &last));
		lasts += (unsigned)last;
	}
}

START_TEST(more_sessions_than_parties_cross_a_barrier_two_by_two)
{
	arrivals = lasts = 0;
	barrier_in(session, 2);
	parties_run(CROSSING_PARTIES, cross);
	ck_assert_uint_eq(lasts, CROSSING_ARRIVALS / 2);
}
END_TEST

/* ---- semaphore ---- */

#define STREAM 9 /* more than there are permits, and the one who wants all */
#define TURNS  3 /* of one who wants all */

static _Atomic bool over;
static _Atomic unsigned streaming;

/* One permit is taken again and again; at no moment are four free, unless somebody waits for it. */
static void stream(struct party *party)
{
	struct dso_semaphore *semaphore = semaphore_in(party->session, 4);

	OK(party->session, dso_semaphore_acquire(semaphore, 1, HANG_TIMEOUT));
	streaming++;
	while (!over) {
		OK(party->session, dso_semaphore_release(semaphore, 1));
		OK(party->session, dso_semaphore_acquire(semaphore, 1, 6 * HANG_TIMEOUT));
		nap(DSO_MILLISECOND);
	}
	OK(party->session, dso_semaphore_release(semaphore, 1));
}

static void stream_until_over(struct party *party)
{
	if (party->number)
		stream(party);
	else
		for (unsigned i = 0; i < TURNS; i++) {
			struct dso_semaphore *all = semaphore_in(party->session, 4);

			AWAIT(streaming >= 3);
			OK(party->session, dso_semaphore_acquire(all, 4, 6 * HANG_TIMEOUT));
			OK(party->session, dso_semaphore_release(all, 4));
			dso_semaphore_close(all);
			over = i + 1 == TURNS;
		}
}

START_TEST(a_waiter_for_all_permits_gets_them_from_a_stream_of_waiters_for_one)
{
	over = false;
	streaming = 0;
	semaphore_in(session, 4);
	parties_run(STREAM, stream_until_over);
}
END_TEST

/* Takes @count permits with a session of its own, and says so. */
struct taker {
	uint32_t count;
	_Atomic bool begun, had, may_end;
};

static void *take_permits(void *argument)
{
	struct taker *taker = argument;
	struct dso_session *own = conformance_open_another();
	struct dso_semaphore *semaphore = semaphore_in(own, 4);
	int r;

	taker->begun = true;
	r = dso_semaphore_acquire(semaphore, taker->count, HANG_TIMEOUT);
	taker->had = r == 0;
	AWAIT(taker->may_end);
	dso_close(own);
	return (void *)(intptr_t)r;
}

START_TEST(a_permit_passes_waiters_that_want_several_and_goes_to_one_that_wants_one)
{
	enum { IN_FRONT = 5 };
	struct taker several[IN_FRONT] = {0}, one = {.count = 1};
	struct dso_semaphore *mine = semaphore_in(session, 4);
	pthread_t threads[IN_FRONT];

	OK(session, dso_semaphore_acquire(mine, 4, DSO_NOWAIT));
	for (unsigned i = 0; i < IN_FRONT; i++) {
		several[i].count = 3;
		several[i].may_end = true;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_permits, &several[i]), 0);
		AWAIT(several[i].begun);
	}
	conformance_until_parked(IN_FRONT);
	begin(take_permits, &one);
	conformance_until_parked(IN_FRONT + 1);
	OK(session, dso_semaphore_release(mine, 1));
	AWAIT(one.had);
	for (unsigned i = 0; i < IN_FRONT; i++)
		ck_assert(!several[i].had);
	one.may_end = true;
	ck_assert_int_eq(end(), 0);
	OK(session, dso_semaphore_release(mine, 3));
	for (unsigned i = 0; i < IN_FRONT; i++) {
		pthread_join(threads[i], NULL);
		ck_assert(several[i].had);
	}
}
END_TEST

/* Two of three: whoever is behind takes a part, steps back, and must not leave the others
 * asleep. */
static void take_two(struct party *party)
{
	struct dso_semaphore *semaphore = semaphore_in(party->session, 3);

	for (unsigned i = 0; i < 200; i++) {
		OK(party->session, dso_semaphore_acquire(semaphore, 2, HANG_TIMEOUT));
		OK(party->session, dso_semaphore_release(semaphore, 2));
	}
}

START_TEST(a_waiter_that_gives_a_part_back_wakes_those_that_it_kept_waiting)
{
	semaphore_in(session, 3);
	parties_run(4, take_two);
}
END_TEST

/* ---- rwlock ---- */

/* The first handle reads where @blocker does not, and where the second one would read when @blocker
 * has left. */
static void lock_twice(struct dso_session *blocker)
{
	struct dso_rwlock *first = rwlock_in(session, 2), *second = rwlock_in(session, 2);
	struct dso_rwlock *theirs = rwlock_in(blocker, 2);

	OK(blocker, dso_rwlock_rdlock(theirs, DSO_NOWAIT));
	OK(session, dso_rwlock_rdlock(first, DSO_NOWAIT));
	OK(blocker, dso_rwlock_unlock(theirs));
	ck_assert_int_eq(dso_rwlock_rdlock(second, DSO_NOWAIT), -EDEADLK);
	ck_assert_int_eq(dso_rwlock_wrlock(second, DSO_NOWAIT), -EDEADLK);
	OK(session, dso_rwlock_unlock(first));
	OK(session, dso_rwlock_wrlock(second, HANG_TIMEOUT));
	ck_assert_int_eq(dso_rwlock_rdlock(first, DSO_NOWAIT), -EDEADLK);
	dso_rwlock_close(first);
	OK(session, dso_rwlock_unlock(second));
	OK(session, dso_rwlock_rdlock(second, DSO_NOWAIT));
	dso_rwlock_close(second);
	dso_rwlock_close(theirs);
}

START_TEST(a_session_has_a_rwlock_once_in_whichever_slot_it_reads)
{
	struct dso_session *third = conformance_open_another();

	/* One of the two begins in the slot in which this one does. */
	lock_twice(other);
	lock_twice(third);
	dso_close(third);
}
END_TEST

/* ---- timeouts ---- */

static void *unlock_soon(void *mutex)
{
	conformance_until_parked(1);
	OK(other, dso_mutex_unlock(mutex));
	return NULL;
}

START_TEST(a_timeout_that_reaches_beyond_the_clock_is_for_ever)
{
	static const int64_t timeouts[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
	struct dso_mutex *mine = mutex_in(session), *theirs = mutex_in(other);

	for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
		OK(other, dso_mutex_lock(theirs, HANG_TIMEOUT, NULL));
		begin(unlock_soon, theirs);
		OK(session, dso_mutex_lock(mine, timeouts[i], NULL));
		OK(session, dso_mutex_unlock(mine));
		end();
	}
}
END_TEST

/* ---- many ---- */

#define MANY 1100 /* more than are woken in one go */

static _Atomic unsigned many_wait;

static void *wait_at_latch(void *argument)
{
	struct dso_session *own = conformance_open_another();
	struct dso_latch *latch = latch_in(own, 1);
	int r;

	many_wait++;
	r = dso_latch_wait(latch, DSO_FOREVER); /* a slow machine takes long to begin them all */
	dso_close(own);
	return r ? own : argument;
}

/* In one process, so that it takes no descriptors: waking all is the library's loop over what is
 * woken at once. */
START_TEST(all_of_many_are_woken)
{
	static pthread_t threads[MANY];
	struct dso_latch *latch = latch_in(session, 1);
	pthread_attr_t small;
	void *failed;

	if (!conformance_is("embedded"))
		return;
	many_wait = 0;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_int_eq(pthread_create(&threads[i], &small, wait_at_latch, NULL), 0);
	conformance_until_parked(MANY);
	OK(session, dso_latch_count_down(latch, 1, NULL));
	for (unsigned i = 0; i < MANY; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	pthread_attr_destroy(&small);
}
END_TEST

Suite *conformance_wake_suite(void)
{
	Suite *suite = suite_create("wake");
	TCase *tcase = tcase_create("wake");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, pair_end);
	tcase_add_test(tcase,
		       a_condition_wait_that_is_interrupted_while_it_locks_again_has_the_mutex);
	tcase_add_test(tcase, a_death_is_more_to_tell_than_that_the_time_is_over);
	tcase_add_test(tcase, a_party_that_is_interrupted_breaks_the_barrier);
	tcase_add_test(tcase, more_sessions_than_parties_cross_a_barrier_two_by_two);
	tcase_add_test(tcase, a_waiter_for_all_permits_gets_them_from_a_stream_of_waiters_for_one);
	tcase_add_test(tcase,
		       a_permit_passes_waiters_that_want_several_and_goes_to_one_that_wants_one);
	tcase_add_test(tcase, a_waiter_that_gives_a_part_back_wakes_those_that_it_kept_waiting);
	tcase_add_test(tcase, a_session_has_a_rwlock_once_in_whichever_slot_it_reads);
	tcase_add_test(tcase, a_timeout_that_reaches_beyond_the_clock_is_for_ever);
	tcase_add_test(tcase, all_of_many_are_woken);
	suite_add_tcase(suite, tcase);
	return suite;
}
