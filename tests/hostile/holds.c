/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of who holds what. */
#include "tests/hostile/hostile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Take the page at @cursor into @holds, of which there are *count already. Returns where the next
 * begins. */
static uint64_t take_holds(int fd, uint64_t cursor, struct control_hold *holds, unsigned count_max,
			   unsigned *count)
{
	struct control_held ask = {.cursor = le64_of(cursor)};
	struct control_holds page;
	struct message reply;
	const uint8_t *at = reply.body + sizeof page;

	ck_assert_uint_eq(call(fd, CONTROL_HELD, &ask, sizeof ask, &reply), WIRE_OK);
	memcpy(&page, reply.body, sizeof page);
	for (unsigned i = 0; i < le32_get(page.count); i++) {
		ck_assert_uint_lt(*count, count_max);
		memcpy(&holds[*count], at, sizeof *holds);
		at += sizeof *holds + holds[*count].name_bytes;
		++*count;
	}
	ck_assert_ptr_eq(at, reply.body + le32_get(reply.header.length_bytes));
	ck_assert(le64_get(page.cursor) == 0 || le64_get(page.cursor) > cursor);
	return le64_get(page.cursor);
}

static unsigned take_all_holds(int fd, struct control_hold *holds, unsigned count_max)
{
	uint64_t cursor = 0;
	unsigned count = 0;

	do
		cursor = take_holds(fd, cursor, holds, count_max, &count);
	while (cursor);
	return count;
}

/* Make @count registers that say that @owner is writing them. */
static void write_registers(const struct client *client, unsigned count, uint16_t owner)
{
	int fd = attach_tcp(&client->welcome);
	char name[24];

	for (unsigned i = 0; i < count; i++) {
		uint64_t object;

		snprintf(name, sizeof name, "register %u-%u", owner, i);
		object = open_object(client->fd, OBJECT_REGISTER, name, 64);
		add(fd, object + REGISTER_HEAD_OFFSET, owned_word(7, owner));
	}
	close(fd);
}

START_TEST(any_cursor_is_a_place_in_the_listing_of_holds)
{
	struct control_hold holds[64];
	struct client client;
	unsigned count = 0;

	START();
	client = client_new();
	write_registers(&client, 3, (uint16_t)le64_get(client.welcome.session));
	for (unsigned bit = 0; bit < 64; bit++) {
		count = 0;
		take_holds(client.fd, UINT64_C(1) << bit, holds, 64, &count);
		ck_assert_uint_le(count, 3);
	}
	count = 0;
	ck_assert_uint_eq(take_holds(client.fd, UINT64_MAX, holds, 64, &count), 0);
	ck_assert_uint_eq(count, 0);
	/* The second object on, which a page names as its beginning. */
	take_holds(client.fd, UINT64_C(1) << 32, holds, 64, &count);
	ck_assert_uint_eq(count, 2);
	finish();
}
END_TEST

START_TEST(words_that_name_no_session_of_the_namespace_are_listed_without_a_who)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct control_hold holds[64];
	struct control_welcome welcome;
	struct message reply;
	struct client client;
	int fd;

	START("--namespace", "default,other");
	client = client_new();
	memset(hello.name_space, 0, sizeof hello.name_space);
	strcpy((char *)hello.name_space, "other");
	fd = dial_tcp();
	ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_OK);
	memcpy(&welcome, reply.body, sizeof welcome);
	write_registers(&client, 1, (uint16_t)le64_get(welcome.session));
	write_registers(&client, 1, UINT16_MAX);
	write_registers(&client, 1, 4096);
	ck_assert_uint_eq(take_all_holds(client.fd, holds, 64), 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_str_eq((const char *)holds[i].who, "");
		ck_assert_uint_eq(le64_get(holds[i].held_min_ns), 0);
		ck_assert_uint_eq(le64_get(holds[i].held_max_ns), CONTROL_HELD_UNKNOWN);
	}
	ck_assert_uint_eq(take_all_holds(fd, holds, 64), 0);
	finish();
}
END_TEST

/* Between two looks of storaged at who holds what (storaged/session/holds.h). */
#define LOOK_NS INT64_C(10000000)

/* How many of @holds are known to be held for a while; and that no time contradicts that all have
 * been held for @held_ns, which is the age of their session. */
static unsigned count_timed(const struct control_hold *holds, unsigned count, int64_t held_ns)
{
	unsigned timed = 0;

	for (unsigned i = 0; i < count; i++) {
		ck_assert_uint_eq(holds[i].role, CONTROL_WRITER);
		ck_assert_uint_gt(le64_get(holds[i].token), 7); /* and the origin */
		ck_assert_uint_eq(le32_get(holds[i].count), 1);
		ck_assert_ptr_nonnull(strstr((const char *)holds[i].who, "127.0.0.1:"));
		ck_assert_uint_le(le64_get(holds[i].held_min_ns), (uint64_t)held_ns);
		ck_assert_uint_ge(le64_get(holds[i].held_max_ns), le64_get(holds[i].held_min_ns));
		ck_assert_uint_eq(le64_get(holds[i].held_max_ns), (uint64_t)held_ns);
		timed += le64_get(holds[i].held_min_ns) > 0;
	}
	return timed;
}

START_TEST(only_so_many_holds_of_a_session_are_remembered_and_all_are_listed)
{
	enum { COUNT = 150, REMEMBERED = 64 };
	struct control_hold holds[COUNT + 1];
	struct client client;
	unsigned timed = 0;

	START_STANDING();
	client = client_new();
	write_registers(&client, COUNT, (uint16_t)le64_get(client.welcome.session));
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_uint_eq(take_all_holds(client.fd, holds, COUNT + 1), COUNT);
		timed = count_timed(holds, COUNT, i * LOOK_NS);
		leap(storaged.pid, LOOK_NS);
	}
	ck_assert_uint_eq(timed, REMEMBERED);
	finish();
}
END_TEST

START_TEST(the_time_of_a_hold_begins_anew_with_the_next_token)
{
	struct control_hold hold;
	struct client client;
	uint64_t head;
	int data;

	START_STANDING();
	client = client_new();
	data = attach_tcp(&client.welcome);
	head = open_object(client.fd, OBJECT_REGISTER, "r", 64) + REGISTER_HEAD_OFFSET;
	add(data, head, owned_word(1, (uint16_t)le64_get(client.welcome.session)));
	for (unsigned i = 0; i < 10; i++)
		leap(storaged.pid, LOOK_NS);
	ck_assert_uint_eq(take_all_holds(client.fd, &hold, 1), 1);
	ck_assert_uint_ge(le64_get(hold.held_min_ns), 8 * LOOK_NS);
	ck_assert_uint_ge(le64_get(hold.held_max_ns), 10 * LOOK_NS);
	/* It gave it back and took it again, between two looks. */
	add(data, head, owned_word(1, 0));
	ck_assert_uint_eq(take_all_holds(client.fd, &hold, 1), 1);
	ck_assert_uint_eq(le64_get(hold.held_min_ns), 0);
	leap(storaged.pid, LOOK_NS);
	leap(storaged.pid, LOOK_NS);
	ck_assert_uint_eq(take_all_holds(client.fd, &hold, 1), 1);
	ck_assert_uint_ge(le64_get(hold.held_max_ns), 2 * LOOK_NS);
	ck_assert_uint_lt(le64_get(hold.held_max_ns), 8 * LOOK_NS);
	close(data);
	finish();
}
END_TEST

START_TEST(who_asks_for_holds_many_times_at_once_is_answered_between_others)
{
	enum { COUNT = 200 };
	struct control_held ask = {0};
	struct client client, other;
	struct message reply;

	START();
	client = client_new();
	other = client_new();
	for (unsigned i = 0; i < COUNT; i++)
		send_request(client.fd, CONTROL_HELD, &ask, sizeof ask);
	ck_assert_uint_eq(call(other.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	for (unsigned i = 0; i < COUNT; i++) {
		ck_assert(receive_message(client.fd, &reply));
		ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_HELD);
		ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
	}
	finish();
}
END_TEST

TCase *holds_tests(void)
{
	TCase *tests = tcase_create("holds");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, any_cursor_is_a_place_in_the_listing_of_holds);
	tcase_add_test(tests, words_that_name_no_session_of_the_namespace_are_listed_without_a_who);
	tcase_add_test(tests, only_so_many_holds_of_a_session_are_remembered_and_all_are_listed);
	tcase_add_test(tests, the_time_of_a_hold_begins_anew_with_the_next_token);
	tcase_add_test(tests, who_asks_for_holds_many_times_at_once_is_answered_between_others);
	return tests;
}
