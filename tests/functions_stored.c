/* SPDX-License-Identifier: Apache-2.0 */
/* Results that are too long for an item, where an attempt before has left something of them. */
#include "lib/functions/message.h"
#include "tests/functions_around.h"
#include "tests/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DSO_FUNCTION(number_of_call)
{
	uint64_t number = dso_call_number(call);

	return dso_return(call, &number, sizeof number);
}

/* Too long for an item. */
#define LONG_BYTES 3000000

DSO_FUNCTION(return_much)
{
	static uint8_t result[LONG_BYTES];

	memset(result, 7, sizeof result);
	return dso_return(call, result, sizeof result);
}

/* The future that the result of the next call is stored in, as a worker makes it that ends then. */
static struct dso_future *future_of_next_call(struct dso_session *worker, size_t capacity)
{
	struct search search = objects_of_run("/calls");
	struct dso_future_params params = {.capacity_bytes = capacity};
	char prefix[PREFIX_BYTES_MAX] = "";
	struct object_name stored;
	struct dso_future *future;
	uint64_t *number;

	ck_assert_uint_eq(search.count, 1);
	memcpy(prefix, search.name, sizeof prefix - 1);
	*strrchr(prefix, '/') = 0;
	OK(dso_thread_join(create(number_of_call, NULL, 0), DSO_FOREVER, (void **)&number, NULL));
	stored = name_of_stored(prefix, "result", *number + 1);
	free(number);
	ck_assert_int_eq(dso_future_open(worker, stored.text, &params, &future), 0);
	return future;
}

static void expect_result(size_t length, int byte)
{
	uint8_t *result;
	size_t bytes;

	OK(dso_thread_join(create(return_much, NULL, 0), DSO_FOREVER, (void **)&result, &bytes));
	ck_assert_uint_eq(bytes, length);
	for (size_t i = 0; i < bytes; i++)
		ck_assert_uint_eq(result[i], byte);
	free(result);
	ck_assert_uint_eq(objects_of_run("").count, OBJECTS);
}

/* Another length, and as much as another attempt was about to set; it has promised it or not. */
START_TEST(a_long_result_that_an_attempt_left_behind_is_in_nobodys_way)
{
	static uint8_t left[LONG_BYTES / 2];
	struct dso_session *worker;

	memset(left, 5, sizeof left);
	open_session(&worker);
	OK(dso_future_set(future_of_next_call(worker, sizeof left), left, sizeof left));
	expect_result(sizeof left, 5);
	OK(dso_future_promise(future_of_next_call(worker, sizeof left)));
	dso_close(worker);
	expect_result(LONG_BYTES, 7);
	open_session(&worker);
	future_of_next_call(worker, sizeof left);
	dso_close(worker);
	expect_result(LONG_BYTES, 7);
}
END_TEST

static Suite *suite(void)
{
	const TTest *const all_tests[] = {
		a_long_result_that_an_attempt_left_behind_is_in_nobodys_way,
		NULL,
	};
	const TTest *const none = NULL;

	return functions_suite("functions: stored", set_up, tear_down, all_tests, &none);
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc != 2) {
		fprintf(stderr, "usage: functions_stored embedded|shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
