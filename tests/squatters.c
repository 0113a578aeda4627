/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's socket where storaged's is expected: he is told nothing, and nothing of his is
 * mapped. */
#include "lib/client/trust.h"
#include "tests/daemon.h"
#include "tests/runner.h"

#include <dso/dso.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct daemon_process storaged;

static const char *socket_path(void)
{
	return storaged.unix_url + strlen("dso+unix://");
}

/* A listening socket of this process at @path. */
static int squat(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

/* Storaged's socket, out of the way, and a squatter in its place. */
static int take_its_place(char *aside, size_t aside_bytes)
{
	snprintf(aside, aside_bytes, "%.100s.aside", socket_path());
	ck_assert_int_eq(rename(socket_path(), aside), 0);
	return squat(socket_path());
}

static void finish(int squatter, const char *aside)
{
	close(squatter);
	ck_assert_int_eq(unlink(socket_path()), 0);
	ck_assert_int_eq(rename(aside, socket_path()), 0);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

static const char *reason_of(const struct dso_session *session, const char *transport)
{
	static struct dso_transport_report reports[8];
	size_t count = dso_transports(session, reports, 8);

	for (size_t i = 0; i < count && i < 8; i++)
		if (!strcmp(reports[i].name, transport))
			return reports[i].reason;
	return "";
}

static void start(void)
{
	static const char *const arguments[] = {"--memory", "1MiB", "--domain", "cpu", NULL};

	daemon_start(&storaged, arguments);
}

START_TEST(a_process_in_the_place_of_storageds_socket_is_not_spoken_to)
{
	struct dso_session *session;
	char aside[160];
	int squatter;

	start();
	squatter = take_its_place(aside, sizeof aside);
	ck_assert_msg(dso_open(storaged.tcp_url, NULL, &session) == 0, "%s", dso_error(NULL));
	ck_assert_str_ne(dso_transport(session), "shm");
	ck_assert_ptr_nonnull(strstr(reason_of(session, "shm"), "not the socket of the storaged"));
	ck_assert_int_lt(accept(squatter, NULL, NULL), 0);
	ck_assert_int_eq(errno, EAGAIN);
	dso_close(session);
	finish(squatter, aside);
}
END_TEST

START_TEST(a_client_that_asks_for_shm_is_told_that_the_socket_is_another_process)
{
	struct dso_options options = {.transport = "shm"};
	struct dso_session *session = NULL;
	char aside[160];
	int squatter;

	start();
	squatter = take_its_place(aside, sizeof aside);
	ck_assert_int_eq(dso_open(storaged.tcp_url, &options, &session), -EACCES);
	ck_assert_ptr_nonnull(strstr(dso_error(NULL), "not the socket of the storaged"));
	ck_assert_int_lt(accept(squatter, NULL, NULL), 0);
	finish(squatter, aside);
}
END_TEST

START_TEST(storageds_own_socket_is_found_over_tcp_and_behind_a_link)
{
	struct dso_options options = {.transport = "shm"};
	struct dso_session *session;
	char aside[160];

	start();
	ck_assert_msg(dso_open(storaged.tcp_url, &options, &session) == 0, "%s", dso_error(NULL));
	dso_close(session);
	snprintf(aside, sizeof aside, "%.100s.aside", socket_path());
	ck_assert_int_eq(rename(socket_path(), aside), 0);
	ck_assert_int_eq(symlink(aside, socket_path()), 0);
	ck_assert_msg(dso_open(storaged.tcp_url, &options, &session) == 0, "%s", dso_error(NULL));
	dso_close(session);
	finish(-1, aside);
}
END_TEST

/* ---- the default socket ---- */

struct place {
	char directory[64], path[96], reason[400];
	int fd;
};

static void place_make(struct place *place)
{
	strcpy(place->directory, "/tmp/dso-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(place->directory));
	snprintf(place->path, sizeof place->path, "%s/storaged.sock", place->directory);
	place->fd = squat(place->path);
	place->reason[0] = 0;
}

static void place_end(struct place *place)
{
	close(place->fd);
	unlink(place->path);
	rmdir(place->directory);
}

static int trusted(struct place *place)
{
	return trust_socket(place->path, place->reason, sizeof place->reason);
}

START_TEST(a_socket_of_ones_own_in_a_directory_of_ones_own_is_trusted)
{
	struct place place;

	place_make(&place);
	ck_assert_msg(trusted(&place) == 0, "%s", place.reason);
	place_end(&place);
}
END_TEST

START_TEST(a_directory_that_others_can_write_is_not_trusted_unless_it_is_sticky)
{
	struct place place;

	place_make(&place);
	ck_assert_int_eq(chmod(place.directory, 0777), 0);
	ck_assert_int_eq(trusted(&place), -EACCES);
	ck_assert_ptr_nonnull(strstr(place.reason, "pose as storaged"));
	ck_assert_int_eq(chmod(place.directory, 01777), 0);
	ck_assert_int_eq(trusted(&place), 0);
	place_end(&place);
}
END_TEST

START_TEST(a_socket_or_a_directory_of_another_user_is_not_trusted)
{
	struct place place;

	if (geteuid())
		return; /* only root can give files away */
	place_make(&place);
	ck_assert_int_eq(lchown(place.path, 12345, 12345), 0);
	ck_assert_int_eq(trusted(&place), -EACCES);
	ck_assert_ptr_nonnull(strstr(place.reason, "unix socket"));
	ck_assert_ptr_nonnull(strstr(place.reason, "user 12345"));
	ck_assert_int_eq(lchown(place.path, 0, 0), 0);
	ck_assert_int_eq(lchown(place.directory, 12345, 12345), 0);
	ck_assert_int_eq(trusted(&place), -EACCES);
	ck_assert_ptr_nonnull(strstr(place.reason, "directory"));
	place_end(&place);
}
END_TEST

START_TEST(a_listener_of_another_user_is_not_trusted_whichever_user_owns_the_file)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct place place;
	int fd;

	if (geteuid())
		return; /* only root can become another */
	place_make(&place);
	ck_assert_int_eq(seteuid(12345), 0);
	ck_assert_int_eq(listen(place.fd, 8), 0); /* its credentials are those of now */
	ck_assert_int_eq(seteuid(0), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, place.path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(trust_peer(fd, place.path, place.reason, sizeof place.reason), -EACCES);
	ck_assert_ptr_nonnull(strstr(place.reason, "user 12345"));
	close(fd);
	place_end(&place);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("squatters");
	TCase *tests = tcase_create("squatters");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_process_in_the_place_of_storageds_socket_is_not_spoken_to);
	tcase_add_test(tests,
		       a_client_that_asks_for_shm_is_told_that_the_socket_is_another_process);
	tcase_add_test(tests, storageds_own_socket_is_found_over_tcp_and_behind_a_link);
	tcase_add_test(tests, a_socket_of_ones_own_in_a_directory_of_ones_own_is_trusted);
	tcase_add_test(tests, a_directory_that_others_can_write_is_not_trusted_unless_it_is_sticky);
	tcase_add_test(tests, a_socket_or_a_directory_of_another_user_is_not_trusted);
	tcase_add_test(tests,
		       a_listener_of_another_user_is_not_trusted_whichever_user_owns_the_file);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
