/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that take storaged long: others are answered before they are through, and a client's own
 * heartbeat is. What tells is the order of replies, and their number.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/raw_client.h"
#include "tests/runner.h"

#define HANDLES 20000 /* more than a turn has room for */

static void set_up(void)
{
	static const char *const arguments[] = {"--memory", "64MiB",       "--domain",
						"cpu",      "--log-level", "error",
						"--ttl",    "60m",         NULL};

	daemon_start(&storaged, arguments);
}

static void tear_down(void)
{
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

static int begin_session_on(int fd)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct message reply;

	hello.features_offered = le64_of(CONTROL_FEATURES);
	ck_assert_uint_eq(call(fd, CONTROL_HELLO, &hello, sizeof hello, &reply), WIRE_OK);
	return fd;
}

static int begin_session(void)
{
	return begin_session_on(dial_tcp());
}

/* Append a request to @bytes. Returns what it takes. */
static size_t put_request(uint8_t *bytes, uint16_t type, uint32_t number, const void *body,
			  uint32_t body_bytes)
{
	struct control_header header = control_header_of(type, 0, number, body_bytes);

	memcpy(bytes, &header, sizeof header);
	if (body_bytes)
		memcpy(bytes + sizeof header, body, body_bytes);
	return sizeof header + body_bytes;
}

static size_t put_open(uint8_t *bytes, const char *name)
{
	uint8_t body[sizeof(struct control_open) + 16];
	struct control_open open = {.type = le16_of(OBJECT_COUNTER),
				    .flags = CONTROL_OPEN_CREATE,
				    .name_bytes = (uint8_t)strlen(name)};

	memcpy(body, &open, sizeof open);
	memcpy(body + sizeof open, name, strlen(name));
	return put_request(bytes, CONTROL_OPEN, 1, body, (uint32_t)(sizeof open + strlen(name)));
}

static size_t put_delete(uint8_t *bytes, uint32_t number, const char *name)
{
	uint8_t body[sizeof(struct control_name) + 16] = {(uint8_t)strlen(name)};

	memcpy(body + sizeof(struct control_name), name, strlen(name));
	return put_request(bytes, CONTROL_DELETE, number, body,
			   (uint32_t)(sizeof(struct control_name) + strlen(name)));
}

static void open_often(int fd, const char *name)
{
	uint8_t bytes[4096];
	struct message reply;

	for (unsigned done = 0; done < HANDLES;) {
		size_t fill = 0;
		unsigned count = 0;

		for (; count < 40 && done + count < HANDLES; count++)
			fill += put_open(bytes + fill, name);
		send_all(fd, bytes, fill);
		for (unsigned i = 0; i < count; i++) {
			ck_assert(receive_message(fd, &reply));
			ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
		}
		done += count;
	}
}

/* Receive up to the reply of @number. Returns how many notices of deletions came before it. */
static unsigned notices_until(int fd, uint32_t number, uint16_t type)
{
	struct message reply;
	unsigned count = 0;

	for (;;) {
		ck_assert(receive_message(fd, &reply));
		if (le16_get(reply.header.type) == CONTROL_DELETED) {
			count++;
			continue;
		}
		ck_assert_uint_eq(le16_get(reply.header.type), type);
		ck_assert_uint_eq(le32_get(reply.header.request), number);
		ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
		return count;
	}
}

START_TEST(a_heartbeat_behind_the_deletion_of_what_is_open_often_is_answered_before_it_ends)
{
	int holder = begin_session(), deleter = begin_session();
	uint8_t bytes[256];
	size_t fill;

	open_often(holder, "often");
	fill = put_delete(bytes, 1, "often");
	fill += put_request(bytes + fill, CONTROL_PING, 2, NULL, 0);
	send_all(deleter, bytes, fill);
	notices_until(deleter, 2, CONTROL_PING);
	notices_until(deleter, 1, CONTROL_DELETE);
	send_request(holder, CONTROL_PING, NULL, 0);
	ck_assert_uint_eq(notices_until(holder, 77, CONTROL_PING), HANDLES);
	close(holder);
	close(deleter);
}
END_TEST

/* It is told of all its own handles before the reply. */
START_TEST(a_session_that_deletes_an_object_hears_of_each_of_its_own_handles_first)
{
	int fd = begin_session();
	uint8_t bytes[256];
	size_t fill;

	open_often(fd, "own");
	fill = put_delete(bytes, 5, "own");
	send_all(fd, bytes, fill);
	ck_assert_uint_eq(notices_until(fd, 5, CONTROL_DELETE), HANDLES);
	close(fd);
}
END_TEST

/* Notices are more than its buffers hold. */
START_TEST(a_client_that_reads_its_notices_late_gets_them_all)
{
	int holder = begin_session_on(dial_unix()), deleter = begin_session();
	struct message reply;
	uint8_t bytes[256];
	char name[16];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "late %u", i);
		open_often(holder, name);
	}
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "late %u", i);
		send_all(deleter, bytes, put_delete(bytes, 1, name));
		notices_until(deleter, 1, CONTROL_DELETE);
	}
	ck_assert_uint_eq(call(deleter, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	for (unsigned i = 0; i < 3 * HANDLES; i++) {
		ck_assert(receive_message(holder, &reply));
		ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_DELETED);
	}
	ck_assert_uint_eq(call(holder, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	close(holder);
	close(deleter);
}
END_TEST

START_TEST(a_heartbeat_among_many_listings_does_not_wait_for_them)
{
	int fd = begin_session(), other = begin_session();
	struct control_held held = {0};
	uint8_t bytes[4096];
	struct message reply;
	size_t fill = 0;
	unsigned count = 0;

	open_often(other, "seen");
	while (fill + sizeof held + 2 * sizeof(struct control_header) < sizeof bytes) {
		fill += put_request(bytes + fill, CONTROL_HELD, 1, &held, sizeof held);
		count++;
	}
	fill += put_request(bytes + fill, CONTROL_PING, 2, NULL, 0);
	send_all(fd, bytes, fill);
	/* A few may be through before the end of what was sent has arrived. */
	for (unsigned before = 0;; before++) {
		ck_assert(receive_message(fd, &reply));
		if (le32_get(reply.header.request) == 2)
			break;
		ck_assert_uint_lt(before, count - 1);
	}
	close(fd);
	close(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("busy");
	TCase *tcase = tcase_create("busy");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(
		tcase,
		a_heartbeat_behind_the_deletion_of_what_is_open_often_is_answered_before_it_ends);
	tcase_add_test(tcase,
		       a_session_that_deletes_an_object_hears_of_each_of_its_own_handles_first);
	tcase_add_test(tcase, a_client_that_reads_its_notices_late_gets_them_all);
	tcase_add_test(tcase, a_heartbeat_among_many_listings_does_not_wait_for_them);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
