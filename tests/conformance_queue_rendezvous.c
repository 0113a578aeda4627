/* SPDX-License-Identifier: Apache-2.0 */
/* A queue that keeps no items. */
#include "tests/conformance_queue.h"
#include "tests/conformance_party.h"

#include <errno.h>

static struct dso_queue *rendezvous_in(struct dso_session *in)
{
	const struct dso_queue_params params = {.item_bytes = 8, .kind = DSO_QUEUE_RENDEZVOUS};
	struct dso_queue *queue;

	OK(in, dso_queue_open(in, name, &params, &queue));
	return queue;
}

START_TEST(a_rendezvous_is_made_and_opened_as_one)
{
	const struct dso_queue_params buffer = {.kind = DSO_QUEUE_BUFFER};
	struct dso_queue *queue = rendezvous_in(session), *again;

	ck_assert_int_eq(dso_queue_is_rendezvous(queue), 1);
	ck_assert_uint_eq(dso_queue_capacity(queue), 64);
	OK(other, dso_queue_open(other, name, NULL, &again));
	ck_assert_int_eq(dso_queue_is_rendezvous(again), 1);
	ck_assert_int_eq(dso_queue_open(other, name, &buffer, &again), -EINVAL);
	ck_assert_ptr_nonnull(
		strstr(dso_error(other), "kind: buffer asked, the queue has rendezvous"));
	OK(session, dso_object_delete(session, name));
	ck_assert_int_eq(dso_queue_is_rendezvous(queue_in(session, 2, 8)), 0);
}
END_TEST

START_TEST(an_item_that_nobody_takes_is_withdrawn)
{
	struct dso_queue *mine = rendezvous_in(session), *theirs = queue_in(other, 0, 0);
	uint64_t number;

	/* More often than there are slots. */
	for (unsigned i = 0; i < 70; i++)
		ck_assert_int_eq(push(mine, i, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(pop(theirs, &number, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_eq(length_of(mine), 0);
}
END_TEST

static void pop_five(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);

	for (unsigned i = 0; i < 5; i++) {
		uint64_t number;

		OK(party->session, pop(queue, &number, HANG_TIMEOUT));
		ck_assert_uint_eq(number, i);
	}
}

START_TEST(a_push_returns_when_its_item_was_taken)
{
	struct dso_queue *mine = rendezvous_in(session);
	uint64_t numbers[4] = {1, 2, 3, 4};
	struct dso_queue_item items[4];
	size_t pushed = 0;

	for (unsigned i = 0; i < 4; i++)
		items[i] = (struct dso_queue_item){.bytes = &numbers[i], .length_bytes = 8};
	parties_begin(1, pop_five);
	OK(session, push(mine, 0, HANG_TIMEOUT));
	OK(session, dso_queue_push_many(mine, items, 4, HANG_TIMEOUT, &pushed));
	ck_assert_uint_eq(pushed, 4);
	/* All have been taken: the consumer needs no more of this session. */
	ck_assert_uint_eq(length_of(mine), 0);
	parties_end();
}
END_TEST

static void push_numbers(struct party *party)
{
	struct dso_queue *queue = queue_in(party->session, 0, 0);

	for (unsigned i = 0; i < 20; i++)
		OK(party->session, push(queue, party->number * 100 + i, HANG_TIMEOUT));
}

START_TEST(producers_that_wait_with_their_items_all_go_on)
{
	struct dso_queue *queue = rendezvous_in(session);
	uint64_t number, sum = 0;

	parties_begin(4, push_numbers);
	for (unsigned i = 0; i < 80; i++) {
		OK(session, pop(queue, &number, HANG_TIMEOUT));
		sum += number;
	}
	parties_end();
	ck_assert_uint_eq(sum, 20 * (0 + 100 + 200 + 300) + 4 * 190);
	ck_assert_int_eq(pop(queue, &number, DSO_NOWAIT), -ETIMEDOUT);
}
END_TEST

static void push_once(struct party *party)
{
	OK(party->session, push(queue_in(party->session, 0, 0), 7, HANG_TIMEOUT));
}

START_TEST(an_item_that_is_leased_is_taken)
{
	struct dso_queue *queue = rendezvous_in(session);
	uint64_t number = 0;
	struct dso_queue_item item = {.bytes = &number, .bytes_max = sizeof number};

	parties_begin(1, push_once);
	OK(session, dso_queue_lease(queue, &item, HANG_TIMEOUT));
	parties_end();
	ck_assert_uint_eq(number, 7);
	OK(session, dso_queue_acknowledge(queue, item.ticket));
}
END_TEST

static void push_in_vain(struct party *party)
{
	ck_assert_int_eq(push(queue_in(party->session, 0, 0), 7, HANG_TIMEOUT), -EPIPE);
}

START_TEST(a_push_that_is_ended_leaves_no_item)
{
	struct dso_queue *queue = rendezvous_in(session);
	uint64_t number;

	dso_interrupt(session);
	ck_assert_int_eq(push(queue, 1, HANG_TIMEOUT), -ECANCELED);
	ck_assert_int_eq(pop(queue, &number, DSO_NOWAIT), -ETIMEDOUT);
	parties_begin(2, push_in_vain);
	OK(session, dso_queue_shutdown(queue));
	parties_end();
	ck_assert_int_eq(pop(queue, &number, DSO_NOWAIT), -EPIPE);
}
END_TEST

TCase *conformance_queue_rendezvous(void)
{
	TCase *tests = tcase_create("rendezvous");

	tcase_add_checked_fixture(tests, pair_begin, pair_end);
	tcase_add_test(tests, a_rendezvous_is_made_and_opened_as_one);
	tcase_add_test(tests, an_item_that_nobody_takes_is_withdrawn);
	tcase_add_test(tests, a_push_returns_when_its_item_was_taken);
	tcase_add_test(tests, producers_that_wait_with_their_items_all_go_on);
	tcase_add_test(tests, an_item_that_is_leased_is_taken);
	tcase_add_test(tests, a_push_that_is_ended_leaves_no_item);
	return tests;
}
