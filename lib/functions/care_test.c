/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver does about a worker that has a call for long: which attempt it ends, and whom. */
#include "lib/functions/definitions.h"
#include "lib/functions/executor.h"
#include "lib/functions/place.h"
#include "lib/functions/worker.h"
#include "lib/objects/queue.h"
#include "tests/await.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define OK(what) ck_assert_int_eq(what, 0)
#define PREFIX   "run/care/0"
#define URL      "embedded:care"
#define LIMIT_NS (10 * DSO_SECOND)
#define LONG_NS  (20 * DSO_SECOND)
#define ROUND    3
#define RESULTS  4 /* that have room */

/* ---- a worker whose place shows what a test wants ---- */

static struct running shown;
static unsigned ends;

static int runs(struct workers *workers, unsigned index, struct running *ret_running)
{
	(void)workers;
	*ret_running = shown;
	return index ? -ENOENT : 1;
}

static void end(struct workers *workers, unsigned index, const struct running *running)
{
	(void)workers;
	ck_assert_uint_eq(index, 0);
	ck_assert_uint_eq(running->number, shown.number);
	ends++;
}

static const char *broken(struct workers *workers)
{
	(void)workers;
	return NULL;
}

static const struct workers_ops ops = {.broken = broken, .runs = runs, .end = end};
static struct workers_base base = {.ops = &ops};

/* ---- its driver, which has made a call that the worker has leased ---- */

static struct dso_session *session;
static struct dso_executor executor;
static struct dso_thread thread, *threads[2];

static struct dso_queue *open_queue(const char *what)
{
	struct dso_queue_params params = {
		.capacity = RESULTS, .item_bytes = MESSAGE_BYTES, .ephemeral = DSO_EPHEMERAL};
	struct dso_queue *queue;

	OK(dso_queue_open(session, name_of(PREFIX, what).text, &params, &queue));
	return queue;
}

static struct dso_queue_item lease(void)
{
	static uint8_t bytes[MESSAGE_BYTES];
	struct dso_queue_item item = {.bytes = bytes, .bytes_max = sizeof bytes};

	OK(dso_queue_lease(executor.calls, &item, DSO_NOWAIT));
	return item;
}

static void set_up(void)
{
	int64_t long_ago_ns = clock_now_ns() - LONG_NS;
	struct dso_queue_item item;

	OK(dso_open(URL, NULL, &session));
	threads[0] = &thread;
	thread = (struct dso_thread){.executor = &executor, .round = ROUND};
	executor = (struct dso_executor){.session = session,
					 .calls = open_queue("calls"),
					 .results = open_queue("results"),
					 .workers = (struct workers *)&base,
					 .threads = threads,
					 .threads_max = 2,
					 .next = 1,
					 .limit_ns = LIMIT_NS};
	OK(state_create(session, PREFIX, "care:", 1, &executor.state));
	OK(dso_queue_push(executor.calls, "call", 4, DSO_NOWAIT));
	item = lease();
	shown = (struct running){.ticket = item.ticket,
				 .deliveries = item.deliveries,
				 .round = ROUND,
				 .begun_ns = long_ago_ns,
				 .function_ns = long_ago_ns};
	ends = 0;
}

static void tear_down(void)
{
	state_close(&executor.state);
	dso_queue_close(executor.calls);
	dso_queue_close(executor.results);
	dso_close(session);
}

static bool is_ended(uint32_t round)
{
	bool is;

	OK(state_is_ended(&executor.state, 0, round, &is));
	return is;
}

/* ---- tests ---- */

START_TEST(an_attempt_beyond_its_limit_ends_with_its_worker)
{
	OK(executor_care(&executor));
	ck_assert_uint_eq(ends, 1);
	ck_assert(is_ended(ROUND));
	ck_assert(thread.is_overdue);
}
END_TEST

START_TEST(the_attempt_of_the_worker_that_has_the_call_by_now_goes_on)
{
	OK(dso_queue_give_back(executor.calls, shown.ticket));
	ck_assert_uint_eq(lease().deliveries, shown.deliveries + 1);
	OK(executor_care(&executor));
	ck_assert_uint_eq(ends, 1);
	ck_assert(!is_ended(ROUND));
	ck_assert(!thread.is_overdue);
}
END_TEST

START_TEST(the_round_that_the_call_has_come_to_by_now_goes_on)
{
	shown.round = ROUND - 1;
	OK(executor_care(&executor));
	ck_assert_uint_eq(ends, 1);
	ck_assert(is_ended(ROUND - 1));
	ck_assert(!is_ended(ROUND));
	ck_assert(!thread.is_overdue);
}
END_TEST

START_TEST(the_limit_counts_neither_the_argument_nor_the_result)
{
	shown.function_ns = 0;
	OK(executor_care(&executor));
	ck_assert_uint_eq(ends, 0);
	ck_assert(!is_ended(ROUND));
}
END_TEST

/* A worker that is frozen while it fetches the argument keeps no call that is cancelled. */
START_TEST(a_cancelled_call_ends_also_where_its_function_does_not_run)
{
	shown.function_ns = 0;
	OK(dso_thread_cancel(&thread));
	thread.ended_ns = shown.begun_ns;
	OK(executor_care(&executor));
	ck_assert_uint_eq(ends, 1);
}
END_TEST

/* ---- a place ---- */

static struct place place;
static struct running in_function;

DSO_FUNCTION(look_at_place)
{
	(void)call;
	return place_read(&place, &in_function) ? 0 : -EAGAIN;
}

static void *serve_one_call(void *argument)
{
	struct worker_term term = worker_whole_term(PREFIX, -1);
	char why[SENTENCE_BYTES_MAX + 1];

	term.calls_max = 1;
	term.is_thread = true;
	term.place = &place;
	*(int *)argument = worker_serve_executor(URL, &term, why, sizeof why);
	return NULL;
}

/* The worker still has the call: there is no room for the result. */
static bool has_run(struct running *ret_running)
{
	return place_read(&place, ret_running) && in_function.function_ns &&
	       ret_running->function_ns == 0;
}

START_TEST(a_place_shows_when_the_function_runs_and_what_is_leased)
{
	struct dso_thread *made;
	struct running running;
	pthread_t worker;
	bool is_leased;
	int r = 1;

	OK(build_of_this(executor.build));
	executor.attempts = 1;
	for (int i = 0; i < RESULTS; i++)
		OK(dso_queue_push(executor.results, "", 1, DSO_NOWAIT));
	OK(executor_create(&executor, look_at_place, NULL, 0, NULL, 0, &made));
	OK(pthread_create(&worker, NULL, serve_one_call, &r));
	AWAIT(has_run(&running));
	ck_assert_uint_eq(running.number, made->number);
	ck_assert_int_eq(running.begun_ns, in_function.begun_ns);
	ck_assert_int_le(running.begun_ns, in_function.function_ns);
	OK(queue_is_leased(executor.calls, running.ticket, running.deliveries, &is_leased));
	ck_assert(is_leased);
	for (int i = 0; i < RESULTS; i++)
		OK(executor_take_result(&executor, DSO_NOWAIT));
	OK(dso_thread_join(made, DSO_FOREVER, NULL, NULL));
	OK(pthread_join(worker, NULL));
	OK(r);
	ck_assert(!place_read(&place, &running));
}
END_TEST

int main(void)
{
	Suite *all = suite_create("care");
	TCase *tests = tcase_create("care");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, an_attempt_beyond_its_limit_ends_with_its_worker);
	tcase_add_test(tests, the_attempt_of_the_worker_that_has_the_call_by_now_goes_on);
	tcase_add_test(tests, the_round_that_the_call_has_come_to_by_now_goes_on);
	tcase_add_test(tests, the_limit_counts_neither_the_argument_nor_the_result);
	tcase_add_test(tests, a_cancelled_call_ends_also_where_its_function_does_not_run);
	tcase_add_test(tests, a_place_shows_when_the_function_runs_and_what_is_leased);
	suite_add_tcase(all, tests);
	return run_suite(all);
}
