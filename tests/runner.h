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

/* Print TAP, and free the runner. Returns how many failed. */
static inline int run_all_in(SRunner *runner, enum fork_status process)
{
	int failed;

	srunner_set_fork_status(runner, process);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

/* All in this process, since sessions have threads. */
static inline int run_all(SRunner *runner)
{
	return run_all_in(runner, CK_NOFORK);
}

/* The same, of one suite. Returns the exit status. */
static inline int run_suite(Suite *suite)
{
	return run_all(srunner_create(suite)) != 0;
}

/* Each test in a child of its own, unless CK_FORK says otherwise: one that crashes ends no
 * other. */
static inline int run_suite_forked(Suite *suite)
{
	return run_all_in(srunner_create(suite), CK_FORK_GETENV) != 0;
}

#endif
