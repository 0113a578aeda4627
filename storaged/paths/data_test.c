/* SPDX-License-Identifier: Apache-2.0 */
/* A data connection whose operations a device executes; the device is this test. */
#include "storaged/paths/data.h"
#include "proto/data.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define REGION_BYTES 4096
#define OUTSIDE      REGION_BYTES
#define OPS_MAX      8

/* ---- a device that executes when the test says so ---- */

static struct op *submitted[OPS_MAX];
static unsigned submitted_count;
static int submit_error;

static int submit(struct transport *transport, struct op *op)
{
	(void)transport;
	if (submit_error)
		return submit_error;
	op->status = -EINPROGRESS;
	submitted[submitted_count++] = op;
	return 0;
}

static const struct transport_ops device_ops = {.name = "device", .submit = submit};
static struct transport_base device = {&device_ops};

/* ---- the connection ---- */

static struct io_engine *engine;
static struct data_responder responder;
static struct data_connection *connection;
static int client;

static struct data_request atomic_at(uint8_t opcode, uint64_t offset)
{
	return (struct data_request){
		.opcode = opcode, .length_bytes = le32_of(8), .offset = le64_of(offset)};
}

/* The client has sent @requests; those that can be are submitted. */
static void begin(const struct data_request *requests, size_t count)
{
	int fds[2];

	submitted_count = 0;
	submit_error = 0;
	ck_assert_int_eq(io_engine_open("poll", 1, &engine), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	client = fds[1];
	responder = (struct data_responder){.transport = (struct transport *)&device,
					    .region_bytes = REGION_BYTES};
	list_init(&responder.executing);
	list_init(&responder.ended);
	ck_assert_int_eq(
		data_connection_new(fds[0], true, requests, count * sizeof *requests, &connection),
		0);
	connection->responder = &responder;
	ck_assert_int_eq(io_ops(engine)->add(engine, &connection->stream), 0);
}

static void end(void)
{
	list_remove(&connection->executing);
	list_remove(&connection->ending);
	data_connection_free(connection);
	io_ops(engine)->close(engine);
	close(client);
}

/* How many responses the client has by now. */
static size_t responses(struct data_response *got)
{
	struct io_event events[4];
	ssize_t bytes;

	io_ops(engine)->wait(engine, events, 4, 0);
	bytes = recv(client, got, OPS_MAX * sizeof *got, 0);
	return bytes > 0 ? (size_t)bytes / sizeof *got : 0;
}

/* ---- tests ---- */

START_TEST(an_operation_that_the_device_fails_is_not_answered_but_ends_the_connection)
{
	static const uint8_t opcodes[] = {DATA_CAS, DATA_FAA, DATA_READ, DATA_WRITE};
	struct {
		struct data_request request;
		uint8_t payload[8];
	} sent = {.request = atomic_at(opcodes[_i], 0)};
	struct data_response got[OPS_MAX];

	begin(&sent.request, 1);
	if (opcodes[_i] == DATA_WRITE)
		connection->fill += sizeof sent.payload;
	data_turn(engine, connection);
	ck_assert_uint_eq(submitted_count, 1);
	submitted[0]->status = -ECONNRESET;
	ck_assert(data_complete(engine, &responder));
	ck_assert(connection->ended);
	ck_assert_int_eq(connection->why, END_device_failed);
	ck_assert_uint_eq(responses(got), 0);
	end();
}
END_TEST

START_TEST(an_operation_that_the_device_does_not_take_ends_the_connection)
{
	struct data_request request = atomic_at(DATA_CAS, 0);
	struct data_response got[OPS_MAX];

	begin(&request, 1);
	submit_error = -ENOTCONN;
	data_turn(engine, connection);
	data_complete(engine, &responder);
	ck_assert_int_eq(connection->why, END_device_failed);
	ck_assert_uint_eq(responses(got), 0);
	end();
}
END_TEST

/* The refusal is known at once, and the operation before it is not complete yet. */
START_TEST(a_refused_operation_waits_for_the_one_before_it)
{
	struct data_request requests[] = {atomic_at(DATA_FAA, 0), atomic_at(DATA_FAA, OUTSIDE)};
	struct data_response got[OPS_MAX];

	begin(requests, 2);
	data_turn(engine, connection);
	ck_assert_uint_eq(submitted_count, 1);
	ck_assert(!data_complete(engine, &responder));
	ck_assert(!connection->ended);
	ck_assert(!data_is_over(connection));
	submitted[0]->value = 7;
	submitted[0]->status = 0;
	ck_assert(data_complete(engine, &responder));
	ck_assert(!connection->ended);
	ck_assert_uint_eq(responses(got), 2);
	ck_assert_int_eq(le16_get(got[0].status), WIRE_OK);
	ck_assert_uint_eq(le64_get(got[0].value), 7);
	ck_assert_int_eq(le16_get(got[1].status), WIRE_RANGE);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("data");
	TCase *tests = tcase_create("a device");

	tcase_add_loop_test(
		tests, an_operation_that_the_device_fails_is_not_answered_but_ends_the_connection,
		0, 4);
	tcase_add_test(tests, an_operation_that_the_device_does_not_take_ends_the_connection);
	tcase_add_test(tests, a_refused_operation_waits_for_the_one_before_it);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
