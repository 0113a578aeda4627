/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a lock or a permit next. What no session can be made to do at a given moment, such as to
 * wait or to be frozen with the turn, is written into the store's memory from behind.
 */
#include "tests/await.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"
#include "tests/kinds.h"
#include "lib/core/cpu.h"
#include "proto/layout.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define A_WHILE (30 * DSO_MILLISECOND) /* a session that means to park has by then, most likely */

/* ---- kinds of what one session has at a time ---- */

static void set_waited(uint64_t offset)
{
	__atomic_fetch_or(word_at(offset), OWNED_WAITED, __ATOMIC_SEQ_CST);
}

static void wait_for_mutex(void)
{
	set_waited(MUTEX_WORD_OFFSET);
}

static void wait_for_rwlock(void)
{
	set_waited(RWLOCK_WORD_OFFSET);
}

static void wait_for_permit(void)
{
	__atomic_store_n(word_at(SEMAPHORE_EVENT_OFFSET + 8), 1, __ATOMIC_SEQ_CST);
}

static const struct alone {
	const struct kind *kind;
	void (*pretend_to_wait)(void); /* until it is given back */
} alones[] = {
	{&kind_mutex, wait_for_mutex},
	{&kind_writer, wait_for_rwlock},
	{&kind_permit, wait_for_permit},
};
#define ALONES (int)(sizeof alones / sizeof *alones)

/* ---- a client that takes the same again and again ---- */

#define YIELDS     3    /* times that the other one is let pass, */
#define TURNS_MAX  4000 /* in so many turns, of which every eighth is a yield */
#define HEAD_START 200  /* pauses: far longer than a compare-and-swap, and shorter than a yield */

static _Atomic unsigned turn, tried;
static _Atomic bool had_it, over;

/* Tries to take it in each turn of the first client, as soon as that has begun to. */
static void *try_behind(void *argument)
{
	const struct kind *kind = argument;
	void *object = kind->open(other, name);

	for (unsigned seen = 0; !over;) {
		if (turn == seen) {
			sched_yield();
			continue;
		}
		seen = turn;
		for (unsigned i = 0; i < HEAD_START; i++)
			cpu_pause();
		had_it = kind->take(object, DSO_NOWAIT) == 0;
		if (had_it)
			OK(other, kind->give(object));
		tried = seen;
	}
	return NULL;
}

/* The other one comes too late, unless the first one lets it pass. Over a network nobody knows who
 * comes first. */
START_TEST(a_client_that_takes_it_again_and_again_lets_another_one_pass)
{
	const struct kind *kind = alones[_i].kind;
	void *object = kind->open(session, name);
	unsigned yields = 0;
	pthread_t thread;

	if (!conformance_is("shm") && !conformance_is("embedded"))
		return;
	over = false;
	turn = tried = 0;
	OK(session, kind->take(object, DSO_NOWAIT));
	ck_assert_int_eq(pthread_create(&thread, NULL, try_behind, (void *)(intptr_t)kind), 0);
	for (unsigned i = 1; i <= TURNS_MAX && yields < YIELDS; i++) {
		alones[_i].pretend_to_wait();
		OK(session, kind->give(object));
		turn = i;
		OK(session, kind->take(object, HANG_TIMEOUT));
		while (tried < i)
			sched_yield();
		yields += had_it;
	}
	over = true;
	pthread_join(thread, NULL);
	ck_assert_uint_eq(yields, YIELDS);
	OK(session, kind->give(object));
}
END_TEST

/* ---- waiters that have parked ---- */

/* A thread with a session of its own that takes something, and gives it back when it may. */
struct waiter {
	int (*take)(struct waiter *waiter);
	struct dso_session *own;
	uint32_t count; /* of permits */
	int64_t timeout;
	pthread_t thread;
	unsigned number;
	int result;
	_Atomic bool may_give;
};

static void *run_waiter(void *argument)
{
	struct waiter *waiter = argument;

	waiter->result = waiter->take(waiter);
	return NULL;
}

/* It has parked when this returns. */
static void begin(struct waiter *waiter)
{
	uint64_t before = conformance_parked();

	waiter->own = conformance_open_another();
	ck_assert_int_eq(pthread_create(&waiter->thread, NULL, run_waiter, waiter), 0);
	conformance_until_parked(before + 1);
}

static int end(struct waiter *waiter)
{
	waiter->may_give = true;
	pthread_join(waiter->thread, NULL);
	dso_close(waiter->own);
	return waiter->result;
}

#define WAITERS   5
#define TIMES     8
#define TRIES_MAX 1000

static const struct kind *kind_in_order;
static unsigned order[WAITERS];
static _Atomic unsigned order_count;

static int take_in_order(struct waiter *waiter)
{
	void *object = kind_in_order->open(waiter->own, name);
	int r = kind_in_order->take(object, HANG_TIMEOUT);

	order[order_count++] = waiter->number;
	return r ? r : kind_in_order->give(object);
}

static bool are_served_in_order(void *object)
{
	struct waiter waiters[WAITERS] = {0};
	bool in_order = true;

	order_count = 0;
	OK(session, kind_in_order->take(object, HANG_TIMEOUT));
	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i].take = take_in_order;
		waiters[i].number = i;
		begin(&waiters[i]);
	}
	OK(session, kind_in_order->give(object));
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert_int_eq(end(&waiters[i]), 0);
	for (unsigned i = 0; i < WAITERS; i++)
		in_order &= order[i] == i;
	return in_order;
}

START_TEST(waiters_are_served_in_the_order_in_which_they_parked)
{
	void *object = (kind_in_order = alones[_i].kind)->open(session, name);
	unsigned times = 0, tries = 0;

	while (times < TIMES) {
		uint64_t missed = conformance_grants_missed();
		bool in_order = are_served_in_order(object);

		/* A waiter that got no processor when it was its turn comes behind the next. */
		ck_assert_uint_lt(tries++, TRIES_MAX);
		if (conformance_grants_missed() != missed)
			continue;
		ck_assert(in_order);
		times++;
	}
}
END_TEST

/* ---- wake-ups of which a waiter makes no use ---- */

static _Atomic bool frozen, is_frozen;

static void freeze_thread(int signal_number)
{
	int error = errno;

	(void)signal_number;
	is_frozen = true;
	while (frozen)
		nap(DSO_MILLISECOND);
	errno = error;
}

static int lock_and_unlock(struct waiter *waiter)
{
	void *mutex = mutex_in(waiter->own);
	int r = dso_mutex_lock(mutex, waiter->timeout, NULL);

	return r ? r : dso_mutex_unlock(mutex);
}

/* Right behind a mutex that was given to this one another waiter is only woken, and finds that this
 * one was quicker. */
static int lock_unlock_and_lock(struct waiter *waiter)
{
	void *mutex = mutex_in(waiter->own);

	OK(waiter->own, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(waiter->own, dso_mutex_unlock(mutex));
	OK(waiter->own, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	AWAIT(waiter->may_give);
	return dso_mutex_unlock(mutex);
}

/* In an embedded store: storaged wakes nobody to try for a word that is given away. */
START_TEST(a_waiter_that_is_woken_behind_its_deadline_wakes_the_next)
{
	struct waiter first = {.take = lock_unlock_and_lock};
	struct waiter late = {.take = lock_and_unlock, .timeout = 10 * A_WHILE};
	struct waiter next = {.take = lock_and_unlock, .timeout = HANG_TIMEOUT};
	struct dso_mutex *mutex = mutex_in(session);
	int r;

	if (!conformance_is("embedded"))
		return;
	frozen = true;
	signal(SIGUSR1, freeze_thread);
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	begin(&first);
	begin(&late);
	begin(&next);
	is_frozen = false;
	pthread_kill(late.thread, SIGUSR1);
	AWAIT(is_frozen);
	OK(session, dso_mutex_unlock(mutex));
	nap(late.timeout);
	frozen = false;
	pthread_join(late.thread, NULL);
	dso_close(late.own);
	r = late.result;
	ck_assert(r == 0 || r == -ETIMEDOUT);
	ck_assert_int_eq(end(&first), 0);
	ck_assert_int_eq(end(&next), 0);
}
END_TEST

static int take_permits(struct waiter *waiter)
{
	struct dso_semaphore *semaphore = semaphore_in(waiter->own, 0);
	int r = dso_semaphore_acquire(semaphore, waiter->count, HANG_TIMEOUT);

	return r ? r : dso_semaphore_release(semaphore, waiter->count);
}

/* A waiter for two permits is woken for them, and finds one: that is for the next, whether it waits
 * on or leaves. */
START_TEST(a_waiter_that_is_woken_for_too_few_permits_leaves_them_to_the_next)
{
	struct dso_semaphore *semaphore = semaphore_in(session, 2);

	for (unsigned i = 0; i < TIMES; i++) {
		struct waiter two = {.take = take_permits, .count = 2};
		struct waiter one = {.take = take_permits, .count = 1};
		int r;

		OK(session, dso_semaphore_acquire(semaphore, 2, HANG_TIMEOUT));
		begin(&two);
		begin(&one);
		OK(session, dso_semaphore_release(semaphore, 2));
		OK(session, dso_semaphore_acquire(semaphore, 1, HANG_TIMEOUT));
		if (_i)
			dso_interrupt(two.own);
		ck_assert_int_eq(end(&one), 0);
		OK(session, dso_semaphore_release(semaphore, 1));
		r = end(&two);
		ck_assert(r == 0 || (_i && r == -ECANCELED));
	}
}
END_TEST

/* ---- the turn of a waiter for several permits ---- */

/* It is not parked either, so that nobody is woken who would find out. */
START_TEST(an_owner_of_the_turn_that_is_frozen_keeps_no_waiter_from_free_permits)
{
	struct dso_semaphore *semaphore = semaphore_in(session, 2),
			     *theirs = semaphore_in(other, 2);
	struct waiter one = {.take = take_permits, .count = 1};
	uint16_t owner;

	OK(other, dso_semaphore_acquire(theirs, 2, DSO_NOWAIT));
	owner = owned_word_owner(*word_at(SEMAPHORE_PERMIT_OFFSET(0)));
	OK(other, dso_semaphore_release(theirs, 2));
	OK(session, dso_semaphore_acquire(semaphore, 2, DSO_NOWAIT));
	begin(&one);
	__atomic_fetch_add(word_at(SEMAPHORE_EVENT_OFFSET + 8), SEMAPHORE_MANY, __ATOMIC_SEQ_CST);
	__atomic_store_n(word_at(SEMAPHORE_TURN_OFFSET), owned_word(1, owner), __ATOMIC_SEQ_CST);
	OK(session, dso_semaphore_release(semaphore, 1));
	ck_assert_int_eq(end(&one), 0);
	__atomic_store_n(word_at(SEMAPHORE_TURN_OFFSET), owned_word(1, 0), __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(word_at(SEMAPHORE_EVENT_OFFSET + 8), SEMAPHORE_MANY, __ATOMIC_SEQ_CST);
}
END_TEST

Suite *conformance_fairness_suite(void)
{
	Suite *suite = suite_create("fairness");
	TCase *tcase = tcase_create("fairness");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_loop_test(tcase, a_client_that_takes_it_again_and_again_lets_another_one_pass, 0,
			    ALONES);
	tcase_add_loop_test(tcase, waiters_are_served_in_the_order_in_which_they_parked, 0, ALONES);
	tcase_add_test(tcase, a_waiter_that_is_woken_behind_its_deadline_wakes_the_next);
	tcase_add_loop_test(
		tcase, a_waiter_that_is_woken_for_too_few_permits_leaves_them_to_the_next, 0, 2);
	tcase_add_test(tcase,
		       an_owner_of_the_turn_that_is_frozen_keeps_no_waiter_from_free_permits);
	suite_add_tcase(suite, tcase);
	return suite;
}
