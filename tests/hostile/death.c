/* SPDX-License-Identifier: Apache-2.0 */
/* What a client that is dead, silent or gone leaves, and the end of storaged. */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether memory for another @bytes can be had before the time limit of a test. */
static bool memory_comes_back(int fd, uint64_t bytes)
{
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;
	struct message reply;
	unsigned status;

	do {
		status = try_open(fd, OBJECT_MEMORY, "another", 7, bytes, &reply);
		if (status == WIRE_NO_MEMORY)
			usleep(20000);
	} while (status == WIRE_NO_MEMORY && now_ms() < end_ms);
	return status == WIRE_OK;
}

START_TEST(the_memory_of_a_deleted_object_is_used_again_when_its_last_client_is_dead)
{
	struct client dead, client;
	struct message reply;

	START();
	dead = client_new();
	client = client_new();
	open_object(dead.fd, OBJECT_MEMORY, "big", 40 * MIB);
	ck_assert_uint_eq(call_name(client.fd, CONTROL_DELETE, "big", &reply), WIRE_OK);
	ck_assert(receive_message(dead.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_DELETED);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_MEMORY, "another", 7, 40 * MIB, &reply),
			  WIRE_NO_MEMORY);
	close(dead.fd);
	ck_assert(memory_comes_back(client.fd, 40 * MIB));
	ck_assert_uint_eq(le64_get(server_stat(client.fd).sessions_lost), 1);
	finish();
}
END_TEST

/* Cleaning it takes turns of the loop, and meanwhile there is neither room for another one nor
 * memory. */
START_TEST(an_open_right_behind_the_end_of_a_big_object_waits_until_it_is_cleaned)
{
	struct control_close close_request = {0};
	struct control_opened opened;
	struct client client, other;
	struct message reply;

	start((const char *const[]){"--memory", "320MiB", "--objects-max", "1", NULL});
	client = client_new();
	other = client_new();
	ck_assert_uint_eq(
		try_open(client.fd, OBJECT_MEMORY, "first", 5, (uint64_t)(300 * MIB), &reply),
		WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	close_request.handle = opened.handle;
	ck_assert_uint_eq(call_name(other.fd, CONTROL_DELETE, "first", &reply), WIRE_OK);
	ck_assert(receive_message(client.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_DELETED);
	ck_assert_uint_eq(
		call(client.fd, CONTROL_CLOSE, &close_request, sizeof close_request, &reply),
		WIRE_OK);
	ck_assert_uint_eq(
		try_open(client.fd, OBJECT_MEMORY, "second", 6, (uint64_t)(300 * MIB), &reply),
		WIRE_OK);
	/* Not finish(): a fresh client would find no room for its object. */
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}
END_TEST

START_TEST(memory_that_a_process_has_mapped_is_not_used_again_before_its_end)
{
	struct client client;
	struct message reply;
	int ready[2];
	char byte;
	pid_t pid;

	START_STANDING();
	client = client_new();
	ck_assert_int_eq(pipe(ready), 0);
	pid = child_fork();
	if (pid == 0) {
		struct client dead = client_new();

		open_object(dead.fd, OBJECT_MEMORY, "big", 40 * MIB);
		map_arena(&dead);
		close(dead.fd); /* without GOODBYE, and alive */
		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_uint_eq(call_name(client.fd, CONTROL_DELETE, "big", &reply), WIRE_OK);
	/* However often it looks. */
	for (unsigned i = 0; i < 100; i++)
		leap(storaged.pid, SECOND_NS / 10);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_MEMORY, "another", 7, 40 * MIB, &reply),
			  WIRE_NO_MEMORY);
	ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
	leap_go(storaged.pid);
	ck_assert(memory_comes_back(client.fd, 40 * MIB));
	finish();
}
END_TEST

START_TEST(a_goodbye_gives_mapped_memory_back_although_the_process_lives)
{
	struct client leaving, client;
	struct message reply;

	START();
	client = client_new();
	leaving = client_new();
	open_object(leaving.fd, OBJECT_MEMORY, "big", 40 * MIB);
	munmap(map_arena(&leaving), 64 * MIB);
	ck_assert_uint_eq(call_name(client.fd, CONTROL_DELETE, "big", &reply), WIRE_OK);
	ck_assert(receive_message(leaving.fd, &reply));
	ck_assert_uint_eq(call(leaving.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
	ck_assert(memory_comes_back(client.fd, 40 * MIB));
	finish();
}
END_TEST

START_TEST(a_register_that_a_dead_session_was_writing_is_let_go)
{
	enum { COUNT = 150 }; /* more than are swept in one turn */
	uint64_t heads[COUNT], held, value;
	struct client dead, client;
	int64_t end_ms;
	char name[16];
	int fd;

	START();
	client = client_new();
	dead = client_new();
	fd = attach_tcp(&dead.welcome);
	held = owned_word(0, (uint16_t)le64_get(dead.welcome.session));
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "register %u", i);
		heads[i] = open_object(dead.fd, OBJECT_REGISTER, name, 64) + REGISTER_HEAD_OFFSET;
		/* Every third is somebody else's. */
		add(fd, heads[i], owned_word(i, 0) | (i % 3 ? held : owned_word(0, 9999)));
	}
	close(fd);
	close(dead.fd);
	fd = attach_tcp(&client.welcome);
	end_ms = now_ms() + HANG_TIMEOUT_MS;
	for (unsigned i = 0; i < COUNT; i++) {
		do
			value = add(fd, heads[i], 0);
		while (i % 3 && owned_word_owner(value) && now_ms() < end_ms);
		ck_assert_uint_eq(owned_word_owner(value), i % 3 ? 0 : 9999);
		ck_assert_uint_eq(owned_word_token(value), i);
	}
	finish();
}
END_TEST

START_TEST(a_silent_client_is_told_fenced_and_its_data_connection_closed)
{
	struct pollfd fenced = {.events = POLLIN};
	struct client silent, lively;
	struct control_server_stat stat;
	struct message reply;
	unsigned leaps;
	uint64_t word;
	int fd;

	START_STANDING("--ttl", "1s");
	silent = client_new();
	lively = client_new();
	word = open_object(silent.fd, OBJECT_COUNTER, "word", 0) + COUNTER_STRIPE_OFFSET(0);
	fd = attach_tcp(&silent.welcome);
	fenced.fd = silent.fd;
	/* Operations are no sign of life: who freezes between two of them must not keep its
	 * locks. */
	for (leaps = 0; poll(&fenced, 1, 0) == 0; leaps++) {
		ck_assert_uint_eq(call(lively.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
		if (leaps < 3)
			add(fd, word, 1);
		leap(storaged.pid, SECOND_NS / 10);
	}
	ck_assert_uint_ge(leaps, 10);
	ck_assert(receive_message(silent.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_FENCED);
	ck_assert_uint_eq(le32_get(reply.header.request), 0);
	ck_assert_uint_gt(le32_get(reply.header.length_bytes), 10);
	ck_assert(is_closed(silent.fd));
	ck_assert(is_closed(fd));
	stat = server_stat(lively.fd);
	ck_assert_uint_eq(le64_get(stat.sessions_fenced), 1);
	ck_assert_uint_eq(le64_get(stat.sessions), 1);
	finish();
}
END_TEST

/* Of more clients than it looks at in one turn of its loop. */
START_TEST(what_came_while_it_stood_still_is_heard_before_anybody_is_fenced)
{
	enum { COUNT = 200 };
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct client clients[COUNT];
	struct message reply;
	int fds[COUNT];

	START_STANDING("--ttl", "2s");
	for (unsigned i = 0; i < COUNT; i++)
		fds[i] = dial_tcp();
	/* They come after those, who are connected then. */
	for (unsigned i = 0; i < COUNT; i++)
		clients[i] = client_new();
	process_freeze(storaged.pid);
	for (unsigned i = 0; i < COUNT; i++) {
		send_request(clients[i].fd, CONTROL_PING, NULL, 0);
		send_request(fds[i], CONTROL_HELLO, &hello, sizeof hello);
	}
	leap_frozen(2 * SECOND_NS + SECOND_NS / 5);
	kill(storaged.pid, SIGCONT);
	for (unsigned i = 0; i < COUNT; i++) {
		ck_assert(receive_message(clients[i].fd, &reply));
		ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_PING);
		ck_assert(receive_message(fds[i], &reply));
		ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
	}
	finish();
}
END_TEST

START_TEST(a_notice_of_deletion_does_not_wait_for_who_does_not_read)
{
	struct client deaf, client;
	struct message reply;
	char name[16];
	int small = 4096;

	START();
	deaf = client_new();
	setsockopt(deaf.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client = client_new();
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "%u", i);
		open_object(deaf.fd, OBJECT_COUNTER, name, 0);
	}
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "%u", i);
		ck_assert_uint_eq(call_name(client.fd, CONTROL_DELETE, name, &reply), WIRE_OK);
	}
	finish();
}
END_TEST

START_TEST(sigterm_ends_it_with_0_although_clients_are_connected)
{
	struct client clients[4];
	struct message reply;
	int data, idle, half;

	START();
	for (unsigned i = 0; i < 3; i++)
		clients[i] = client_on(i == 2 ? dial_unix() : dial_tcp());
	data = attach_tcp(&clients[0].welcome);
	map_arena(&clients[1]);
	idle = dial_tcp();
	half = dial_tcp();
	send_all(half, "DSO", 3);
	/* It has accepted them. */
	clients[3] = client_new();
	ck_assert_int_eq(daemon_stop(&storaged), 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(receive_message(clients[i].fd, &reply));
		ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_FENCED);
		ck_assert_ptr_nonnull(strstr((char *)reply.body, "shutting down"));
		ck_assert(is_closed(clients[i].fd));
	}
	ck_assert(is_closed(data));
	ck_assert(is_closed(idle));
	ck_assert(is_closed(half));
}
END_TEST

TCase *death_tests(void)
{
	TCase *tests = tcase_create("death");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests,
		       the_memory_of_a_deleted_object_is_used_again_when_its_last_client_is_dead);
	tcase_add_test(tests,
		       an_open_right_behind_the_end_of_a_big_object_waits_until_it_is_cleaned);
	tcase_add_test(tests, memory_that_a_process_has_mapped_is_not_used_again_before_its_end);
	tcase_add_test(tests, a_goodbye_gives_mapped_memory_back_although_the_process_lives);
	tcase_add_test(tests, a_register_that_a_dead_session_was_writing_is_let_go);
	tcase_add_test(tests, a_silent_client_is_told_fenced_and_its_data_connection_closed);
	tcase_add_test(tests, what_came_while_it_stood_still_is_heard_before_anybody_is_fenced);
	tcase_add_test(tests, a_notice_of_deletion_does_not_wait_for_who_does_not_read);
	tcase_add_test(tests, sigterm_ends_it_with_0_although_clients_are_connected);
	return tests;
}
