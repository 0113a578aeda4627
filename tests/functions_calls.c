/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls at once, calls that are cancelled, that run for too long, that are made again. This
 * program is driver and worker.
 *
 *	tests/functions_calls TRANSPORT
 */
#include "lib/functions/state.h"
#include "tests/await.h"
#include "tests/functions_around.h"
#include "tests/runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- functions ---- */

DSO_FUNCTION(square)
{
	const uint64_t *number = dso_argument(call, NULL);
	uint64_t result = *number * *number;

	return dso_return(call, &result, sizeof result);
}

/* Of odd numbers it fails. */
DSO_FUNCTION(halve)
{
	const uint64_t *number = dso_argument(call, NULL);
	uint64_t result = *number / 2;

	return *number % 2 ? dso_fail(call, -EDOM, "%d is odd", (int)*number)
			   : dso_return(call, &result, sizeof result);
}

DSO_FUNCTION(count)
{
	return add_to_counter(dso_call_session(call), "count");
}

/* Tell that it runs, and by whom, and run until the latch opens, if ever. */
DSO_FUNCTION(wait_at_latch)
{
	struct dso_session *worker = dso_call_session(call);
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;
	struct dso_counter *counter;
	int r = dso_counter_open(worker, "pid", NULL, &counter);

	if (r == 0)
		r = dso_counter_set(counter, getpid());
	if (r == 0)
		r = add_to_counter(worker, "waiting");
	if (r == 0)
		r = dso_latch_open(worker, "latch", &params, &latch);
	if (r == 0)
		r = dso_latch_wait(latch, DSO_FOREVER);
	return r;
}

DSO_FUNCTION(run_for)
{
	nap(*(const int64_t *)dso_argument(call, NULL));
	return 0;
}

/* Ends when it is told to. */
DSO_FUNCTION(run_until_cancelled)
{
	int r = add_to_counter(dso_call_session(call), "waiting");

	while (r == 0 && !dso_call_is_cancelled(call))
		nap(1000000);
	return r ? r : add_to_counter(dso_call_session(call), "told");
}

/* Fails in each attempt before the one that the argument says. */
DSO_FUNCTION(fail_before_attempt)
{
	const unsigned *attempt = dso_argument(call, NULL);
	int r = add_to_counter(dso_call_session(call), "count");

	return r ? r : dso_call_attempt(call) < *attempt ? -EAGAIN : 0;
}

/* The sum of the indices of its range, times what is shared. */
DSO_FUNCTION(sum_up)
{
	const struct dso_range *range = dso_argument(call, NULL);
	const uint64_t *factor = (const uint64_t *)(range + 1);
	uint64_t sum = 0;

	for (uint64_t i = range->begin; i < range->end; i++)
		sum += i * *factor;
	return dso_return(call, &sum, sizeof sum);
}

/* ---- around a test ---- */

static void open_other_executor(const struct dso_executor_params *params)
{
	dso_executor_close(executor);
	open_executor(params);
}

static void read_state(uint64_t offset, void *buffer, size_t bytes)
{
	struct search search = objects_of_run("/state");
	struct dso_memory *memory;

	ck_assert_uint_eq(search.count, 1);
	OK(dso_memory_open(session, search.name, NULL, &memory));
	OK(dso_memory_read(memory, offset, buffer, bytes));
	dso_memory_close(memory);
}

static struct state_header header(void)
{
	struct state_header header;

	read_state(0, &header, sizeof header);
	return header;
}

/* Whether a row says that a worker runs @function. */
static bool is_shown(const char *function)
{
	uint32_t rows = le32_get(header().rows);
	struct state_row row;

	for (uint32_t i = 0; i < rows; i++) {
		read_state(STATE_ROWS_OFFSET + i * sizeof row, &row, sizeof row);
		if (le64_get(row.owner) && le64_get(row.since_ns) &&
		    strncmp((const char *)row.function, function, sizeof row.function) == 0)
			return true;
	}
	return false;
}

/* Calls that were ended are off the queue. */
static bool none_is_ended(void)
{
	ck_assert_int_eq(join(create(count, NULL, 0)), 0);
	return le64_get(header().ended) == 0;
}

/* ---- map, invoke_all ---- */

struct seen {
	uint64_t calls, running_max;
	struct dso_progress last;
};

static void note_progress(void *context, const struct dso_progress *progress)
{
	struct seen *seen = context;

	seen->calls++;
	if (progress->running > seen->running_max)
		seen->running_max = progress->running;
	seen->last = *progress;
}

START_TEST(map_gives_each_item_its_result)
{
	static uint64_t numbers[500];
	static struct dso_result results[500];

	for (uint64_t i = 0; i < 500; i++)
		numbers[i] = i;
	OK(dso_executor_map(executor, square, numbers, sizeof *numbers, 500, NULL, DSO_FOREVER,
			    results));
	for (uint64_t i = 0; i < 500; i++) {
		ck_assert_int_eq(results[i].status, 0);
		ck_assert_uint_eq(results[i].bytes, sizeof(uint64_t));
		ck_assert_uint_eq(*(uint64_t *)results[i].value, i * i);
	}
	dso_results_free(results, 500);
	ck_assert_ptr_null(results[7].value);
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
	OK(dso_executor_map(executor, square, NULL, 0, 0, NULL, DSO_FOREVER, results));
}
END_TEST

START_TEST(map_makes_no_more_calls_at_a_time_than_it_may)
{
	struct seen seen = {.calls = 0};
	struct dso_many_params params = {
		.concurrency = 3, .progress = note_progress, .context = &seen};
	uint64_t numbers[40] = {0};
	struct dso_result results[40];

	OK(dso_executor_map(executor, square, numbers, sizeof *numbers, 40, &params, DSO_FOREVER,
			    results));
	dso_results_free(results, 40);
	ck_assert_uint_eq(seen.calls, 40);
	ck_assert_uint_eq(seen.running_max, 2); /* besides the one that has just ended */
	ck_assert_uint_eq(seen.last.count, 40);
	ck_assert_uint_eq(seen.last.done, 40);
	ck_assert_uint_eq(seen.last.running, 0);
	ck_assert_uint_eq(seen.last.failed, 0);
}
END_TEST

START_TEST(a_failure_in_a_map_leaves_the_others_alone)
{
	uint64_t numbers[] = {4, 5, 6, 7};
	struct seen seen = {.calls = 0};
	struct dso_many_params params = {.progress = note_progress, .context = &seen};
	struct dso_result results[4];

	ck_assert_int_eq(dso_executor_map(executor, halve, numbers, sizeof *numbers, 4, &params,
					  DSO_FOREVER, results),
			 -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "5 is odd"));
	ck_assert_uint_eq(*(uint64_t *)results[2].value, 3);
	ck_assert_int_eq(results[3].status, -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(results[3].sentence, "7 is odd"));
	ck_assert_uint_eq(seen.last.failed, 2);
	dso_results_free(results, 4);
}
END_TEST

START_TEST(a_map_that_times_out_leaves_nothing)
{
	struct dso_result results[20];

	ck_assert_int_eq(dso_executor_map(executor, wait_at_latch, NULL, 0, 20, NULL,
					  DSO_MILLISECOND, results),
			 -ETIMEDOUT);
	ck_assert_ptr_null(results[0].value);
	open_latch();
	AWAIT(none_is_ended());
	ck_assert_int_le(value_of("waiting"), 2);
}
END_TEST

START_TEST(invoke_all_makes_calls_that_differ)
{
	uint64_t number = 6;
	struct dso_invocation invocations[] = {
		{square, &number, sizeof number},
		{halve, &number, sizeof number},
		{count, NULL, 0},
	};
	struct dso_result results[3];

	OK(dso_executor_invoke_all(executor, invocations, 3, NULL, DSO_FOREVER, results));
	ck_assert_uint_eq(*(uint64_t *)results[0].value, 36);
	ck_assert_uint_eq(*(uint64_t *)results[1].value, 3);
	ck_assert_uint_eq(results[2].bytes, 0);
	ck_assert_int_eq(value_of("count"), 1);
	dso_results_free(results, 3);
}
END_TEST

/* ---- invoke_any ---- */

START_TEST(the_first_success_counts_and_the_others_are_cancelled)
{
	uint64_t odd = 3, even = 8;
	struct dso_invocation invocations[] = {
		{halve, &odd, sizeof odd},
		{run_until_cancelled, NULL, 0},
		{halve, &even, sizeof even},
		{run_until_cancelled, NULL, 0},
	};
	void *result;
	size_t index, bytes;

	OK(dso_executor_invoke_any(executor, invocations, 4, NULL, DSO_FOREVER, &index, &result,
				   &bytes));
	ck_assert_uint_eq(index, 2);
	ck_assert_uint_eq(bytes, sizeof(uint64_t));
	ck_assert_uint_eq(*(uint64_t *)result, 4);
	free(result);
	AWAIT(none_is_ended());
}
END_TEST

START_TEST(where_all_fail_the_last_failure_counts)
{
	uint64_t odd = 3;
	struct dso_invocation invocations[] = {
		{halve, &odd, sizeof odd},
		{halve, &odd, sizeof odd},
	};

	ck_assert_int_eq(dso_executor_invoke_any(executor, invocations, 2, NULL, DSO_FOREVER, NULL,
						 NULL, NULL),
			 -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "3 is odd"));
	ck_assert_int_eq(dso_executor_invoke_any(executor, invocations, 0, NULL, DSO_FOREVER, NULL,
						 NULL, NULL),
			 -EINVAL);
}
END_TEST

/* ---- a range ---- */

struct sum {
	uint64_t sum, indices;
	int error; /* to be returned */
};

static int add_up(void *context, const struct dso_range *chunk, const void *result, size_t bytes)
{
	struct sum *sum = context;
	uint64_t part;

	ck_assert_uint_eq(bytes, sizeof part);
	memcpy(&part, result, sizeof part);
	sum->sum += part;
	sum->indices += chunk->end - chunk->begin;
	return sum->error;
}

START_TEST(a_loop_covers_each_index_once)
{
	static const uint64_t chunks[] = {0, 1, 7, 100, 5000};
	static const uint64_t factor = 3;

	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
		struct dso_range range = {10, 110};
		struct sum sum = {.sum = 0};

		OK(dso_parallel_for(executor, sum_up, &range, chunks[i], &factor, sizeof factor,
				    add_up, &sum, NULL, DSO_FOREVER));
		ck_assert_uint_eq(sum.indices, 100);
		ck_assert_uint_eq(sum.sum, (uint64_t)factor * (10 + 109) * 100 / 2);
	}
	OK(dso_parallel_for(executor, sum_up, &(struct dso_range){5, 5}, 0, NULL, 0, NULL, NULL,
			    NULL, DSO_FOREVER));
}
END_TEST

START_TEST(a_loop_ends_with_its_first_failure)
{
	static const uint64_t factor = 1;
	struct dso_range range = {0, 100}, empty = {3, 2};
	struct sum sum = {.error = -EXDEV};

	ck_assert_int_eq(dso_parallel_for(executor, sum_up, &range, 10, &factor, sizeof factor,
					  add_up, &sum, NULL, DSO_FOREVER),
			 -EXDEV);
	ck_assert_uint_eq(sum.indices, 10);
	ck_assert_int_eq(dso_parallel_for(executor, halve, &(struct dso_range){1, 10}, 1, NULL, 0,
					  NULL, NULL, NULL, DSO_FOREVER),
			 -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "is odd"));
	ck_assert_int_eq(dso_parallel_for(executor, sum_up, &empty, 1, NULL, 0, NULL, NULL, NULL,
					  DSO_FOREVER),
			 -EINVAL);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(a_call_that_is_cancelled_before_a_worker_takes_it_never_runs)
{
	struct dso_thread *busy[2], *cancelled[20];

	for (int i = 0; i < 2; i++)
		busy[i] = create(wait_at_latch, NULL, 0);
	AWAIT(value_of("waiting") == 2);
	for (int i = 0; i < 20; i++) {
		cancelled[i] = create(count, NULL, 0);
		OK(dso_thread_cancel(cancelled[i]));
		OK(dso_thread_cancel(cancelled[i]));
	}
	ck_assert_uint_eq(le64_get(header().ended), 20);
	open_latch();
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(join(cancelled[i]), -ENODATA);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "cancelled"));
	for (int i = 0; i < 2; i++)
		OK(join(busy[i]));
	ck_assert_int_eq(value_of("count"), 0);
	ck_assert(none_is_ended());
}
END_TEST

START_TEST(a_call_that_has_its_result_keeps_it_when_it_is_cancelled)
{
	struct dso_thread *first = create(count, NULL, 0), *second = create(count, NULL, 0);

	while (value_of("count") < 2)
		nap(1000000);
	OK(join(second));
	/* Its result is before that of the second, or behind it and still to be taken. */
	OK(join(create(count, NULL, 0)));
	OK(dso_thread_cancel(first));
	OK(join(first));
	ck_assert(none_is_ended());
}
END_TEST

START_TEST(a_function_is_told_that_it_is_cancelled)
{
	struct dso_thread *thread;

	dso_executor_close(executor);
	OK(dso_executor_open(session, "thread:", NULL, &executor));
	thread = create(run_until_cancelled, NULL, 0);
	AWAIT(value_of("waiting") == 1);
	OK(dso_thread_cancel(thread));
	ck_assert_int_eq(join(thread), -ENODATA);
	ck_assert_int_eq(value_of("told"), 1);
	AWAIT(none_is_ended());
}
END_TEST

START_TEST(cancelling_a_call_that_runs_ends_its_worker)
{
	struct dso_thread *thread = create(wait_at_latch, NULL, 0);
	pid_t worker;

	AWAIT(value_of("waiting") == 1);
	worker = (pid_t)value_of("pid");
	OK(dso_thread_cancel(thread));
	ck_assert_int_eq(join(thread), -ENODATA);
	AWAIT(kill(worker, 0) != 0 && errno == ESRCH);
	AWAIT(none_is_ended());
	ck_assert_int_eq(value_of("waiting"), 1);
}
END_TEST

/* ---- limits of time ---- */

START_TEST(a_function_that_runs_for_too_long_is_ended_and_not_run_again)
{
	struct dso_executor_params params = {.workers = 2, .limit = 20 * DSO_MILLISECOND};
	struct dso_thread *thread;

	open_other_executor(&params);
	thread = create(wait_at_latch, NULL, 0);
	ck_assert_int_eq(join(thread), -ETIME);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "longer"));
	AWAIT(kill((pid_t)value_of("pid"), 0) != 0 && errno == ESRCH);
	AWAIT(none_is_ended());
	ck_assert_int_eq(value_of("waiting"), 1);
}
END_TEST

START_TEST(in_a_thread_a_function_that_runs_for_too_long_is_told)
{
	struct dso_executor_params params = {.workers = 1, .limit = 20 * DSO_MILLISECOND};

	dso_executor_close(executor);
	OK(dso_executor_open(session, "thread:", &params, &executor));
	ck_assert_int_eq(join(create(run_until_cancelled, NULL, 0)), -ETIME);
	OK(join(create(count, NULL, 0)));
	ck_assert_int_eq(value_of("told"), 1);
}
END_TEST

/* ---- retries ---- */

START_TEST(a_call_that_fails_is_made_again)
{
	struct dso_retry retry = {.retries = 2, .pause = DSO_MILLISECOND};
	struct dso_executor_params params = {.workers = 1, .retry = &retry};
	unsigned attempt = 3;

	open_other_executor(&params);
	OK(join(create(fail_before_attempt, &attempt, sizeof attempt)));
	ck_assert_int_eq(value_of("count"), 3);
	attempt = 4;
	ck_assert_int_eq(join(create(fail_before_attempt, &attempt, sizeof attempt)), -EREMOTEIO);
	ck_assert_int_eq(value_of("count"), 6);
}
END_TEST

START_TEST(a_call_that_pauses_is_cancelled_at_once)
{
	struct dso_retry retry = {
		.retries = 1, .pause = 3600 * DSO_SECOND, .pause_max = 3600 * DSO_SECOND};
	struct dso_executor_params params = {.workers = 1, .retry = &retry};
	unsigned attempt = 2;
	struct dso_thread *thread;

	open_other_executor(&params);
	thread = create(fail_before_attempt, &attempt, sizeof attempt);
	OK(join(create(count, NULL, 0)));
	ck_assert_int_eq(dso_thread_join(thread, DSO_MILLISECOND, NULL, NULL), -ETIMEDOUT);
	OK(dso_thread_cancel(thread));
	ck_assert_int_eq(join(thread), -ENODATA);
	ck_assert_int_eq(value_of("count"), 2);
}
END_TEST

START_TEST(a_call_that_ran_for_too_long_is_made_again)
{
	struct dso_retry retry = {.retries = 1, .pause = DSO_MILLISECOND};
	struct dso_executor_params params = {
		.workers = 1, .limit = 20 * DSO_MILLISECOND, .retry = &retry};

	open_other_executor(&params);
	ck_assert_int_eq(join(create(wait_at_latch, NULL, 0)), -ETIME);
	AWAIT(none_is_ended());
	ck_assert_int_eq(value_of("waiting"), 2);
}
END_TEST

/* ---- what others see ---- */

/* The first look at a worker's calls takes longer than others: it begins a session. It is over,
 * most likely, when the test looks, too. */
START_TEST(a_call_that_ends_while_it_is_looked_at_is_not_shown_any_more)
{
	struct dso_executor_params params = {.workers = 1};

	for (int i = 0; i < 12; i++) {
		int64_t ns = STATE_LOOK_NS + i * 200000;

		dso_executor_close(executor);
		open_executor(&params);
		OK(join(create(run_for, &ns, sizeof ns)));
		nap(STATE_LOOK_NS);
		AWAIT(!is_shown("run_for"));
	}
}
END_TEST

START_TEST(a_call_that_runs_is_shown_with_its_worker)
{
	struct dso_thread *thread = create(wait_at_latch, NULL, 0);

	AWAIT(is_shown("wait_at_latch"));
	ck_assert_int_eq(dso_thread_join(thread, 300 * DSO_MILLISECOND, NULL, NULL), -ETIMEDOUT);
	ck_assert_uint_eq(le64_get(header().counts.made), 1);
	ck_assert_uint_eq(le64_get(header().counts.over), 0);
	open_latch();
	OK(join(thread));
	AWAIT(!is_shown("wait_at_latch"));
}
END_TEST

START_TEST(a_process_of_an_unknown_kind_is_refused)
{
	struct dso_executor *other;

	ck_assert_int_eq(dso_executor_open(session, "process:?warm", NULL, &other), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "?cold"));
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	struct dso_many_params many = {.concurrency = DSO_THREADS_WAITING_MAX + 1};
	struct dso_retry retry = {.factor = 0.5};
	struct dso_executor_params params = {.retry = &retry};
	struct dso_executor *other;
	struct dso_result result;

	ck_assert_int_eq(dso_executor_map(executor, count, NULL, 0, 1, &many, DSO_FOREVER, &result),
			 -EINVAL);
	many = (struct dso_many_params){.reserved = {1}};
	ck_assert_int_eq(dso_executor_map(executor, count, NULL, 0, 1, &many, DSO_FOREVER, &result),
			 -EINVAL);
	ck_assert_int_eq(dso_executor_map(executor, count, NULL, 0, 1, NULL, -7, &result), -EINVAL);
	ck_assert_int_eq(dso_executor_map(executor, NULL, NULL, 0, 1, NULL, DSO_FOREVER, &result),
			 -EINVAL);
	ck_assert_int_eq(dso_executor_open(session, "thread:", &params, &other), -EINVAL);
	params = (struct dso_executor_params){.limit = -1};
	ck_assert_int_eq(dso_executor_open(session, "thread:", &params, &other), -EINVAL);
}
END_TEST

/* ---- the suite ---- */

static Suite *suite(void)
{
	const TTest *const everywhere[] = {
		map_gives_each_item_its_result,
		map_makes_no_more_calls_at_a_time_than_it_may,
		a_failure_in_a_map_leaves_the_others_alone,
		a_map_that_times_out_leaves_nothing,
		invoke_all_makes_calls_that_differ,
		the_first_success_counts_and_the_others_are_cancelled,
		where_all_fail_the_last_failure_counts,
		a_loop_covers_each_index_once,
		a_loop_ends_with_its_first_failure,
		a_call_that_is_cancelled_before_a_worker_takes_it_never_runs,
		a_call_that_has_its_result_keeps_it_when_it_is_cancelled,
		a_function_is_told_that_it_is_cancelled,
		in_a_thread_a_function_that_runs_for_too_long_is_told,
		a_call_that_fails_is_made_again,
		a_call_that_pauses_is_cancelled_at_once,
		a_call_that_ends_while_it_is_looked_at_is_not_shown_any_more,
		a_call_that_runs_is_shown_with_its_worker,
		what_makes_no_sense_is_refused,
		NULL,
	};
	const TTest *const of_processes[] = {
		cancelling_a_call_that_runs_ends_its_worker,
		a_function_that_runs_for_too_long_is_ended_and_not_run_again,
		a_call_that_ran_for_too_long_is_made_again,
		a_process_of_an_unknown_kind_is_refused,
		NULL,
	};

	return functions_suite("functions: calls", set_up, tear_down, everywhere, of_processes);
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc != 2) {
		fprintf(stderr, "usage: functions_calls embedded|shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
