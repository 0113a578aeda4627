/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, each with a session of its own, at one map. */
#include "tests/conformance_map.h"
#include "tests/conformance_party.h"

#include <stdatomic.h>

#define PARTIES 4
#define KEYS    300
#define ROUNDS  400

static _Atomic unsigned winners[KEYS];
static _Atomic uint64_t balance;

static struct dso_map *map_of(struct party *party)
{
	return map_in(party->session);
}

static void insert_all(struct party *party)
{
	struct dso_map *map = map_of(party);

	for (uint32_t key = 0; key < KEYS; key++) {
		int r = dso_map_put_if_absent(map, &key, sizeof key, &party->number,
					      sizeof party->number, NULL);

		if (r == 0)
			winners[key]++;
		else
			ck_assert_int_eq(r, -EEXIST);
	}
	dso_map_close(map);
}

START_TEST(of_several_who_put_a_key_if_absent_one_has_put_it)
{
	struct dso_map *map = map_in(session);

	memset(winners, 0, sizeof winners);
	parties_run(PARTIES, insert_all);
	for (uint32_t key = 0; key < KEYS; key++)
		ck_assert_uint_eq(winners[key], 1);
	ck_assert_uint_eq(size_of(map), KEYS);
}
END_TEST

static void sum(struct party *party)
{
	struct dso_map *map = map_of(party);

	for (int64_t i = 0; i < ROUNDS; i++)
		OK(party->session, dso_map_merge(map, "sum", 3, DSO_SUM_INT64, &i, sizeof i, NULL));
	dso_map_close(map);
}

START_TEST(no_merge_of_several_is_lost)
{
	struct dso_map *map = map_in(session);
	int64_t back;

	parties_run(PARTIES, sum);
	OK(session, dso_map_get(map, "sum", 3, &back, sizeof back, NULL, NULL));
	ck_assert_int_eq(back, PARTIES * ROUNDS * (ROUNDS - 1) / 2);
}
END_TEST

/* Everything at once, on few keys. What was put and what was removed have to add up. */
static void come_and_go(struct party *party)
{
	struct dso_map *map = map_of(party);
	uint64_t state = party->number + 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t value[100];
		uint32_t key;
		int r;

		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		key = (uint32_t)(state >> 33) % 40;
		fill(value, length_of(key), key);
		if (state >> 60 & 1) {
			has_number(map, key, 0);
		} else if (state >> 61 & 1) {
			r = dso_map_put_if_absent(map, &key, sizeof key, value, length_of(key),
						  NULL);
			balance += r == 0;
			ck_assert(r == 0 || r == -EEXIST);
		} else {
			r = dso_map_remove(map, &key, sizeof key);
			balance -= r == 0;
			ck_assert(r == 0 || r == -ENOENT);
		}
	}
	dso_map_close(map);
}

START_TEST(what_several_put_and_remove_adds_up)
{
	struct dso_map *map = map_in(session);

	balance = 0;
	parties_run(PARTIES, come_and_go);
	ck_assert_uint_eq(size_of(map), balance);
}
END_TEST

/* Each has keys of its own, which nobody else may lose while segments split. */
static void grow(struct party *party)
{
	struct dso_map *map = map_of(party);

	for (uint32_t i = 0; i < 2 * ROUNDS; i++)
		OK(party->session, put_number(map, i * PARTIES + party->number, 0));
	for (uint32_t i = 0; i < 2 * ROUNDS; i++)
		ck_assert(has_number(map, i * PARTIES + party->number, 0));
	dso_map_close(map);
}

START_TEST(nothing_is_lost_when_several_split_segments)
{
	struct dso_map *map = map_in(session);

	parties_run(PARTIES, grow);
	ck_assert_uint_eq(size_of(map), 2 * ROUNDS * PARTIES);
}
END_TEST

#define WRITTEN 64

static _Atomic bool is_cleared;

/* Write over the same entries all the time, and put new ones. */
static void write_or_clear(struct party *party)
{
	struct dso_map *map = map_of(party);
	int r;

	for (uint32_t i = 0; party->number && !is_cleared; i++)
		OK(party->session, put_number(map, i % 4 ? i % WRITTEN : WRITTEN + i % 3000, i));
	if (party->number == 0) {
		r = dso_map_clear(map);
		is_cleared = true;
		ck_assert(r == 0 || r == -ETIMEDOUT);
	}
	dso_map_close(map);
}

START_TEST(a_clear_ends_while_others_put_all_the_time)
{
	map_in(session);
	is_cleared = false;
	parties_run(PARTIES, write_or_clear);
}
END_TEST

TCase *conformance_map_parties(void)
{
	TCase *tests = tcase_create("several at a map");

	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, of_several_who_put_a_key_if_absent_one_has_put_it);
	tcase_add_test(tests, no_merge_of_several_is_lost);
	tcase_add_test(tests, what_several_put_and_remove_adds_up);
	tcase_add_test(tests, nothing_is_lost_when_several_split_segments);
	tcase_add_test(tests, a_clear_ends_while_others_put_all_the_time);
	return tests;
}
