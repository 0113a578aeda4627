/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/log.h"
#include "tests/runner.h"

#include <check.h>

#define LINES 30

/* In one window, which does not end. */
static unsigned allowed(struct log_limit *limit, enum log_level level)
{
	unsigned count = 0;

	limit->window_end_ns = INT64_MAX;
	for (unsigned i = 0; i < LINES; i++)
		count += log_limit_allows(limit, level);
	return count;
}

START_TEST(of_many_lines_some_are_logged_and_the_others_counted)
{
	struct log_limit limit = {0};

	log_set_level(LOG_LEVEL_INFO);
	ck_assert_uint_eq(allowed(&limit, LOG_LEVEL_INFO), LOG_LIMIT_COUNT);
	ck_assert_uint_eq(limit.suppressed, LINES - LOG_LIMIT_COUNT);
}
END_TEST

START_TEST(lines_of_a_level_that_is_not_logged_are_not_said_to_be_kept_back)
{
	struct log_limit limit = {0};

	log_set_level(LOG_LEVEL_WARNING);
	ck_assert_uint_eq(allowed(&limit, LOG_LEVEL_INFO), 0);
	ck_assert_uint_eq(limit.suppressed, 0);
	ck_assert_uint_eq(allowed(&limit, LOG_LEVEL_WARNING), LOG_LIMIT_COUNT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_test(tcase, of_many_lines_some_are_logged_and_the_others_counted);
	tcase_add_test(tcase, lines_of_a_level_that_is_not_logged_are_not_said_to_be_kept_back);
	suite_add_tcase(suite, tcase);
	return run_suite_forked(suite);
}
