/* SPDX-License-Identifier: Apache-2.0 */
/* A session that is busy for far longer than its timeout. The clock of this test's thread leaps
 * between operations. */
#include "tests/daemon.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_SECONDS 20
#define OPERATIONS      1000

static struct daemon_process storaged;
static _Thread_local int64_t leapt_seconds;

/* Found by the library before that of libc. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret_now);

	ret_now->tv_sec += leapt_seconds;
	return r;
}

START_TEST(operations_that_are_answered_do_not_add_up_to_a_silence)
{
	static const char *const transports[] = {"tcp", "roce"};
	struct dso_options options = {.transport = transports[_i],
				      .timeout = TIMEOUT_SECONDS * DSO_SECOND};
	struct dso_session *session;
	struct dso_counter *counter;
	int64_t before;

	leapt_seconds = 0;
	ck_assert_int_eq(dso_open(daemon_url(&storaged, transports[_i]), &options, &session), 0);
	ck_assert_int_eq(dso_counter_open(session, transports[_i], NULL, &counter), 0);
	for (int i = 0; i < OPERATIONS; i++) {
		ck_assert_msg(dso_counter_add(counter, 1, &before) == 0, "after %d: %s", i,
			      dso_error(session));
		ck_assert_int_eq(before, i);
		leapt_seconds += TIMEOUT_SECONDS;
	}
	dso_close(session);
}
END_TEST

int main(void)
{
	static const char *const arguments[] = {"--memory", "8MiB", "--domain", "cpu", NULL};
	Suite *suite = suite_create("long-lived");
	TCase *tests = tcase_create("long-lived");
	int failed;

	daemon_start(&storaged, arguments);
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, operations_that_are_answered_do_not_add_up_to_a_silence, 0, 2);
	suite_add_tcase(suite, tests);
	failed = run_suite(suite);
	return daemon_stop(&storaged) || failed;
}
