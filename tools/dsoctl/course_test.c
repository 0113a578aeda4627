/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/course.h"
#include "tests/runner.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

/* Any time: the clock of a test need not begin at the machine's start. */
#define LOST_AT (1000 * DSO_SECOND)

START_TEST(as_long_as_the_session_lives_the_work_gets_nothing)
{
	struct course course = {0};

	ck_assert_int_eq(course_step(&course, false, 0), 0);
	ck_assert_int_eq(course_step(&course, false, INT64_MAX), 0);
	ck_assert_int_eq(course.state, COURSE_RUNS);
}
END_TEST

START_TEST(sigterm_comes_once_at_the_loss)
{
	struct course course = {0};

	ck_assert_int_eq(course_step(&course, true, LOST_AT), SIGTERM);
	ck_assert_int_eq(course_step(&course, true, LOST_AT), 0);
	ck_assert_int_eq(course.state, COURSE_ENDS);
}
END_TEST

START_TEST(sigkill_comes_five_seconds_later_and_not_before)
{
	struct course course = {0};

	course_step(&course, true, LOST_AT);
	ck_assert_int_eq(course_step(&course, true, LOST_AT + 5 * DSO_SECOND - 1), 0);
	ck_assert_int_eq(course_step(&course, true, LOST_AT + 5 * DSO_SECOND), SIGKILL);
	ck_assert_int_eq(course.state, COURSE_KILLED);
}
END_TEST

START_TEST(sigkill_comes_again_for_what_was_forked_meanwhile)
{
	int64_t killed_at = LOST_AT + 5 * DSO_SECOND;
	struct course course = {0};

	course_step(&course, true, LOST_AT);
	course_step(&course, true, killed_at);
	ck_assert_int_eq(course_step(&course, true, killed_at + DSO_SECOND / 2 - 1), 0);
	ck_assert_int_eq(course_step(&course, true, killed_at + DSO_SECOND / 2), SIGKILL);
	ck_assert_int_eq(course_step(&course, true, killed_at + DSO_SECOND / 2), 0);
}
END_TEST

START_TEST(a_look_that_comes_late_finds_sigkill_due)
{
	struct course course = {0};

	course_step(&course, true, LOST_AT);
	ck_assert_int_eq(course_step(&course, true, LOST_AT + 3600 * DSO_SECOND), SIGKILL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("course");
	TCase *tests = tcase_create("when the work gets which signal");

	tcase_add_test(tests, as_long_as_the_session_lives_the_work_gets_nothing);
	tcase_add_test(tests, sigterm_comes_once_at_the_loss);
	tcase_add_test(tests, sigkill_comes_five_seconds_later_and_not_before);
	tcase_add_test(tests, sigkill_comes_again_for_what_was_forked_meanwhile);
	tcase_add_test(tests, a_look_that_comes_late_finds_sigkill_due);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
