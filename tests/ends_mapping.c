/* SPDX-License-Identifier: Apache-2.0 */
/* Over shm what a process does can land while it has the memory mapped: so long what it held is
 * kept, and no longer. */
#include "tests/ends.h"
#include "tests/victim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOST_MAX 64 /* sessions of a process that are over and not swept */

static struct dso_session *observer;
static struct dso_mutex *mutex;
static struct victim victim;
static const char *name;

static void setup(void)
{
	static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "20m", NULL};

	ends_start(arguments);
	name = ends_name();
	observer = ends_open("tcp", 0);
	mutex = ends_mutex(observer, name);
	victim = victim_start(daemon_url(&storage, "shm"), "shm", name, 0);
}

static void teardown(void)
{
	victim_kill(&victim);
	dso_close(observer);
	ends_stop();
}

static void expect_given_back(void)
{
	ck_assert_int_eq(dso_mutex_lock(mutex, ENDS_HANG_TIMEOUT, NULL), -EOWNERDEAD);
	ends_until_sessions(observer, 1);
}

START_TEST(a_process_that_closes_a_lost_session_gives_back_what_it_held)
{
	victim_order(&victim, 'b');
	ends_until_noted(observer, name, " (lost)");
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ETIMEDOUT);
	victim_order(&victim, 'c');
	expect_given_back();
}
END_TEST

START_TEST(exec_keeps_no_holds)
{
	victim_order(&victim, 'e');
	expect_given_back();
}
END_TEST

START_TEST(a_child_that_was_forked_keeps_no_holds_of_its_parents)
{
	victim_order(&victim, 'f');
	victim_order(&victim, 'b');
	ends_until_noted(observer, name, " (lost)");
	victim_order(&victim, 'c');
	expect_given_back();
}
END_TEST

START_TEST(a_child_that_was_forked_keeps_nothing_behind_its_parents_exec)
{
	victim_order(&victim, 'f');
	victim_order(&victim, 'e');
	expect_given_back();
}
END_TEST

/* The memory is mapped still, whatever became of the descriptors. */
START_TEST(a_process_that_lost_its_descriptors_keeps_its_holds_until_it_unmaps)
{
	victim_order(&victim, 'd');
	ends_until_noted(observer, name, " (lost)");
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ETIMEDOUT);
	victim_order(&victim, 'c');
	expect_given_back();
}
END_TEST

START_TEST(a_process_that_is_stopped_is_not_called_ended)
{
	victim_order(&victim, 'b');
	process_freeze(victim.pid);
	ends_until_noted(observer, name, " (lost)");
	kill(victim.pid, SIGCONT);
}
END_TEST

/* Each is lost, and the process has its memory mapped. */
static void lose_sessions(int count)
{
	for (int i = 0; i < count; i++) {
		victim_order(&victim, 'b');
		victim_order(&victim, 'a');
	}
}

START_TEST(many_lost_sessions_of_a_process_do_not_keep_other_processes_out)
{
	struct victim other;

	lose_sessions(LOST_MAX - 1);
	/* It has as many as it may: its own next one is refused. */
	victim_order(&victim, 'b');
	victim_order(&victim, 'r');
	other = victim_start(daemon_url(&storage, "shm"), "shm", "another's", 0);
	victim_kill(&other);
	victim_kill(&victim);
	ends_until_sessions(observer, 1);
	victim = victim_start(daemon_url(&storage, "shm"), "shm", "the last one", 0);
}
END_TEST

/* In a forked child nothing of the arena is mapped: it must not reach what its parent does not have
 * any more. */
START_TEST(a_forked_child_has_no_arena_mapped)
{
	struct dso_session *session = ends_open("shm", 0);
	char line[512];
	pid_t pid = child_fork();

	if (pid == 0) {
		FILE *maps = fopen("/proc/self/maps", "r");

		while (maps && fgets(line, sizeof line, maps))
			if (strstr(line, "memfd:dso-arena"))
				_exit(1);
		_exit(maps ? 0 : 2);
	}
	ck_assert_int_eq(child_status(pid), 0);
	dso_close(session);
}
END_TEST

Suite *ends_mapping_suite(void)
{
	Suite *suite = suite_create("mapping");
	TCase *tests = tcase_create("mapping");

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_process_that_closes_a_lost_session_gives_back_what_it_held);
	tcase_add_test(tests, exec_keeps_no_holds);
	tcase_add_test(tests, a_child_that_was_forked_keeps_no_holds_of_its_parents);
	tcase_add_test(tests, a_child_that_was_forked_keeps_nothing_behind_its_parents_exec);
	tcase_add_test(tests, a_process_that_lost_its_descriptors_keeps_its_holds_until_it_unmaps);
	tcase_add_test(tests, a_process_that_is_stopped_is_not_called_ended);
	tcase_add_test(tests, a_forked_child_has_no_arena_mapped);
	tcase_add_test(tests, many_lost_sessions_of_a_process_do_not_keep_other_processes_out);
	suite_add_tcase(suite, tests);
	return suite;
}
