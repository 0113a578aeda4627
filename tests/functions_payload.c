/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads that no driver wrote: this program is a function too, and is given them. */
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/include/dso/dso.h"

#define BUILD "00112233445566778899aabbccddeeff"
#define HEAD  "{\"dso\":{\"version\":1,"

static const struct {
	const char *payload, *sentence;
} bad_payloads[] = {
	{"", "is no JSON"},
	{"{", "is no JSON"},
	{"\xff\xfe", "is no JSON"},
	{"[]", "is not a driver's"},
	{"{\"dso\":7}", "is not a driver's"},
	{HEAD "\"prefix\":\"run/a/b\"}}", "is not a driver's"},
	{HEAD "\"prefix\":[],\"build\":\"" BUILD "\"}}", "is not a driver's"},
	{"{\"dso\":{\"version\":2,\"prefix\":\"run/a/b\",\"build\":\"" BUILD "\"}}", "version"},
	{HEAD "\"prefix\":\"users\",\"build\":\"" BUILD "\"}}", "names no executor"},
	{HEAD "\"prefix\":\"run/a/b\",\"build\":\"0011\"}}", "no hash"},
	{HEAD "\"prefix\":\"run/a/b\",\"build\":\"" BUILD "\",\"idle_ms\":-1}}", "a time"},
	{HEAD "\"prefix\":\"run/a/b\",\"build\":\"" BUILD "\",\"serve_ms\":9223372036854775807}}",
	 "a time"},
	{HEAD "\"prefix\":\"run/a/b\",\"build\":\"" BUILD "\"}}", "one build"},
};

/* Run this program as a function with @bytes on its standard input. Returns its exit status. */
static int invoke(const char *payload, size_t bytes, char *answer, size_t answer_bytes)
{
	int in[2], out[2];
	size_t used = 0;
	ssize_t got;
	pid_t pid;

	ck_assert(pipe(in) == 0 && pipe(out) == 0);
	pid = child_fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		close(in[1]);
		setenv("DSO_FUNCTION", "stdin", 1);
		execl("/proc/self/exe", "function", NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	while (bytes && (got = write(in[1], payload, bytes)) > 0) {
		payload += got;
		bytes -= (size_t)got;
	}
	close(in[1]);
	while ((got = read(out[0], answer + used, answer_bytes - 1 - used)) > 0)
		used += (size_t)got;
	answer[used] = 0;
	close(out[0]);
	return child_status(pid);
}

START_TEST(a_payload_that_is_no_drivers_is_refused)
{
	char answer[1024];

	ck_assert_int_eq(invoke(bad_payloads[_i].payload, strlen(bad_payloads[_i].payload), answer,
				sizeof answer),
			 1);
	ck_assert_msg(strstr(answer, bad_payloads[_i].sentence) != NULL, "%s", answer);
	ck_assert_msg(strstr(answer, "\"refused\":true") != NULL, "%s", answer);
}
END_TEST

START_TEST(a_payload_of_more_than_a_mebibyte_is_refused)
{
	size_t bytes = (1 << 20) + 1;
	char *payload = malloc(bytes), answer[1024];

	memset(payload, ' ', bytes);
	ck_assert_int_eq(invoke(payload, bytes, answer, sizeof answer), 1);
	ck_assert_msg(strstr(answer, "more than 1 MiB") != NULL, "%s", answer);
	memset(payload, '[', bytes - 1);
	ck_assert_int_eq(invoke(payload, bytes - 1, answer, sizeof answer), 1);
	ck_assert_msg(strstr(answer, "is no JSON") != NULL, "%s", answer);
	free(payload);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("payloads of functions");
	TCase *tests = tcase_create("payloads");

	dso_function_main(argc, argv);
	tcase_add_test(tests, a_payload_of_more_than_a_mebibyte_is_refused);
	tcase_add_loop_test(tests, a_payload_that_is_no_drivers_is_refused, 0,
			    sizeof bad_payloads / sizeof *bad_payloads);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
