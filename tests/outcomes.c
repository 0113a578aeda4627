/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What storaged's death leaves of operations that were submitted, over tcp and roce: those that had
 * left are of unknown outcome, -ECONNRESET, and those that had not did not happen, -ENOTCONN.
 * Neither is told of the other.
 */
#include "tests/daemon.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define BYTES DSO_SUBMIT_BYTES_MAX

static const char *const transports[] = {"tcp", "roce"};

static struct daemon_process storaged;
static struct dso_session *session;
static uint8_t bytes[BYTES];

static struct dso_memory *open_memory(const char *transport)
{
	static const char *const arguments[] = {"--memory", "8MiB", "--domain", "cpu", NULL};
	struct dso_options options = {.transport = transport};
	struct dso_memory_params params = {.size_bytes = BYTES};
	struct dso_memory *memory;

	daemon_start(&storaged, arguments);
	ck_assert_msg(dso_open(storaged.tcp_url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_int_eq(dso_memory_open(session, "m", &params, &memory), 0);
	return memory;
}

/* Submit and flush WRITEs until no more are taken: storaged stands still, so that the last ones
 * cannot have left. */
static unsigned submit_all(struct dso_memory *memory)
{
	unsigned count = 0;
	int r;

	while ((r = dso_memory_write_submit(memory, 0, bytes, BYTES, count)) == 0) {
		count++;
		dso_flush(session);
	}
	ck_assert_int_eq(r, -EAGAIN);
	return count;
}

static void is_not_in_time(int64_t timeout)
{
	struct dso_completion completion;
	size_t got = 7;

	ck_assert_int_eq(dso_reap(session, &completion, 1, timeout, &got), -ETIMEDOUT);
	ck_assert_uint_eq(got, 7);
	ck_assert_msg(!strncmp(dso_error(session), "reap at ", 8), "%s", dso_error(session));
}

/* Reap all @count. Returns how many of the first are of unknown outcome; all others did not
 * happen. */
static unsigned reap_all(unsigned count)
{
	unsigned unknown = 0, reaped = 0;

	while (reaped < count) {
		struct dso_completion completions[64];
		size_t got = 0;
		int r = dso_reap(session, completions, 64, DSO_FOREVER, &got);

		ck_assert_msg(got > 0, "%u of %u, then %d", reaped, count, r);
		for (size_t i = 0; i < got; i++, reaped++) {
			ck_assert_uint_eq(completions[i].tag, reaped);
			if (completions[i].status == -ECONNRESET && unknown == reaped)
				unknown++;
			else
				ck_assert_int_eq(completions[i].status, -ENOTCONN);
		}
	}
	return unknown;
}

START_TEST(what_had_left_is_unknown_and_what_had_not_did_not_happen)
{
	struct dso_memory *memory = open_memory(transports[_i]);
	unsigned count, unknown;

	process_freeze(storaged.pid);
	count = submit_all(memory);
	is_not_in_time(DSO_NOWAIT);
	is_not_in_time(10 * DSO_MILLISECOND);
	kill(storaged.pid, SIGKILL);
	waitpid(storaged.pid, NULL, 0);
	unknown = reap_all(count);
	ck_assert_msg(unknown > 0 && unknown < count, "%u of %u are unknown", unknown, count);
	ck_assert_int_eq(dso_memory_write(memory, 0, bytes, 8), -ENOTCONN);
	ck_assert_int_eq(dso_flush(session), -ENOTCONN);
	dso_close(session);
	daemon_stop(&storaged);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("outcomes");
	TCase *tests = tcase_create("outcomes");

	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, what_had_left_is_unknown_and_what_had_not_did_not_happen, 0,
			    (int)(sizeof transports / sizeof *transports));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
