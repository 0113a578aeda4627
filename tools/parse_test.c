/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/parse.h"
#include "tests/runner.h"

#include <check.h>
#include <stddef.h>
#include <stdlib.h>

START_TEST(an_int64_is_taken_to_both_of_its_ends)
{
	int64_t value = 0;

	ck_assert_int_eq(parse_int64("9223372036854775807", &value), 0);
	ck_assert(value == INT64_MAX);
	ck_assert_int_eq(parse_int64("-9223372036854775808", &value), 0);
	ck_assert(value == INT64_MIN);
	ck_assert_int_eq(parse_int64("+7", &value), 0);
	ck_assert_int_eq(value, 7);
}
END_TEST

START_TEST(what_is_no_int64_is_refused_and_leaves_the_output_alone)
{
	static const char *const bad[] = {"",
					  " 1",
					  "1 ",
					  "-",
					  "+",
					  "--1",
					  "1e3",
					  "0x1",
					  "9223372036854775808",
					  "-9223372036854775809"};
	int64_t value = 42;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(parse_int64(bad[i], &value) != 0, "\"%s\" was taken", bad[i]);
	ck_assert_int_eq(value, 42);
}
END_TEST

START_TEST(a_number_is_held_to_its_range)
{
	uint64_t value = 42;

	ck_assert_int_ne(parse_number("0", 1, 64, &value), 0);
	ck_assert_int_ne(parse_number("65", 1, 64, &value), 0);
	ck_assert_int_ne(parse_number("-1", 0, UINT64_MAX, &value), 0);
	ck_assert_int_ne(parse_number("18446744073709551616", 0, UINT64_MAX, &value), 0);
	ck_assert_uint_eq(value, 42);
	ck_assert_int_eq(parse_number("64", 1, 64, &value), 0);
	ck_assert_uint_eq(value, 64);
}
END_TEST

START_TEST(a_size_has_a_binary_unit_or_none)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(parse_size("4096", 1, UINT64_MAX, &bytes), 0);
	ck_assert_uint_eq(bytes, 4096);
	ck_assert_int_eq(parse_size("64KiB", 1, UINT64_MAX, &bytes), 0);
	ck_assert_uint_eq(bytes, 65536);
	ck_assert_int_eq(parse_size("3GiB", 1, UINT64_MAX, &bytes), 0);
	ck_assert_uint_eq(bytes, 3ULL << 30);
	ck_assert_int_eq(parse_size("64KiB", 65536, 65536, &bytes), 0);
	ck_assert(bytes == 65536);
	ck_assert_int_ne(parse_size("64K", 1, UINT64_MAX, &bytes), 0);
	ck_assert_int_ne(parse_size("KiB", 1, UINT64_MAX, &bytes), 0);
	ck_assert_int_ne(parse_size("65KiB", 1, 65536, &bytes), 0);
	/* 2^34 GiB is 2^64 bytes: it must not wrap to 0. */
	ck_assert_int_ne(parse_size("17179869184GiB", 0, UINT64_MAX, &bytes), 0);
}
END_TEST

START_TEST(a_duration_has_a_unit_or_takes_the_default_one)
{
	int64_t ns = 0;

	ck_assert_int_eq(parse_duration("2.5s", 1, &ns), 0);
	ck_assert(ns == 2500000000);
	ck_assert_int_eq(parse_duration("500ms", 1, &ns), 0);
	ck_assert(ns == 500000000);
	ck_assert_int_eq(parse_duration("20us", 1, &ns), 0);
	ck_assert(ns == 20000);
	ck_assert_int_eq(parse_duration("2m", 1, &ns), 0);
	ck_assert_int_eq(ns, INT64_C(120000000000));
	ck_assert_int_eq(parse_duration("1h", 1, &ns), 0);
	ck_assert_int_eq(ns, INT64_C(3600000000000));
	ck_assert_int_eq(parse_duration("0.25", 1000000000, &ns), 0);
	ck_assert(ns == 250000000);
}
END_TEST

START_TEST(a_duration_of_nothing_for_ever_or_less_is_refused)
{
	static const char *const bad[] = {"0",    "-1s",   "inf", "nan", "0x10", "2h",
					  "1e30", "3601s", "s",   "",    "1 s"};
	int64_t ns = 42;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(parse_duration(bad[i], 1000000000, &ns) != 0, "\"%s\" was taken",
			      bad[i]);
	ck_assert_int_eq(ns, 42);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse");
	TCase *tests = tcase_create("numbers as people type them");

	tcase_add_test(tests, an_int64_is_taken_to_both_of_its_ends);
	tcase_add_test(tests, what_is_no_int64_is_refused_and_leaves_the_output_alone);
	tcase_add_test(tests, a_number_is_held_to_its_range);
	tcase_add_test(tests, a_size_has_a_binary_unit_or_none);
	tcase_add_test(tests, a_duration_has_a_unit_or_takes_the_default_one);
	tcase_add_test(tests, a_duration_of_nothing_for_ever_or_less_is_refused);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
