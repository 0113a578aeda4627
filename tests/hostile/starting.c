/* SPDX-License-Identifier: Apache-2.0 */
/* What storaged refuses to start with. */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run storaged where it is to fail. Returns its exit status, with what it said in @said. */
static int run_storaged(const char *flag, const char *value, char *said, size_t said_bytes)
{
	char directory[] = "/tmp/dso-test-XXXXXX", path[64];
	int pipe_fds[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/s", directory);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid = child_fork();
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		/* Where @flag says nothing else: not the default places, where somebody may be. */
		setenv("STORAGED_LISTEN", "127.0.0.1:0", 1);
		setenv("STORAGED_UNIX_SOCKET", path, 1);
		alarm(HANG_TIMEOUT_MS / 1000);
		execl(getenv("STORAGED"), "storaged", "--memory", "1MiB", "--log-level", "error",
		      flag, value, NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	memset(said, 0, said_bytes);
	for (size_t fill = 0; fill < said_bytes - 1; fill += (size_t)n) {
		n = read(pipe_fds[0], said + fill, said_bytes - 1 - fill);
		if (n <= 0)
			break;
	}
	close(pipe_fds[0]);
	status = child_status(pid);
	rmdir(directory);
	return status;
}

START_TEST(the_socket_of_a_living_daemon_is_not_taken_over)
{
	char said[1024];

	START();
	ck_assert_int_eq(run_storaged("--unix-socket", storaged.unix_url + strlen("dso+unix://"),
				      said, sizeof said),
			 1);
	ck_assert_ptr_nonnull(strstr(said, "another storaged"));
	ck_assert_uint_eq(le16_get(client_on(dial_unix()).welcome.version), CONTROL_VERSION);
	finish();
}
END_TEST

START_TEST(the_socket_of_a_killed_daemon_is_replaced)
{
	struct daemon_process killed;
	char path[160];

	START();
	killed = storaged;
	strcpy(path, storaged.unix_url + strlen("dso+unix://"));
	kill(storaged.pid, SIGKILL);
	waitpid(storaged.pid, NULL, 0);
	START("--unix-socket", path);
	ck_assert_str_eq(storaged.unix_url, killed.unix_url);
	ck_assert_uint_eq(le16_get(client_on(dial_unix()).welcome.version), CONTROL_VERSION);
	finish();
	ck_assert_int_ne(access(path, F_OK), 0);
	rmdir(killed.directory);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
	char directory[] = "/tmp/dso-test-XXXXXX", path[64], said[1024];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/file", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(run_storaged("--unix-socket", path, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "is not a socket"));
	ck_assert_int_eq(unlink(path), 0);
	rmdir(directory);
}
END_TEST

START_TEST(a_directory_that_others_can_write_or_that_is_a_link_is_refused)
{
	char directory[] = "/tmp/dso-test-XXXXXX", path[80], said[1024], link[64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(link, sizeof link, "%s-link", directory);
	ck_assert_int_eq(symlink(directory, link), 0);
	snprintf(path, sizeof path, "%s/s", link);
	ck_assert_int_eq(run_storaged("--unix-socket", path, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "not a link"));
	unlink(link);
	ck_assert_int_eq(chmod(directory, 0777), 0);
	snprintf(path, sizeof path, "%s/s", directory);
	ck_assert_int_eq(run_storaged("--unix-socket", path, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "could pose as storaged"));
	rmdir(directory);
}
END_TEST

START_TEST(an_address_beyond_loopback_needs_the_word_plaintext)
{
	static const char *const addresses[] = {"0.0.0.0:0", "[::]:0", "10.1.2.3:0"};
	char said[1024];

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(run_storaged("--listen", addresses[i], said, sizeof said), 1);
		ck_assert_ptr_nonnull(strstr(said, "no encryption"));
		ck_assert_ptr_nonnull(strstr(said, "--plaintext"));
	}
	START("--listen", "0.0.0.0:0", "--plaintext");
	finish();
}
END_TEST

/* Of a network that documents alone have (RFC 5737). */
START_TEST(an_address_of_another_host_is_said_to_be_one)
{
	char said[1024];

	ck_assert_int_eq(run_storaged("--listen=192.0.2.1:0", "--plaintext", said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "192.0.2.1:0: the address is none of this host's"));
}
END_TEST

START_TEST(a_device_that_is_demanded_and_not_there_is_a_reason_not_to_start)
{
	char said[1024];

	ck_assert_int_eq(run_storaged("--device", "no-such-device", said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "RDMA device"));
}
END_TEST

/* A terminal must not obey what others have written, nor a line look like two. */
START_TEST(what_is_no_plain_text_is_said_as_numbers)
{
	char said[1024];

	ck_assert_int_eq(run_storaged("--ttl", "red\033[31m\\\n\177\303\244", said, sizeof said),
			 1);
	ck_assert_msg(strstr(said, "red\\x1b[31m\\x5c\\x0a\\x7f\\xc3\\xa4"), "%s", said);
	ck_assert_ptr_null(strchr(said, '\033'));
}
END_TEST

TCase *starting_tests(void)
{
	TCase *tests = tcase_create("starting");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, the_socket_of_a_living_daemon_is_not_taken_over);
	tcase_add_test(tests, the_socket_of_a_killed_daemon_is_replaced);
	tcase_add_test(tests, a_file_that_is_no_socket_is_left_alone);
	tcase_add_test(tests, a_directory_that_others_can_write_or_that_is_a_link_is_refused);
	tcase_add_test(tests, an_address_beyond_loopback_needs_the_word_plaintext);
	tcase_add_test(tests, an_address_of_another_host_is_said_to_be_one);
	tcase_add_test(tests, a_device_that_is_demanded_and_not_there_is_a_reason_not_to_start);
	tcase_add_test(tests, what_is_no_plain_text_is_said_as_numbers);
	return tests;
}
