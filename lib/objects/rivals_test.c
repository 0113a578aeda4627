/* SPDX-License-Identifier: Apache-2.0 */
/* What another session does between two operations of a call, and operations that fail: events and
 * queues over an embedded store. */
#include "lib/objects/event.h"
#include "lib/objects/queue.h"
#include "lib/objects/steered_test.h"
#include "proto/map.h"
#include "tests/runner.h"

#include <dso/dso.h>

#include <check.h>
#include <errno.h>

#define URL "embedded:rivals"

static struct dso_session *mine, *theirs;

static void set_up(void)
{
	mine = steered_open(URL);
	theirs = steered_open(URL);
}

static void tear_down(void)
{
	steered_of(mine)->before = NULL;
	dso_close(mine);
	dso_close(theirs);
}

#define OK(session, call) ck_assert_msg((call) == 0, "%s: %s", #call, dso_error(session))

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
static void open_queues(uint64_t offset, void (*quicker)(void))
{
	struct dso_queue_params params = {.capacity = 8, .item_bytes = 8};

	OK(mine, dso_queue_open(mine, "queue", &params, &my_queue));
	OK(theirs, dso_queue_open(theirs, "queue", NULL, &their_queue));
	for (unsigned i = 0; i < 4; i++)
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

static const struct {
	uint64_t offset;
	void (*be_quicker)(void);
	int (*call)(int64_t timeout);
} sides[] = {{QUEUE_TAIL_OFFSET, push_and_pop, push_mine},
	     {QUEUE_HEAD_OFFSET, pop_and_push, pop_mine}};
#define SIDES (int)(sizeof sides / sizeof *sides)

START_TEST(a_client_whom_others_keep_from_its_tickets_ends_at_its_deadline)
{
	open_queues(sides[_i].offset, sides[_i].be_quicker);
	ck_assert_int_eq(sides[_i].call(DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_lt(rivalries, RIVALRIES_MAX);
	close_queues();
}
END_TEST

START_TEST(a_client_whom_others_keep_from_its_tickets_is_interrupted)
{
	open_queues(sides[_i].offset, sides[_i].be_quicker);
	interrupted_at = 2 * QUEUE_VAIN_MIN;
	ck_assert_int_eq(sides[_i].call(DSO_FOREVER), -ECANCELED);
	/* Where it then saw nothing that it could have tried for, it looked first. */
	ck_assert_uint_le(rivalries, interrupted_at + 1);
	close_queues();
}
END_TEST

START_TEST(a_producer_that_others_were_quicker_than_claims_no_slot_before_it_has_the_ticket)
{
	open_queues(QUEUE_TAIL_OFFSET, push_and_pop);
	ck_assert_int_eq(push_mine(DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_uint_eq(claims, 1);
	close_queues();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rivals");
	TCase *tests = tcase_create("rivals");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests,
		       a_permit_that_was_taken_is_the_callers_though_it_cannot_leave_the_waiters);
	tcase_add_test(
		tests,
		an_entry_that_was_waited_for_is_read_though_its_reader_cannot_leave_the_waiters);
	tcase_add_loop_test(tests, a_client_whom_others_keep_from_its_tickets_ends_at_its_deadline,
			    0, SIDES);
	tcase_add_loop_test(tests, a_client_whom_others_keep_from_its_tickets_is_interrupted, 0,
			    SIDES);
	tcase_add_test(
		tests,
		a_producer_that_others_were_quicker_than_claims_no_slot_before_it_has_the_ticket);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
