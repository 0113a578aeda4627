/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso_renew() over every transport, after everything that ends a session under its user: the
 * connection is cut, the process is frozen for longer than the TTL, storaged is killed and started
 * again.
 */
#include "tests/await.h"
#include "tests/daemon.h"
#include "tests/cut.h"
#include "tests/leap/leap.h"
#include "tests/runner.h"
#include "tests/transports.h"

#include <dso/dso.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define TTL          (3600 * DSO_SECOND)

static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "60m",
					"--domain", "cpu",   NULL};

static struct daemon_process daemon_process;
static const char *transport;
static struct dso_session *session;
static struct dso_counter *counter;
static struct dso_mutex *mutex;
static struct dso_rwlock *rwlock;
static struct dso_semaphore *semaphore;
static struct dso_once *once;
static struct dso_future *future;

static struct dso_session *open_session(uint64_t renew)
{
	struct dso_options options = {.transport = transport, .renew = renew};
	struct dso_session *opened;
	int r = dso_open(daemon_url(&daemon_process, transport), &options, &opened);

	ck_assert_msg(r == 0, "dso_open: %s", dso_error(NULL));
	return opened;
}

#define OK(call)                                                                                 \
	do {                                                                                     \
		int ok_result = (call);                                                          \
		ck_assert_msg(ok_result == 0, "%s over %s: %d, %s", #call, transport, ok_result, \
			      dso_error(session));                                               \
	} while (0)

static void begin(int number, uint64_t renew)
{
	struct dso_semaphore_params permits = {.permits = 5};

	transport = transports[number];
	daemon_start(&daemon_process, arguments);
	session = open_session(renew);
	OK(dso_counter_open(session, "counter", NULL, &counter));
	OK(dso_counter_set(counter, 7));
	OK(dso_mutex_open(session, "mutex", NULL, &mutex));
	OK(dso_rwlock_open(session, "rwlock", NULL, &rwlock));
	OK(dso_semaphore_open(session, "semaphore", &permits, &semaphore));
	OK(dso_once_open(session, "once", NULL, &once));
	OK(dso_future_open(session, "future", NULL, &future));
}

static void finish(void)
{
	dso_close(session);
	ck_assert_int_eq(daemon_stop(&daemon_process), 0);
}

static void hold_everything(void)
{
	int mine;

	OK(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
	OK(dso_semaphore_acquire(semaphore, 3, HANG_TIMEOUT));
	OK(dso_once_begin(once, HANG_TIMEOUT, &mine));
	OK(dso_future_promise(future));
}

/* ---- what ends a session ---- */

/* This process is frozen until its session is over at storaged. */
static void freeze(void)
{
	pid_t frozen = getpid(), watcher = child_fork();
	struct dso_server_stat stat = {0};
	struct dso_options options = {.transport = "tcp", .renew = 1};
	struct dso_session *own;

	if (watcher == 0) {
		kill(frozen, SIGSTOP);
		if (dso_open(daemon_process.tcp_url, &options, &own))
			_exit(1);
		LEAP_UNTIL(daemon_process.pid, TTL / 10,
			   dso_server_stat(own, &stat) || stat.sessions_fenced);
		kill(frozen, SIGCONT);
		_exit(stat.sessions_fenced == 0);
	}
	ck_assert_int_eq(child_status(watcher), 0);
}

/* Nobody waits for those who were there before: they have noticed. */
static void start_again(void)
{
	daemon_start_again(&daemon_process, arguments);
	leap(daemon_process.pid, 2 * TTL);
}

static void restart(void)
{
	daemon_end(&daemon_process, SIGKILL);
	start_again();
}

static void (*const ends[])(void) = {cut, freeze, restart};
#define CASES (3 * (int)(sizeof ends / sizeof *ends))

/* ---- what is told ---- */

static struct dso_loss losses[16];
static unsigned loss_count;

static int note(const struct dso_loss *loss, void *context)
{
	(void)context;
	if (loss_count < 16)
		losses[loss_count++] = *loss;
	return 0;
}

static const struct dso_loss *loss_of(enum dso_type type)
{
	for (unsigned i = 0; i < loss_count; i++)
		if (losses[i].type == type)
			return &losses[i];
	return NULL;
}

static void is_told(enum dso_type type, enum dso_role role, uint32_t count, int status)
{
	const struct dso_loss *loss = loss_of(type);

	ck_assert_msg(loss, "%s: not told", dso_type_name(type));
	ck_assert_str_eq(loss->name, dso_type_name(type));
	ck_assert_int_eq(loss->role, role);
	ck_assert_uint_eq(loss->count, count);
	ck_assert_int_eq(loss->status, status);
}

static void renew(void)
{
	loss_count = 0;
	OK(dso_renew(session, note, NULL));
}

START_TEST(a_session_that_is_not_over_is_left_alone)
{
	begin(_i, 0);
	OK(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	renew();
	ck_assert_uint_eq(loss_count, 0);
	OK(dso_mutex_unlock(mutex));
	finish();
}
END_TEST

/* What is held is lost with the session, and renewed; @notice has looked at the session
 * meanwhile. */
static void lose_and_renew(int number, void (*notice)(void))
{
	int status, mine;
	bool anew = ends[number / 3] == restart;
	int64_t value;

	begin(number % 3, 0);
	hold_everything();
	ends[number / 3]();
	notice();
	renew();
	status = anew ? -ESTALE : 0;
	is_told(DSO_MUTEX, DSO_HOLDER, 1, status);
	is_told(DSO_RWLOCK, DSO_WRITER, 1, status);
	is_told(DSO_SEMAPHORE, DSO_HOLDER, 3, status);
	is_told(DSO_ONCE, DSO_HOLDER, 1, status);
	is_told(DSO_FUTURE, DSO_HOLDER, 1, status);
	ck_assert_int_eq(dso_counter_get(counter, &value), status);
	ck_assert_int_eq(dso_mutex_unlock(mutex), -EPERM);
	if (anew) {
		is_told(DSO_COUNTER, DSO_HOLDER, 0, -ESTALE);
		ck_assert_int_eq(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL), -ESTALE);
	} else {
		ck_assert_int_eq(value, 7);
		ck_assert_ptr_null(loss_of(DSO_COUNTER));
		ck_assert_int_eq(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL), -EOWNERDEAD);
		ck_assert_int_eq(dso_rwlock_wrlock(rwlock, HANG_TIMEOUT), -EOWNERDEAD);
		OK(dso_semaphore_acquire(semaphore, 5, HANG_TIMEOUT));
		OK(dso_once_begin(once, HANG_TIMEOUT, &mine));
		ck_assert_int_eq(mine, 1);
		ck_assert_int_eq(dso_future_get(future, NULL, 0, HANG_TIMEOUT, NULL), -EOWNERDEAD);
	}
	/* A second time there is nothing to do. */
	renew();
	ck_assert_uint_eq(loss_count, 0);
	ck_assert_str_eq(dso_transport(session), transport);
	finish();
}

static void notice_nothing(void)
{
}

/* As a user does who has not noticed: nothing of it can be given back any more. */
static void give_everything_back_in_vain(void)
{
	AWAIT(dso_ping(session, NULL));
	for (int i = 0; i < 2; i++) {
		int results[] = {dso_mutex_unlock(mutex), dso_rwlock_unlock(rwlock),
				 dso_semaphore_release(semaphore, 2), dso_once_done(once),
				 dso_future_set(future, "", 1)};

		for (unsigned j = 0; j < sizeof results / sizeof *results; j++)
			ck_assert_msg(results[j] == -ESHUTDOWN || results[j] == -ENOTCONN ||
					      results[j] == -ECONNRESET,
				      "%u over %s: %d", j, transport, results[j]);
	}
}

START_TEST(what_was_held_is_told_and_the_handles_go_on)
{
	lose_and_renew(_i, notice_nothing);
}
END_TEST

START_TEST(what_could_not_be_given_back_is_told_too)
{
	lose_and_renew(_i, give_everything_back_in_vain);
}
END_TEST

START_TEST(submitted_operations_get_their_outcome_and_can_be_reaped_afterwards)
{
	struct dso_completion completions[64];
	size_t count = 0;
	int64_t value, before;
	int executed = 0;

	begin(_i % 3, 0);
	for (uint64_t i = 0; i < 64; i++)
		OK(dso_counter_add_submit(counter, 1, i));
	ends[_i / 3]();
	renew();
	OK(dso_counter_add_submit(counter, 0, 64) ? 0 : 0);
	for (size_t reaped = 0; reaped < 64; reaped += count) {
		OK(dso_reap(session, completions, 64 - reaped, HANG_TIMEOUT, &count));
		ck_assert_uint_gt(count, 0);
		for (size_t i = 0; i < count; i++) {
			ck_assert_uint_eq(completions[i].tag, reaped + i);
			ck_assert(completions[i].status == 0 ||
				  completions[i].status == -ECONNRESET ||
				  completions[i].status == -ESHUTDOWN ||
				  completions[i].status == -ENOTCONN);
			executed += completions[i].status == 0;
		}
	}
	if (ends[_i / 3] != restart) {
		OK(dso_reap(session, completions, 64, HANG_TIMEOUT, &count));
		ck_assert_uint_eq(count, 1);
		OK(dso_counter_add(counter, 1, &before));
		OK(dso_counter_get(counter, &value));
		ck_assert_int_eq(value, before + 1);
		ck_assert_int_ge(before, 7 + executed);
		ck_assert_int_le(before, 7 + 64);
	}
	finish();
}
END_TEST

/* ---- ephemeral objects ---- */

static struct dso_session *observer;

static struct dso_counter *ephemeral_in(struct dso_session *in)
{
	struct dso_counter_params params = {.ephemeral = DSO_EPHEMERAL, .initial = 3};
	struct dso_counter *opened;

	ck_assert_int_eq(dso_counter_open(in, "passing", &params, &opened), 0);
	return opened;
}

static bool is_there(void)
{
	return dso_object_stat(observer, "passing", NULL) == 0;
}

START_TEST(an_ephemeral_object_stays_for_a_session_that_lingers_until_it_is_renewed)
{
	struct dso_options options = {.linger = 50 * DSO_SECOND};
	struct dso_counter *passing;
	int64_t before;

	begin(_i, 0);
	dso_close(session);
	options.transport = transport;
	ck_assert_int_eq(dso_open(daemon_url(&daemon_process, transport), &options, &session), 0);
	passing = ephemeral_in(session);
	cut();
	observer = open_session(1);
	AWAIT(dso_ping(session, NULL));
	ck_assert(is_there());
	renew();
	ck_assert_uint_eq(loss_count, 0);
	OK(dso_counter_add(passing, 1, &before));
	ck_assert_int_eq(before, 3);
	/* The old session is over, and the new one has the object open. */
	leap(daemon_process.pid, 60 * DSO_SECOND);
	OK(dso_counter_add(passing, 1, NULL));
	ck_assert(is_there());
	dso_counter_close(passing);
	AWAIT(!is_there());
	dso_close(observer);
	finish();
}
END_TEST

START_TEST(an_ephemeral_object_that_went_with_the_session_is_told_as_stale)
{
	struct dso_counter *passing;

	begin(_i, 0);
	passing = ephemeral_in(session);
	cut();
	observer = open_session(1);
	/* Over shm the object stays while this process has the memory mapped. */
	if (strcmp(transport, "shm"))
		AWAIT(!is_there());
	else
		OK(dso_object_delete(observer, "passing"));
	renew();
	ck_assert_uint_eq(loss_count, 1);
	ck_assert_str_eq(losses[0].name, "passing");
	ck_assert_int_eq(losses[0].status, -ESTALE);
	ck_assert_int_eq(dso_counter_add(passing, 1, NULL), -ESTALE);
	dso_close(observer);
	finish();
}
END_TEST

START_TEST(an_ephemeral_object_goes_with_a_process_that_is_killed)
{
	int ready[2];
	pid_t child;
	char byte;

	begin(_i, 0);
	observer = open_session(0);
	ck_assert_int_eq(pipe(ready), 0);
	child = child_fork();
	if (child == 0) {
		ephemeral_in(open_session(0));
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert(is_there());
	ck_assert_int_eq(child_kill(child), CHILD_KILLED);
	AWAIT(!is_there());
	close(ready[0]);
	close(ready[1]);
	dso_close(observer);
	finish();
}
END_TEST

START_TEST(an_object_that_was_made_anew_meanwhile_is_stale)
{
	struct dso_session *other;
	struct dso_counter *anew;
	const struct dso_loss *loss;

	begin(_i, 0);
	cut();
	other = open_session(0);
	OK(dso_object_delete(other, "counter"));
	OK(dso_counter_open(other, "counter", NULL, &anew));
	renew();
	loss = loss_of(DSO_COUNTER);
	ck_assert_ptr_nonnull(loss);
	ck_assert_int_eq(loss->status, -ESTALE);
	ck_assert_uint_eq(loss_count, 1);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), -ESTALE);
	dso_counter_close(counter);
	OK(dso_counter_open(session, "counter", NULL, &counter));
	OK(dso_counter_add(counter, 1, NULL));
	dso_close(other);
	finish();
}
END_TEST

/* Generations begin anew with a storaged. */
START_TEST(an_object_of_another_storaged_is_another_though_name_and_generation_are_the_same)
{
	struct dso_session *other;
	struct dso_counter *anew;
	struct dso_stat before, after;

	begin(_i, 0);
	OK(dso_object_stat(session, "counter", &before));
	restart();
	other = open_session(0);
	OK(dso_counter_open(other, "counter", NULL, &anew));
	OK(dso_object_stat(other, "counter", &after));
	ck_assert_uint_eq(after.generation, before.generation);
	renew();
	is_told(DSO_COUNTER, DSO_HOLDER, 0, -ESTALE);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), -ESTALE);
	dso_close(other);
	finish();
}
END_TEST

START_TEST(a_renewal_that_finds_no_storaged_can_be_tried_again)
{
	begin(_i, 0);
	hold_everything();
	daemon_end(&daemon_process, SIGKILL);
	loss_count = 0;
	ck_assert_int_eq(dso_renew(session, note, NULL), -ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "cannot renew"));
	ck_assert_uint_eq(loss_count, 0);
	ck_assert_int_ne(dso_counter_add(counter, 1, NULL), 0);
	ck_assert_int_ne(dso_ping(session, NULL), 0);
	start_again();
	renew();
	is_told(DSO_MUTEX, DSO_HOLDER, 1, -ESTALE);
	OK(dso_ping(session, NULL));
	finish();
}
END_TEST

START_TEST(the_descriptor_to_poll_stays_and_goes_on)
{
	struct dso_completion completion;
	struct pollfd ready;
	size_t count;

	begin(_i, 0);
	ready = (struct pollfd){.fd = dso_fd(session), .events = POLLIN};
	cut();
	renew();
	ck_assert_int_eq(dso_fd(session), ready.fd);
	OK(dso_counter_add_submit(counter, 1, 1));
	OK(dso_flush(session));
	ck_assert_int_eq(dso_fd(session), ready.fd);
	ck_assert_int_eq(poll(&ready, 1, 60000), 1);
	OK(dso_reap(session, &completion, 1, HANG_TIMEOUT, &count));
	ck_assert_uint_eq(count, 1);
	finish();
}
END_TEST

/* ---- by itself ---- */

START_TEST(what_is_safe_to_repeat_renews_a_session_by_itself_if_it_may)
{
	struct dso_counter *another;
	int64_t value = 0;

	begin(_i, 1);
	cut();
	OK(dso_counter_get(counter, &value));
	ck_assert_int_eq(value, 7);
	cut();
	OK(dso_ping(session, NULL));
	cut();
	OK(dso_counter_open(session, "another", NULL, &another));
	finish();
}
END_TEST

static int each_object(const struct dso_stat *stat, void *context)
{
	(void)stat;
	++*(unsigned *)context;
	return 0;
}

static int each_hold(const struct dso_hold *hold, void *context)
{
	(void)hold;
	(void)context;
	return 0;
}

/* Each of these meets a session that is over; with @renew, none tells of it. */
static unsigned do_what_is_safe(uint64_t renew)
{
	struct dso_server_stat server;
	struct dso_figure figure;
	struct dso_register *reg;
	struct dso_memory *memory;
	struct dso_counter *striped;
	struct dso_stat stat;
	const struct dso_counter_params two = {.stripes = 2};
	unsigned failures = 0, objects = 0;
	uint64_t version;
	int64_t value;
	size_t length;
	char text[8];

	begin(1, renew);
	OK(dso_register_open(session, "register", NULL, &reg));
	OK(dso_register_set(reg, "text", 4, NULL));
	OK(dso_memory_open(session, "memory", NULL, &memory));
#define SAFE(call)                                                                                 \
	do {                                                                                       \
		int safe;                                                                          \
		cut();                                                                             \
		safe = (call);                                                                     \
		failures += safe != 0;                                                             \
		ck_assert_msg(!renew || safe == 0, "%s: %d, %s", #call, safe, dso_error(session)); \
		if (!renew)                                                                        \
			OK(dso_renew(session, NULL, NULL));                                        \
	} while (0)
	SAFE(dso_counter_open(session, "one more", &two, &striped));
	SAFE(dso_object_stat(session, "counter", &stat));
	SAFE(dso_list(session, each_object, &objects));
	SAFE(dso_holds(session, each_hold, NULL));
	SAFE(dso_ping(session, NULL));
	SAFE(dso_server_stat(session, &server));
	SAFE(dso_transport_stat(session, &figure, 1, &length));
	ck_assert(!renew || length == 1);
	SAFE(dso_memory_read(memory, 0, text, 8));
	SAFE(dso_register_get(reg, text, 8, &length, NULL));
	SAFE(dso_register_version(reg, &version));
	SAFE(dso_register_size(reg, &length));
	SAFE(dso_counter_get(counter, &value));
	if (renew) {
		ck_assert_uint_eq(objects, 9);
		ck_assert_uint_eq(length, 4);
		ck_assert_uint_eq(version, 1);
		ck_assert_int_eq(value, 7);
	}
	finish();
	return failures;
}

START_TEST(all_that_is_safe_to_repeat_renews_a_session_if_it_may_and_else_does_not)
{
	ck_assert_uint_eq(do_what_is_safe(1), 0);
	ck_assert_uint_eq(do_what_is_safe(0), 12);
}
END_TEST

/* What changes something is not done again. */
START_TEST(what_is_not_safe_to_repeat_does_not_renew_a_session)
{
	struct dso_register *reg;
	struct dso_memory *memory;

	begin(1, 1);
	OK(dso_register_open(session, "register", NULL, &reg));
	OK(dso_memory_open(session, "memory", NULL, &memory));
	cut();
	AWAIT(dso_counter_add(counter, 1, NULL));
	ck_assert_int_eq(dso_counter_set(counter, 1), -ENOTCONN);
	ck_assert_int_eq(dso_counter_cas(counter, 0, 1, NULL), -ENOTCONN);
	ck_assert_int_eq(dso_register_set(reg, "x", 1, NULL), -ENOTCONN);
	ck_assert_int_eq(dso_memory_write(memory, 0, "x", 1), -ENOTCONN);
	ck_assert_int_eq(dso_memory_fetch_add(memory, 0, 1, NULL), -ENOTCONN);
	ck_assert_int_eq(dso_memory_wake(memory, 0, 1, NULL), -ENOTCONN);
	ck_assert_int_eq(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL), -ENOTCONN);
	ck_assert_int_eq(dso_object_delete(session, "counter"), -ENOTCONN);
	finish();
}
END_TEST

START_TEST(a_reader_hears_that_he_was_one)
{
	begin(_i, 0);
	OK(dso_rwlock_rdlock(rwlock, HANG_TIMEOUT));
	cut();
	renew();
	is_told(DSO_RWLOCK, DSO_READER, 1, 0);
	ck_assert_uint_eq(loss_count, 1);
	OK(dso_rwlock_wrlock(rwlock, HANG_TIMEOUT));
	finish();
}
END_TEST

START_TEST(a_session_that_has_lost_a_hold_is_not_renewed_by_itself)
{
	int64_t value;

	begin(_i, 1);
	OK(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	cut();
	AWAIT(dso_ping(session, NULL));
	ck_assert_int_ne(dso_counter_get(counter, &value), 0);
	renew();
	is_told(DSO_MUTEX, DSO_HOLDER, 1, 0);
	OK(dso_counter_get(counter, &value));
	finish();
}
END_TEST

START_TEST(an_atomic_is_never_repeated)
{
	begin(_i, 1);
	cut();
	AWAIT(dso_counter_add(counter, 1, NULL));
	ck_assert_int_ne(dso_counter_add(counter, 1, NULL), 0);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("renew");
	TCase *tcase = tcase_create("renew");

	leap_prepare();
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, a_session_that_is_not_over_is_left_alone, 0, 3);
	tcase_add_loop_test(tcase, what_was_held_is_told_and_the_handles_go_on, 0, CASES);
	tcase_add_loop_test(tcase, what_could_not_be_given_back_is_told_too, 0, CASES);
	tcase_add_loop_test(tcase,
			    submitted_operations_get_their_outcome_and_can_be_reaped_afterwards, 0,
			    CASES);
	tcase_add_loop_test(
		tcase, an_ephemeral_object_stays_for_a_session_that_lingers_until_it_is_renewed, 0,
		3);
	tcase_add_loop_test(tcase, an_ephemeral_object_that_went_with_the_session_is_told_as_stale,
			    0, 3);
	tcase_add_loop_test(tcase, an_ephemeral_object_goes_with_a_process_that_is_killed, 0, 3);
	tcase_add_loop_test(tcase, an_object_that_was_made_anew_meanwhile_is_stale, 0, 3);
	tcase_add_loop_test(
		tcase,
		an_object_of_another_storaged_is_another_though_name_and_generation_are_the_same, 0,
		3);
	tcase_add_loop_test(tcase, a_renewal_that_finds_no_storaged_can_be_tried_again, 0, 3);
	tcase_add_loop_test(tcase, the_descriptor_to_poll_stays_and_goes_on, 0, 3);
	tcase_add_loop_test(tcase, what_is_safe_to_repeat_renews_a_session_by_itself_if_it_may, 0,
			    3);
	tcase_add_test(tcase,
		       all_that_is_safe_to_repeat_renews_a_session_if_it_may_and_else_does_not);
	tcase_add_test(tcase, what_is_not_safe_to_repeat_does_not_renew_a_session);
	tcase_add_loop_test(tcase, a_reader_hears_that_he_was_one, 0, 3);
	tcase_add_loop_test(tcase, a_session_that_has_lost_a_hold_is_not_renewed_by_itself, 0, 3);
	tcase_add_loop_test(tcase, an_atomic_is_never_repeated, 0, 3);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
