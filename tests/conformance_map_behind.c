/* SPDX-License-Identifier: Apache-2.0 */
/* A map whose memory is looked at from behind: entries that are damaged, and a writer that ends
 * before it has woken those who wait. */
#include "proto/layout.h"
#include "proto/map.h"
#include "tests/conformance_map.h"
#include "tests/conformance_party.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- damage ---- */

static uint8_t *find_in_region(const void *bytes, size_t length)
{
	struct dso_server_stat server;
	struct dso_stat stat;
	uint8_t *region;

	OK(session, dso_server_stat(session, &server));
	OK(session, dso_object_stat(session, name, &stat));
	region = (uint8_t *)word_at(0) - stat.offset;
	return memmem(region, server.region_bytes, bytes, length);
}

static int count_entry(const struct dso_map_entry *entry, void *context)
{
	(void)entry;
	++*(unsigned *)context;
	return 0;
}

/* Of 8 bytes in its bucket, or of 100 in a block. */
static const size_t lengths[] = {8, 100};

START_TEST(a_damaged_entry_ends_a_scan_with_the_name_of_its_map_and_costs_no_other_entry)
{
	struct dso_map *map = map_in(session);
	uint8_t value[100], back[100], *lies;
	uint64_t cursor = 0;
	unsigned seen = 0;
	size_t length;

	fill(value, sizeof value, 4711);
	OK(session, dso_map_put(map, "damaged", 7, value, lengths[_i], NULL));
	OK(session, dso_map_put(map, "whole", 5, "value", 5, NULL));
	lies = find_in_region(value, lengths[_i]);
	ck_assert_ptr_nonnull(lies);
	*lies ^= 1;
	/* Each time, from where it was. */
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(dso_map_scan(map, &cursor, count_entry, &seen), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(dso_error(session), name));
		ck_assert_uint_eq(cursor, 0);
	}
	ck_assert_uint_le(seen, 3);
	ck_assert_int_eq(dso_map_get(map, "damaged", 7, back, sizeof back, &length, NULL),
			 -EBADMSG);
	ck_assert_ptr_nonnull(strstr(dso_error(session), name));
	OK(session, dso_map_get(map, "whole", 5, back, sizeof back, &length, NULL));
	ck_assert_uint_eq(length, 5);
	OK(session, dso_map_clear(map));
	seen = 0;
	OK(session, dso_map_scan(map, &cursor, count_entry, &seen));
	ck_assert_uint_eq(seen, 0);
}
END_TEST

/* ---- a writer that ends before it wakes ---- */

static void *wait_in_thread(void *argument)
{
	struct dso_session *own = conformance_open_another();
	char text[8];
	size_t length;

	OK(own,
	   dso_map_wait(map_in(own), "key", 3, 0, text, sizeof text, HANG_TIMEOUT, &length, NULL));
	ck_assert(length == 4 && memcmp(text, "text", 4) == 0);
	dso_close(own);
	*(_Atomic bool *)argument = true;
	return NULL;
}

/* Put the entry in a process of its own, which goes on. */
static pid_t put_in_child(void)
{
	int fds[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = child_fork();
	if (pid == 0) {
		struct dso_session *own = conformance_open_another();

		if (dso_map_put(map_in(own), "key", 3, "text", 4, NULL) ||
		    write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	ck_assert_int_eq((int)read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

/* It does not see that anybody waits: as one that ends between the two. */
START_TEST(who_waits_is_woken_by_the_sweep_where_the_writer_did_not_wake_it)
{
	_Atomic uint64_t *waiters;
	_Atomic bool has_come = false;
	pthread_t thread;
	uint64_t count;
	pid_t pid;

	/* It ends with its process; and a child cannot open a session over verbs beside its
	 * parent's. */
	if (conformance_is("embedded") || conformance_is("verbs"))
		return;
	map_in(session);
	waiters = (_Atomic uint64_t *)(void *)word_at(MAP_EVENT_OFFSET + EVENT_WAITERS_OFFSET);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_in_thread, &has_come), 0);
	conformance_until_parked(1);
	count = atomic_exchange(waiters, 0);
	pid = put_in_child();
	atomic_fetch_add(waiters, count);
	ck_assert(!has_come);
	ck_assert_uint_eq(conformance_parked(), 1);
	ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
	pthread_join(thread, NULL);
	ck_assert(has_come);
}
END_TEST

TCase *conformance_map_behind(void)
{
	TCase *tests = tcase_create("behind");

	tcase_set_timeout(tests, 240);
	tcase_add_checked_fixture(tests, pair_and_memory_begin, pair_and_memory_end);
	tcase_add_loop_test(
		tests,
		a_damaged_entry_ends_a_scan_with_the_name_of_its_map_and_costs_no_other_entry, 0,
		sizeof lengths / sizeof *lengths);
	tcase_add_test(tests, who_waits_is_woken_by_the_sweep_where_the_writer_did_not_wake_it);
	return tests;
}
