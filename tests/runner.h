/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs have in common that test against a storaged of their own. */
#ifndef TESTS_RUNNER_H
#define TESTS_RUNNER_H

#include <check.h>
#include <stdlib.h>

/* What the environment says, or @otherwise. */
static inline int number_of(const char *variable, int otherwise)
{
	const char *text = getenv(variable);

	return text ? (int)strtoul(text, NULL, 10) : otherwise;
}

/* Run all in this process, since sessions have threads, print TAP, and free the runner. Returns how many failed. */
static inline int run_all(SRunner *runner)
{
	int failed;

	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

/* The same, of one suite. Returns the exit status. */
static inline int run_suite(Suite *suite)
{
	return run_all(srunner_create(suite)) != 0;
}

#endif
