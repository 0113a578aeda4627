/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers of a map that are killed at any moment while they put many entries at once and the map
 * grows: map_deaths TRANSPORT... Each time another session takes up what the dead one left, and the
 * map is whole; and in the end its memory comes back to the byte. MAP_DEATHS kills a transport.
 */
#include <check.h>
#include <dso/dso.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/await.h"
#include "tests/clock.h"
#include "tests/daemon.h"
#include "tests/fsck.h"
#include "tests/runner.h"
#include "tests/transports.h"

#define MANY 32

static struct daemon_process storage;
static _Atomic uint64_t *keys; /* so many were begun, by all writers */

static struct dso_map *map_in(const char *transport, struct dso_session **ret_session)
{
	struct dso_options options = {.transport = transport};
	struct dso_map *map;

	ck_assert_int_eq(dso_open(daemon_url(&storage, transport), &options, ret_session), 0);
	ck_assert_int_eq(dso_map_open(*ret_session, "map", NULL, &map), 0);
	return map;
}

/* Values of both kinds: some fit into the index, and most do not. */
static int put_many(struct dso_map *map)
{
	uint64_t numbers[MANY], first = atomic_fetch_add(keys, MANY);
	static uint8_t value[200];
	struct dso_map_item items[MANY];

	for (unsigned i = 0; i < MANY; i++) {
		numbers[i] = first + i;
		items[i] = (struct dso_map_item){.key = &numbers[i],
						 .key_bytes = sizeof *numbers,
						 .value = value,
						 .value_bytes = i % 4 ? sizeof value : 8};
	}
	return dso_map_put_many(map, items, MANY);
}

static pid_t begin_writer(const char *transport)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		struct dso_session *session;
		struct dso_map *map = map_in(transport, &session);

		for (;;)
			ck_assert_msg(put_many(map) == 0, "%s", dso_error(session));
	}
	return pid;
}

static void stat_of(struct dso_session *session, struct dso_server_stat *stat)
{
	ck_assert_int_eq(dso_server_stat(session, stat), 0);
}

START_TEST(writers_that_are_killed_leave_a_whole_map_and_no_memory_behind)
{
	const char *transport = transports[_i];
	struct dso_options options = {.transport = transport};
	struct dso_session *observer, *session;
	struct dso_server_stat before, now;
	int kills = number_of("MAP_DEATHS", 6);

	ck_assert_int_eq(dso_open(daemon_url(&storage, transport), &options, &observer), 0);
	stat_of(observer, &before);
	for (int i = 0; i < kills; i++) {
		uint64_t until = atomic_load(keys) + MANY * (1 + (unsigned)rand() % 40);
		pid_t pid = begin_writer(transport);

		AWAIT(atomic_load(keys) >= until);
		nap(rand() % 1000000);
		ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
		AWAIT((stat_of(observer, &now), now.sessions == 1));
		/* Who changes the map next takes up what was left. */
		ck_assert_int_eq(put_many(map_in(transport, &session)), 0);
		dso_close(session);
		fsck_until_clean(observer);
	}
	ck_assert_int_eq(dso_object_delete(observer, "map"), 0);
	AWAIT((stat_of(observer, &now), now.region_used_bytes == before.region_used_bytes));
	dso_close(observer);
}
END_TEST

static void setup(void)
{
	static const char *const arguments[] = {"--memory",    "256MiB", "--domain", "cpu",
						"--log-level", "error",  NULL};

	keys = mmap(NULL, sizeof *keys, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(keys, MAP_FAILED);
	daemon_start(&storage, arguments);
}

static void teardown(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("map_deaths");
	TCase *tests = tcase_create("map_deaths");

	transports_choose(argc, argv);
	tcase_set_timeout(tests, 600);
	tcase_add_unchecked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, writers_that_are_killed_leave_a_whole_map_and_no_memory_behind,
			    0, transport_count);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
