/* SPDX-License-Identifier: Apache-2.0 */
/* What another session does between two operations of a call, and operations that fail: events
 * and queues over an embedded store. */
#include "lib/objects/event.h"
#include "lib/objects/queue.h"
#include "lib/objects/rivals_test.h"
#include "lib/objects/word.h"
#include "proto/map.h"
#include "tests/runner.h"

#include <dso/dso.h>

#include <check.h>
#include <errno.h>

/* ---- a wait that cannot leave the waiters ---- */

static const struct object *waited_on;
static uint64_t event_offset; /* from the object's header */
static void (*bring_about)(void);
static unsigned refused;

/* What is waited for comes when the session is counted among the waiters, and it is not taken out
 * of them. */
static int refuse_to_leave(struct steered *steered, const struct op *op)
{
	uint64_t waiters = waited_on->offset + event_offset + EVENT_WAITERS_OFFSET;

	if (op->opcode != DATA_FAA || op->offset != waiters || op->operand == 0)
		return 0;
	if ((int64_t)op->operand > 0) {
		bring_about();
		return 0;
	}
	refused++;
	return -ENOTCONN;
}

static void wait_in_vain_to_leave(struct object *object, uint64_t offset, void (*come)(void))
{
	waited_on = object;
	event_offset = offset;
	bring_about = come;
	refused = 0;
	steered_of(mine)->before = refuse_to_leave;
}

static struct dso_semaphore *their_semaphore;

static void release_permit(void)
{
	OK(theirs, dso_semaphore_release(their_semaphore, 1));
}

START_TEST(a_permit_that_was_taken_is_the_callers_though_it_cannot_leave_the_waiters)
{
	struct dso_semaphore_params params = {.permits = 1};
	struct dso_semaphore *semaphore;

	OK(mine, dso_semaphore_open(mine, "semaphore", &params, &semaphore));
	OK(theirs, dso_semaphore_open(theirs, "semaphore", NULL, &their_semaphore));
	OK(theirs, dso_semaphore_acquire(their_semaphore, 1, DSO_NOWAIT));
	wait_in_vain_to_leave((struct object *)semaphore, SEMAPHORE_EVENT_OFFSET, release_permit);
	OK(mine, dso_semaphore_acquire(semaphore, 1, DSO_FOREVER));
	ck_assert_uint_eq(refused, 1);
	OK(mine, dso_semaphore_release(semaphore, 1));
}
END_TEST

static struct dso_map *their_map;

static void put_entry(void)
{
	OK(theirs, dso_map_put(their_map, "key", 3, "text", 4, NULL));
}

START_TEST(an_entry_that_was_waited_for_is_read_though_its_reader_cannot_leave_the_waiters)
{
	struct dso_map *map;
	char text[4];
	size_t length;

	OK(mine, dso_map_open(mine, "map", NULL, &map));
	OK(theirs, dso_map_open(theirs, "map", NULL, &their_map));
	wait_in_vain_to_leave((struct object *)map, MAP_EVENT_OFFSET, put_entry);
	OK(mine, dso_map_wait(map, "key", 3, 0, text, sizeof text, DSO_FOREVER, &length, NULL));
	ck_assert_uint_eq(refused, 1);
	ck_assert(length == 4 && memcmp(text, "text", 4) == 0);
}
END_TEST

/* ---- what a call has taken, though it cannot end as it should ---- */

/* While it waits for two permits others release one again and again, so that it gets the turn; and
 * then it gets both permits. */
static int let_have_turn(struct steered *steered, const struct op *op)
{
	uint64_t offset = op->offset - waited_on->offset;

	if (op->opcode == DATA_FAA && offset == SEMAPHORE_EVENT_OFFSET + EVENT_WAITERS_OFFSET &&
	    op->operand == SEMAPHORE_MANY) {
		bring_about = release_permit;
	} else if (op->opcode == DATA_READ && bring_about) {
		bring_about = NULL;
		for (unsigned i = 0; i < 100; i++) {
			OK(theirs, dso_semaphore_release(their_semaphore, 1));
			OK(theirs, dso_semaphore_acquire(their_semaphore, 1, DSO_NOWAIT));
		}
	} else if (op->opcode == DATA_CAS && offset == SEMAPHORE_TURN_OFFSET) {
		if (owned_word_owner(op->swap) == mine->owner) {
			release_permit();
			return 0;
		}
		refused++;
		return -ENOTCONN;
	}
	return 0;
}

START_TEST(permits_that_were_taken_in_a_turn_are_the_callers_though_it_cannot_end_the_turn)
{
	struct dso_semaphore_params params = {.permits = 2};
	struct dso_semaphore *semaphore;

	OK(mine, dso_semaphore_open(mine, "semaphore", &params, &semaphore));
	OK(theirs, dso_semaphore_open(theirs, "semaphore", NULL, &their_semaphore));
	OK(theirs, dso_semaphore_acquire(their_semaphore, 1, DSO_NOWAIT));
	waited_on = (struct object *)semaphore;
	bring_about = NULL;
	refused = 0;
	steered_of(mine)->before = let_have_turn;
	OK(mine, dso_semaphore_acquire(semaphore, 2, DSO_FOREVER));
	ck_assert_uint_eq(refused, 1);
	OK(mine, dso_semaphore_release(semaphore, 2));
}
END_TEST

static struct dso_mutex *their_mutex;
static unsigned epochs;

/* It gets the mutex at its second try, and does not learn of the epoch then. */
static int refuse_epoch(struct steered *steered, const struct op *op)
{
	if (op->offset != waited_on->offset + OBJECT_TOKEN_EPOCH_OFFSET)
		return 0;
	if (epochs++ == 0) {
		OK(theirs, dso_mutex_unlock(their_mutex));
		return 0;
	}
	return -ENOTCONN;
}

START_TEST(a_mutex_that_is_locked_without_its_token_is_not_told_to_be_as_before)
{
	struct dso_mutex *mutex;
	uint64_t token = 7;

	OK(mine, dso_mutex_open(mine, "mutex", NULL, &mutex));
	OK(theirs, dso_mutex_open(theirs, "mutex", NULL, &their_mutex));
	OK(theirs, dso_mutex_lock(their_mutex, DSO_NOWAIT, NULL));
	waited_on = (struct object *)mutex;
	epochs = 0;
	steered_of(mine)->before = refuse_epoch;
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_FOREVER, &token), -ECONNRESET);
	ck_assert_uint_eq(token, 7);
	OK(mine, dso_mutex_unlock(mutex));
}
END_TEST

static int no_wake(struct dso_session *session, struct object *object, uint64_t offset,
		   uint32_t count, uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	return -EOPNOTSUPP;
}

/* An old storaged, which does not know of waiters that it has parked. */
START_TEST(a_mutex_is_locked_behind_a_wait_for_a_condition_that_could_wake_nobody)
{
	struct dso_condition *condition;
	struct dso_mutex *mutex;
	const struct directory_ops *whole = mine->directory;
	struct directory_ops old = *whole;
	uint64_t word, before;

	old.wake = no_wake;
	OK(mine, dso_mutex_open(mine, "mutex", NULL, &mutex));
	OK(mine, dso_condition_open(mine, "condition", NULL, &condition));
	OK(mine, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	ck_assert_int_eq(word_load((struct object *)mutex, MUTEX_WORD_OFFSET, &word), 0);
	ck_assert_int_eq(word_cas((struct object *)mutex, MUTEX_WORD_OFFSET, word,
				  word | OWNED_WAITED, &before),
			 0);
	mine->directory = &old;
	ck_assert_int_eq(dso_condition_wait(condition, mutex, DSO_NOWAIT), -EOPNOTSUPP);
	mine->directory = whole;
	OK(mine, dso_mutex_unlock(mutex));
}
END_TEST

/* ---- a client whom others keep from its tickets ---- */

#define RIVALRIES_MAX 1000 /* then they leave it alone */

static struct dso_queue *my_queue, *their_queue;
static uint64_t ticket_offset; /* of the tail or the head */
static void (*be_quicker)(void);
static unsigned rivalries, claims, interrupted_at;

/* Before each of its tries for a ticket they take one. */
static int be_rival(struct steered *steered, const struct op *op)
{
	const struct object *object = &my_queue->object;

	claims += op->opcode == DATA_CAS && op->offset >= object->offset + QUEUE_SLOTS_OFFSET &&
		  owned_word_owner(op->swap) == mine->owner;
	if (op->opcode != DATA_CAS || op->offset != object->offset + ticket_offset ||
	    rivalries == RIVALRIES_MAX)
		return 0;
	if (++rivalries == interrupted_at)
		dso_interrupt(mine);
	be_quicker();
	return 0;
}

/* There are items, and room for some. */
static void open_queues(uint64_t offset, void (*quicker)(void), unsigned items)
{
	struct dso_queue_params params = {.capacity = 8, .item_bytes = 8};

	OK(mine, dso_queue_open(mine, "queue", &params, &my_queue));
	OK(theirs, dso_queue_open(theirs, "queue", NULL, &their_queue));
	for (unsigned i = 0; i < items; i++)
		OK(theirs, dso_queue_push(their_queue, "x", 1, DSO_NOWAIT));
	ticket_offset = offset;
	be_quicker = quicker;
	rivalries = claims = interrupted_at = 0;
	steered_of(mine)->before = be_rival;
}

static void close_queues(void)
{
	steered_of(mine)->before = NULL;
	dso_queue_close(my_queue);
	OK(theirs, dso_object_delete(theirs, "queue"));
	dso_queue_close(their_queue);
}

static void push_and_pop(void)
{
	char byte;

	OK(theirs, dso_queue_push(their_queue, "x", 1, DSO_NOWAIT));
	OK(theirs, dso_queue_pop(their_queue, &byte, 8, DSO_NOWAIT, NULL));
}

static void pop_and_push(void)
{
	char byte;

	OK(theirs, dso_queue_pop(their_queue, &byte, 8, DSO_NOWAIT, NULL));
	OK(theirs, dso_queue_push(their_queue, "x", 1, DSO_NOWAIT));
}

static int push_mine(int64_t timeout)
{
	return dso_queue_push(my_queue, "y", 1, timeout);
}

static int pop_mine(int64_t timeout)
{
	char byte;

	return dso_queue_pop(my_queue, &byte, 8, timeout, NULL);
}

static int lease_mine(int64_t timeout)
{
	char byte[8];
	struct dso_queue_item item = {.bytes = byte, .bytes_max = sizeof byte};

	return dso_queue_lease(my_queue, &item, timeout);
}

static const struct {
	uint64_t offset;
	void (*be_quicker)(void);
	int (*call)(int64_t timeout);
	unsigned items;
} sides[] = {{QUEUE_TAIL_OFFSET, push_and_pop, push_mine, 4},
	     {QUEUE_HEAD_OFFSET, pop_and_push, pop_mine, 4},
	     {QUEUE_HEAD_OFFSET, pop_and_push, pop_mine, 1},
	     {QUEUE_HEAD_OFFSET, pop_and_push, lease_mine, 1}};
#define SIDES (int)(sizeof sides / sizeof *sides)

START_TEST(a_client_whom_others_keep_from_its_tickets_ends_at_its_deadline)
{
	open_queues(sides[_i].offset, sides[_i].be_quicker, sides[_i].items);
	ck_assert_int_eq(sides[_i].call(DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_lt(rivalries, RIVALRIES_MAX);
	close_queues();
}
END_TEST

START_TEST(a_client_whom_others_keep_from_its_tickets_is_interrupted)
{
	open_queues(sides[_i].offset, sides[_i].be_quicker, sides[_i].items);
	interrupted_at = 2 * QUEUE_VAIN_MIN;
	ck_assert_int_eq(sides[_i].call(DSO_FOREVER), -ECANCELED);
	/* Where it then saw nothing that it could have tried for, it looked first. */
	ck_assert_uint_le(rivalries, interrupted_at + 1);
	close_queues();
}
END_TEST

START_TEST(a_producer_that_others_were_quicker_than_claims_no_slot_before_it_has_the_ticket)
{
	open_queues(QUEUE_TAIL_OFFSET, push_and_pop, 4);
	ck_assert_int_eq(push_mine(DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_eq(claims, 1);
	close_queues();
}
END_TEST

/* ---- others at the slot of a producer ---- */

static uint64_t word_of(uint64_t offset)
{
	uint64_t word;

	ck_assert_int_eq(word_load(&their_queue->object, offset, &word), 0);
	return word;
}

static void add_to(uint64_t offset, uint64_t addend)
{
	uint64_t before;

	ck_assert_int_eq(word_add(&their_queue->object, offset, addend, &before), 0);
}

/* Another producer has taken the ticket, and not claimed the slot yet. */
static void take_ticket(void)
{
	if (rivalries == 1)
		add_to(QUEUE_TAIL_OFFSET, 1);
}

START_TEST(a_producer_that_lets_go_the_slot_of_anothers_ticket_tells_of_it)
{
	uint64_t told, length;

	open_queues(QUEUE_TAIL_OFFSET, take_ticket, 4);
	OK(mine, dso_queue_length(my_queue, &length));
	add_to(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET, 1);
	told = word_of(QUEUE_SPACE_OFFSET);
	OK(mine, push_mine(DSO_NOWAIT));
	ck_assert_uint_eq(word_of(QUEUE_SPACE_OFFSET), told + 1);
	ck_assert_uint_eq(word_of(queue_slot_offset(my_queue, 4)), queue_word(my_queue, 4, 0, 0));
	add_to(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET, UINT64_MAX);
	close_queues();
}
END_TEST

/* A consumer goes on without the item before it is published. */
static int mark_slot(struct steered *steered, const struct op *op)
{
	if (op->opcode == DATA_CAS &&
	    op->offset == my_queue->object.offset + queue_slot_offset(my_queue, 4) &&
	    op->swap & OWNED_DONE && rivalries++ == 0)
		add_to(queue_slot_offset(my_queue, 4), QUEUE_LEFT);
	return 0;
}

START_TEST(an_item_that_is_published_when_a_consumer_went_on_is_counted_as_left_behind)
{
	uint64_t missed;

	open_queues(QUEUE_TAIL_OFFSET, NULL, 4);
	steered_of(mine)->before = mark_slot;
	missed = word_of(QUEUE_MISSED_OFFSET);
	OK(mine, push_mine(DSO_NOWAIT));
	ck_assert_uint_eq(word_of(QUEUE_MISSED_OFFSET), missed + 1);
	close_queues();
}
END_TEST

/* ---- a producer whose slot another one has claimed ---- */

/* Without a ticket, and it does not let it go. */
static int claim_slot(struct steered *steered, const struct op *op)
{
	const struct object *object = &my_queue->object;
	uint64_t before;

	if (op->opcode == DATA_CAS && op->offset == object->offset + QUEUE_SLOTS_OFFSET &&
	    rivalries++ == 0)
		OK(theirs, word_cas(&their_queue->object, QUEUE_SLOTS_OFFSET, op->operand,
				    queue_word(their_queue, 0, theirs->owner, 0), &before));
	return 0;
}

START_TEST(consumers_hear_of_a_ticket_that_its_producer_goes_on_without)
{
	struct dso_queue_params params = {.capacity = 1, .item_bytes = 8};
	uint64_t waiters = QUEUE_ITEMS_OFFSET + EVENT_WAITERS_OFFSET, then;

	OK(mine, dso_queue_open(mine, "queue", &params, &my_queue));
	OK(theirs, dso_queue_open(theirs, "queue", NULL, &their_queue));
	rivalries = 0;
	/* One waits. */
	add_to(waiters, 1);
	then = word_of(QUEUE_ITEMS_OFFSET);
	steered_of(mine)->before = claim_slot;
	ck_assert_int_eq(push_mine(DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_eq(word_of(QUEUE_TAIL_OFFSET), 1);
	/* Once with its claim, and once when it goes on. */
	ck_assert_uint_eq(word_of(QUEUE_ITEMS_OFFSET), then + 2);
	add_to(waiters, UINT64_MAX);
	close_queues();
}
END_TEST

/* ---- as many as there is something for ---- */

static uint32_t woken;

static int note_wake(struct dso_session *session, struct object *object, uint64_t offset,
		     uint32_t count, uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	woken += count;
	return 0;
}

START_TEST(a_consumer_of_many_items_wakes_as_many_producers)
{
	const struct directory_ops *whole = mine->directory;
	struct directory_ops noting = *whole;
	struct dso_queue_item items[3];
	char bytes[3][8];
	uint64_t length;
	size_t popped;

	open_queues(QUEUE_HEAD_OFFSET, NULL, 4);
	steered_of(mine)->before = NULL;
	OK(mine, dso_queue_length(my_queue, &length));
	for (unsigned i = 0; i < 3; i++)
		items[i] = (struct dso_queue_item){.bytes = bytes[i], .bytes_max = 8};
	add_to(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET, 5);
	woken = 0;
	noting.wake = note_wake;
	mine->directory = &noting;
	OK(mine, dso_queue_pop_many(my_queue, items, 3, DSO_NOWAIT, &popped));
	mine->directory = whole;
	ck_assert_uint_eq(popped, 3);
	ck_assert_uint_eq(woken, 3);
	add_to(QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET, 0 - UINT64_C(5));
	close_queues();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rivals");
	TCase *tests = tcase_create("rivals");

	tcase_add_checked_fixture(tests, rivals_begin, rivals_end);
	tcase_add_test(tests,
		       a_permit_that_was_taken_is_the_callers_though_it_cannot_leave_the_waiters);
	tcase_add_test(
		tests,
		an_entry_that_was_waited_for_is_read_though_its_reader_cannot_leave_the_waiters);
	tcase_add_test(
		tests,
		permits_that_were_taken_in_a_turn_are_the_callers_though_it_cannot_end_the_turn);
	tcase_add_test(tests, a_mutex_that_is_locked_without_its_token_is_not_told_to_be_as_before);
	tcase_add_test(tests,
		       a_mutex_is_locked_behind_a_wait_for_a_condition_that_could_wake_nobody);
	tcase_add_loop_test(tests, a_client_whom_others_keep_from_its_tickets_ends_at_its_deadline,
			    0, SIDES);
	tcase_add_loop_test(tests, a_client_whom_others_keep_from_its_tickets_is_interrupted, 0,
			    SIDES);
	tcase_add_test(
		tests,
		a_producer_that_others_were_quicker_than_claims_no_slot_before_it_has_the_ticket);
	tcase_add_test(tests, consumers_hear_of_a_ticket_that_its_producer_goes_on_without);
	tcase_add_test(tests, a_producer_that_lets_go_the_slot_of_anothers_ticket_tells_of_it);
	tcase_add_test(tests,
		       an_item_that_is_published_when_a_consumer_went_on_is_counted_as_left_behind);
	tcase_add_test(tests, a_consumer_of_many_items_wakes_as_many_producers);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
