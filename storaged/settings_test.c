/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/transport.h"
#include "storaged/settings.h"
#include "storaged/settings_value.h"
#include "proto/control.h"
#include "lib/include/dso/dso.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct settings settings;
static char reason[512];
static char file_path[64];

/* Read flags, which end with NULL. */
static int read_flags(char **flags)
{
	char *argv[16] = {(char *)"storaged"};
	int argc = 1;

	while (flags[argc - 1]) {
		argv[argc] = flags[argc - 1];
		argc++;
	}
	reason[0] = 0;
	settings_free(&settings);
	return settings_read(&settings, argc, argv, reason, sizeof reason);
}

#define READ(...)  read_flags((char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define FLAG(text) ((char *)(text))

static void write_file(const char *text)
{
	FILE *stream;

	strcpy(file_path, "/tmp/storaged-settings-XXXXXX");
	close(mkstemp(file_path));
	stream = fopen(file_path, "w");
	fputs(text, stream);
	fclose(stream);
}

static void clean_up(void)
{
	if (file_path[0])
		unlink(file_path);
	file_path[0] = 0;
	settings_free(&settings);
}

START_TEST(without_a_word_the_defaults_hold)
{
	ck_assert_int_eq(READ(), 0);
	ck_assert_uint_eq(settings.listen.count, 1);
	ck_assert_str_eq(settings.listen.item[0], "127.0.0.1:7471");
	ck_assert_uint_eq(settings.namespaces.count, 1);
	ck_assert_str_eq(settings.namespaces.item[0], "default");
	ck_assert_uint_eq(settings.ttl_ns, 10 * UINT64_C(1000000000));
	ck_assert_uint_eq(settings.transports,
			  CONTROL_SHM | CONTROL_VERBS | CONTROL_ROCE | CONTROL_TCP);
	ck_assert_uint_eq(settings.poll, TRANSPORT_POLL_ADAPTIVE);
	ck_assert_uint_eq(settings.workers, 1);
	ck_assert_uint_eq(settings.ready_fd, SETTINGS_NO_FD);
	ck_assert_ptr_null(settings.unix_socket);
	ck_assert(settings.memory_bytes > 1 << 20);
}
END_TEST

START_TEST(a_flag_wins_over_the_environment_and_that_over_the_file)
{
	write_file("ttl = 1s # the longest\nworkers = 2\nsessions-max=7\n\n# nothing here\n");
	setenv("STORAGED_TTL", "2s", 1);
	setenv("STORAGED_WORKERS", "3", 1);
	ck_assert_int_eq(READ(FLAG("--config"), file_path, FLAG("--ttl"), FLAG("3s")), 0);
	ck_assert_uint_eq(settings.ttl_ns, 3 * UINT64_C(1000000000));
	ck_assert_uint_eq(settings.workers, 3);
	ck_assert_uint_eq(settings.sessions_max, 7);
}
END_TEST

START_TEST(a_list_comes_from_one_place_alone)
{
	write_file("listen = 127.0.0.1:1\n");
	setenv("STORAGED_LISTEN", "127.0.0.1:2", 1);
	ck_assert_int_eq(READ(FLAG("--config"), file_path, FLAG("--listen=127.0.0.1:3,[::1]:4"),
			      FLAG("--listen"), FLAG("127.0.0.1:5")),
			 0);
	ck_assert_uint_eq(settings.listen.count, 3);
	ck_assert_str_eq(settings.listen.item[0], "127.0.0.1:3");
	ck_assert_str_eq(settings.listen.item[1], "[::1]:4");
	ck_assert_str_eq(settings.listen.item[2], "127.0.0.1:5");
}
END_TEST

START_TEST(sizes_and_durations_have_units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {{"65536", 65536},
		     {"64KiB", 65536},
		     {"3MiB", 3 << 20},
		     {"2GiB", UINT64_C(2) << 30},
		     {"1TiB", UINT64_C(1) << 40}};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		ck_assert_int_eq(READ(FLAG("--memory"), FLAG(sizes[i].text)), 0);
		ck_assert_uint_eq(settings.memory_bytes, sizes[i].bytes);
	}
	ck_assert_int_eq(READ(FLAG("--ttl"), FLAG("500ms")), 0);
	ck_assert_uint_eq(settings.ttl_ns, 500000000);
	ck_assert_int_eq(READ(FLAG("--ttl"), FLAG("2m")), 0);
	ck_assert_uint_eq(settings.ttl_ns, 120 * UINT64_C(1000000000));
}
END_TEST

START_TEST(a_percentage_is_of_the_memory_available)
{
	uint64_t tenth;

	ck_assert_int_eq(READ(FLAG("--memory"), FLAG("10%")), 0);
	tenth = settings.memory_bytes;
	ck_assert_int_eq(READ(FLAG("--memory"), FLAG("50%")), 0);
	ck_assert(settings.memory_bytes > 4 * tenth && settings.memory_bytes < 6 * tenth);
}
END_TEST

static const struct {
	const char *name, *value;
} wrong[] = {
	{"memory", "64"},
	{"memory", "5kb"},
	{"memory", "101%"},
	{"memory", "-1"},
	{"memory", "99999999999999999999GiB"},
	{"memory", "18446744073709551615KiB"},
	{"memory", ""},
	{"ttl", "10"},
	{"ttl", "5h"},
	{"ttl", "1ms"},
	{"ttl", "100m"},
	{"sessions-max", "0"},
	{"sessions-max", "65535"},
	{"sessions-max", "12x"},
	{"workers", " 1"},
	{"transports", "tcp,udp"},
	{"transports", ""},
	{"domain", "gpu"},
	{"io", "epoll"},
	{"poll", "spin"},
	{"unix-mode", "0888"},
	{"unix-mode", "1777"},
	{"listen", "127.0.0.1,,::1"},
	{"unix-socket", ""},
	{"log-level", "loud"},
	{"ready-fd", "-1"},
};

START_TEST(a_wrong_value_is_refused_with_its_flag_in_the_sentence)
{
	char flag[64];

	snprintf(flag, sizeof flag, "--%s", wrong[_i].name);
	ck_assert_int_eq(READ(flag, FLAG(wrong[_i].value)), -EINVAL);
	ck_assert_msg(strncmp(reason, flag, strlen(flag)) == 0, "%s: %s", flag, reason);
}
END_TEST

START_TEST(a_duration_out_of_its_range_is_told_range_and_units)
{
	static const char *const durations[] = {"100h", "61m", "99ms", "10"};

	ck_assert_int_eq(READ(FLAG("--ttl"), FLAG(durations[_i])), -EINVAL);
	ck_assert_msg(strstr(reason, "from 100ms to 60m") && strstr(reason, "of ms, s or m"), "%s",
		      reason);
}
END_TEST

START_TEST(a_wrong_line_of_the_file_is_named_by_its_number)
{
	write_file("# first\nworkers = 2\nworker = 2\n");
	ck_assert_int_eq(READ(FLAG("--config"), file_path), -EINVAL);
	ck_assert_ptr_nonnull(strstr(reason, file_path));
	ck_assert_ptr_nonnull(strstr(reason, ":3: "));
	ck_assert_ptr_nonnull(strstr(reason, "`worker'"));
}
END_TEST

START_TEST(a_wrong_value_in_the_file_is_named_by_its_line)
{
	write_file("\nworkers = many\n");
	ck_assert_int_eq(READ(FLAG("--config"), file_path), -EINVAL);
	ck_assert_ptr_nonnull(strstr(reason, ":2: `many'"));
}
END_TEST

START_TEST(a_line_without_an_equals_sign_or_too_long_is_refused)
{
	char line[2000];

	write_file("workers 2\n");
	ck_assert_int_eq(READ(FLAG("--config"), file_path), -EINVAL);
	clean_up();
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = 0;
	write_file(line);
	ck_assert_int_eq(READ(FLAG("--config"), file_path), -EINVAL);
	ck_assert_ptr_nonnull(strstr(reason, "too long"));
}
END_TEST

START_TEST(a_wrong_variable_is_named)
{
	setenv("STORAGED_SESSIONS_MAX", "all", 1);
	ck_assert_int_eq(READ(), -EINVAL);
	ck_assert_int_eq(strncmp(reason, "STORAGED_SESSIONS_MAX: ", 23), 0);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_error)
{
	ck_assert_int_eq(READ(FLAG("--config"), FLAG("/nonexistent/storaged.conf")), -ENOENT);
	ck_assert_ptr_nonnull(strstr(reason, "/nonexistent/storaged.conf"));
}
END_TEST

START_TEST(more_addresses_than_there_is_room_for_are_refused)
{
	ck_assert_int_eq(READ(FLAG("--listen"), FLAG("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17")),
			 -EINVAL);
	ck_assert_int_eq(READ(FLAG("--listen"), FLAG("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16")), 0);
}
END_TEST

START_TEST(plaintext_is_a_flag_and_a_word)
{
	ck_assert_int_eq(READ(FLAG("--plaintext")), 0);
	ck_assert_uint_eq(settings.plaintext, 1);
	setenv("STORAGED_PLAINTEXT", "no", 1);
	ck_assert_int_eq(READ(), 0);
	ck_assert_uint_eq(settings.plaintext, 0);
	setenv("STORAGED_PLAINTEXT", "maybe", 1);
	ck_assert_int_eq(READ(), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("storaged settings");
	TCase *tests = tcase_create("settings");

	suite_add_tcase(suite, tests);
	tcase_add_checked_fixture(tests, NULL, clean_up);
	tcase_add_test(tests, without_a_word_the_defaults_hold);
	tcase_add_test(tests, a_flag_wins_over_the_environment_and_that_over_the_file);
	tcase_add_test(tests, a_list_comes_from_one_place_alone);
	tcase_add_test(tests, sizes_and_durations_have_units);
	tcase_add_loop_test(tests, a_duration_out_of_its_range_is_told_range_and_units, 0, 4);
	tcase_add_test(tests, a_percentage_is_of_the_memory_available);
	tcase_add_loop_test(tests, a_wrong_value_is_refused_with_its_flag_in_the_sentence, 0,
			    sizeof wrong / sizeof *wrong);
	tcase_add_test(tests, a_wrong_line_of_the_file_is_named_by_its_number);
	tcase_add_test(tests, a_wrong_value_in_the_file_is_named_by_its_line);
	tcase_add_test(tests, a_line_without_an_equals_sign_or_too_long_is_refused);
	tcase_add_test(tests, a_wrong_variable_is_named);
	tcase_add_test(tests, a_file_that_is_not_there_is_an_error);
	tcase_add_test(tests, more_addresses_than_there_is_room_for_are_refused);
	tcase_add_test(tests, plaintext_is_a_flag_and_a_word);
	return run_suite_forked(suite);
}
