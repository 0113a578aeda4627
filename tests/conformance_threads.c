/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads in one session: with DSO_CHECK=1 that ends the process, and says why. */
#include "tests/conformance.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct dso_session *session;
static struct dso_latch *latch;

static void *wait_at_the_latch(void *unused)
{
	dso_latch_wait(latch, DSO_FOREVER);
	return unused;
}

static struct dso_counter *counter;
static struct dso_mutex *mutex;

static void add(void)
{
	dso_counter_add(counter, 1, NULL);
}

static void lock(void)
{
	dso_mutex_lock(mutex, DSO_FOREVER, NULL);
}

static void lock_and_unlock(void)
{
	dso_mutex_unlock(mutex);
	dso_mutex_lock(mutex, DSO_FOREVER, NULL);
}

/* What has a fast path of its own, and what may have been called last. */
static const struct {
	void (*call)(void);
	const char *names[2];
} fast[] = {{add, {"dso_counter_add()", "dso_counter_add()"}},
	    {lock, {"dso_mutex_lock()", "dso_mutex_lock()"}},
	    {lock_and_unlock, {"dso_mutex_unlock()", "dso_mutex_lock()"}}};
#define FAST_COUNT (int)(sizeof fast / sizeof *fast)

/* In a child, whose stderr is @fd: it does not return. */
static void two_threads_in_one_session(int fd, void (*call)(void))
{
	const struct dso_latch_params one = {.count = 1};
	pthread_t thread;

	alarm(300); /* should it not be noticed */
	dup2(fd, STDERR_FILENO);
	if (conformance_dial(&session) || dso_latch_open(session, "two threads", &one, &latch) ||
	    dso_counter_open(session, "two threads, a counter", NULL, &counter) ||
	    dso_mutex_open(session, "two threads, a mutex", NULL, &mutex) ||
	    pthread_create(&thread, NULL, wait_at_the_latch, NULL))
		_exit(1);
	/* Whichever comes in second is told. */
	for (;;)
		call();
}

START_TEST(two_threads_in_one_session_are_told_what_both_have_called)
{
	char text[1000] = "";
	size_t fill = 0;
	ssize_t n;
	int pipe_fds[2], status;
	pid_t pid;

	/* rdma-core serves no child of a process that uses it. */
	if (conformance_is("verbs"))
		return;
	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid = child_fork();
	if (pid == 0)
		two_threads_in_one_session(pipe_fds[1], fast[_i].call);
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], text + fill, sizeof text - 1 - fill)) > 0)
		fill += (size_t)n;
	close(pipe_fds[0]);
	status = child_status(pid);
	ck_assert_msg(status == 128 + SIGABRT, "status %d: %s", status, text);
	ck_assert_msg(strstr(text, "dso_latch_wait()") &&
			      (strstr(text, fast[_i].names[0]) || strstr(text, fast[_i].names[1])),
		      "%s", text);
}
END_TEST

static int call_another(const struct dso_stat *stat, void *context)
{
	(void)stat;
	return dso_ping(context, NULL) ? -1 : 1;
}

/* A function that calls another one on its way is one thread's. */
START_TEST(one_thread_may_be_in_a_session_twice)
{
	struct dso_session *mine = conformance_open();

	OK(mine, dso_counter_open(mine, conformance_name(), NULL, &counter));
	ck_assert_int_eq(dso_list(mine, call_another, mine), 1);
	OK(mine, dso_ping(mine, NULL));
	dso_close(mine);
}
END_TEST

static void *use_and_close(void *argument)
{
	return (void *)(intptr_t)(dso_ping(argument, NULL) || (dso_close(argument), 0));
}

START_TEST(a_session_may_go_from_one_thread_to_another)
{
	struct dso_session *mine = conformance_open();
	pthread_t thread;
	void *failed;

	OK(mine, dso_ping(mine, NULL));
	ck_assert_int_eq(pthread_create(&thread, NULL, use_and_close, mine), 0);
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
}
END_TEST

Suite *conformance_threads_suite(void)
{
	Suite *suite = suite_create("threads");
	TCase *tcase = tcase_create("threads");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, two_threads_in_one_session_are_told_what_both_have_called, 0,
			    FAST_COUNT);
	tcase_add_test(tcase, one_thread_may_be_in_a_session_twice);
	tcase_add_test(tcase, a_session_may_go_from_one_thread_to_another);
	suite_add_tcase(suite, tcase);
	return suite;
}
