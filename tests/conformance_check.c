/* SPDX-License-Identifier: Apache-2.0 */
/* dso_object_check: objects as clients leave them are clean, also while they are used. */
#include "tests/conformance_check.h"
#include "tests/await.h"
#include "proto/layout.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int tell(const struct dso_finding *finding, void *context)
{
	struct told *told = context;
	size_t at = strlen(told->sentences);

	if (finding->kind == DSO_FINDING_DAMAGE)
		told->damage++;
	else
		told->leftovers++;
	snprintf(told->sentences + at, sizeof told->sentences - at, "%s at %ju: %s\n",
		 finding->kind == DSO_FINDING_DAMAGE ? "damage" : "leftover",
		 (uintmax_t)finding->offset, finding->sentence);
	return 0;
}

int check_told(struct told *told)
{
	*told = (struct told){0};
	return dso_object_check(session, name, tell, told);
}

void check_is_clean(void)
{
	struct told told;

	OK(session, check_told(&told));
	ck_assert_msg(told.damage + told.leftovers == 0, "%s", told.sentences);
}

START_TEST(values_are_clean)
{
	const struct dso_memory_params size = {.size_bytes = 100};
	struct dso_register *reg;
	struct dso_counter *counter;
	struct dso_memory *memory;
	uint8_t bytes[100];

	memset(bytes, 0xff, sizeof bytes);
	OK(other, dso_register_open(other, name, NULL, &reg));
	check_is_clean();
	for (unsigned i = 1; i < 4; i++) {
		OK(other, dso_register_set(reg, bytes, i * 30, NULL));
		check_is_clean();
	}
	dso_register_close(reg);
	check_is_clean();
	strcpy(name, conformance_name());
	OK(other, dso_memory_open(other, name, &size, &memory));
	OK(other, dso_memory_write(memory, 0, bytes, sizeof bytes));
	check_is_clean();
	strcpy(name, conformance_name());
	OK(other, dso_counter_open(other, name, NULL, &counter));
	OK(other, dso_counter_add(counter, -1, NULL));
	check_is_clean();
}
END_TEST

START_TEST(collections_are_clean_while_they_are_used_and_when_they_are_closed)
{
	const struct dso_aggregator_params vectors = {.length = 3, .contributors = 2};
	double values[3] = {1, 2, 3};
	struct dso_aggregator *aggregator;
	struct dso_map *map;
	struct dso_set *set;

	OK(other, dso_map_open(other, name, NULL, &map));
	check_is_clean();
	for (uint32_t i = 0; i < 3000; i++)
		OK(other, dso_map_put(map, &i, sizeof i, values, i % 25, NULL));
	check_is_clean();
	dso_map_close(map);
	check_is_clean();
	strcpy(name, conformance_name());
	OK(other, dso_set_open(other, name, NULL, &set));
	OK(other, dso_set_add(set, "key", 3, NULL));
	check_is_clean();
	strcpy(name, conformance_name());
	OK(other, dso_aggregator_open(other, name, &vectors, &aggregator));
	for (uint32_t i = 0; i < 5; i++) {
		check_is_clean();
		OK(other, dso_aggregator_contribute(aggregator, i % 2, values, sizeof values, 0,
						    DSO_FOREVER, NULL));
	}
	dso_aggregator_close(aggregator);
	check_is_clean();
}
END_TEST

START_TEST(a_future_is_clean_before_and_after_it_is_set_also_beyond_its_own_memory)
{
	static uint8_t bytes[100000];
	struct dso_future *future = future_in(other, 0);

	check_is_clean();
	OK(other, dso_future_promise(future));
	check_is_clean();
	OK(other, dso_future_set(future, bytes, sizeof bytes));
	check_is_clean();
	dso_future_close(future);
	check_is_clean();
	strcpy(name, conformance_name());
	future = future_in(other, 10);
	OK(other, dso_future_set_error(future, "no"));
	check_is_clean();
	strcpy(name, conformance_name());
	future = future_in(other, 10);
	OK(other, dso_future_promise(future));
	dso_future_close(future);
	check_is_clean();
}
END_TEST

START_TEST(what_a_session_holds_is_clean_while_it_lives_and_when_it_has_given_it_back)
{
	struct dso_mutex *mutex = mutex_in(other);
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_once *once;

	OK(other, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	check_is_clean();
	dso_mutex_close(mutex);
	check_is_clean();
	strcpy(name, conformance_name());
	rwlock = rwlock_in(other, 3);
	OK(other, dso_rwlock_rdlock(rwlock, DSO_NOWAIT));
	check_is_clean();
	OK(other, dso_rwlock_unlock(rwlock));
	OK(other, dso_rwlock_wrlock(rwlock, DSO_NOWAIT));
	check_is_clean();
	strcpy(name, conformance_name());
	semaphore = semaphore_in(other, 5);
	OK(other, dso_semaphore_acquire(semaphore, 3, DSO_NOWAIT));
	check_is_clean();
	OK(other, dso_semaphore_release(semaphore, 2));
	check_is_clean();
	strcpy(name, conformance_name());
	OK(other, dso_once_open(other, name, NULL, &once));
	OK(other, dso_once_begin(once, DSO_NOWAIT, NULL));
	check_is_clean();
	OK(other, dso_once_done(once));
	check_is_clean();
}
END_TEST

START_TEST(what_is_waited_for_is_clean)
{
	struct dso_barrier *mine = barrier_in(session, 2), *theirs = barrier_in(other, 2);
	struct dso_condition *condition;
	struct dso_latch *latch;

	ck_assert_int_eq(dso_barrier_wait(mine, DSO_NOWAIT, NULL), -ETIMEDOUT);
	check_is_clean();
	OK(session, dso_barrier_reset(mine));
	check_is_clean();
	dso_barrier_close(mine);
	dso_barrier_close(theirs);
	check_is_clean();
	strcpy(name, conformance_name());
	latch = latch_in(other, 3);
	check_is_clean();
	OK(other, dso_latch_count_down(latch, 5, NULL));
	check_is_clean();
	strcpy(name, conformance_name());
	OK(other, dso_condition_open(other, name, NULL, &condition));
	OK(other, dso_condition_broadcast(condition));
	check_is_clean();
}
END_TEST

START_TEST(a_queue_is_clean_in_each_lap_with_items_that_are_leased_left_and_come_back)
{
	struct dso_queue *mine = queue_in(other, 3, 8);
	uint64_t ticket;

	for (unsigned i = 0; i < 8; i++) {
		check_is_clean();
		OK(other, push(mine, i, DSO_NOWAIT));
		if (i == 0)
			continue;
		check_is_clean();
		if (i % 2) {
			pops(mine, i - 1);
			continue;
		}
		ticket = leases(mine, i - 1, 1);
		check_is_clean();
		OK(other, dso_queue_give_back(mine, ticket));
		check_is_clean();
		ticket = leases(mine, i - 1, 2);
		OK(other, dso_queue_acknowledge(mine, ticket));
	}
	OK(other, dso_queue_shutdown(mine));
	check_is_clean();
	dso_queue_close(mine);
	check_is_clean();
}
END_TEST

START_TEST(what_cannot_be_checked_is_said)
{
	struct told told;
	char *first = name;

	ck_assert_int_eq(check_told(&told), -ENOENT);
	ck_assert_int_eq(dso_object_check(session, NULL, tell, &told), -EINVAL);
	ck_assert_int_eq(dso_object_check(session, "", tell, &told), -EINVAL);
	ck_assert_uint_eq(told.damage + told.leftovers, 0);
	dso_mutex_close(mutex_in(session));
	OK(session, dso_object_delete(session, first));
	ck_assert_int_eq(check_told(&told), -ENOENT);
}
END_TEST

START_TEST(a_check_leaves_no_handle_behind)
{
	struct dso_stat stat;

	dso_mutex_close(mutex_in(session));
	check_is_clean();
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_eq(stat.opens, 0);
}
END_TEST

/* ---- objects that change ---- */

static struct use {
	pthread_t thread;
	void (*turn)(void *handle);
	void *handle;
	_Atomic bool ends;
} use;

static void *go_on(void *unused)
{
	(void)unused;
	while (!use.ends)
		use.turn(use.handle);
	return NULL;
}

static void use_begin(void (*turn)(void *handle), void *handle)
{
	use.turn = turn;
	use.handle = handle;
	use.ends = false;
	ck_assert_int_eq(pthread_create(&use.thread, NULL, go_on, NULL), 0);
}

static void use_end(void)
{
	use.ends = true;
	pthread_join(use.thread, NULL);
}

static void set_register(void *reg)
{
	static unsigned i;
	char text[60];

	memset(text, (int)i, sizeof text);
	OK(other, dso_register_set(reg, text, i++ % sizeof text, NULL));
}

static void push_and_pop(void *queue)
{
	uint64_t number = 7;

	OK(other, push(queue, number, DSO_FOREVER));
	OK(other, pop(queue, &number, DSO_FOREVER));
}

static void lock_and_unlock(void *mutex)
{
	OK(other, dso_mutex_lock(mutex, DSO_FOREVER, NULL));
	OK(other, dso_mutex_unlock(mutex));
}

/* Each time it is either clean or in use. */
static void check_while_used(void (*turn)(void *handle), void *handle)
{
	struct told told = {0};

	use_begin(turn, handle);
	for (unsigned i = 0; i < 30 && told.damage == 0; i++) {
		int r = check_told(&told);

		ck_assert_msg(r == 0 || r == -EBUSY, "%d: %s", r, dso_error(session));
	}
	use_end();
	ck_assert_msg(told.damage == 0, "%s", told.sentences);
	check_is_clean();
}

START_TEST(what_is_used_is_never_called_damaged)
{
	const struct dso_register_params size = {.capacity_bytes = 64};
	struct dso_register *reg;

	OK(other, dso_register_open(other, name, &size, &reg));
	check_while_used(set_register, reg);
	strcpy(name, conformance_name());
	check_while_used(push_and_pop, queue_in(other, 2, 8));
	strcpy(name, conformance_name());
	check_while_used(lock_and_unlock, mutex_in(other));
}
END_TEST

static void signal_condition(void *condition)
{
	OK(other, dso_condition_signal(condition));
}

START_TEST(what_changes_at_each_look_is_in_use_and_nothing_is_told_of_it)
{
	struct dso_condition *condition;
	struct told told;

	OK(other, dso_condition_open(other, name, NULL, &condition));
	*word_at(CONDITION_EVENT_OFFSET + EVENT_WAITERS_OFFSET) = UINT64_MAX;
	use_begin(signal_condition, condition);
	AWAIT(check_told(&told) == -EBUSY);
	use_end();
	ck_assert_uint_eq(told.damage + told.leftovers, 0);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "in use"));
	OK(session, check_told(&told));
	ck_assert_uint_eq(told.damage, 1);
	*word_at(CONDITION_EVENT_OFFSET + EVENT_WAITERS_OFFSET) = 0;
	check_is_clean();
}
END_TEST

Suite *conformance_check_suite(void)
{
	Suite *suite = suite_create("check");
	TCase *tcase = tcase_create("check");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_test(tcase, values_are_clean);
	tcase_add_test(tcase, collections_are_clean_while_they_are_used_and_when_they_are_closed);
	tcase_add_test(tcase,
		       a_future_is_clean_before_and_after_it_is_set_also_beyond_its_own_memory);
	tcase_add_test(tcase,
		       what_a_session_holds_is_clean_while_it_lives_and_when_it_has_given_it_back);
	tcase_add_test(tcase, what_is_waited_for_is_clean);
	tcase_add_test(tcase,
		       a_queue_is_clean_in_each_lap_with_items_that_are_leased_left_and_come_back);
	tcase_add_test(tcase, what_cannot_be_checked_is_said);
	tcase_add_test(tcase, a_check_leaves_no_handle_behind);
	tcase_add_test(tcase, what_is_used_is_never_called_damaged);
	tcase_add_test(tcase, what_changes_at_each_look_is_in_use_and_nothing_is_told_of_it);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, conformance_check_damage());
	return suite;
}
