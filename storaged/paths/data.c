/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/data.h"
#include "proto/data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

_Static_assert(DATA_RECV_BYTES >= DATA_TRANSFER_BYTES_MAX + sizeof(struct data_request) &&
		       DATA_SEND_BYTES >= DATA_TRANSFER_BYTES_MAX + sizeof(struct data_response),
	       "the largest request and response fit");

/* The next request, whole in the buffer and with room for its response. */
struct next {
	struct data_request request;
	enum wire_status status;
	uint32_t payload_bytes;  /* behind the request */
	uint32_t response_bytes; /* at most */
};

static bool next_request(const struct data_connection *connection, struct next *next)
{
	uint32_t there = connection->fill - connection->taken, length_bytes;

	if (there < sizeof next->request)
		return false;
	memcpy(&next->request, connection->recv + connection->taken, sizeof next->request);
	next->status = data_check(&next->request, connection->responder->region_bytes);
	/* After a malformed request nothing can be understood: its length does not count. */
	length_bytes = next->status == WIRE_MALFORMED ? 0 : le32_get(next->request.length_bytes);
	next->payload_bytes = next->request.opcode == DATA_WRITE ? length_bytes : 0;
	next->response_bytes = sizeof(struct data_response) +
			       (next->request.opcode == DATA_READ ? length_bytes : 0);
	return there - sizeof next->request >= next->payload_bytes &&
	       DATA_SEND_BYTES - connection->send_fill >= next->response_bytes;
}

/* Fill in the operation that @next asks for; its bytes stay where they were received. */
static struct op op_of(const struct data_connection *connection, const struct next *next)
{
	const struct data_request *request = &next->request;
	uint8_t *received = connection->recv + connection->taken + sizeof *request;
	uint8_t *answered = connection->send + connection->send_fill + sizeof(struct data_response);

	return (struct op){
		.opcode = request->opcode,
		.length_bytes = le32_get(request->length_bytes),
		.offset = le64_get(request->offset),
		.operand = le64_get(request->operand),
		.swap = le64_get(request->swap),
		.buffer = request->opcode == DATA_READ ? answered : received,
	};
}

static enum wire_status status_of(int error)
{
	switch (error) {
	case 0:
		return WIRE_OK;
	case -ERANGE:
		return WIRE_RANGE;
	case -EINVAL:
		return WIRE_MISALIGNED;
	default:
		return WIRE_DEVICE;
	}
}

static void consume(struct data_connection *connection, const struct next *next)
{
	connection->taken += (uint32_t)sizeof next->request + next->payload_bytes;
}

/* Execute everything that is there and can be answered, in memory that this processor reaches. */
static void execute_all(struct data_connection *connection)
{
	struct transport *transport = connection->responder->transport;
	int (*execute)(struct transport *, struct op *) = transport_ops(transport)->execute;
	struct next next;

	while (!connection->last_response && next_request(connection, &next)) {
		struct data_response *response =
			(struct data_response *)(connection->send + connection->send_fill);
		struct op op = {0};
		bool bytes_follow;

		if (LIKELY(next.status == WIRE_OK)) {
			op = op_of(connection, &next);
			next.status = status_of(execute(transport, &op));
			connection->responder->operations++;
		}
		bytes_follow = next.request.opcode == DATA_READ && next.status == WIRE_OK;
		*response = (struct data_response){
			.opcode = next.request.opcode,
			.status = le16_of(next.status),
			.length_bytes = bytes_follow ? next.request.length_bytes : le32_of(0),
			.value = le64_of(op.value),
		};
		connection->send_fill += bytes_follow ? next.response_bytes : sizeof *response;
		connection->last_response = next.status == WIRE_MALFORMED;
		consume(connection, &next);
	}
}

/*
 * Submit everything that is there and can be answered to a device. A READ gets room for its bytes
 * before it has succeeded. It will succeed: its range was checked, and a device that fails one
 * operation breaks the queue pair of all of them, which ends the connection.
 */
static void submit_all(struct data_connection *connection)
{
	struct data_responder *responder = connection->responder;
	struct transport *transport = responder->transport;
	struct next next;

	while (!connection->last_response && connection->op_count < DATA_OPS_MAX &&
	       next_request(connection, &next)) {
		struct op *op = &connection->ops[connection->op_count];
		struct data_response *response =
			(struct data_response *)(connection->send + connection->send_fill);
		bool is_ok = next.status == WIRE_OK;
		int r;

		*op = op_of(connection, &next);
		op->status = 0;
		if (is_ok) {
			r = transport_ops(transport)->submit(transport, op);
			if (r == -EAGAIN)
				break;
			if (r)
				op->status = r;
			responder->submitted = true;
			responder->operations++;
		}
		*response = (struct data_response){
			.opcode = next.request.opcode,
			.status = le16_of(next.status),
			.length_bytes = is_ok && next.request.opcode == DATA_READ
						? next.request.length_bytes
						: le32_of(0),
		};
		connection->responses[connection->op_count++] = response;
		connection->send_fill += is_ok ? next.response_bytes : sizeof *response;
		connection->last_response = next.status == WIRE_MALFORMED;
		consume(connection, &next);
	}
	/* Also a connection whose first operation found the queue full: it keeps its turn in the
	 * order. */
	if (connection->op_count || next_request(connection, &next))
		list_append(&responder->executing, &connection->executing);
}

/* Receive more, unless the buffer is full of requests that wait for their turn. */
static void receive(struct io_engine *engine, struct data_connection *connection)
{
	uint32_t there = connection->fill - connection->taken;

	if (connection->receiving || connection->last_response)
		return;
	/* While operations are in flight their bytes are in the buffer before `taken`. */
	if (list_empty(&connection->executing)) {
		if (there == 0)
			connection->fill = connection->taken = 0;
		else if (DATA_RECV_BYTES - connection->fill < DATA_RECV_BYTES / 2) {
			memmove(connection->recv, connection->recv + connection->taken, there);
			connection->fill = there;
			connection->taken = 0;
		}
	}
	if (connection->fill == DATA_RECV_BYTES)
		return;
	connection->receiving = true;
	io_ops(engine)->recv(engine, &connection->stream, connection->recv + connection->fill,
			     DATA_RECV_BYTES - connection->fill);
}

/* Send the responses that there are. */
static void respond(struct io_engine *engine, struct data_connection *connection)
{
	if (connection->send_fill == 0)
		return;
	connection->sending = true;
	io_ops(engine)->send(engine, &connection->stream, connection->send, connection->send_fill);
}

void data_turn(struct io_engine *engine, struct data_connection *connection)
{
	if (connection->ended)
		return;
	if (!connection->sending && list_empty(&connection->executing)) {
		connection->send_fill = 0;
		if (connection->ops)
			submit_all(connection);
		else
			execute_all(connection);
		if (list_empty(&connection->executing))
			respond(engine, connection);
	}
	receive(engine, connection);
}

void data_look_at_later(struct data_connection *connection)
{
	if (list_empty(&connection->ending))
		list_append(&connection->responder->ended, &connection->ending);
}

void data_event(struct io_engine *engine, struct data_connection *connection,
		const struct io_event *event)
{
	if (event->kind == IO_RECV)
		connection->receiving = false;
	else
		connection->sending = false;
	if (UNLIKELY(connection->ended)) {
		data_look_at_later(connection);
	} else if (UNLIKELY(event->result < 0)) {
		connection->error = -event->result;
		data_end(engine, connection, END_data_broke);
	} else if (event->kind == IO_RECV) {
		if (event->result == 0) {
			data_end(engine, connection, END_data_closed);
			return;
		}
		connection->fill += (uint32_t)event->result;
		data_turn(engine, connection);
	} else if (connection->last_response) {
		data_end(engine, connection, END_data_protocol);
	} else {
		data_turn(engine, connection);
	}
}

/* Write the outcome of every operation into its response. Returns 0 or the first failure. */
static int answer(struct data_connection *connection)
{
	int failed = 0;

	for (uint32_t i = 0; i < connection->op_count && !failed; i++) {
		connection->responses[i]->value = le64_of(connection->ops[i].value);
		failed = connection->ops[i].status;
	}
	connection->op_count = 0;
	return failed;
}

/* Whether the device still owes a completion. An operation that was refused here was not submitted,
 * and is not owed. */
static bool is_owed(const struct data_connection *connection)
{
	uint32_t i = connection->op_count;

	while (i > 0 && connection->ops[i - 1].status != -EINPROGRESS)
		i--;
	return i > 0;
}

bool data_complete(struct io_engine *engine, struct data_responder *responder)
{
	bool any = false;

	while (!list_empty(&responder->executing)) {
		struct data_connection *connection =
			container_of(responder->executing.next, struct data_connection, executing);
		uint32_t count = connection->op_count;

		if (is_owed(connection))
			break;
		any = true;
		list_remove(&connection->executing);
		if (answer(connection))
			data_end(engine, connection, END_device_failed);
		if (connection->ended) {
			data_look_at_later(connection);
			continue;
		}
		respond(engine, connection);
		data_turn(engine, connection);
		/* Its first operation did not fit into the queue, which is full of others. */
		if (count == 0 && connection->op_count == 0)
			break;
	}
	return any;
}

void data_end(struct io_engine *engine, struct data_connection *connection, enum session_end why)
{
	if (connection->ended)
		return;
	connection->ended = true;
	connection->why = why;
	data_look_at_later(connection);
	if (connection->stream.pending)
		io_ops(engine)->cancel(engine, &connection->stream);
}

bool data_is_over(const struct data_connection *connection)
{
	return connection->ended && connection->stream.pending == 0 &&
	       list_empty(&connection->executing);
}

int data_connection_new(int fd, bool queued, const void *bytes, size_t byte_count,
			struct data_connection **ret_connection)
{
	struct data_connection *connection = calloc(1, sizeof *connection);

	if (!connection)
		return -ENOMEM;
	connection->recv = malloc(DATA_RECV_BYTES);
	connection->send = malloc(DATA_SEND_BYTES);
	if (queued) {
		connection->ops = calloc(DATA_OPS_MAX, sizeof *connection->ops);
		connection->responses = calloc(DATA_OPS_MAX, sizeof *connection->responses);
	}
	connection->stream.fd = -1;
	list_init(&connection->executing);
	list_init(&connection->ending);
	if (!connection->recv || !connection->send ||
	    (queued && (!connection->ops || !connection->responses))) {
		data_connection_free(connection);
		return -ENOMEM;
	}
	memcpy(connection->recv, bytes, byte_count);
	connection->fill = (uint32_t)byte_count;
	connection->stream.fd = fd;
	*ret_connection = connection;
	return 0;
}

void data_connection_free(struct data_connection *connection)
{
	if (connection->stream.fd >= 0)
		close(connection->stream.fd);
	free(connection->recv);
	free(connection->send);
	free(connection->ops);
	free(connection->responses);
	free(connection);
}
