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
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREAD_VARIABLE "FUNCTIONS_COLD_THREAD"
#define SLOW_VARIABLE   "FUNCTIONS_COLD_SLOW" /* from which fork on */

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

/* Reads the numbers of the children of @pid, at most @max. Returns how many. */
static int children_of(int64_t pid, int max, pid_t *ret_pids)
{
	char path[64];
	int count = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	while (count < max && fscanf(file, "%d", &ret_pids[count]) == 1)
		count++;
	fclose(file);
	return count;
}

static void await_end(pid_t pid)
{
	struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

	ck_assert_int_ge(ended.fd, 0);
	ck_assert_int_eq(poll(&ended, 1, -1), 1);
	close(ended.fd);
}

static void *do_nothing(void *argument)
{
	pause();
	return argument;
}

static int forks, slow_from;

static void count_fork(void)
{
	forks++;
}

/* A worker that has the channel of its server still, for a while after that has ended. */
static void be_slow(void)
{
	pid_t parent = getppid();

	for (int i = 0; forks >= slow_from && i < 300 && getppid() == parent; i++)
		nap(10000000);
	if (forks >= slow_from)
		nap(300000000);
}

__attribute__((constructor)) static void make_slow(void)
{
	if (!getenv(SLOW_VARIABLE))
		return;
	slow_from = atoi(getenv(SLOW_VARIABLE));
	pthread_atfork(count_fork, NULL, be_slow);
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

/* They are more than may end in a row, and none can serve while storaged is frozen. The last one
 * keeps the channel open: WORKERS at first, one for "tell", and WORKERS more. */
START_TEST(workers_that_end_with_their_fork_server_count_as_one_end)
{
	enum { WORKERS = 8 };
	struct dso_executor_params params = {.workers = WORKERS};
	struct dso_thread *threads[WORKERS];
	pid_t before[2 * WORKERS], after[2 * WORKERS];
	int64_t server;
	int count;

	setenv(SLOW_VARIABLE, "17", 1);
	open_cold(&params);
	unsetenv(SLOW_VARIABLE);
	server = told_by(create(tell, NULL, 0)).parent;
	for (int i = 0; i < WORKERS; i++)
		threads[i] = create(wait_at_latch, NULL, 0);
	AWAIT(value_of("waiting") == WORKERS);
	process_freeze(storaged.pid);
	count = children_of(server, 2 * WORKERS, before);
	for (int i = 0; i < count; i++)
		kill(before[i], SIGKILL);
	for (int i = 0; i < count; i++)
		AWAIT(is_gone(before[i]));
	AWAIT(children_of(server, 2 * WORKERS, after) == WORKERS);
	ck_assert_int_eq(kill((pid_t)server, SIGKILL), 0);
	AWAIT(is_gone(server));
	kill(storaged.pid, SIGCONT);
	open_latch();
	for (int i = 0; i < WORKERS; i++)
		OK(join(threads[i]));
}
END_TEST

/* As process 1 of a container does. Workers end all at once, and the fork server right behind. */
START_TEST(a_driver_that_adopts_orphans_has_none_left_of_a_closed_executor)
{
	enum { ROUNDS = 10, WORKERS = 16 };
	struct dso_executor_params params = {.workers = WORKERS};
	pid_t children[2 * WORKERS];

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int i = 0; i < ROUNDS; i++) {
		open_cold(&params);
		OK(join(create(tell, NULL, 0)));
	}
	dso_executor_close(executor);
	executor = NULL;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	ck_assert_int_eq(children_of(getpid(), 2 * WORKERS, children), 1);
	ck_assert_int_eq(children[0], storaged.pid);
}
END_TEST

/* The channel has room for fewer messages than workers end and are asked for before it listens. */
START_TEST(a_fork_server_that_is_slow_leaves_no_worker_unreaped)
{
	enum { WORKERS = 160, CALLS = 2 * WORKERS };
	struct dso_executor_params params = {.workers = WORKERS};
	struct dso_thread *threads[CALLS];
	pid_t children[4 * WORKERS];
	struct told told;

	open_cold(&params);
	told = told_by(create(tell, NULL, 0));
	AWAIT(is_gone(told.pid));
	AWAIT(children_of(told.parent, 4 * WORKERS, children) == WORKERS);
	ck_assert_int_eq(kill((pid_t)told.parent, SIGSTOP), 0);
	for (int i = 0; i < CALLS; i++)
		OK(dso_thread_create(executor, tell, NULL, 0, &threads[i]));
	for (int i = 0; i < WORKERS; i++)
		await_end((pid_t)told_by(threads[i]).pid);
	ck_assert_int_eq(kill((pid_t)told.parent, SIGCONT), 0);
	for (int i = WORKERS; i < CALLS; i++)
		OK(join(threads[i]));
	AWAIT(children_of(told.parent, 4 * WORKERS, children) == WORKERS);
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
		workers_that_end_with_their_fork_server_count_as_one_end,
		a_driver_that_adopts_orphans_has_none_left_of_a_closed_executor,
		a_fork_server_that_is_slow_leaves_no_worker_unreaped,
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
