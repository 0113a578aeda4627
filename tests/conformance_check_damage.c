/* SPDX-License-Identifier: Apache-2.0 */
/* What is written over is found: each finding once, by one word that is changed behind the store,
 * and with the word as it was the object is clean again. */
#include "tests/conformance_check.h"
#include "proto/layout.h"
#include "proto/map.h"

#include <stdio.h>
#include <string.h>

#define ITEM_BYTES  8
#define SLOT(index) (QUEUE_SLOTS_OFFSET + (index)*QUEUE_STRIDE_BYTES(ITEM_BYTES))
#define ALL         UINT64_MAX
#define ODD         7 /* an owner number that no session of these tests has */

/* ---- objects ---- */

static void a_mutex(void)
{
	dso_mutex_close(mutex_in(other));
}

static void an_open_mutex(void)
{
	mutex_in(other);
}

static void a_counter(void)
{
	struct dso_counter *counter;

	OK(other, dso_counter_open(other, name, NULL, &counter));
	dso_counter_close(counter);
}

static void a_once(void)
{
	struct dso_once *once;

	OK(other, dso_once_open(other, name, NULL, &once));
	dso_once_close(once);
}

static void a_condition(void)
{
	struct dso_condition *condition;

	OK(other, dso_condition_open(other, name, NULL, &condition));
	dso_condition_close(condition);
}

static void a_latch(void)
{
	dso_latch_close(latch_in(other, 5));
}

static void a_rwlock(void)
{
	dso_rwlock_close(rwlock_in(other, 3));
}

static void a_semaphore(void)
{
	dso_semaphore_close(semaphore_in(other, 3));
}

static void a_barrier(void)
{
	dso_barrier_close(barrier_in(other, 3));
}

static void an_open_barrier(void)
{
	barrier_in(other, 3);
}

static void a_register(void)
{
	const struct dso_register_params size = {.capacity_bytes = 64};
	struct dso_register *reg;

	OK(other, dso_register_open(other, name, &size, &reg));
	OK(other, dso_register_set(reg, "once", 4, NULL));
	dso_register_close(reg);
}

static void a_future(void)
{
	struct dso_future *future = future_in(other, 64);

	OK(other, dso_future_set(future, "value", 5));
	dso_future_close(future);
}

static void an_unset_future(void)
{
	dso_future_close(future_in(other, 64));
}

/* Two items in three slots. */
static void a_queue(void)
{
	struct dso_queue *queue = queue_in(other, 3, ITEM_BYTES);

	OK(other, push(queue, 1, DSO_NOWAIT));
	OK(other, push(queue, 2, DSO_NOWAIT));
	dso_queue_close(queue);
}

/* ---- what becomes of them ---- */

static const struct wrong {
	void (*make)(void);
	uint64_t offset; /* of the word that is changed */
	uint64_t mask;   /* of the bits that are replaced */
	uint64_t value;
	uint64_t told_offset;
	const char *sentence;
	bool is_leftover;
} wrongs[] = {
	/* the header */
	{a_mutex, 0, 0xffff, 5, 0, "type 5, storaged says 4"},
	{a_mutex, 0, 0xffff0000, 0x10000, 2, "flags 1"},
	{a_mutex, 0, ALL << 32, ALL << 32, 4, "generation 4294967295"},
	{a_mutex, 8, ALL, 1 << 20, 8, "length 1048576"},
	{a_mutex, 16, ALL, 1, 16, "parameter 0 1"},
	{a_latch, 16, ALL, 4, 16, "parameter 0 4, storaged says 5"},
	{a_queue, 32, ALL, 128, 32, "parameter 2 128, storaged says 64"},
	{an_unset_future, 24, ALL, 128, 24, "parameter 1 128"},
	{a_mutex, 48, ALL, 1, 48, "epoch of tokens, 1,"},
	{a_counter, 48, ALL, FENCING_QUARTER, 48, "epoch of tokens"},
	{a_mutex, 56, ALL, 1, 56, "reserved bytes"},
	/* owners */
	{a_mutex, MUTEX_WORD_OFFSET, ALL, ODD << 8, 64, "session 7 owns it, and no session has it"},
	{an_open_mutex, MUTEX_WORD_OFFSET, ALL, 60000 << 8, 64, "there is no such session"},
	{an_open_mutex, MUTEX_WORD_OFFSET, ALL, 0xffff00, 64, "nobody is waited for"},
	{a_semaphore, SEMAPHORE_TURN_OFFSET, ALL, ODD << 8, 120, "no session has it open"},
	{a_queue, SLOT(2), ALL, ODD << 8, SLOT(2), "no session has it open"},
	/* flags */
	{a_mutex, 64, 0xff, OWNED_DONE, 64, "the flag DONE, which no such word has"},
	{a_mutex, 64, 0xff, 0x80, 64, "the flag 0x80"},
	{a_mutex, 64, 0xff, OWNED_DIED | OWNED_LOST, 64, "DIED and LOST, which exclude"},
	{an_open_mutex, 64, ALL, ODD << 8 | OWNED_LOST, 64, "the flag LOST, and an owner"},
	{a_mutex, 64, 0xff, OWNED_GRANTED, 64, "GRANTED, and no owner"},
	{a_once, 64, 0xff, OWNED_DIED, 64, "the flag DIED, which"},
	{a_once, 64, ALL, ODD << 8 | OWNED_DONE, 64, "the flag DONE, and an owner"},
	{an_unset_future, 64, 0xff, OWNED_ERROR, 64, "ERROR without DONE"},
	{a_register, 64, 0xff, OWNED_QUEUED, 64, "the flag QUEUED"},
	{a_rwlock, 64, 0xff, OWNED_ERROR, 64, "the flag ERROR"},
	{a_rwlock, RWLOCK_SLOT_OFFSET(1), 0xff, OWNED_WAITED, 192, "the slot has no reader and a"},
	{a_rwlock, RWLOCK_SLOT_OFFSET(2), ALL, ODD << 8 | OWNED_QUEUED, 256, "the flag QUEUED"},
	{a_semaphore, SEMAPHORE_PERMIT_OFFSET(1), 0xff, OWNED_QUEUED, 136, "the flag QUEUED"},
	{a_semaphore, SEMAPHORE_TURN_OFFSET, 0xff, OWNED_DIED, 120, "the flag DIED"},
	/* values */
	{a_register, REGISTER_SLOT_OFFSET(1, 64) + 8, ALL, 5, 256,
	 "the header of its value is not"},
	{a_register, REGISTER_SLOT_OFFSET(1, 64) + 64, 0xff, 0, 256, "its value is not what"},
	{a_register, REGISTER_HEAD_OFFSET, ALL, 3 << 24, 256, "of version 1, its word says 3"},
	{a_future, FUTURE_SLOT_OFFSET, ALL, 2, 128, "the header of its value is not"},
	{a_future, FUTURE_SLOT_OFFSET + 64, 0xff, 0, 128, "its value is not what"},
	/* counts */
	{a_latch, LATCH_WORD_OFFSET, ALL, 6, 64, "its count is 6, it began with 5"},
	{a_barrier, BARRIER_WORD_OFFSET, ALL, BARRIER_ARRIVAL, 64,
	 "1 have arrived, and there are 0"},
	{a_barrier, BARRIER_PARTY_OFFSET(ODD), ALL, BARRIER_PARTY(ODD), 192,
	 "session 7 is a party, and no session has it open"},
	{an_open_barrier, BARRIER_PARTY_OFFSET(0), ALL, 1, 192, "0 is a party"},
	{an_open_barrier, BARRIER_PARTY_OFFSET(65535), 1ULL << 63, 1ULL << 63, 8376,
	 "65535 is a party"},
	{a_barrier, BARRIER_EVENT_OFFSET, ALL, BARRIER_RESET_BEGUN, 128, "in the middle of a reset",
	 true},
	{a_condition, CONDITION_EVENT_OFFSET + 8, ALL, ALL, 72, "more waiters left than came"},
	{a_condition, CONDITION_EVENT_OFFSET + 8, ALL, 2, 72, "counts 2 that wait, and nobody",
	 true},
	{a_semaphore, SEMAPHORE_EVENT_OFFSET + 8, ALL, -SEMAPHORE_MANY, 72,
	 "more waiters left than"},
	{a_semaphore, SEMAPHORE_EVENT_OFFSET + 8, ALL, SEMAPHORE_MANY + 1, 72, "counts 2", true},
	{a_queue, QUEUE_ITEMS_OFFSET + 8, ALL, SEMAPHORE_MANY, 200, "more waiters left than came"},
	{a_queue, QUEUE_SPACE_OFFSET + 8, ALL, ALL, 264, "more waiters left than came"},
	/* a queue */
	{a_queue, QUEUE_TAIL_OFFSET, ALL, 1ULL << 62, 64, "never so far apart"},
	{a_queue, QUEUE_HEAD_OFFSET, ALL, 1ULL << 40, 64, "never so far apart"},
	{a_queue, QUEUE_HEAD_OFFSET, ALL, ALL, 64, "never so far apart"},
	{a_queue, QUEUE_VOID_OFFSET, ALL, 1, 144, "void below 1, beyond its head, which is 0"},
	{a_queue, QUEUE_HEAD_OFFSET, ALL, 1, SLOT(0), "below the head, and no consumer has it"},
	{a_queue, QUEUE_TAIL_OFFSET, ALL, 1, SLOT(1), "ticket 1, which no producer has taken"},
	{a_queue, SLOT(0), 0xff, OWNED_WAITED, SLOT(0), "in no state of a slot"},
	{a_queue, SLOT(0), 0xff, OWNED_DONE | OWNED_DIED, SLOT(0), "in no state of a slot"},
	{a_queue, SLOT(0), 0xff, OWNED_DONE | QUEUE_LEFT, SLOT(0), "a consumer with ticket 0"},
	{a_queue, SLOT(0), ALL, ODD << 8 | OWNED_DONE, SLOT(0), "a consumer with ticket 0"},
	{a_queue, SLOT(2), ALL, 1 << 24 | OWNED_DIED, SLOT(2),
	 "lap of ticket 5, and the one before"},
	{a_queue, SLOT(2), ALL, 1 << 24 | ODD << 8, SLOT(2), "lap of ticket 5, and the one before"},
	{a_queue, SLOT(2), 0xff, OWNED_DONE, SLOT(2), "ticket 2, which no producer has taken"},
	{a_queue, SLOT(2), ALL, 1 << 24, SLOT(2), "lap of ticket 5, and the one before"},
	{a_queue, SLOT(2), ALL, ALL << 24, SLOT(2), "a lap before the first"},
	{a_queue, SLOT(0) + 8, ALL, 1 << 24 | 1, SLOT(0), "came back to the slot in a lap"},
	{a_queue, SLOT(1) + 16, ALL, 1, SLOT(1), "the item of ticket 1 is not what its producer"},
	{a_queue, SLOT(1) + 24, ALL, 9, SLOT(1),
	 "the item of ticket 1 has 9 bytes, 8 are the most"},
	{a_queue, SLOT(1) + 24, ALL, 7, SLOT(1), "the item of ticket 1 is not what its producer"},
	{a_queue, SLOT(1) + 32, ALL, 3, SLOT(1), "the item of ticket 1 is not what its producer"},
};

/* Whether @told has a line that begins with kind and place and goes on with the sentence. */
static bool has_told(const struct told *told, const struct wrong *wrong)
{
	char begin[40];
	const char *line = told->sentences, *end;

	snprintf(begin, sizeof begin, "%s at %ju: ", wrong->is_leftover ? "leftover" : "damage",
		 (uintmax_t)wrong->told_offset);
	for (; (end = strchr(line, '\n')); line = end + 1) {
		const char *found = strstr(line, wrong->sentence);

		if (!strncmp(line, begin, strlen(begin)) && found && found < end)
			return true;
	}
	return false;
}

START_TEST(a_word_that_is_written_over_is_found)
{
	const struct wrong *wrong = &wrongs[_i];
	struct told told;
	uint64_t *word, before;

	wrong->make();
	check_is_clean();
	word = word_at(wrong->offset);
	before = *word;
	*word = (before & ~wrong->mask) | wrong->value;
	OK(session, check_told(&told));
	ck_assert_msg(has_told(&told, wrong), "%s: told was only:\n%s", wrong->sentence,
		      told.sentences);
	ck_assert(!wrong->is_leftover || told.damage == 0);
	*word = before;
	check_is_clean();
}
END_TEST

START_TEST(a_reader_that_is_in_two_slots_is_found)
{
	struct dso_rwlock *rwlock = rwlock_in(other, 2);
	struct told told;
	uint64_t *words[2];
	unsigned mine;

	OK(other, dso_rwlock_rdlock(rwlock, DSO_NOWAIT));
	for (unsigned i = 0; i < 2; i++)
		words[i] = word_at(RWLOCK_SLOT_OFFSET(i));
	mine = *words[1] != 0;
	*words[!mine] = *words[mine];
	OK(session, check_told(&told));
	ck_assert_uint_eq(told.damage, 1);
	ck_assert_ptr_nonnull(strstr(told.sentences, "has the lock twice"));
	*words[!mine] = 0;
	check_is_clean();
}
END_TEST

START_TEST(a_value_in_an_annex_is_checked_there)
{
	static uint8_t bytes[20000];
	struct dso_future *future = future_in(other, 0);
	struct dso_stat stat;
	struct told told;
	uint64_t *word;

	OK(other, dso_future_set(future, bytes, sizeof bytes));
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_ne(stat.parameters[FUTURE_PARAMETER_ANNEX], 0);
	word = word_at(stat.parameters[FUTURE_PARAMETER_ANNEX] - stat.offset + 16000);
	*word = 1;
	OK(session, check_told(&told));
	ck_assert_uint_eq(told.damage, 1);
	ck_assert_ptr_nonnull(strstr(told.sentences, "its value is not what a writer wrote"));
	*word = 0;
	check_is_clean();
}
END_TEST

START_TEST(an_item_that_was_left_and_not_counted_is_found)
{
	struct told told;

	a_queue();
	*word_at(QUEUE_HEAD_OFFSET) = 1;
	*word_at(SLOT(0)) |= QUEUE_LEFT;
	OK(session, check_told(&told));
	ck_assert_uint_eq(told.damage, 1);
	ck_assert_ptr_nonnull(strstr(told.sentences, "left behind, and nobody has counted it"));
	*word_at(QUEUE_MISSED_OFFSET) = 1;
	check_is_clean();
	/* Nor is anything wrong with one whose consumer has ended. */
	*word_at(SLOT(0)) ^= QUEUE_LEFT;
	*word_at(QUEUE_MISSED_OFFSET) = QUEUE_MISSED_ENDED;
	check_is_clean();
}
END_TEST

static int end_at_once(const struct dso_finding *finding, void *context)
{
	(void)finding;
	return ++*(int *)context;
}

START_TEST(what_is_written_over_a_map_is_found)
{
	const struct dso_map_params few = {.members = 16};
	uint64_t *words, segments = 0;
	struct dso_map *map;
	struct told told;

	OK(other, dso_map_open(other, name, &few, &map));
	for (uint32_t i = 0; i < 200; i++)
		OK(other, dso_map_put(map, &i, sizeof i, "a value", 7, NULL));
	dso_map_close(map);
	check_is_clean();
	words = word_at(MAP_ROOT_OFFSET(16) + sizeof(struct map_segment_header));
	/* The data of all cells: no entry is what it was. */
	for (unsigned bucket = 0; bucket < MAP_BUCKETS; bucket++)
		for (unsigned cell = 0; cell < MAP_CELLS; cell++)
			words[bucket * MAP_BUCKET_BYTES(true) / 8 + MAP_SLOTS + cell * 8 + 3] ^= 1;
	OK(session, check_told(&told));
	ck_assert_uint_eq(told.damage, 1);
	ck_assert_ptr_nonnull(strstr(told.sentences, "not what their writers wrote"));
	/* A sibling in an extent that there is not. */
	words = word_at(MAP_ROOT_OFFSET(16) + MAP_SEGMENT_WORD_OFFSET);
	segments = *words;
	*words = map_segment_word(MAP_SPLITTING, 0, false, (UINT64_C(1) << 35) + 12345);
	OK(session, check_told(&told));
	ck_assert_ptr_nonnull(strstr(told.sentences, "lead to where none are"));
	*words = segments;
	OK(session, dso_object_delete(session, name));
}
END_TEST

START_TEST(a_word_of_an_aggregator_that_is_written_over_is_found)
{
	const struct dso_aggregator_params vectors = {.length = 1, .contributors = 2};
	struct dso_aggregator *aggregator;
	double value = 1;
	struct told told;
	uint64_t *word;

	OK(other, dso_aggregator_open(other, name, &vectors, &aggregator));
	OK(other,
	   dso_aggregator_contribute(aggregator, 0, &value, sizeof value, 0, DSO_FOREVER, NULL));
	dso_aggregator_close(aggregator);
	check_is_clean();
	word = word_at(aggregator_id_offset(2, 1));
	*word = (uint64_t)7 << 24 | 9 << 8 | 0x80;
	OK(session, check_told(&told));
	ck_assert_msg(told.damage == 3, "%s", told.sentences);
	*word = 0;
	check_is_clean();
	*word_at(AGGREGATOR_ROUND_OFFSET) |= 0x40;
	OK(session, check_told(&told));
	ck_assert_msg(told.damage == 1, "%s", told.sentences);
	OK(session, dso_object_delete(session, name));
}
END_TEST

START_TEST(a_callback_that_has_enough_is_called_no_more)
{
	int calls = 0;

	a_mutex();
	*word_at(0) = *word_at(8) = 0;
	ck_assert_int_eq(dso_object_check(session, name, end_at_once, &calls), 1);
	ck_assert_int_eq(calls, 1);
	OK(session, dso_object_delete(session, name));
}
END_TEST

/* Any bytes at all: it ends, and says something. */
START_TEST(an_object_that_is_all_garbage_is_checked_to_its_end)
{
	static void (*const makes[])(void) = {a_mutex,    a_counter, a_once,      a_condition,
					      a_latch,    a_rwlock,  a_semaphore, a_barrier,
					      a_register, a_future,  a_queue};
	struct dso_stat stat;
	struct told told;

	for (unsigned i = 0; i < sizeof makes / sizeof *makes; i++) {
		strcpy(name, conformance_name());
		makes[i]();
		OK(session, dso_object_stat(session, name, &stat));
		for (uint64_t at = 0; at < stat.length_bytes; at += 8)
			*word_at(at) = (at + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		OK(session, check_told(&told));
		ck_assert_uint_gt(told.damage, 0);
		OK(session, dso_object_delete(session, name));
	}
}
END_TEST

TCase *conformance_check_damage(void)
{
	TCase *tcase = tcase_create("damage");

	tcase_set_timeout(tcase, 300);
	tcase_set_tags(tcase, SAME_ON_EACH_PATH);
	tcase_add_checked_fixture(tcase, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_loop_test(tcase, a_word_that_is_written_over_is_found, 0,
			    sizeof wrongs / sizeof *wrongs);
	tcase_add_test(tcase, a_reader_that_is_in_two_slots_is_found);
	tcase_add_test(tcase, a_value_in_an_annex_is_checked_there);
	tcase_add_test(tcase, an_item_that_was_left_and_not_counted_is_found);
	tcase_add_test(tcase, what_is_written_over_a_map_is_found);
	tcase_add_test(tcase, a_word_of_an_aggregator_that_is_written_over_is_found);
	tcase_add_test(tcase, a_callback_that_has_enough_is_called_no_more);
	tcase_add_test(tcase, an_object_that_is_all_garbage_is_checked_to_its_end);
	return tcase;
}
