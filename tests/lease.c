/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease of a mapping (transport shm): by it alone storaged learns that a process of a lost
 * session has unmapped the arena, so that what the session held is given back. Nobody but that
 * process has a part in it.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/clock.h"
#include "tests/raw_client.h"
#include "tests/runner.h"
#include "tests/victim.h"

#define MAPPINGS_MAX 8 /* of a session */

struct client {
	int fd;
	struct control_welcome welcome;
	int connection, fds[2]; /* of the arena and of the lease */
};

static struct client observer;

static struct client client_new(void)
{
	struct client client = {.fd = dial_unix()};

	client.welcome = greet_for(client.fd, CONTROL_FEATURE_LEASE);
	client.connection = attach_shm(&client.welcome, client.fds);
	return client;
}

static void client_free(struct client *client)
{
	close(client->fd);
	close(client->connection);
	close(client->fds[0]);
	close(client->fds[1]);
}

static void set_up(void)
{
	static const char *const arguments[] = {"--memory", "64MiB", "--domain", "cpu",
						"--ttl",    "60m",   NULL};

	daemon_start(&storaged, arguments);
	observer = (struct client){.fd = dial_unix()};
	observer.welcome = greet(observer.fd);
}

static void tear_down(void)
{
	close(observer.fd);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

static uint64_t sessions(void)
{
	return le64_get(server_stat(observer.fd).sessions);
}

static void until_sessions(uint64_t count)
{
	int64_t end_ms = now_ms() + 12 * HANG_TIMEOUT_MS;

	while (sessions() != count) {
		ck_assert_msg(now_ms() < end_ms, "%llu sessions never become %llu",
			      (unsigned long long)sessions(), (unsigned long long)count);
		usleep(1000);
	}
}

/* Whether all of the file could be locked. */
static bool lock(int fd)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &all) == 0;
}

/* @victim is lost, and its process unmaps. */
static void lose(struct victim *victim)
{
	victim_order(victim, 'b');
	victim_order(victim, 'c');
}

START_TEST(locks_on_the_arenas_file_keep_nothing_of_another_client)
{
	struct client locker = client_new();
	const char *url = daemon_url(&storaged, "shm");
	struct victim before = victim_start(url, "shm", "before", 0), behind;

	lock(locker.fds[0]);
	lose(&before);
	until_sessions(2);
	ck_assert(lock(locker.fds[0]));
	behind = victim_start(url, "shm", "behind", 0);
	lose(&behind);
	until_sessions(2);
	victim_kill(&before);
	victim_kill(&behind);
	client_free(&locker);
}
END_TEST

START_TEST(a_session_that_was_lost_is_kept_while_its_lease_is_mapped)
{
	struct client client = client_new();
	void *lease = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, client.fds[1], 0);

	ck_assert_ptr_ne(lease, MAP_FAILED);
	client_free(&client);
	/* storaged answers behind the ends that it has seen. */
	ck_assert_uint_eq(sessions(), 2);
	ck_assert_uint_eq(sessions(), 2);
	munmap(lease, 1);
	until_sessions(1);
}
END_TEST

START_TEST(a_lease_that_was_found_unmapped_cannot_be_mapped_any_more)
{
	struct client client = client_new();

	close(client.fd);
	until_sessions(1);
	ck_assert_ptr_eq(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, client.fds[1], 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EPERM);
	client.fd = -1;
	client_free(&client);
}
END_TEST

/* storaged would wait for a page that somebody has pinned, and everybody for storaged. */
START_TEST(a_lease_is_empty_and_stays_empty)
{
	struct client client = client_new();

	ck_assert_int_eq(lseek(client.fds[1], 0, SEEK_END), 0);
	ck_assert_int_eq(ftruncate(client.fds[1], 4096), -1);
	ck_assert_int_eq(fallocate(client.fds[1], 0, 0, 4096), -1);
	ck_assert_int_eq(pwrite(client.fds[1], "x", 1, 0), -1);
	client_free(&client);
	until_sessions(1);
}
END_TEST

/* Descriptors that storaged has. */
static unsigned descriptors(void)
{
	char path[64];
	unsigned count = 0;
	DIR *directory;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)storaged.pid);
	directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* The session has as many as it may; some clients do not wait for the refusal. */
START_TEST(an_attach_that_fails_leaves_no_descriptor_with_storaged)
{
	struct client client = client_new();
	int64_t end_ms = now_ms() + 12 * HANG_TIMEOUT_MS;
	struct control_attach attach = attach_of(&client.welcome, CONTROL_SHM);
	struct message reply;
	int others[MAPPINGS_MAX - 1];
	unsigned before;

	for (unsigned i = 0; i < MAPPINGS_MAX - 1; i++) {
		int fds[2];

		others[i] = attach_shm(&client.welcome, fds);
		close(fds[0]);
		close(fds[1]);
	}
	ck_assert_uint_eq(sessions(), 2);
	before = descriptors();
	for (unsigned i = 0; i < 20; i++) {
		int fd = dial_unix();

		if (i % 2) {
			send_request(fd, CONTROL_ATTACH, &attach, sizeof attach);
		} else {
			ck_assert_uint_eq(call(fd, CONTROL_ATTACH, &attach, sizeof attach, &reply),
					  WIRE_ACCESS);
			ck_assert(is_closed(fd));
		}
		close(fd);
	}
	while (descriptors() > before) {
		ck_assert_msg(now_ms() < end_ms, "%u descriptors are left", descriptors() - before);
		usleep(1000);
	}
	for (unsigned i = 0; i < MAPPINGS_MAX - 1; i++)
		close(others[i]);
	client_free(&client);
	until_sessions(1);
}
END_TEST

START_TEST(a_mapping_whose_reply_could_not_be_sent_leaves_nothing_behind)
{
	struct client client = client_new();
	struct control_attach attach = attach_of(&client.welcome, CONTROL_SHM);
	int64_t end_ms = now_ms() + 12 * HANG_TIMEOUT_MS;
	unsigned before = descriptors();

	for (unsigned i = 0; i < MAPPINGS_MAX - 1; i++) {
		int fd = dial_unix();

		send_request(fd, CONTROL_ATTACH, &attach, sizeof attach);
		close(fd);
	}
	ck_assert_uint_eq(sessions(), 2);
	while (descriptors() > before) {
		ck_assert_msg(now_ms() < end_ms, "%u descriptors are left", descriptors() - before);
		usleep(1000);
	}
	client_free(&client);
	until_sessions(1);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("lease");
	TCase *tests = tcase_create("lease");
	int status;

	if (victim_main(argc, argv, &status))
		return status;
	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, locks_on_the_arenas_file_keep_nothing_of_another_client);
	tcase_add_test(tests, a_session_that_was_lost_is_kept_while_its_lease_is_mapped);
	tcase_add_test(tests, a_lease_that_was_found_unmapped_cannot_be_mapped_any_more);
	tcase_add_test(tests, a_lease_is_empty_and_stays_empty);
	tcase_add_test(tests, an_attach_that_fails_leaves_no_descriptor_with_storaged);
	tcase_add_test(tests, a_mapping_whose_reply_could_not_be_sent_leaves_nothing_behind);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
