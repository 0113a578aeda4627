/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/marker.h"
#include "tests/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* One that lived at 100 s since the boot and 1000 s of the realtime clock, and kept its sessions
 * for 10 s. */
static void live_until(int64_t keep_ns, uint64_t reserved)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker marker;

	open_at(&marker, &now);
	marker_keep(&marker, "blue", (uint64_t)keep_ns);
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
	marker_keep(&marker, "blue", 10 * SECOND);
	marker_keep(&marker, "green", 60 * SECOND);
	marker_keep(&marker, "red", 0);
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
	marker_keep(&second, "blue", 1);
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

/* ---- a stop behind each instruction ---- */

/* What a start does with the marker, and what the start behind it must find wherever the first one
 * was stopped. */
struct start {
	void (*before)(void); /* fills the file */
	void (*run)(struct marker *marker);
	struct marker_now now;     /* of the start that follows */
	int64_t blue_ns, green_ns; /* are waited for at least */
	int64_t longest_ns;        /* and nothing for longer */
};

static void check_page(const struct marker_page *page, const struct start *start)
{
	struct marker_before before = marker_read(page, &start->now);

	ck_assert(!before.is_damaged);
	ck_assert_int_ge(marker_wait_ns(&before, "blue"), start->blue_ns);
	ck_assert_int_ge(marker_wait_ns(&before, "green"), start->green_ns);
	for (unsigned i = 0; i < MARKER_SPACES; i++)
		ck_assert_int_le(marker_wait_ns(&before, before.spaces[i].name), start->longest_ns);
}

static const struct marker_page *map_page(void)
{
	int fd = open(path, O_RDONLY);
	void *page = mmap(NULL, sizeof(struct marker_page), PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(page, MAP_FAILED);
	close(fd);
	return page;
}

static void run_traced(const struct start *start)
{
	struct marker_now now = at(2, 5000, 1003);
	struct marker marker;

	/* Where no process may be traced, only the end is looked at. */
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		raise(SIGSTOP);
	open_at(&marker, &now);
	start->run(&marker);
	_exit(0);
}

/* The process that makes the start does one instruction at a time. */
static void stop_everywhere(const struct start *start)
{
	const struct marker_page *page;
	struct marker_page last;
	int status;
	pid_t pid;

	start->before();
	page = map_page();
	last = *page;
	check_page(page, start);
	pid = child_fork();
	if (pid == 0)
		run_traced(start);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (memcmp(&last, page, sizeof last))
			check_page(page, start);
		last = *page;
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	}
	ck_assert_int_eq(status, 0);
	check_page(page, start);
}

/* Rows of three namespaces, of a storaged of another boot: it lived at 100 s, and 1000 s of the
 * realtime clock. */
static void three_rows(void)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker marker;

	open_at(&marker, &now);
	marker_keep(&marker, "red", 1 * SECOND);
	marker_keep(&marker, "blue", 10 * SECOND);
	marker_keep(&marker, "green", 60 * SECOND);
	marker_beat(&marker, &now, 4711);
	marker_close(&marker);
}

/* Green is first now, yellow is new, blue is not here, and red is waited for no more. */
static void start_in_another_order(struct marker *marker)
{
	struct marker_now now = at(2, 5000, 1003);

	marker_keep(marker, "red", 0);
	marker_beat(marker, &now, 4712);
	marker_keep(marker, "blue", 7 * SECOND);
	marker_keep(marker, "green", 57 * SECOND);
	marker_keep(marker, "yellow", 0);
	marker_keep(marker, "yellow", 5 * SECOND);
	marker_keep(marker, "purple", 5 * SECOND);
}

START_TEST(a_start_that_is_stopped_anywhere_leaves_every_wait)
{
	struct start start = {.before = three_rows,
			      .run = start_in_another_order,
			      .now = at(2, 5001, 1004),
			      .blue_ns = 6 * SECOND,
			      .green_ns = 56 * SECOND,
			      .longest_ns = 59 * SECOND};

	stop_everywhere(&start);
}
END_TEST

static void another_layout(void)
{
	int fd = open(path, O_WRONLY);
	uint8_t bytes[4096];

	memset(bytes, 'x', sizeof bytes);
	memcpy(bytes, "DSOSTAT1", 8);
	ck_assert_int_eq(write(fd, bytes, sizeof bytes), sizeof bytes);
	close(fd);
}

static void start_with_blue(struct marker *marker)
{
	struct marker_now now = at(2, 5000, 1003);

	marker_beat(marker, &now, 4712);
	marker_keep(marker, "blue", 7 * SECOND);
}

START_TEST(what_another_layout_says_is_never_read_as_rows)
{
	struct start start = {.before = another_layout,
			      .run = start_with_blue,
			      .now = at(2, 5001, 1004),
			      .longest_ns = 7 * SECOND};

	stop_everywhere(&start);
}
END_TEST

START_TEST(rows_are_free_again_when_nobody_is_waited_for)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker_before before;
	struct marker marker;
	char name[16];

	open_at(&marker, &now);
	marker_beat(&marker, &now, 4711);
	marker_keep(&marker, "blue", 10 * SECOND);
	for (unsigned i = 0; i < 3 * MARKER_SPACES; i++) {
		snprintf(name, sizeof name, "other-%u", i);
		marker_keep(&marker, name, SECOND);
		before = marker_read(marker.page, &now);
		ck_assert_int_eq(marker_wait_ns(&before, name), SECOND);
		marker_keep(&marker, name, 0);
	}
	before = marker_read(marker.page, &now);
	ck_assert_int_eq(marker_wait_ns(&before, "blue"), 10 * SECOND);
	marker_close(&marker);
}
END_TEST

START_TEST(of_two_rows_of_one_name_the_longer_one_counts_until_it_is_written)
{
	struct marker_now now = at(1, 100, 1000);
	struct marker_before before;
	struct marker marker;

	three_rows();
	open_at(&marker, &now);
	strcpy(marker.page->spaces[0].name, "green");
	before = marker_read(marker.page, &now);
	ck_assert_int_eq(marker_wait_ns(&before, "green"), 60 * SECOND);
	marker_keep(&marker, "green", 2 * SECOND);
	before = marker_read(marker.page, &now);
	ck_assert_int_eq(marker_wait_ns(&before, "green"), 2 * SECOND);
	marker_close(&marker);
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
	tcase_add_test(tcase, a_start_that_is_stopped_anywhere_leaves_every_wait);
	tcase_add_test(tcase, what_another_layout_says_is_never_read_as_rows);
	tcase_add_test(tcase, rows_are_free_again_when_nobody_is_waited_for);
	tcase_add_test(tcase, of_two_rows_of_one_name_the_longer_one_counts_until_it_is_written);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
