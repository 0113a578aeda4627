/* SPDX-License-Identifier: Apache-2.0 */
/* What another session does between two operations of a put into a map, over an embedded store. */
#include "lib/objects/map.h"
#include "lib/objects/event.h"
#include "lib/objects/rivals_test.h"
#include "lib/objects/word.h"
#include "proto/map.h"
#include "tests/runner.h"

#include <dso/dso.h>

#include <check.h>
#include <errno.h>

#define RIVALRIES_MAX 1000 /* then they leave it alone */

static unsigned rivalries;

/* ---- a put that others were quicker than ---- */

static struct dso_map *my_map, *their_map;
static void (*change_entry)(void);
static size_t value_bytes; /* of which an entry lies in a cell, or in a block */

/* Before each of its tries to write over the entry they change it. The map has one segment, which
 * is in its head; words of blocks, which are elsewhere, may look like slots. */
static int be_quicker_than_put(struct steered *steered, const struct op *op)
{
	const struct object *object = (struct object *)my_map;
	bool is_in_head = op->offset - object->offset <
			  MAP_HEAD_BYTES(object->parameters[MAP_PARAMETER_MEMBERS]);
	bool writes_over = op->opcode == DATA_CAS && is_in_head &&
			   map_slot_state(op->operand) == MAP_THERE &&
			   map_slot_state(op->swap) == MAP_THERE;

	if (!writes_over || rivalries == RIVALRIES_MAX)
		return 0;
	rivalries++;
	change_entry();
	return 0;
}

static void put_theirs(void)
{
	char value[2000] = "theirs";

	OK(theirs, dso_map_put(their_map, "key", 3, value, value_bytes, NULL));
}

/* It depends on what was there. */
static void add_to_entry(void)
{
	int64_t one = 1;

	if (rivalries > 5)
		return;
	OK(theirs, dso_map_merge(their_map, "key", 3, DSO_SUM_INT64, &one, sizeof one, NULL));
}

static void open_maps(void (*change)(void))
{
	OK(mine, dso_map_open(mine, "map", NULL, &my_map));
	OK(theirs, dso_map_open(theirs, "map", NULL, &their_map));
	change_entry = change;
	rivalries = 0;
	steered_of(mine)->before = be_quicker_than_put;
}

static void close_maps(void)
{
	steered_of(mine)->before = NULL;
	dso_map_close(my_map);
	OK(theirs, dso_object_delete(theirs, "map"));
	dso_map_close(their_map);
}

START_TEST(a_put_ends_however_often_others_put_the_key_before_it_comes_to_it)
{
	char value[100] = "mine";
	uint64_t version;
	size_t length;

	value_bytes = _i ? sizeof value : 8;
	open_maps(put_theirs);
	put_theirs();
	/* At first it has not seen the entry, and then it has. */
	for (unsigned i = 0; i < 2; i++) {
		rivalries = 0;
		OK(mine, dso_map_put(my_map, "key", 3, value, value_bytes, &version));
		ck_assert_uint_ge(rivalries, 1);
		ck_assert_uint_le(rivalries, 2);
		ck_assert_int_eq(dso_map_replace(my_map, "key", 3, version, "late", 4, NULL),
				 -EAGAIN);
	}
	steered_of(mine)->before = NULL;
	OK(mine, dso_map_get(my_map, "key", 3, value, sizeof value, &length, NULL));
	ck_assert(length == value_bytes && memcmp(value, "theirs", 7) == 0);
	close_maps();
}
END_TEST

#define MAP_WAITERS_OFFSET (MAP_EVENT_OFFSET + EVENT_WAITERS_OFFSET)

static uint64_t events_then;

static uint64_t add_to(uint64_t offset, uint64_t count)
{
	uint64_t before;

	OK(theirs, word_add((struct object *)their_map, offset, count, &before));
	return before;
}

/* One waits for the map behind their put, which does not come to wake it. */
static void put_theirs_without_a_wake(void)
{
	add_to(MAP_WAITERS_OFFSET, 0 - add_to(MAP_WAITERS_OFFSET, 0));
	put_theirs();
	add_to(MAP_WAITERS_OFFSET, 1);
	events_then = add_to(MAP_EVENT_OFFSET, 0);
}

START_TEST(a_put_that_others_were_quicker_than_wakes_those_whom_they_have_not_woken)
{
	char value[100] = "mine";

	value_bytes = _i ? sizeof value : 8;
	open_maps(put_theirs_without_a_wake);
	put_theirs();
	OK(mine, dso_map_put(my_map, "key", 3, value, value_bytes, NULL));
	ck_assert_uint_ge(rivalries, 1);
	ck_assert_uint_gt(add_to(MAP_EVENT_OFFSET, 0), events_then);
	close_maps();
}
END_TEST

static uint64_t read_at; /* the last READ */
static unsigned disturbed;
static uint64_t disturbed_word; /* 0: none is */

static void disturb(uint64_t offset)
{
	disturbed_word = offset - ((struct object *)my_map)->offset;
	add_to(disturbed_word, UINT64_C(1) << 40);
	disturbed++;
}

/* For the first looks the block is written while they read it. A short entry has another version
 * then, though as much of it as a slot has is the same. The block of a long one has another state
 * behind the READ. */
static int write_block_meanwhile(struct steered *steered, const struct op *op)
{
	bool is_short = value_bytes <= 100;

	if (disturbed_word)
		add_to(disturbed_word, 0 - (UINT64_C(1) << 40));
	disturbed_word = 0;
	if (disturbed < 3 && is_short && op->opcode == DATA_READ && op->length_bytes > 100 &&
	    rivalries)
		disturb(op->offset + offsetof(struct map_entry, version));
	else if (disturbed < 3 && !is_short && op->opcode == DATA_FAA && op->operand == 0 &&
		 op->offset == read_at)
		disturb(op->offset);
	if (op->opcode == DATA_READ)
		read_at = op->offset;
	return be_quicker_than_put(steered, op);
}

START_TEST(a_put_does_not_end_by_an_entry_that_was_torn_as_it_was_read)
{
	char value[2000] = "mine";

	value_bytes = _i ? sizeof value : 100;
	open_maps(put_theirs);
	put_theirs();
	disturbed = 0;
	disturbed_word = 0;
	steered_of(mine)->before = write_block_meanwhile;
	OK(mine, dso_map_put(my_map, "key", 3, value, value_bytes, NULL));
	ck_assert_uint_eq(disturbed, 3);
	ck_assert_uint_ge(rivalries, 3);
	close_maps();
}
END_TEST

START_TEST(a_put_is_not_lost_to_changes_that_depend_on_what_was_there)
{
	int64_t value = 1000, got = 0;
	size_t length;

	open_maps(add_to_entry);
	OK(theirs, dso_map_put(their_map, "key", 3, &got, sizeof got, NULL));
	for (unsigned i = 0; i < 2; i++) {
		rivalries = 0;
		OK(mine, dso_map_put(my_map, "key", 3, &value, sizeof value, NULL));
		ck_assert_uint_ge(rivalries, 5);
		OK(theirs, dso_map_get(their_map, "key", 3, &got, sizeof got, &length, NULL));
		ck_assert_int_eq(got, 1000);
	}
	close_maps();
}
END_TEST

START_TEST(a_put_is_not_lost_to_one_that_ended_before_it_began)
{
	static const size_t lengths[] = {100, 8};
	char value[100] = "mine", got[100];
	size_t length;

	for (unsigned i = 0; i < 2; i++) {
		open_maps(NULL);
		steered_of(mine)->before = NULL;
		value_bytes = 100;
		put_theirs();
		OK(mine, dso_map_get(my_map, "key", 3, got, sizeof got, &length, NULL));
		put_theirs();
		OK(mine, dso_map_put(my_map, "key", 3, value, lengths[i], NULL));
		OK(theirs, dso_map_get(their_map, "key", 3, got, sizeof got, &length, NULL));
		ck_assert(length == lengths[i] && memcmp(got, "mine", 5) == 0);
		close_maps();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rivals of a put");
	TCase *tests = tcase_create("rivals of a put");

	tcase_add_checked_fixture(tests, rivals_begin, rivals_end);
	tcase_add_loop_test(
		tests, a_put_ends_however_often_others_put_the_key_before_it_comes_to_it, 0, 2);
	tcase_add_loop_test(
		tests, a_put_that_others_were_quicker_than_wakes_those_whom_they_have_not_woken, 0,
		2);
	tcase_add_loop_test(tests, a_put_does_not_end_by_an_entry_that_was_torn_as_it_was_read, 0,
			    2);
	tcase_add_test(tests, a_put_is_not_lost_to_one_that_ended_before_it_began);
	tcase_add_test(tests, a_put_is_not_lost_to_changes_that_depend_on_what_was_there);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
