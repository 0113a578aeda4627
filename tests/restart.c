/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged is started again where another one was: who may hold what until when. Time of storaged's
 * passes when the test says so.
 */
#include "storaged/session/marker.h"
#include "tests/daemon.h"
#include "tests/leap/hurry.h"
#include "tests/leap/leap.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)

static const char *const slow[] = {"--memory", "64MiB", "--ttl", "5m", "--linger-max", "60m", NULL};
#define TTL (300 * DSO_SECOND)

static struct daemon_process daemon_process;

static void setup(void)
{
	daemon_start(&daemon_process, slow);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&daemon_process), 0);
}

static struct dso_session *open_session_at(const char *url)
{
	/* Not shm: what a process has mapped it can reach until it ends. */
	struct dso_options options = {.transport = "tcp"};
	struct dso_session *session;
	int r = dso_open(url, &options, &session);

	ck_assert_msg(r == 0, "dso_open: %s", dso_error(NULL));
	return session;
}

static struct dso_session *open_session(void)
{
	return open_session_at(daemon_process.tcp_url);
}

static struct dso_mutex *mutex_in(struct dso_session *session)
{
	struct dso_mutex *mutex;

	ck_assert_int_eq(dso_mutex_open(session, "m", NULL, &mutex), 0);
	return mutex;
}

static bool waits(void)
{
	return strstr(daemon_process.ready, " locks-in=") != NULL;
}

/* For how long, as its ready line says. */
static double wait_s(void)
{
	const char *at = strstr(daemon_process.ready, " locks-in=");

	return at ? strtod(at + strlen(" locks-in="), NULL) : 0;
}

/* Whether a lock is to be had at once in the namespace at @url. */
static bool grants_at(const char *url)
{
	struct dso_options options = {.transport = "tcp"};
	struct dso_session *session;
	int r;

	ck_assert_int_eq(dso_open(url, &options, &session), 0);
	r = dso_mutex_lock(mutex_in(session), DSO_NOWAIT, NULL);
	ck_assert(r == 0 || r == -ETIMEDOUT);
	dso_close(session);
	return r == 0;
}

static bool grants(void)
{
	return grants_at(daemon_process.tcp_url);
}

/* A session that is there when storaged ends, and has a lock. Returns its token. */
static uint64_t end_under_a_holder_at(const char *url, int signal)
{
	struct dso_session *session = open_session_at(url);
	uint64_t token;

	ck_assert_int_eq(dso_mutex_lock(mutex_in(session), HANG_TIMEOUT, &token), 0);
	daemon_end(&daemon_process, signal);
	dso_close(session);
	return token;
}

static uint64_t end_under_a_holder(int signal)
{
	return end_under_a_holder_at(daemon_process.tcp_url, signal);
}

START_TEST(a_first_start_waits_for_nothing)
{
	ck_assert(!waits());
	ck_assert(grants());
}
END_TEST

START_TEST(a_start_after_one_that_ended_without_sessions_waits_for_nothing)
{
	dso_close(open_session());
	daemon_end(&daemon_process, SIGTERM);
	daemon_start_again(&daemon_process, slow);
	ck_assert(!waits());
	ck_assert(grants());
}
END_TEST

START_TEST(a_session_that_holds_nothing_when_it_is_told_of_the_end_is_not_waited_for)
{
	struct dso_session *session = open_session();

	ck_assert_int_eq(dso_ping(session, NULL), 0);
	daemon_end(&daemon_process, SIGTERM);
	dso_close(session);
	daemon_start_again(&daemon_process, slow);
	ck_assert(!waits());
	ck_assert(grants());
}
END_TEST

START_TEST(no_lock_is_granted_while_one_from_before_a_crash_may_be_held)
{
	end_under_a_holder(SIGKILL);
	daemon_start_again(&daemon_process, slow);
	ck_assert(waits());
	ck_assert(!grants());
}
END_TEST

START_TEST(no_lock_is_granted_while_one_from_before_an_orderly_end_may_be_held)
{
	end_under_a_holder(SIGTERM);
	daemon_start_again(&daemon_process, slow);
	ck_assert(waits());
	ck_assert(!grants());
}
END_TEST

START_TEST(a_third_start_waits_for_the_holders_before_the_first_end)
{
	end_under_a_holder(SIGKILL);
	daemon_start_again(&daemon_process, slow);
	daemon_end(&daemon_process, SIGTERM);
	daemon_start_again(&daemon_process, slow);
	ck_assert(waits());
	ck_assert(!grants());
}
END_TEST

static int keep(const struct dso_hold *hold, void *context)
{
	*(struct dso_hold *)context = *hold;
	return 1;
}

START_TEST(the_holder_in_the_meantime_is_listed)
{
	struct dso_hold hold = {0};
	struct dso_session *session;
	uint32_t owner;

	end_under_a_holder(SIGKILL);
	daemon_start_again(&daemon_process, slow);
	session = open_session();
	mutex_in(session);
	ck_assert_int_eq(dso_holds(session, keep, &hold), 1);
	ck_assert_str_eq(hold.who, "sessions before the restart");
	ck_assert_str_eq(hold.name, "m");
	ck_assert_uint_eq(hold.owner, DSO_OWNER_STORAGED);
	ck_assert_int_eq(dso_mutex_holder(mutex_in(session), &owner, NULL), 0);
	ck_assert_uint_eq(owner, DSO_OWNER_STORAGED);
	dso_close(session);
}
END_TEST

START_TEST(every_lock_is_held_meanwhile_and_nothing_else)
{
	struct dso_semaphore_params permits = {.permits = 100};
	struct dso_semaphore *semaphore;
	struct dso_session *session;
	struct dso_rwlock *rwlock;
	struct dso_once *once;
	struct dso_counter *counter;
	struct dso_future *future;

	end_under_a_holder(SIGKILL);
	daemon_start_again(&daemon_process, slow);
	session = open_session();
	ck_assert_int_eq(dso_rwlock_open(session, "rwlock", NULL, &rwlock), 0);
	ck_assert_int_eq(dso_rwlock_rdlock(rwlock, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(dso_rwlock_wrlock(rwlock, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(dso_semaphore_open(session, "semaphore", &permits, &semaphore), 0);
	ck_assert_int_eq(dso_semaphore_acquire(semaphore, 1, DSO_NOWAIT), -ETIMEDOUT);
	ck_assert_int_eq(dso_once_open(session, "once", NULL, &once), 0);
	ck_assert_int_eq(dso_once_begin(once, DSO_NOWAIT, NULL), -ETIMEDOUT);
	ck_assert_int_eq(dso_counter_open(session, "counter", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), 0);
	ck_assert_int_eq(dso_future_open(session, "future", NULL, &future), 0);
	ck_assert_int_eq(dso_future_set(future, "v", 1), 0);
	dso_close(session);
}
END_TEST

/* A session takes everything in the end, and hears of no death: nobody is known to have held it. */
START_TEST(in_the_end_locks_are_granted_with_larger_tokens_and_no_death_is_told)
{
	struct dso_semaphore_params permits = {.permits = 100};
	struct dso_semaphore *semaphore;
	struct dso_session *session;
	struct dso_rwlock *rwlock;
	struct dso_once *once;
	uint64_t token, next;
	int mine = 0;

	token = end_under_a_holder(SIGKILL);
	daemon_start_again(&daemon_process, slow);
	session = open_session();
	ck_assert_int_eq(dso_rwlock_open(session, "rwlock", NULL, &rwlock), 0);
	ck_assert_int_eq(dso_semaphore_open(session, "semaphore", &permits, &semaphore), 0);
	ck_assert_int_eq(dso_once_open(session, "once", NULL, &once), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(dso_mutex_lock(mutex_in(session), DSO_NOWAIT, NULL), -ETIMEDOUT);
		leap(daemon_process.pid, TTL / 4);
		ck_assert_int_eq(dso_ping(session, NULL), 0);
	}
	LEAP_UNTIL(daemon_process.pid, TTL / 4,
		   dso_ping(session, NULL) == 0 &&
			   dso_mutex_lock(mutex_in(session), DSO_NOWAIT, &next) == 0);
	ck_assert_uint_gt(next, token);
	ck_assert_int_eq(dso_rwlock_wrlock(rwlock, HANG_TIMEOUT), 0);
	ck_assert_int_eq(dso_semaphore_acquire(semaphore, 100, HANG_TIMEOUT), 0);
	ck_assert_int_eq(dso_once_begin(once, HANG_TIMEOUT, &mine), 0);
	ck_assert_int_eq(mine, 1);
	dso_close(session);
}
END_TEST

/* Behind its TTL storaged, or one that is started where this one lost its power, gives the lock to
 * others. Nothing is closed where a host loses its power: the session finds out by silence
 * alone. */
START_TEST(a_holder_gives_storaged_up_within_its_ttl_however_long_its_timeout_is)
{
	struct dso_options options = {.transport = "tcp", .timeout = 3600 * DSO_SECOND};
	struct dso_session *session;
	struct dso_mutex *mutex;
	const char *sentence;
	int silence_ms = 0, r;

	ck_assert_int_eq(dso_open(daemon_process.tcp_url, &options, &session), 0);
	mutex = mutex_in(session);
	ck_assert_int_eq(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL), 0);
	process_freeze(daemon_process.pid);
	hurry_process_begin();
	r = dso_mutex_unlock(mutex);
	hurry_process_end();
	ck_assert(r == -ECONNRESET || r == -ENOTCONN);
	sentence = strstr(dso_error(session), "heartbeat for ");
	ck_assert_msg(sentence && sscanf(sentence, "heartbeat for %d ms", &silence_ms) == 1, "%s",
		      dso_error(session));
	ck_assert_int_lt(silence_ms, TTL / DSO_MILLISECOND);
	dso_close(session);
	ck_assert_int_eq(kill(daemon_process.pid, SIGCONT), 0);
}
END_TEST

START_TEST(a_marker_that_cannot_be_written_does_not_keep_storaged_from_starting)
{
	char path[96];

	daemon_end(&daemon_process, SIGTERM);
	snprintf(path, sizeof path, "%s/storaged.sock.state", daemon_process.directory);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/nowhere", path), 0);
	daemon_start_again(&daemon_process, slow);
	ck_assert(!waits());
	ck_assert(grants());
}
END_TEST

/* ---- for how long ---- */

#define LINGER_S 3600

/* Until the marker says that nobody is there who asked for a linger. */
static void until_forgotten(void)
{
	struct marker_page page;
	char path[96];
	bool any;
	int fd;

	snprintf(path, sizeof path, "%s/storaged.sock.state", daemon_process.directory);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	do {
		leap(daemon_process.pid, DSO_SECOND);
		ck_assert_int_eq(pread(fd, &page, sizeof page, 0), sizeof page);
		any = false;
		for (unsigned i = 0; i < MARKER_SPACES; i++)
			any |= page.spaces[i].keep_ns >= LINGER_S * UINT64_C(1000000000);
	} while (any);
	close(fd);
}

static void linger_and_leave(void)
{
	struct dso_options options = {.transport = "tcp", .linger = LINGER_S * DSO_SECOND};
	struct dso_session *session;

	ck_assert_int_eq(dso_open(daemon_process.tcp_url, &options, &session), 0);
	dso_close(session);
}

/* Another one that asked for an hour was there meanwhile. */
START_TEST(a_session_that_is_over_makes_no_wait_longer)
{
	struct dso_session *session;

	session = open_session();
	ck_assert_int_eq(dso_mutex_lock(mutex_in(session), HANG_TIMEOUT, NULL), 0);
	linger_and_leave();
	if (_i)
		until_forgotten();
	daemon_end(&daemon_process, _i ? SIGKILL : SIGTERM);
	dso_close(session);
	daemon_start_again(&daemon_process, slow);
	ck_assert(wait_s() < LINGER_S);
}
END_TEST

START_TEST(a_session_that_lingers_is_waited_for)
{
	struct dso_options options = {.transport = "tcp", .linger = LINGER_S * DSO_SECOND};
	struct dso_session *session;

	ck_assert_int_eq(dso_open(daemon_process.tcp_url, &options, &session), 0);
	ck_assert_int_eq(dso_mutex_lock(mutex_in(session), HANG_TIMEOUT, NULL), 0);
	daemon_end(&daemon_process, SIGKILL);
	dso_close(session);
	daemon_start_again(&daemon_process, slow);
	ck_assert(wait_s() > LINGER_S);
}
END_TEST

/* Of the namespace blue. */
static const char *blue_url(void)
{
	static char url[sizeof daemon_process.tcp_url];

	strcpy(url, daemon_process.tcp_url);
	strcpy(strrchr(url, '/'), "/blue");
	return url;
}

static const char *const two[] = {"--memory",    "64MiB",        "--ttl", "5m",
				  "--namespace", "default,blue", NULL};

START_TEST(a_namespace_waits_for_its_own_sessions_alone)
{
	daemon_end(&daemon_process, SIGTERM);
	daemon_start_again(&daemon_process, two);
	end_under_a_holder(_i ? SIGKILL : SIGTERM);
	daemon_start_again(&daemon_process, two);
	ck_assert(waits());
	ck_assert(!grants());
	ck_assert(grants_at(blue_url()));
}
END_TEST

START_TEST(a_namespace_that_was_not_there_for_a_start_waits_for_its_sessions_still)
{
	daemon_end(&daemon_process, SIGTERM);
	daemon_start_again(&daemon_process, two);
	end_under_a_holder_at(blue_url(), SIGKILL);
	daemon_start_again(&daemon_process, slow);
	ck_assert(!waits());
	/* The marker is written anew for a session. */
	ck_assert(grants());
	daemon_end(&daemon_process, _i ? SIGKILL : SIGTERM);
	daemon_start_again(&daemon_process, two);
	ck_assert(waits());
	ck_assert(!grants_at(blue_url()));
}
END_TEST

/* The marker is written once a second: who began or was heard between is counted from then on, and
 * not from before. */
START_TEST(a_session_is_waited_for_the_whole_of_its_ttl)
{
	struct dso_session *sessions[8];
	struct marker_page page;
	int64_t before_ns;
	char path[96];
	int fd;

	snprintf(path, sizeof path, "%s/storaged.sock.state", daemon_process.directory);
	fd = open(path, O_RDONLY);
	for (unsigned i = 0; i < 8; i++) {
		sessions[i] = open_session();
		leap(daemon_process.pid, DSO_SECOND / 10);
	}
	leap_stand(daemon_process.pid);
	before_ns = leap_now_ns(CLOCK_BOOTTIME);
	ck_assert_int_eq(dso_ping(sessions[0], NULL), 0);
	daemon_end(&daemon_process, SIGKILL);
	ck_assert_int_eq(pread(fd, &page, sizeof page, 0), sizeof page);
	ck_assert_int_ge(page.lived_ns + (int64_t)page.spaces[0].keep_ns, before_ns + TTL);
	close(fd);
	for (unsigned i = 0; i < 8; i++)
		dso_close(sessions[i]);
	daemon_start_again(&daemon_process, slow);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restart");
	TCase *tcase = tcase_create("restart");

	leap_prepare();
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_first_start_waits_for_nothing);
	tcase_add_test(tcase, a_start_after_one_that_ended_without_sessions_waits_for_nothing);
	tcase_add_test(tcase,
		       a_session_that_holds_nothing_when_it_is_told_of_the_end_is_not_waited_for);
	tcase_add_test(tcase, no_lock_is_granted_while_one_from_before_a_crash_may_be_held);
	tcase_add_test(tcase, no_lock_is_granted_while_one_from_before_an_orderly_end_may_be_held);
	tcase_add_test(tcase, a_third_start_waits_for_the_holders_before_the_first_end);
	tcase_add_test(tcase, the_holder_in_the_meantime_is_listed);
	tcase_add_test(tcase, every_lock_is_held_meanwhile_and_nothing_else);
	tcase_add_test(tcase, in_the_end_locks_are_granted_with_larger_tokens_and_no_death_is_told);
	tcase_add_test(tcase,
		       a_holder_gives_storaged_up_within_its_ttl_however_long_its_timeout_is);
	tcase_add_test(tcase, a_marker_that_cannot_be_written_does_not_keep_storaged_from_starting);
	tcase_add_loop_test(tcase, a_session_that_is_over_makes_no_wait_longer, 0, 2);
	tcase_add_test(tcase, a_session_that_lingers_is_waited_for);
	tcase_add_loop_test(tcase, a_namespace_waits_for_its_own_sessions_alone, 0, 2);
	tcase_add_loop_test(tcase,
			    a_namespace_that_was_not_there_for_a_start_waits_for_its_sessions_still,
			    0, 2);
	tcase_add_test(tcase, a_session_is_waited_for_the_whole_of_its_ttl);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
