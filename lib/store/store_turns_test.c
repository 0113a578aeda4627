/* SPDX-License-Identifier: Apache-2.0 */
/* What a store does in turns: telling of deletions, and zeroing. */
#include "lib/store/store.h"
#include "tests/runner.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define REGION_BYTES (1ULL << 30)
#define HANDLES_MAX  512

static struct store *store;
static struct store_opener openers[2];
static uint32_t told[HANDLES_MAX]; /* handles, in their order */
static unsigned told_count;
static unsigned takes; /* news that openers take still */

static bool take_news(struct store_opener *opener, uint32_t handle)
{
	(void)opener;
	if (takes == 0)
		return false;
	takes--;
	told[told_count++] = handle;
	return true;
}

static void set_up(void)
{
	struct store_limits limits = {
		.region_bytes = REGION_BYTES, .objects_max = 1024, .opens_max = HANDLES_MAX};

	told_count = 0;
	takes = UINT_MAX;
	ck_assert_int_eq(store_new(&limits, &store), 0);
	for (unsigned i = 0; i < 2; i++)
		store_opener_begin(store, &openers[i], take_news);
}

static void tear_down(void)
{
	for (unsigned i = 0; i < 2; i++)
		store_opener_end(&openers[i]);
	store_free(store);
}

static struct store_reference open_memory(struct store_opener *opener, const char *name,
					  uint64_t bytes)
{
	uint64_t parameters[4] = {bytes};
	struct store_reference reference;

	ck_assert_int_eq(store_open(opener, OBJECT_MEMORY, name, strlen(name),
				    CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS, parameters,
				    &reference, NULL, 0),
			 WIRE_OK);
	return reference;
}

static uint64_t delete (const char *name)
{
	uint64_t deletion;

	ck_assert_int_eq(store_delete(store, name, strlen(name), &deletion), WIRE_OK);
	return deletion;
}

static uint8_t *memory_of(const struct store_reference *reference)
{
	return (uint8_t *)store_base(store) + reference->offset;
}

static bool has_been_told(uint32_t handle)
{
	for (unsigned i = 0; i < told_count; i++)
		if (told[i] == handle)
			return true;
	return false;
}

START_TEST(so_many_handles_are_told_of_as_were_asked_for)
{
	uint64_t deletion;

	for (unsigned i = 0; i < 200; i++)
		open_memory(&openers[i % 2], "m", 8);
	deletion = delete ("m");
	ck_assert_uint_eq(told_count, 0);
	for (unsigned turn = 1; turn < 200; turn++) {
		ck_assert(store_tell(store, 1));
		ck_assert_uint_eq(told_count, turn);
		ck_assert(!store_is_told(store, deletion));
	}
	store_tell(store, 1);
	ck_assert_uint_eq(told_count, 200);
	store_tell(store, 1);
	ck_assert(!store_is_telling(store));
	ck_assert(store_is_told(store, deletion));
}
END_TEST

START_TEST(a_deletion_of_few_does_not_wait_for_one_of_many)
{
	struct store_reference few;
	uint64_t many_deletion, few_deletion;

	for (unsigned i = 0; i < 400; i++)
		open_memory(&openers[0], "many", 8);
	few = open_memory(&openers[1], "few", 8);
	many_deletion = delete ("many");
	few_deletion = delete ("few");
	ck_assert(store_tell(store, 100));
	ck_assert(has_been_told(few.handle));
	ck_assert(store_is_told(store, few_deletion));
	ck_assert(!store_is_told(store, many_deletion));
}
END_TEST

START_TEST(a_handle_that_was_closed_meanwhile_is_not_told_of)
{
	struct store_reference reference[10];

	for (unsigned i = 0; i < 10; i++)
		reference[i] = open_memory(&openers[0], "m", 8);
	delete ("m");
	store_tell(store, 3);
	for (unsigned i = 0; i < 10; i++)
		if (!has_been_told(reference[i].handle))
			ck_assert_int_eq(store_close(&openers[0], reference[i].handle), WIRE_OK);
	ck_assert(!store_tell(store, UINT_MAX));
	ck_assert_uint_eq(told_count, 3);
}
END_TEST

START_TEST(an_opener_that_ends_meanwhile_is_not_told_and_its_memory_comes_back)
{
	open_memory(&openers[0], "m", 8);
	open_memory(&openers[1], "m", 8);
	open_memory(&openers[0], "m", 8);
	delete ("m");
	store_tell(store, 1);
	store_opener_end(&openers[0]);
	store_opener_end(&openers[1]);
	ck_assert(!store_tell(store, UINT_MAX));
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(store_used_bytes(store), 0);
}
END_TEST

START_TEST(memory_is_not_used_again_before_all_were_told)
{
	struct store_reference first = open_memory(&openers[0], "m", 8);

	delete ("m");
	ck_assert_int_eq(store_close(&openers[0], first.handle), WIRE_OK);
	ck_assert_uint_ne(store_used_bytes(store), 0);
	ck_assert_uint_ne(open_memory(&openers[0], "m", 8).offset, first.offset);
	ck_assert(!store_tell(store, 1));
	ck_assert_uint_eq(told_count, 0);
	ck_assert_uint_eq(open_memory(&openers[0], "n", 8).offset, first.offset);
}
END_TEST

/* Others are told meanwhile. */
START_TEST(an_opener_that_takes_no_news_is_told_later_of_what_it_still_has_open)
{
	struct store_reference reference[8];

	for (unsigned i = 0; i < 8; i++)
		reference[i] = open_memory(&openers[0], "m", 8);
	delete ("m");
	takes = 3;
	ck_assert(!store_tell(store, UINT_MAX));
	ck_assert_uint_eq(told_count, 3);
	/* It is to be told in order to close it: closing one of those that wait is no harm. */
	for (unsigned i = 0, closed = 0; i < 8 && closed < 2; i++) {
		if (has_been_told(reference[i].handle))
			continue;
		ck_assert_int_eq(store_close(&openers[0], reference[i].handle), WIRE_OK);
		closed++;
	}
	takes = 1;
	ck_assert(!store_opener_tell(&openers[0]));
	ck_assert_uint_eq(told_count, 4);
	takes = UINT_MAX;
	ck_assert(store_opener_tell(&openers[0]));
	ck_assert_uint_eq(told_count, 6);
	/* Every slot can be had again. */
	for (unsigned i = 0; i < HANDLES_MAX - 6; i++)
		open_memory(&openers[0], "n", 8);
	ck_assert_uint_eq(openers[0].open_count, HANDLES_MAX);
}
END_TEST

static bool is_all(const struct store_reference *reference, uint8_t byte)
{
	for (uint64_t i = 0; i < reference->length_bytes; i++)
		if (memory_of(reference)[i] != byte)
			return false;
	return true;
}

START_TEST(a_short_object_deleted_while_a_long_one_is_half_clean_zeroes_itself_alone)
{
	uint64_t long_bytes = 1 << 20;
	struct store_reference big = open_memory(&openers[0], "big", long_bytes), small, after;

	small = open_memory(&openers[0], "small", 1000);
	after = open_memory(&openers[0], "after", long_bytes);
	memset(memory_of(&big), 1, big.length_bytes);
	memset(memory_of(&small), 2, small.length_bytes);
	memset(memory_of(&after), 3, after.length_bytes);
	store_close(&openers[0], big.handle);
	store_close(&openers[0], small.handle);
	delete ("big");
	ck_assert(store_clean(store, long_bytes / 2));
	delete ("small");
	ck_assert(is_all(&after, 3));
	ck_assert(!store_clean(store, UINT64_MAX));
	ck_assert(is_all(&big, 0));
	ck_assert(is_all(&small, 0));
	ck_assert(is_all(&after, 3));
}
END_TEST

static uint64_t pages_bytes(void)
{
	struct stat stat;

	ck_assert_int_eq(fstat(store_fd(store), &stat), 0);
	return (uint64_t)stat.st_blocks * 512;
}

/* No budget is spent on it, and no page is made. */
START_TEST(memory_that_nobody_touched_is_not_zeroed)
{
	struct store_reference big = open_memory(&openers[0], "big", 512 << 20);
	uint64_t pages;

	memory_of(&big)[300 << 20] = 1;
	store_close(&openers[0], big.handle);
	delete ("big");
	pages = pages_bytes();
	/* Its first page, and what a page around that byte may be. */
	ck_assert(!store_clean(store, 4 << 20));
	ck_assert_uint_eq(pages_bytes(), pages);
	ck_assert_uint_eq(memory_of(&big)[300 << 20], 0);
	ck_assert_uint_eq(store_used_bytes(store), 0);
}
END_TEST

#define RUN_COUNTERS 100000

/* A store with that many counters "run/...", whose names come between those of as many others. */
static struct store *store_of_a_run(struct store_opener *opener)
{
	struct store_limits limits = {
		.region_bytes = REGION_BYTES, .objects_max = 2 * RUN_COUNTERS + 1, .opens_max = 1};
	uint64_t parameters[4] = {0};
	struct store_reference reference;
	struct store *many;

	ck_assert_int_eq(store_new(&limits, &many), 0);
	store_opener_begin(many, opener, take_news);
	for (unsigned i = 0; i < 2 * RUN_COUNTERS; i++) {
		char name[32];
		int bytes = snprintf(name, sizeof name, "%s/%u", i % 2 ? "run" : "other", i);

		ck_assert_int_eq(store_open(opener, OBJECT_COUNTER, name, (size_t)bytes,
					    CONTROL_OPEN_CREATE, parameters, &reference, NULL, 0),
				 WIRE_OK);
		ck_assert_int_eq(store_close(opener, reference.handle), WIRE_OK);
	}
	return many;
}

static uint32_t count_objects(const struct store *many)
{
	struct store_object_stat stat;
	uint32_t cursor = 0, count = 0;

	while (store_next(many, &cursor, &stat))
		count++;
	return count;
}

/* Between two of its turns others are served: each ends after so many looks, and so many deletions.
 * All of them together look at each object once. */
START_TEST(the_deletion_of_a_run_of_100000_counters_lets_others_in_after_every_64)
{
	struct store_opener opener;
	struct store *many = store_of_a_run(&opener);
	struct store_prefix progress = {0};
	unsigned turns = 0, deleted = 0;

	do {
		store_delete_prefix(many, "run/", 4, &progress);
		ck_assert_uint_le(progress.count, PREFIX_DELETED_MAX);
		deleted += progress.count;
		turns++;
	} while (progress.cursor);
	ck_assert_uint_eq(deleted, RUN_COUNTERS);
	ck_assert_uint_eq(count_objects(many), RUN_COUNTERS);
	ck_assert_uint_ge(turns, RUN_COUNTERS / PREFIX_DELETED_MAX);
	ck_assert_uint_le(turns, 2 * RUN_COUNTERS / PREFIX_DELETED_MAX + 2);
	/* Where none is deleted it ends, too. */
	turns = 0;
	do {
		store_delete_prefix(many, "run/", 4, &progress);
		ck_assert_uint_eq(progress.count, 0);
		turns++;
	} while (progress.cursor);
	ck_assert_uint_ge(turns, RUN_COUNTERS / PREFIX_LOOKS_MAX);
	store_opener_end(&opener);
	store_free(many);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store turns");
	TCase *tests = tcase_create("store turns");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, so_many_handles_are_told_of_as_were_asked_for);
	tcase_add_test(tests, a_deletion_of_few_does_not_wait_for_one_of_many);
	tcase_add_test(tests, a_handle_that_was_closed_meanwhile_is_not_told_of);
	tcase_add_test(tests, an_opener_that_ends_meanwhile_is_not_told_and_its_memory_comes_back);
	tcase_add_test(tests, memory_is_not_used_again_before_all_were_told);
	tcase_add_test(tests, an_opener_that_takes_no_news_is_told_later_of_what_it_still_has_open);
	tcase_add_test(tests,
		       a_short_object_deleted_while_a_long_one_is_half_clean_zeroes_itself_alone);
	tcase_add_test(tests, memory_that_nobody_touched_is_not_zeroed);
	tcase_add_test(tests,
		       the_deletion_of_a_run_of_100000_counters_lets_others_in_after_every_64);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
