/* SPDX-License-Identifier: Apache-2.0 */
/* A child in which an assertion fails. */
#include "tests/child.h"
#include "tests/runner.h"

#include <check.h>
#include <sys/mman.h>

/* What this program and its children have in common: how often a test was begun. */
static unsigned *begun;

static void fail_in(void)
{
	ck_assert_msg(begun == NULL, "as it should in this test");
}

START_TEST(a_child_in_which_an_assertion_fails_ends_and_its_parent_sees_it)
{
	pid_t pid;

	++*begun;
	pid = child_fork();
	if (pid == 0)
		fail_in();
	ck_assert_int_eq(child_status(pid), CHILD_FAILED);
}
END_TEST

START_TEST(a_test_behind_it_runs_once)
{
	++*begun;
	ck_assert_uint_eq(*begun, 2);
}
END_TEST

START_TEST(a_child_that_is_killed_is_told_from_one_that_has_ended)
{
	pid_t lives = child_fork(), ends;

	if (lives == 0)
		for (;;)
			pause();
	ends = child_fork();
	if (ends == 0)
		_exit(3);
	ck_assert_int_eq(child_kill(lives), CHILD_KILLED);
	ck_assert_int_eq(child_status(ends), 3);
	ck_assert_int_eq(child_status(ends), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("children");
	TCase *tests = tcase_create("children");

	begun = mmap(NULL, sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (begun == MAP_FAILED)
		return 1;
	tcase_add_test(tests, a_child_in_which_an_assertion_fails_ends_and_its_parent_sees_it);
	tcase_add_test(tests, a_test_behind_it_runs_once);
	tcase_add_test(tests, a_child_that_is_killed_is_told_from_one_that_has_ended);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
