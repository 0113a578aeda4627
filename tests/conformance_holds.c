/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what, since when: what dso_holds() tells. */
#include "tests/await.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 100 /* more than there is room for on a page */

/* ---- asking ---- */

/* The holds of the object called `name`. */
struct holds {
	struct dso_hold entries[MANY + 1];
	unsigned count;
};

static int collect(const struct dso_hold *hold, void *context)
{
	struct holds *holds = context;

	if (!strcmp(hold->name, name) && holds->count <= MANY)
		holds->entries[holds->count++] = *hold;
	return 0;
}

static struct holds holds_now(void)
{
	struct holds holds = {.count = 0};

	OK(session, dso_holds(session, collect, &holds));
	return holds;
}

/* That one session has @count in that role, and nobody else anything. */
static struct dso_hold the_hold(enum dso_type type, enum dso_role role, unsigned count)
{
	struct holds holds = holds_now();

	ck_assert_uint_eq(holds.count, 1);
	ck_assert_int_eq(holds.entries[0].type, type);
	ck_assert_int_eq(holds.entries[0].role, role);
	ck_assert_uint_eq(holds.entries[0].count, count);
	ck_assert_uint_ne(holds.entries[0].owner, 0);
	ck_assert_uint_eq(holds.entries[0].reserved, 0);
	return holds.entries[0];
}

static void nobody_holds_it(void)
{
	ck_assert_uint_eq(holds_now().count, 0);
}

/* ---- every type ---- */

START_TEST(a_locked_mutex_is_listed_with_its_owner_and_fencing_token)
{
	struct dso_mutex *mutex;
	struct dso_hold hold;
	struct dso_stat stat;
	uint32_t owner;
	uint64_t token;

	OK(session, dso_mutex_open(session, name, NULL, &mutex));
	nobody_holds_it();
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
	OK(session, dso_mutex_holder(mutex, &owner, NULL));
	hold = the_hold(DSO_MUTEX, DSO_HOLDER, 1);
	ck_assert_uint_eq(hold.owner, owner);
	ck_assert_uint_eq(hold.token, token);
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_eq(hold.generation, stat.generation);
	OK(session, dso_mutex_unlock(mutex));
	nobody_holds_it();
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	dso_mutex_close(mutex);
	nobody_holds_it();
}
END_TEST

START_TEST(a_holder_is_called_by_its_process_or_its_address)
{
	bool is_near = !strncmp(dso_url(session), "dso+unix:", 9) || conformance_is("embedded");
	struct dso_mutex *mutex;
	char mine[64];

	OK(session, dso_mutex_open(session, name, NULL, &mutex));
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	snprintf(mine, sizeof mine, "pid %d", (int)getpid());
	if (is_near)
		ck_assert_str_eq(the_hold(DSO_MUTEX, DSO_HOLDER, 1).who, mine);
	else if (strstr(dso_url(session), "127.0.0.1"))
		ck_assert_msg(!strncmp(the_hold(DSO_MUTEX, DSO_HOLDER, 1).who, "127.0.0.1:", 10),
			      "%s", the_hold(DSO_MUTEX, DSO_HOLDER, 1).who);
}
END_TEST

START_TEST(the_token_of_several_permits_is_the_largest_and_stays)
{
	static const struct dso_semaphore_params three = {.permits = 3};
	struct dso_semaphore *semaphore;
	uint64_t token;

	OK(session, dso_semaphore_open(session, name, &three, &semaphore));
	/* The first permit was taken more often than the others. */
	for (unsigned i = 0; i < 5; i++) {
		OK(session, dso_semaphore_acquire(semaphore, 1, HANG_TIMEOUT));
		token = the_hold(DSO_SEMAPHORE, DSO_HOLDER, 1).token;
		OK(session, dso_semaphore_release(semaphore, 1));
	}
	OK(session, dso_semaphore_acquire(semaphore, 3, HANG_TIMEOUT));
	ck_assert_uint_gt(the_hold(DSO_SEMAPHORE, DSO_HOLDER, 3).token, token);
	token = the_hold(DSO_SEMAPHORE, DSO_HOLDER, 3).token;
	ck_assert_uint_eq(the_hold(DSO_SEMAPHORE, DSO_HOLDER, 3).token, token);
}
END_TEST

START_TEST(readers_and_a_writer_are_listed_as_what_they_are)
{
	struct dso_rwlock *mine, *theirs;
	struct holds holds;

	OK(session, dso_rwlock_open(session, name, NULL, &mine));
	OK(other, dso_rwlock_open(other, name, NULL, &theirs));
	OK(session, dso_rwlock_rdlock(mine, HANG_TIMEOUT));
	the_hold(DSO_RWLOCK, DSO_READER, 1);
	OK(other, dso_rwlock_rdlock(theirs, HANG_TIMEOUT));
	holds = holds_now();
	ck_assert_uint_eq(holds.count, 2);
	ck_assert_int_eq(holds.entries[1].role, DSO_READER);
	ck_assert_uint_ne(holds.entries[0].owner, holds.entries[1].owner);
	OK(session, dso_rwlock_unlock(mine));
	OK(other, dso_rwlock_unlock(theirs));
	nobody_holds_it();
	OK(other, dso_rwlock_wrlock(theirs, HANG_TIMEOUT));
	the_hold(DSO_RWLOCK, DSO_WRITER, 1);
	dso_rwlock_close(theirs);
	nobody_holds_it();
}
END_TEST

START_TEST(permits_are_counted_for_each_session)
{
	static const struct dso_semaphore_params three = {.permits = 3};
	struct dso_semaphore *mine, *theirs;
	struct holds holds;

	OK(session, dso_semaphore_open(session, name, &three, &mine));
	OK(other, dso_semaphore_open(other, name, NULL, &theirs));
	OK(session, dso_semaphore_acquire(mine, 2, HANG_TIMEOUT));
	the_hold(DSO_SEMAPHORE, DSO_HOLDER, 2);
	OK(other, dso_semaphore_acquire(theirs, 1, HANG_TIMEOUT));
	holds = holds_now();
	ck_assert_uint_eq(holds.count, 2);
	ck_assert_uint_eq(holds.entries[0].count + holds.entries[1].count, 3);
	OK(session, dso_semaphore_release(mine, 2));
	the_hold(DSO_SEMAPHORE, DSO_HOLDER, 1);
	dso_semaphore_close(theirs);
	nobody_holds_it();
}
END_TEST

START_TEST(a_once_is_held_from_its_beginning_until_it_is_done)
{
	struct dso_once *once;
	int mine;

	OK(session, dso_once_open(session, name, NULL, &once));
	OK(session, dso_once_begin(once, HANG_TIMEOUT, &mine));
	the_hold(DSO_ONCE, DSO_HOLDER, 1);
	OK(session, dso_once_abandon(once));
	nobody_holds_it();
	OK(session, dso_once_begin(once, HANG_TIMEOUT, &mine));
	OK(session, dso_once_done(once));
	nobody_holds_it();
}
END_TEST

START_TEST(a_future_is_held_from_the_promise_until_it_is_set)
{
	struct dso_future *future;

	OK(session, dso_future_open(session, name, NULL, &future));
	nobody_holds_it();
	OK(session, dso_future_promise(future));
	the_hold(DSO_FUTURE, DSO_HOLDER, 1);
	OK(session, dso_future_set(future, "x", 1));
	nobody_holds_it();
}
END_TEST

START_TEST(what_a_session_held_is_free_after_its_end)
{
	struct dso_session *dying = conformance_open_another();
	struct dso_mutex *mutex;

	OK(session, dso_mutex_open(session, name, NULL, &mutex));
	OK(dying, dso_mutex_open(dying, name, NULL, &mutex));
	OK(dying, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	the_hold(DSO_MUTEX, DSO_HOLDER, 1);
	dso_close(dying);
	AWAIT(holds_now().count == 0);
	nobody_holds_it();
}
END_TEST

/* ---- since when ---- */

/* Ask until it was held for @ns at least. */
static struct dso_hold held_for(int64_t ns)
{
	struct dso_hold hold;

	AWAIT((hold = the_hold(DSO_MUTEX, DSO_HOLDER, 1)).held_min >= ns);
	return hold;
}

START_TEST(the_time_grows_while_it_is_held_and_begins_anew_with_the_next_token)
{
	int64_t before_ns, after_ns, again_ns, asked_ns;
	struct dso_mutex *mutex;
	struct dso_hold hold;

	OK(session, dso_mutex_open(session, name, NULL, &mutex));
	before_ns = clock_now_ns();
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	after_ns = clock_now_ns();
	if (conformance_is("embedded")) {
		hold = the_hold(DSO_MUTEX, DSO_HOLDER, 1);
		ck_assert_int_eq(hold.held_min, 0);
		ck_assert_int_eq(hold.held_max, DSO_FOREVER);
		return;
	}
	hold = held_for(1);
	ck_assert_int_le(hold.held_min, clock_now_ns() - before_ns);
	asked_ns = clock_now_ns();
	hold = the_hold(DSO_MUTEX, DSO_HOLDER, 1);
	ck_assert_int_ne(hold.held_max, DSO_FOREVER);
	ck_assert_int_ge(hold.held_max, asked_ns - after_ns);
	OK(session, dso_mutex_unlock(mutex));
	again_ns = clock_now_ns();
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	hold = the_hold(DSO_MUTEX, DSO_HOLDER, 1);
	ck_assert_int_le(hold.held_min, clock_now_ns() - again_ns);
	ck_assert_int_ge(hold.held_max, 0);
	held_for(1);
}
END_TEST

/* ---- many ---- */

static int collect_many(const struct dso_hold *hold, void *context)
{
	unsigned *seen = context;

	if (!strncmp(hold->name, name, strlen(name)))
		seen[atoi(hold->name + strlen(name) + 1)]++;
	return 0;
}

static int stop(const struct dso_hold *hold, void *context)
{
	(void)hold;
	++*(unsigned *)context;
	return -ECHILD;
}

START_TEST(more_holds_than_a_page_has_are_each_listed_once_until_the_callback_ends_it)
{
	unsigned seen[MANY] = {0}, asked = 0;
	struct dso_mutex *mutex;
	char one[80];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(one, sizeof one, "%s-%u", name, i);
		OK(session, dso_mutex_open(session, one, NULL, &mutex));
		OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	}
	OK(other, dso_holds(other, collect_many, seen));
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(seen[i], 1);
	ck_assert_int_eq(dso_holds(other, stop, &asked), -ECHILD);
	ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(every_reader_of_a_rwlock_with_many_is_listed)
{
	static const struct dso_rwlock_params wide = {.readers = DSO_RWLOCK_READERS_MAX};
	struct dso_session *readers[MANY];
	struct dso_rwlock *rwlock;

	for (unsigned i = 0; i < MANY; i++) {
		readers[i] = conformance_open_another();
		OK(readers[i], dso_rwlock_open(readers[i], name, &wide, &rwlock));
		OK(readers[i], dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
	}
	ck_assert_uint_eq(holds_now().count, MANY);
	for (unsigned i = 0; i < MANY; i++)
		dso_close(readers[i]);
}
END_TEST

Suite *conformance_holds_suite(void)
{
	Suite *suite = suite_create("holds");
	TCase *tcase = tcase_create("holds"), *many = tcase_create("many holds");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_test(tcase, a_locked_mutex_is_listed_with_its_owner_and_fencing_token);
	tcase_add_test(tcase, a_holder_is_called_by_its_process_or_its_address);
	tcase_add_test(tcase, the_token_of_several_permits_is_the_largest_and_stays);
	tcase_add_test(tcase, readers_and_a_writer_are_listed_as_what_they_are);
	tcase_add_test(tcase, permits_are_counted_for_each_session);
	tcase_add_test(tcase, a_once_is_held_from_its_beginning_until_it_is_done);
	tcase_add_test(tcase, a_future_is_held_from_the_promise_until_it_is_set);
	tcase_add_test(tcase, what_a_session_held_is_free_after_its_end);
	tcase_add_test(tcase, the_time_grows_while_it_is_held_and_begins_anew_with_the_next_token);
	tcase_add_test(tcase,
		       more_holds_than_a_page_has_are_each_listed_once_until_the_callback_ends_it);
	suite_add_tcase(suite, tcase);
	/* storaged reads the words of a page at a time, whoever changed them. */
	tcase_set_tags(many, SAME_ON_EACH_PATH);
	tcase_set_timeout(many, 120);
	tcase_add_checked_fixture(many, pair_begin, pair_end);
	tcase_add_test(many, every_reader_of_a_rwlock_with_many_is_listed);
	suite_add_tcase(suite, many);
	return suite;
}
