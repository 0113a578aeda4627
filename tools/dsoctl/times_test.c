/* SPDX-License-Identifier: Apache-2.0 */
/* How long a session may take to open, and how long its holds linger, by the command line. */
#include "tools/dsoctl/dsoctl.h"

/* Behind it: check.h has a macro called fail. */
#include "tests/runner.h"

static bool runs_another, has_name = true;
static unsigned words; /* behind the command's name */

bool command_runs_another(const struct command *command)
{
	(void)command;
	return runs_another;
}

bool command_has_name(const struct command *command)
{
	(void)command;
	return has_name;
}

static struct dso_options options_of(int64_t silence_ns, int64_t wait_ns)
{
	struct dsoctl ctl = {.silence_ns = silence_ns, .wait_ns = wait_ns, .operand_count = words};

	unsetenv("DSO_TIMEOUT_MS");
	return dsoctl_options(&ctl);
}

START_TEST(a_silent_storaged_costs_what_silence_says)
{
	ck_assert_int_eq(options_of(DSO_SECOND / 5, DSO_FOREVER).open_timeout, DSO_SECOND / 5);
	ck_assert_int_eq(options_of(DSO_SECOND / 5, DSO_NOWAIT).open_timeout, DSO_SECOND / 5);
	ck_assert_int_eq(options_of(DSO_SECOND / 5, DSO_SECOND).open_timeout, DSO_SECOND);
}
END_TEST

START_TEST(without_silence_and_timeout_the_library_decides)
{
	ck_assert_int_eq(options_of(0, DSO_FOREVER).open_timeout, 0);
	ck_assert_int_eq(options_of(0, DSO_NOWAIT).open_timeout, 3 * DSO_SECOND);
}
END_TEST

START_TEST(only_what_runs_a_command_lingers)
{
	words = 2;
	runs_another = false;
	ck_assert_int_eq(options_of(DSO_SECOND, DSO_FOREVER).linger, 0);
	runs_another = true;
	ck_assert_int_eq(options_of(20 * DSO_SECOND, DSO_FOREVER).linger -
				 options_of(DSO_SECOND, DSO_FOREVER).linger,
			 19 * DSO_SECOND);
	words = 1;
	ck_assert_int_eq(options_of(DSO_SECOND, DSO_FOREVER).linger, 0);
}
END_TEST

START_TEST(a_command_for_which_nothing_is_held_does_not_linger)
{
	words = 2;
	runs_another = true;
	has_name = false;
	ck_assert_int_eq(options_of(DSO_SECOND, DSO_FOREVER).linger, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("times");
	TCase *tests = tcase_create("times");

	tcase_add_test(tests, a_silent_storaged_costs_what_silence_says);
	tcase_add_test(tests, without_silence_and_timeout_the_library_decides);
	tcase_add_test(tests, only_what_runs_a_command_lingers);
	tcase_add_test(tests, a_command_for_which_nothing_is_held_does_not_linger);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
