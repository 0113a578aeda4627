/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that come and go leave nothing behind: leaks TRANSPORT... After LEAKS_SESSIONS of them
 * both processes have no more descriptors, threads and mappings than after the first few. (That it
 * has every queue pair number back storaged asserts itself at its end.)
 */
#include <check.h>
#include <dirent.h>
#include <dso/dso.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/clock.h"
#include "tests/daemon.h"
#include "tests/runner.h"
#include "tests/transports.h"

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define WARM         40 /* sessions before the first look */

static struct daemon_process storage;
static int session_count = 2000;

struct held {
	unsigned descriptors, threads, mappings;
};

static unsigned entries_of(pid_t pid, const char *what)
{
	char path[64];
	DIR *directory;
	unsigned count = 0;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
	directory = opendir(path);
	ck_assert_msg(directory != NULL, "%s", path);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static unsigned lines_of(pid_t pid, const char *what)
{
	char path[64];
	FILE *file;
	unsigned count = 0;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	for (int c; (c = getc(file)) != EOF;)
		count += c == '\n';
	fclose(file);
	return count;
}

static struct held held_by(pid_t pid)
{
	return (struct held){entries_of(pid, "fd"), entries_of(pid, "task"), lines_of(pid, "maps")};
}

static struct dso_session *open_session(const char *transport)
{
	struct dso_options options = {.transport = transport, .timeout = HANG_TIMEOUT};
	struct dso_session *session;

	ck_assert_msg(dso_open(daemon_url(&storage, transport), &options, &session) == 0, "%s",
		      dso_error(NULL));
	return session;
}

/* One that used what it has: an object, a lock, the data path. */
static void come_and_go(const char *transport)
{
	struct dso_session *session = open_session(transport);
	struct dso_counter *counter;
	struct dso_mutex *mutex;

	ck_assert_int_eq(dso_counter_open(session, "hits", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), 0);
	ck_assert_int_eq(dso_mutex_open(session, "lock", NULL, &mutex), 0);
	ck_assert_int_eq(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL), 0);
	ck_assert_int_eq(dso_mutex_unlock(mutex), 0);
	dso_close(session);
}

/* Until storaged has swept all but @session. */
static void until_alone(struct dso_session *session)
{
	int64_t begin_ns = clock_now_ns();
	struct dso_server_stat stat;

	for (;;) {
		ck_assert_msg(dso_server_stat(session, &stat) == 0, "%s", dso_error(session));
		if (stat.sessions == 1)
			return;
		ck_assert_msg(clock_now_ns() - begin_ns < HANG_TIMEOUT, "a session is not swept");
		nap(DSO_MILLISECOND);
	}
}

/* The first sessions may leave what all later ones use. */
static struct dso_session *open_behind(const char *transport, int count)
{
	struct dso_session *session;

	for (int i = 0; i < count; i++)
		come_and_go(transport);
	session = open_session(transport);
	until_alone(session);
	return session;
}

static bool is_no_more(const struct held *after, const struct held *before)
{
	/* The heartbeat thread opens one file when it begins, maybe behind the first look. An
	 * allocator may map a little more; were it a mapping a session, they would be thousands. */
	return after->descriptors <= before->descriptors + 1 && after->threads <= before->threads &&
	       after->mappings <= before->mappings + (unsigned)session_count / 10;
}

/* Until @pid has no more than @before: a connection that is being closed is no leak. */
static void until_no_more(pid_t pid, const struct held *before, const char *whose)
{
	int64_t begin_ns = clock_now_ns();
	struct held now;

	while (now = held_by(pid), !is_no_more(&now, before)) {
		ck_assert_msg(
			clock_now_ns() - begin_ns < HANG_TIMEOUT,
			"%s: %u descriptors, %u threads and %u mappings have become %u, %u and %u",
			whose, before->descriptors, before->threads, before->mappings,
			now.descriptors, now.threads, now.mappings);
		nap(DSO_MILLISECOND);
	}
}

START_TEST(sessions_that_come_and_go_leave_no_descriptor_and_no_thread)
{
	const char *transport = transports[_i];
	struct held mine, theirs;
	struct dso_session *session;

	session = open_behind(transport, WARM);
	mine = held_by(getpid());
	theirs = held_by(storage.pid);
	dso_close(session);
	session = open_behind(transport, session_count);
	until_no_more(getpid(), &mine, "the client");
	until_no_more(storage.pid, &theirs, "storaged");
	dso_close(session);
}
END_TEST

static void setup(void)
{
	static const char *const arguments[] = {
		"--memory", "64MiB", "--sessions-max", "16", "--log-level", "warning", NULL};

	daemon_start(&storage, arguments);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("leaks");
	TCase *tests = tcase_create("leaks");

	session_count = number_of("LEAKS_SESSIONS", session_count);
	transports_choose(argc, argv);
	tcase_set_timeout(tests, 0);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, sessions_that_come_and_go_leave_no_descriptor_and_no_thread, 0,
			    transport_count);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
