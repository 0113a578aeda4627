/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged from outside, byte by byte: what a broken, slow, hostile or dead client does to it, and that
 * it serves the next client all the same. Nothing of the library is used, only proto.
 */
#include "proto/control.h"
#include "proto/data.h"
#include "proto/layout.h"
#include "tests/clock.h"
#include "tests/raw_client.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* ---- a raw client ---- */

struct client {
	int fd;
	struct control_welcome welcome;
};

static unsigned try_hello(int fd, const struct control_hello *hello, struct message *reply)
{
	return call(fd, CONTROL_HELLO, hello, sizeof *hello, reply);
}

static struct client client_on(int fd)
{
	return (struct client){fd, greet(fd)};
}

static struct client client_new(void)
{
	return client_on(dial_tcp());
}

static unsigned try_open(int fd, enum object_type type, const char *name, size_t name_bytes,
			 uint64_t parameter, struct message *reply)
{
	uint8_t body[sizeof(struct control_open) + CONTROL_NAME_BYTES_MAX];
	struct control_open open = {.type = le16_of((uint16_t)type),
				    .flags = CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS,
				    .name_bytes = (uint8_t)name_bytes,
				    .parameters.parameter[0] = le64_of(parameter)};

	memcpy(body, &open, sizeof open);
	memcpy(body + sizeof open, name, name_bytes);
	return call(fd, CONTROL_OPEN, body, (uint32_t)(sizeof open + name_bytes), reply);
}

/* Open or create; returns the object's offset. */
static uint64_t open_object(int fd, enum object_type type, const char *name, uint64_t parameter)
{
	struct message reply;
	struct control_opened opened;

	ck_assert_uint_eq(try_open(fd, type, name, strlen(name), parameter, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return le64_get(opened.offset);
}

static unsigned call_name(int fd, uint16_t type, const char *name, struct message *reply)
{
	uint8_t body[sizeof(struct control_name) + CONTROL_NAME_BYTES_MAX] = {0};
	size_t name_bytes = strlen(name);

	body[0] = (uint8_t)name_bytes;
	memcpy(body + sizeof(struct control_name), name, name_bytes);
	return call(fd, type, body, (uint32_t)(sizeof(struct control_name) + name_bytes), reply);
}

/* Wait until no more than @count sessions are left. */
static void until_sessions(int fd, uint64_t count)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;

	while (le64_get(server_stat(fd).sessions) > count) {
		ck_assert_msg(now_ms() < end_ms, "a session does not end");
		usleep(1000);
	}
}

static unsigned try_attach(int fd, const struct control_attach *attach)
{
	struct message reply;

	return call(fd, CONTROL_ATTACH, attach, sizeof *attach, &reply);
}

static struct data_request request_of(unsigned opcode, uint64_t offset, uint32_t length_bytes,
				      uint64_t operand)
{
	return (struct data_request){.opcode = (uint8_t)opcode,
				     .length_bytes = le32_of(length_bytes),
				     .offset = le64_of(offset),
				     .operand = le64_of(operand)};
}

/* Execute one request without payload either way. Returns the status. */
static unsigned execute(int fd, struct data_request request, uint64_t *ret_value)
{
	struct data_response response;

	send_all(fd, &request, sizeof request);
	ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
	ck_assert_uint_eq(response.opcode, request.opcode);
	ck_assert_uint_eq(le32_get(response.length_bytes), 0);
	if (ret_value)
		*ret_value = le64_get(response.value);
	return le16_get(response.status);
}

static uint64_t add(int fd, uint64_t offset, uint64_t addend)
{
	uint64_t before;

	ck_assert_uint_eq(execute(fd, request_of(DATA_FAA, offset, 8, addend), &before), WIRE_OK);
	return before;
}

/* ---- every test's beginning and end ---- */

static void start(const char *const *arguments)
{
	static const char *all[16] = {"--memory", "64MiB",       "--domain",
				      "cpu",      "--log-level", "error"};
	unsigned count = 6;

	for (; arguments && *arguments; arguments++)
		all[count++] = *arguments;
	all[count] = NULL;
	daemon_start(&storaged, all);
}

#define START(...) start((const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void serves_a_fresh_client(void)
{
	struct client client = client_new();
	uint64_t word =
		open_object(client.fd, OBJECT_COUNTER, "fresh", 0) + COUNTER_STRIPE_OFFSET(0);
	int data = attach_tcp(&client.welcome);
	struct message reply;
	uint64_t before = add(data, word, 1);

	ck_assert_uint_eq(add(data, word, 1), before + 1);
	ck_assert_uint_eq(call(client.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
	ck_assert(is_closed(client.fd));
	ck_assert(is_closed(data));
	close(client.fd);
	close(data);
}

static void finish(void)
{
	serves_a_fresh_client();
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

/* ---- hello ---- */

START_TEST(a_hello_is_welcomed_over_tcp_and_over_the_unix_socket)
{
	struct client client;
	const struct control_welcome *welcome = &client.welcome;
	static const uint8_t nobody[CONTROL_COOKIE_BYTES];

	START("--ttl", "7s");
	client = client_on(_i ? dial_unix() : dial_tcp());
	ck_assert_uint_eq(le16_get(welcome->version), CONTROL_VERSION);
	ck_assert_uint_eq(welcome->domain, CONTROL_DOMAIN_CPU);
	ck_assert_uint_eq(welcome->transports, CONTROL_SHM | CONTROL_TCP | CONTROL_ROCE);
	ck_assert_uint_eq(le32_get(welcome->ttl_ms), 7000);
	ck_assert_uint_ne(le64_get(welcome->session) & 0xffff, 0);
	ck_assert_uint_eq(le64_get(welcome->region_bytes), 64 * MIB);
	ck_assert_int_ne(memcmp(welcome->cookie, nobody, sizeof nobody), 0);
	ck_assert_str_eq((const char *)welcome->unix_path,
			 storaged.unix_url + strlen("dso+unix://"));
	finish();
}
END_TEST

START_TEST(a_client_from_the_future_is_met_politely)
{
	struct control_hello hello = hello_of(1, 9);
	struct message reply;
	int fd;

	START();
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_OK);
	hello = hello_of(CONTROL_VERSION + 1, CONTROL_VERSION + 9);
	fd = dial_tcp();
	ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_VERSION);
	ck_assert_ptr_nonnull(strstr((char *)reply.body, "speaks version 2"));
	ck_assert(is_closed(fd));
	hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	hello.features_offered = le64_of(UINT64_MAX);
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_OK);
	hello.features_required = le64_of(UINT64_C(1) << 40);
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_FEATURE);
	finish();
}
END_TEST

START_TEST(namespaces_are_apart_and_an_unknown_one_is_refused)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct message reply;
	int fd = -1;

	START("--namespace", "default,other");
	strcpy((char *)hello.name_space, "nobody's");
	ck_assert_uint_eq(try_hello(dial_tcp(), &hello, &reply), WIRE_NO_NAMESPACE);
	open_object(client_new().fd, OBJECT_COUNTER, "only here", 0);
	memset(hello.name_space, 0, sizeof hello.name_space);
	strcpy((char *)hello.name_space, "other");
	fd = dial_tcp();
	ck_assert_uint_eq(try_hello(fd, &hello, &reply), WIRE_OK);
	ck_assert_uint_eq(call_name(fd, CONTROL_STAT, "only here", &reply), WIRE_NOT_FOUND);
	finish();
}
END_TEST

/* ---- what breaks the protocol ---- */

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
		send_request(client.fd, (uint16_t)(1 + random() % CONTROL_HELD), body, body_bytes);
		shutdown(client.fd, SHUT_WR);
		while (receive(client.fd, body, 1))
			;
		close(client.fd);
	}
	finish();
}
END_TEST

START_TEST(half_a_message_and_silence_is_closed_after_two_seconds)
{
	struct {
		struct control_header header;
		struct control_hello hello;
	} message = {control_header_of(CONTROL_HELLO, 0, 1, sizeof message.hello),
		     hello_of(CONTROL_VERSION, CONTROL_VERSION)};
	int silent, half;
	int64_t begin_ms;

	START();
	begin_ms = now_ms();
	silent = dial_tcp();
	half = dial_unix();
	send_all(half, &message, sizeof message / 2);
	ck_assert(is_closed(silent));
	ck_assert_int_ge(now_ms() - begin_ms, 1500);
	ck_assert(is_closed(half));
	ck_assert_int_lt(now_ms() - begin_ms, PATIENCE_MS);
	finish();
}
END_TEST

START_TEST(a_wrong_length_of_any_type_is_refused)
{
	static const uint32_t lengths[] = {1,  7,   9,    31,   33,    39,        95,
					   97, 296, 4080, 4081, 65536, UINT32_MAX};
	struct control_header header;

	START();
	for (uint16_t type = CONTROL_GOODBYE; type <= CONTROL_HELD; type++) {
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

/* ---- attach ---- */

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

/* ATTACH over the unix socket; returns the arena, mapped. */
static void *map_arena(const struct client *client)
{
	int arena_fd, fd = attach_shm(&client->welcome, &arena_fd);
	void *arena;

	ck_assert_int_eq(ftruncate(arena_fd, 4096), -1); /* it is sealed */
	arena = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	ck_assert_ptr_ne(arena, MAP_FAILED);
	close(arena_fd);
	/* That it is mapped still does not depend on this. */
	close(fd);
	return arena;
}

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

/* ---- the data path ---- */

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
	int fd;

	START();
	client = client_new();
	offset = open_object(client.fd, OBJECT_MEMORY, "bytes", 8 * MIB) + MEMORY_DATA_OFFSET;
	fd = attach_tcp(&client.welcome);
	if (fork() == 0) {
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
	wait(NULL);
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

/* ---- limits ---- */

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

/* What one may have is counted apart for a user and an address, over and live, and given back with the last of a session. */
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
	int64_t end_ms = now_ms() + PATIENCE_MS;
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

/* ---- death ---- */

/* Whether memory for another @bytes can be had within the patience of a test. */
static bool memory_comes_back(int fd, uint64_t bytes)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;
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

/* Cleaning it takes turns of the loop, and meanwhile there is neither room for another one nor memory. */
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

	START();
	client = client_new();
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
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
	usleep(300000);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_MEMORY, "another", 7, 40 * MIB, &reply),
			  WIRE_NO_MEMORY);
	kill(pid, SIGKILL);
	ck_assert(memory_comes_back(client.fd, 40 * MIB));
	waitpid(pid, NULL, 0);
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
	end_ms = now_ms() + PATIENCE_MS;
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

/* ---- who holds what ---- */

/* Take the page at @cursor into @holds, of which there are *count already. Returns where the next begins. */
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

/* How many of @holds are known to be held for a while; and that no time contradicts that all were held for
 * @held_ns at least when storaged was asked, by a session that is at most as old as @age_ns by now. */
static unsigned count_timed(const struct control_hold *holds, unsigned count, int64_t held_ns,
			    int64_t age_ns)
{
	unsigned timed = 0;

	for (unsigned i = 0; i < count; i++) {
		ck_assert_uint_eq(holds[i].role, CONTROL_WRITER);
		ck_assert_uint_gt(le64_get(holds[i].token), 7); /* and the origin */
		ck_assert_uint_eq(le32_get(holds[i].count), 1);
		ck_assert_ptr_nonnull(strstr((const char *)holds[i].who, "127.0.0.1:"));
		ck_assert_uint_le(le64_get(holds[i].held_min_ns), (uint64_t)age_ns);
		ck_assert_uint_ge(le64_get(holds[i].held_max_ns), le64_get(holds[i].held_min_ns));
		ck_assert_uint_ge(le64_get(holds[i].held_max_ns), (uint64_t)held_ns);
		ck_assert_uint_le(le64_get(holds[i].held_max_ns), (uint64_t)age_ns);
		timed += le64_get(holds[i].held_min_ns) > 0;
	}
	return timed;
}

START_TEST(only_so_many_holds_of_a_session_are_remembered_and_all_are_listed)
{
	enum { COUNT = 150, REMEMBERED = 64 };
	struct control_hold holds[COUNT + 1];
	int64_t begin_ns, written_ns, asked_ns, end_ms = now_ms() + PATIENCE_MS;
	struct client client;
	unsigned timed = 0, rounds = 0;

	START();
	begin_ns = clock_now_ns();
	client = client_new();
	write_registers(&client, COUNT, (uint16_t)le64_get(client.welcome.session));
	written_ns = clock_now_ns();
	/* Then for some looks more. */
	while ((timed < REMEMBERED || rounds++ < 50) && now_ms() < end_ms) {
		asked_ns = clock_now_ns();
		ck_assert_uint_eq(take_all_holds(client.fd, holds, COUNT + 1), COUNT);
		timed = count_timed(holds, COUNT, asked_ns - written_ns, clock_now_ns() - begin_ns);
		usleep(5000);
	}
	ck_assert_uint_eq(timed, REMEMBERED);
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

/* ---- waits ---- */

/* A memory object "words", opened by @fd. Returns its handle. */
static le32_t open_words(int fd)
{
	struct message reply;
	struct control_opened opened;

	ck_assert_uint_eq(try_open(fd, OBJECT_MEMORY, "words", 5, 64, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return opened.handle;
}

/* The same, new, with a data connection of @client's in *ret_data. Returns the offset of its words in the region. */
static uint64_t new_words(struct client *client, int *ret_data)
{
	uint64_t object = open_object(client->fd, OBJECT_MEMORY, "words", 64);

	*ret_data = attach_tcp(&client->welcome);
	return object + MEMORY_DATA_OFFSET;
}

/* The WAIT is taken before the PING that comes behind it. */
static void park(int fd, const struct control_wait *wait)
{
	struct message reply;

	send_request(fd, CONTROL_WAIT, wait, sizeof *wait);
	ck_assert_uint_eq(call(fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
}

/* The reply to WAIT: what was taken, or 0. */
static uint64_t taken_of(int fd)
{
	struct control_waited waited;
	struct message reply;

	ck_assert(receive_message(fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
	ck_assert_uint_eq(le32_get(reply.header.length_bytes), sizeof waited);
	memcpy(&waited, reply.body, sizeof waited);
	return le64_get(waited.taken);
}

START_TEST(a_wait_is_answered_when_it_may_not_be_parked)
{
	struct client client;
	struct control_wait wait = {0};
	struct message reply;

	START();
	client = client_new();
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_STALE);
	wait.handle = open_words(client.fd);
	wait.offset = le64_of(MEMORY_DATA_OFFSET + 4);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply),
			  WIRE_MISALIGNED);
	wait.offset = le64_of(UINT64_MAX - 7);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_RANGE);
	/* The last word has none behind it to take something off. */
	wait.offset = le64_of(MEMORY_DATA_OFFSET + 56);
	wait.leave = le64_of(1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_RANGE);
	wait.leave = le64_of(0);
	wait.expected = le64_of(1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_CHANGED);
	close(client.fd);
	finish();
}
END_TEST

START_TEST(a_parked_session_is_served_and_may_cancel)
{
	struct client client;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET)};
	struct message reply;

	START();
	client = client_new();
	wait.handle = open_words(client.fd);
	park(client.fd, &wait);
	send_request(client.fd, CONTROL_CANCEL, NULL, 0);
	ck_assert(receive_message(client.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_CANCELLED);
	ck_assert(receive_message(client.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_CANCEL);
	/* Without a wait there is nothing to cancel. */
	ck_assert_uint_eq(call(client.fd, CONTROL_CANCEL, NULL, 0, &reply), WIRE_OK);
	close(client.fd);
	finish();
}
END_TEST

START_TEST(of_those_parked_on_a_word_the_longest_parked_are_woken_first)
{
	struct client clients[4];
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET)};
	struct control_wake wake = {.count = le32_of(1), .offset = le64_of(MEMORY_DATA_OFFSET)};
	struct control_woken woken;
	struct message reply;

	START();
	for (unsigned i = 0; i < 4; i++) {
		clients[i] = client_new();
		wait.handle = wake.handle = open_words(clients[i].fd);
		if (i < 3)
			park(clients[i].fd, &wait);
	}
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(call(clients[3].fd, CONTROL_WAKE, &wake, sizeof wake, &reply),
				  WIRE_OK);
		memcpy(&woken, reply.body, sizeof woken);
		ck_assert_uint_eq(le32_get(woken.count), 1);
		ck_assert_uint_eq(taken_of(clients[i].fd), 0);
		/* The next one has no answer before this. */
		for (unsigned j = i + 1; j < 3; j++)
			ck_assert_uint_eq(call(clients[j].fd, CONTROL_PING, NULL, 0, &reply),
					  WIRE_OK);
	}
	for (unsigned i = 0; i < 4; i++)
		close(clients[i].fd);
	finish();
}
END_TEST

START_TEST(a_second_wait_of_a_session_breaks_the_protocol)
{
	struct client client;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET)};
	struct message reply;

	START();
	client = client_new();
	wait.handle = open_words(client.fd);
	send_request(client.fd, CONTROL_WAIT, &wait, sizeof wait);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply),
			  WIRE_MALFORMED);
	ck_assert(is_closed(client.fd));
	close(client.fd);
	finish();
}
END_TEST

START_TEST(a_session_that_ends_while_parked_is_taken_off_those_who_wait)
{
	struct client client, other;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET), .leave = le64_of(5)};
	uint64_t words;
	int data;

	START();
	client = client_new();
	other = client_new();
	words = new_words(&other, &data);
	wait.handle = open_words(client.fd);
	add(data, words + 8, 7);
	park(client.fd, &wait);
	ck_assert_uint_eq(add(data, words + 8, 0), 7);
	close(client.fd);
	until_sessions(other.fd, 1);
	ck_assert_uint_eq(add(data, words + 8, 0), 2);
	close(other.fd);
	close(data);
	finish();
}
END_TEST

/* Whoever has it by then: it may be another than its client saw. */
START_TEST(who_parks_on_an_owned_word_is_made_known_in_it)
{
	struct client client, other;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_GIVEN_BACK};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1)};
	struct message reply;
	uint64_t word, owned = owned_word(5, 77) | OWNED_DIED;
	int data;

	START();
	client = client_new();
	other = client_new();
	word = new_words(&other, &data);
	wait.handle = open_words(client.fd);
	wake.handle = open_words(other.fd);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_CHANGED);
	ck_assert_uint_eq(add(data, word, owned), 0);
	park(client.fd, &wait);
	ck_assert_uint_eq(add(data, word, 0), owned | OWNED_WAITED);
	ck_assert_uint_eq(call(other.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	ck_assert_uint_eq(taken_of(client.fd), 0);
	close(client.fd);
	close(other.fd);
	close(data);
	finish();
}
END_TEST

static uint16_t owner_of(const struct client *client)
{
	return (uint16_t)le64_get(client->welcome.session);
}

START_TEST(storaged_takes_an_owned_word_for_who_is_parked_the_longest)
{
	struct client first, second, giver;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_TAKEN,
				    .expected = le64_of(OWNED_LOST)};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1)};
	uint64_t word, held = owned_word(5, 77) | OWNED_DIED, taken, flags;
	struct message reply;
	int data;

	START();
	first = client_new();
	second = client_new();
	giver = client_new();
	word = new_words(&giver, &data);
	wake.handle = open_words(giver.fd);
	add(data, word, held);
	wait.handle = open_words(first.fd);
	park(first.fd, &wait);
	wait.handle = open_words(second.fd);
	park(second.fd, &wait);
	/* Another has it by now, who does not know of them: he is told. */
	flags = OWNED_WAITED | OWNED_QUEUED;
	ck_assert_uint_eq(add(data, word, 0 - flags), held | flags);
	ck_assert_uint_eq(call(giver.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	ck_assert_uint_eq(add(data, word, owned_word(5, 0) - held - flags), held | flags);
	ck_assert_uint_eq(call(giver.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	taken = taken_of(first.fd);
	ck_assert_uint_eq(taken, owned_word(6, owner_of(&first)) | flags | OWNED_GRANTED);
	/* So soon after that it is given to nobody; but when a pause is over, it is. */
	ck_assert_uint_eq(add(data, word, owned_word(6, 0) - taken), taken);
	ck_assert_uint_eq(call(giver.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	taken = taken_of(second.fd);
	ck_assert_uint_eq(taken, owned_word(7, owner_of(&second)) | OWNED_GRANTED);
	/* Who has a deadline behind that gets it still, and so does who comes when it has been free for long. */
	ck_assert_uint_eq(add(data, word, owned_word(7, 0) - taken), taken);
	send_request(second.fd, CONTROL_WAIT, &wait, sizeof wait);
	send_request(second.fd, CONTROL_CANCEL, NULL, 0);
	taken = taken_of(second.fd);
	ck_assert_uint_eq(taken, owned_word(8, owner_of(&second)) | OWNED_GRANTED);
	ck_assert(receive_message(second.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_CANCEL);
	/* One of the flags is not what he wants. */
	ck_assert_uint_eq(add(data, word, (owned_word(8, 0) | OWNED_LOST) - taken), taken);
	send_request(second.fd, CONTROL_WAIT, &wait, sizeof wait);
	ck_assert(receive_message(second.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
	if (le16_get(reply.header.status) != WIRE_CHANGED) { /* it was within a pause */
		ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
		ck_assert_mem_eq(reply.body, "\0\0\0\0\0\0\0", 8);
	}
	close(first.fd);
	close(second.fd);
	close(giver.fd);
	close(data);
	finish();
}
END_TEST

/* It is not given to the first, who wants to take it, so soon after another had it; and then he goes. */
START_TEST(a_wake_of_all_within_a_pause_is_not_lost_when_the_first_goes)
{
	enum { PARKED = 2 };
	struct client owner, first, behind[PARKED];
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_TAKEN,
				    .expected = le64_of(OWNED_LOST)};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1024)};
	uint64_t word, taken, held = owned_word(5, 77), flags = OWNED_WAITED | OWNED_QUEUED;
	struct message reply;
	int data;

	START();
	owner = client_new();
	first = client_new();
	word = new_words(&owner, &data);
	add(data, word, held | flags);
	wait.handle = wake.handle = open_words(owner.fd);
	park(owner.fd, &wait);
	wait.handle = open_words(first.fd);
	park(first.fd, &wait);
	wait.until = CONTROL_WAIT_GIVEN_BACK;
	wait.expected = le64_of(0);
	for (unsigned i = 0; i < PARKED; i++) {
		behind[i] = client_new();
		wait.handle = open_words(behind[i].fd);
		park(behind[i].fd, &wait);
	}
	add(data, word, owned_word(5, 0) - held - OWNED_WAITED);
	send_request(owner.fd, CONTROL_WAKE, &wake, sizeof wake);
	taken = taken_of(owner.fd);
	ck_assert_uint_eq(taken, owned_word(6, owner_of(&owner)) | flags | OWNED_GRANTED);
	add(data, word, (owned_word(6, 0) | OWNED_LOST) - taken);
	ck_assert(receive_message(owner.fd, &reply));
	ck_assert_uint_eq(call(owner.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	send_request(first.fd, CONTROL_CANCEL, NULL, 0);
	for (unsigned i = 0; i < PARKED; i++)
		ck_assert_uint_eq(taken_of(behind[i].fd), 0);
	/* The end of a session would have had them answered, too. */
	ck_assert_uint_eq(le64_get(server_stat(owner.fd).sessions), PARKED + 2);
	for (unsigned i = 0; i < PARKED; i++)
		close(behind[i].fd);
	close(first.fd);
	close(owner.fd);
	close(data);
	finish();
}
END_TEST

/* Give the word back, which is @value. */
static void give_back(int data, uint64_t word, uint64_t value)
{
	ck_assert_uint_eq(add(data, word, owned_word(owned_word_token(value), 0) - value), value);
}

START_TEST(a_word_is_given_away_once_in_a_pause_but_for_who_cancels)
{
	enum { ROUNDS = 20, PAUSE_NS = 300000, AFTER_A_PAUSE_NS = 5000000 };
	struct client first, second;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_TAKEN};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1)};
	struct message reply;
	le32_t handles[2];
	uint64_t word, taken;
	int64_t begin_ns;
	int data;

	START();
	first = client_new();
	second = client_new();
	word = new_words(&first, &data);
	wake.handle = handles[0] = open_words(first.fd);
	handles[1] = open_words(second.fd);
	for (unsigned i = 0; i < ROUNDS; i++) {
		nap(AFTER_A_PAUSE_NS);
		add(data, word, owned_word(0, 77));
		wait.handle = handles[0];
		park(first.fd, &wait);
		wait.handle = handles[1];
		park(second.fd, &wait);
		give_back(data, word, add(data, word, 0));
		begin_ns = clock_now_ns();
		send_request(first.fd, CONTROL_WAKE, &wake, sizeof wake);
		give_back(data, word, taken_of(first.fd));
		ck_assert(receive_message(first.fd, &reply));
		send_request(first.fd, CONTROL_WAKE, &wake, sizeof wake);
		taken = taken_of(second.fd);
		ck_assert_int_ge(clock_now_ns() - begin_ns, PAUSE_NS);
		give_back(data, word, taken);
		ck_assert(receive_message(first.fd, &reply));
	}
	/* Nobody has it when his deadline is over. */
	nap(AFTER_A_PAUSE_NS);
	add(data, word, owned_word(0, 77));
	park(second.fd, &wait);
	give_back(data, word, add(data, word, 0));
	send_request(second.fd, CONTROL_CANCEL, NULL, 0);
	taken = taken_of(second.fd);
	ck_assert_uint_ne(taken, 0);
	give_back(data, word, taken);
	ck_assert(receive_message(second.fd, &reply));
	/* Who goes leaves no sign of a queue. */
	add(data, word, owned_word(0, 77));
	park(second.fd, &wait);
	send_request(second.fd, CONTROL_CANCEL, NULL, 0);
	ck_assert(receive_message(second.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_CANCELLED);
	ck_assert_uint_eq(add(data, word, 0) & OWNED_QUEUED, 0);
	close(first.fd);
	close(second.fd);
	close(data);
	finish();
}
END_TEST

/* One who had the words open ends. */
static void pass_by(int watcher)
{
	uint64_t before = le64_get(server_stat(watcher).sessions);
	struct client client = client_new();

	open_words(client.fd);
	close(client.fd);
	until_sessions(watcher, before);
}

/* Who cleared the flag died before it could wake anybody, and whoever has the word now knows of nobody. */
START_TEST(a_death_wakes_who_is_parked_on_an_owned_word_without_its_flag)
{
	struct client client, other;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_GIVEN_BACK};
	struct message reply;
	uint64_t word;
	int data;

	START();
	client = client_new();
	other = client_new();
	word = new_words(&other, &data);
	wait.handle = open_words(client.fd);
	add(data, word, owned_word(5, 77));
	park(client.fd, &wait);
	pass_by(other.fd);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	add(data, word, owned_word(6, 78) - owned_word(5, 77) - OWNED_WAITED);
	pass_by(other.fd);
	ck_assert_uint_eq(taken_of(client.fd), 0);
	close(client.fd);
	close(other.fd);
	close(data);
	finish();
}
END_TEST

/* It may have given a permit back and died before it could tell of that. */
START_TEST(the_death_of_a_session_is_an_event_of_the_semaphores_that_it_had_open)
{
	struct client dying, client;
	struct control_wait wait = {.offset = le64_of(SEMAPHORE_EVENT_OFFSET)};
	struct control_opened opened;
	struct message reply;

	START();
	dying = client_new();
	client = client_new();
	open_object(dying.fd, OBJECT_SEMAPHORE, "permits", 2);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_SEMAPHORE, "permits", 7, 2, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	wait.handle = opened.handle;
	park(client.fd, &wait);
	close(dying.fd);
	ck_assert_uint_eq(taken_of(client.fd), 0);
	close(client.fd);
	finish();
}
END_TEST

START_TEST(a_silent_client_is_told_fenced_and_its_data_connection_closed)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;
	struct pollfd fenced = {.events = POLLIN};
	struct client silent, lively;
	struct control_server_stat stat;
	struct message reply;
	uint64_t word;
	int fd;

	START("--ttl", "1s");
	silent = client_new();
	lively = client_new();
	word = open_object(silent.fd, OBJECT_COUNTER, "word", 0) + COUNTER_STRIPE_OFFSET(0);
	fd = attach_tcp(&silent.welcome);
	fenced.fd = silent.fd;
	/* Operations are no sign of life: who freezes between two of them must not keep its locks. */
	for (unsigned i = 0; poll(&fenced, 1, 20) == 0; i++) {
		ck_assert_uint_eq(call(lively.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
		ck_assert_msg(now_ms() < end_ms, "a silent client is not fenced");
		if (i < 3)
			add(fd, word, 1);
	}
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

	START("--ttl", "2s");
	for (unsigned i = 0; i < COUNT; i++)
		fds[i] = dial_tcp();
	/* They come after those, who are connected then. */
	for (unsigned i = 0; i < COUNT; i++)
		clients[i] = client_new();
	kill(storaged.pid, SIGSTOP);
	for (unsigned i = 0; i < COUNT; i++) {
		send_request(clients[i].fd, CONTROL_PING, NULL, 0);
		send_request(fds[i], CONTROL_HELLO, &hello, sizeof hello);
	}
	usleep(2200000);
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
	struct client clients[3];
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
	usleep(100000);
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

/* ---- starting ---- */

/* Run storaged where it is to fail. Returns its exit status, with what it said in @said. */
static int run_storaged(const char *flag, const char *value, char *said, size_t said_bytes)
{
	char directory[] = "/tmp/dso-test-XXXXXX", path[64];
	int pipe_fds[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/s", directory);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		/* Where @flag says nothing else: not the default places, where somebody may be. */
		setenv("STORAGED_LISTEN", "127.0.0.1:0", 1);
		setenv("STORAGED_UNIX_SOCKET", path, 1);
		alarm(PATIENCE_MS / 1000);
		execl(getenv("STORAGED"), "storaged", "--memory", "1MiB", "--log-level", "error",
		      flag, value, NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	memset(said, 0, said_bytes);
	for (size_t fill = 0; fill < said_bytes - 1; fill += (size_t)n) {
		n = read(pipe_fds[0], said + fill, said_bytes - 1 - fill);
		if (n <= 0)
			break;
	}
	close(pipe_fds[0]);
	waitpid(pid, &status, 0);
	rmdir(directory);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(the_socket_of_a_living_daemon_is_not_taken_over)
{
	char said[1024];

	START();
	ck_assert_int_eq(run_storaged("--unix-socket", storaged.unix_url + strlen("dso+unix://"),
				      said, sizeof said),
			 1);
	ck_assert_ptr_nonnull(strstr(said, "another storaged"));
	ck_assert_uint_eq(le16_get(client_on(dial_unix()).welcome.version), CONTROL_VERSION);
	finish();
}
END_TEST

START_TEST(the_socket_of_a_killed_daemon_is_replaced)
{
	struct daemon_process killed;
	char path[160];

	START();
	killed = storaged;
	strcpy(path, storaged.unix_url + strlen("dso+unix://"));
	kill(storaged.pid, SIGKILL);
	waitpid(storaged.pid, NULL, 0);
	START("--unix-socket", path);
	ck_assert_str_eq(storaged.unix_url, killed.unix_url);
	ck_assert_uint_eq(le16_get(client_on(dial_unix()).welcome.version), CONTROL_VERSION);
	finish();
	ck_assert_int_ne(access(path, F_OK), 0);
	rmdir(killed.directory);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
	char directory[] = "/tmp/dso-test-XXXXXX", path[64], said[1024];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/file", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(run_storaged("--unix-socket", path, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "is not a socket"));
	ck_assert_int_eq(unlink(path), 0);
	rmdir(directory);
}
END_TEST

START_TEST(a_directory_that_others_can_write_or_that_is_a_link_is_refused)
{
	char directory[] = "/tmp/dso-test-XXXXXX", path[80], said[1024], link[64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(link, sizeof link, "%s-link", directory);
	ck_assert_int_eq(symlink(directory, link), 0);
	snprintf(path, sizeof path, "%s/s", link);
	ck_assert_int_eq(run_storaged("--unix-socket", path, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "not a link"));
	unlink(link);
	ck_assert_int_eq(chmod(directory, 0777), 0);
	snprintf(path, sizeof path, "%s/s", directory);
	ck_assert_int_eq(run_storaged("--unix-socket", path, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "could pose as storaged"));
	rmdir(directory);
}
END_TEST

START_TEST(an_address_beyond_loopback_needs_the_word_plaintext)
{
	static const char *const addresses[] = {"0.0.0.0:0", "[::]:0", "10.1.2.3:0"};
	char said[1024];

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(run_storaged("--listen", addresses[i], said, sizeof said), 1);
		ck_assert_ptr_nonnull(strstr(said, "no encryption"));
		ck_assert_ptr_nonnull(strstr(said, "--plaintext"));
	}
	START("--listen", "0.0.0.0:0", "--plaintext");
	finish();
}
END_TEST

START_TEST(a_device_that_is_demanded_and_not_there_is_a_reason_not_to_start)
{
	char said[1024];

	ck_assert_int_eq(run_storaged("--device", "no-such-device", said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "RDMA device"));
}
END_TEST

static TCase *tests_of(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return tests;
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("storaged");
	TCase *tests = tests_of(suite, "hello");

	tcase_add_loop_test(tests, a_hello_is_welcomed_over_tcp_and_over_the_unix_socket, 0, 2);
	tcase_add_test(tests, a_client_from_the_future_is_met_politely);
	tcase_add_test(tests, namespaces_are_apart_and_an_unknown_one_is_refused);
	tests = tests_of(suite, "bad input");
	tcase_add_test(tests, random_bytes_are_refused_and_counted);
	tcase_add_test(tests, random_bodies_of_every_type_never_stop_it);
	tcase_add_test(tests, half_a_message_and_silence_is_closed_after_two_seconds);
	tcase_add_test(tests, a_wrong_length_of_any_type_is_refused);
	tcase_add_test(tests, unknown_types_and_notices_from_a_client_are_refused);
	tcase_add_test(tests, messages_out_of_their_order_are_refused);
	tcase_add_test(tests, bad_names_get_their_error_and_the_session_goes_on);
	tcase_add_test(tests, requests_may_come_many_at_once_or_byte_by_byte);
	tests = tests_of(suite, "attach");
	tcase_add_test(tests, a_wrong_cookie_or_session_attaches_nothing);
	tcase_add_test(tests, transports_that_are_not_offered_are_refused);
	tcase_add_test(tests, shared_memory_and_tcp_reach_the_same_words);
	tcase_add_test(tests, data_sent_right_behind_the_attach_is_executed);
	tests = tests_of(suite, "data path");
	tcase_add_test(tests, offsets_outside_the_region_and_misaligned_atomics_are_answered);
	tcase_add_test(tests, a_malformed_frame_is_answered_once_and_ends_its_connection_alone);
	tcase_add_test(tests, a_write_may_come_in_single_bytes_and_is_read_back);
	tcase_add_test(tests, many_of_the_largest_transfers_in_a_row_keep_their_order);
	tcase_add_test(
		tests,
		a_client_that_floods_its_data_connection_and_never_reads_stalls_itself_alone);
	tcase_add_test(tests,
		       a_client_that_floods_its_control_connection_and_never_reads_is_dropped);
	tests = tests_of(suite, "limits");
	tcase_add_test(tests, one_session_too_many_is_refused_and_the_next_has_room_again);
	tcase_add_test(tests, one_user_and_one_address_have_half_of_the_sessions);
	tcase_add_test(tests, places_of_sessions_are_used_again_as_late_as_possible);
	tcase_add_test(tests, places_of_sessions_are_used_again_with_another_id);
	tcase_add_test(tests, a_flood_of_connections_is_cut_off_and_passes);
	tcase_add_test(tests, data_connections_of_one_session_are_limited);
	tcase_add_test(tests, a_directory_of_many_pages_lists_every_object_once);
	tests = tests_of(suite, "holds");
	tcase_add_test(tests, any_cursor_is_a_place_in_the_listing_of_holds);
	tcase_add_test(tests, words_that_name_no_session_of_the_namespace_are_listed_without_a_who);
	tcase_add_test(tests, only_so_many_holds_of_a_session_are_remembered_and_all_are_listed);
	tcase_add_test(tests, who_asks_for_holds_many_times_at_once_is_answered_between_others);
	tests = tests_of(suite, "death");
	tcase_add_test(tests,
		       the_memory_of_a_deleted_object_is_used_again_when_its_last_client_is_dead);
	tcase_add_test(tests,
		       an_open_right_behind_the_end_of_a_big_object_waits_until_it_is_cleaned);
	tcase_add_test(tests, memory_that_a_process_has_mapped_is_not_used_again_before_its_end);
	tcase_add_test(tests, a_goodbye_gives_mapped_memory_back_although_the_process_lives);
	tcase_add_test(tests, a_register_that_a_dead_session_was_writing_is_let_go);
	tcase_add_test(tests, a_wait_is_answered_when_it_may_not_be_parked);
	tcase_add_test(tests, a_parked_session_is_served_and_may_cancel);
	tcase_add_test(tests, of_those_parked_on_a_word_the_longest_parked_are_woken_first);
	tcase_add_test(tests, a_second_wait_of_a_session_breaks_the_protocol);
	tcase_add_test(tests, a_session_that_ends_while_parked_is_taken_off_those_who_wait);
	tcase_add_test(tests, who_parks_on_an_owned_word_is_made_known_in_it);
	tcase_add_test(tests, storaged_takes_an_owned_word_for_who_is_parked_the_longest);
	tcase_add_test(tests, a_wake_of_all_within_a_pause_is_not_lost_when_the_first_goes);
	tcase_add_test(tests, a_word_is_given_away_once_in_a_pause_but_for_who_cancels);
	tcase_add_test(tests, a_death_wakes_who_is_parked_on_an_owned_word_without_its_flag);
	tcase_add_test(tests,
		       the_death_of_a_session_is_an_event_of_the_semaphores_that_it_had_open);
	tcase_add_test(tests, a_silent_client_is_told_fenced_and_its_data_connection_closed);
	tcase_add_test(tests, what_came_while_it_stood_still_is_heard_before_anybody_is_fenced);
	tcase_add_test(tests, a_notice_of_deletion_does_not_wait_for_who_does_not_read);
	tcase_add_test(tests, sigterm_ends_it_with_0_although_clients_are_connected);
	tests = tests_of(suite, "starting");
	tcase_add_test(tests, the_socket_of_a_living_daemon_is_not_taken_over);
	tcase_add_test(tests, the_socket_of_a_killed_daemon_is_replaced);
	tcase_add_test(tests, a_file_that_is_no_socket_is_left_alone);
	tcase_add_test(tests, a_directory_that_others_can_write_or_that_is_a_link_is_refused);
	tcase_add_test(tests, an_address_beyond_loopback_needs_the_word_plaintext);
	tcase_add_test(tests, a_device_that_is_demanded_and_not_there_is_a_reason_not_to_start);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
