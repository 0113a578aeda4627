/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that are frozen while their call is to end, or while another worker gets it, and go on
 * later. This program is driver and worker.
 *
 *	tests/functions_frozen TRANSPORT
 */
#include "lib/functions/state.h"
#include "tests/await.h"
#include "tests/cut.h"
#include "tests/functions_around.h"
#include "tests/runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- functions ---- */

/* Tell who runs the first attempt. */
static int tell_process(struct dso_call *call)
{
	struct dso_counter *counter;
	int r = dso_counter_open(dso_call_session(call), "pid", NULL, &counter);

	if (r == 0)
		r = dso_counter_set(counter, getpid());
	if (r == 0)
		dso_counter_close(counter);
	return r ? r : add_to_counter(dso_call_session(call), "begun");
}

DSO_FUNCTION(run_for_ever)
{
	int r = tell_process(call);

	while (r == 0)
		nap(1000000000);
	return r;
}

DSO_FUNCTION(freeze_for_ever)
{
	int r = tell_process(call);

	while (r == 0)
		raise(SIGSTOP);
	return r;
}

/* Its session ends at once, as that of a process does in the end that stays frozen. The argument
 * says whether the first attempt runs for ever when it thaws. */
DSO_FUNCTION(freeze_in_first_attempt)
{
	const bool *stays = dso_argument(call, NULL);
	int64_t pid = getpid();
	int r;

	if (dso_call_attempt(call) == 1) {
		static const char much[2000]; /* too long for an item */

		r = tell_process(call);
		if (r)
			return r;
		cut();
		raise(SIGSTOP);
		while (*stays)
			nap(1000000000);
		return dso_return(call, much, sizeof much);
	}
	r = add_to_counter(dso_call_session(call), "begun again");
	return r ? r : dso_return(call, &pid, sizeof pid);
}

static int wait_at_latch(struct dso_session *worker)
{
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;
	int r = dso_latch_open(worker, "latch", &params, &latch);

	if (r == 0)
		r = dso_latch_wait(latch, DSO_FOREVER);
	if (r == 0)
		dso_latch_close(latch);
	return r;
}

/* The second attempt fails, and the third waits before it returns nothing. */
DSO_FUNCTION(freeze_then_fail)
{
	static const char much[2000]; /* too long for an item */
	unsigned attempt = dso_call_attempt(call);
	int r = attempt == 1 ? tell_process(call)
			     : add_to_counter(dso_call_session(call), "begun again");

	if (r)
		return r;
	if (attempt == 2)
		return dso_fail(call, -EIO, "as it is to");
	if (attempt > 2)
		return wait_at_latch(dso_call_session(call));
	cut();
	raise(SIGSTOP);
	return dso_return(call, much, sizeof much);
}

DSO_FUNCTION(return_process)
{
	int64_t pid = getpid();

	return dso_return(call, &pid, sizeof pid);
}

/* ---- around a test ---- */

/* The process that a function has returned. */
static pid_t process_of(struct dso_thread *thread)
{
	void *result;
	int64_t pid;

	OK(dso_thread_join(thread, DSO_FOREVER, &result, NULL));
	memcpy(&pid, result, sizeof pid);
	free(result);
	return (pid_t)pid;
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) != 0 && errno == ESRCH;
}

/* It may be about to freeze. */
static bool has_thawed_and_gone(pid_t pid)
{
	kill(pid, SIGCONT);
	return is_gone(pid);
}

/* The call @number of the test. */
static struct dso_thread *begin_frozen_call(int64_t number, pid_t *ret_worker)
{
	struct dso_thread *thread = create(run_for_ever, NULL, 0);

	AWAIT(value_of("begun") == number + 1);
	*ret_worker = (pid_t)value_of("pid");
	process_freeze(*ret_worker);
	return thread;
}

/* Calls that were ended are off the queue. A result that has come makes the driver look. */
static bool none_is_ended(void)
{
	struct search search = objects_of_run("/state");
	struct state_header header;
	struct dso_memory *memory;

	process_of(create(return_process, NULL, 0));
	ck_assert_uint_eq(search.count, 1);
	OK(dso_memory_open(session, search.name, NULL, &memory));
	OK(dso_memory_read(memory, 0, &header, sizeof header));
	dso_memory_close(memory);
	return le64_get(header.ended) == 0;
}

static void open_other_executor(int64_t limit)
{
	dso_executor_close(executor);
	open_executor(&(struct dso_executor_params){.workers = 2, .limit = limit});
}

/* ---- tests ---- */

/* One by its driver, one as dsoctl does it. */
START_TEST(calls_of_frozen_workers_are_cancelled)
{
	pid_t workers[2];
	struct dso_thread *own = begin_frozen_call(0, &workers[0]);
	struct dso_thread *other = begin_frozen_call(1, &workers[1]);
	struct search search = objects_of_run("/state");

	*strrchr(search.name, '/') = 0;
	OK(dso_thread_cancel(own));
	/* The driver tells how many calls it has made. */
	AWAIT(dso_thread_join(other, 150 * DSO_MILLISECOND, NULL, NULL) == -ETIMEDOUT &&
	      dso_call_end(session, search.name, 1) == 0);
	ck_assert_int_eq(join(own), -ENODATA);
	ck_assert_int_eq(join(other), -ENODATA);
	AWAIT(is_gone(workers[0]));
	AWAIT(is_gone(workers[1]));
	AWAIT(none_is_ended());
	ck_assert_int_eq(value_of("begun"), 2);
}
END_TEST

START_TEST(a_call_whose_worker_freezes_is_over_its_limit)
{
	struct dso_retry retry = {.retries = 1, .pause = DSO_MILLISECOND};
	struct dso_executor_params params = {
		.workers = 1, .limit = 100 * DSO_MILLISECOND, .retry = &retry};

	dso_executor_close(executor);
	open_executor(&params);
	ck_assert_int_eq(join(create(freeze_for_ever, NULL, 0)), -ETIME);
	AWAIT(is_gone((pid_t)value_of("pid")));
	AWAIT(none_is_ended());
	ck_assert_int_eq(value_of("begun"), 2);
}
END_TEST

START_TEST(a_frozen_worker_ends_with_its_executor)
{
	pid_t worker;

	begin_frozen_call(0, &worker);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert(is_gone(worker));
	ck_assert_uint_eq(objects_of_run("").count, 0);
}
END_TEST

/* What its attempt returns does not stay. */
START_TEST(a_worker_that_thaws_after_another_got_its_call_serves_again)
{
	struct dso_thread *thread;
	pid_t worker;
	bool stays = false;

	thread = create(freeze_in_first_attempt, &stays, sizeof stays);
	AWAIT(value_of("begun") == 1);
	worker = (pid_t)value_of("pid");
	ck_assert_int_ne(process_of(thread), worker);
	AWAIT((kill(worker, SIGCONT), process_of(create(return_process, NULL, 0)) == worker));
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
}
END_TEST

START_TEST(a_long_result_that_comes_after_a_short_one_does_not_stay)
{
	struct dso_thread *thread;
	pid_t worker;
	bool stays = false;

	thread = create(freeze_in_first_attempt, &stays, sizeof stays);
	AWAIT(value_of("begun") == 1);
	worker = (pid_t)value_of("pid");
	AWAIT(value_of("begun again") == 1);
	/* The other worker runs this one when it has told the result. */
	ck_assert_int_ne(process_of(create(return_process, NULL, 0)), worker);
	AWAIT((kill(worker, SIGCONT), process_of(create(return_process, NULL, 0)) == worker));
	ck_assert_int_ne(process_of(thread), worker);
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
}
END_TEST

/* The driver is told of the long one in the middle of the next round. */
START_TEST(a_long_result_of_the_round_before_does_not_stay_beside_a_short_one)
{
	struct dso_retry retry = {.retries = 1, .pause = DSO_MILLISECOND};
	struct dso_thread *thread, *next;
	pid_t worker;

	dso_executor_close(executor);
	open_executor(&(struct dso_executor_params){.workers = 2, .retry = &retry});
	thread = create(freeze_then_fail, NULL, 0);
	AWAIT(dso_thread_join(thread, 10 * DSO_MILLISECOND, NULL, NULL) == -ETIMEDOUT &&
	      value_of("begun again") == 2);
	worker = (pid_t)value_of("pid");
	next = create(return_process, NULL, 0);
	AWAIT((kill(worker, SIGCONT),
	       dso_thread_join(next, 10 * DSO_MILLISECOND, NULL, NULL) == 0));
	open_latch();
	ck_assert_int_eq(join(thread), 0);
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
}
END_TEST

START_TEST(a_worker_that_thaws_beyond_its_limit_ends_no_attempt_but_its_own)
{
	struct dso_thread *thread;
	pid_t worker;
	bool stays = true;

	open_other_executor(200 * DSO_MILLISECOND);
	thread = create(freeze_in_first_attempt, &stays, sizeof stays);
	AWAIT(value_of("begun") == 1);
	worker = (pid_t)value_of("pid");
	ck_assert_int_ne(process_of(thread), worker);
	AWAIT(has_thawed_and_gone(worker));
	ck_assert(none_is_ended());
}
END_TEST

/* ---- the suite ---- */

static Suite *suite(void)
{
	/* Over shm a session stays as long as its frozen process is there. */
	bool ends_frozen = strcmp(transport, "shm") != 0;
	const TTest *const of_processes[] = {
		calls_of_frozen_workers_are_cancelled,
		a_call_whose_worker_freezes_is_over_its_limit,
		a_frozen_worker_ends_with_its_executor,
		ends_frozen ? a_worker_that_thaws_after_another_got_its_call_serves_again : NULL,
		ends_frozen ? a_long_result_that_comes_after_a_short_one_does_not_stay : NULL,
		a_long_result_of_the_round_before_does_not_stay_beside_a_short_one,
		a_worker_that_thaws_beyond_its_limit_ends_no_attempt_but_its_own,
		NULL,
	};
	const TTest *const none = NULL;

	return functions_suite("functions: frozen", set_up, tear_down, &none, of_processes);
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc != 2) {
		fprintf(stderr, "usage: functions_frozen shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
