/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/token_clock.h"
#include "tests/runner.h"

#define SECOND INT64_C(1000000000)

START_TEST(it_begins_at_the_realtime_clock)
{
	struct token_clock clock = {0};

	ck_assert_uint_eq(token_clock_step(&clock, 77 * SECOND, 5), 77 * SECOND);
}
END_TEST

START_TEST(two_readings_at_one_instant_differ)
{
	struct token_clock clock = {0};
	uint64_t first = token_clock_step(&clock, 77 * SECOND, 5);

	ck_assert_uint_gt(token_clock_step(&clock, 77 * SECOND, 5), first);
}
END_TEST

START_TEST(it_runs_as_fast_as_time_while_the_realtime_clock_is_set_back)
{
	struct token_clock clock = {0};
	uint64_t first = token_clock_step(&clock, 77 * SECOND, 5);

	ck_assert_uint_eq(token_clock_step(&clock, 3 * SECOND, 5 + SECOND), first + SECOND);
	ck_assert_uint_eq(token_clock_step(&clock, 1, 5 + 2 * SECOND), first + 2 * SECOND);
}
END_TEST

START_TEST(a_realtime_clock_before_its_epoch_does_no_harm)
{
	struct token_clock clock = {0};
	uint64_t first = token_clock_step(&clock, -SECOND, 5);

	ck_assert_uint_gt(first, 0);
	ck_assert_uint_gt(token_clock_step(&clock, -SECOND, 6), first);
}
END_TEST

START_TEST(what_was_reserved_is_passed_by_every_origin)
{
	uint64_t first = token_clock_next(), reserved = first + 3600 * SECOND, second;

	token_clock_raise(reserved);
	second = token_clock_next();
	ck_assert_uint_gt(second, reserved);
	token_clock_raise(first);
	ck_assert_uint_gt(token_clock_next(), second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token clock");
	TCase *tests = tcase_create("token clock");

	tcase_add_test(tests, it_begins_at_the_realtime_clock);
	tcase_add_test(tests, two_readings_at_one_instant_differ);
	tcase_add_test(tests, it_runs_as_fast_as_time_while_the_realtime_clock_is_set_back);
	tcase_add_test(tests, a_realtime_clock_before_its_epoch_does_no_harm);
	tcase_add_test(tests, what_was_reserved_is_passed_by_every_origin);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
