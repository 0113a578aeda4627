/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that forks while another one opens or renews a session: the child has none of the memory
 * that storaged passed. This program's own madvise() lets the other thread fork just before the
 * library keeps the memory from children.
 */
#include "tests/await.h"
#include "tests/daemon.h"
#include "tests/runner.h"

#include <check.h>
#include <dso/dso.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const arguments[] = {"--memory", "64MiB", "--domain", "cpu", NULL};
static struct daemon_process storage;
static struct dso_session *session;

/* ---- the thread that forks ---- */

static pthread_t forking;
static bool is_forking;
static _Atomic pid_t forking_id; /* it is about to fork */
static atomic_bool has_forked;

/* Whether memory that storaged passed is mapped. */
static bool is_mapped(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	while (file && !found && fgets(line, sizeof line, file))
		found = strstr(line, "memfd:dso-");
	return found;
}

static void *fork_once(void *context)
{
	pid_t child;

	(void)context;
	atomic_store(&forking_id, (pid_t)syscall(SYS_gettid));
	child = child_fork();
	if (child == 0)
		_exit(is_mapped());
	context = (void *)(intptr_t)child_status(child);
	atomic_store(&has_forked, true);
	return context;
}

/* Whether the thread waits for a lock: nothing else in fork() does. */
static bool waits_for_lock(void)
{
	char path[64], line[64] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)atomic_load(&forking_id));
	file = fopen(path, "r");
	if (file && !fgets(line, sizeof line, file))
		*line = 0;
	if (file)
		fclose(file);
	return strtol(line, NULL, 10) == SYS_futex && *line != 'r';
}

static void let_fork(void)
{
	atomic_store(&forking_id, 0);
	atomic_store(&has_forked, false);
	ck_assert_int_eq(pthread_create(&forking, NULL, fork_once, NULL), 0);
	is_forking = true;
	AWAIT(atomic_load(&forking_id) && (atomic_load(&has_forked) || waits_for_lock()));
}

static void child_must_have_nothing(void)
{
	void *status;

	ck_assert_int_eq(pthread_join(forking, &status), 0);
	is_forking = false;
	ck_assert_int_eq((int)(intptr_t)status, 0);
}

/* ---- where it forks ---- */

static unsigned calls,
	fork_at; /* counted: calls that keep memory from children; 0: at none of them */

/* The library is to find it. */
__attribute__((visibility("default"))) int madvise(void *memory, size_t bytes, int advice)
{
	if (advice == MADV_DONTFORK && ++calls == fork_at)
		let_fork();
	return (int)syscall(SYS_madvise, memory, bytes, advice);
}

static void open_session(unsigned at)
{
	struct dso_options options = {.transport = "shm"};

	calls = 0;
	fork_at = at;
	ck_assert_int_eq(dso_open(daemon_url(&storage, "shm"), &options, &session), 0);
	fork_at = 0;
}

static void set_up(void)
{
	daemon_start(&storage, arguments);
}

static void tear_down(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

START_TEST(a_child_of_another_threads_fork_has_none_of_the_memory)
{
	unsigned windows;

	open_session(0);
	dso_close(session);
	windows = calls;
	ck_assert_uint_ge(windows, 2); /* of the lease and of the arena */
	for (unsigned at = 1; at <= windows; at++) {
		open_session(at);
		ck_assert(is_forking);
		child_must_have_nothing();
		dso_close(session);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forking");
	TCase *tcase = tcase_create("forking");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_child_of_another_threads_fork_has_none_of_the_memory);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
