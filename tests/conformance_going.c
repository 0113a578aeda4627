/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that go: ephemeral ones with their last handle, and those of a prefix together. */
#include "proto/lists.h"
#include "tests/await.h"
#include "tests/conformance_pair.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- each type, by the same steps ---- */

/* What a semaphore, a barrier and a latch need when they are made. */
static uint64_t needed;

struct handle {
	void *object;
	void (*close)(void *object);
};

#define MAKE(type, PARAMS, ...)                                                                    \
	static int open_##type(struct dso_session *in, uint64_t ephemeral,                         \
			       struct handle *ret_handle)                                          \
	{                                                                                          \
		struct dso_##type##_params params = {.ephemeral = (PARAMS)ephemeral, __VA_ARGS__}; \
		struct dso_##type *object = NULL;                                                  \
		int r = dso_##type##_open(in, name, &params, &object);                             \
                                                                                                   \
		*ret_handle = (struct handle){object, (void (*)(void *))dso_##type##_close};       \
		return r;                                                                          \
	}

MAKE(memory, uint64_t, .size_bytes = 4096)
MAKE(counter, uint32_t, .stripes = 4)
MAKE(register, uint64_t, .capacity_bytes = 100)
MAKE(mutex, uint64_t)
MAKE(rwlock, uint32_t, .readers = 3)
MAKE(semaphore, uint32_t, .permits = (uint32_t)needed)
MAKE(barrier, uint32_t, .parties = (uint32_t)needed)
MAKE(latch, uint64_t, .count = (int64_t)needed)
MAKE(condition, uint64_t)
MAKE(once, uint64_t)
MAKE(future, uint64_t, .capacity_bytes = 100000)
MAKE(queue, uint16_t, .capacity = 5)
MAKE(map, uint32_t, .members = 16)
MAKE(set, uint32_t, .members = 16)
MAKE(aggregator, uint64_t, .length = 3, .contributors = (uint32_t)needed)

static int (*const makes[])(struct dso_session *in, uint64_t ephemeral,
			    struct handle *ret_handle) = {
#define X(NAME, type, number) open_##type,
	OBJECT_TYPES(X)
#undef X
};
#define TYPES (int)(sizeof makes / sizeof *makes)

static void make(int type, struct dso_session *in, uint64_t ephemeral, struct handle *handle)
{
	needed = 2;
	OK(in, makes[type](in, ephemeral, handle));
}

static bool is_there(void)
{
	struct dso_stat stat;
	int r = dso_object_stat(session, name, &stat);

	ck_assert(r == 0 || r == -ENOENT);
	return r == 0;
}

/* What earlier tests have deleted may be cleaned at any time, and leave less. */
static uint64_t used_bytes(void)
{
	struct dso_server_stat stat;

	OK(session, dso_server_stat(session, &stat));
	return stat.region_used_bytes;
}

START_TEST(an_ephemeral_object_goes_with_its_last_handle)
{
	uint64_t before = used_bytes();
	struct handle mine, theirs, again;

	make(_i, session, DSO_EPHEMERAL, &mine);
	make(_i, other, DSO_EPHEMERAL, &theirs);
	make(_i, session, 0, &again);
	mine.close(mine.object);
	ck_assert(is_there());
	again.close(again.object);
	ck_assert(is_there());
	theirs.close(theirs.object);
	/* Another session's: storaged has heard of its end when that session has an answer. */
	OK(other, dso_ping(other, NULL));
	ck_assert(!is_there());
	AWAIT(used_bytes() <= before);
	/* There may be another one of that name, which stays. */
	make(_i, session, 0, &mine);
	mine.close(mine.object);
	ck_assert(is_there());
	OK(session, dso_object_delete(session, name));
}
END_TEST

START_TEST(an_ephemeral_object_goes_with_the_last_session_that_has_it_open)
{
	struct dso_session *third = conformance_open_another();
	struct handle handle;

	make(_i, other, DSO_EPHEMERAL, &handle);
	make(_i, third, 0, &handle);
	dso_close(third);
	ck_assert(is_there());
	dso_close(other);
	other = NULL;
	AWAIT(!is_there());
}
END_TEST

START_TEST(an_object_that_stays_is_not_made_ephemeral_and_the_other_way_round)
{
	struct handle first, second;
	struct dso_stat stat;

	make(_i, session, 0, &first);
	ck_assert_int_eq(makes[_i](other, DSO_EPHEMERAL, &second), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(other), "stays until it is deleted"));
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_eq(stat.ephemeral, 0);
	first.close(first.object);
	ck_assert(is_there());
	OK(session, dso_object_delete(session, name));
	make(_i, session, DSO_EPHEMERAL, &first);
	make(_i, other, 0, &second);
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_eq(stat.ephemeral, 1);
	ck_assert_int_eq(makes[_i](session, 2, &second), -EINVAL);
}
END_TEST

/* ---- with waiters, holders and deletion ---- */

static void *wait_for_latch(void *latch)
{
	return dso_latch_wait(latch, HANG_TIMEOUT) ? latch : NULL;
}

START_TEST(a_session_that_waits_at_an_ephemeral_object_keeps_it)
{
	struct handle mine, theirs;
	pthread_t thread;
	void *failed;

	make(7, session, DSO_EPHEMERAL, &mine);
	make(7, other, DSO_EPHEMERAL, &theirs);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_latch, theirs.object), 0);
	conformance_until_parked(1);
	mine.close(mine.object);
	ck_assert(is_there());
	make(7, session, 0, &mine);
	OK(session, dso_latch_count_down(mine.object, 2, NULL));
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
}
END_TEST

START_TEST(an_ephemeral_object_that_is_deleted_is_gone_at_once_and_for_all)
{
	struct handle mine, theirs, new;

	make(1, session, DSO_EPHEMERAL, &mine);
	make(1, other, 0, &theirs);
	OK(session, dso_object_delete(session, name));
	ck_assert(!is_there());
	make(1, session, DSO_EPHEMERAL, &new);
	AWAIT(dso_counter_add(theirs.object, 1, NULL) == -ESTALE);
	/* The handles of the old one end nothing of the new one. */
	mine.close(mine.object);
	theirs.close(theirs.object);
	OK(other, dso_ping(other, NULL));
	ck_assert(is_there());
	OK(session, dso_counter_add(new.object, 1, NULL));
}
END_TEST

START_TEST(a_lock_that_goes_leaves_the_next_one_nothing_of_its_holder)
{
	struct handle mine;
	uint64_t before, token;

	make(3, session, DSO_EPHEMERAL, &mine);
	OK(session, dso_mutex_lock(mine.object, DSO_NOWAIT, &before));
	mine.close(mine.object);
	ck_assert(!is_there());
	make(3, other, DSO_EPHEMERAL, &mine);
	OK(other, dso_mutex_lock(mine.object, DSO_NOWAIT, &token));
	ck_assert_uint_gt(token, before);
}
END_TEST

/* ---- by prefix ---- */

static struct dso_counter *counter_called(struct dso_session *in, const char *end)
{
	struct dso_counter *counter;
	char whole[96];

	snprintf(whole, sizeof whole, "%s%s", name, end);
	OK(in, dso_counter_open(in, whole, NULL, &counter));
	return counter;
}

static int count_prefix(const struct dso_stat *stat, void *context)
{
	*(unsigned *)context += strncmp(stat->name, name, strlen(name)) == 0;
	return 0;
}

static unsigned left(void)
{
	unsigned count = 0;

	OK(session, dso_list(session, count_prefix, &count));
	return count;
}

#define MANY 700 /* several requests */

START_TEST(what_begins_with_a_prefix_is_deleted_and_nothing_else)
{
	uint64_t before = used_bytes(), count = 99;
	char end[16], prefix[96];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(end, sizeof end, "/%u", i);
		dso_counter_close(counter_called(session, end));
	}
	dso_counter_close(counter_called(session, ""));
	dso_counter_close(counter_called(session, "."));
	snprintf(prefix, sizeof prefix, "%s/", name);
	OK(session, dso_delete_prefix(session, prefix, &count));
	ck_assert_uint_eq(count, MANY);
	ck_assert_uint_eq(left(), 2);
	OK(session, dso_delete_prefix(session, prefix, &count));
	ck_assert_uint_eq(count, 0);
	/* A whole name is a prefix, too. */
	OK(session, dso_delete_prefix(session, name, &count));
	ck_assert_uint_eq(count, 2);
	AWAIT(used_bytes() <= before);
}
END_TEST

START_TEST(the_handles_of_all_sessions_are_told_of_a_deletion_by_prefix)
{
	struct dso_counter *mine[4], *theirs[4];
	uint64_t count;
	char end[16];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(end, sizeof end, "/%u", i);
		mine[i] = counter_called(session, end);
		theirs[i] = counter_called(other, end);
	}
	OK(session, dso_delete_prefix(session, name, &count));
	ck_assert_uint_eq(count, 4);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(dso_counter_add(mine[i], 1, NULL), -ESTALE);
		AWAIT(dso_counter_add(theirs[i], 1, NULL) == -ESTALE);
	}
}
END_TEST

START_TEST(no_prefix_is_empty_or_longer_than_a_name)
{
	char prefix[DSO_NAME_BYTES_MAX + 2];

	memset(prefix, 'x', sizeof prefix);
	prefix[DSO_NAME_BYTES_MAX + 1] = 0;
	ck_assert_int_eq(dso_delete_prefix(session, "", NULL), -EINVAL);
	ck_assert_int_eq(dso_delete_prefix(session, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_delete_prefix(session, prefix, NULL), -ENAMETOOLONG);
	OK(session, dso_delete_prefix(session, prefix + 1, NULL));
}
END_TEST

Suite *conformance_going_suite(void)
{
	Suite *suite = suite_create("going");
	TCase *tcase = tcase_create("going");

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_loop_test(tcase, an_ephemeral_object_goes_with_its_last_handle, 0, TYPES);
	tcase_add_loop_test(tcase, an_ephemeral_object_goes_with_the_last_session_that_has_it_open,
			    0, TYPES);
	tcase_add_loop_test(tcase,
			    an_object_that_stays_is_not_made_ephemeral_and_the_other_way_round, 0,
			    TYPES);
	tcase_add_test(tcase, a_session_that_waits_at_an_ephemeral_object_keeps_it);
	tcase_add_test(tcase, an_ephemeral_object_that_is_deleted_is_gone_at_once_and_for_all);
	tcase_add_test(tcase, a_lock_that_goes_leaves_the_next_one_nothing_of_its_holder);
	tcase_add_test(tcase, what_begins_with_a_prefix_is_deleted_and_nothing_else);
	tcase_add_test(tcase, the_handles_of_all_sessions_are_told_of_a_deletion_by_prefix);
	tcase_add_test(tcase, no_prefix_is_empty_or_longer_than_a_name);
	suite_add_tcase(suite, tcase);
	return suite;
}
