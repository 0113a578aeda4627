/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance_queue.h"
#include "tests/await.h"
#include "tests/conformance_party.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- alone ---- */

START_TEST(items_come_out_in_the_order_in_which_they_went_in)
{
	struct dso_queue *mine = queue_in(session, 5, 8), *theirs = queue_in(other, 0, 0);
	uint64_t in = 0, out = 0;

	ck_assert_uint_eq(dso_queue_capacity(theirs), 5);
	ck_assert_uint_eq(dso_queue_item_bytes(theirs), 8);
	/* Many laps, with every number of items in it. */
	for (unsigned round = 0; round < 60; round++) {
		while (length_of(mine) < round % 6)
			OK(session, push(mine, in++, DSO_NOWAIT));
		while (length_of(theirs) > round % 5)
			pops(theirs, out++);
	}
	while (out < in)
		pops(theirs, out++);
	ck_assert_uint_eq(length_of(mine), 0);
}
END_TEST

START_TEST(every_length_of_an_item_comes_back_as_it_was)
{
	static const size_t lengths[] = {0, 1, 31, 32, 33, 1023, 1024, 1025, 4096, 65535, 65536};
	struct dso_queue *queue = queue_in(session, 3, 65536);
	uint8_t *item = malloc(65537), *back = malloc(65536);
	size_t length;

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		memset(item, (int)i + 1, lengths[i]);
		memset(back, 0, 65536);
		OK(session, dso_queue_push(queue, item, lengths[i], DSO_NOWAIT));
		OK(session, dso_queue_pop(queue, back, 65536, DSO_NOWAIT, &length));
		ck_assert_uint_eq(length, lengths[i]);
		ck_assert(memcmp(item, back, length) == 0);
	}
	ck_assert_int_eq(dso_queue_push(queue, item, 65537, DSO_NOWAIT), -EMSGSIZE);
	ck_assert_int_eq(dso_queue_pop(queue, back, 65535, DSO_NOWAIT, &length), -EMSGSIZE);
	ck_assert_uint_eq(length_of(queue), 0);
	free(item);
	free(back);
}
END_TEST

START_TEST(a_queue_has_what_it_was_made_with)
{
	static const struct dso_queue_params wrong[] = {
		{.capacity = 4},
		{.item_bytes = 9},
		{.capacity = DSO_QUEUE_CAPACITY_MAX + 1},
		{.item_bytes = DSO_QUEUE_ITEM_BYTES_MAX + 1},
		{.kind = DSO_QUEUE_RENDEZVOUS + 1},
		{.kind = DSO_QUEUE_RENDEZVOUS},
		{.ephemeral = 2}};
	struct dso_queue *queue;
	struct dso_mutex *mutex;

	queue_in(session, 3, 8);
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(dso_queue_open(other, name, &wrong[i], &queue), -EINVAL);
	ck_assert_int_eq(dso_mutex_open(other, name, NULL, &mutex), -EEXIST);
	OK(other, dso_queue_open(other, name, NULL, &queue));
	ck_assert_uint_eq(dso_queue_capacity(queue), 3);
}
END_TEST

START_TEST(a_full_queue_takes_nothing_and_an_empty_one_gives_nothing)
{
	struct dso_queue *queue = queue_in(session, 2, 8);
	uint64_t number = 77;

	ck_assert_int_eq(pop(queue, &number, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(pop(queue, &number, DSO_MILLISECOND), -ETIMEDOUT);
	ck_assert_uint_eq(number, 77);
	ck_assert_int_eq(push(queue, 1, -2), -EINVAL);
	OK(session, push(queue, 1, DSO_NOWAIT));
	OK(session, push(queue, 2, DSO_NOWAIT));
	ck_assert_int_eq(push(queue, 3, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(push(queue, 3, DSO_MILLISECOND), -ETIMEDOUT);
	ck_assert_int_eq(push(queue, 3, -2), -EINVAL);
	ck_assert_int_eq(pop(queue, &number, -2), -EINVAL);
	OK(session, pop(queue, &number, DSO_NOWAIT));
	ck_assert_uint_eq(number, 1);
	OK(session, push(queue, 3, DSO_NOWAIT));
	OK(session, pop(queue, &number, DSO_NOWAIT));
	ck_assert_uint_eq(number, 2);
	OK(session, pop(queue, &number, DSO_NOWAIT));
	ck_assert_uint_eq(number, 3);
}
END_TEST

#define MANY 100

START_TEST(many_go_in_and_out_at_once_in_order)
{
	struct dso_queue *mine = queue_in(session, MANY, 8), *theirs = queue_in(other, 0, 0);
	struct dso_queue_item in[MANY + 5], out[MANY + 5];
	uint64_t numbers[MANY + 5], back[MANY + 5];
	size_t pushed, popped = 0, count;

	for (unsigned i = 0; i < MANY + 5; i++) {
		numbers[i] = i;
		in[i] = (struct dso_queue_item){.bytes = &numbers[i], .length_bytes = 8};
		out[i] = (struct dso_queue_item){.bytes = &back[i], .bytes_max = 8};
	}
	ck_assert_int_eq(dso_queue_push_many(mine, in, MANY + 5, DSO_NOWAIT, &pushed), -ETIMEDOUT);
	ck_assert_uint_eq(pushed, MANY);
	OK(other, dso_queue_pop_many(theirs, out, 3, DSO_NOWAIT, &count));
	ck_assert_uint_eq(count, 3);
	for (popped = 3; popped < MANY; popped += count)
		OK(other,
		   dso_queue_pop_many(theirs, out + popped, MANY + 5 - popped, DSO_NOWAIT, &count));
	ck_assert_uint_eq(popped, MANY);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(back[i], i);
	ck_assert_int_eq(dso_queue_pop_many(theirs, out, 2, DSO_NOWAIT, &count), -ETIMEDOUT);
	ck_assert_uint_eq(count, 0);
	/* None of those that are with one that is too long. */
	in[1].length_bytes = 9;
	ck_assert_int_eq(dso_queue_push_many(mine, in, 2, DSO_NOWAIT, &pushed), -EMSGSIZE);
	ck_assert_uint_eq(pushed, 0);
	ck_assert_uint_eq(length_of(mine), 0);
}
END_TEST

/* Their slots are several times what one READ may have. */
START_TEST(a_whole_batch_of_long_items_comes_back_as_it_was)
{
	enum { ITEMS = 256, BYTES = 1024 };
	struct dso_queue *mine = queue_in(session, ITEMS, BYTES), *theirs = queue_in(other, 0, 0);
	static uint8_t bytes[ITEMS][BYTES], back[ITEMS][BYTES];
	struct dso_queue_item in[ITEMS], out[ITEMS];
	size_t count;

	for (unsigned i = 0; i < ITEMS; i++) {
		memset(bytes[i], (int)i, BYTES);
		in[i] = (struct dso_queue_item){.bytes = bytes[i], .length_bytes = BYTES};
		out[i] = (struct dso_queue_item){.bytes = back[i], .bytes_max = BYTES};
	}
	OK(session, dso_queue_push_many(mine, in, ITEMS, DSO_NOWAIT, &count));
	ck_assert_uint_eq(length_of(theirs), ITEMS);
	OK(other, dso_queue_pop_many(theirs, out, ITEMS, DSO_NOWAIT, &count));
	ck_assert_uint_eq(count, ITEMS);
	ck_assert(memcmp(bytes, back, sizeof bytes) == 0);
}
END_TEST

/* ---- waiting ---- */

static void pop_one(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);
	uint64_t number = 0;

	OK(party->session, pop(queue, &number, HANG_TIMEOUT));
	ck_assert_uint_eq(number, 42);
}

START_TEST(who_waits_for_an_item_gets_the_one_that_comes)
{
	struct dso_queue *queue = queue_in(session, 4, 8);

	parties_begin(3, pop_one);
	for (unsigned i = 0; i < 3; i++)
		OK(session, push(queue, 42, HANG_TIMEOUT));
	parties_end();
	ck_assert_uint_eq(length_of(queue), 0);
}
END_TEST

static void push_one(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);

	OK(party->session, push(queue, party->number, HANG_TIMEOUT));
}

START_TEST(who_waits_for_room_pushes_when_there_is_some)
{
	struct dso_queue *queue = queue_in(session, 1, 8);
	uint64_t number, sum = 0;

	OK(session, push(queue, 100, DSO_NOWAIT));
	parties_begin(3, push_one);
	for (unsigned i = 0; i < 4; i++) {
		OK(session, pop(queue, &number, HANG_TIMEOUT));
		ck_assert(i > 0 || number == 100);
		sum += number;
	}
	parties_end();
	ck_assert_uint_eq(sum, 100 + 0 + 1 + 2);
}
END_TEST

/* ---- several at both ends ---- */

#define PRODUCERS  3
#define CONSUMERS  3
#define EACH       400
#define CAPACITIES 5

static _Atomic unsigned seen[PRODUCERS][EACH];
static _Atomic unsigned popped_in_all;

static void produce(struct dso_session *in, unsigned number)
{
	struct dso_queue *queue = queue_in(in, 0, 0);

	for (uint64_t i = 0; i < EACH; i++)
		OK(in, push(queue, (uint64_t)number << 32 | i, HANG_TIMEOUT));
}

static void consume(struct dso_session *in)
{
	struct dso_queue *queue = queue_in(in, 0, 0);
	int64_t last[PRODUCERS];
	uint64_t number;
	int r;

	memset(last, -1, sizeof last);
	while ((r = pop(queue, &number, HANG_TIMEOUT)) == 0) {
		unsigned producer = (unsigned)(number >> 32);
		uint32_t i = (uint32_t)number;

		ck_assert(producer < PRODUCERS && i < EACH);
		ck_assert_msg(i > last[producer], "%u comes behind %lld", i,
			      (long long)last[producer]);
		last[producer] = i;
		ck_assert_uint_eq(atomic_fetch_add(&seen[producer][i], 1), 0);
		if (atomic_fetch_add(&popped_in_all, 1) + 1 == PRODUCERS * EACH)
			OK(in, dso_queue_shutdown(queue));
	}
	ck_assert_int_eq(r, -EPIPE);
}

static void run_both(struct party *party)
{
	if (party->number < PRODUCERS)
		produce(party->session, party->number);
	else
		consume(party->session);
}

START_TEST(each_item_of_several_producers_goes_to_one_consumer_in_order)
{
	static const uint64_t capacities[CAPACITIES] = {1, 2, 7, 64, 256};

	queue_in(session, capacities[_i], 8);
	memset(seen, 0, sizeof seen);
	popped_in_all = 0;
	parties_run(PRODUCERS + CONSUMERS, run_both);
	ck_assert_uint_eq(popped_in_all, PRODUCERS * EACH);
}
END_TEST

/* ---- its end ---- */

START_TEST(a_queue_that_is_shut_down_is_drained_and_takes_no_more)
{
	struct dso_queue *mine = queue_in(session, 4, 8), *theirs = queue_in(other, 0, 0);
	uint64_t number;

	OK(session, push(mine, 1, DSO_NOWAIT));
	OK(session, push(mine, 2, DSO_NOWAIT));
	OK(other, dso_queue_shutdown(theirs));
	OK(session, dso_queue_shutdown(mine));
	ck_assert_int_eq(push(mine, 3, HANG_TIMEOUT), -EPIPE);
	ck_assert_int_eq(push(theirs, 3, HANG_TIMEOUT), -EPIPE);
	pops(theirs, 1);
	pops(theirs, 2);
	ck_assert_int_eq(pop(theirs, &number, HANG_TIMEOUT), -EPIPE);
	ck_assert_int_eq(pop(mine, &number, HANG_TIMEOUT), -EPIPE);
}
END_TEST

static void wait_for_an_item(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);
	uint64_t number;

	ck_assert_int_eq(pop(queue, &number, HANG_TIMEOUT), -EPIPE);
}

static void wait_for_room(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);

	ck_assert_int_eq(push(queue, 1, HANG_TIMEOUT), -EPIPE);
}

START_TEST(who_waits_at_either_end_hears_of_the_shutdown)
{
	struct dso_queue *queue = queue_in(session, 1, 8);

	parties_begin(2, wait_for_an_item);
	OK(session, dso_queue_shutdown(queue));
	parties_end();
	OK(session, dso_object_delete(session, name));
	queue = queue_in(session, 1, 8);
	OK(session, push(queue, 1, DSO_NOWAIT));
	parties_begin(2, wait_for_room);
	OK(session, dso_queue_shutdown(queue));
	parties_end();
}
END_TEST

START_TEST(a_deleted_queue_is_stale_at_both_ends)
{
	struct dso_queue *mine = queue_in(session, 2, 8);
	uint64_t number, length;

	OK(session, push(mine, 1, DSO_NOWAIT));
	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(push(mine, 2, DSO_NOWAIT), -ESTALE);
	ck_assert_int_eq(pop(mine, &number, DSO_NOWAIT), -ESTALE);
	ck_assert_int_eq(dso_queue_length(mine, &length), -ESTALE);
	ck_assert_int_eq(dso_queue_shutdown(mine), -ESTALE);
	dso_queue_close(mine);
	dso_queue_close(NULL);
}
END_TEST

/* ---- leases ---- */

START_TEST(an_item_that_was_leased_is_gone_when_it_is_acknowledged)
{
	struct dso_queue *mine = queue_in(session, 1, 8), *theirs = queue_in(other, 0, 0);
	uint64_t ticket, number;

	for (unsigned i = 0; i < 3; i++) {
		OK(session, push(mine, i, DSO_NOWAIT));
		ticket = leases(mine, i, 1);
		ck_assert_int_eq(pop(theirs, &number, DSO_NOWAIT), -ETIMEDOUT);
		ck_assert_int_eq(dso_queue_acknowledge(theirs, ticket), -EPERM);
		/* Its place is not free before. */
		ck_assert_int_eq(push(theirs, 9, DSO_NOWAIT), -ETIMEDOUT);
		OK(session, dso_queue_acknowledge(mine, ticket));
		ck_assert_int_eq(dso_queue_acknowledge(mine, ticket), -EPERM);
		ck_assert_int_eq(dso_queue_give_back(mine, ticket), -EPERM);
	}
}
END_TEST

START_TEST(a_leased_item_that_comes_back_goes_to_another_one_first)
{
	struct dso_queue *mine = queue_in(session, 4, 8), *theirs = queue_in(other, 0, 0);
	struct dso_queue *again = queue_in(session, 0, 0);
	uint64_t ticket;

	for (unsigned i = 0; i < 4; i++)
		OK(session, push(mine, i, DSO_NOWAIT));
	ticket = leases(mine, 0, 1);
	ck_assert_int_eq(dso_queue_give_back(again, ticket), -EPERM);
	OK(session, dso_queue_give_back(mine, ticket));
	ticket = leases(theirs, 0, 2);
	OK(other, dso_queue_give_back(theirs, ticket));
	/* By its handle. */
	leases(again, 0, 3);
	leases(mine, 1, 1);
	dso_queue_close(again);
	pops(theirs, 0);
	dso_queue_close(mine);
	ticket = leases(theirs, 1, 2);
	OK(other, dso_queue_acknowledge(theirs, ticket));
	pops(theirs, 2);
	pops(theirs, 3);
}
END_TEST

static int count_leases(const struct dso_hold *hold, void *context)
{
	unsigned *count = context;

	*count += hold->type == DSO_QUEUE && !strcmp(hold->name, name) ? hold->count : 0;
	return 0;
}

static unsigned held_leases(void)
{
	unsigned count = 0;

	OK(other, dso_holds(other, count_leases, &count));
	return count;
}

START_TEST(leased_items_come_back_when_the_session_ends)
{
	struct dso_session *ending = conformance_open_another();
	struct dso_queue *queue = queue_in(ending, 4, 8), *theirs = queue_in(other, 0, 0);

	for (unsigned i = 0; i < 4; i++)
		OK(ending, push(queue, i, DSO_NOWAIT));
	leases(queue, 0, 1);
	leases(queue, 1, 1);
	ck_assert_uint_eq(held_leases(), 2);
	dso_close(ending);
	AWAIT(held_leases() == 0);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t ticket = leases(theirs, i, 2);

		OK(other, dso_queue_acknowledge(theirs, ticket));
	}
	for (unsigned i = 2; i < 4; i++)
		pops(theirs, i);
}
END_TEST

START_TEST(what_is_leased_of_the_largest_queue_is_listed)
{
	struct dso_queue *first = queue_in(session, DSO_QUEUE_CAPACITY_MAX, 1);
	char second_name[80];
	struct dso_queue *second;
	const struct dso_queue_params params = {.capacity = DSO_QUEUE_CAPACITY_MAX,
						.item_bytes = 1};
	char byte = 'x';
	struct dso_queue_item item = {.bytes = &byte, .bytes_max = 1};

	/* Two of them are more words than a page has. */
	snprintf(second_name, sizeof second_name, "%s-second", name);
	OK(session, dso_queue_open(session, second_name, &params, &second));
	for (unsigned i = 0; i < 3; i++) {
		OK(session, dso_queue_push(first, &byte, 1, DSO_NOWAIT));
		OK(session, dso_queue_lease(first, &item, DSO_NOWAIT));
	}
	ck_assert_uint_eq(held_leases(), 3);
	OK(session, dso_object_delete(session, second_name));
}
END_TEST

static int pop_interrupted(struct dso_session *in, struct dso_queue *queue)
{
	uint64_t number;

	dso_interrupt(in);
	return pop(queue, &number, HANG_TIMEOUT);
}

START_TEST(who_waits_at_a_queue_can_be_interrupted)
{
	struct dso_queue *queue = queue_in(session, 1, 8);

	ck_assert_int_eq(pop_interrupted(session, queue), -ECANCELED);
	OK(session, push(queue, 1, DSO_NOWAIT));
	dso_interrupt(session);
	ck_assert_int_eq(push(queue, 2, HANG_TIMEOUT), -ECANCELED);
}
END_TEST

Suite *conformance_queue_suite(void)
{
	Suite *suite = suite_create("queue");
	TCase *tests = tcase_create("queue"), *capacities = tcase_create("capacities");

	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, items_come_out_in_the_order_in_which_they_went_in);
	tcase_add_test(tests, every_length_of_an_item_comes_back_as_it_was);
	tcase_add_test(tests, a_queue_has_what_it_was_made_with);
	tcase_add_test(tests, a_full_queue_takes_nothing_and_an_empty_one_gives_nothing);
	tcase_add_test(tests, many_go_in_and_out_at_once_in_order);
	tcase_add_test(tests, a_whole_batch_of_long_items_comes_back_as_it_was);
	tcase_add_test(tests, who_waits_for_an_item_gets_the_one_that_comes);
	tcase_add_test(tests, who_waits_for_room_pushes_when_there_is_some);
	tcase_add_loop_test(tests, each_item_of_several_producers_goes_to_one_consumer_in_order, 2,
			    3);
	tcase_add_test(tests, a_queue_that_is_shut_down_is_drained_and_takes_no_more);
	tcase_add_test(tests, who_waits_at_either_end_hears_of_the_shutdown);
	tcase_add_test(tests, a_deleted_queue_is_stale_at_both_ends);
	tcase_add_test(tests, an_item_that_was_leased_is_gone_when_it_is_acknowledged);
	tcase_add_test(tests, a_leased_item_that_comes_back_goes_to_another_one_first);
	tcase_add_test(tests, leased_items_come_back_when_the_session_ends);
	tcase_add_test(tests, what_is_leased_of_the_largest_queue_is_listed);
	tcase_add_test(tests, who_waits_at_a_queue_can_be_interrupted);
	suite_add_tcase(suite, tests);
	/* Where each item is waited for, or none. */
	tcase_set_tags(capacities, SAME_ON_EACH_PATH);
	tcase_add_checked_fixture(capacities, pair_begin, pair_end);
	tcase_add_loop_test(capacities,
			    each_item_of_several_producers_goes_to_one_consumer_in_order, 0, 2);
	tcase_add_loop_test(capacities,
			    each_item_of_several_producers_goes_to_one_consumer_in_order, 3,
			    CAPACITIES);
	suite_add_tcase(suite, capacities);
	suite_add_tcase(suite, conformance_queue_behind());
	suite_add_tcase(suite, conformance_queue_nonsense());
	suite_add_tcase(suite, conformance_queue_rendezvous());
	return suite;
}
