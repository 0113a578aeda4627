/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map into whose memory another client of the namespace has written anything. Each call of those
 * that use it ends, with an error that the header names or as if nothing had happened, and no value
 * is returned that was not put for its key.
 */
#include "lib/objects/map_snapshot.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS       600 /* the first segment splits */
#define WRITES_MAX 200
#define SEEDS      60
#define TIMEOUT_NS (5 * DSO_MILLISECOND) /* what others are given who are quicker all the time */

static uint64_t state;

static uint64_t draw(void)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return state >> 24 ^ state << 40;
}

static struct dso_map *begin(void)
{
	struct dso_session *session;
	struct dso_map *map;

	ck_assert_int_eq(dso_open("embedded:garbage", NULL, &session), 0);
	session->timeout_ns = TIMEOUT_NS;
	ck_assert_msg(dso_map_open(session, "m", NULL, &map) == 0, "%s", dso_error(session));
	return map;
}

static void end(struct dso_map *map)
{
	struct dso_session *session = map->object.session;

	dso_map_close(map);
	dso_close(session);
}

static size_t value_of(uint32_t key, uint8_t value[100])
{
	size_t length = key % 3 ? 16 : 100;

	memset(value, (int)key | 1, length);
	return length;
}

static int put(struct dso_map *map, uint32_t key)
{
	uint8_t value[100];

	return dso_map_put(map, &key, sizeof key, value, value_of(key, value), NULL);
}

/* ---- garbage ---- */

/* The offset of any word of the map, most often of one that leads somewhere. */
static uint64_t any_word(struct dso_map *map)
{
	uint64_t root = MAP_ROOT_OFFSET(map->object.parameters[MAP_PARAMETER_MEMBERS]);
	unsigned extent = (unsigned)(draw() % map->space.extent_count);
	const struct space_place *place = &map->space.extents[extent];

	switch (draw() % 5) {
	case 0: /* the header of the first segment */
		return map->object.offset + root + 8 * (draw() % 24);
	case 1:
		return map->object.offset + root + 8 * (draw() % (MAP_SEGMENT_BYTES(true) / 8));
	case 2: /* page words */
		return place->offset + 8 * (draw() % 64);
	case 3: /* members and their records */
		return map->object.offset + MAP_SEED_OFFSET + 8 * (draw() % 40);
	}
	return place->offset + 8 * (draw() % (place->bytes / 8));
}

static uint64_t any_value(struct dso_map *map)
{
	uint64_t value = 0;

	switch (draw() % 4) {
	case 0:
		return draw();
	case 1:
		return draw() & UINT64_C(0xff000000000000ff);
	case 2: /* of another place */
		ck_assert_int_eq(map_load(map, any_word(map), &value), 0);
		return value;
	}
	return draw() % 2 ? 0 : UINT64_MAX;
}

static void write_over(struct dso_map *map)
{
	unsigned count = 1 + (unsigned)(draw() % WRITES_MAX);

	for (unsigned i = 0; i < count; i++) {
		le64_t word = le64_of(any_value(map));
		struct op op = map_write_op(any_word(map), &word, sizeof word);

		ck_assert_int_eq(session_execute_one(&map->object, &op), 0);
	}
}

/* ---- those who use it ---- */

static void expect(struct dso_map *map, const char *verb, int r)
{
	static const int allowed[] = {0,          -ENOENT, -EEXIST, -EAGAIN,  -EBADMSG,
				      -ETIMEDOUT, -ENOSPC, -EUSERS, -EMSGSIZE};

	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
		if (r == allowed[i])
			return;
	ck_abort_msg("%s: %d: %s", verb, r, dso_error(map->object.session));
}

static void get(struct dso_map *map, uint32_t key)
{
	uint8_t value[100], back[100];
	size_t length;
	int r = dso_map_get(map, &key, sizeof key, back, sizeof back, &length, NULL);

	expect(map, "get", r);
	if (r)
		return;
	ck_assert_uint_eq(length, value_of(key, value));
	ck_assert(memcmp(value, back, length) == 0);
}

static int see(const struct dso_map_entry *entry, void *context)
{
	uint8_t value[100];
	uint32_t key;

	(void)context;
	ck_assert_uint_eq(entry->key_bytes, sizeof key);
	memcpy(&key, entry->key, sizeof key);
	ck_assert_uint_eq(entry->length_bytes, value_of(key, value));
	ck_assert(memcmp(value, entry->value, entry->length_bytes) == 0);
	return 0;
}

static void use(struct dso_map *map)
{
	uint64_t cursor = 0, size;
	int r;

	for (uint32_t key = 0; key < KEYS; key += 7)
		get(map, key);
	do {
		r = dso_map_scan(map, &cursor, see, NULL);
		expect(map, "scan", r);
	} while (r == 0 && cursor);
	expect(map, "size", dso_map_size(map, &size));
	for (uint32_t key = 0; key < 2 * KEYS; key += 31)
		expect(map, "put", put(map, key));
	for (uint32_t key = 0; key < KEYS; key += 37)
		expect(map, "remove", dso_map_remove(map, &key, sizeof key));
	expect(map, "clear", dso_map_clear(map));
}

START_TEST(garbage_in_a_map_is_answered_with_errors)
{
	struct dso_map *keeper, *before, *after;

	state = (uint64_t)_i + 1;
	keeper = begin();
	for (uint32_t key = 0; key < KEYS; key++)
		ck_assert_int_eq(put(keeper, key), 0);
	before = begin();
	get(before, 3);
	write_over(keeper);
	use(before);
	write_over(keeper);
	after = begin();
	use(after);
	end(after);
	end(before);
	ck_assert_int_eq(dso_object_delete(keeper->object.session, "m"), 0);
	end(keeper);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("garbage in a map");
	TCase *tests = tcase_create("garbage in a map");

	tcase_add_loop_test(tests, garbage_in_a_map_is_answered_with_errors, 0, SEEDS);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
