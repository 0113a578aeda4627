/* SPDX-License-Identifier: Apache-2.0 */
/* A queue as sessions leave it that end in the middle, and one that was written over. */
#include "tests/conformance_queue.h"
#include "tests/conformance_party.h"

#include "proto/layout.h"

#include <errno.h>

static uint64_t *slot_word(uint64_t slot, uint32_t item_bytes)
{
	return word_at(QUEUE_SLOTS_OFFSET + slot * QUEUE_STRIDE_BYTES(item_bytes));
}

START_TEST(a_ticket_that_a_producer_took_and_left_costs_a_slot)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);

	OK(session, push(mine, 1, DSO_NOWAIT));
	__atomic_add_fetch(word_at(QUEUE_TAIL_OFFSET), 1, __ATOMIC_SEQ_CST);
	OK(session, push(mine, 2, HANG_TIMEOUT));
	pops(theirs, 1);
	for (unsigned i = 0; i < 12; i++) {
		uint64_t number;

		OK(other, pop(theirs, &number, HANG_TIMEOUT));
		ck_assert_uint_eq(number, i + 2);
		OK(session, push(mine, i + 3, HANG_TIMEOUT));
	}
}
END_TEST

START_TEST(a_ticket_that_a_consumer_took_and_left_is_found_when_its_session_is_over)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);
	uint64_t number;

	OK(session, push(mine, 1, DSO_NOWAIT));
	OK(session, push(mine, 2, DSO_NOWAIT));
	__atomic_add_fetch(word_at(QUEUE_HEAD_OFFSET), 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(word_at(QUEUE_MISSED_OFFSET), QUEUE_MISSED_ENDED, __ATOMIC_SEQ_CST);
	OK(other, pop(theirs, &number, HANG_TIMEOUT));
	ck_assert_uint_eq(number, 1);
	OK(other, pop(theirs, &number, HANG_TIMEOUT));
	ck_assert_uint_eq(number, 2);
	ck_assert_int_eq(pop(theirs, &number, DSO_NOWAIT), -ETIMEDOUT);
}
END_TEST

/* It has given its ticket back when others claimed the slot that it was for. */
START_TEST(a_ticket_that_is_given_back_late_takes_no_item_along)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);
	uint64_t tail = 1;

	__atomic_store_n(word_at(QUEUE_TAIL_OFFSET), tail, __ATOMIC_SEQ_CST);
	OK(session, push(mine, 1, HANG_TIMEOUT));
	__atomic_compare_exchange_n(word_at(QUEUE_TAIL_OFFSET), &tail, 0, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	pops(theirs, 1);
}
END_TEST

/* They look at the head before another consumer takes the ticket, and at the count behind that. */
START_TEST(an_item_that_is_left_behind_in_the_middle_of_a_look_is_found)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);

	OK(session, push(mine, 1, DSO_NOWAIT));
	OK(session, push(mine, 2, DSO_NOWAIT));
	*slot_word(0, 8) |= QUEUE_LEFT;
	__atomic_add_fetch(word_at(QUEUE_MISSED_OFFSET), 1, __ATOMIC_SEQ_CST);
	length_of(theirs);
	__atomic_add_fetch(word_at(QUEUE_HEAD_OFFSET), 1, __ATOMIC_SEQ_CST);
	pops(theirs, 1);
	pops(theirs, 2);
}
END_TEST

START_TEST(an_item_that_is_written_over_is_told_and_taken_off)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);
	uint64_t number;

	OK(session, push(mine, 1, DSO_NOWAIT));
	OK(session, push(mine, 2, DSO_NOWAIT));
	/* Its bytes, then its length. */
	for (unsigned i = 0; i < 2; i++) {
		slot_word(i, 8)[i ? 3 : 4] ^= UINT64_C(1) << 40 | 1;
		ck_assert_int_eq(pop(theirs, &number, HANG_TIMEOUT), -EBADMSG);
	}
	OK(session, push(mine, 3, DSO_NOWAIT));
	pops(theirs, 3);
}
END_TEST

/* Room for @count numbers. */
static void describe_items(struct dso_queue_item *items, uint64_t *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		items[i] =
			(struct dso_queue_item){.bytes = &numbers[i], .bytes_max = sizeof *numbers};
}

START_TEST(the_items_behind_one_that_is_written_over_are_handed_over)
{
	struct dso_queue *mine = queue_in(session, 5, 8), *theirs = queue_in(other, 0, 0);
	struct dso_queue_item items[5];
	uint64_t numbers[5];
	size_t popped;

	describe_items(items, numbers, 5);
	for (unsigned lap = 0; lap < 2; lap++) {
		for (unsigned i = 0; i < 5; i++)
			OK(session, push(mine, i, HANG_TIMEOUT));
		ck_assert_uint_eq(length_of(theirs), 5);
		slot_word(1, 8)[4] ^= 1;
		ck_assert_int_eq(dso_queue_pop_many(theirs, items, 5, DSO_NOWAIT, &popped),
				 -EBADMSG);
		ck_assert_uint_eq(popped, 4);
		for (unsigned i = 0; i < 4; i++)
			ck_assert_uint_eq(numbers[i], i ? i + 1 : 0);
	}
}
END_TEST

START_TEST(many_do_not_wait_for_more_when_others_took_the_rest)
{
	struct dso_queue *mine = queue_in(session, 4, 8), *theirs = queue_in(other, 0, 0);
	struct dso_queue_item items[2];
	uint64_t numbers[2], ticket;
	size_t popped;

	describe_items(items, numbers, 2);
	for (unsigned i = 0; i < 3; i++)
		OK(session, push(mine, i, DSO_NOWAIT));
	ticket = leases(mine, 0, 1);
	leases(mine, 1, 1);
	OK(session, dso_queue_give_back(mine, ticket));
	ck_assert_uint_eq(length_of(theirs), 1);
	*word_at(QUEUE_HEAD_OFFSET) += 1;
	OK(other, dso_queue_pop_many(theirs, items, 2, DSO_NOWAIT, &popped));
	ck_assert_uint_eq(popped, 1);
	ck_assert_uint_eq(numbers[0], 0);
}
END_TEST

/* Each sees more than it asks for, until the other has taken its batch. */
START_TEST(consumers_of_whole_batches_take_no_tickets_of_items_that_are_not_there)
{
	enum { ITEMS = 400, BATCH = 256 };
	struct dso_queue *mine = queue_in(session, ITEMS, 8), *theirs = queue_in(other, 0, 0);
	struct dso_queue_item items[ITEMS];
	uint64_t numbers[ITEMS];
	size_t count;

	describe_items(items, numbers, ITEMS);
	for (unsigned i = 0; i < ITEMS; i++) {
		numbers[i] = i;
		items[i].length_bytes = sizeof *numbers;
	}
	OK(session, dso_queue_push_many(mine, items, ITEMS, DSO_NOWAIT, &count));
	pops(theirs, 0);
	OK(session, dso_queue_pop_many(mine, items, BATCH, DSO_NOWAIT, &count));
	ck_assert_uint_eq(count, BATCH);
	OK(other, dso_queue_pop_many(theirs, items, BATCH, DSO_NOWAIT, &count));
	ck_assert_uint_eq(count, ITEMS - BATCH - 1);
	ck_assert_uint_eq(*word_at(QUEUE_HEAD_OFFSET), ITEMS);
}
END_TEST

/* The same of room. */
START_TEST(producers_of_whole_batches_take_no_tickets_of_slots_that_are_not_free)
{
	enum { ROOM = 400, BATCH = 256 };
	struct dso_queue *mine = queue_in(session, ROOM, 8), *theirs = queue_in(other, 0, 0);
	struct dso_queue_item items[BATCH];
	uint64_t numbers[BATCH] = {0};
	size_t count;

	describe_items(items, numbers, BATCH);
	for (unsigned i = 0; i < BATCH; i++)
		items[i].length_bytes = sizeof *numbers;
	/* Each has found once that the other takes tickets as well. */
	OK(other, push(theirs, 0, DSO_NOWAIT));
	OK(session, push(mine, 0, DSO_NOWAIT));
	OK(other, push(theirs, 0, DSO_NOWAIT));
	OK(session, dso_queue_push_many(mine, items, BATCH, DSO_NOWAIT, &count));
	ck_assert_uint_eq(count, BATCH);
	ck_assert_int_eq(dso_queue_push_many(theirs, items, BATCH, DSO_NOWAIT, &count), -ETIMEDOUT);
	ck_assert_uint_eq(count, ROOM - BATCH - 3);
	ck_assert_uint_eq(*word_at(QUEUE_TAIL_OFFSET), ROOM);
}
END_TEST

START_TEST(an_item_that_comes_when_its_consumer_has_ended_is_told_of)
{
	struct dso_queue *theirs = queue_in(other, 2, 8);
	uint64_t number;

	/* Two producers have tickets, and one has claimed its slot. A consumer that had both
	 * tickets has ended. */
	*word_at(QUEUE_TAIL_OFFSET) = *word_at(QUEUE_HEAD_OFFSET) = 2;
	*slot_word(0, 8) = owned_word(0, 0xffff);
	*word_at(QUEUE_MISSED_OFFSET) = QUEUE_MISSED_ENDED;
	ck_assert_int_eq(pop(theirs, &number, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_eq(*slot_word(0, 8), owned_word(0, 0xffff) | QUEUE_LEFT);
	ck_assert_uint_eq(*word_at(QUEUE_VOID_OFFSET), 2);
	*slot_word(0, 8) = owned_word(1, 0);
}
END_TEST

START_TEST(a_producer_that_lets_a_slot_go_tells_of_room)
{
	struct dso_queue *mine = queue_in(session, 2, 8);

	*word_at(QUEUE_VOID_OFFSET) = 1;
	*word_at(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET) = 1;
	OK(session, push(mine, 7, DSO_NOWAIT));
	ck_assert_uint_eq(*word_at(QUEUE_SPACE_OFFSET), 1);
	*word_at(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET) = 0;
	pops(queue_in(other, 0, 0), 7);
}
END_TEST

/* Its slot is a lap behind, so that it is claimed late. */
START_TEST(a_producer_that_claims_a_slot_late_gives_up_a_void_ticket)
{
	struct dso_queue *mine = queue_in(session, 2, 8);

	*word_at(QUEUE_TAIL_OFFSET) = *word_at(QUEUE_HEAD_OFFSET) = 2;
	*word_at(QUEUE_VOID_OFFSET) = 3;
	OK(session, push(mine, 7, HANG_TIMEOUT));
	ck_assert_uint_eq(*word_at(QUEUE_TAIL_OFFSET), 4);
	pops(queue_in(other, 0, 0), 7);
}
END_TEST

START_TEST(a_consumer_that_takes_an_older_item_tells_of_the_room_of_both)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);
	uint64_t ticket, before;

	for (unsigned i = 0; i < 3; i++)
		OK(session, push(mine, i, DSO_NOWAIT));
	ticket = leases(mine, 0, 1);
	ck_assert_uint_eq(length_of(theirs), 2);
	OK(session, dso_queue_give_back(mine, ticket));
	*word_at(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET) = 1;
	before = *word_at(QUEUE_SPACE_OFFSET);
	pops(theirs, 0);
	ck_assert_uint_eq(*word_at(QUEUE_SPACE_OFFSET), before + 2);
	*word_at(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET) = 0;
	/* The one that it had the ticket for was left behind, and is the next. */
	pops(theirs, 1);
	pops(theirs, 2);
}
END_TEST

/* ---- a consumer that waits, and is woken ---- */

static uint64_t number_leased;

static void wait_and_lease(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);
	struct dso_queue_item item = {.bytes = &number_leased, .bytes_max = sizeof number_leased};

	OK(party->session, dso_queue_lease(queue, &item, HANG_TIMEOUT));
	OK(party->session, dso_queue_acknowledge(queue, item.ticket));
	dso_queue_close(queue);
}

START_TEST(a_consumer_that_was_woken_takes_the_older_of_two_items)
{
	struct dso_queue *mine = queue_in(session, 4, 8);
	uint64_t parked = conformance_parked(), ticket;

	OK(session, push(mine, 1, DSO_NOWAIT));
	ticket = leases(mine, 1, 1);
	parties_begin(1, wait_and_lease);
	conformance_until_parked(parked + 1);
	/* It hears of the newer item only when that is there, and so is the older one. */
	*word_at(QUEUE_ITEMS_OFFSET + EVENT_WAITERS_OFFSET) = 0;
	OK(session, push(mine, 2, DSO_NOWAIT));
	*word_at(QUEUE_ITEMS_OFFSET + EVENT_WAITERS_OFFSET) = 1;
	OK(session, dso_queue_give_back(mine, ticket));
	parties_end();
	ck_assert_uint_eq(number_leased, 1);
	pops(queue_in(other, 0, 0), 2);
	ck_assert_uint_eq(length_of(mine), 0);
}
END_TEST

START_TEST(a_queue_goes_on_behind_the_end_of_the_laps)
{
	struct dso_queue *mine = queue_in(session, 1, 8), *theirs = queue_in(other, 0, 0);
	uint64_t ticket;

	/* The slot is a quarter of all laps behind. */
	*word_at(QUEUE_TAIL_OFFSET) = *word_at(QUEUE_HEAD_OFFSET) = 5 * FENCING_QUARTER;
	*word_at(QUEUE_VOID_OFFSET) = 5 * FENCING_QUARTER;
	for (unsigned i = 0; i < 3; i++) {
		OK(session, push(mine, i, HANG_TIMEOUT));
		ticket = leases(mine, i, 1);
		OK(session, dso_queue_give_back(mine, ticket));
		pops(theirs, i);
	}
}
END_TEST

START_TEST(words_that_make_no_sense_end_a_call)
{
	struct dso_queue *mine = queue_in(session, 1, 8);
	uint64_t number;

	*word_at(QUEUE_TAIL_OFFSET) = UINT64_C(1) << 40;
	ck_assert_int_eq(pop(mine, &number, DSO_NOWAIT), -ETIMEDOUT);
	*word_at(QUEUE_TAIL_OFFSET) = 0;
	*word_at(QUEUE_HEAD_OFFSET) = UINT64_C(1) << 30;
	*slot_word(0, 8) = owned_word(UINT64_C(1) << 35, 0);
	ck_assert_int_eq(push(mine, 1, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(push(mine, 1, DSO_FOREVER), -EBADMSG);
	OK(session, dso_object_delete(session, name));
}
END_TEST

/* If it waited for each, it would take minutes. */
START_TEST(a_pop_waits_once_for_all_items_of_a_frozen_producer)
{
	enum { ITEMS = 2048 };
	struct dso_queue *theirs = queue_in(other, ITEMS, 8);
	static struct dso_queue_item items[ITEMS];
	static uint64_t numbers[ITEMS];
	size_t popped;

	describe_items(items, numbers, ITEMS);
	*word_at(QUEUE_TAIL_OFFSET) = ITEMS;
	for (unsigned i = 0; i < ITEMS; i++)
		*slot_word(i, 8) = owned_word(0, 0xffff);
	ck_assert_int_eq(dso_queue_pop_many(theirs, items, ITEMS, DSO_NOWAIT, &popped), -ETIMEDOUT);
	ck_assert_uint_eq(popped, 0);
	ck_assert_uint_eq(*word_at(QUEUE_HEAD_OFFSET), ITEMS);
	for (unsigned i = 0; i < ITEMS; i++)
		ck_assert_uint_eq(*slot_word(i, 8), owned_word(0, 0xffff) | QUEUE_LEFT);
	OK(session, dso_object_delete(session, name));
}
END_TEST

START_TEST(a_leased_item_comes_back_beside_one_that_is_written_over)
{
	struct dso_queue *mine = queue_in(session, 3, 8), *theirs = queue_in(other, 0, 0);

	OK(session, push(mine, 1, DSO_NOWAIT));
	OK(session, push(mine, 2, DSO_NOWAIT));
	leases(mine, 1, 1);
	leases(mine, 2, 1);
	*slot_word(0, 8) ^= UINT64_C(1) << 30;
	dso_queue_close(mine);
	pops(theirs, 2);
	OK(session, dso_object_delete(session, name));
}
END_TEST

TCase *conformance_queue_behind(void)
{
	TCase *behind = tcase_create("behind");

	tcase_add_checked_fixture(behind, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_test(behind, a_ticket_that_a_producer_took_and_left_costs_a_slot);
	tcase_add_test(behind,
		       a_ticket_that_a_consumer_took_and_left_is_found_when_its_session_is_over);
	tcase_add_test(behind, a_ticket_that_is_given_back_late_takes_no_item_along);
	tcase_add_test(behind, an_item_that_is_left_behind_in_the_middle_of_a_look_is_found);
	tcase_add_test(behind, an_item_that_is_written_over_is_told_and_taken_off);
	tcase_add_test(behind, the_items_behind_one_that_is_written_over_are_handed_over);
	tcase_add_test(behind, many_do_not_wait_for_more_when_others_took_the_rest);
	tcase_add_test(behind,
		       consumers_of_whole_batches_take_no_tickets_of_items_that_are_not_there);
	tcase_add_test(behind,
		       producers_of_whole_batches_take_no_tickets_of_slots_that_are_not_free);
	tcase_add_test(behind, an_item_that_comes_when_its_consumer_has_ended_is_told_of);
	tcase_add_test(behind, a_producer_that_lets_a_slot_go_tells_of_room);
	tcase_add_test(behind, a_producer_that_claims_a_slot_late_gives_up_a_void_ticket);
	tcase_add_test(behind, a_consumer_that_takes_an_older_item_tells_of_the_room_of_both);
	tcase_add_test(behind, a_consumer_that_was_woken_takes_the_older_of_two_items);
	tcase_add_test(behind, a_queue_goes_on_behind_the_end_of_the_laps);
	tcase_add_test(behind, a_leased_item_comes_back_beside_one_that_is_written_over);
	return behind;
}

TCase *conformance_queue_nonsense(void)
{
	TCase *nonsense = tcase_create("nonsense");

	/* Thousands of looks at a word, each as any other. */
	tcase_set_tags(nonsense, SAME_ON_EACH_PATH);
	tcase_add_checked_fixture(nonsense, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_test(nonsense, words_that_make_no_sense_end_a_call);
	tcase_add_test(nonsense, a_pop_waits_once_for_all_items_of_a_frozen_producer);
	return nonsense;
}
