/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death and silence: clients killed at any moment, a daemon killed or stopped, clients stopped.
 * faults [TRANSPORT...] (default shm tcp). The moments are drawn from a seed (FAULTS_SEED), which
 * is printed.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/bytes.h"
#include "tests/clock.h"
#include "tests/daemon.h"
#include "tests/leap/hurry.h"
#include "tests/leap/leap.h"
#include "tests/runner.h"
#include "tests/transports.h"

static int rounds = 25; /* of kills: FAULTS_ROUNDS */
static struct daemon_process storage;
static const char *transport; /* set by each loop test */
static unsigned seed;

/* A limit that only a hang reaches. */
#define HANG_TIMEOUT (120 * DSO_SECOND)
/* Nobody is silent for that long, but who is said to be. */

#define TTL (1200 * DSO_SECOND)

static struct dso_session *open_over(const char *name, int64_t timeout)
{
	struct dso_options options = {.transport = name, .timeout = timeout};
	struct dso_session *session;
	int r = dso_open(daemon_url(&storage, name), &options, &session);

	ck_assert_msg(r == 0, "%s", dso_error(NULL));
	return session;
}

static struct dso_session *observer(void)
{
	return open_over("tcp", HANG_TIMEOUT);
}

static uint64_t sessions(struct dso_session *session)
{
	struct dso_server_stat stat;

	ck_assert_msg(dso_server_stat(session, &stat) == 0, "%s", dso_error(session));
	return stat.sessions;
}

/* Wait until only @count sessions are left. */
static void until_sessions(struct dso_session *session, uint64_t count)
{
	AWAIT(sessions(session) <= count);
}

static void setup(void)
{
	static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "20m", NULL};

	daemon_start(&storage, arguments);
}

static void setup_for_silence(void)
{
	static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "20m", NULL};

	daemon_start(&storage, arguments);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

/* A client that does a bit of everything until it is killed. */
static void live(void)
{
	struct dso_register_params params = {.capacity_bytes = 200000};
	struct dso_session *session = open_over(transport, HANG_TIMEOUT);
	static char value[200000];
	char name[32];

	for (unsigned i = 0;; i++) {
		struct dso_counter *counter;
		struct dso_register *reg, *own;

		if (dso_counter_open(session, "shared counter", NULL, &counter) ||
		    dso_register_open(session, "shared register", &params, &reg))
			_exit(1);
		for (int j = 0; j < 20; j++)
			dso_counter_add_submit(counter, 1, 0);
		dso_flush(session);
		memset(value, (int)i, sizeof value);
		dso_register_set(reg, value, sizeof value, NULL);
		dso_register_get(reg, value, sizeof value, NULL, NULL);
		snprintf(name, sizeof name, "own %d %u", (int)getpid(), i);
		if (dso_register_open(session, name, &params, &own) == 0)
			dso_object_delete(session, name);
		dso_register_close(own);
		dso_counter_close(counter);
		dso_register_close(reg);
	}
}

START_TEST(a_client_killed_at_any_moment_leaves_nothing_behind)
{
	struct dso_session *session = observer();
	struct dso_register *reg;
	struct dso_server_stat stat;
	char value[200000];
	uint64_t used;
	size_t length;

	transport = transports[_i];
	ck_assert_int_eq(dso_server_stat(session, &stat), 0);
	used = stat.region_used_bytes;
	for (int round = 0; round < rounds; round++) {
		pid_t pid = child_fork();

		if (pid == 0)
			live();
		nap(rand_r(&seed) % 15 * DSO_MILLISECOND + rand_r(&seed) % 1000000);
		ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
		/* At once: the kernel closed its connections. */
		until_sessions(session, 1);
		/* A writer that died holding the register left it to the next one, whole. */
		if (dso_register_open(session, "shared register", NULL, &reg) == 0) {
			int r = dso_register_get(reg, value, sizeof value, &length, NULL);

			/* Or the client died before it made it with 200,000 bytes. */
			ck_assert_msg(r == 0, "%s", dso_error(session));
			ck_assert(bytes_are(value, length, (uint8_t)value[0]));
			ck_assert_msg(dso_register_set(reg, value,
						       dso_register_capacity(reg) < 10 ? 1 : 10,
						       NULL) == 0,
				      "%s", dso_error(session));
			dso_register_close(reg);
			ck_assert_int_eq(dso_object_delete(session, "shared register"), 0);
		}
		dso_object_delete(session, "shared counter");
	}
	ck_assert_int_eq(dso_server_stat(session, &stat), 0);
	/* What the dead made without deleting it is objects like any other: nothing else may be
	 * left. */
	ck_assert_uint_le(stat.region_used_bytes, used + stat.objects * 500000);
	ck_assert_uint_le(stat.objects, (unsigned)rounds);
	dso_close(session);
}
END_TEST

START_TEST(memory_that_a_dead_client_had_open_is_used_again)
{
	struct dso_register_params params = {.capacity_bytes = 20 << 20}; /* 40 of 64 MiB */
	struct dso_session *session = observer();
	struct dso_register *reg;
	int fds[2], status;
	char byte;
	pid_t pid;

	transport = transports[_i];
	ck_assert_int_eq(pipe(fds), 0);
	pid = child_fork();
	if (pid == 0) {
		struct dso_session *own = open_over(transport, HANG_TIMEOUT);

		if (dso_register_open(own, "big", &params, &reg) || write(fds[1], "", 1) != 1)
			_exit(1);
		/* It never acknowledges the deletion, for it is stopped. */
		raise(SIGSTOP);
		pause();
	}
	/* So that a child that fails ends the wait. */
	close(fds[1]);
	ck_assert_int_eq((int)read(fds[0], &byte, 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(dso_object_delete(session, "big"), 0);
	/* While it may still touch the memory nobody else gets it. */
	ck_assert_int_eq(dso_register_open(session, "other", &params, &reg), -ENOSPC);
	ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
	AWAIT(dso_register_open(session, "other", &params, &reg) == 0);
	dso_close(session);
	close(fds[0]);
}
END_TEST

START_TEST(a_client_that_is_silent_for_the_ttl_is_fenced_and_told_so)
{
	struct dso_session *session = observer(), *sleeper;
	struct dso_counter *counter;
	unsigned leaps = 0;
	int64_t value;
	int status;
	pid_t pid;

	pid = child_fork();
	if (pid == 0) {
		int r;

		sleeper = open_over("tcp", HANG_TIMEOUT);
		if (dso_counter_open(sleeper, "asleep", NULL, &counter) ||
		    dso_counter_add(counter, 1, NULL))
			_exit(1);
		raise(SIGSTOP);
		/* What it does now comes too late, from its first operation on. */
		r = dso_counter_add(counter, 1000, NULL);
		_exit(r == -ESHUTDOWN || r == -ENOTCONN || r == -ECONNRESET ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	for (; sessions(session) > 1; leaps++)
		leap(storage.pid, TTL / 10);
	ck_assert_uint_ge(leaps, 10);
	kill(pid, SIGCONT);
	ck_assert_int_eq(child_status(pid), 0);
	ck_assert_int_eq(dso_counter_open(session, "asleep", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_get(counter, &value), 0);
	ck_assert_int_eq(value, 1);
	dso_close(session);
}
END_TEST

/* By its closed connection: no silence of an hour is waited for. */
START_TEST(a_killed_daemon_is_noticed_at_once)
{
	struct dso_session *session;
	struct dso_counter *counter;
	int r;

	transport = transports[_i];
	session = open_over(transport, 3600 * DSO_SECOND);
	ck_assert_int_eq(dso_counter_open(session, "c", NULL, &counter), 0);
	kill(storage.pid, SIGKILL);
	AWAIT((r = dso_counter_add(counter, 1, NULL)) != 0);
	ck_assert_msg(r == -ENOTCONN || r == -ECONNRESET, "%d", r);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "lost"));
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), -ENOTCONN);
	dso_close(session);
	waitpid(storage.pid, NULL, 0);
	setup();
}
END_TEST

/* With the default, and with a timeout of its own. */
START_TEST(a_stopped_daemon_is_noticed_by_its_silence)
{
	struct dso_session *session;
	struct dso_counter *counter;
	int r;

	transport = transports[_i / 2];
	session = open_over(transport, _i % 2 ? 20 * DSO_SECOND : 0);
	ck_assert_int_eq(dso_counter_open(session, "c", NULL, &counter), 0);
	process_freeze(storage.pid);
	hurry_process_begin();
	AWAIT((r = dso_counter_add(counter, 1, NULL)) != 0);
	hurry_process_end();
	kill(storage.pid, SIGCONT);
	ck_assert_msg(r == -ENOTCONN || r == -ECONNRESET, "%d", r);
	/* Memory that is shared breaks by no silence but that of heartbeats. */
	if (!strcmp(transport, "shm"))
		ck_assert_msg(strstr(dso_error(session), _i % 2 ? "for 20000 ms" : "for 3000 ms"),
			      "%s", dso_error(session));
	dso_close(session);
}
END_TEST

#define STANDSTILL (TTL * 5 / 4)

struct questions {
	_Atomic uint64_t asked, answered;
};

static void stand_still(int number)
{
	(void)number;
	hurry_process_leap(STANDSTILL);
}

/* Ask storaged again and again: by the control connection where operations do not need it. While
 * this process is frozen a time passes that is more than its timeout. */
static void ask(struct questions *questions)
{
	struct dso_session *session = open_over(transport, TTL);
	bool needed = !strcmp(transport, "tcp") || !strcmp(transport, "roce");
	struct sigaction action = {.sa_handler = stand_still, .sa_flags = SA_RESTART};
	struct dso_counter *counter;

	if (dso_counter_open(session, "asked", NULL, &counter))
		_exit(1);
	sigaction(SIGCONT, &action, NULL);
	for (;;) {
		questions->asked++;
		if ((!needed && dso_ping(session, NULL)) || dso_counter_add(counter, 1, NULL))
			_exit(2);
		questions->answered++;
	}
}

/* Until @counter is larger than now. */
static void until_counted(struct dso_counter *counter, pid_t pid)
{
	int64_t first, value;

	ck_assert_int_eq(dso_counter_get(counter, &first), 0);
	AWAIT(waitpid(pid, NULL, WNOHANG) == 0 && dso_counter_get(counter, &value) == 0 &&
	      value > first);
}

/* As a machine does that is paused: a client wakes up with its time over, and before storaged
 * does. */
START_TEST(a_standstill_of_all_ends_no_session)
{
	struct questions *questions = mmap(NULL, sizeof *questions, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct dso_session *session = observer();
	struct dso_counter *counter;
	pid_t pid;

	transport = transports[_i];
	ck_assert_int_eq(dso_counter_open(session, "asked", NULL, &counter), 0);
	pid = child_fork();
	if (pid == 0)
		ask(questions);
	until_counted(counter, pid);
	process_freeze(storage.pid);
	AWAIT(questions->asked > questions->answered);
	process_freeze(pid);
	leap_frozen(STANDSTILL);
	kill(pid, SIGCONT);
	/* Its threads have looked at the time. */
	nap(5 * DSO_MILLISECOND);
	kill(storage.pid, SIGCONT);
	until_counted(counter, pid);
	ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
	munmap(questions, sizeof *questions);
	dso_close(session);
}
END_TEST

#define HELD_TIMEOUT DSO_SECOND

static atomic_bool is_held;

static void hold_thread(int number)
{
	(void)number;
	is_held = true;
	nap(HELD_TIMEOUT * 3 / 2);
}

static void *wait_for_word(void *memory)
{
	return (void *)(intptr_t)dso_memory_wait(memory, 0, 0, DSO_FOREVER);
}

/* By a handler of a signal, or a scheduler; the other threads of its process go on. */
START_TEST(a_thread_that_is_held_up_while_it_waits_does_not_lose_its_session)
{
	struct dso_memory_params params = {.size_bytes = 64};
	struct dso_session *session, *waker = observer();
	struct dso_memory *memory, *same;
	struct sigaction action = {.sa_handler = hold_thread};
	uint32_t count = 0;
	pthread_t thread;
	void *result;

	transport = transports[_i];
	session = open_over(transport, HELD_TIMEOUT);
	ck_assert_int_eq(dso_memory_open(session, "held up", &params, &memory), 0);
	ck_assert_int_eq(dso_memory_open(waker, "held up", &params, &same), 0);
	is_held = false;
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, wait_for_word, memory);
	nap(50 * DSO_MILLISECOND);
	pthread_kill(thread, SIGUSR1);
	AWAIT(is_held);
	nap(HELD_TIMEOUT * 3 / 2);
	while (count == 0)
		ck_assert_int_eq(dso_memory_wake(same, 0, 1, &count), 0);
	pthread_join(thread, &result);
	ck_assert_int_eq((intptr_t)result, 0);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	dso_object_delete(waker, "held up");
	dso_close(session);
	dso_close(waker);
}
END_TEST

START_TEST(a_forked_child_cannot_use_its_parents_session_and_the_parent_goes_on)
{
	struct dso_session *session, *own;
	struct dso_counter *counter;
	int64_t value;
	pid_t pid;

	transport = transports[_i];
	session = open_over(transport, HANG_TIMEOUT);
	ck_assert_int_eq(dso_counter_open(session, "forked", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, NULL), 0);
	pid = child_fork();
	if (pid == 0) {
		if (dso_counter_add(counter, 100, NULL) != -ENOTCONN)
			_exit(1);
		dso_close(session);
		/* rdma-core serves a process or its child, not both: that child has tcp. */
		own = open_over(!strcmp(transport, "verbs") ? "tcp" : transport, HANG_TIMEOUT);
		_exit(dso_counter_open(own, "forked", NULL, &counter) ||
				      dso_counter_add(counter, 10, NULL)
			      ? 2
			      : 0);
	}
	ck_assert_int_eq(child_status(pid), 0);
	ck_assert_int_eq(dso_counter_add(counter, 1, &value), 0);
	ck_assert_int_eq(value, 11);
	dso_close(session);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = tcase_create("faults");

	rounds = number_of("FAULTS_ROUNDS", rounds);
	transports_choose(argc, argv);
	/* The library's own timeout is what is tested. */
	unsetenv("DSO_TIMEOUT_MS");
	seed = (unsigned)number_of("FAULTS_SEED", (int)time(NULL));
	printf("# FAULTS_SEED=%u\n", seed);
	leap_prepare();
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_client_killed_at_any_moment_leaves_nothing_behind, 0,
			    transport_count);
	tcase_add_loop_test(tcase, memory_that_a_dead_client_had_open_is_used_again, 0,
			    transport_count);
	tcase_add_loop_test(tcase, a_standstill_of_all_ends_no_session, 0, transport_count);
	/* rdma-core serves no child of a process that uses it: from here on this one does. */
	tcase_add_loop_test(tcase, a_killed_daemon_is_noticed_at_once, 0, transport_count);
	tcase_add_loop_test(tcase, a_stopped_daemon_is_noticed_by_its_silence, 0,
			    2 * transport_count);
	tcase_add_loop_test(tcase,
			    a_thread_that_is_held_up_while_it_waits_does_not_lose_its_session, 0,
			    transport_count);
	tcase_add_loop_test(tcase,
			    a_forked_child_cannot_use_its_parents_session_and_the_parent_goes_on, 0,
			    transport_count);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("silence");
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup_for_silence, teardown);
	tcase_add_test(tcase, a_client_that_is_silent_for_the_ttl_is_fenced_and_told_so);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
