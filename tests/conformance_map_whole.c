/* SPDX-License-Identifier: Apache-2.0 */
/* What goes through a whole map, and sets. */
#include "tests/conformance_map.h"

#define GROWN 4000 /* entries, for which the first segment splits more than once */

static uint8_t met[2 * GROWN];

static int count(const struct dso_map_entry *entry, void *context)
{
	uint32_t key;

	ck_assert_uint_eq(entry->key_bytes, sizeof key);
	memcpy(&key, entry->key, sizeof key);
	ck_assert_uint_lt(key, 2 * GROWN);
	if (context)
		ck_assert_uint_eq(entry->length_bytes, length_of(key));
	met[key]++;
	return 0;
}

static void put_many_numbers(struct dso_map *map, uint32_t from, uint32_t to)
{
	static uint8_t values[32][100];
	static uint32_t keys[32];
	struct dso_map_item items[32];
	unsigned some = 0;

	for (uint32_t key = from; key < to; key++) {
		keys[some] = key;
		fill(values[some], length_of(key), key);
		items[some] = (struct dso_map_item){.key = &keys[some],
						    .key_bytes = sizeof key,
						    .value = values[some],
						    .value_bytes = length_of(key)};
		if (++some < 32 && key + 1 < to)
			continue;
		ck_assert_int_eq(dso_map_put_many(map, items, some), 0);
		some = 0;
	}
}

START_TEST(a_map_grows_under_those_who_have_it_open)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);

	/* The other one knows the first segment alone. */
	OK(other, put_number(theirs, 0, 0));
	put_many_numbers(mine, 0, GROWN);
	for (uint32_t key = 0; key < GROWN; key += 7)
		ck_assert(has_number(theirs, key, 0));
	for (uint32_t key = 0; key < GROWN; key += 11) {
		OK(other, put_number(theirs, key, 1));
		ck_assert(has_number(mine, key, 1));
	}
	ck_assert(!has_number(theirs, GROWN, 0));
	ck_assert_uint_eq(size_of(theirs), GROWN);
}
END_TEST

START_TEST(a_scan_meets_each_entry_once)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);
	uint64_t cursor = 0, wrong = UINT64_MAX;
	unsigned calls = 0;

	memset(met, 0, sizeof met);
	put_many_numbers(mine, 0, GROWN);
	do {
		OK(other, dso_map_scan(theirs, &cursor, count, (void *)met));
		calls++;
	} while (cursor);
	for (uint32_t key = 0; key < 2 * GROWN; key++)
		ck_assert_uint_eq(met[key], key < GROWN);
	ck_assert_uint_gt(calls, 1);
	ck_assert_int_eq(dso_map_scan(theirs, &wrong, count, (void *)met), -EINVAL);
	ck_assert_int_eq(dso_map_scan(theirs, NULL, count, (void *)met), -EINVAL);
}
END_TEST

/* Between two calls the map grows, and what was met is written over or removed. */
START_TEST(a_scan_meets_what_stays_once_while_the_map_grows)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);
	uint64_t cursor = 0;
	uint32_t next = GROWN / 4;

	memset(met, 0, sizeof met);
	put_many_numbers(mine, 0, GROWN / 4);
	do {
		OK(other, dso_map_scan(theirs, &cursor, count, NULL));
		if (next < GROWN) {
			put_many_numbers(mine, next, next + GROWN / 4);
			next += GROWN / 4;
		}
		for (uint32_t key = 0; key < GROWN / 4; key += 5)
			OK(session, put_number(mine, key, 2));
	} while (cursor);
	for (uint32_t key = 0; key < GROWN / 4; key++)
		ck_assert_uint_eq(met[key], 1);
	for (uint32_t key = GROWN / 4; key < next; key++)
		ck_assert_uint_le(met[key], 1);
}
END_TEST

static int stop(const struct dso_map_entry *entry, void *context)
{
	unsigned *left = context;

	(void)entry;
	return --*left ? 0 : 42;
}

START_TEST(a_scan_that_was_stopped_begins_with_the_same_entries)
{
	struct dso_map *map = map_in(session);
	uint64_t cursor = 0;
	unsigned left = 3;

	memset(met, 0, sizeof met);
	put_many_numbers(map, 0, 20);
	ck_assert_int_eq(dso_map_scan(map, &cursor, stop, &left), 42);
	ck_assert_uint_eq(cursor, 0);
	do
		OK(session, dso_map_scan(map, &cursor, count, NULL));
	while (cursor);
	for (uint32_t key = 0; key < 20; key++)
		ck_assert_uint_eq(met[key], 1);
}
END_TEST

START_TEST(a_cleared_map_is_empty_and_takes_entries_again)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);

	put_many_numbers(mine, 0, GROWN);
	OK(other, dso_map_clear(theirs));
	ck_assert_uint_eq(size_of(mine), 0);
	for (uint32_t key = 0; key < GROWN; key += 97)
		ck_assert(!has_number(mine, key, 0));
	put_many_numbers(mine, 0, GROWN / 4);
	ck_assert_uint_eq(size_of(theirs), GROWN / 4);
	ck_assert(has_number(theirs, 7, 0));
}
END_TEST

START_TEST(a_set_has_what_was_added_once)
{
	struct dso_set *mine, *theirs;
	uint64_t size, cursor = 0;
	int yes = 9;

	memset(met, 0, sizeof met);
	OK(session, dso_set_open(session, name, NULL, &mine));
	OK(other, dso_set_open(other, name, NULL, &theirs));
	for (uint32_t key = 0; key < 100; key++) {
		OK(session, dso_set_add(mine, &key, sizeof key, &yes));
		ck_assert_int_eq(yes, 1);
		OK(other, dso_set_add(theirs, &key, sizeof key, &yes));
		ck_assert_int_eq(yes, 0);
		OK(other, dso_set_contains(theirs, &key, sizeof key, &yes));
		ck_assert_int_eq(yes, 1);
	}
	OK(session, dso_set_size(mine, &size));
	ck_assert_uint_eq(size, 100);
	for (uint32_t key = 0; key < 100; key += 2) {
		OK(other, dso_set_remove(theirs, &key, sizeof key, &yes));
		ck_assert_int_eq(yes, 1);
		OK(session, dso_set_remove(mine, &key, sizeof key, &yes));
		ck_assert_int_eq(yes, 0);
		OK(session, dso_set_contains(mine, &key, sizeof key, NULL));
	}
	do
		OK(session, dso_set_scan(mine, &cursor, count, NULL));
	while (cursor);
	for (uint32_t key = 0; key < 100; key++)
		ck_assert_uint_eq(met[key], key % 2);
	OK(other, dso_set_clear(theirs));
	OK(session, dso_set_size(mine, &size));
	ck_assert_uint_eq(size, 0);
	OK(session, dso_set_add(mine, "", 0, &yes));
	ck_assert_int_eq(yes, 1);
}
END_TEST

/* Where one of its kind is enough. */
TCase *conformance_map_growing(void)
{
	TCase *tests = tcase_create("a growing map");

	tcase_set_tags(tests, SAME_ON_EACH_PATH);
	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, a_map_grows_under_those_who_have_it_open);
	tcase_add_test(tests, a_scan_meets_each_entry_once);
	return tests;
}

TCase *conformance_map_whole(void)
{
	TCase *tests = tcase_create("the whole map");

	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, a_scan_meets_what_stays_once_while_the_map_grows);
	tcase_add_test(tests, a_scan_that_was_stopped_begins_with_the_same_entries);
	tcase_add_test(tests, a_cleared_map_is_empty_and_takes_entries_again);
	tcase_add_test(tests, a_set_has_what_was_added_once);
	return tests;
}
