/* SPDX-License-Identifier: Apache-2.0 */
/* The data path of tcp: bad requests, large ones, and floods. */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(offsets_outside_the_region_and_misaligned_atomics_are_answered)
{
	static const uint64_t outside[] = {64 * MIB, 64 * MIB - 7, UINT64_MAX, UINT64_MAX - 7,
					   UINT64_C(1) << 63};
	struct data_request bytes[16];
	struct data_response response;
	struct client client;
	uint64_t word;
	int fd;

	START();
	client = client_new();
	word = open_object(client.fd, OBJECT_COUNTER, "word", 0) + COUNTER_STRIPE_OFFSET(0);
	fd = attach_tcp(&client.welcome);
	/* The bytes of a WRITE that is refused are skipped, whatever they look like. */
	for (unsigned i = 0; i < sizeof bytes / sizeof *bytes; i++)
		bytes[i] = request_of(DATA_FAA, word, 8, 1000);
	for (unsigned i = 0; i < sizeof outside / sizeof *outside; i++) {
		unsigned status = execute(fd, request_of(DATA_FAA, outside[i], 8, 1), NULL);

		ck_assert_uint_eq(status, outside[i] % 8 ? WIRE_MISALIGNED : WIRE_RANGE);
		ck_assert_uint_eq(execute(fd, request_of(DATA_READ, outside[i], 8, 0), NULL),
				  WIRE_RANGE);
		bytes[0] = request_of(DATA_WRITE, outside[i], sizeof bytes - sizeof *bytes, 0);
		send_all(fd, bytes, sizeof bytes / 2);
		usleep(1000);
		send_all(fd, bytes + 8, sizeof bytes / 2 - sizeof *bytes);
		send_all(fd, bytes + 15, sizeof *bytes);
		ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
		ck_assert_uint_eq(response.opcode, DATA_WRITE);
		ck_assert_uint_eq(le16_get(response.status), WIRE_RANGE);
	}
	for (unsigned i = 1; i < 8; i++) {
		ck_assert_uint_eq(execute(fd, request_of(DATA_FAA, word + i, 8, 1), NULL),
				  WIRE_MISALIGNED);
		ck_assert_uint_eq(execute(fd, request_of(DATA_CAS, word + i, 8, 0), NULL),
				  WIRE_MISALIGNED);
	}
	ck_assert_uint_eq(add(fd, word, 1), 0);
	finish();
}
END_TEST

static const struct {
	uint8_t opcode, reserved;
	uint32_t length_bytes;
} malformed[] = {
	{0, 0, 8},
	{5, 0, 8},
	{255, 0, 8},
	{DATA_FAA, 1, 8},
	{DATA_FAA, 0, 4},
	{DATA_CAS, 0, 16},
	{DATA_READ, 0, 0},
	{DATA_WRITE, 0, 0},
	{DATA_READ, 0, DATA_TRANSFER_BYTES_MAX + 1},
	{DATA_WRITE, 0, UINT32_MAX},
};

START_TEST(a_malformed_frame_is_answered_once_and_ends_its_connection_alone)
{
	struct client client;
	uint64_t word;
	int fd, other;

	START();
	client = client_new();
	word = open_object(client.fd, OBJECT_COUNTER, "word", 0) + COUNTER_STRIPE_OFFSET(0);
	other = attach_tcp(&client.welcome);
	for (unsigned i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		struct data_request request =
			request_of(malformed[i].opcode, 0, malformed[i].length_bytes, 0);

		request.reserved = malformed[i].reserved;
		fd = attach_tcp(&client.welcome);
		ck_assert_uint_eq(add(fd, word, 1), 2 * i);
		ck_assert_uint_eq(execute(fd, request, NULL), WIRE_MALFORMED);
		ck_assert(is_closed(fd));
		close(fd);
		ck_assert_uint_eq(le64_get(server_stat(client.fd).protocol_errors), i + 1);
		ck_assert_uint_eq(add(other, word, 1), 2 * i + 1);
	}
	finish();
}
END_TEST

START_TEST(a_write_may_come_in_single_bytes_and_is_read_back)
{
	struct {
		struct data_request request;
		uint8_t bytes[200];
	} write;
	struct data_response response;
	struct data_request read;
	struct client client;
	uint8_t bytes[200];
	uint64_t offset;
	int fd;

	START();
	client = client_new();
	offset = open_object(client.fd, OBJECT_MEMORY, "bytes", 4096) + MEMORY_DATA_OFFSET + 3;
	fd = attach_tcp(&client.welcome);
	write.request = request_of(DATA_WRITE, offset, sizeof write.bytes, 0);
	for (unsigned i = 0; i < sizeof write.bytes; i++)
		write.bytes[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < sizeof write; i++) {
		send_all(fd, (char *)&write + i, 1);
		usleep(200);
	}
	ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
	ck_assert_uint_eq(le16_get(response.status), WIRE_OK);
	read = request_of(DATA_READ, offset, sizeof bytes, 0);
	send_all(fd, &read, sizeof read);
	ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
	ck_assert_uint_eq(le32_get(response.length_bytes), sizeof bytes);
	ck_assert_uint_eq(receive(fd, bytes, sizeof bytes), sizeof bytes);
	ck_assert_int_eq(memcmp(bytes, write.bytes, sizeof bytes), 0);
	finish();
}
END_TEST

START_TEST(many_of_the_largest_transfers_in_a_row_keep_their_order)
{
	enum { COUNT = 50 };
	static uint8_t sent[DATA_TRANSFER_BYTES_MAX], got[DATA_TRANSFER_BYTES_MAX];
	struct data_response response;
	struct client client;
	uint64_t offset;
	pid_t writer;
	int fd;

	START();
	client = client_new();
	offset = open_object(client.fd, OBJECT_MEMORY, "bytes", 8 * MIB) + MEMORY_DATA_OFFSET;
	fd = attach_tcp(&client.welcome);
	writer = child_fork();
	if (writer == 0) {
		/* Somebody who writes without ever waiting. */
		for (unsigned i = 0; i < 2 * COUNT; i++) {
			struct data_request request =
				request_of(i < COUNT ? DATA_WRITE : DATA_READ,
					   offset + i % COUNT * sizeof sent, sizeof sent, 0);

			memset(sent, (int)i + 1, sizeof sent);
			send_all(fd, &request, sizeof request);
			if (i < COUNT)
				send_all(fd, sent, sizeof sent);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < 2 * COUNT; i++) {
		ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
		ck_assert_uint_eq(le16_get(response.status), WIRE_OK);
		ck_assert_uint_eq(response.opcode, i < COUNT ? DATA_WRITE : DATA_READ);
		if (i < COUNT)
			continue;
		ck_assert_uint_eq(receive(fd, got, sizeof got), sizeof got);
		ck_assert_uint_eq(got[0], i - COUNT + 1);
		ck_assert_uint_eq(got[sizeof got - 1], i - COUNT + 1);
	}
	ck_assert_int_eq(child_status(writer), 0);
	finish();
}
END_TEST

/* Send @bytes again and again until nothing has been taken for a while. Returns how many were. */
static size_t flood(int fd, const void *bytes, size_t count)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	size_t sent = 0;

	while (sent < 64 * MIB && poll(&poll_fd, 1, 300) == 1) {
		ssize_t n = send(fd, (const char *)bytes + sent % count, count - sent % count,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

START_TEST(a_client_that_floods_its_data_connection_and_never_reads_stalls_itself_alone)
{
	struct data_request requests[1024];
	struct data_response response;
	struct client client;
	uint64_t word;
	size_t sent;
	int fd;

	START("--ttl", "1m");
	client = client_new();
	word = open_object(client.fd, OBJECT_COUNTER, "word", 0) + COUNTER_STRIPE_OFFSET(0);
	fd = attach_tcp(&client.welcome);
	for (unsigned i = 0; i < 1024; i++)
		requests[i] = request_of(DATA_FAA, word, 8, 1);
	sent = flood(fd, requests, sizeof requests);
	ck_assert_msg(sent < 64 * MIB, "storaged takes requests without end");
	serves_a_fresh_client();
	/* Whoever reads in the end gets every answer, in order. */
	for (size_t i = 0; i < sent / sizeof *requests; i++) {
		ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
		ck_assert_uint_eq(le64_get(response.value), i);
	}
	finish();
}
END_TEST

START_TEST(a_client_that_floods_its_control_connection_and_never_reads_is_dropped)
{
	struct control_header pings[1024];
	struct client client, other;
	int small = 4096;

	START("--ttl", "1s");
	client = client_new();
	setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	for (unsigned i = 0; i < 1024; i++)
		pings[i] = control_header_of(CONTROL_PING, 0, i + 1, 0);
	ck_assert_uint_lt(flood(client.fd, pings, sizeof pings), 64 * MIB);
	serves_a_fresh_client();
	/* What it sends is not taken, so it is as silent as if it sent nothing. */
	other = client_new();
	until_sessions(other.fd, 1);
	ck_assert_uint_eq(le64_get(server_stat(other.fd).sessions_fenced), 1);
	finish();
}
END_TEST

TCase *data_tests(void)
{
	TCase *tests = tcase_create("data path");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, offsets_outside_the_region_and_misaligned_atomics_are_answered);
	tcase_add_test(tests, a_malformed_frame_is_answered_once_and_ends_its_connection_alone);
	tcase_add_test(tests, a_write_may_come_in_single_bytes_and_is_read_back);
	tcase_add_test(tests, many_of_the_largest_transfers_in_a_row_keep_their_order);
	tcase_add_test(
		tests,
		a_client_that_floods_its_data_connection_and_never_reads_stalls_itself_alone);
	tcase_add_test(tests,
		       a_client_that_floods_its_control_connection_and_never_reads_is_dropped);
	return tests;
}
