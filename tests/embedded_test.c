/* SPDX-License-Identifier: Apache-2.0 */
/* What is the embedded store's alone. */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <stdio.h>

#include "tests/runner.h"

static struct dso_session *begin(void)
{
	struct dso_session *session;

	ck_assert_msg(dso_open("embedded:embedded_test", NULL, &session) == 0, "%s",
		      dso_error(NULL));
	return session;
}

static uint32_t holder(struct dso_mutex *mutex)
{
	uint32_t owner;

	ck_assert_int_eq(dso_mutex_holder(mutex, &owner, NULL), 0);
	return owner;
}

/* There are 65,534 owner numbers. After as many sessions the first one's number must not come
 * again. */
START_TEST(an_owner_number_is_not_given_again_while_its_session_lives)
{
	struct dso_session *first = begin();
	struct dso_mutex *mutex, *theirs;
	uint32_t owner;

	ck_assert_int_eq(dso_mutex_open(first, "m", NULL, &mutex), 0);
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), 0);
	owner = holder(mutex);
	for (unsigned i = 0; i < 65536 + 10; i++) {
		struct dso_session *other = begin();

		/* The last ones come round to the first one's number. */
		if (i >= 65520) {
			ck_assert_int_eq(dso_mutex_open(other, "m", NULL, &theirs), 0);
			ck_assert_int_eq(dso_mutex_lock(theirs, DSO_NOWAIT, NULL), -ETIMEDOUT);
		}
		dso_close(other);
		ck_assert_uint_eq(holder(mutex), owner);
	}
	ck_assert_int_eq(dso_mutex_unlock(mutex), 0);
	dso_close(first);
}
END_TEST

static struct dso_session *open_store(const char *url)
{
	struct dso_session *session;

	ck_assert_msg(dso_open(url, NULL, &session) == 0, "%s", dso_error(NULL));
	return session;
}

static int64_t add_to_visits(struct dso_session *session)
{
	struct dso_counter *counter;
	int64_t before;

	ck_assert_int_eq(dso_counter_open(session, "visits", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, &before), 0);
	return before;
}

START_TEST(a_store_is_shared_by_its_name_and_gone_with_the_last_session)
{
	struct dso_session *first = open_store("embedded:a"), *other = open_store("embedded:b"),
			   *unnamed = open_store("embedded:"), *second;

	ck_assert_int_eq(add_to_visits(first), 0);
	ck_assert_int_eq(add_to_visits(other), 0);
	ck_assert_int_eq(add_to_visits(unnamed), 0);
	second = open_store("embedded:a");
	ck_assert_int_eq(add_to_visits(second), 1);
	dso_close(first);
	ck_assert_int_eq(add_to_visits(second), 2);
	dso_close(second);
	second = open_store("embedded:a");
	ck_assert_int_eq(add_to_visits(second), 0);
	ck_assert_int_eq(add_to_visits(other), 1);
	dso_close(second);
	dso_close(other);
	dso_close(unnamed);
}
END_TEST

START_TEST(an_object_is_deleted_for_every_session_at_once)
{
	struct dso_session *first = begin(), *second = begin();
	struct dso_counter *counter;

	ck_assert_int_eq(dso_counter_open(second, "c", NULL, &counter), 0);
	ck_assert_int_eq(dso_object_delete(first, "c"), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), -ESTALE);
	dso_close(first);
	dso_close(second);
}
END_TEST

START_TEST(an_embedded_store_has_no_transport_to_choose)
{
	const struct dso_options options = {.transport = "tcp"};
	struct dso_session *session;

	ck_assert_int_eq(dso_open("embedded:", &options, &session), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "has no transport tcp"));
}
END_TEST

#define OBJECTS_MAX 65536 /* in lib/client/embedded.c: of a store, and open of a session */

START_TEST(there_is_a_last_object_and_a_last_handle)
{
	struct dso_session *first = begin(), *second = begin();
	struct dso_counter *counter;
	char name[32];

	for (unsigned i = 0; i < OBJECTS_MAX; i++) {
		snprintf(name, sizeof name, "%u", i);
		ck_assert_int_eq(dso_counter_open(first, name, NULL, &counter), 0);
	}
	ck_assert_int_eq(dso_counter_open(first, "0", NULL, &counter), -EMFILE);
	ck_assert_int_eq(dso_counter_open(second, "one more", NULL, &counter), -ENFILE);
	ck_assert_int_eq(dso_counter_open(second, "0", NULL, &counter), 0);
	ck_assert_int_eq(dso_object_delete(second, "0"), 0);
	/* It counts until its handles are closed. */
	ck_assert_int_eq(dso_counter_open(second, "one more", NULL, &counter), -ENFILE);
	dso_close(first);
	ck_assert_int_eq(dso_object_delete(second, "1"), 0);
	ck_assert_int_eq(dso_counter_open(second, "one more", NULL, &counter), 0);
	dso_close(second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("embedded");
	TCase *tcase = tcase_create("embedded");

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, an_owner_number_is_not_given_again_while_its_session_lives);
	tcase_add_test(tcase, a_store_is_shared_by_its_name_and_gone_with_the_last_session);
	tcase_add_test(tcase, an_object_is_deleted_for_every_session_at_once);
	tcase_add_test(tcase, an_embedded_store_has_no_transport_to_choose);
	tcase_add_test(tcase, there_is_a_last_object_and_a_last_handle);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
