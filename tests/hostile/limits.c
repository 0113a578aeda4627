/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: sessions, connections, pages of listings. */
#include "tests/hostile/hostile.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(one_session_too_many_is_refused_and_the_next_has_room_again)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct client clients[3];
	struct message reply;
	int fd;

	START("--sessions-max", "3");
	for (unsigned i = 0; i < 3; i++)
		clients[i] = client_on(i ? dial_tcp() : dial_unix());
	fd = dial_unix();
	ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_SESSIONS_MAX);
	ck_assert(is_closed(fd));
	ck_assert_uint_eq(call(clients[1].fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
	ck_assert(is_closed(clients[1].fd));
	ck_assert_uint_eq(call(clients[0].fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	finish();
}
END_TEST

/* What one may have is counted apart for a user and an address, over and live, and given back with
 * the last of a session. */
START_TEST(one_user_and_one_address_have_half_of_the_sessions)
{
	static int (*const dials[])(void) = {dial_tcp, dial_unix};
	static const char *const kinds[] = {"this address has 2", "this user has 2"};
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct client clients[2][2];
	struct message reply;

	START("--sessions-max", "4");
	for (unsigned i = 0; i < 2; i++) {
		int fd;

		for (unsigned j = 0; j < 2; j++)
			clients[i][j] = client_on(dials[i]());
		fd = dials[i]();
		ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_SESSIONS_MAX);
		ck_assert_msg(strstr((char *)reply.body, kinds[i]) &&
				      strstr((char *)reply.body, "sessions-max (4)"),
			      "%s", reply.body);
		ck_assert(is_closed(fd));
	}
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(call(clients[i][0].fd, CONTROL_GOODBYE, NULL, 0, &reply),
				  WIRE_OK);
		until_sessions(clients[i][1].fd, 3);
		clients[i][0] = client_on(dials[i]());
	}
	ck_assert_uint_eq(call(clients[0][0].fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
	until_sessions(clients[0][1].fd, 3);
	finish();
}
END_TEST

START_TEST(places_of_sessions_are_used_again_as_late_as_possible)
{
	uint64_t first = 0;
	struct message reply;

	START("--sessions-max", "65534");
	for (unsigned i = 0; i < 300; i++) {
		struct client client = client_new();
		uint64_t id = le64_get(client.welcome.session);

		if (i == 0)
			first = id;
		ck_assert_uint_eq(id & 0xffff, (first & 0xffff) + i);
		ck_assert_uint_ne(id >> 16, 0);
		ck_assert_uint_eq(call(client.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
		close(client.fd);
	}
	finish();
}
END_TEST

START_TEST(places_of_sessions_are_used_again_with_another_id)
{
	uint64_t ids[20];
	struct message reply;

	START("--sessions-max", "2");
	for (unsigned i = 0; i < 20; i++) {
		struct client client = client_new();

		ids[i] = le64_get(client.welcome.session);
		ck_assert_uint_ge(ids[i] & 0xffff, 1);
		ck_assert_uint_le(ids[i] & 0xffff, 2);
		for (unsigned j = 0; j < i; j++)
			ck_assert_uint_ne(ids[i], ids[j]);
		ck_assert_uint_eq(call(client.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
		ck_assert(is_closed(client.fd));
		close(client.fd);
	}
	finish();
}
END_TEST

static unsigned count_closed(const int *fds, unsigned count)
{
	unsigned closed = 0;

	for (unsigned i = 0; i < count; i++) {
		struct pollfd poll_fd = {.fd = fds[i], .events = POLLIN};

		closed += poll(&poll_fd, 1, 0) == 1;
	}
	return closed;
}

START_TEST(a_flood_of_connections_is_cut_off_and_passes)
{
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	struct client client;
	struct message reply;
	int fds[64];

	START("--connections-max", "16");
	client = client_new();
	for (unsigned i = 0; i < 64; i++)
		fds[i] = dial_tcp();
	while (count_closed(fds, 64) < 64 - 15 && now_ms() < end_ms)
		usleep(1000);
	ck_assert_uint_eq(count_closed(fds, 64), 64 - 15);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	for (unsigned i = 0; i < 64; i++)
		close(fds[i]);
	/* It sees their ends before what is sent behind them. */
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	finish();
}
END_TEST

START_TEST(data_connections_of_one_session_are_limited)
{
	struct client client;
	struct control_attach attach;
	unsigned count = 0;

	START();
	client = client_new();
	attach = attach_of(&client.welcome, CONTROL_TCP);
	while (try_attach(dial_tcp(), &attach) == WIRE_OK)
		ck_assert_uint_lt(++count, 1000);
	ck_assert_uint_ge(count, 1);
	finish();
}
END_TEST

/* Ask for a deletion of all that begins with "x", from @cursor on. */
static struct control_deleted_prefix delete_prefix(int fd, uint32_t cursor)
{
	struct {
		struct control_delete_prefix head;
		uint8_t name[1];
	} ask = {.head = {.cursor = le32_of(cursor), .name_bytes = 1}, .name = "x"};
	struct control_deleted_prefix deleted;
	struct message reply;

	ck_assert_uint_eq(call(fd, CONTROL_DELETE_PREFIX, &ask, 9, &reply), WIRE_OK);
	ck_assert_uint_eq(le32_get(reply.header.length_bytes), sizeof deleted);
	memcpy(&deleted, reply.body, sizeof deleted);
	return deleted;
}

static uint32_t handle_of_new(int fd, const char *name)
{
	struct control_opened opened;
	struct message reply;

	ck_assert_uint_eq(try_open(fd, OBJECT_COUNTER, name, strlen(name), 0, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return le32_get(opened.handle);
}

START_TEST(a_request_deletes_so_many_that_are_not_open_or_one_that_is)
{
	enum { COUNT = 300 };
	struct control_deleted_prefix deleted = {0};
	struct control_close close_it = {0};
	uint32_t total = 0, open_count = 3;
	struct client client;
	struct message reply;
	char name[16];

	START();
	client = client_new();
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, i % 2 ? "x%u" : "y%u", i);
		close_it.handle = le32_of(handle_of_new(client.fd, name));
		if (i >= 2 * open_count)
			ck_assert_uint_eq(
				call(client.fd, CONTROL_CLOSE, &close_it, sizeof close_it, &reply),
				WIRE_OK);
	}
	deleted = delete_prefix(client.fd, UINT32_MAX);
	ck_assert(le32_get(deleted.count) == 0 && le32_get(deleted.cursor) == 0);
	/* Each of these is told of, and is the last of its request. */
	for (unsigned i = 0; i < open_count; i++) {
		uint32_t before = le32_get(deleted.cursor);
		struct control_delete_prefix ask = {.cursor = deleted.cursor, .name_bytes = 1};
		uint8_t body[9];

		memcpy(body, &ask, sizeof ask);
		body[8] = 'x';
		send_request(client.fd, CONTROL_DELETE_PREFIX, body, sizeof body);
		ck_assert(receive_message(client.fd, &reply));
		ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_DELETED);
		ck_assert(receive_message(client.fd, &reply));
		memcpy(&deleted, reply.body, sizeof deleted);
		ck_assert_uint_eq(le32_get(deleted.count), 1);
		ck_assert_uint_gt(le32_get(deleted.cursor), before);
		total++;
	}
	do {
		deleted = delete_prefix(client.fd, le32_get(deleted.cursor));
		ck_assert_uint_le(le32_get(deleted.count), 64);
		total += le32_get(deleted.count);
	} while (le32_get(deleted.cursor));
	ck_assert_uint_eq(total, COUNT / 2);
	ck_assert_uint_eq(le64_get(server_stat(client.fd).objects), COUNT / 2);
	finish();
}
END_TEST

START_TEST(a_directory_of_many_pages_lists_every_object_once)
{
	enum { COUNT = 300 };
	bool seen[COUNT] = {false};
	struct control_list list = {0};
	struct client client;
	struct message reply;
	unsigned total = 0;
	char name[200];

	START();
	client = client_new();
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "%0*u", (int)(i % 190) + 3, i);
		open_object(client.fd, OBJECT_COUNTER, name, 0);
	}
	do {
		struct control_page page;
		const uint8_t *at = reply.body + sizeof page;

		ck_assert_uint_eq(call(client.fd, CONTROL_LIST, &list, sizeof list, &reply),
				  WIRE_OK);
		memcpy(&page, reply.body, sizeof page);
		for (unsigned i = 0; i < le32_get(page.count); i++, total++) {
			struct control_entry entry;
			unsigned index;

			memcpy(&entry, at, sizeof entry);
			snprintf(name, sizeof name, "%.*s", entry.name_bytes,
				 (const char *)at + sizeof entry);
			index = (unsigned)atoi(name);
			ck_assert_uint_lt(index, COUNT);
			ck_assert(!seen[index]);
			seen[index] = true;
			at += sizeof entry + entry.name_bytes;
		}
		ck_assert_ptr_eq(at, reply.body + le32_get(reply.header.length_bytes));
		list.cursor = page.cursor;
	} while (le32_get(list.cursor));
	ck_assert_uint_eq(total, COUNT);
	finish();
}
END_TEST

TCase *limits_tests(void)
{
	TCase *tests = tcase_create("limits");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, one_session_too_many_is_refused_and_the_next_has_room_again);
	tcase_add_test(tests, one_user_and_one_address_have_half_of_the_sessions);
	tcase_add_test(tests, places_of_sessions_are_used_again_as_late_as_possible);
	tcase_add_test(tests, places_of_sessions_are_used_again_with_another_id);
	tcase_add_test(tests, a_flood_of_connections_is_cut_off_and_passes);
	tcase_add_test(tests, data_connections_of_one_session_are_limited);
	tcase_add_test(tests, a_request_deletes_so_many_that_are_not_open_or_one_that_is);
	tcase_add_test(tests, a_directory_of_many_pages_lists_every_object_once);
	return tests;
}
