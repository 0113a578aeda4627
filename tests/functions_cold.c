/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executors that have a process for each call, and the fork server that starts those. This program
 * is driver and worker.
 *
 *	tests/functions_cold TRANSPORT
 */
#include "lib/functions/fork_server.h"
#include "tests/await.h"
#include "tests/functions_around.h"
#include "tests/runner.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define THREAD_VARIABLE "FUNCTIONS_COLD_THREAD"

/* ---- functions ---- */

/* Who runs a call, who has started that process, how many calls have run in it, and what the
 * kernel calls it. */
struct told {
	int64_t pid, parent, calls;
	char name[16];
};

DSO_FUNCTION(tell)
{
	static int64_t calls;
	struct told told = {getpid(), getppid(), ++calls, ""};

	prctl(PR_GET_NAME, told.name);
	if (getenv(FORK_SERVER_VARIABLE))
		return dso_fail(call, -EBUSY, "what it starts would be a fork server");
	return dso_return(call, &told, sizeof told);
}

/* The first attempt tells who has started its process, and runs for ever. */
DSO_FUNCTION(run_in_first_attempt)
{
	struct dso_session *worker = dso_call_session(call);
	struct dso_counter *counter;
	int r = 0;

	if (dso_call_attempt(call) == 1)
		r = dso_counter_open(worker, "parent", NULL, &counter);
	if (dso_call_attempt(call) == 1 && r == 0)
		r = dso_counter_set(counter, getppid());
	while (dso_call_attempt(call) == 1 && r == 0)
		nap(1000000000);
	return r;
}

DSO_FUNCTION(wait_at_latch)
{
	struct dso_session *worker = dso_call_session(call);
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;
	int r = add_to_counter(worker, "waiting");

	if (r == 0)
		r = dso_latch_open(worker, "latch", &params, &latch);
	if (r == 0)
		r = dso_latch_wait(latch, DSO_FOREVER);
	return r;
}

/* Fails where more calls run at once than the argument says. */
DSO_FUNCTION(count_those_at_once)
{
	const int64_t *allowed = dso_argument(call, NULL);
	struct dso_counter *counter;
	int64_t others;
	int r = dso_counter_open(dso_call_session(call), "at once", NULL, &counter);

	if (r == 0)
		r = dso_counter_add(counter, 1, &others);
	nap(300000);
	if (r == 0)
		r = dso_counter_add(counter, -1, NULL);
	return r || others < *allowed ? r : dso_fail(call, -EBUSY, "%d others", (int)others);
}

/* ---- around a test ---- */

static void open_cold(const struct dso_executor_params *params)
{
	dso_executor_close(executor);
	executor = NULL;
	OK(dso_executor_open(session, "process:?cold", params, &executor));
}

static struct told told_by(struct dso_thread *thread)
{
	struct told told;
	void *result;

	OK(dso_thread_join(thread, DSO_FOREVER, &result, NULL));
	memcpy(&told, result, sizeof told);
	free(result);
	return told;
}

static bool is_gone(int64_t pid)
{
	return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static void *do_nothing(void *argument)
{
	pause();
	return argument;
}

/* As a library does that a program is linked with. */
__attribute__((constructor)) static void begin_thread(void)
{
	pthread_t thread;

	if (getenv(THREAD_VARIABLE) && pthread_create(&thread, NULL, do_nothing, NULL) == 0)
		pthread_detach(thread);
}

/* ---- tests ---- */

/* At first more workers end at once than may in a row without having served. */
START_TEST(a_cold_process_runs_one_call)
{
	enum { CALLS = 40, WORKERS = 8 };
	struct dso_executor_params params = {.workers = WORKERS};
	struct dso_thread *threads[CALLS];
	struct told told[CALLS];

	open_cold(&params);
	for (int i = 0; i < WORKERS; i++)
		OK(dso_thread_create(executor, wait_at_latch, NULL, 0, &threads[i]));
	AWAIT(value_of("waiting") == WORKERS);
	open_latch();
	for (int i = 0; i < WORKERS; i++)
		OK(dso_thread_join(threads[i], DSO_FOREVER, NULL, NULL));
	for (int i = 0; i < CALLS; i++)
		OK(dso_thread_create(executor, tell, NULL, 0, &threads[i]));
	for (int i = 0; i < CALLS; i++) {
		told[i] = told_by(threads[i]);
		for (int j = 0; j < i; j++)
			ck_assert_int_ne(told[j].pid, told[i].pid);
	}
}
END_TEST

/* The process of the next call starts before the one before has ended. */
START_TEST(cold_processes_run_no_more_calls_at_once_than_there_are_workers)
{
	enum { CALLS = 40 };
	struct dso_executor_params params = {.workers = 2};
	struct dso_thread *threads[CALLS];
	int64_t allowed = 2;

	open_cold(&params);
	for (int i = 0; i < CALLS; i++)
		OK(dso_thread_create(executor, count_those_at_once, &allowed, sizeof allowed,
				     &threads[i]));
	for (int i = 0; i < CALLS; i++)
		OK(dso_thread_join(threads[i], DSO_FOREVER, NULL, NULL));
}
END_TEST

START_TEST(cold_processes_are_copies_of_one_that_has_run_nothing)
{
	struct dso_executor_params params = {.workers = 2};
	int64_t server = 0;

	open_cold(&params);
	for (int i = 0; i < 5; i++) {
		struct told told = told_by(create(tell, NULL, 0));

		ck_assert_int_eq(told.calls, 1);
		ck_assert_int_ne(told.parent, getpid());
		ck_assert(i == 0 || told.parent == server);
		server = told.parent;
	}
	dso_executor_close(executor);
	executor = NULL;
	ck_assert(is_gone(server));
}
END_TEST

START_TEST(a_program_that_has_begun_threads_before_main_is_started_for_each_call)
{
	struct dso_executor_params params = {.workers = 2};
	int64_t pid = 0;

	setenv(THREAD_VARIABLE, "yes", 1);
	open_cold(&params);
	unsetenv(THREAD_VARIABLE);
	for (int i = 0; i < 3; i++) {
		struct told told = told_by(create(tell, NULL, 0));

		ck_assert_int_eq(told.calls, 1);
		ck_assert_int_eq(told.parent, getpid());
		ck_assert_int_ne(told.pid, pid);
		pid = told.pid;
	}
}
END_TEST

START_TEST(a_fork_server_that_is_killed_is_replaced_and_its_calls_are_made_again)
{
	struct dso_executor_params params = {.workers = 2};
	struct dso_thread *thread;
	int64_t server;

	open_cold(&params);
	thread = create(run_in_first_attempt, NULL, 0);
	AWAIT(value_of("parent") != 0);
	server = value_of("parent");
	ck_assert_int_eq(kill((pid_t)server, SIGKILL), 0);
	OK(join(thread));
	ck_assert_int_ne(told_by(create(tell, NULL, 0)).parent, server);
	AWAIT(is_gone(server));
}
END_TEST

/* More workers end with their server than may in a row without having served. */
START_TEST(a_fork_server_that_is_killed_again_and_again_fails_no_call)
{
	enum { CALLS = 60 };
	struct dso_executor_params params = {.workers = 16};
	struct dso_thread *threads[CALLS];

	open_cold(&params);
	for (int i = 0; i < CALLS; i++)
		threads[i] = create(tell, NULL, 0);
	for (int i = 0; i < CALLS; i++) {
		struct told told = told_by(threads[i]);

		if (i % 4 == 0)
			kill((pid_t)told.parent, SIGKILL); /* it may be gone */
	}
}
END_TEST

/* It starts nothing any more, and whoever waits for that does not keep the driver. */
START_TEST(an_executor_whose_fork_server_is_frozen_is_closed)
{
	struct dso_executor_params params = {.workers = 1};
	struct dso_thread *thread;
	struct told told;

	open_cold(&params);
	told = told_by(create(tell, NULL, 0));
	ck_assert_int_eq(kill((pid_t)told.parent, SIGSTOP), 0);
	thread = create(wait_at_latch, NULL, 0);
	dso_thread_detach(thread);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert(is_gone(told.parent));
}
END_TEST

START_TEST(workers_have_the_name_of_their_program)
{
	struct dso_executor_params params = {.workers = 1};

	open_cold(&params);
	ck_assert_str_eq(told_by(create(tell, NULL, 0)).name, program_invocation_short_name);
	dso_executor_close(executor);
	open_executor(&params);
	ck_assert_str_eq(told_by(create(tell, NULL, 0)).name, program_invocation_short_name);
}
END_TEST

/* ---- the suite ---- */

static Suite *suite(void)
{
	const TTest *const everywhere[] = {NULL};
	const TTest *const of_processes[] = {
		a_cold_process_runs_one_call,
		cold_processes_run_no_more_calls_at_once_than_there_are_workers,
		cold_processes_are_copies_of_one_that_has_run_nothing,
		a_program_that_has_begun_threads_before_main_is_started_for_each_call,
		a_fork_server_that_is_killed_is_replaced_and_its_calls_are_made_again,
		a_fork_server_that_is_killed_again_and_again_fails_no_call,
		an_executor_whose_fork_server_is_frozen_is_closed,
		workers_have_the_name_of_their_program,
		NULL,
	};

	return functions_suite("functions: cold", set_up, tear_down, everywhere, of_processes);
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc != 2) {
		fprintf(stderr, "usage: functions_cold shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
