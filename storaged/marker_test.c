/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/marker.h"
#include "tests/runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static char path[64];

static void setup(void)
{
	strcpy(path, "/tmp/dso-marker-XXXXXX");
	close(mkstemp(path));
}

static void teardown(void)
{
	unlink(path);
}

static struct marker_now at(uint8_t boot, int64_t boottime_s, int64_t realtime_s)
{
	return (struct marker_now){.boot = {boot},
				   .boottime_ns = boottime_s * SECOND,
				   .realtime_ns = realtime_s * SECOND};
}

static struct marker_before open_at(struct marker *marker, const struct marker_now *now)
{
	struct marker_before before;
	char reason[256] = "";

	ck_assert_msg(marker_open(marker, path, now, &before, reason, sizeof reason) == 0, "%s",
		      reason);
	return before;
}

/* One that lived at 100 s since the boot and 1000 s of the realtime clock, and kept its sessions for 10 s. */
static void live_until(int64_t keep_ns, uint64_t reserved)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker marker;

	open_at(&marker, &now);
	marker_keep(&marker, 0, "blue", (uint64_t)keep_ns);
	marker_beat(&marker, &now, reserved);
	marker_close(&marker);
}

static void live(int64_t keep_ns)
{
	live_until(keep_ns, 4711);
}

static struct marker_before before_at(uint8_t boot, int64_t boottime_s, int64_t realtime_s)
{
	struct marker_now now = at(boot, boottime_s, realtime_s);
	struct marker marker;
	struct marker_before before = open_at(&marker, &now);

	marker_close(&marker);
	return before;
}

static int64_t wait_at(uint8_t boot, int64_t boottime_s, int64_t realtime_s)
{
	struct marker_before before = before_at(boot, boottime_s, realtime_s);

	return marker_wait_ns(&before, "blue");
}

START_TEST(an_empty_file_says_nothing)
{
	struct marker_before before = before_at(1, 100, 1000);

	ck_assert_int_eq(marker_wait_ns(&before, "blue"), 0);
	ck_assert_uint_eq(before.reserved, 0);
}
END_TEST

START_TEST(sessions_are_waited_for_as_long_as_they_may_go_on)
{
	live(10 * SECOND);
	ck_assert_int_eq(wait_at(1, 103, 1003), 7 * SECOND);
	ck_assert_int_eq(before_at(1, 103, 1003).ago_ns, 3 * SECOND);
	ck_assert_uint_eq(before_at(1, 103, 1003).reserved, 4711);
	ck_assert_int_eq(wait_at(1, 110, 1010), 0);
}
END_TEST

START_TEST(where_there_were_none_nobody_is_waited_for)
{
	live(0);
	ck_assert_int_eq(wait_at(1, 103, 1003), 0);
	ck_assert_uint_eq(before_at(1, 103, 1003).reserved, 4711);
}
END_TEST

START_TEST(a_step_of_the_realtime_clock_changes_nothing)
{
	live(10 * SECOND);
	ck_assert_int_eq(wait_at(1, 103, 5), 7 * SECOND);
	ck_assert_int_eq(wait_at(1, 103, 50000), 7 * SECOND);
}
END_TEST

START_TEST(after_the_host_was_started_anew_the_realtime_clock_counts)
{
	live(10 * SECOND);
	ck_assert_int_eq(wait_at(2, 1, 1004), 6 * SECOND);
	ck_assert_int_eq(wait_at(2, 1, 1011), 0);
	/* Set back it says nothing: all of the time it is. */
	ck_assert_int_eq(wait_at(2, 1, 900), 10 * SECOND);
}
END_TEST

START_TEST(what_is_damaged_is_not_waited_for_for_ever)
{
	live(INT64_MAX);
	ck_assert_int_le(wait_at(1, 100, 1000), 86400 * SECOND);
	ck_assert(before_at(1, 100, 1000).is_damaged);
	live(-1);
	ck_assert_int_le(wait_at(1, 100, 1000), 86400 * SECOND);
}
END_TEST

START_TEST(an_origin_that_no_clock_gives_is_damage_and_not_believed)
{
	static const uint64_t damaged[] = {UINT64_MAX, UINT64_MAX - 1, MARKER_RESERVED_LAST + 1};

	for (unsigned i = 0; i < sizeof damaged / sizeof *damaged; i++) {
		live_until(10 * SECOND, damaged[i]);
		ck_assert(before_at(1, 103, 1003).is_damaged);
		ck_assert_uint_eq(before_at(1, 103, 1003).reserved, 0);
		ck_assert_int_eq(wait_at(1, 103, 1003), 7 * SECOND);
	}
	live_until(10 * SECOND, MARKER_RESERVED_LAST);
	ck_assert(!before_at(1, 103, 1003).is_damaged);
	ck_assert_uint_eq(before_at(1, 103, 1003).reserved, MARKER_RESERVED_LAST);
}
END_TEST

START_TEST(each_namespace_waits_for_its_own_sessions_alone)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker_before before;
	struct marker marker;

	open_at(&marker, &now);
	marker_keep(&marker, 0, "blue", 10 * SECOND);
	marker_keep(&marker, 1, "green", 60 * SECOND);
	marker_keep(&marker, 2, "red", 0);
	marker_beat(&marker, &now, 4711);
	marker_close(&marker);
	before = before_at(1, 103, 1003);
	ck_assert_int_eq(marker_wait_ns(&before, "blue"), 7 * SECOND);
	ck_assert_int_eq(marker_wait_ns(&before, "green"), 57 * SECOND);
	ck_assert_int_eq(marker_wait_ns(&before, "red"), 0);
	ck_assert_int_eq(marker_wait_ns(&before, "yellow"), 0);
}
END_TEST

START_TEST(a_marker_in_use_is_nobody_elses)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker_before before;
	struct marker marker, second;
	char reason[256] = "";

	open_at(&marker, &now);
	ck_assert_int_eq(marker_open(&second, path, &now, &before, reason, sizeof reason), -EBUSY);
	ck_assert_str_ne(reason, "");
	/* One that keeps nothing can be used all the same. */
	marker_keep(&second, 0, "blue", 1);
	marker_beat(&second, &now, 1);
	marker_close(&second);
	marker_close(&marker);
}
END_TEST

START_TEST(a_file_that_has_another_name_is_not_written_to)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker_before before;
	struct marker marker;
	char reason[256] = "", other[80];
	struct stat status;

	snprintf(other, sizeof other, "%s.other", path);
	ck_assert_int_eq(link(path, other), 0);
	ck_assert_int_eq(marker_open(&marker, path, &now, &before, reason, sizeof reason), -EACCES);
	ck_assert_int_eq(stat(other, &status), 0);
	ck_assert_int_eq(status.st_size, 0);
	unlink(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("marker");
	TCase *tcase = tcase_create("marker");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_empty_file_says_nothing);
	tcase_add_test(tcase, sessions_are_waited_for_as_long_as_they_may_go_on);
	tcase_add_test(tcase, where_there_were_none_nobody_is_waited_for);
	tcase_add_test(tcase, a_step_of_the_realtime_clock_changes_nothing);
	tcase_add_test(tcase, after_the_host_was_started_anew_the_realtime_clock_counts);
	tcase_add_test(tcase, what_is_damaged_is_not_waited_for_for_ever);
	tcase_add_test(tcase, an_origin_that_no_clock_gives_is_damage_and_not_believed);
	tcase_add_test(tcase, each_namespace_waits_for_its_own_sessions_alone);
	tcase_add_test(tcase, a_marker_in_use_is_nobody_elses);
	tcase_add_test(tcase, a_file_that_has_another_name_is_not_written_to);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
