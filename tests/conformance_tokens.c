/* SPDX-License-Identifier: Apache-2.0 */
/* Fencing tokens and versions: over deletion, and where the 40 bits that a word counts in are at
 * their end. */
#include "tests/conformance_pair.h"
#include "proto/layout.h"

#include <errno.h>
#include <string.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)

/* As if the free word had been taken so many times. */
static void set_count(uint64_t *word, uint64_t count)
{
	__atomic_store_n(word, owned_word(count, 0), __ATOMIC_SEQ_CST);
}

static int keep(const struct dso_hold *hold, void *context)
{
	if (!strcmp(hold->name, name))
		*(struct dso_hold *)context = *hold;
	return 0;
}

static uint64_t held_token(void)
{
	struct dso_hold hold = {0};

	OK(other, dso_holds(other, keep, &hold));
	ck_assert_uint_ne(hold.owner, 0);
	return hold.token;
}

/* ---- deletion ---- */

START_TEST(a_mutex_of_a_deleted_ones_name_begins_above_every_token_of_that)
{
	struct dso_mutex *mutex = mutex_in(session);
	uint64_t token, next;

	for (int i = 0; i < 1000; i++) {
		OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
		OK(session, dso_mutex_unlock(mutex));
	}
	OK(session, dso_object_delete(session, name));
	dso_mutex_close(mutex);
	mutex = mutex_in(session);
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &next));
	ck_assert_uint_gt(next, token);
	dso_mutex_close(mutex);
}
END_TEST

START_TEST(a_free_mutex_of_a_deleted_ones_name_has_no_smaller_token_either)
{
	struct dso_mutex *mutex = mutex_in(session);
	uint64_t token, next;

	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
	OK(session, dso_object_delete(session, name));
	dso_mutex_close(mutex);
	mutex = mutex_in(session);
	OK(session, dso_mutex_holder(mutex, NULL, &next));
	ck_assert_uint_gt(next, token);
	dso_mutex_close(mutex);
}
END_TEST

/* ---- the end of 40 bits ---- */

#define STEPS 12 /* quarters of 2^40: three times around */

/* The count of the middle of a quarter, where owners are to advance the epoch. */
static uint64_t middle(unsigned quarter)
{
	return quarter * FENCING_QUARTER + FENCING_QUARTER / 2;
}

START_TEST(tokens_grow_on_where_a_mutexs_word_begins_anew)
{
	struct dso_mutex *mutex = mutex_in(session), *theirs = mutex_in(other);
	uint64_t *word = word_at(MUTEX_WORD_OFFSET), first, token, next;

	OK(session, dso_mutex_holder(mutex, NULL, &first));
	for (unsigned i = 0; i < STEPS; i++) {
		set_count(word, middle(i) - 1);
		OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
		ck_assert_uint_eq(token - first, middle(i));
		OK(other, dso_mutex_holder(theirs, NULL, &next));
		ck_assert_uint_eq(next, token);
		ck_assert_uint_eq(held_token(), token);
		ck_assert_int_eq(dso_mutex_force_unlock(theirs, token + FENCING_COUNT_MASK + 1),
				 -EAGAIN);
		OK(session, dso_mutex_unlock(mutex));
		OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &next));
		ck_assert_uint_eq(next, token + 1);
		OK(other, dso_mutex_force_unlock(theirs, next));
		ck_assert_int_eq(dso_mutex_unlock(mutex), -EPERM);
	}
	dso_mutex_close(mutex);
	dso_mutex_close(theirs);
}
END_TEST

START_TEST(owners_that_do_not_ask_for_a_token_count_it_on_for_owners_that_do)
{
	struct dso_mutex *mutex = mutex_in(session);
	uint64_t *word = word_at(MUTEX_WORD_OFFSET), first, token;

	OK(session, dso_mutex_holder(mutex, NULL, &first));
	for (unsigned i = 0; i < STEPS; i++) {
		set_count(word, middle(i) - 1);
		OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
		OK(session, dso_mutex_unlock(mutex));
	}
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
	ck_assert_uint_eq(token - first, middle(STEPS - 1) + 1);
	dso_mutex_close(mutex);
}
END_TEST

/* Whose handle knows the word takes it by one compare-and-swap. */
START_TEST(owners_that_find_the_word_as_they_left_it_count_on_too)
{
	struct dso_mutex *mutex = mutex_in(session);
	uint64_t *word = word_at(MUTEX_WORD_OFFSET), first, token;

	OK(session, dso_mutex_holder(mutex, NULL, &first));
	for (unsigned i = 0; i < STEPS; i++) {
		set_count(word, middle(i) - 2);
		for (int j = 0; j < 2; j++) {
			OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
			OK(session, dso_mutex_unlock(mutex));
		}
	}
	OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
	ck_assert_uint_eq(token - first, middle(STEPS - 1) + 1);
	dso_mutex_close(mutex);
}
END_TEST

START_TEST(a_quarter_in_which_no_owner_counted_on_is_made_up_for)
{
	struct dso_mutex *mutex = mutex_in(session);
	uint64_t *word = word_at(MUTEX_WORD_OFFSET), first, token;

	OK(session, dso_mutex_holder(mutex, NULL, &first));
	for (unsigned i = 0; i < STEPS; i += 2) {
		set_count(word, middle(i) - 1);
		OK(session, dso_mutex_lock(mutex, HANG_TIMEOUT, &token));
		ck_assert_uint_eq(token - first, middle(i));
		OK(session, dso_mutex_unlock(mutex));
	}
	dso_mutex_close(mutex);
}
END_TEST

START_TEST(a_writers_token_grows_on_where_its_word_begins_anew)
{
	struct dso_rwlock *rwlock;
	uint64_t *word, token = 0, next;

	OK(session, dso_rwlock_open(session, name, NULL, &rwlock));
	word = word_at(RWLOCK_WORD_OFFSET);
	for (unsigned i = 0; i < STEPS; i++) {
		set_count(word, middle(i) - 1);
		OK(session, dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
		next = held_token();
		ck_assert_uint_gt(next, token);
		token = next;
		OK(session, dso_rwlock_unlock(rwlock));
	}
	dso_rwlock_close(rwlock);
}
END_TEST

START_TEST(readers_permits_and_a_once_go_on_where_their_words_begin_anew)
{
	struct dso_rwlock_params one_reader = {.readers = 1};
	struct dso_semaphore_params one_permit = {.permits = 1};
	struct dso_semaphore *semaphore;
	struct dso_rwlock *rwlock;
	struct dso_once *once;
	int mine;

	OK(session, dso_rwlock_open(session, name, &one_reader, &rwlock));
	set_count(word_at(RWLOCK_SLOT_OFFSET(0)), FENCING_COUNT_MASK);
	OK(session, dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
	OK(session, dso_rwlock_unlock(rwlock));
	strcpy(name, conformance_name());
	OK(session, dso_semaphore_open(session, name, &one_permit, &semaphore));
	set_count(word_at(SEMAPHORE_PERMIT_OFFSET(0)), FENCING_COUNT_MASK);
	OK(session, dso_semaphore_acquire(semaphore, 1, HANG_TIMEOUT));
	OK(session, dso_semaphore_release(semaphore, 1));
	strcpy(name, conformance_name());
	OK(session, dso_once_open(session, name, NULL, &once));
	set_count(word_at(ONCE_WORD_OFFSET), FENCING_COUNT_MASK);
	OK(session, dso_once_begin(once, HANG_TIMEOUT, &mine));
	ck_assert_int_eq(mine, 1);
	OK(session, dso_once_done(once));
	OK(session, dso_once_begin(once, HANG_TIMEOUT, &mine));
	ck_assert_int_eq(mine, 0);
}
END_TEST

/* ---- versions ---- */

START_TEST(a_version_beyond_the_last_is_no_version_of_a_register)
{
	struct dso_register *reg;
	uint64_t version = 0;

	OK(session, dso_register_open(session, name, NULL, &reg));
	OK(session, dso_register_set(reg, "one", 3, NULL));
	ck_assert_int_eq(
		dso_register_set_if_version(reg, DSO_REGISTER_VERSION_MAX + 2, "two", 3, &version),
		-EAGAIN);
	ck_assert_uint_eq(version, 1);
	ck_assert_int_eq(dso_register_set_if_version(reg, UINT64_MAX, "two", 3, &version), -EAGAIN);
	OK(session, dso_register_set_if_version(reg, 1, "two", 3, &version));
	ck_assert_uint_eq(version, 2);
}
END_TEST

START_TEST(no_write_follows_a_registers_last_version)
{
	struct dso_register *reg;
	uint64_t version = 0;
	size_t length;

	OK(session, dso_register_open(session, name, NULL, &reg));
	set_count(word_at(REGISTER_HEAD_OFFSET), DSO_REGISTER_VERSION_MAX - 1);
	OK(session, dso_register_set(reg, "last", 4, &version));
	ck_assert_uint_eq(version, DSO_REGISTER_VERSION_MAX);
	ck_assert_int_eq(dso_register_set(reg, "more", 4, NULL), -EOVERFLOW);
	ck_assert_int_eq(dso_register_set_if_version(reg, version, "more", 4, NULL), -EOVERFLOW);
	ck_assert_int_eq(dso_register_exchange(reg, "more", 4, NULL, 0, NULL, NULL), -EOVERFLOW);
	OK(session, dso_register_size(reg, &length));
	ck_assert_uint_eq(length, 4);
	OK(session, dso_register_version(reg, &version));
	ck_assert_uint_eq(version, DSO_REGISTER_VERSION_MAX);
}
END_TEST

/* ---- a register in the middle of a write ---- */

static int keep_writer(const struct dso_hold *hold, void *context)
{
	if (!strcmp(hold->name, name) && hold->type == DSO_REGISTER && hold->role == DSO_WRITER)
		*(uint32_t *)context = hold->owner;
	return 0;
}

START_TEST(a_writer_that_does_not_end_is_listed_and_not_waited_for_longer_than_the_timeout)
{
	struct dso_session *mine = conformance_open_with_timeout(2 * DSO_SECOND);
	struct dso_register *reg;
	uint32_t writer = 0;
	uint64_t version = 9;
	char text[8];
	size_t length;

	OK(mine, dso_register_open(mine, name, NULL, &reg));
	OK(mine, dso_register_set(reg, "before", 6, NULL));
	__atomic_store_n(word_at(REGISTER_HEAD_OFFSET), owned_word(1, 60000), __ATOMIC_SEQ_CST);
	ck_assert_int_eq(dso_register_set(reg, "mine", 4, &version), -ETIMEDOUT);
	ck_assert_uint_eq(version, 9);
	/* Who only reads does not mind, and what is refused by its version is refused at once. */
	OK(mine, dso_register_get(reg, text, sizeof text, &length, NULL));
	ck_assert_mem_eq(text, "before", 6);
	ck_assert_int_eq(dso_register_set_if_version(reg, 5, "x", 1, &version), -EAGAIN);
	ck_assert_uint_eq(version, 1);
	OK(mine, dso_holds(mine, keep_writer, &writer));
	ck_assert_uint_eq(writer, 60000);
	set_count(word_at(REGISTER_HEAD_OFFSET), 1);
	OK(mine, dso_register_set(reg, "mine", 4, &version));
	ck_assert_uint_eq(version, 2);
	dso_close(mine);
}
END_TEST

Suite *conformance_tokens_suite(void)
{
	Suite *suite = suite_create("tokens");
	TCase *tcase = tcase_create("tokens");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_test(tcase, a_mutex_of_a_deleted_ones_name_begins_above_every_token_of_that);
	tcase_add_test(tcase, a_free_mutex_of_a_deleted_ones_name_has_no_smaller_token_either);
	tcase_add_test(tcase, tokens_grow_on_where_a_mutexs_word_begins_anew);
	tcase_add_test(tcase, owners_that_do_not_ask_for_a_token_count_it_on_for_owners_that_do);
	tcase_add_test(tcase, owners_that_find_the_word_as_they_left_it_count_on_too);
	tcase_add_test(tcase, a_quarter_in_which_no_owner_counted_on_is_made_up_for);
	tcase_add_test(tcase, a_writers_token_grows_on_where_its_word_begins_anew);
	tcase_add_test(tcase, readers_permits_and_a_once_go_on_where_their_words_begin_anew);
	tcase_add_test(tcase, a_version_beyond_the_last_is_no_version_of_a_register);
	tcase_add_test(tcase, no_write_follows_a_registers_last_version);
	tcase_add_test(
		tcase,
		a_writer_that_does_not_end_is_listed_and_not_waited_for_longer_than_the_timeout);
	suite_add_tcase(suite, tcase);
	return suite;
}
