/* SPDX-License-Identifier: Apache-2.0 */
/* What breaks the protocol ends its connection, and is counted. */
#include "tests/hostile/hostile.h"

#include <stdlib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The connection gets MALFORMED with a sentence and is dropped. */
static void expect_rejection(int fd)
{
	struct message reply;

	ck_assert(receive_message(fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_MALFORMED);
	ck_assert_uint_gt(le32_get(reply.header.length_bytes), 10);
	ck_assert(is_closed(fd));
	close(fd);
}

START_TEST(random_bytes_are_refused_and_counted)
{
	uint8_t bytes[512];

	START();
	srandom(20260101);
	for (unsigned round = 0; round < 200; round++) {
		int fd = round % 2 ? dial_unix() : dial_tcp();

		for (unsigned i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)random();
		send_all(fd, bytes, sizeof bytes);
		expect_rejection(fd);
	}
	ck_assert_uint_eq(le64_get(server_stat(client_new().fd).protocol_errors), 200);
	finish();
}
END_TEST

/* As random bytes, but each behind a valid HELLO or header, so that they get further. */
START_TEST(random_bodies_of_every_type_never_stop_it)
{
	START();
	srandom(20260102);
	for (unsigned round = 0; round < 400; round++) {
		struct client client = client_new();
		uint8_t body[300];
		uint32_t body_bytes = (uint32_t)random() % sizeof body;

		for (unsigned i = 0; i < sizeof body; i++)
			body[i] = random() % 3 ? 0 : (uint8_t)random();
		send_request(client.fd, (uint16_t)(1 + random() % CONTROL_GROW), body, body_bytes);
		shutdown(client.fd, SHUT_WR);
		while (receive(client.fd, body, 1))
			;
		close(client.fd);
	}
	finish();
}
END_TEST

START_TEST(half_a_message_and_silence_are_closed_after_two_seconds)
{
	struct {
		struct control_header header;
		struct control_hello hello;
	} message = {control_header_of(CONTROL_HELLO, 0, 1, sizeof message.hello),
		     hello_of(CONTROL_VERSION, CONTROL_VERSION)};
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
	unsigned leaps = 0;

	START_STANDING();
	fds[0].fd = dial_tcp();
	fds[1].fd = dial_unix();
	send_all(fds[1].fd, &message, sizeof message / 2);
	/* It has accepted both. */
	client_new();
	for (; poll(fds, 2, 0) < 2; leaps++)
		leap(storaged.pid, SECOND_NS / 10);
	ck_assert_uint_ge(leaps, 20);
	ck_assert(is_closed(fds[0].fd));
	ck_assert(is_closed(fds[1].fd));
	finish();
}
END_TEST

START_TEST(a_wrong_length_of_any_type_is_refused)
{
	static const uint32_t lengths[] = {1,  7,   9,    31,   33,    39,        95,
					   97, 296, 4080, 4081, 65536, UINT32_MAX};
	struct control_header header;

	START();
	for (uint16_t type = CONTROL_GOODBYE; type <= CONTROL_GROW; type++) {
		for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
			struct client client;

			header = control_header_of(type, 0, 1, lengths[i]);
			if (control_check(&header, NULL) == WIRE_OK)
				continue;
			client = client_new();
			send_all(client.fd, &header, sizeof header);
			expect_rejection(client.fd);
		}
	}
	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		int fd = dial_tcp();

		header = control_header_of(CONTROL_HELLO, 0, 1, lengths[i]);
		send_all(fd, &header, sizeof header);
		expect_rejection(fd);
	}
	finish();
}
END_TEST

START_TEST(unknown_types_and_notices_from_a_client_are_refused)
{
	static const uint16_t types[] = {0, 11, 63, CONTROL_DELETED, CONTROL_FENCED, 66, 65535};

	START();
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
		bool is_notice = types[i] == CONTROL_DELETED || types[i] == CONTROL_FENCED;
		uint32_t body_bytes = types[i] == CONTROL_DELETED ? 8 : 0;
		struct control_header header =
			control_header_of(types[i], 0, is_notice ? 0 : 1, body_bytes);
		struct client client = client_new();
		uint64_t nothing = 0;

		send_all(client.fd, &header, sizeof header);
		send_all(client.fd, &nothing, body_bytes);
		expect_rejection(client.fd);
	}
	finish();
}
END_TEST

START_TEST(messages_out_of_their_order_are_refused)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct client client;
	int fd;

	START();
	fd = dial_tcp();
	send_request(fd, CONTROL_PING, NULL, 0);
	expect_rejection(fd);
	client = client_new();
	send_request(client.fd, CONTROL_HELLO, &hello, sizeof hello);
	expect_rejection(client.fd);
	client = client_new();
	hello.magic[0] = 'X';
	fd = dial_tcp();
	send_request(fd, CONTROL_HELLO, &hello, sizeof hello);
	expect_rejection(fd);
	finish();
}
END_TEST

START_TEST(bad_names_get_their_error_and_the_session_goes_on)
{
	char name[CONTROL_NAME_BYTES_MAX] = "a\0b";
	struct control_open open = {.type = le16_of(OBJECT_COUNTER), .name_bytes = 9};
	struct client client;
	struct message reply;

	START();
	client = client_new();
	ck_assert_uint_eq(try_open(client.fd, OBJECT_COUNTER, "", 0, 0, &reply), WIRE_NAME);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_COUNTER, name, 3, 0, &reply), WIRE_NAME);
	memset(name, 0xff, sizeof name);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_COUNTER, name, sizeof name, 0, &reply),
			  WIRE_OK);
	ck_assert_uint_eq(try_open(client.fd, 99, "x", 1, 0, &reply), WIRE_MALFORMED);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	/* A name that is longer than the message breaks the protocol. */
	send_request(client.fd, CONTROL_OPEN, &open, sizeof open);
	expect_rejection(client.fd);
	finish();
}
END_TEST

START_TEST(requests_may_come_many_at_once_or_byte_by_byte)
{
	struct control_header pings[500];
	struct client client;
	struct message reply;

	START();
	client = client_new();
	for (unsigned i = 0; i < 500; i++)
		pings[i] = control_header_of(CONTROL_PING, 0, i + 1, 0);
	send_all(client.fd, pings, sizeof pings);
	for (unsigned i = 0; i < sizeof *pings; i++)
		send_all(client.fd, (char *)pings + i, 1);
	for (unsigned i = 0; i <= 500; i++) {
		ck_assert(receive_message(client.fd, &reply));
		ck_assert_uint_eq(le32_get(reply.header.request), i % 500 + 1);
	}
	finish();
}
END_TEST

TCase *broken_tests(void)
{
	TCase *tests = tcase_create("broken");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, random_bytes_are_refused_and_counted);
	tcase_add_test(tests, random_bodies_of_every_type_never_stop_it);
	tcase_add_test(tests, half_a_message_and_silence_are_closed_after_two_seconds);
	tcase_add_test(tests, a_wrong_length_of_any_type_is_refused);
	tcase_add_test(tests, unknown_types_and_notices_from_a_client_are_refused);
	tcase_add_test(tests, messages_out_of_their_order_are_refused);
	tcase_add_test(tests, bad_names_get_their_error_and_the_session_goes_on);
	tcase_add_test(tests, requests_may_come_many_at_once_or_byte_by_byte);
	return tests;
}
