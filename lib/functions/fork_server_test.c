/* SPDX-License-Identifier: Apache-2.0 */
/* The fork server, in a child of the test: what it forks, what it refuses, and how it ends. */
#include "lib/functions/fork_server.h"
#include "tests/await.h"
#include "tests/child.h"
#include "tests/runner.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int channel; /* the driver's end */
static pid_t server;

static void *wait_for_ever(void *argument)
{
	pause();
	return argument;
}

/* A server whose workers do nothing until they are ended. */
static void start(bool has_thread)
{
	int fds[2];
	pthread_t thread;

	ck_assert_int_eq(fork_server_channel(fds), 0);
	server = child_fork();
	if (server == 0) {
		close(fds[0]);
		if (has_thread)
			ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
		fork_server_serve(fds[1]);
		for (;;)
			pause();
	}
	close(fds[1]);
	channel = fds[0];
}

static int take(pid_t *ret_pid)
{
	struct pollfd ready = {.fd = channel, .events = POLLIN};

	ck_assert_int_eq(poll(&ready, 1, -1), 1);
	return fork_server_take(channel, ret_pid);
}

static bool is_there(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static void await_end(pid_t pid)
{
	struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

	ck_assert_int_ge(ended.fd, 0);
	ck_assert_int_eq(poll(&ended, 1, -1), 1);
	close(ended.fd);
}

START_TEST(a_server_forks_as_many_workers_as_it_is_asked_for)
{
	pid_t first, second;

	start(false);
	ck_assert_int_eq(fork_server_take(channel, &first), -EAGAIN);
	ck_assert(fork_server_ask(channel));
	ck_assert(fork_server_ask(channel));
	ck_assert_int_eq(take(&first), 0);
	ck_assert_int_eq(take(&second), 0);
	ck_assert_int_ne(first, second);
	ck_assert(is_there(first) && is_there(second));
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
}
END_TEST

START_TEST(the_number_of_a_worker_stays_its_own_until_it_is_reaped)
{
	pid_t pid;

	start(false);
	fork_server_ask(channel);
	ck_assert_int_eq(take(&pid), 0);
	kill(pid, SIGKILL);
	await_end(pid);
	ck_assert(is_there(pid));
	ck_assert_uint_eq(fork_server_reap(channel, &pid, 1), 1);
	AWAIT(!is_there(pid));
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
}
END_TEST

START_TEST(a_server_ends_when_the_driver_has_closed_its_end_and_so_do_its_workers)
{
	pid_t pid;

	start(false);
	fork_server_ask(channel);
	ck_assert_int_eq(take(&pid), 0);
	close(channel);
	ck_assert_int_eq(child_status(server), 0);
	AWAIT(!is_there(pid));
}
END_TEST

/* Many of them, as the channel has room for fewer messages. */
START_TEST(the_ends_of_all_workers_are_told_to_a_server_that_does_not_listen_yet)
{
	enum { WORKERS = 300 };
	pid_t pids[WORKERS];

	start(false);
	for (int i = 0; i < WORKERS; i++) {
		ck_assert(fork_server_ask(channel));
		ck_assert_int_eq(take(&pids[i]), 0);
	}
	kill(server, SIGSTOP);
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		await_end(pids[i]);
	}
	ck_assert_uint_eq(fork_server_reap(channel, pids, WORKERS), WORKERS);
	kill(server, SIGCONT);
	for (int i = 0; i < WORKERS; i++)
		AWAIT(!is_there(pids[i]));
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
}
END_TEST

/* Otherwise this process would have it, which adopts orphans. */
START_TEST(a_server_whose_driver_says_no_more_reaps_what_has_ended)
{
	pid_t pid;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	start(false);
	fork_server_ask(channel);
	ck_assert_int_eq(take(&pid), 0);
	kill(pid, SIGKILL);
	await_end(pid);
	shutdown(channel, SHUT_WR);
	ck_assert_int_eq(take(&pid), -EPIPE);
	ck_assert_int_eq(child_status(server), 0);
	ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}
END_TEST

START_TEST(workers_stay_where_the_program_ignores_the_ends_of_children)
{
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	start(false);
	signal(SIGCHLD, SIG_DFL);
	fork_server_ask(channel);
	ck_assert_int_eq(take(&pid), 0);
	kill(pid, SIGKILL);
	await_end(pid);
	ck_assert(is_there(pid));
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
}
END_TEST

START_TEST(the_end_of_a_server_is_told_and_ends_its_workers)
{
	pid_t pid;

	start(false);
	fork_server_ask(channel);
	ck_assert_int_eq(take(&pid), 0);
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
	ck_assert_int_eq(take(&pid), -EPIPE);
	ck_assert(fork_server_ask(channel)); /* in vain, as fork_server_take() says */
	ck_assert_int_eq(take(&pid), -EPIPE);
}
END_TEST

START_TEST(a_server_that_has_threads_refuses)
{
	pid_t pid;

	start(true);
	fork_server_ask(channel);
	ck_assert_int_eq(take(&pid), -EOPNOTSUPP);
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
}
END_TEST

/* Nobody reads: the channel fills up, and nothing waits for that. */
START_TEST(a_server_that_is_frozen_keeps_no_driver)
{
	unsigned sent = 0;

	start(false);
	kill(server, SIGSTOP);
	while (fork_server_ask(channel))
		sent++;
	ck_assert_uint_gt(sent, 100);
	ck_assert_int_eq(child_kill(server), CHILD_KILLED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fork server");
	TCase *tests = tcase_create("fork server");

	tcase_add_test(tests, a_server_forks_as_many_workers_as_it_is_asked_for);
	tcase_add_test(tests, the_number_of_a_worker_stays_its_own_until_it_is_reaped);
	tcase_add_test(tests,
		       a_server_ends_when_the_driver_has_closed_its_end_and_so_do_its_workers);
	tcase_add_test(tests,
		       the_ends_of_all_workers_are_told_to_a_server_that_does_not_listen_yet);
	tcase_add_test(tests, a_server_whose_driver_says_no_more_reaps_what_has_ended);
	tcase_add_test(tests, workers_stay_where_the_program_ignores_the_ends_of_children);
	tcase_add_test(tests, the_end_of_a_server_is_told_and_ends_its_workers);
	tcase_add_test(tests, a_server_that_has_threads_refuses);
	tcase_add_test(tests, a_server_that_is_frozen_keeps_no_driver);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
