/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/functions_around.h"

#include <string.h>

struct daemon_process storaged;
struct dso_session *session;
struct dso_executor *executor;
const char *transport;

int add_to_counter(struct dso_session *worker, const char *name)
{
	struct dso_counter *counter;
	int r = dso_counter_open(worker, name, NULL, &counter);

	if (r == 0)
		r = dso_counter_add(counter, 1, NULL);
	if (r == 0)
		dso_counter_close(counter);
	return r;
}

int64_t value_of(const char *name)
{
	struct dso_counter *counter;
	int64_t value;

	OK(dso_counter_open(session, name, NULL, &counter));
	OK(dso_counter_get(counter, &value));
	dso_counter_close(counter);
	return value;
}

void open_latch(void)
{
	struct dso_latch_params params = {.count = 1};
	struct dso_latch *latch;

	OK(dso_latch_open(session, "latch", &params, &latch));
	OK(dso_latch_count_down(latch, 1, NULL));
	dso_latch_close(latch);
}

bool has_processes(void)
{
	return strcmp(transport, "embedded") != 0;
}

void open_session(struct dso_session **ret_session)
{
	struct dso_options options = {.transport = has_processes() ? transport : NULL};
	int r = dso_open(has_processes() ? daemon_url(&storaged, transport) : "embedded:functions",
			 &options, ret_session);

	ck_assert_msg(r == 0, "%s", dso_error(NULL));
}

void open_executor(const struct dso_executor_params *params)
{
	OK(dso_executor_open(session, has_processes() ? "process:" : "thread:", params, &executor));
}

struct dso_thread *create(dso_function function, const void *argument, size_t bytes)
{
	struct dso_thread *thread;

	OK(dso_thread_create(executor, function, argument, bytes, &thread));
	return thread;
}

int join(struct dso_thread *thread)
{
	return dso_thread_join(thread, DSO_FOREVER, NULL, NULL);
}

void set_up(void)
{
	static const char *const arguments[] = {"--memory", "256MiB",      "--domain",
						"cpu",      "--log-level", "error",
						"--ttl",    "60m",         NULL};

	if (has_processes())
		daemon_start(&storaged, arguments);
	open_session(&session);
	open_executor(&(struct dso_executor_params){.workers = 2});
}

void tear_down(void)
{
	dso_executor_close(executor);
	dso_close(session);
	if (has_processes())
		daemon_stop(&storaged);
}

static int look_at(const struct dso_stat *stat, void *context)
{
	struct search *search = context;
	size_t length = strlen(stat->name), end = strlen(search->end);

	if (strncmp(stat->name, "run/", 4) == 0 && length >= end &&
	    strcmp(stat->name + length - end, search->end) == 0) {
		search->count++;
		strcpy(search->name, stat->name);
	}
	return 0;
}

struct search objects_of_run(const char *end)
{
	struct search search = {.end = end};

	OK(dso_list(session, look_at, &search));
	return search;
}

Suite *functions_suite(const char *name, SFun begin, SFun end, const TTest *const *everywhere,
		       const TTest *const *of_processes)
{
	Suite *suite = suite_create(name);
	TCase *tests = tcase_create(transport);

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, begin, end);
	for (; *everywhere; everywhere++)
		tcase_add_test(tests, *everywhere);
	for (; has_processes() && *of_processes; of_processes++)
		tcase_add_test(tests, *of_processes);
	suite_add_tcase(suite, tests);
	return suite;
}
