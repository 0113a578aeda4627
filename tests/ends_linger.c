/* SPDX-License-Identifier: Apache-2.0 */
/* A session that is lost may have asked that what it holds be kept for a while. */
#include "tests/ends.h"
#include "tests/leap/leap.h"
#include "tests/transports.h"
#include "tests/victim.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SESSIONS_MAX "32"
#define SHARE        16 /* of them: as many as one address or user may have */

static void setup(void)
{
	static const char *const arguments[] = {"--memory", "64MiB", "--linger-max",   "10m",
						"--ttl",    "60m",   "--sessions-max", SESSIONS_MAX,
						NULL};

	ends_start(arguments);
}

START_TEST(what_a_killed_session_held_is_kept_for_its_linger)
{
	const char *transport = transports[_i], *name = ends_name();
	struct dso_session *observer = ends_open("tcp", 0);
	struct dso_mutex *mutex = ends_mutex(observer, name);
	struct victim victim =
		victim_start(daemon_url(&storage, transport), transport, name, 600 * DSO_SECOND);

	victim_kill(&victim);
	ends_until_noted(observer, name, " (lingers)");
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ETIMEDOUT);
	dso_close(observer);
}
END_TEST

START_TEST(behind_the_linger_it_is_swept)
{
	const char *transport = transports[_i], *name = ends_name();
	struct dso_session *observer = ends_open("tcp", 0);
	struct dso_mutex *mutex = ends_mutex(observer, name);
	struct victim victim =
		victim_start(daemon_url(&storage, transport), transport, name, 300 * DSO_SECOND);

	victim_kill(&victim);
	ends_until_noted(observer, name, " (lingers)");
	leap(storage.pid, 240 * DSO_SECOND);
	ends_until_noted(observer, name, " (lingers)");
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ETIMEDOUT);
	leap(storage.pid, 60 * DSO_SECOND);
	ck_assert_int_eq(dso_mutex_lock(mutex, ENDS_HANG_TIMEOUT, NULL), -EOWNERDEAD);
	dso_close(observer);
}
END_TEST

/* Of two, the one that ended last and lingers shortly is swept first. */
START_TEST(each_has_its_own_linger)
{
	const char *transport = transports[_i];
	char first[32], second[32];
	struct dso_session *observer = ends_open("tcp", 0);
	struct victim longer, shorter;

	strcpy(first, ends_name());
	strcpy(second, ends_name());
	longer = victim_start(daemon_url(&storage, transport), transport, first, 600 * DSO_SECOND);
	shorter = victim_start(daemon_url(&storage, transport), transport, second, DSO_MILLISECOND);
	victim_kill(&longer);
	ends_until_noted(observer, first, " (lingers)");
	victim_kill(&shorter);
	ck_assert_int_eq(dso_mutex_lock(ends_mutex(observer, second), ENDS_HANG_TIMEOUT, NULL),
			 -EOWNERDEAD);
	ends_until_noted(observer, first, " (lingers)");
	dso_close(observer);
}
END_TEST

START_TEST(a_tidy_end_does_not_linger)
{
	const char *transport = transports[_i], *name = ends_name();
	struct dso_session *observer = ends_open("tcp", 0);
	struct dso_mutex *mutex = ends_mutex(observer, name);
	struct victim victim =
		victim_start(daemon_url(&storage, transport), transport, name, 600 * DSO_SECOND);

	victim_order(&victim, 'c');
	ck_assert_int_eq(dso_mutex_lock(mutex, ENDS_HANG_TIMEOUT, NULL), -EOWNERDEAD);
	victim_kill(&victim);
	dso_close(observer);
}
END_TEST

/* Else they would keep whoever comes from where they came out, with nothing to be kept for. */
START_TEST(a_session_that_has_nothing_open_does_not_linger)
{
	const char *transport = transports[_i];

	for (int i = 0; i < 2 * SHARE; i++) {
		pid_t child = child_fork();

		if (child == 0) {
			ends_open(transport, 600 * DSO_SECOND);
			kill(getpid(), SIGKILL);
		}
		ck_assert_int_eq(child_status(child), CHILD_KILLED);
	}
	dso_close(ends_open(transport, 0));
}
END_TEST

START_TEST(a_linger_that_storaged_does_not_allow_is_refused)
{
	struct dso_options options = {.transport = transports[_i], .linger = 600 * DSO_SECOND + 1};
	struct dso_session *session;
	const char *url = daemon_url(&storage, options.transport);

	ck_assert_int_eq(dso_open(url, &options, &session), -EINVAL);
	ck_assert_msg(strstr(dso_error(NULL), "linger-max") != NULL, "%s", dso_error(NULL));
	options.linger = -1;
	ck_assert_int_eq(dso_open(url, &options, &session), -EINVAL);
	options.linger = INT64_MAX;
	ck_assert_int_eq(dso_open(url, &options, &session), -EINVAL);
}
END_TEST

Suite *ends_linger_suite(void)
{
	Suite *suite = suite_create("linger");
	TCase *tests = tcase_create("linger");

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, ends_stop);
	tcase_add_loop_test(tests, what_a_killed_session_held_is_kept_for_its_linger, 0,
			    transport_count);
	tcase_add_loop_test(tests, a_session_that_has_nothing_open_does_not_linger, 0,
			    transport_count);
	tcase_add_loop_test(tests, behind_the_linger_it_is_swept, 0, transport_count);
	tcase_add_loop_test(tests, each_has_its_own_linger, 0, transport_count);
	tcase_add_loop_test(tests, a_tidy_end_does_not_linger, 0, transport_count);
	tcase_add_loop_test(tests, a_linger_that_storaged_does_not_allow_is_refused, 0,
			    transport_count);
	suite_add_tcase(suite, tests);
	return suite;
}
