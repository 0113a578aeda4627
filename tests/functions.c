/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that are functions: their results, and every way in which a call, a worker, a driver or
 * storaged ends. This program is driver and worker; "driver" and "plain" as its first argument have
 * it be another driver, and a program that does not begin with dso_function_main().
 *
 *	tests/functions TRANSPORT
 */
#include "lib/functions/message.h"
#include "tests/functions_around.h"
#include "tests/await.h"
#include "tests/cut.h"
#include "tests/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- functions ---- */

DSO_FUNCTION(echo)
{
	size_t bytes;
	const void *argument = dso_argument(call, &bytes);

	return dso_return(call, argument, bytes);
}

DSO_FUNCTION(number_of_call)
{
	uint64_t number = dso_call_number(call);

	return dso_return(call, &number, sizeof number);
}

DSO_FUNCTION(fail_with_sentence)
{
	return dso_fail(call, -EDOM, "%s has no square root", "-4");
}

DSO_FUNCTION(fail_with_errno)
{
	return -ENOSPC;
}

DSO_FUNCTION(return_a_positive_number)
{
	return 7;
}

DSO_FUNCTION(return_twice)
{
	dso_return(call, "first", 5);
	return dso_return(call, "second", 6);
}

/* The worker ends in each attempt before the one that the argument says. */
DSO_FUNCTION(die_before_attempt)
{
	const unsigned *attempt = dso_argument(call, NULL);

	if (dso_call_attempt(call) < *attempt)
		kill(getpid(), SIGKILL);
	return 0;
}

DSO_FUNCTION(exit_before_attempt)
{
	const unsigned *attempt = dso_argument(call, NULL);

	if (dso_call_attempt(call) < *attempt)
		_exit(3);
	return 0;
}

/* In its first attempt the session ends in the middle, and the function fails by that. The argument
 * says whether it begins another before it does. */
DSO_FUNCTION(fail_by_a_lost_session)
{
	struct dso_session *worker = dso_call_session(call);
	const bool *renews = dso_argument(call, NULL);
	int r = 0;

	if (dso_call_attempt(call) > 1)
		return 0;
	cut();
	while (r == 0)
		r = dso_ping(worker, NULL);
	if (*renews)
		dso_renew(worker, NULL, NULL);
	return r;
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
	int64_t pid = getpid();
	struct dso_counter *counter;
	int r = dso_counter_open(worker, "pid", NULL, &counter);

	if (r == 0)
		r = dso_counter_set(counter, pid);
	if (r == 0)
		r = add_to_counter(worker, "waiting");
	if (r == 0)
		r = dso_latch_open(worker, "latch", &params, &latch);
	if (r == 0)
		r = dso_latch_wait(latch, DSO_FOREVER);
	return r;
}

DSO_FUNCTION(tell_transport)
{
	return dso_return(call, getenv("DSO_TRANSPORT"), strlen(getenv("DSO_TRANSPORT")) + 1);
}

/* ---- results ---- */

START_TEST(a_result_of_any_length_comes_back_whole)
{
	static const size_t lengths[] = {0,
					 1,
					 CALL_INLINE_BYTES_MAX,
					 CALL_INLINE_BYTES_MAX + 1,
					 RESULT_INLINE_BYTES_MAX,
					 RESULT_INLINE_BYTES_MAX + 1,
					 5000000};
	size_t bytes;
	void *result;

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		uint8_t *argument = malloc(lengths[i] + 1);

		for (size_t at = 0; at < lengths[i]; at++)
			argument[at] = (uint8_t)(at * 7 + i);
		OK(dso_thread_join(create(echo, argument, lengths[i]), DSO_FOREVER, &result,
				   &bytes));
		ck_assert_uint_eq(bytes, lengths[i]);
		ck_assert((result == NULL) == (bytes == 0));
		ck_assert(bytes == 0 || memcmp(result, argument, bytes) == 0);
		free(result);
		free(argument);
	}
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
}
END_TEST

START_TEST(the_last_result_that_a_function_returns_counts)
{
	size_t bytes;
	void *result;

	OK(dso_thread_join(create(return_twice, NULL, 0), DSO_FOREVER, &result, &bytes));
	ck_assert_uint_eq(bytes, 6);
	ck_assert_mem_eq(result, "second", 6);
	free(result);
}
END_TEST

START_TEST(a_thousand_calls_at_once_each_have_their_own_result)
{
	static struct dso_thread *threads[1000];
	void *result;

	for (int i = 0; i < 1000; i++)
		threads[i] = create(number_of_call, NULL, 0);
	for (int i = 999; i >= 0; i--) {
		OK(dso_thread_join(threads[i], DSO_FOREVER, &result, NULL));
		ck_assert_uint_eq(*(uint64_t *)result, (uint64_t)i);
		free(result);
	}
}
END_TEST

START_TEST(more_calls_than_may_wait_are_made_as_results_come)
{
	int count = DSO_THREADS_WAITING_MAX + 200;
	struct dso_thread **threads = calloc((size_t)count, sizeof(*threads));

	for (int i = 0; i < count; i++)
		threads[i] = create(number_of_call, NULL, 0);
	for (int i = 0; i < count; i++)
		OK(join(threads[i]));
	free(threads);
}
END_TEST

START_TEST(a_function_that_fails_says_why)
{
	static const struct {
		dso_function function;
		const char *sentence;
	} rows[] = {
		{fail_with_sentence, "-4 has no square root"},
		{fail_with_errno, "No space left on device"},
		{return_a_positive_number, "it returned 7"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_int_eq(join(create(rows[i].function, NULL, 0)), -EREMOTEIO);
		ck_assert_msg(strstr(dso_error(session), rows[i].sentence) != NULL, "%s",
			      dso_error(session));
		ck_assert_ptr_nonnull(strstr(dso_error(session), "function "));
	}
}
END_TEST

/* ---- waiting ---- */

START_TEST(a_join_that_times_out_leaves_the_thread)
{
	struct dso_thread *thread = create(wait_at_latch, NULL, 0);

	ck_assert_int_eq(dso_thread_join(thread, DSO_NOWAIT, NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(dso_thread_join(thread, DSO_MILLISECOND, NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(dso_thread_join(thread, -7, NULL, NULL), -EINVAL);
	open_latch();
	OK(join(thread));
}
END_TEST

START_TEST(an_interrupt_ends_a_join_and_leaves_the_thread)
{
	struct dso_thread *thread = create(wait_at_latch, NULL, 0);

	AWAIT(value_of("waiting") == 1);
	dso_interrupt(session);
	ck_assert_int_eq(join(thread), -ECANCELED);
	open_latch();
	OK(join(thread));
}
END_TEST

START_TEST(a_detached_thread_runs_and_leaves_nothing)
{
	static uint8_t large[100000];

	for (int i = 0; i < 10; i++)
		dso_thread_detach(create(count, large, i % 2 ? sizeof large : 0));
	AWAIT(value_of("count") == 10);
	OK(join(create(count, NULL, 0)));
	AWAIT(join(create(count, NULL, 0)) == 0 && objects_of_run("").count == OBJECTS);
	dso_thread_detach(NULL);
}
END_TEST

/* ---- what is refused ---- */

static int undefined(struct dso_call *call)
{
	return 0;
}

START_TEST(what_makes_no_sense_is_refused)
{
	struct dso_executor_params params = {.workers = 1025};
	struct dso_executor *other;
	struct dso_thread *thread;

	ck_assert_int_eq(dso_executor_open(session, "thread:", &params, &other), -EINVAL);
	params = (struct dso_executor_params){.attempts = 1001};
	ck_assert_int_eq(dso_executor_open(session, "thread:", &params, &other), -EINVAL);
	params = (struct dso_executor_params){.reserved = {1}};
	ck_assert_int_eq(dso_executor_open(session, "thread:", &params, &other), -EINVAL);
	ck_assert_int_eq(dso_executor_open(session, "process", NULL, &other), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "process:"));
	ck_assert_int_eq(dso_executor_open(session, "thread:", NULL, NULL), -EINVAL);
	ck_assert_int_eq(dso_thread_create(executor, undefined, NULL, 0, &thread), -EINVAL);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "DSO_FUNCTION"));
	ck_assert_int_eq(dso_thread_create(executor, echo, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(dso_thread_create(executor, echo, "", DSO_ARGUMENT_BYTES_MAX + 1, &thread),
			 -EMSGSIZE);
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
}
END_TEST

/* A call or result that no driver or worker has written. */
static void push(const char *queue_end, const void *item, size_t bytes)
{
	struct search search = objects_of_run(queue_end);
	struct dso_queue *queue;

	ck_assert_uint_eq(search.count, 1);
	OK(dso_queue_open(session, search.name, NULL, &queue));
	OK(dso_queue_push(queue, item, bytes, DSO_FOREVER));
	dso_queue_close(queue);
}

START_TEST(garbage_among_calls_and_results_harms_nobody)
{
	uint8_t garbage[MESSAGE_BYTES];
	size_t bytes;

	for (unsigned round = 0; round < 400; round++) {
		bytes = round * 13 % (sizeof garbage + 1);
		for (size_t at = 0; at < bytes; at++)
			garbage[at] = (uint8_t)(round * 31 + at * (round | 1));
		push("/calls", garbage, bytes);
		push("/results", garbage, bytes);
	}
	OK(join(create(count, NULL, 0)));
	ck_assert_int_eq(value_of("count"), 1);
}
END_TEST

START_TEST(a_result_that_is_none_is_dropped)
{
	static const uint8_t none[] = {0, OUTCOME_LAST + 1, 255};
	struct dso_thread *thread = create(wait_at_latch, NULL, 0);
	size_t bytes;

	AWAIT(value_of("waiting") == 1);
	for (size_t i = 0; i < sizeof none; i++) {
		struct result_message message = {.outcome = none[i]};

		push("/results", &message, sizeof message);
	}
	open_latch();
	OK(dso_thread_join(thread, DSO_FOREVER, NULL, &bytes));
	ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(a_call_of_another_build_is_refused)
{
	struct call_message message = {.attempts = le32_of(3)};
	struct dso_thread *thread;

	/* Of the two results of the call the first counts. */
	for (int i = 0; i < 2; i++)
		dso_thread_detach(create(wait_at_latch, NULL, 0));
	AWAIT(value_of("waiting") == 2);
	message.number = le64_of(2);
	push("/calls", &message, sizeof message);
	thread = create(count, NULL, 0);
	open_latch();
	ck_assert_int_eq(join(thread), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "build"));
}
END_TEST

/* ---- how workers end ---- */

START_TEST(a_call_whose_worker_dies_is_run_again)
{
	static const dso_function functions[] = {die_before_attempt, exit_before_attempt};

	for (size_t i = 0; i < 2; i++) {
		unsigned attempt = 3;

		OK(join(create(functions[i], &attempt, sizeof attempt)));
		attempt = 4;
		ck_assert_int_eq(join(create(functions[i], &attempt, sizeof attempt)), -EOWNERDEAD);
		ck_assert_ptr_nonnull(strstr(dso_error(session), "3 attempts"));
	}
	OK(join(create(count, NULL, 0)));
}
END_TEST

START_TEST(a_function_that_fails_by_a_lost_session_is_run_again)
{
	for (int renews = 0; renews < 2; renews++) {
		bool argument = renews;

		OK(join(create(fail_by_a_lost_session, &argument, sizeof argument)));
	}
	OK(join(create(count, NULL, 0)));
}
END_TEST

START_TEST(calls_beside_a_worker_that_is_killed_have_their_results)
{
	static struct dso_thread *threads[200];
	struct dso_thread *waiting = create(wait_at_latch, NULL, 0);

	AWAIT(value_of("waiting") == 1);
	kill((pid_t)value_of("pid"), SIGKILL);
	for (int i = 0; i < 200; i++)
		threads[i] = create(count, NULL, 0);
	for (int i = 0; i < 200; i++)
		OK(join(threads[i]));
	ck_assert_int_eq(value_of("count"), 200);
	AWAIT(value_of("waiting") == 2);
	open_latch();
	OK(join(waiting));
}
END_TEST

START_TEST(closing_ends_workers_in_the_middle_of_calls_and_leaves_nothing)
{
	static uint8_t large[10000];

	for (int i = 0; i < 4; i++)
		create(wait_at_latch, large, sizeof large);
	AWAIT(value_of("waiting") == 2);
	dso_executor_close(executor);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), storaged.pid ? 0 : -1);
	executor = NULL;
	ck_assert_uint_eq(objects_of_run("").count, 0);
}
END_TEST

START_TEST(two_executors_of_a_session_do_not_meet)
{
	struct dso_executor *first = executor;
	struct dso_thread *threads[2];
	uint64_t number;
	void *result;

	threads[0] = create(number_of_call, NULL, 0);
	open_executor(&(struct dso_executor_params){.workers = 1});
	threads[1] = create(number_of_call, NULL, 0);
	for (int i = 1; i >= 0; i--) {
		OK(dso_thread_join(threads[i], DSO_FOREVER, &result, NULL));
		memcpy(&number, result, sizeof number);
		ck_assert_uint_eq(number, 0);
		free(result);
	}
	dso_executor_close(first);
	OK(join(create(count, NULL, 0)));
}
END_TEST

START_TEST(a_worker_has_the_choice_of_a_transport_that_its_driver_had)
{
	struct dso_session *driver;
	struct dso_executor *own;
	void *told;

	OK(dso_open(daemon_url(&storaged, transport), NULL, &driver));
	OK(dso_executor_open(driver, "process:", NULL, &own));
	OK(dso_executor_invoke_any(own, &(struct dso_invocation){tell_transport}, 1, NULL,
				   DSO_FOREVER, NULL, &told, NULL));
	ck_assert_str_eq(told, "auto");
	free(told);
	dso_executor_close(own);
	dso_close(driver);
}
END_TEST

START_TEST(a_join_says_that_workers_cannot_be_started)
{
	struct dso_thread *thread;

	dso_executor_close(executor);
	setenv("FUNCTIONS_BROKEN", "1", 1);
	open_executor(&(struct dso_executor_params){.workers = 2});
	unsetenv("FUNCTIONS_BROKEN");
	thread = create(count, NULL, 0);
	ck_assert_int_eq(join(thread), -ECHILD);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "status 5"));
	ck_assert_int_eq(join(thread), -ECHILD);
}
END_TEST

static void *end_storaged(void *unused)
{
	daemon_end(&storaged, SIGKILL);
	return NULL;
}

START_TEST(a_join_ends_with_storaged)
{
	struct dso_thread *thread = create(wait_at_latch, NULL, 0);
	pthread_t ender;
	int r;

	AWAIT(value_of("waiting") == 1);
	pthread_create(&ender, NULL, end_storaged, NULL);
	r = join(thread);
	ck_assert_msg(r == -ENOTCONN || r == -ECONNRESET || r == -ESHUTDOWN, "%d", r);
	pthread_join(ender, NULL);
	daemon_start_again(&storaged, NULL);
}
END_TEST

/* ---- other programs ---- */

static pid_t start_other(const char *what)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		setenv("DSO_URL", daemon_url(&storaged, transport), 1);
		setenv("DSO_TRANSPORT", transport, 1);
		execl("/proc/self/exe", "functions", what, NULL);
		_exit(127);
	}
	return pid;
}

/* A driver that waits for ever. */
static int be_driver(void)
{
	struct dso_thread *thread;

	if (dso_open(NULL, NULL, &session) || dso_executor_open(session, NULL, NULL, &executor) ||
	    dso_thread_create(executor, wait_at_latch, NULL, 0, &thread))
		return 1;
	return dso_thread_join(thread, DSO_FOREVER, NULL, NULL) != 0;
}

/* The sockets of a session that is opened between these two. */
#define FDS_MAX 256
static bool of_session[FDS_MAX];

static void begin_sockets(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		of_session[fd] = fcntl(fd, F_GETFD) < 0;
}

static void end_sockets(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		of_session[fd] = of_session[fd] && fcntl(fd, F_GETFD) >= 0;
}

/* Storaged takes the session for dead. */
static void lose_session(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (of_session[fd])
			shutdown(fd, SHUT_RDWR);
	AWAIT(dso_ping(session, NULL) != 0);
}

/* The queue of calls cannot be shut down then. */
START_TEST(an_executor_of_a_session_that_is_over_is_closed)
{
	struct dso_session *first = session;

	dso_executor_close(executor);
	begin_sockets();
	open_session(&session);
	end_sockets();
	OK(dso_executor_open(session, "thread:", NULL, &executor));
	OK(join(create(count, NULL, 0)));
	lose_session();
	dso_executor_close(executor);
	executor = NULL;
	dso_close(session);
	session = first;
	AWAIT(objects_of_run("").count == 0);
}
END_TEST

/* Its workers keep what is ephemeral. */
START_TEST(threads_are_joined_in_a_session_that_was_renewed)
{
	struct dso_session *first = session;
	struct dso_thread *threads[20];

	dso_executor_close(executor);
	begin_sockets();
	open_session(&session);
	end_sockets();
	open_executor(&(struct dso_executor_params){.workers = 2});
	OK(join(create(count, NULL, 0)));
	for (int i = 0; i < 20; i++)
		threads[i] = create(count, NULL, 0);
	lose_session();
	OK(dso_renew(session, NULL, NULL));
	for (int i = 0; i < 20; i++)
		OK(join(threads[i]));
	OK(join(create(count, NULL, 0)));
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(objects_of_run("").count, 0);
	dso_close(session);
	session = first;
}
END_TEST

START_TEST(closing_ends_a_function_that_waits_in_a_thread)
{
	dso_executor_close(executor);
	OK(dso_executor_open(session, "thread:", NULL, &executor));
	create(wait_at_latch, NULL, 0);
	AWAIT(value_of("waiting") == 1);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(objects_of_run("").count, 0);
}
END_TEST

START_TEST(workers_end_with_a_driver_that_is_killed)
{
	pid_t driver = start_other("driver");
	pid_t worker;

	AWAIT(value_of("waiting") == 1);
	worker = (pid_t)value_of("pid");
	ck_assert_int_eq(kill(worker, 0), 0);
	ck_assert_int_eq(child_kill(driver), CHILD_KILLED);
	AWAIT(kill(worker, 0) != 0 && errno == ESRCH);
	AWAIT(objects_of_run("").count == OBJECTS);
}
END_TEST

/* Returns whether it was refused as it should be. */
static int be_plain(void)
{
	if (dso_open(NULL, NULL, &session))
		return 1;
	if (dso_executor_open(session, "process:", NULL, &executor) != -EINVAL)
		return 2;
	return strstr(dso_error(session), "dso_function_main()") ? 0 : 3;
}

START_TEST(a_program_that_does_not_begin_with_function_main_gets_no_processes)
{
	ck_assert_int_eq(child_status(start_other("plain")), 0);
}
END_TEST

/* ---- the suite ---- */

static Suite *suite(void)
{
	const TTest *const everywhere[] = {
		a_result_of_any_length_comes_back_whole,
		the_last_result_that_a_function_returns_counts,
		a_thousand_calls_at_once_each_have_their_own_result,
		more_calls_than_may_wait_are_made_as_results_come,
		a_function_that_fails_says_why,
		a_join_that_times_out_leaves_the_thread,
		an_interrupt_ends_a_join_and_leaves_the_thread,
		a_detached_thread_runs_and_leaves_nothing,
		what_makes_no_sense_is_refused,
		garbage_among_calls_and_results_harms_nobody,
		a_result_that_is_none_is_dropped,
		a_call_of_another_build_is_refused,
		two_executors_of_a_session_do_not_meet,
		closing_ends_a_function_that_waits_in_a_thread,
		NULL,
	};
	const TTest *const of_processes[] = {
		a_call_whose_worker_dies_is_run_again,
		a_function_that_fails_by_a_lost_session_is_run_again,
		calls_beside_a_worker_that_is_killed_have_their_results,
		closing_ends_workers_in_the_middle_of_calls_and_leaves_nothing,
		a_worker_has_the_choice_of_a_transport_that_its_driver_had,
		a_join_says_that_workers_cannot_be_started,
		a_join_ends_with_storaged,
		an_executor_of_a_session_that_is_over_is_closed,
		threads_are_joined_in_a_session_that_was_renewed,
		workers_end_with_a_driver_that_is_killed,
		a_program_that_does_not_begin_with_function_main_gets_no_processes,
		NULL,
	};

	return functions_suite("functions", set_up, tear_down, everywhere, of_processes);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "plain") == 0)
		return be_plain();
	/* A worker that ends before it serves. */
	if (getenv("DSO_WORKER") && getenv("FUNCTIONS_BROKEN"))
		return 5;
	dso_function_main(argc, argv);
	if (argc == 2 && strcmp(argv[1], "driver") == 0)
		return be_driver();
	if (argc != 2) {
		fprintf(stderr, "usage: functions embedded|shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
