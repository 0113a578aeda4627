/* SPDX-License-Identifier: Apache-2.0 */
/* From when a deleted object is not there any more, and when its memory comes back. */
#include "tests/await.h"
#include "tests/conformance_pair.h"

#include <errno.h>
#include <stdio.h>

#define LARGE (1 << 20)

static struct dso_memory *memory_in(struct dso_session *in)
{
	const struct dso_memory_params params = {.size_bytes = LARGE};
	struct dso_memory *memory;

	OK(in, dso_memory_open(in, name, &params, &memory));
	return memory;
}

START_TEST(the_session_that_deletes_has_estale_at_once)
{
	struct dso_memory *memory = memory_in(session);
	uint64_t word = 0;

	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(dso_memory_write(memory, 0, &word, 8), -ESTALE);
	ck_assert_int_eq(dso_memory_read(memory, 0, &word, 8), -ESTALE);
	ck_assert_int_eq(dso_memory_fetch_add(memory, 0, 1, NULL), -ESTALE);
	ck_assert_int_eq(dso_memory_cas(memory, 0, 0, 1, NULL), -ESTALE);
	ck_assert_int_eq(dso_memory_fetch_add_submit(memory, 0, 1, 0), -ESTALE);
	ck_assert_int_eq(dso_memory_wait(memory, 0, 0, DSO_FOREVER), -ESTALE);
}
END_TEST

/* Until it hears of the deletion, what it does is done in memory that nobody else has. */
START_TEST(another_session_never_reaches_the_next_object_of_that_name)
{
	struct dso_memory *before = memory_in(other), *after;
	uint64_t value;
	int r;

	OK(session, dso_object_delete(session, name));
	after = memory_in(session);
	AWAIT((r = dso_memory_fetch_add(before, 0, 1, NULL)) != 0);
	ck_assert_int_eq(r, -ESTALE);
	OK(session, dso_memory_fetch_add(after, 0, 0, &value));
	ck_assert_uint_eq(value, 0);
}
END_TEST

static uint64_t used_bytes(void)
{
	struct dso_server_stat stat;

	OK(session, dso_server_stat(session, &stat));
	return stat.region_used_bytes;
}

/* @other has reaped all that it had submitted, and does nothing more: its heartbeat thread
 * acknowledges. */
START_TEST(operations_that_failed_at_once_do_not_keep_the_memory_of_a_deleted_object)
{
	struct dso_completion completion;
	struct dso_counter *counter;
	struct dso_memory *memory, *gone;
	char gone_name[80];
	uint64_t used;
	size_t count;

	snprintf(gone_name, sizeof gone_name, "%s, gone", name);
	OK(other, dso_memory_open(other, gone_name, NULL, &gone));
	OK(other, dso_counter_open(other, conformance_name(), NULL, &counter));
	memory = memory_in(other);
	used = used_bytes();
	OK(other, dso_counter_add_submit(counter, 1, 7));
	OK(session, dso_object_delete(session, gone_name));
	/* The last one fails behind what is under way. Most of them are synchronous: they leave
	 * nothing to reap. */
	AWAIT(dso_memory_fetch_add(gone, 0, 1, NULL) == -ESTALE);
	OK(other, dso_counter_add_submit(counter, 1, 8));
	ck_assert_int_eq(dso_memory_fetch_add_submit(gone, 0, 1, 9), -ESTALE);
	ck_assert_int_eq(dso_memory_fetch_add(gone, 0, 1, NULL), -ESTALE);
	OK(session, dso_object_delete(session, name));
	OK(other, dso_ping(other, NULL));
	for (unsigned reaped = 0; reaped < 2; reaped += (unsigned)count)
		OK(other, dso_reap(other, &completion, 1, DSO_FOREVER, &count));
	/* In an embedded store it comes back with the handle. */
	if (conformance_is("embedded"))
		dso_memory_close(memory);
	AWAIT(used_bytes() <= used - LARGE);
}
END_TEST

Suite *conformance_deletion_suite(void)
{
	Suite *suite = suite_create("deletion");
	TCase *tcase = tcase_create("deletion");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, pair_begin, pair_end);
	tcase_add_test(tcase, the_session_that_deletes_has_estale_at_once);
	tcase_add_test(tcase, another_session_never_reaches_the_next_object_of_that_name);
	tcase_add_test(tcase,
		       operations_that_failed_at_once_do_not_keep_the_memory_of_a_deleted_object);
	suite_add_tcase(suite, tcase);
	return suite;
}
