/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What functions write to standard output and error, at their driver. This program is driver and
 * worker.
 *
 *	tests/functions_output TRANSPORT
 */
#include "tests/await.h"
#include "tests/functions_around.h"
#include "tests/runner.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LINES 20000 /* of a flood: more than wait for the driver */

/* ---- functions ---- */

DSO_FUNCTION(write_lines)
{
	printf("one\n\ntwo");
	fprintf(stderr, "three\n");
	return 0;
}

DSO_FUNCTION(write_long_line)
{
	for (int i = 0; i < 2 * DSO_OUTPUT_LINE_BYTES_MAX + 10; i++)
		putchar('x');
	putchar('\n');
	return 0;
}

DSO_FUNCTION(write_flood)
{
	for (int i = 0; i < LINES; i++)
		printf("line %d\n", i);
	return add_to_counter(dso_call_session(call), "flooded");
}

DSO_FUNCTION(write_and_crash)
{
	fprintf(stderr, "this is why\n");
	abort();
}

DSO_FUNCTION(write_and_exit)
{
	printf("good bye");
	exit(3);
}

DSO_FUNCTION(write_and_hang)
{
	fprintf(stderr, "still here\n");
	while (pause())
		;
	return 0;
}

/* ---- around a test ---- */

struct seen {
	unsigned lines;
	uint64_t dropped;
	struct line {
		char function[32];
		uint64_t number;
		int stream;
		size_t bytes;
		char text[DSO_OUTPUT_LINE_BYTES_MAX + 1];
	} line[16]; /* the first ones */
};

static struct seen seen;

static void note_line(void *context, const struct dso_output_line *line)
{
	struct seen *in = context;
	struct line *into = &in->line[in->lines];

	in->dropped += line->dropped;
	if (line->dropped && line->bytes == 0)
		return;
	if (in->lines++ >= sizeof in->line / sizeof *in->line)
		return;
	ck_assert_uint_eq(strlen(line->text), line->bytes);
	snprintf(into->function, sizeof into->function, "%s", line->function);
	memcpy(into->text, line->text, line->bytes + 1);
	into->number = line->number;
	into->stream = line->stream;
	into->bytes = line->bytes;
}

static void begin(int64_t limit)
{
	struct dso_executor_params params = {.workers = 1,
					     .attempts = 1,
					     .limit = limit,
					     .output = note_line,
					     .output_context = &seen};

	memset(&seen, 0, sizeof seen);
	dso_executor_close(executor);
	open_executor(&params);
}

/* The line with @text, which there is once. */
static const struct line *line_of(const char *text)
{
	const struct line *found = NULL;

	for (unsigned i = 0; i < seen.lines; i++)
		if (strcmp(seen.line[i].text, text) == 0) {
			ck_assert_ptr_null(found);
			found = &seen.line[i];
		}
	ck_assert_msg(found != NULL, "no line \"%s\" among %u", text, seen.lines);
	return found;
}

/* ---- the tests ---- */

START_TEST(the_lines_of_a_call_come_before_its_join_returns)
{
	begin(0);
	for (uint64_t call = 0; call < 3; call++) {
		seen.lines = 0;
		OK(join(create(write_lines, NULL, 0)));
		ck_assert_uint_eq(seen.lines, 4);
		ck_assert_int_eq(line_of("one")->stream, STDOUT_FILENO);
		ck_assert_int_eq(line_of("")->stream, STDOUT_FILENO);
		ck_assert_int_eq(line_of("two")->stream, STDOUT_FILENO);
		ck_assert_int_eq(line_of("three")->stream, STDERR_FILENO);
		for (unsigned i = 0; i < 4; i++) {
			ck_assert_str_eq(seen.line[i].function, "write_lines");
			ck_assert_uint_eq(seen.line[i].number, call);
		}
	}
	ck_assert_uint_eq(seen.dropped, 0);
}
END_TEST

START_TEST(a_long_line_comes_in_parts)
{
	begin(0);
	OK(join(create(write_long_line, NULL, 0)));
	ck_assert_uint_eq(seen.lines, 3);
	ck_assert_uint_eq(seen.line[0].bytes, DSO_OUTPUT_LINE_BYTES_MAX);
	ck_assert_uint_eq(seen.line[1].bytes, DSO_OUTPUT_LINE_BYTES_MAX);
	ck_assert_uint_eq(seen.line[2].bytes, 10);
}
END_TEST

START_TEST(lines_that_the_driver_does_not_take_are_dropped_and_counted)
{
	struct dso_thread *thread;

	begin(0);
	thread = create(write_flood, NULL, 0);
	AWAIT(value_of("flooded") == 1);
	OK(join(thread));
	ck_assert_uint_gt(seen.dropped, 0);
	ck_assert_uint_eq(seen.dropped + seen.lines, LINES);
	ck_assert_str_eq(seen.line[0].text, "line 0");
}
END_TEST

START_TEST(what_a_function_wrote_before_it_ends_its_process_comes)
{
	begin(0);
	ck_assert_int_eq(join(create(write_and_crash, NULL, 0)), -EOWNERDEAD);
	line_of("this is why");
	ck_assert_int_eq(join(create(write_and_exit, NULL, 0)), -EOWNERDEAD);
	line_of("good bye");
}
END_TEST

START_TEST(what_a_function_wrote_before_it_is_ended_comes)
{
	begin(20 * DSO_MILLISECOND);
	ck_assert_int_eq(join(create(write_and_hang, NULL, 0)), -ETIME);
	line_of("still here");
}
END_TEST

/* What dso_output_print() prints to standard error, in @text. */
static void print(const struct dso_output_line *line, char *text, size_t text_bytes)
{
	int ends[2], before = dup(STDERR_FILENO);
	ssize_t bytes;

	ck_assert_int_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	dso_output_print(NULL, line);
	dup2(before, STDERR_FILENO);
	close(before);
	close(ends[1]);
	bytes = read(ends[0], text, text_bytes - 1);
	close(ends[0]);
	text[bytes] = 0;
}

static int note_kept(const struct dso_output_line *line, void *context)
{
	note_line(context, line);
	return 0;
}

static int look_at(uint64_t call)
{
	char name[DSO_NAME_BYTES_MAX + 1];
	struct search search = objects_of_run("/state");

	ck_assert_uint_eq(search.count, 1);
	strcpy(name, search.name);
	*strrchr(name, '/') = 0;
	memset(&seen, 0, sizeof seen);
	return dso_call_output(session, name, call, note_kept, &seen);
}

START_TEST(the_last_lines_are_kept_for_others)
{
	ck_assert_int_eq(look_at(0), -ENOENT);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "asks for no lines"));
	begin(0);
	OK(join(create(write_lines, NULL, 0)));
	OK(join(create(write_long_line, NULL, 0)));
	OK(look_at(0));
	ck_assert_uint_eq(seen.lines, 4);
	ck_assert_int_eq(line_of("two")->stream, STDOUT_FILENO);
	ck_assert_int_eq(line_of("three")->stream, STDERR_FILENO);
	ck_assert_str_eq(line_of("one")->function, "write_lines");
	OK(look_at(1));
	ck_assert_uint_eq(seen.lines, 3);
	ck_assert_uint_eq(seen.line[1].bytes, DSO_OUTPUT_LINE_BYTES_MAX);
	/* What is overwritten is gone. */
	for (unsigned i = 0; i < 1024 / 4; i++)
		OK(join(create(write_lines, NULL, 0)));
	OK(look_at(1));
	ck_assert_uint_eq(seen.lines, 0);
	OK(look_at(2));
	ck_assert_uint_eq(seen.lines, 4);
	OK(look_at(1024 / 4 + 1));
	ck_assert_uint_eq(seen.lines, 4);
	begin(0);
	ck_assert_uint_eq(objects_of_run("/lines").count, 1);
}
END_TEST

START_TEST(a_line_is_printed_with_its_call)
{
	struct dso_output_line line = {
		.function = "estimate", .number = 17, .stream = 2, .text = "text", .bytes = 4};
	char text[200];

	print(&line, text, sizeof text);
	ck_assert_str_eq(text, "[estimate 17] text\n");
	line.dropped = 3;
	print(&line, text, sizeof text);
	ck_assert_str_eq(text, "[estimate 17] 3 lines before this were dropped\n"
			       "[estimate 17] text\n");
}
END_TEST

/* ---- the suite ---- */

static Suite *suite(void)
{
	const TTest *const all_tests[] = {
		the_lines_of_a_call_come_before_its_join_returns,
		a_long_line_comes_in_parts,
		lines_that_the_driver_does_not_take_are_dropped_and_counted,
		what_a_function_wrote_before_it_ends_its_process_comes,
		what_a_function_wrote_before_it_is_ended_comes,
		the_last_lines_are_kept_for_others,
		a_line_is_printed_with_its_call,
		NULL,
	};
	const TTest *const none = NULL;

	return functions_suite("functions: output", set_up, tear_down, all_tests, &none);
}

int main(int argc, char **argv)
{
	dso_function_main(argc, argv);
	if (argc != 2) {
		fprintf(stderr, "usage: functions_output shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	return run_suite(suite());
}
