/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions on platforms: what a gateway does to an invocation changes no result. tests/gateway is
 * the gateway, and this program is both the driver and the function.
 *
 *	tests/functions_gateway fork|http|lambda|kubernetes|podman TRANSPORT
 */
#include "tests/functions_gateway.h"

#include "tests/await.h"
#include "tests/cut.h"
#include "tests/daemon.h"
#include "tests/runner.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct daemon_process storaged;
struct gateway gateway;
struct dso_session *session;
struct dso_executor *executor;
static const char *kind, *transport; /* of this run */

/* ---- functions ---- */

static int add(struct dso_session *worker, const char *name)
{
	struct dso_counter *counter;
	int r = dso_counter_open(worker, name, NULL, &counter);

	if (r == 0)
		r = dso_counter_add(counter, 1, NULL);
	if (r == 0)
		dso_counter_close(counter);
	return r;
}

DSO_FUNCTION(square)
{
	const int64_t *argument = dso_argument(call, NULL);
	int64_t result = *argument * *argument;
	int r = add(dso_call_session(call), "runs");

	printf("what functions print is no answer\n");
	return r ? r : dso_return(call, &result, sizeof result);
}

/* A handle that is opened in the first call of a process serves the others. */
DSO_FUNCTION(count_with_kept_handle)
{
	static struct dso_counter *kept;
	int64_t pid = getpid();
	int r = kept ? 0 : dso_counter_open(dso_call_session(call), "kept", NULL, &kept);

	if (r == 0)
		r = dso_counter_add(kept, 1, NULL);
	return r ? r : dso_return(call, &pid, sizeof pid);
}

/* Its session ends at once, as that of a process does in the end that stays frozen. */
DSO_FUNCTION(freeze_in_first_attempt)
{
	size_t bytes;
	const void *argument = dso_argument(call, &bytes);
	struct dso_counter *counter;
	int r = dso_counter_open(dso_call_session(call), "frozen", NULL, &counter);

	if (r == 0 && dso_call_attempt(call) == 1) {
		r = dso_counter_set(counter, getpid());
		cut();
		raise(SIGSTOP);
	}
	return r ? r : dso_return(call, argument, bytes);
}

DSO_FUNCTION(wait_at_latch)
{
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;
	int r = add(dso_call_session(call), "waiting");

	if (r == 0)
		r = dso_latch_open(dso_call_session(call), "latch", &params, &latch);
	return r ? r : dso_latch_wait(latch, DSO_FOREVER);
}

/* Too long for an item. */
DSO_FUNCTION(return_much_after_latch)
{
	static const char much[2000];
	int r = wait_at_latch(call);

	return r ? r : dso_return(call, much, sizeof much);
}

/* ---- around a test ---- */

int64_t value_of(const char *name)
{
	struct dso_counter *counter;
	int64_t value;

	OK(dso_counter_open(session, name, NULL, &counter));
	OK(dso_counter_get(counter, &value));
	dso_counter_close(counter);
	return value;
}

static void open_latch(void)
{
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;

	OK(dso_latch_open(session, "latch", &params, &latch));
	OK(dso_latch_count_down(latch, 1, NULL));
	dso_latch_close(latch);
}

void open_executor_of(unsigned workers, const char *name, const char *faults, const char *options)
{
	struct dso_executor_params params = {.workers = workers, .attempts = 100};

	OK(dso_executor_open(session, gateway_url(&gateway, kind, name, faults, options), &params,
			     &executor));
}

const char *url_of(const char *name, const char *options)
{
	return gateway_url(&gateway, kind, name, "", options);
}

static void open_executor(const char *faults, const char *options)
{
	open_executor_of(2, "function", faults, options);
}

static void set_up(void)
{
	static const char *const arguments[] = {"--memory",    "256MiB", "--domain",
						"cpu",         "--ttl",  "60m",
						"--log-level", "error",  NULL};
	struct dso_options options = {.transport = transport};

	daemon_start(&storaged, arguments);
	setenv("DSO_TRANSPORT", transport, 1);
	/* As the gateway knows them. */
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", 1);
	gateway_start(&gateway);
	ck_assert_int_eq(dso_open(daemon_url(&storaged, transport), &options, &session), 0);
}

static void tear_down(void)
{
	dso_executor_close(executor);
	executor = NULL;
	dso_close(session);
	gateway_stop(&gateway);
	daemon_stop(&storaged);
}

static struct dso_thread *create(dso_function function, int64_t argument)
{
	struct dso_thread *thread;

	OK(dso_thread_create(executor, function, &argument, sizeof argument, &thread));
	return thread;
}

struct dso_thread *create_square(void)
{
	return create(square, 1);
}

int64_t join(struct dso_thread *thread)
{
	int64_t value = 0;
	size_t bytes;
	void *result;

	OK(dso_thread_join(thread, DSO_FOREVER, &result, &bytes));
	if (bytes == sizeof value)
		memcpy(&value, result, sizeof value);
	free(result);
	return value;
}

void check_squares(int calls)
{
	struct dso_thread *threads[CALLS];

	for (int i = 0; i < calls; i++)
		threads[i] = create(square, i);
	for (int i = 0; i < calls; i++)
		ck_assert_int_eq(join(threads[i]), i * i);
}

bool is_kind(const char *name)
{
	return strcmp(kind, name) == 0;
}

bool has_ends(void)
{
	return is_kind("kubernetes") || is_kind("podman");
}

void await_leaving(void)
{
	const char *over = has_ends() ? "deleted" : "answer";

	AWAIT(gateway_count(&gateway, over) == gateway_count(&gateway, "request"));
}

static int count_one(const struct dso_stat *stat, void *context)
{
	*(unsigned *)context += strncmp(stat->name, "run/", 4) == 0;
	return 0;
}

unsigned objects_of_runs(void)
{
	unsigned count = 0;

	OK(dso_list(session, count_one, &count));
	return count;
}

/* ---- results ---- */

START_TEST(calls_have_their_results)
{
	open_executor("", "");
	check_squares(CALLS);
	ck_assert_int_eq(value_of("runs"), CALLS);
}
END_TEST

START_TEST(workers_leave_when_no_call_comes_and_others_are_invoked_when_one_does)
{
	open_executor("", "idle_ms=1");
	for (int i = 0; i < 3; i++) {
		check_squares(1);
		await_leaving();
	}
	ck_assert_uint_ge(gateway_count(&gateway, "request"), 3);
}
END_TEST

START_TEST(a_warm_function_keeps_its_process_and_its_handles)
{
	int64_t pid;

	open_executor_of(1, "function", "", "idle_ms=1");
	pid = join(create(count_with_kept_handle, 0));
	await_leaving();
	ck_assert_int_eq(join(create(count_with_kept_handle, 0)), pid);
	ck_assert_int_eq(value_of("kept"), 2);
	ck_assert_uint_eq(gateway_count(&gateway, "start"), 1);
}
END_TEST

/* ---- what a gateway does ---- */

static const struct fault {
	const char *name;
	const char *options;
} faults[] = {
	{"429", ""},
	{"500", ""},
	{"garbage", ""},
	{"duplicate", ""},
	{"truncate", ""},
	{"slow", ""},
	{"kill", ""},
	{"lost", "timeout_ms=500"},
	{"late", "timeout_ms=500"},
};

/* The gateway does it to the first and third invocation. A worker leaves soon, so that there are
 * more of them. */
START_TEST(results_are_right_whatever_the_gateway_does)
{
	const struct fault *fault = &faults[_i];
	/* A job may take a second to be noticed as over, and runs a call or two. */
	int calls = is_kind("kubernetes") ? CALLS / 4 : CALLS;
	char list[64], options[64], event[64];

	snprintf(list, sizeof list, "%s,-,%s", fault->name, fault->name);
	snprintf(options, sizeof options, "idle_ms=1&%s", fault->options);
	snprintf(event, sizeof event, "request %s %s",
		 is_kind("lambda")       ? "2015-03-31"
		 : is_kind("kubernetes") ? "apis"
					 : kind,
		 fault->name);
	open_executor(list, options);
	for (int round = 0; gateway_count(&gateway, event) < 2; round++)
		check_squares(calls / 4);
	check_squares(calls);
}
END_TEST

/* As many invocations as there are calls are under way, and will be for an hour. */
#define LATE "idle_ms=100&timeout_ms=3600000"

START_TEST(a_call_that_is_lost_with_its_invocation_is_anothers)
{
	open_executor("lost", LATE);
	check_squares(1);
	ck_assert_uint_ge(gateway_count(&gateway, "request"), 2);
}
END_TEST

START_TEST(a_call_whose_function_freezes_is_another_invocations)
{
	open_executor("", LATE);
	ck_assert_int_eq(join(create(freeze_in_first_attempt, 7)), 7);
	ck_assert_int_eq(kill((pid_t)value_of("frozen"), SIGKILL), 0);
}
END_TEST

int join_broken(struct dso_thread *thread, const char *sentence)
{
	int r = dso_thread_join(thread, DSO_FOREVER, NULL, NULL);

	ck_assert_msg(strstr(dso_error(session), sentence) != NULL, "%s", dso_error(session));
	return r;
}

START_TEST(a_gateway_that_always_fails_is_given_up_with_what_it_said)
{
	open_executor("500,500,500,500", "failures=3");
	ck_assert_int_eq(join_broken(create(square, 1), "HTTP status 500: internal error"),
			 -ECHILD);
	ck_assert_uint_eq(gateway_count(&gateway, "request"), 3);
}
END_TEST

START_TEST(a_gateway_that_is_not_there_is_given_up)
{
	gateway_stop(&gateway);
	open_executor("", "failures=2");
	ck_assert_int_eq(join_broken(create(square, 1), "connect"), -ECHILD);
	gateway_start(&gateway);
}
END_TEST

START_TEST(an_image_without_the_binary_is_given_up)
{
	open_executor_of(2, "missing", "", "failures=2");
	ck_assert_int_eq(join_broken(create(square, 1), "No such file"), -ECHILD);
}
END_TEST

START_TEST(a_function_of_another_build_is_refused_at_once)
{
	open_executor_of(2, "other", "", "");
	ck_assert_int_eq(join_broken(create(square, 1), "deploy both from one build"), -ECHILD);
	ck_assert_uint_eq(gateway_count(&gateway, "request"), 1);
}
END_TEST

/* ---- AWS Lambda ---- */

START_TEST(a_wrong_signature_is_told)
{
	setenv("AWS_SECRET_ACCESS_KEY", "another", 1);
	open_executor("", "failures=1");
	ck_assert_int_eq(join_broken(create(square, 1), "signature"), -ECHILD);
	ck_assert_uint_eq(gateway_count(&gateway, "start"), 0);
}
END_TEST

/* It would wait for calls for longer than its platform lets it. */
START_TEST(a_worker_leaves_before_the_deadline_of_its_platform)
{
	gateway_stop(&gateway);
	setenv("GATEWAY_LAMBDA_TIMEOUT", "10", 1);
	gateway_start(&gateway);
	unsetenv("GATEWAY_LAMBDA_TIMEOUT");
	open_executor_of(1, "function", "", "idle_ms=600000");
	check_squares(1);
	await_leaving();
	check_squares(1);
	ck_assert_uint_eq(gateway_count(&gateway, "deadline"), 0);
	ck_assert_uint_eq(gateway_count(&gateway, "start"), 1);
}
END_TEST

/* ---- ends ---- */

static void *end_storaged(void *unused)
{
	daemon_end(&storaged, SIGKILL);
	return NULL;
}

START_TEST(a_join_ends_with_storaged)
{
	struct dso_thread *thread;
	pthread_t ender;
	int r;

	open_executor("", "");
	thread = create(wait_at_latch, 0);
	AWAIT(value_of("waiting") == 1);
	pthread_create(&ender, NULL, end_storaged, NULL);
	r = dso_thread_join(thread, DSO_FOREVER, NULL, NULL);
	ck_assert_msg(r == -ENOTCONN || r == -ECONNRESET || r == -ESHUTDOWN, "%d", r);
	pthread_join(ender, NULL);
	daemon_start_again(&storaged, NULL);
}
END_TEST

START_TEST(closing_leaves_nothing_in_the_store)
{
	open_executor("", "");
	check_squares(CALLS);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(objects_of_runs(), 0);
}
END_TEST

/* A gateway cannot end functions. */
START_TEST(what_a_function_returns_after_closing_does_not_stay)
{
	open_executor("", "");
	create(return_much_after_latch, 0);
	AWAIT(value_of("waiting") == 1);
	dso_executor_close(executor);
	executor = NULL;
	open_latch();
	AWAIT(gateway_count(&gateway, "answer") + gateway_count(&gateway, "gone") ==
	      gateway_count(&gateway, "request"));
	ck_assert_uint_eq(objects_of_runs(), 0);
}
END_TEST

static int be_driver(const char *url)
{
	struct dso_thread *thread;

	if (dso_open(NULL, NULL, &session) || dso_executor_open(session, url, NULL, &executor) ||
	    dso_thread_create(executor, wait_at_latch, NULL, 0, &thread))
		return 1;
	return dso_thread_join(thread, DSO_FOREVER, NULL, NULL) != 0;
}

static pid_t start_driver(void)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		setenv("DSO_URL", daemon_url(&storaged, transport), 1);
		execl("/proc/self/exe", "functions_gateway", "driver",
		      gateway_url(&gateway, kind, "function", "", "idle_ms=100"), NULL);
		_exit(127);
	}
	return pid;
}

/* As Ctrl-C interrupts it. */
START_TEST(functions_of_a_driver_that_is_interrupted_leave_and_nothing_stays)
{
	pid_t driver = start_driver();

	AWAIT(value_of("waiting") == 1);
	kill(driver, SIGINT);
	ck_assert_int_eq(child_status(driver), 128 + SIGINT);
	open_latch();
	AWAIT(objects_of_runs() == 0);
}
END_TEST

/* ---- the suite ---- */

void add_tests(TCase *tests, const TTest *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tests, list[i]);
}

static Suite *suite(void)
{
	const TTest *const everywhere[] = {
		calls_have_their_results,
		workers_leave_when_no_call_comes_and_others_are_invoked_when_one_does,
		a_call_that_is_lost_with_its_invocation_is_anothers,
		a_gateway_that_always_fails_is_given_up_with_what_it_said,
		an_image_without_the_binary_is_given_up,
		a_function_of_another_build_is_refused_at_once,
		a_join_ends_with_storaged,
		closing_leaves_nothing_in_the_store,
		functions_of_a_driver_that_is_interrupted_leave_and_nothing_stays,
	};
	const TTest *const of_lambda[] = {
		a_wrong_signature_is_told,
		a_worker_leaves_before_the_deadline_of_its_platform,
	};
	Suite *all = suite_create("functions on a gateway");
	TCase *tests = tcase_create(kind);

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	add_tests(tests, everywhere, sizeof everywhere / sizeof *everywhere);
	add_refusal_tests(tests);
	if (has_ends())
		add_container_tests(tests);
	if (is_kind("lambda"))
		add_tests(tests, of_lambda, sizeof of_lambda / sizeof *of_lambda);
	if (!has_ends())
		tcase_add_test(tests, what_a_function_returns_after_closing_does_not_stay);
	/* Over shm its session does not end. */
	if (strcmp(transport, "shm") != 0)
		tcase_add_test(tests, a_call_whose_function_freezes_is_another_invocations);
	if (is_kind("http") || is_kind("lambda"))
		tcase_add_test(tests, a_warm_function_keeps_its_process_and_its_handles);
	/* Who looks for podman's socket before, says so. */
	if (!is_kind("podman"))
		tcase_add_test(tests, a_gateway_that_is_not_there_is_given_up);
	tcase_add_loop_test(tests, results_are_right_whatever_the_gateway_does, 0,
			    sizeof faults / sizeof *faults);
	suite_add_tcase(all, tests);
	return all;
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc != 3) {
		fprintf(stderr, "usage: functions_gateway fork|http|lambda|kubernetes|podman "
				"shm|roce|tcp\n");
		return 2;
	}
	if (strcmp(argv[1], "driver") == 0)
		return be_driver(argv[2]);
	kind = argv[1];
	transport = argv[2];
	return run_suite(suite());
}
