/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waiter that is stopped by a signal before it is woken: frozen TRANSPORT... It is the first to
 * be woken, and cannot come. Another one that waits goes on all the same, long before the TTL,
 * which is an hour here. When the frozen waiter goes on, it finds that it has nothing, and waits
 * for its turn; or it is killed, and nobody is told of a death, since it had nothing. No limit here
 * is shorter than that of a hang.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/clock.h"
#include "tests/daemon.h"
#include "tests/kinds.h"
#include "tests/parked.h"
#include "tests/runner.h"
#include "tests/transports.h"

#define HANG_TIMEOUT (120 * DSO_SECOND)

static struct daemon_process storage;

/* ---- what there is to wait for ---- */

static void *open_many(struct dso_session *session, const char *name)
{
	struct dso_semaphore_params params = {.permits = 3};
	struct dso_semaphore *semaphore;

	ck_assert_int_eq(dso_semaphore_open(session, name, &params, &semaphore), 0);
	return semaphore;
}

static int acquire_many(void *semaphore, int64_t timeout)
{
	return dso_semaphore_acquire(semaphore, 3, timeout);
}

static int release_many(void *semaphore)
{
	return dso_semaphore_release(semaphore, 3);
}

static void close_many(void *semaphore)
{
	dso_semaphore_close(semaphore);
}

static const struct kind kind_many = {"several permits", open_many, acquire_many, release_many,
				      close_many};

static void *open_queue(struct dso_session *session, const char *name)
{
	struct dso_queue_params params = {.capacity = 1, .item_bytes = 1};
	struct dso_queue *queue;

	ck_assert_int_eq(dso_queue_open(session, name, &params, &queue), 0);
	return queue;
}

static void close_queue(void *queue)
{
	dso_queue_close(queue);
}

static int take_room(void *queue, int64_t timeout)
{
	return dso_queue_push(queue, "x", 1, timeout);
}

static int take_item(void *queue, int64_t timeout)
{
	char byte;

	return dso_queue_pop(queue, &byte, 1, timeout, NULL);
}

static int give_item(void *queue)
{
	return take_room(queue, 0);
}

static int give_room(void *queue)
{
	return take_item(queue, 0);
}

/* The first that opens it puts an item in. */
static void *open_filled(struct dso_session *session, const char *name)
{
	bool is_first = dso_object_stat(session, name, NULL) == -ENOENT;
	struct dso_queue *queue = open_queue(session, name);

	ck_assert(!is_first || take_room(queue, 0) == 0);
	return queue;
}

static const struct kind kind_item = {"an item", open_filled, take_item, give_item, close_queue};
static const struct kind kind_room = {"room", open_queue, take_room, give_room, close_queue};
static const struct kind *const kinds[] = {&kind_mutex, &kind_writer, &kind_once, &kind_permit,
					   &kind_many,  &kind_item,   &kind_room};

#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- a waiter in a process of its own ---- */

struct waiter {
	pid_t pid;
	int report; /* a byte before it waits, and its result behind that */
};

/* The result of the take, and 0 of the rest, or 99. */
static int wait_for_it(const struct kind *kind, const char *transport, int report)
{
	struct dso_options options = {.transport = transport, .poll = "block"};
	struct dso_session *session;
	char ready = 'r';
	void *object;
	int r;

	if (dso_open(daemon_url(&storage, transport), &options, &session))
		return 99;
	object = kind->open(session, kind->name);
	if (write(report, &ready, 1) != 1)
		return 99;
	r = kind->take(object, HANG_TIMEOUT);
	if (r == 0 && kind->give(object))
		return 99;
	dso_close(session);
	return -r;
}

/* It is the session that makes @parked parked ones. */
static struct waiter waiter_begin(const struct kind *kind, const char *transport,
				  struct dso_session *observer, uint64_t parked)
{
	struct waiter waiter;
	char ready;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	waiter.pid = child_fork();
	if (waiter.pid == 0)
		_exit(wait_for_it(kind, transport, ends[1]));
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &ready, 1), 1);
	close(ends[0]);
	AWAIT(parked_count(observer) == parked);
	return waiter;
}

/* Returns the exit status, or -1: it was killed. */
static int waiter_end(const struct waiter *waiter)
{
	int status = child_status(waiter->pid);

	return status == CHILD_KILLED ? -1 : status;
}

/* ---- the tests ---- */

static void freeze(const char *transport, const struct kind *kind, int then)
{
	struct dso_options options = {.transport = transport};
	struct dso_session *session;
	struct waiter frozen, next;
	uint64_t missed;
	void *object;

	ck_assert_int_eq(dso_open(daemon_url(&storage, transport), &options, &session), 0);
	object = kind->open(session, kind->name);
	ck_assert_int_eq(kind->take(object, 0), 0);
	frozen = waiter_begin(kind, transport, session, 1);
	process_freeze(frozen.pid);
	next = waiter_begin(kind, transport, session, 2);
	missed = grants_missed(session);
	ck_assert_int_eq(kind->give(object), 0);
	ck_assert_msg(waiter_end(&next) == 0, "%s, %s: the next one does not get it", transport,
		      kind->name);
	ck_assert_uint_gt(grants_missed(session), missed);
	kill(frozen.pid, then);
	ck_assert_int_eq(waiter_end(&frozen), then == SIGCONT ? 0 : -1);
	ck_assert_msg(kind->take(object, HANG_TIMEOUT) == 0, "%s, %s: %s", transport, kind->name,
		      dso_error(session));
	ck_assert_int_eq(kind->give(object), 0);
	/* A newcomer to a queue looks for what a dead session left, and wakes those parked. */
	ck_assert_int_eq(dso_object_delete(session, kind->name), 0);
	dso_close(session);
}

START_TEST(a_frozen_waiter_does_not_hold_up_the_others)
{
	for (unsigned i = 0; i < KINDS; i++)
		freeze(transports[_i], kinds[i], SIGCONT);
}
END_TEST

START_TEST(a_waiter_that_dies_frozen_has_held_nothing)
{
	for (unsigned i = 0; i < KINDS; i++)
		freeze(transports[_i], kinds[i], SIGKILL);
}
END_TEST

/* ---- a party at a barrier ---- */

static struct dso_barrier *open_barrier(struct dso_session *session)
{
	struct dso_barrier_params params = {.parties = 2};
	struct dso_barrier *barrier;

	ck_assert_int_eq(dso_barrier_open(session, "barrier", &params, &barrier), 0);
	return barrier;
}

/* Until as many wait at it. */
static void until_waiting(struct dso_barrier *barrier, uint32_t parties)
{
	uint32_t waiting = 0;

	AWAIT(dso_barrier_stat(barrier, NULL, &waiting, NULL) || waiting == parties);
	ck_assert_uint_eq(waiting, parties);
}

/* In a process of its own: its result is what becomes of its wait. */
static struct waiter party_begin(const char *transport, struct dso_session *observer,
				 struct dso_barrier *watched)
{
	struct dso_options options = {.transport = transport, .poll = "block"};
	struct waiter party = {.pid = child_fork()};
	struct dso_session *session;
	int r;

	if (party.pid == 0) {
		if (dso_open(daemon_url(&storage, transport), &options, &session))
			_exit(99);
		r = dso_barrier_wait(open_barrier(session), HANG_TIMEOUT, NULL);
		dso_close(session);
		_exit(-r);
	}
	until_waiting(watched, 1);
	AWAIT(parked_count(observer) == 1);
	return party;
}

/* A round of this process's session and another one's. */
static void cross_once(const char *transport, struct dso_session *session,
		       struct dso_barrier *barrier)
{
	struct waiter party = party_begin(transport, session, barrier);

	ck_assert_int_eq(dso_barrier_wait(barrier, HANG_TIMEOUT, NULL), 0);
	ck_assert_int_eq(waiter_end(&party), 0);
}

/* A party is frozen in its round, which a reset ends, or another party before the reset. @rounds
 * later it looks. */
static void look_late(const char *transport, bool completed, unsigned rounds)
{
	struct dso_options options = {.transport = transport};
	struct dso_session *session;
	struct dso_barrier *barrier;
	struct waiter late;

	ck_assert_int_eq(dso_open(daemon_url(&storage, transport), &options, &session), 0);
	barrier = open_barrier(session);
	ck_assert_int_eq(dso_barrier_reset(barrier), 0);
	late = party_begin(transport, session, barrier);
	process_freeze(late.pid);
	if (completed)
		ck_assert_int_eq(dso_barrier_wait(barrier, HANG_TIMEOUT, NULL), 0);
	ck_assert_int_eq(dso_barrier_reset(barrier), 0);
	while (rounds--)
		cross_once(transport, session, barrier);
	kill(late.pid, SIGCONT);
	ck_assert_int_eq(waiter_end(&late), completed ? 0 : ENOTRECOVERABLE);
	dso_close(session);
}

START_TEST(a_party_that_looks_late_is_told_what_became_of_its_round)
{
	look_late(transports[_i], false, 0);
	look_late(transports[_i], false, 1);
	look_late(transports[_i], true, 0);
	look_late(transports[_i], true, 2);
	/* Later than the barrier remembers: nobody is told that all came who did not. */
	look_late(transports[_i], false, 9);
}
END_TEST

/* Of a session that ends without dso_close(). The barrier stays broken: that row is the last. */
static const struct end {
	bool joins, closes;
	int breaks;
} barrier_ends[] = {{false, false, 0}, {true, true, 0}, {true, false, 1}};
#define BARRIER_ENDS (sizeof barrier_ends / sizeof *barrier_ends)

START_TEST(only_the_end_of_a_party_breaks_a_barrier)
{
	struct dso_options options = {.transport = transports[_i]};
	const char *url = daemon_url(&storage, transports[_i]);
	struct dso_session *session;
	struct dso_barrier *barrier;
	pid_t pid;
	int broken;

	ck_assert_int_eq(dso_open(url, &options, &session), 0);
	barrier = open_barrier(session);
	ck_assert_int_eq(dso_barrier_reset(barrier), 0);
	for (unsigned i = 0; i < BARRIER_ENDS; i++) {
		const struct end *end = &barrier_ends[i];
		struct dso_server_stat stat = {0};

		pid = child_fork();
		if (pid == 0) {
			struct dso_session *own;
			struct dso_barrier *watched;

			if (dso_open(url, &options, &own))
				_exit(99);
			watched = open_barrier(own);
			open_barrier(own); /* it stays open */
			dso_barrier_stat(watched, NULL, NULL, NULL);
			if (end->joins)
				dso_barrier_wait(watched, HANG_TIMEOUT, NULL);
			if (end->closes)
				dso_barrier_close(watched);
			_exit(0); /* and not dso_close() */
		}
		if (end->joins) {
			until_waiting(barrier, 1);
			ck_assert_int_eq(dso_barrier_wait(barrier, HANG_TIMEOUT, NULL), 0);
		}
		ck_assert_int_eq(child_status(pid), 0);
		/* Its session was swept, when nobody else is left. */
		AWAIT(dso_server_stat(session, &stat) || stat.sessions == 1);
		ck_assert_uint_eq(stat.sessions, 1);
		ck_assert_int_eq(dso_barrier_stat(barrier, NULL, NULL, &broken), 0);
		ck_assert_int_eq(broken, end->breaks);
	}
	dso_close(session);
}
END_TEST

/* It was passed by so often that it takes the turn, in which nobody else takes a permit; and then
 * it freezes. */
START_TEST(a_frozen_owner_of_the_turn_does_not_keep_others_from_the_permits)
{
	struct dso_options options = {.transport = transports[_i]};
	struct dso_semaphore *semaphore, *again;
	struct dso_session *session, *next;
	const char *url = daemon_url(&storage, transports[_i]);
	struct waiter frozen;

	ck_assert_int_eq(dso_open(url, &options, &session), 0);
	ck_assert_int_eq(dso_open(url, &options, &next), 0);
	semaphore = kind_many.open(session, kind_many.name);
	again = kind_many.open(next, kind_many.name);
	ck_assert_int_eq(dso_semaphore_acquire(semaphore, 1, 0), 0);
	frozen = waiter_begin(&kind_many, transports[_i], session, 1);
	/* Two of three are free: it is passed by, until it has the turn. */
	AWAIT(dso_semaphore_acquire(again, 1, 0) || dso_semaphore_release(again, 1));
	ck_assert_int_eq(dso_semaphore_acquire(again, 1, 0), -ETIMEDOUT);
	process_freeze(frozen.pid);
	ck_assert_int_eq(dso_semaphore_acquire(again, 1, HANG_TIMEOUT), 0);
	ck_assert_int_eq(dso_semaphore_release(again, 1), 0);
	ck_assert_int_eq(dso_semaphore_release(semaphore, 1), 0);
	kill(frozen.pid, SIGCONT);
	ck_assert_int_eq(waiter_end(&frozen), 0);
	dso_close(next);
	dso_close(session);
}
END_TEST

static void setup(void)
{
	const char *const arguments[] = {"--memory", "64MiB", "--domain", "cpu",
					 "--ttl",    "60m",   NULL};

	daemon_start(&storage, arguments);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("frozen");
	TCase *tests = tcase_create("frozen");

	transports_choose(argc, argv);
	tcase_set_timeout(tests, 600);
	tcase_add_unchecked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_frozen_waiter_does_not_hold_up_the_others, 0, transport_count);
	tcase_add_loop_test(tests, a_waiter_that_dies_frozen_has_held_nothing, 0, transport_count);
	tcase_add_loop_test(tests, a_frozen_owner_of_the_turn_does_not_keep_others_from_the_permits,
			    0, transport_count);
	tcase_add_loop_test(tests, a_party_that_looks_late_is_told_what_became_of_its_round, 0,
			    transport_count);
	tcase_add_loop_test(tests, only_the_end_of_a_party_breaks_a_barrier, 0, transport_count);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
