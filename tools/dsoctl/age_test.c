/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/age.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>

static void is_written(int64_t seconds, const char *expected)
{
	char text[32];

	age_write(text, sizeof text, seconds);
	ck_assert_str_eq(text, expected);
}

START_TEST(a_unit_begins_where_it_is_full)
{
	is_written(0, "0s");
	is_written(59, "59s");
	is_written(60, "1m00s");
	is_written(3599, "59m59s");
	is_written(3600, "1h00m");
	is_written(86399, "23h59m");
	is_written(86400, "1d00h");
}
END_TEST

START_TEST(what_is_below_the_second_unit_is_left_out)
{
	is_written(3600 + 4 * 60 + 59, "1h04m");
	is_written(2 * 86400 + 3 * 3600 + 3599, "2d03h");
	is_written(1000 * INT64_C(86400), "1000d00h");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("age");
	TCase *tests = tcase_create("times for people");

	tcase_add_test(tests, a_unit_begins_where_it_is_full);
	tcase_add_test(tests, what_is_below_the_second_unit_is_left_out);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
