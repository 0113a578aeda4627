/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: what a driver that is started again finds, and every way in which a driver ends. This
 * program is driver and worker; "driver SCENARIO" has it be a driver of the run "r" in a process of
 * its own.
 *
 *	tests/runs TRANSPORT
 */
#include "tests/await.h"
#include "tests/functions_around.h"
#include "tests/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES "RUNS_LINES" /* in the environment: functions write, and the driver asks for lines */

/* ---- functions ---- */

/* Its argument is the length of its result, which is made of the call's number. */
DSO_FUNCTION(fill)
{
	const size_t *bytes = dso_argument(call, NULL);
	void *value = malloc(*bytes + 1);
	int r = add_to_counter(dso_call_session(call), "count");

	if (getenv(LINES))
		printf("filling\n");
	memset(value, 'a' + (int)dso_call_number(call), *bytes);
	if (r == 0)
		r = dso_return(call, value, *bytes);
	free(value);
	return r;
}

DSO_FUNCTION(fill_otherwise)
{
	return dso_return(call, "other", 5);
}

DSO_FUNCTION(fill_when_latch_opens)
{
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;
	int r = dso_latch_open(dso_call_session(call), "latch", &params, &latch);

	return r ? r : (r = dso_latch_wait(latch, DSO_FOREVER)) ? r : fill(call);
}

/* An argument is not what the function makes of it. */
DSO_FUNCTION(overwrite)
{
	memset(dso_argument(call, NULL), 0, sizeof(size_t));
	return add_to_counter(dso_call_session(call), "count");
}

DSO_FUNCTION(always_fail)
{
	add_to_counter(dso_call_session(call), "count");
	return dso_fail(call, -EDOM, "as always");
}

DSO_FUNCTION(open_executor_inside)
{
	struct dso_executor *inside;
	int r = dso_executor_open(dso_call_session(call), "thread:", NULL, &inside);

	if (r == 0)
		dso_executor_close(inside);
	return r;
}

/* ---- a driver ---- */

#define CALLS 7

/* Around what lies in one entry of a map, or fits into one. */
static const size_t lengths[CALLS] = {0, 1, 960, 961, 1 << 20, (1 << 20) + 1, 5000000};

enum {
	DONE = 0,
	FAILED = 1,
	REFUSED_AS_BUSY = 3,
	REFUSED_AS_OTHER = 4,
};

static bool is_filled(const char *value, size_t bytes, size_t number)
{
	for (size_t i = 0; i < bytes; i++)
		if (value[i] != 'a' + (char)number)
			return false;
	return bytes == lengths[number];
}

static int status_of_error(int r)
{
	return r == -EBUSY ? REFUSED_AS_BUSY
	       : r == -EEXIST
		       ? REFUSED_AS_OTHER
		       : (fprintf(stderr, "driver: %d: %s\n", r, dso_error(session)), FAILED);
}

/* Make the calls, from the fourth on of @of_later, and join those before @joined. */
static int make_calls(dso_function of_later, size_t joined)
{
	struct dso_thread *threads[CALLS];
	size_t bytes;
	void *value;
	int r;

	for (size_t i = 0; i < CALLS; i++) {
		r = dso_thread_create(executor, i < 3 ? fill : of_later, &lengths[i],
				      sizeof lengths[i], &threads[i]);
		if (r)
			return status_of_error(r);
	}
	for (size_t i = 0; i < joined; i++) {
		r = dso_thread_join(threads[i], DSO_FOREVER, &value, &bytes);
		if (r || !is_filled(value, bytes, i))
			return status_of_error(r);
		free(value);
	}
	return DONE;
}

static unsigned workers = CALLS;

static int open_run(struct dso_executor **ret_executor, uint64_t ephemeral)
{
	struct dso_executor_params params = {.workers = workers,
					     .run = "r",
					     .ephemeral = ephemeral,
					     .output = getenv(LINES) ? dso_output_print : NULL};

	return dso_executor_open(session, "process:", &params, ret_executor);
}

static int call_one(dso_function function)
{
	struct dso_thread *thread;
	int r = dso_thread_create(executor, function, &lengths[0], sizeof lengths[0], &thread);

	return r ? r : dso_thread_join(thread, DSO_FOREVER, NULL, NULL);
}

/* What a driver does with its executor, and whether it stays until it is killed. */
static int drive(const char *scenario)
{
	struct dso_executor *second;
	int r;

	if (strcmp(scenario, "whole") == 0)
		return make_calls(fill, CALLS);
	if (strcmp(scenario, "half") == 0 || strcmp(scenario, "ephemeral") == 0) {
		r = make_calls(fill_when_latch_opens, 3);
		add_to_counter(session, "waiting");
		while (r == DONE)
			pause();
		return r;
	}
	if (strcmp(scenario, "rest") == 0 || strcmp(scenario, "waiting") == 0)
		return make_calls(fill_when_latch_opens, CALLS);
	if (strcmp(scenario, "another function") == 0)
		return status_of_error(call_one(fill_otherwise));
	if (strcmp(scenario, "another argument") == 0)
		return status_of_error(
			dso_thread_create(executor, fill, "x", 1, &(struct dso_thread *){NULL}));
	if (strcmp(scenario, "overwrite") == 0)
		return call_one(overwrite) ? FAILED : DONE;
	if (strcmp(scenario, "failing") == 0)
		return call_one(always_fail) == -EREMOTEIO ? DONE : FAILED;
	if (strcmp(scenario, "inside") == 0)
		return call_one(open_executor_inside) ? FAILED : DONE;
	/* "two executors" */
	r = call_one(fill);
	if (r == 0)
		r = open_run(&second, 0);
	if (r)
		return status_of_error(r);
	dso_executor_close(executor);
	executor = second;
	return call_one(overwrite) ? FAILED : DONE;
}

static int be_driver(const char *scenario)
{
	bool is_ephemeral = strcmp(scenario, "ephemeral") == 0;
	struct dso_options options = {.linger = is_ephemeral ? 50 * DSO_SECOND : 0};
	int r = dso_open(NULL, &options, &session);

	/* So that calls wait. */
	if (strcmp(scenario, "waiting") == 0)
		workers = 2;
	if (r == 0)
		r = open_run(&executor, is_ephemeral ? DSO_EPHEMERAL : 0);
	r = r ? status_of_error(r) : drive(scenario);
	dso_executor_close(executor);
	dso_close(session);
	return r;
}

/* ---- around a test ---- */

static pid_t start_driver(const char *scenario)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		setenv("DSO_URL", daemon_url(&storaged, transport), 1);
		setenv("DSO_TRANSPORT", transport, 1);
		execl("/proc/self/exe", "runs", "driver", scenario, NULL);
		_exit(127);
	}
	return pid;
}

static int status_of(pid_t driver)
{
	int status = child_status(driver);

	ck_assert_int_ge(status, 0);
	return status;
}

static int run_driver(const char *scenario)
{
	return status_of(start_driver(scenario));
}

/* A driver that was killed in the middle of its calls, three of which are done. */
static void kill_driver(pid_t driver)
{
	ck_assert_int_eq(child_kill(driver), CHILD_KILLED);
}

static void set_up_without_executor(void)
{
	set_up();
	dso_executor_close(executor);
	executor = NULL;
}

/* Executors of the run are counted in this process, for each test from 0. */
static void tear_down_with_run(void)
{
	dso_executor_close(executor);
	executor = NULL;
	OK(dso_run_end(session, "r"));
	tear_down();
}

/* ---- a driver is started again ---- */

START_TEST(calls_whose_results_are_kept_are_not_run_again)
{
	ck_assert_int_eq(run_driver("whole"), DONE);
	ck_assert_int_eq(value_of("count"), CALLS);
	ck_assert_int_eq(run_driver("whole"), DONE);
	ck_assert_int_eq(value_of("count"), CALLS);
	ck_assert_uint_eq(objects_of_run("").count, 1);
	ck_assert_uint_eq(objects_of_run("run/r/results/0").count, 1);
}
END_TEST

START_TEST(what_a_killed_driver_had_done_is_picked_up)
{
	pid_t driver = start_driver("half");

	AWAIT(value_of("waiting") == 1);
	kill_driver(driver);
	/* Its workers are gone, too. */
	AWAIT(objects_of_run("").count == 1);
	ck_assert_int_eq(value_of("count"), 3);
	open_latch();
	ck_assert_int_eq(run_driver("rest"), DONE);
	ck_assert_int_eq(value_of("count"), CALLS);
}
END_TEST

START_TEST(another_program_is_refused)
{
	ck_assert_int_eq(run_driver("whole"), DONE);
	ck_assert_int_eq(run_driver("another function"), REFUSED_AS_OTHER);
	ck_assert_int_eq(run_driver("another argument"), REFUSED_AS_OTHER);
	ck_assert_int_eq(value_of("count"), CALLS);
}
END_TEST

START_TEST(an_argument_is_what_the_driver_gave)
{
	ck_assert_int_eq(run_driver("overwrite"), DONE);
	ck_assert_int_eq(run_driver("overwrite"), DONE);
	ck_assert_int_eq(value_of("count"), 1);
}
END_TEST

START_TEST(failures_are_not_kept)
{
	ck_assert_int_eq(run_driver("failing"), DONE);
	ck_assert_int_eq(run_driver("failing"), DONE);
	ck_assert_int_eq(value_of("count"), 2);
}
END_TEST

START_TEST(executors_of_a_run_have_results_of_their_own)
{
	ck_assert_int_eq(run_driver("two executors"), DONE);
	ck_assert_int_eq(run_driver("two executors"), DONE);
	ck_assert_int_eq(value_of("count"), 2);
	ck_assert_uint_eq(objects_of_run("run/r/results/1").count, 1);
}
END_TEST

START_TEST(an_ended_run_begins_anew)
{
	ck_assert_int_eq(run_driver("whole"), DONE);
	OK(dso_run_end(session, "r"));
	ck_assert_uint_eq(objects_of_run("").count, 0);
	ck_assert_int_eq(run_driver("whole"), DONE);
	ck_assert_int_eq(value_of("count"), 2 * CALLS);
}
END_TEST

START_TEST(functions_may_open_executors_in_a_run)
{
	setenv("DSO_RUN", "r", 1);
	ck_assert_int_eq(run_driver("inside"), DONE);
	unsetenv("DSO_RUN");
}
END_TEST

/* ---- one driver at a time ---- */

START_TEST(a_second_driver_is_refused)
{
	OK(open_run(&executor, 0));
	ck_assert_int_eq(run_driver("whole"), REFUSED_AS_BUSY);
	ck_assert_int_eq(value_of("count"), 0);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_int_eq(run_driver("whole"), DONE);
}
END_TEST

START_TEST(a_frozen_driver_has_its_run_until_it_is_killed)
{
	pid_t driver = start_driver("half");

	AWAIT(value_of("waiting") == 1);
	process_freeze(driver);
	ck_assert_int_eq(open_run(&executor, 0), -EBUSY);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "run r has a driver already: "));
	ck_assert_int_eq(dso_run_end(session, "r"), -EBUSY);
	kill_driver(driver);
	AWAIT(open_run(&executor, 0) == 0);
	ck_assert_int_eq(call_one(fill), 0);
	ck_assert_int_eq(value_of("count"), 3);
}
END_TEST

/* ---- what stays ---- */

START_TEST(results_that_are_ephemeral_outlive_their_driver_by_its_linger)
{
	pid_t driver = start_driver("ephemeral");

	AWAIT(value_of("waiting") == 1);
	kill_driver(driver);
	AWAIT(open_run(&executor, DSO_EPHEMERAL) == 0);
	ck_assert_int_eq(call_one(fill), 0);
	ck_assert_int_eq(value_of("count"), 3);
}
END_TEST

START_TEST(ephemeral_results_go_with_a_driver_that_does_not_linger)
{
	OK(open_run(&executor, DSO_EPHEMERAL));
	ck_assert_int_eq(call_one(fill), 0);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(objects_of_run("").count, 0);
}
END_TEST

START_TEST(each_rank_has_a_run_of_its_own)
{
	setenv("DSO_RUN", "x", 1);
	setenv("DSO_RANK", "3", 1);
	open_executor(NULL);
	unsetenv("DSO_RANK");
	unsetenv("DSO_RUN");
	ck_assert_uint_eq(objects_of_run("run/x/3/results/0").count, 1);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(objects_of_run("").count, 1);
	OK(dso_run_end(session, "x/3"));
	ck_assert_uint_eq(objects_of_run("").count, 0);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	struct dso_executor_params run = {.run = "r", .workers = 1};
	struct dso_session *other;
	struct dso_executor *second;
	char longest[100] = "";

	ck_assert_int_eq(dso_run_end(session, NULL), -EINVAL);
	memset(longest, 'n', 81);
	ck_assert_int_eq(dso_run_end(session, longest), -ENAMETOOLONG);
	open_executor(&run);
	ck_assert_int_eq(dso_run_end(session, "r"), -EBUSY);
	open_session(&other);
	ck_assert_int_eq(dso_executor_open(other, "thread:", &run, &second), -EBUSY);
	ck_assert_ptr_nonnull(strstr(dso_error(other), "another session of this process"));
	dso_close(other);
	run.ephemeral = 2;
	ck_assert_int_eq(dso_executor_open(session, "thread:", &run, &second), -EINVAL);
}
END_TEST

/* ---- the suite ---- */

static Suite *suite(void)
{
	const TTest *const everywhere[] = {
		each_rank_has_a_run_of_its_own,
		what_makes_no_sense_is_refused,
		NULL,
	};
	const TTest *const of_processes[] = {
		calls_whose_results_are_kept_are_not_run_again,
		what_a_killed_driver_had_done_is_picked_up,
		another_program_is_refused,
		an_argument_is_what_the_driver_gave,
		failures_are_not_kept,
		executors_of_a_run_have_results_of_their_own,
		an_ended_run_begins_anew,
		functions_may_open_executors_in_a_run,
		a_second_driver_is_refused,
		a_frozen_driver_has_its_run_until_it_is_killed,
		results_that_are_ephemeral_outlive_their_driver_by_its_linger,
		ephemeral_results_go_with_a_driver_that_does_not_linger,
		NULL,
	};

	return functions_suite("runs", set_up_without_executor, tear_down_with_run, everywhere,
			       of_processes);
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc == 3 && strcmp(argv[1], "driver") == 0)
		return be_driver(argv[2]);
	if (argc != 2) {
		fprintf(stderr, "usage: runs embedded|shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
