/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance_map.h"

START_TEST(every_length_of_key_and_value_comes_back_as_it_was)
{
	static const size_t keys[] = {0, 1, 24, 40, 41, 1023, 1024};
	static const size_t values[] = {0, 1, 16, 40, 41, 512, 513, 8192, 65536, 70000, 1 << 20};
	struct dso_map *mine = map_in(session), *theirs = map_in(other);
	uint8_t key[1025], *value = malloc((1 << 20) + 1), *back = malloc(1 << 20);
	size_t length;

	fill(key, sizeof key, 7);
	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
		for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
			fill(value, values[v], k * 100 + v);
			OK(session, dso_map_put(mine, key, keys[k], value, values[v], NULL));
			length = 77;
			OK(other, dso_map_get(theirs, key, keys[k], back, 1 << 20, &length, NULL));
			ck_assert_uint_eq(length, values[v]);
			ck_assert(memcmp(value, back, length) == 0);
		}
	ck_assert_uint_eq(size_of(theirs), sizeof keys / sizeof *keys);
	ck_assert_int_eq(dso_map_put(mine, key, 1025, value, 1, NULL), -EINVAL);
	ck_assert_int_eq(dso_map_get(mine, key, 1025, back, 1, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_map_remove(mine, key, 1025), -EINVAL);
	ck_assert_int_eq(dso_map_put(mine, key, 1, value, (1 << 20) + 1, NULL), -EMSGSIZE);
	free(value);
	free(back);
}
END_TEST

START_TEST(keys_of_zero_bytes_differ_by_their_lengths)
{
	static const uint8_t zeros[64];
	struct dso_map *map = map_in(session);

	for (uint8_t i = 0; i < 64; i++)
		OK(session, dso_map_put(map, zeros, i, &i, 1, NULL));
	for (uint8_t i = 0; i < 64; i++) {
		uint8_t back = 99;

		OK(session, dso_map_get(map, zeros, i, &back, 1, NULL, NULL));
		ck_assert_uint_eq(back, i);
	}
	ck_assert_uint_eq(size_of(map), 64);
}
END_TEST

START_TEST(a_key_is_gone_when_it_was_removed)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);
	int contains = 9;

	for (uint32_t key = 0; key < 6; key++) {
		ck_assert(!has_number(theirs, key, 1));
		ck_assert_int_eq(dso_map_remove(theirs, &key, sizeof key), -ENOENT);
		OK(session, put_number(mine, key, 1));
		ck_assert(has_number(theirs, key, 1));
		OK(other, dso_map_contains(theirs, &key, sizeof key, &contains));
		ck_assert_int_eq(contains, 1);
		OK(other, dso_map_remove(theirs, &key, sizeof key));
		ck_assert(!has_number(mine, key, 1));
		OK(session, dso_map_contains(mine, &key, sizeof key, &contains));
		ck_assert_int_eq(contains, 0);
	}
	ck_assert_uint_eq(size_of(mine), 0);
}
END_TEST

START_TEST(an_entry_is_replaced_only_at_the_version_that_was_seen)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);
	static const char *const values[] = {
		"short", "a value that is too long for any cell, and so it lies in a block"};
	uint64_t first, second, seen, none = 77;

	for (unsigned i = 0; i < 2; i++) {
		const char *value = values[i];
		size_t length = strlen(value);

		ck_assert_int_eq(dso_map_replace(mine, &i, sizeof i, 1, value, length, &none),
				 -ENOENT);
		ck_assert_uint_eq(none, 77);
		OK(session, dso_map_put_if_absent(mine, &i, sizeof i, value, length, &first));
		ck_assert_int_eq(dso_map_put_if_absent(theirs, &i, sizeof i, value, length, &seen),
				 -EEXIST);
		ck_assert_uint_eq(seen, first);
		OK(other, dso_map_replace(theirs, &i, sizeof i, first, value, length, &second));
		ck_assert_uint_ne(second, first);
		seen = 0;
		ck_assert_int_eq(dso_map_replace(mine, &i, sizeof i, first, value, length, &seen),
				 -EAGAIN);
		ck_assert_uint_eq(seen, second);
		OK(session,
		   dso_map_get(mine, &i, sizeof i, NULL, 0, NULL, NULL) == -EMSGSIZE ? 0 : -EIO);
	}
}
END_TEST

START_TEST(a_value_that_is_longer_than_the_buffer_says_its_length)
{
	struct dso_map *map = map_in(session);
	uint8_t value[3000], back[3000];

	fill(value, sizeof value, 1);
	for (size_t length = 1; length < 3000; length += 749) {
		size_t told = 0;
		uint64_t put, version = 0;

		OK(session, dso_map_put(map, "key", 3, value, length, &put));
		memset(back, 0x5a, sizeof back);
		ck_assert_int_eq(dso_map_get(map, "key", 3, back, length - 1, &told, &version),
				 -EMSGSIZE);
		ck_assert_uint_eq(told, length);
		ck_assert_uint_eq(version, put);
		for (size_t i = 0; i < sizeof back; i++)
			ck_assert_uint_eq(back[i], 0x5a);
	}
}
END_TEST

START_TEST(a_map_is_no_other_object_and_has_what_it_was_made_with)
{
	const struct dso_map_params params = {.members = 32}, other_members = {.members = 64},
				    wrong = {.members = 15}, ephemeral = {.ephemeral = 2};
	struct dso_map *map;
	struct dso_set *set;
	struct dso_queue *queue;

	OK(session, dso_map_open(session, name, &params, &map));
	ck_assert_int_eq(dso_map_open(other, name, &other_members, &map), -EINVAL);
	ck_assert_int_eq(dso_map_open(other, name, &wrong, &map), -EINVAL);
	ck_assert_int_eq(dso_map_open(other, name, &ephemeral, &map), -EINVAL);
	ck_assert_int_eq(dso_queue_open(other, name, NULL, &queue), -EEXIST);
	ck_assert_int_eq(dso_set_open(other, name, NULL, &set), -EEXIST);
}
END_TEST

START_TEST(a_deleted_map_is_stale)
{
	struct dso_map *mine = map_in(session);
	uint64_t cursor = 0, size;
	char byte;

	OK(session, dso_map_put(mine, "key", 3, "value", 5, NULL));
	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(dso_map_get(mine, "key", 3, &byte, 1, NULL, NULL), -ESTALE);
	ck_assert_int_eq(dso_map_put(mine, "key", 3, "value", 5, NULL), -ESTALE);
	ck_assert_int_eq(dso_map_remove(mine, "key", 3), -ESTALE);
	ck_assert_int_eq(dso_map_size(mine, &size), -ESTALE);
	ck_assert_int_eq(dso_map_scan(mine, &cursor, NULL, NULL), -ESTALE);
	ck_assert_int_eq(dso_map_clear(mine), -ESTALE);
	dso_map_close(mine);
	mine = map_in(session);
	ck_assert_int_eq(dso_map_get(mine, "key", 3, &byte, 1, NULL, NULL), -ENOENT);
}
END_TEST

/* ---- many ---- */

#define MANY 100

START_TEST(many_go_in_and_come_out_at_once)
{
	struct dso_map *mine = map_in(session), *theirs = map_in(other);
	static uint8_t in[MANY][5000], out[MANY][5000];
	struct dso_map_item puts[MANY], gets[MANY + 1];
	uint32_t keys[MANY], missing = 77777;

	for (uint32_t i = 0; i < MANY; i++) {
		keys[i] = i;
		fill(in[i], sizeof in[i], i);
		puts[i] = (struct dso_map_item){
			.key = &keys[i], .key_bytes = 4, .value = in[i], .value_bytes = 50 * i};
		gets[i] = (struct dso_map_item){
			.key = &keys[i], .key_bytes = 4, .value = out[i], .value_bytes = 5000};
	}
	OK(session, dso_map_put_many(mine, puts, MANY));
	OK(other, dso_map_get_many(theirs, gets, MANY));
	for (uint32_t i = 0; i < MANY; i++) {
		ck_assert_uint_eq(gets[i].length_bytes, 50 * i);
		ck_assert_uint_eq(gets[i].version, puts[i].version);
		ck_assert(memcmp(in[i], out[i], 50 * i) == 0);
	}
	gets[MANY] = (struct dso_map_item){.key = &missing, .key_bytes = 4};
	gets[3].value_bytes = 149;
	ck_assert_int_eq(dso_map_get_many(theirs, gets, MANY + 1), -EMSGSIZE);
	ck_assert_int_eq(gets[3].result, -EMSGSIZE);
	ck_assert_uint_eq(gets[3].length_bytes, 150);
	ck_assert_int_eq(gets[4].result, 0);
	ck_assert_int_eq(gets[MANY].result, -ENOENT);
	OK(other, dso_map_get_many(theirs, NULL, 0));
	OK(other, dso_map_put_many(theirs, NULL, 0));
}
END_TEST

START_TEST(of_many_with_one_key_the_last_one_stays)
{
	struct dso_map *map = map_in(session);
	uint8_t values[10], back;
	struct dso_map_item puts[10];

	for (uint8_t i = 0; i < 10; i++) {
		values[i] = i;
		puts[i] = (struct dso_map_item){.key = "even\0odd" + 5 * (i % 2),
						.key_bytes = 3,
						.value = &values[i],
						.value_bytes = 1};
	}
	puts[5].key_bytes = 1025;
	ck_assert_int_eq(dso_map_put_many(map, puts, 10), -EINVAL);
	ck_assert_int_eq(puts[5].result, -EINVAL);
	OK(session, dso_map_get(map, "eve", 3, &back, 1, NULL, NULL));
	ck_assert_uint_eq(back, 8);
	OK(session, dso_map_get(map, "odd", 3, &back, 1, NULL, NULL));
	ck_assert_uint_eq(back, 9);
	ck_assert_uint_eq(size_of(map), 2);
}
END_TEST

/* ---- merge ---- */

START_TEST(a_merge_makes_a_value_of_two)
{
	static const struct {
		enum dso_merge function;
		int64_t first, second, result;
	} whole[] = {
		{DSO_SUM_INT64, 5, -7, -2}, {DSO_SUM_INT64, INT64_MAX, 1, INT64_MIN},
		{DSO_MIN_INT64, 5, -7, -7}, {DSO_MIN_INT64, -7, 5, -7},
		{DSO_MAX_INT64, 5, -7, 5},  {DSO_MAX_INT64, -7, 5, 5},
		{DSO_FIRST, 5, -7, 5},
	};
	static const struct {
		enum dso_merge function;
		double first, second, result;
	} doubles[] = {
		{DSO_SUM_DOUBLE, 1.5, 2.25, 3.75},
		{DSO_MIN_DOUBLE, 1.5, -2, -2},
		{DSO_MAX_DOUBLE, 1.5, -2, 1.5},
		{DSO_MAX_DOUBLE, -2, 1.5, 1.5},
	};
	struct dso_map *mine = map_in(session), *theirs = map_in(other);

	for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++) {
		int64_t back;

		OK(session,
		   dso_map_merge(mine, &i, sizeof i, whole[i].function, &whole[i].first, 8, NULL));
		OK(other, dso_map_merge(theirs, &i, sizeof i, whole[i].function, &whole[i].second,
					8, NULL));
		OK(session, dso_map_get(mine, &i, sizeof i, &back, sizeof back, NULL, NULL));
		ck_assert_int_eq(back, whole[i].result);
	}
	OK(session, dso_map_clear(mine));
	for (unsigned i = 0; i < sizeof doubles / sizeof *doubles; i++) {
		double back;

		OK(session, dso_map_merge(mine, &i, sizeof i, doubles[i].function,
					  &doubles[i].first, 8, NULL));
		OK(other, dso_map_merge(theirs, &i, sizeof i, doubles[i].function,
					&doubles[i].second, 8, NULL));
		OK(session, dso_map_get(mine, &i, sizeof i, &back, sizeof back, NULL, NULL));
		ck_assert_double_eq(back, doubles[i].result);
	}
}
END_TEST

START_TEST(what_is_not_a_number_stays_so_in_a_minimum_and_a_maximum)
{
	static const enum dso_merge functions[] = {DSO_MIN_DOUBLE, DSO_MAX_DOUBLE, DSO_SUM_DOUBLE};
	struct dso_map *map = map_in(session);
	double numbers[] = {1, strtod("nan", NULL), -5, 7}, back;

	for (unsigned f = 0; f < 3; f++) {
		for (unsigned i = 0; i < 4; i++)
			OK(session,
			   dso_map_merge(map, &f, sizeof f, functions[f], &numbers[i], 8, NULL));
		OK(session, dso_map_get(map, &f, sizeof f, &back, sizeof back, NULL, NULL));
		ck_assert(back != back);
	}
}
END_TEST

START_TEST(appended_bytes_are_behind_those_that_were_there)
{
	struct dso_map *map = map_in(session);
	char expected[400] = "", back[400], *most = calloc(1, 1 << 20);
	size_t length;

	for (unsigned i = 0; i < 50; i++) {
		char part[8];

		length = (size_t)sprintf(part, "%u.", i);
		strcat(expected, part);
		OK(session, dso_map_merge(map, "log", 3, DSO_APPEND, part, length, NULL));
	}
	OK(session, dso_map_get(map, "log", 3, back, sizeof back, &length, NULL));
	ck_assert_uint_eq(length, strlen(expected));
	ck_assert(memcmp(expected, back, length) == 0);
	ck_assert_int_eq(
		dso_map_merge(map, "log", 3, DSO_APPEND, most, (1 << 20) - length + 1, NULL),
		-EMSGSIZE);
	OK(session, dso_map_merge(map, "log", 3, DSO_APPEND, most, (1 << 20) - length, NULL));
	free(most);
}
END_TEST

START_TEST(a_merge_is_refused_where_the_values_do_not_fit)
{
	struct dso_map *map = map_in(session);
	int64_t number = 1;

	OK(session, dso_map_put(map, "key", 3, "text", 4, NULL));
	ck_assert_int_eq(dso_map_merge(map, "key", 3, DSO_SUM_INT64, &number, 8, NULL), -EINVAL);
	ck_assert_int_eq(dso_map_merge(map, "new", 3, DSO_SUM_INT64, &number, 7, NULL), -EINVAL);
	ck_assert_int_eq(dso_map_merge(map, "new", 3, (enum dso_merge)0, &number, 8, NULL),
			 -EINVAL);
	ck_assert_int_eq(dso_map_merge(map, "new", 3, (enum dso_merge)9, &number, 8, NULL),
			 -EINVAL);
	ck_assert_uint_eq(size_of(map), 1);
}
END_TEST

Suite *conformance_map_suite(void)
{
	Suite *suite = suite_create("map");
	TCase *tests = tcase_create("map");

	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, every_length_of_key_and_value_comes_back_as_it_was);
	tcase_add_test(tests, keys_of_zero_bytes_differ_by_their_lengths);
	tcase_add_test(tests, a_key_is_gone_when_it_was_removed);
	tcase_add_test(tests, an_entry_is_replaced_only_at_the_version_that_was_seen);
	tcase_add_test(tests, a_value_that_is_longer_than_the_buffer_says_its_length);
	tcase_add_test(tests, a_map_is_no_other_object_and_has_what_it_was_made_with);
	tcase_add_test(tests, a_deleted_map_is_stale);
	tcase_add_test(tests, many_go_in_and_come_out_at_once);
	tcase_add_test(tests, of_many_with_one_key_the_last_one_stays);
	tcase_add_test(tests, a_merge_makes_a_value_of_two);
	tcase_add_test(tests, what_is_not_a_number_stays_so_in_a_minimum_and_a_maximum);
	tcase_add_test(tests, appended_bytes_are_behind_those_that_were_there);
	tcase_add_test(tests, a_merge_is_refused_where_the_values_do_not_fit);
	suite_add_tcase(suite, tests);
	suite_add_tcase(suite, conformance_map_whole());
	suite_add_tcase(suite, conformance_map_growing());
	suite_add_tcase(suite, conformance_map_parties());
	suite_add_tcase(suite, conformance_map_wait());
	return suite;
}
