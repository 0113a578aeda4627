/* SPDX-License-Identifier: Apache-2.0 */
/* Paths to memory: who gets one, and what it reaches. */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

START_TEST(a_wrong_cookie_or_session_attaches_nothing)
{
	struct control_attach attach;
	struct client client;
	int fd;

	START();
	client = client_new();
	for (unsigned i = 0; i < CONTROL_COOKIE_BYTES; i++) {
		attach = attach_of(&client.welcome, CONTROL_TCP);
		attach.cookie[i] ^= 1;
		fd = dial_tcp();
		ck_assert_uint_eq(try_attach(fd, &attach), WIRE_NO_SESSION);
		ck_assert(is_closed(fd));
		close(fd);
	}
	attach = attach_of(&client.welcome, CONTROL_TCP);
	attach.session.byte[7] ^= 1;
	ck_assert_uint_eq(try_attach(dial_tcp(), &attach), WIRE_NO_SESSION);
	attach.session = le64_of(0);
	memset(attach.cookie, 0, sizeof attach.cookie);
	ck_assert_uint_eq(try_attach(dial_tcp(), &attach), WIRE_NO_SESSION);
	attach.session = le64_of(2); /* a place that nobody has */
	ck_assert_uint_eq(try_attach(dial_tcp(), &attach), WIRE_NO_SESSION);
	attach_tcp(&client.welcome);
	finish();
}
END_TEST

START_TEST(transports_that_are_not_offered_are_refused)
{
	static const uint8_t transports[] = {CONTROL_SHM, CONTROL_VERBS, 8, 128};
	struct client client;

	START();
	client = client_new();
	for (unsigned i = 0; i < sizeof transports; i++) {
		struct control_attach attach = attach_of(&client.welcome, transports[i]);

		ck_assert_uint_eq(try_attach(dial_tcp(), &attach), WIRE_TRANSPORT);
	}
	finish();
}
END_TEST

START_TEST(shared_memory_and_tcp_reach_the_same_words)
{
	struct client client;
	uint64_t word, *arena;
	int data;

	START();
	client = client_new();
	word = open_object(client.fd, OBJECT_COUNTER, "both", 5) + COUNTER_STRIPE_OFFSET(0);
	data = attach_tcp(&client.welcome);
	arena = map_arena(&client);
	ck_assert_uint_eq(__atomic_fetch_add(&arena[word / 8], 1, __ATOMIC_SEQ_CST), 5);
	ck_assert_uint_eq(add(data, word, 1), 6);
	ck_assert_uint_eq(__atomic_load_n(&arena[word / 8], __ATOMIC_SEQ_CST), 7);
	finish();
}
END_TEST

START_TEST(data_sent_right_behind_the_attach_is_executed)
{
	struct {
		struct control_header header;
		struct control_attach attach;
		struct data_request requests[3];
	} all;
	struct data_response response;
	struct client client;
	struct message reply;
	uint64_t word;
	int fd;

	START();
	client = client_new();
	word = open_object(client.fd, OBJECT_COUNTER, "soon", 0) + COUNTER_STRIPE_OFFSET(0);
	all.header = control_header_of(CONTROL_ATTACH, 0, 1, sizeof all.attach);
	all.attach = attach_of(&client.welcome, CONTROL_TCP);
	for (unsigned i = 0; i < 3; i++)
		all.requests[i] = request_of(DATA_FAA, word, 8, 1);
	fd = dial_tcp();
	send_all(fd, &all, sizeof all);
	ck_assert(receive_message(fd, &reply));
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
		ck_assert_uint_eq(le64_get(response.value), i);
	}
	finish();
}
END_TEST

TCase *attach_tests(void)
{
	TCase *tests = tcase_create("attach");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, a_wrong_cookie_or_session_attaches_nothing);
	tcase_add_test(tests, transports_that_are_not_offered_are_refused);
	tcase_add_test(tests, shared_memory_and_tcp_reach_the_same_words);
	tcase_add_test(tests, data_sent_right_behind_the_attach_is_executed);
	return tests;
}
