/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was submitted and not flushed lands in the object that it was meant for, or nowhere: not
 * behind the end of its handle, of the object, or of the session, when the memory is another
 * object's.
 */
#include "tests/conformance.h"
#include "tests/clock.h"

#include <errno.h>
#include <string.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define OPERATIONS   8 /* submitted at a time */
#define HEIRS        16

static const struct dso_memory_params size = {.size_bytes = 64};
static struct dso_session *late, *other;
static struct dso_memory *memory; /* of the session that is late */
static char name[64];
static uint64_t offset;

/* An object that both sessions have open, with operations of the late one that are not flushed. */
static void setup(void)
{
	struct dso_memory *theirs;
	struct dso_stat stat;

	late = conformance_open();
	other = conformance_open_another();
	strcpy(name, conformance_name());
	OK(late, dso_memory_open(late, name, &size, &memory));
	OK(other, dso_memory_open(other, name, &size, &theirs));
	OK(other, dso_object_stat(other, name, &stat));
	offset = stat.offset;
	for (uint64_t i = 0; i < OPERATIONS; i++)
		OK(late, dso_memory_fetch_add_submit(memory, 0, 1, i));
	dso_memory_close(theirs);
}

static void teardown(void)
{
	dso_close(late);
	dso_close(other);
}

static uint64_t word_of(struct dso_memory *of)
{
	uint64_t word;

	OK(other, dso_memory_fetch_add(of, 0, 0, &word));
	return word;
}

static uint64_t word_by_name(void)
{
	struct dso_memory *opened;
	uint64_t word;

	OK(other, dso_memory_open(other, name, &size, &opened));
	word = word_of(opened);
	dso_memory_close(opened);
	return word;
}

/* Another object at the place of the one that was deleted, as soon as storaged gives that away
 * again. */
static struct dso_memory *successor(void)
{
	int64_t begin_ns = clock_now_ns();

	for (;;) {
		const char *heir = conformance_name();
		struct dso_memory *opened;
		struct dso_stat stat;

		OK(other, dso_memory_open(other, heir, &size, &opened));
		OK(other, dso_object_stat(other, heir, &stat));
		if (stat.offset == offset)
			return opened;
		dso_memory_close(opened);
		OK(other, dso_object_delete(other, heir));
		ck_assert_msg(clock_now_ns() - begin_ns < HANG_TIMEOUT,
			      "the memory is not used again");
		nap(DSO_MILLISECOND);
	}
}

/* What becomes of operation @tag, which is the next. */
static int reap(uint64_t tag)
{
	struct dso_completion completion;
	size_t count;

	OK(late, dso_reap(late, &completion, 1, HANG_TIMEOUT, &count));
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(completion.tag, tag);
	return completion.status;
}

/* Round trips of the other session, in which what is late would come. */
static void stays(struct dso_memory *of, uint64_t word)
{
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(word_of(of), word);
		if (i % 20 == 0)
			OK(other, dso_ping(other, NULL));
	}
}

START_TEST(what_was_submitted_is_done_when_its_handle_is_closed)
{
	struct dso_memory *heir;

	dso_memory_close(memory);
	ck_assert_uint_eq(word_by_name(), OPERATIONS);
	OK(other, dso_object_delete(other, name));
	heir = successor();
	for (uint64_t i = 0; i < OPERATIONS; i++)
		ck_assert_int_eq(reap(i), 0);
	stays(heir, 0);
}
END_TEST

START_TEST(what_was_submitted_before_a_deletion_lands_in_no_other_object)
{
	struct dso_memory *heirs[HEIRS];

	OK(other, dso_object_delete(other, name));
	/* One of them may be at the same place, if nothing of the late session's can land there any
	 * more. */
	for (int i = 0; i < HEIRS; i++) {
		OK(other, dso_ping(other, NULL));
		OK(other, dso_memory_open(other, conformance_name(), &size, &heirs[i]));
	}
	for (uint64_t i = 0; i < OPERATIONS; i++) {
		int status = reap(i);

		ck_assert(status == 0 || status == -ESTALE);
	}
	for (int i = 0; i < HEIRS; i++)
		stays(heirs[i], 0);
}
END_TEST

START_TEST(the_memory_of_a_deleted_object_is_used_again_once_its_handles_are_closed)
{
	OK(other, dso_object_delete(other, name));
	for (uint64_t i = 0; i < OPERATIONS; i++)
		reap(i);
	dso_memory_close(memory);
	stays(successor(), 0);
}
END_TEST

START_TEST(what_was_submitted_before_the_end_of_a_session_lands_before_it_or_never)
{
	struct dso_memory *heir;
	uint64_t word;

	dso_close(late);
	late = NULL;
	word = word_by_name();
	ck_assert_uint_le(word, OPERATIONS);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(word_by_name(), word);
	OK(other, dso_object_delete(other, name));
	heir = successor();
	stays(heir, 0);
}
END_TEST

Suite *conformance_late_suite(void)
{
	Suite *suite = suite_create("late");
	TCase *tests = tcase_create("late");

	tcase_set_timeout(tests, 0);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_was_submitted_is_done_when_its_handle_is_closed);
	tcase_add_test(tests, what_was_submitted_before_a_deletion_lands_in_no_other_object);
	tcase_add_test(tests,
		       the_memory_of_a_deleted_object_is_used_again_once_its_handles_are_closed);
	tcase_add_test(tests,
		       what_was_submitted_before_the_end_of_a_session_lands_before_it_or_never);
	suite_add_tcase(suite, tests);
	return suite;
}
