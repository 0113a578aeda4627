/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting on words and waking. */
#include "tests/await.h"
#include "tests/conformance.h"
#include "tests/parked.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAITERS 5

static struct dso_session *session;
static struct dso_memory *memory;
static char name[64];

/* A thread with a session of its own that waits on the word @offset while it is @expected. */
struct waiter {
	pthread_t thread;
	struct dso_session *session;
	uint64_t offset, expected;
	int64_t timeout;
	int result;
	_Atomic bool opened, done;
};

static _Atomic unsigned done_count;

static void setup(void)
{
	struct dso_memory_params params = {.size_bytes = 4096};

	strcpy(name, conformance_name());
	session = conformance_open();
	OK(session, dso_memory_open(session, name, &params, &memory));
	done_count = 0;
}

static void teardown(void)
{
	dso_close(session);
}

static void *wait_in_thread(void *argument)
{
	struct waiter *waiter = argument;
	struct dso_memory *own;

	waiter->result = dso_memory_open(waiter->session, name, NULL, &own);
	waiter->opened = true;
	if (waiter->result == 0)
		waiter->result =
			dso_memory_wait(own, waiter->offset, waiter->expected, waiter->timeout);
	done_count++;
	waiter->done = true;
	return NULL;
}

/* @waiter has offset, expected and timeout. It has parked when this returns. */
static void begin(struct waiter *waiter)
{
	uint64_t before = conformance_parked();

	waiter->session = conformance_open_another();
	waiter->opened = waiter->done = false;
	ck_assert_int_eq(pthread_create(&waiter->thread, NULL, wait_in_thread, waiter), 0);
	conformance_until_parked(before + 1);
}

static void end(struct waiter *waiter)
{
	pthread_join(waiter->thread, NULL);
	dso_close(waiter->session);
}

START_TEST(a_word_of_another_value_is_not_waited_for)
{
	/* A wait in vain ends with -ETIMEDOUT, however long that takes. */
	OK(session, dso_memory_wait(memory, 8, 1, HANG_TIMEOUT));
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline_and_not_at_that_of_another)
{
	struct waiter later = {.offset = 0, .timeout = HANG_TIMEOUT};

	begin(&later);
	ck_assert_int_eq(dso_memory_wait(memory, 0, 0, 50 * DSO_MILLISECOND), -ETIMEDOUT);
	ck_assert(!later.done);
	OK(session, dso_memory_wake(memory, 0, 1, NULL));
	end(&later);
	ck_assert_int_eq(later.result, 0);
	ck_assert_int_eq(dso_memory_wait(memory, 0, 0, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(dso_memory_wait(memory, 0, 0, -2), -EINVAL);
	ck_assert_int_eq(dso_memory_wait(memory, 4, 0, 1), -EINVAL);
	ck_assert_int_eq(dso_memory_wait(memory, 4096, 0, 1), -ERANGE);
	ck_assert_int_eq(dso_memory_wake(memory, 4096, 1, NULL), -ERANGE);
	OK(session, dso_memory_wake(memory, 0, 1, NULL));
}
END_TEST

START_TEST(a_waiter_is_woken)
{
	struct waiter waiter = {.offset = 16, .timeout = HANG_TIMEOUT};

	begin(&waiter);
	ck_assert(!waiter.done);
	OK(session, dso_memory_fetch_add(memory, 16, 1, NULL));
	OK(session, dso_memory_wake(memory, 16, 1, NULL));
	end(&waiter);
	ck_assert_int_eq(waiter.result, 0);
}
END_TEST

START_TEST(a_wake_of_another_word_wakes_nobody)
{
	struct waiter waiter = {.offset = 16, .timeout = HANG_TIMEOUT};

	begin(&waiter);
	OK(session, dso_memory_wake(memory, 24, UINT32_MAX, NULL));
	OK(session, dso_memory_wake(memory, 16, 0, NULL));
	ck_assert_uint_eq(conformance_parked(), 1);
	OK(session, dso_memory_wake(memory, 16, 1, NULL));
	end(&waiter);
	ck_assert_int_eq(waiter.result, 0);
}
END_TEST

/* Wake @count of those who have parked. */
static void wake(uint64_t offset, uint32_t count)
{
	uint32_t woken;

	OK(session, dso_memory_wake(memory, offset, count, &woken));
	ck_assert_uint_eq(woken, count);
}

START_TEST(as_many_are_woken_as_were_asked_for)
{
	struct waiter waiters[WAITERS];

	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){.offset = 64, .timeout = HANG_TIMEOUT};
		begin(&waiters[i]);
	}
	wake(64, 2);
	AWAIT(done_count >= 2);
	ck_assert_uint_eq(conformance_parked(), WAITERS - 2);
	ck_assert_uint_eq(done_count, 2);
	wake(64, WAITERS - 2);
	for (unsigned i = 0; i < WAITERS; i++) {
		end(&waiters[i]);
		ck_assert_int_eq(waiters[i].result, 0);
	}
}
END_TEST

START_TEST(a_wait_is_interrupted_by_another_thread)
{
	struct waiter waiter = {.offset = 0, .timeout = DSO_FOREVER};

	begin(&waiter);
	dso_interrupt(waiter.session);
	pthread_join(waiter.thread, NULL);
	ck_assert_int_eq(waiter.result, -ECANCELED);
	/* It was meant for that one alone. */
	waiter.timeout = DSO_MILLISECOND;
	wait_in_thread(&waiter);
	ck_assert_int_eq(waiter.result, -ETIMEDOUT);
	/* Without one it is the next. */
	dso_interrupt(waiter.session);
	waiter.timeout = DSO_FOREVER;
	wait_in_thread(&waiter);
	ck_assert_int_eq(waiter.result, -ECANCELED);
	dso_close(waiter.session);
}
END_TEST

START_TEST(deletion_ends_a_wait)
{
	struct waiter waiter = {.offset = 0, .timeout = DSO_FOREVER};

	begin(&waiter);
	OK(session, dso_object_delete(session, name));
	end(&waiter);
	ck_assert_int_eq(waiter.result, -ESTALE);
}
END_TEST

/* Whoever changed the word may have died before it could wake. */
START_TEST(the_end_of_a_session_wakes_the_waiters_whose_word_has_changed)
{
	struct waiter changed = {.offset = 0, .timeout = HANG_TIMEOUT};
	struct waiter unchanged = {.offset = 8, .timeout = HANG_TIMEOUT};
	struct dso_session *other = conformance_open_another();
	struct dso_memory *own;

	OK(other, dso_memory_open(other, name, NULL, &own));
	begin(&changed);
	begin(&unchanged);
	OK(other, dso_memory_fetch_add(own, 0, 1, NULL));
	dso_close(other);
	end(&changed);
	ck_assert_int_eq(changed.result, 0);
	ck_assert_uint_eq(conformance_parked(), 1);
	wake(8, 1);
	end(&unchanged);
	ck_assert_int_eq(unchanged.result, 0);
}
END_TEST

/* They are not answered one by one: who sends them faster than storaged reads must be slowed
 * down. */
START_TEST(a_flood_of_wake_ups_ends_no_session)
{
	for (int i = 0; i < 50000; i++)
		OK(session, dso_memory_wake(memory, 0, 1, NULL));
	OK(session, dso_ping(session, NULL));
	OK(session, dso_memory_fetch_add(memory, 0, 1, NULL));
}
END_TEST

struct player {
	pthread_t thread;
	struct dso_session *session;
	uint64_t parity;
	int result;
};

#define PASSES 200

/* Pass a number to and fro: each adds one to it when it is theirs. */
static void *play(void *argument)
{
	struct player *player = argument;
	struct dso_memory *own;
	uint64_t value = 0;
	int r = dso_memory_open(player->session, name, NULL, &own);

	while (r == 0 && value < PASSES) {
		r = dso_memory_fetch_add(own, 0, 0, &value);
		if (r || value >= PASSES)
			break;
		if (value % 2 != player->parity) {
			r = dso_memory_wait(own, 0, value, HANG_TIMEOUT);
			continue;
		}
		r = dso_memory_fetch_add(own, 0, 1, NULL);
		if (r == 0)
			r = dso_memory_wake(own, 0, 1, NULL);
	}
	player->result = r;
	return NULL;
}

START_TEST(no_wake_up_is_lost_between_two)
{
	struct player players[2];

	for (unsigned i = 0; i < 2; i++) {
		players[i] = (struct player){.session = conformance_open_another(), .parity = i};
		ck_assert_int_eq(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(players[i].thread, NULL);
		ck_assert_int_eq(players[i].result, 0);
		dso_close(players[i].session);
	}
}
END_TEST

static const char *named(const char *thing)
{
	static char text[96];

	snprintf(text, sizeof text, "%s-%s", name, thing);
	return text;
}

/* @call is refused for its @timeout, and the sentence says so. */
#define REFUSED(timeout, call)                                                           \
	do {                                                                             \
		char said[64];                                                           \
		int refused = (call);                                                    \
		snprintf(said, sizeof said, "timeout is %lld ns", (long long)(timeout)); \
		ck_assert_msg(refused == -EINVAL && strstr(dso_error(session), said),    \
			      "%s: %d, \"%s\"", #call, refused, dso_error(session));     \
	} while (0)

START_TEST(no_verb_that_waits_takes_a_deadline_before_time_began)
{
	static const int64_t wrong[] = {-2, -DSO_SECOND, INT64_MIN};
	struct dso_semaphore_params permits = {.permits = 1};
	struct dso_barrier_params parties = {.parties = 2};
	struct dso_latch_params count = {.count = 1};
	struct dso_mutex *mutex;
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_barrier *barrier;
	struct dso_latch *latch;
	struct dso_condition *condition;
	struct dso_once *once;
	struct dso_future *future;
	uint32_t arrived;
	int mine;

	OK(session, dso_mutex_open(session, named("m"), NULL, &mutex));
	OK(session, dso_rwlock_open(session, named("r"), NULL, &rwlock));
	OK(session, dso_semaphore_open(session, named("s"), &permits, &semaphore));
	OK(session, dso_barrier_open(session, named("b"), &parties, &barrier));
	OK(session, dso_latch_open(session, named("l"), &count, &latch));
	OK(session, dso_condition_open(session, named("c"), NULL, &condition));
	OK(session, dso_once_open(session, named("o"), NULL, &once));
	OK(session, dso_future_open(session, named("f"), NULL, &future));
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		REFUSED(wrong[i], dso_memory_wait(memory, 0, 0, wrong[i]));
		REFUSED(wrong[i], dso_mutex_lock(mutex, wrong[i], NULL));
		REFUSED(wrong[i], dso_rwlock_rdlock(rwlock, wrong[i]));
		REFUSED(wrong[i], dso_rwlock_wrlock(rwlock, wrong[i]));
		REFUSED(wrong[i], dso_semaphore_acquire(semaphore, 1, wrong[i]));
		REFUSED(wrong[i], dso_barrier_wait(barrier, wrong[i], NULL));
		REFUSED(wrong[i], dso_latch_wait(latch, wrong[i]));
		REFUSED(wrong[i], dso_once_begin(once, wrong[i], &mine));
		REFUSED(wrong[i], dso_once_begin(once, wrong[i], NULL));
		REFUSED(wrong[i], dso_condition_wait(condition, mutex, wrong[i]));
		REFUSED(wrong[i], dso_future_get(future, NULL, 0, wrong[i], NULL));
		OK(session, dso_mutex_lock(mutex, INT64_MAX, NULL));
		REFUSED(wrong[i], dso_condition_wait(condition, mutex, wrong[i]));
		OK(session, dso_mutex_unlock(mutex));
	}
	/* And nothing has come of it. */
	OK(session, dso_barrier_stat(barrier, NULL, &arrived, NULL));
	ck_assert_uint_eq(arrived, 0);
	OK(session, dso_rwlock_wrlock(rwlock, DSO_NOWAIT));
	OK(session, dso_semaphore_acquire(semaphore, 1, DSO_NOWAIT));
	OK(session, dso_once_begin(once, DSO_NOWAIT, &mine));
	ck_assert_int_eq(mine, 1);
}
END_TEST

#define LOOKS 20

/* Interrupts the wait of `session` when it was found parked at so many looks in a row. */
static void *interrupt_when_parked(void *unused)
{
	struct dso_session *observer = conformance_open_another();

	for (unsigned looks = 0; looks < LOOKS;)
		AWAIT((looks = parked_count(observer) == 1 ? looks + 1 : 0) >= LOOKS);
	dso_interrupt(session);
	dso_close(observer);
	return unused;
}

static pthread_t interrupt_later(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_when_parked, NULL), 0);
	return thread;
}

/* @wait is parked: it would end for nothing else. */
#define IS_PARKED(wait)                               \
	do {                                          \
		pthread_t thread = interrupt_later(); \
                                                      \
		ck_assert_int_eq(wait, -ECANCELED);   \
		pthread_join(thread, NULL);           \
	} while (0)

/* Who left it without the others has broken it. */
static int wait_at_barrier(struct dso_barrier *barrier)
{
	OK(session, dso_barrier_reset(barrier));
	return dso_barrier_wait(barrier, HANG_TIMEOUT, NULL);
}

START_TEST(a_waiter_is_parked)
{
	struct dso_session *other = conformance_open_another();
	struct dso_barrier_params parties = {.parties = 2};
	struct dso_semaphore_params permits = {.permits = 1};
	struct dso_latch_params count = {.count = 1};
	struct dso_mutex *mutex, *held;
	struct dso_rwlock *rwlock, *read;
	struct dso_semaphore *semaphore;
	struct dso_barrier *barrier;
	struct dso_latch *latch;
	struct dso_condition *condition;
	struct dso_once *once, *begun;
	struct dso_future *future;
	struct dso_counter *counter;
	struct dso_register *reg;
	struct dso_map *map;

	OK(session, dso_mutex_open(session, named("m"), NULL, &mutex));
	OK(other, dso_mutex_open(other, named("m"), NULL, &held));
	OK(session, dso_rwlock_open(session, named("r"), NULL, &rwlock));
	OK(other, dso_rwlock_open(other, named("r"), NULL, &read));
	OK(session, dso_semaphore_open(session, named("s"), &permits, &semaphore));
	OK(session, dso_barrier_open(session, named("b"), &parties, &barrier));
	OK(session, dso_latch_open(session, named("l"), &count, &latch));
	OK(session, dso_condition_open(session, named("c"), NULL, &condition));
	OK(session, dso_once_open(session, named("o"), NULL, &once));
	OK(other, dso_once_open(other, named("o"), NULL, &begun));
	OK(session, dso_future_open(session, named("f"), NULL, &future));
	OK(session, dso_counter_open(session, named("n"), NULL, &counter));
	OK(session, dso_register_open(session, named("v"), NULL, &reg));
	OK(session, dso_map_open(session, named("k"), NULL, &map));

	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	IS_PARKED(dso_condition_wait(condition, mutex, HANG_TIMEOUT));
	OK(session, dso_mutex_unlock(mutex));
	OK(other, dso_mutex_lock(held, HANG_TIMEOUT, NULL));
	IS_PARKED(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(other, dso_rwlock_rdlock(read, HANG_TIMEOUT));
	IS_PARKED(dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
	OK(other, dso_rwlock_unlock(read));
	OK(other, dso_rwlock_wrlock(read, HANG_TIMEOUT));
	IS_PARKED(dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
	IS_PARKED(dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
	OK(session, dso_semaphore_acquire(semaphore, 1, DSO_NOWAIT));
	IS_PARKED(dso_semaphore_acquire(semaphore, 1, HANG_TIMEOUT));
	IS_PARKED(dso_latch_wait(latch, HANG_TIMEOUT));
	OK(other, dso_once_begin(begun, HANG_TIMEOUT, NULL));
	IS_PARKED(dso_once_begin(once, HANG_TIMEOUT, NULL));
	/* Nobody has promised it; then somebody has. */
	IS_PARKED(dso_future_get(future, NULL, 0, HANG_TIMEOUT, NULL));
	OK(session, dso_future_promise(future));
	IS_PARKED(dso_future_get(future, NULL, 0, HANG_TIMEOUT, NULL));
	IS_PARKED(wait_at_barrier(barrier));
	IS_PARKED(dso_counter_wait(counter, 1, HANG_TIMEOUT, NULL));
	IS_PARKED(dso_register_wait(reg, 0, NULL, 0, HANG_TIMEOUT, NULL, NULL));
	IS_PARKED(dso_map_wait(map, "k", 1, 0, NULL, 0, HANG_TIMEOUT, NULL, NULL));
	dso_close(other);
}
END_TEST

Suite *conformance_wait_suite(void)
{
	Suite *suite = suite_create("wait");
	TCase *tcase = tcase_create("wait");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_word_of_another_value_is_not_waited_for);
	tcase_add_test(tcase, a_wait_ends_at_its_deadline_and_not_at_that_of_another);
	tcase_add_test(tcase, no_verb_that_waits_takes_a_deadline_before_time_began);
	tcase_add_test(tcase, a_waiter_is_parked);
	tcase_add_test(tcase, a_waiter_is_woken);
	tcase_add_test(tcase, a_wake_of_another_word_wakes_nobody);
	tcase_add_test(tcase, as_many_are_woken_as_were_asked_for);
	tcase_add_test(tcase, a_wait_is_interrupted_by_another_thread);
	tcase_add_test(tcase, deletion_ends_a_wait);
	tcase_add_test(tcase, the_end_of_a_session_wakes_the_waiters_whose_word_has_changed);
	tcase_add_test(tcase, a_flood_of_wake_ups_ends_no_session);
	tcase_add_test(tcase, no_wake_up_is_lost_between_two);
	suite_add_tcase(suite, tcase);
	return suite;
}
