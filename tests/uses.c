/* SPDX-License-Identifier: Apache-2.0 */
/* A session is whole or over, also where its client says which path it goes on with when that path has ended. */
#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/clock.h"
#include "tests/raw_client.h"
#include "tests/runner.h"

#define ARENA_BYTES (64 << 20)

struct client {
	int fd;
	struct control_attach attach;
};

static struct client client, other;

static struct client client_new(void)
{
	struct control_hello hello = {.version_min = le16_of(CONTROL_VERSION),
				      .version_max = le16_of(CONTROL_VERSION),
				      .name_space = "default"};
	struct client new = {.fd = dial_unix()};
	struct control_welcome welcome;
	struct message reply;

	memcpy(hello.magic, CONTROL_MAGIC, sizeof hello.magic);
	ck_assert_uint_eq(call(new.fd, CONTROL_HELLO, &hello, sizeof hello, &reply), WIRE_OK);
	memcpy(&welcome, reply.body, sizeof welcome);
	new.attach.session = welcome.session;
	memcpy(new.attach.cookie, welcome.cookie, sizeof new.attach.cookie);
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

static int attach_tcp(void)
{
	struct message reply;
	int fd = dial_tcp();

	client.attach.transport = CONTROL_TCP;
	ck_assert_uint_eq(call(fd, CONTROL_ATTACH, &client.attach, sizeof client.attach, &reply),
			  WIRE_OK);
	return fd;
}

/* The connection that brings the arena's descriptor, and that. */
static int attach_shm(int *ret_arena)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights;
	struct control_header reply;
	struct iovec part = {&reply, sizeof reply};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = rights.bytes,
				 .msg_controllen = sizeof rights.bytes};
	int fd = dial_unix();

	client.attach.transport = CONTROL_SHM;
	send_request(fd, CONTROL_ATTACH, &client.attach, sizeof client.attach);
	ck_assert_int_eq(recvmsg(fd, &message, 0), sizeof reply);
	ck_assert_uint_eq(le16_get(reply.status), WIRE_OK);
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
	memcpy(ret_arena, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof *ret_arena);
	return fd;
}

static void use(uint8_t transport)
{
	struct {
		struct control_header header;
		struct control_use use;
	} notice = {
		.header = control_header_of(CONTROL_USE, 0, 0, sizeof notice.use),
		.use.transport = transport,
	};

	send_all(client.fd, &notice, sizeof notice);
}

static uint64_t sessions(void)
{
	struct control_server_stat stat;
	struct message reply;

	ck_assert_uint_eq(call(other.fd, CONTROL_SERVER_STAT, NULL, 0, &reply), WIRE_OK);
	memcpy(&stat, reply.body, sizeof stat);
	return le64_get(stat.sessions);
}

static void expect_over(const char *why)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;
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
	int fd = attach_tcp();

	shutdown(fd, SHUT_WR);
	/* Behind this storaged knows. */
	ck_assert(is_closed(fd));
	use(CONTROL_TCP);
	expect_over("the path that its client chose had ended");
	close(fd);
}
END_TEST

START_TEST(a_data_connection_beside_one_that_ended_is_a_path)
{
	int ended = attach_tcp(), fd = attach_tcp();
	struct message reply;

	shutdown(ended, SHUT_WR);
	ck_assert(is_closed(ended));
	use(CONTROL_TCP);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(sessions(), 2);
	shutdown(fd, SHUT_WR);
	expect_over("its data connection was closed");
	close(ended);
	close(fd);
}
END_TEST

/* storaged looks whether it is mapped some time after the connection was closed, and tells nobody. */
START_TEST(memory_that_is_not_mapped_any_more_is_no_path)
{
	int arena_fd, fd = attach_shm(&arena_fd);
	void *arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	int64_t end_ms = now_ms() + PATIENCE_MS;
	struct message reply;

	ck_assert_ptr_ne(arena, MAP_FAILED);
	close(arena_fd);
	use(CONTROL_SHM);
	close(fd);
	/* It is mapped, whatever became of the descriptors. */
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(sessions(), 2);
	munmap(arena, ARENA_BYTES);
	while (sessions() > 1 && now_ms() < end_ms)
		use(CONTROL_SHM);
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
