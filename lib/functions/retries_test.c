/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/retries.h"
#include "tests/runner.h"

START_TEST(a_pause_grows_by_its_factor_up_to_the_longest)
{
	struct dso_retry retry = {.pause = 10, .pause_max = 65, .factor = 2};
	static const int64_t pauses[] = {10, 20, 40, 65, 65};

	for (uint32_t i = 0; i < sizeof pauses / sizeof *pauses; i++)
		ck_assert_int_eq(retries_pause_ns(&retry, i + 1), pauses[i]);
	ck_assert_int_eq(retries_pause_ns(&retry, UINT32_MAX), 65);
	retry.factor = 1;
	ck_assert_int_eq(retries_pause_ns(&retry, 1000), 10);
}
END_TEST

START_TEST(what_is_not_given_has_a_default)
{
	struct dso_retry retry = {.retries = 1};

	ck_assert_int_eq(retries_pause_ns(&retry, 1), 100 * DSO_MILLISECOND);
	ck_assert_int_eq(retries_pause_ns(&retry, 2), 200 * DSO_MILLISECOND);
	ck_assert_int_eq(retries_pause_ns(&retry, 1000), 10 * DSO_SECOND);
	retry.pause = 3600 * DSO_SECOND;
	ck_assert_int_eq(retries_pause_ns(&retry, 2), 3600 * DSO_SECOND);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	static const struct dso_retry rows[] = {
		{.retries = 1001},
		{.pause = -1},
		{.pause_max = -1},
		{.factor = 0.5},
		{.factor = -2},
		{.factor = __builtin_nan("")},
		{.reserved = {0, 0, 0, 1}},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_ptr_nonnull(retries_check(&rows[i]));
	ck_assert_ptr_null(retries_check(&(struct dso_retry){.retries = 1000, .factor = 1}));
}
END_TEST

START_TEST(those_that_pause_are_due_in_order)
{
	struct pause pauses[4] = {{.due_ns = 0}};
	struct pause *list = NULL;
	static const int64_t due[] = {30, 10, 20, 10};
	static const int order[] = {1, 3, 2, 0};

	for (int i = 0; i < 4; i++)
		retries_add(&list, &pauses[i], due[i]);
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_eq(list, &pauses[order[i]]);
		ck_assert(list->is_on);
		retries_remove(&list, list);
		ck_assert(!pauses[order[i]].is_on);
	}
	ck_assert_ptr_null(list);
}
END_TEST

int main(void)
{
	Suite *all = suite_create("retries");
	TCase *tests = tcase_create("retries");

	tcase_add_test(tests, a_pause_grows_by_its_factor_up_to_the_longest);
	tcase_add_test(tests, what_is_not_given_has_a_default);
	tcase_add_test(tests, what_makes_no_sense_is_refused);
	tcase_add_test(tests, those_that_pause_are_due_in_order);
	suite_add_tcase(all, tests);
	return run_suite(all);
}
