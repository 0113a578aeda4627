/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions whose threads never sleep, many more than there are processors: the heartbeat thread and
 * storaged have their turn long after the timeout. That is nobody's silence.
 */
#include "tests/daemon.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <pthread.h>

#define SESSIONS  200
#define ADDITIONS 1000000

static struct daemon_process daemon_process;
static const char *transport;

struct adder {
	pthread_t thread;
	struct dso_session *session;
	struct dso_counter *counter;
	int result;
};

static void begin(struct adder *adder)
{
	/* Of a turn's length here, with room for the opening. */
	struct dso_options options = {.transport = transport,
				      .timeout = 100 * DSO_MILLISECOND,
				      .open_timeout = DSO_SECOND * 10};
	int r = dso_open(daemon_url(&daemon_process, transport), &options, &adder->session);

	ck_assert_msg(r == 0, "dso_open: %s", dso_error(NULL));
	ck_assert_int_eq(dso_counter_open(adder->session, "sum", NULL, &adder->counter), 0);
}

static void *add(void *argument)
{
	struct adder *adder = argument;

	for (unsigned i = 0; i < ADDITIONS && adder->result == 0; i++)
		adder->result = dso_counter_add(adder->counter, 1, NULL);
	return NULL;
}

START_TEST(sessions_whose_threads_starve_the_heartbeat_thread_and_storaged_live)
{
	static struct adder adders[SESSIONS];
	int64_t sum;

	for (unsigned i = 0; i < SESSIONS; i++)
		begin(&adders[i]);
	for (unsigned i = 0; i < SESSIONS; i++)
		ck_assert_int_eq(pthread_create(&adders[i].thread, NULL, add, &adders[i]), 0);
	for (unsigned i = 0; i < SESSIONS; i++) {
		pthread_join(adders[i].thread, NULL);
		ck_assert_msg(adders[i].result == 0, "session %u: %s", i,
			      dso_error(adders[i].session));
	}
	ck_assert_int_eq(dso_counter_get(adders[0].counter, &sum), 0);
	ck_assert_int_eq(sum, INT64_C(1) * SESSIONS * ADDITIONS);
	for (unsigned i = 0; i < SESSIONS; i++)
		dso_close(adders[i].session);
}
END_TEST

static void set_up(void)
{
	static const char *const arguments[] = {"--memory",    "64MiB", "--domain", "cpu",
						"--log-level", "error", NULL};

	transport = "shm";
	daemon_start(&daemon_process, arguments);
}

static void tear_down(void)
{
	ck_assert_int_eq(daemon_stop(&daemon_process), 0);
}

int main(void)
{
	Suite *suite = suite_create("starved");
	TCase *cases = tcase_create("starved");

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_set_timeout(cases, 300);
	tcase_add_test(cases, sessions_whose_threads_starve_the_heartbeat_thread_and_storaged_live);
	suite_add_tcase(suite, cases);
	return run_suite(suite);
}
