/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/histogram.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct histogram histogram;

static void empty(void)
{
	memset(&histogram, 0, sizeof histogram);
}

START_TEST(an_empty_histogram_answers_zero)
{
	ck_assert_uint_eq(histogram_percentile(&histogram, 50), 0);
	ck_assert_double_eq(histogram_mean(&histogram), 0);
	ck_assert_double_eq(histogram_deviation(&histogram), 0);
}
END_TEST

START_TEST(small_values_are_kept_exactly)
{
	for (uint64_t value = 1; value <= 100; value++)
		histogram_add(&histogram, value);
	ck_assert_uint_eq(histogram_percentile(&histogram, 0), 1);
	ck_assert_uint_eq(histogram_percentile(&histogram, 1), 1);
	ck_assert_uint_eq(histogram_percentile(&histogram, 50), 50);
	ck_assert_uint_eq(histogram_percentile(&histogram, 99), 99);
	ck_assert_uint_eq(histogram_percentile(&histogram, 99.9), 100);
	ck_assert_uint_eq(histogram_percentile(&histogram, 100), 100);
	ck_assert_double_eq(histogram_mean(&histogram), 50.5);
	ck_assert_double_eq_tol(histogram_deviation(&histogram), 28.866, 0.001);
}
END_TEST

START_TEST(a_percentile_is_never_below_the_value_and_at_most_a_step_above_it)
{
	/* The upper of two values, so that the maximum does not make it exact. */
	for (unsigned bits = 0; bits < HISTOGRAM_VALUE_BITS; bits++) {
		for (uint64_t off = 0; off < 3; off++) {
			uint64_t value = (UINT64_C(1) << bits) + off * (UINT64_C(1) << bits) / 3;
			uint64_t found;

			empty();
			histogram_add(&histogram, value);
			histogram_add(&histogram, HISTOGRAM_VALUE_MAX);
			found = histogram_percentile(&histogram, 50);
			ck_assert_uint_ge(found, value);
			ck_assert_uint_le(found - value, value / HISTOGRAM_STEPS);
		}
	}
}
END_TEST

START_TEST(values_beyond_the_range_count_as_the_largest)
{
	histogram_add(&histogram, UINT64_MAX);
	histogram_add(&histogram, HISTOGRAM_VALUE_MAX + 1);
	ck_assert_uint_eq(histogram.count, 2);
	ck_assert_uint_eq(histogram.buckets[HISTOGRAM_BUCKETS - 1], 2);
	ck_assert_uint_eq(histogram_percentile(&histogram, 50), HISTOGRAM_VALUE_MAX);
}
END_TEST

START_TEST(merging_two_is_the_same_as_adding_to_one)
{
	static struct histogram whole, half[2];

	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t value = i * i * 7919 % 1000003;

		histogram_add(&whole, value);
		histogram_add(&half[i % 2], value);
	}
	histogram_merge(&histogram, &half[0]);
	histogram_merge(&histogram, &half[1]);
	ck_assert_uint_eq(histogram.count, whole.count);
	ck_assert_uint_eq(histogram.min, whole.min);
	ck_assert_uint_eq(histogram.max, whole.max);
	ck_assert_mem_eq(histogram.buckets, whole.buckets, sizeof whole.buckets);
	ck_assert_double_eq_tol(histogram_mean(&histogram), histogram_mean(&whole), 1e-6);
}
END_TEST

START_TEST(merging_an_empty_one_changes_nothing)
{
	static const struct histogram none;

	histogram_add(&histogram, 42);
	histogram_merge(&histogram, &none);
	ck_assert_uint_eq(histogram.min, 42);
	ck_assert_uint_eq(histogram.max, 42);
	ck_assert_uint_eq(histogram.count, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tests = tcase_create("histogram");

	tcase_add_checked_fixture(tests, empty, NULL);
	tcase_add_test(tests, an_empty_histogram_answers_zero);
	tcase_add_test(tests, small_values_are_kept_exactly);
	tcase_add_test(tests, a_percentile_is_never_below_the_value_and_at_most_a_step_above_it);
	tcase_add_test(tests, values_beyond_the_range_count_as_the_largest);
	tcase_add_test(tests, merging_two_is_the_same_as_adding_to_one);
	tcase_add_test(tests, merging_an_empty_one_changes_nothing);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
