/* SPDX-License-Identifier: Apache-2.0 */
/* The extents of an object that grows. */
#include "lib/store/store.h"
#include "tests/runner.h"

#include <check.h>
#include <stdlib.h>

#define REGION_BYTES (1ULL << 26)
#define OBJECTS_MAX  8
#define UNIT         CONTROL_EXTENT_UNIT_BYTES

static struct store *store;
static struct store_opener opener;
static struct store_extent extents[CONTROL_GROWN_MAX];
static unsigned count;
static char detail[256];

static void set_up(void)
{
	struct store_limits limits = {
		.region_bytes = REGION_BYTES, .objects_max = OBJECTS_MAX, .opens_max = 16};

	ck_assert_int_eq(store_new(&limits, &store), 0);
	store_opener_begin(store, &opener, NULL);
	count = 99;
}

static void tear_down(void)
{
	store_opener_end(&opener);
	store_free(store);
}

static struct store_reference open_object(enum object_type type, const char *name)
{
	struct store_reference reference;

	ck_assert_int_eq(store_open(&opener, type, name, strlen(name), CONTROL_OPEN_CREATE, NULL,
				    &reference, NULL, 0),
			 WIRE_OK);
	return reference;
}

static enum wire_status grow(uint32_t handle, unsigned number, uint64_t bytes)
{
	return store_grow(&opener, handle, number, bytes, extents, CONTROL_GROWN_MAX, &count,
			  detail, sizeof detail);
}

static void delete_and_clean(const char *name)
{
	ck_assert_int_eq(store_delete(store, name, strlen(name), NULL), WIRE_OK);
	while (store_tell(store, 16))
		;
	while (store_clean(store, UINT64_MAX))
		;
}

START_TEST(an_extent_is_made_once_however_often_it_is_asked_for)
{
	uint32_t handle = open_object(OBJECT_COUNTER, "c").handle;
	uint64_t used = store_used_bytes(store);
	struct store_extent first;

	ck_assert_int_eq(grow(handle, 3, 0), WIRE_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(store_used_bytes(store), used);
	ck_assert_int_eq(grow(handle, 3, 2 * UNIT), WIRE_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(extents[0].bytes, 2 * UNIT);
	first = extents[0];
	/* Another session that asked meanwhile, for more. */
	ck_assert_int_eq(grow(handle, 3, 9 * UNIT), WIRE_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert(!memcmp(&extents[0], &first, sizeof first));
	ck_assert_uint_eq(store_used_bytes(store), used + 2 * UNIT);
}
END_TEST

START_TEST(the_extents_behind_one_come_with_it_up_to_the_first_gap)
{
	static const unsigned numbers[] = {6, 4, 0, 5, 254, 8};
	uint32_t handle = open_object(OBJECT_COUNTER, "c").handle;

	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(grow(handle, numbers[i], (1 + numbers[i]) * UNIT), WIRE_OK);
	ck_assert_int_eq(grow(handle, 4, 0), WIRE_OK);
	ck_assert_uint_eq(count, 3);
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(extents[i].bytes, (5 + i) * UNIT);
	ck_assert_int_eq(grow(handle, 254, 0), WIRE_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(store_grow(&opener, handle, 4, 0, extents, 2, &count, NULL, 0), WIRE_OK);
	ck_assert_uint_eq(count, 2);
}
END_TEST

START_TEST(extents_lie_apart_and_are_zeroed_and_go_with_the_object_to_the_byte)
{
	uint64_t used = store_used_bytes(store);

	for (unsigned round = 0; round < 3; round++) {
		struct store_reference reference = open_object(OBJECT_COUNTER, "c");
		struct store_object_stat stat;

		for (unsigned i = 0; i < 5; i++) {
			uint8_t *memory;

			ck_assert_int_eq(grow(reference.handle, i, (i + 1) * 16 * UNIT), WIRE_OK);
			memory = (uint8_t *)store_base(store) + extents[0].offset;
			for (uint64_t at = 0; at < extents[0].bytes; at++)
				ck_assert_uint_eq(memory[at], 0);
			memset(memory, 0xee, extents[0].bytes);
		}
		ck_assert_int_eq(store_stat(store, "c", 1, &stat), WIRE_OK);
		ck_assert_uint_eq(stat.extents, 5);
		ck_assert_uint_eq(stat.extent_bytes, 15 * 16 * UNIT);
		ck_assert_uint_eq(store_used_bytes(store),
				  used + reference.length_bytes + stat.extent_bytes);
		ck_assert_uint_eq(store_object_count(store), 1);
		/* While a handle is out nothing of it is used again. */
		delete_and_clean("c");
		ck_assert_uint_eq(store_used_bytes(store),
				  used + reference.length_bytes + stat.extent_bytes);
		ck_assert_int_eq(store_close(&opener, reference.handle), WIRE_OK);
		while (store_clean(store, UNIT))
			;
		ck_assert_uint_eq(store_used_bytes(store), used);
	}
}
END_TEST

START_TEST(a_deleted_object_does_not_grow_and_no_object_grows_without_a_handle)
{
	uint32_t handle = open_object(OBJECT_COUNTER, "c").handle;

	ck_assert_int_eq(grow(0, 0, UNIT), WIRE_STALE);
	ck_assert_int_eq(grow(handle + 1, 0, UNIT), WIRE_STALE);
	delete_and_clean("c");
	ck_assert_int_eq(grow(handle, 0, UNIT), WIRE_STALE);
	ck_assert_int_eq(store_close(&opener, handle), WIRE_OK);
	ck_assert_int_eq(grow(handle, 0, UNIT), WIRE_STALE);
	ck_assert_uint_eq(store_used_bytes(store), 0);
}
END_TEST

START_TEST(numbers_and_lengths_out_of_range_are_refused)
{
	static const struct {
		unsigned number;
		uint64_t bytes;
	} wrong[] = {{CONTROL_EXTENTS_MAX, UNIT},          {65535, 0},     {0, 1}, {0, UNIT + 64},
		     {0, CONTROL_EXTENT_BYTES_MAX + UNIT}, {0, UINT64_MAX}};
	struct store_reference reference = open_object(OBJECT_COUNTER, "c");

	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(grow(reference.handle, wrong[i].number, wrong[i].bytes),
				 WIRE_RANGE);
	ck_assert_uint_eq(store_used_bytes(store), reference.length_bytes);
}
END_TEST

START_TEST(what_there_is_no_room_for_changes_nothing)
{
	struct store_reference reference = open_object(OBJECT_COUNTER, "c");

	ck_assert_int_eq(grow(reference.handle, 0, REGION_BYTES), WIRE_NO_MEMORY);
	ck_assert_ptr_nonnull(strstr(detail, "largest free extent"));
	ck_assert_uint_eq(store_used_bytes(store), reference.length_bytes);
	for (unsigned i = 0; i < OBJECTS_MAX - 1; i++)
		ck_assert_int_eq(grow(reference.handle, i, UNIT), WIRE_OK);
	ck_assert_int_eq(grow(reference.handle, OBJECTS_MAX, UNIT), WIRE_OBJECTS_MAX);
	ck_assert_uint_eq(store_used_bytes(store),
			  reference.length_bytes + (OBJECTS_MAX - 1) * UNIT);
	ck_assert_int_eq(grow(reference.handle, 0, 0), WIRE_OK);
	ck_assert_uint_eq(count, OBJECTS_MAX - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store grow");
	TCase *tests = tcase_create("store grow");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, an_extent_is_made_once_however_often_it_is_asked_for);
	tcase_add_test(tests, the_extents_behind_one_come_with_it_up_to_the_first_gap);
	tcase_add_test(tests, extents_lie_apart_and_are_zeroed_and_go_with_the_object_to_the_byte);
	tcase_add_test(tests, a_deleted_object_does_not_grow_and_no_object_grows_without_a_handle);
	tcase_add_test(tests, numbers_and_lengths_out_of_range_are_refused);
	tcase_add_test(tests, what_there_is_no_room_for_changes_nothing);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
