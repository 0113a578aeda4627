/* SPDX-License-Identifier: Apache-2.0 */
/* A session is whole or over, also where its client says which path it goes on with when that path
 * has ended. */
#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/clock.h"
#include "tests/raw_client.h"
#include "tests/runner.h"

struct client {
	int fd;
	struct control_welcome welcome;
};

static struct client client, other;

static struct client client_new(void)
{
	struct client new = {.fd = dial_unix()};

	new.welcome = greet_for(new.fd, CONTROL_FEATURE_LEASE);
	return new;
}

static void set_up(void)
{
	static const char *const arguments[] = {"--memory", "64MiB",       "--domain",
						"cpu",      "--log-level", "error",
						"--ttl",    "60m",         NULL};

	daemon_start(&storaged, arguments);
	client = client_new();
	other = client_new();
}

static void tear_down(void)
{
	close(client.fd);
	close(other.fd);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

static uint64_t sessions(void)
{
	return le64_get(server_stat(other.fd).sessions);
}

static void expect_over(const char *why)
{
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	struct message message;

	while (sessions() > 1) {
		ck_assert_msg(now_ms() < end_ms, "a session without its path goes on");
		usleep(1000);
	}
	ck_assert(receive_message(client.fd, &message));
	ck_assert_uint_eq(le16_get(message.header.type), CONTROL_FENCED);
	ck_assert_msg(strstr((char *)message.body, why), "%s", message.body);
	ck_assert(is_closed(client.fd));
}

START_TEST(a_data_connection_that_ended_before_its_client_chose_it_ends_the_session)
{
	int fd = attach_tcp(&client.welcome);

	shutdown(fd, SHUT_WR);
	/* Behind this storaged knows. */
	ck_assert(is_closed(fd));
	use(client.fd, CONTROL_TCP);
	expect_over("the path that its client chose had ended");
	close(fd);
}
END_TEST

START_TEST(a_data_connection_beside_one_that_ended_is_a_path)
{
	int ended = attach_tcp(&client.welcome), fd = attach_tcp(&client.welcome);
	struct message reply;

	shutdown(ended, SHUT_WR);
	ck_assert(is_closed(ended));
	use(client.fd, CONTROL_TCP);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(sessions(), 2);
	shutdown(fd, SHUT_WR);
	expect_over("its data connection was closed");
	close(ended);
	close(fd);
}
END_TEST

/* storaged looks whether it is mapped some time after the connection was closed, and tells
 * nobody. */
START_TEST(memory_that_is_not_mapped_any_more_is_no_path)
{
	int fds[2], fd = attach_shm(&client.welcome, fds);
	void *lease = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	struct message reply;

	ck_assert_ptr_ne(lease, MAP_FAILED);
	close(fds[0]);
	close(fds[1]);
	use(client.fd, CONTROL_SHM);
	close(fd);
	/* It is mapped, whatever became of the descriptors. */
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(sessions(), 2);
	munmap(lease, 1);
	while (sessions() > 1 && now_ms() < end_ms)
		use(client.fd, CONTROL_SHM);
	expect_over("the path that its client chose had ended");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uses");
	TCase *tests = tcase_create("uses");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests,
		       a_data_connection_that_ended_before_its_client_chose_it_ends_the_session);
	tcase_add_test(tests, a_data_connection_beside_one_that_ended_is_a_path);
	tcase_add_test(tests, memory_that_is_not_mapped_any_more_is_no_path);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
