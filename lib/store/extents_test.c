/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/extents.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#define BEGIN 4096
#define END   (1 << 20)

static struct extents *extents_of(uint64_t begin, uint64_t end, uint32_t count_max)
{
	struct extents *extents;

	ck_assert_int_eq(extents_new(begin, end, count_max, &extents), 0);
	return extents;
}

START_TEST(an_empty_arena_is_one_free_extent)
{
	struct extents *extents = extents_of(BEGIN, END, 16);

	ck_assert_uint_eq(extents_used_bytes(extents), 0);
	ck_assert_uint_eq(extents_free_bytes(extents), END - BEGIN);
	ck_assert_uint_eq(extents_largest_bytes(extents), END - BEGIN);
	extents_free(extents);
}
END_TEST

START_TEST(the_whole_arena_can_be_taken_at_once_and_then_nothing_is_left)
{
	struct extents *extents = extents_of(BEGIN, END, 16);
	struct extent all, more;

	ck_assert_int_eq(extents_take(extents, END - BEGIN, &all), 0);
	ck_assert_uint_eq(all.offset, BEGIN);
	ck_assert_uint_eq(all.bytes, END - BEGIN);
	ck_assert_uint_eq(extents_largest_bytes(extents), 0);
	ck_assert_int_eq(extents_take(extents, 1, &more), -ENOSPC);
	extents_give(extents, &all);
	ck_assert_uint_eq(extents_largest_bytes(extents), END - BEGIN);
	extents_free(extents);
}
END_TEST

START_TEST(lengths_are_rounded_up_to_granules_and_never_wrap)
{
	struct extents *extents = extents_of(BEGIN, END, 16);
	struct extent one;

	ck_assert_int_eq(extents_take(extents, UINT64_MAX, &one), -ENOSPC);
	ck_assert_int_eq(extents_take(extents, UINT64_MAX - 62, &one), -ENOSPC);
	ck_assert_int_eq(extents_take(extents, END - BEGIN + 1, &one), -ENOSPC);
	ck_assert_int_eq(extents_take(extents, 1, &one), 0);
	ck_assert_uint_eq(one.bytes, 64);
	extents_free(extents);
}
END_TEST

START_TEST(neighbours_coalesce_in_whatever_order_they_come_back)
{
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct extents *extents = extents_of(0, 3 * 4096, 3);
	struct extent part[3];

	for (unsigned order = 0; order < 6; order++) {
		for (unsigned i = 0; i < 3; i++)
			ck_assert_int_eq(extents_take(extents, 4096, &part[i]), 0);
		for (unsigned i = 0; i < 3; i++)
			extents_give(extents, &part[orders[order][i]]);
		ck_assert_uint_eq(extents_largest_bytes(extents), 3 * 4096);
	}
	extents_free(extents);
}
END_TEST

START_TEST(a_place_given_back_fits_the_same_length_again)
{
	struct extents *extents = extents_of(BEGIN, END, 16);
	struct extent before, odd, after, again;

	ck_assert_int_eq(extents_take(extents, 64, &before), 0);
	ck_assert_int_eq(extents_take(extents, 70016, &odd), 0);
	ck_assert_int_eq(extents_take(extents, 64, &after), 0);
	extents_give(extents, &odd);
	ck_assert_int_eq(extents_take(extents, 70016, &again), 0);
	ck_assert_uint_eq(again.offset, odd.offset);
	extents_free(extents);
}
END_TEST

START_TEST(an_extent_given_back_twice_aborts)
{
	struct extents *extents = extents_of(BEGIN, END, 16);
	struct extent one;

	ck_assert_int_eq(extents_take(extents, 64, &one), 0);
	extents_give(extents, &one);
	extents_give(extents, &one);
}
END_TEST

START_TEST(an_extent_that_was_never_taken_aborts)
{
	struct extents *extents = extents_of(BEGIN, END, 16);
	struct extent one;

	ck_assert_int_eq(extents_take(extents, 64, &one), 0);
	one.offset += 64;
	extents_give(extents, &one);
}
END_TEST

START_TEST(a_block_that_does_not_exist_aborts)
{
	struct extents *extents = extents_of(BEGIN, END, 16);
	struct extent wild = {.offset = BEGIN, .bytes = 64, .block = 4711};

	extents_give(extents, &wild);
}
END_TEST

START_TEST(arenas_of_every_power_of_two_work)
{
	for (unsigned bits = 13; bits <= 46; bits++) {
		uint64_t end = 1ULL << bits;
		struct extents *extents = extents_of(BEGIN, end, 4);
		struct extent half, rest;

		ck_assert_int_eq(extents_take(extents, end / 2, &half), 0);
		ck_assert_uint_eq(extents_largest_bytes(extents), end / 2 - BEGIN);
		if (end / 2 > BEGIN)
			ck_assert_int_eq(extents_take(extents, end / 2 - BEGIN, &rest), 0);
		ck_assert_uint_eq(extents_free_bytes(extents), 0);
		extents_free(extents);
	}
}
END_TEST

/* ---- against a model: a map of the granules ---- */

#define GRANULES  4096
#define TAKEN_MAX 200

struct model {
	bool taken[GRANULES];
	struct extent extent[TAKEN_MAX];
	unsigned count;
	uint64_t used_bytes;
};

static uint64_t model_largest_bytes(const struct model *model)
{
	uint64_t run = 0, largest = 0;

	for (unsigned i = 0; i < GRANULES; i++) {
		run = model->taken[i] ? 0 : run + EXTENTS_GRANULE_BYTES;
		if (run > largest)
			largest = run;
	}
	return largest;
}

static void model_mark(struct model *model, const struct extent *extent, bool taken)
{
	for (uint64_t at = extent->offset; at < extent->offset + extent->bytes;
	     at += EXTENTS_GRANULE_BYTES) {
		uint64_t granule = (at - BEGIN) / EXTENTS_GRANULE_BYTES;

		ck_assert_uint_lt(granule, GRANULES);
		ck_assert_int_eq(model->taken[granule], !taken);
		model->taken[granule] = taken;
	}
	model->used_bytes += taken ? extent->bytes : -extent->bytes;
}

static void take_one(struct extents *extents, struct model *model, uint64_t bytes)
{
	struct extent extent;
	uint64_t largest = model_largest_bytes(model);
	int error = extents_take(extents, bytes, &extent);

	if (error) {
		ck_assert_int_eq(error, -ENOSPC);
		ck_assert_uint_gt(bytes, largest);
		return;
	}
	ck_assert_uint_ge(extent.bytes, bytes);
	ck_assert_uint_lt(extent.bytes, bytes + EXTENTS_GRANULE_BYTES);
	model_mark(model, &extent, true);
	model->extent[model->count++] = extent;
}

static void give_one(struct extents *extents, struct model *model, unsigned which)
{
	model_mark(model, &model->extent[which], false);
	extents_give(extents, &model->extent[which]);
	model->extent[which] = model->extent[--model->count];
}

START_TEST(thousands_of_random_steps_agree_with_a_map_of_the_granules)
{
	const char *given = getenv("DSO_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 20040630;
	struct extents *extents =
		extents_of(BEGIN, BEGIN + GRANULES * EXTENTS_GRANULE_BYTES, TAKEN_MAX);
	struct model model = {.count = 0};

	srandom(seed);
	for (unsigned step = 0; step < 8000; step++) {
		/* Long runs of mostly taking, then of mostly giving back. */
		bool fills = step / 500 % 2 == 0;
		bool takes = random() % 8 < (fills ? 6 : 2);
		uint64_t bytes_max = 1ULL << (6 + random() % 12);

		if (takes && model.count < TAKEN_MAX)
			take_one(extents, &model, 1 + (uint64_t)random() % bytes_max);
		else if (model.count)
			give_one(extents, &model, (unsigned)random() % model.count);
		ck_assert_msg(extents_used_bytes(extents) == model.used_bytes &&
				      extents_largest_bytes(extents) == model_largest_bytes(&model),
			      "DSO_TEST_SEED=%u: step %u: %" PRIu64 " used, %" PRIu64 " largest",
			      seed, step, extents_used_bytes(extents),
			      extents_largest_bytes(extents));
	}
	while (model.count)
		give_one(extents, &model, 0);
	ck_assert_uint_eq(extents_largest_bytes(extents), GRANULES * EXTENTS_GRANULE_BYTES);
	extents_free(extents);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("extents");
	TCase *tests = tcase_create("extents");

	tcase_add_test(tests, an_empty_arena_is_one_free_extent);
	tcase_add_test(tests, the_whole_arena_can_be_taken_at_once_and_then_nothing_is_left);
	tcase_add_test(tests, lengths_are_rounded_up_to_granules_and_never_wrap);
	tcase_add_test(tests, neighbours_coalesce_in_whatever_order_they_come_back);
	tcase_add_test(tests, a_place_given_back_fits_the_same_length_again);
	tcase_add_test_raise_signal(tests, an_extent_given_back_twice_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests, an_extent_that_was_never_taken_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests, a_block_that_does_not_exist_aborts, SIGABRT);
	tcase_add_test(tests, arenas_of_every_power_of_two_work);
	tcase_add_test(tests, thousands_of_random_steps_agree_with_a_map_of_the_granules);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
