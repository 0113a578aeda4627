/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport `tcp`: requests leave and responses come back in order on a connection of their own
 * (proto/data.h); storaged executes them. Two send buffers: operations are written into one while
 * the kernel takes the other, so a flush is one system call however many operations it carries.
 */
#include "lib/core/clock.h"
#include "lib/remote/dial.h"
#include "lib/io/engine.h"
#include "lib/io/keepalive.h"
#include "lib/core/peer_timeout.h"
#include "lib/core/yield.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEND_BYTES (4 * (DATA_TRANSFER_BYTES_MAX + sizeof(struct data_request)))
#define RECV_BYTES (4 * (DATA_TRANSFER_BYTES_MAX + sizeof(struct data_response)))

struct transport_tcp {
	struct transport_base base;
	struct io_engine *engine;
	struct io_stream stream;
	const _Atomic int *health;
	enum transport_poll poll;
	struct yield yield;
	int64_t timeout_ns;
	struct peer_timeout timeout; /* the timeout that began at the last look without an answer */
	bool broken;
	struct breakage breakage;
	/* In flight, oldest first: a ring of TRANSPORT_INFLIGHT_MAX. */
	uint32_t head, tail;
	uint32_t unsent; /* the youngest of them, which are in the buffer that is being filled */
	struct op **ring;
	/* sending */
	unsigned filling; /* which of the two buffers */
	size_t fill_bytes;
	uint8_t *send[2];
	/* receiving */
	size_t recv_fill, recv_taken;
	uint8_t *recv;
};

static struct transport_tcp *tcp_of(struct transport *transport)
{
	return (struct transport_tcp *)transport;
}

static uint32_t in_flight(const struct transport_tcp *tcp)
{
	return tcp->tail - tcp->head;
}

/* Give the connection up: what was sent has an unknown outcome, the rest was not done. */
static void break_up(struct transport_tcp *tcp, const char *why)
{
	uint32_t sent = in_flight(tcp) - tcp->unsent;

	tcp->broken = true;
	for (; tcp->head != tcp->tail; tcp->head++) {
		struct op *op = tcp->ring[tcp->head % TRANSPORT_INFLIGHT_MAX];

		op->status = sent ? -ECONNRESET : -ENOTCONN;
		sent -= sent > 0;
	}
	tcp->unsent = 0;
	breakage_tell(&tcp->breakage, why);
}

static void break_up_with(struct transport_tcp *tcp, const char *what, int error)
{
	char why[128];

	snprintf(why, sizeof why, "%s: %s", what, strerror(-error));
	break_up(tcp, why);
}

static int tcp_submit(struct transport *transport, struct op *op)
{
	struct transport_tcp *tcp = tcp_of(transport);
	size_t payload = op->opcode == DATA_WRITE ? op->length_bytes : 0;
	struct data_request request = {
		.opcode = op->opcode,
		.length_bytes = le32_of(op->length_bytes),
		.offset = le64_of(op->offset),
		.operand = le64_of(op->operand),
		.swap = le64_of(op->swap),
	};
	uint8_t *at = tcp->send[tcp->filling] + tcp->fill_bytes;

	if (tcp->broken)
		return -ENOTCONN;
	if (in_flight(tcp) == TRANSPORT_INFLIGHT_MAX ||
	    SEND_BYTES - tcp->fill_bytes < sizeof request + payload)
		return -EAGAIN;
	memcpy(at, &request, sizeof request);
	if (payload)
		memcpy(at + sizeof request, op->buffer, payload);
	tcp->fill_bytes += sizeof request + payload;
	op->status = -EINPROGRESS;
	tcp->ring[tcp->tail++ % TRANSPORT_INFLIGHT_MAX] = op;
	tcp->unsent++;
	return 0;
}

/* Whether @status says that an operation was executed, or that it was refused. After any other
 * status, as of a device that failed, the outcome is unknown, and an atomic may have taken a lock:
 * the connection ends, and the session with it. */
static bool is_outcome(int status)
{
	return status == 0 || status == -ERANGE || status == -EINVAL;
}

/* Take one whole response from the buffer. Returns its bytes, 0 when it is not whole yet, -EPROTO,
 * or the error of an operation whose outcome is unknown. */
static ssize_t take_response(struct transport_tcp *tcp)
{
	size_t there = tcp->recv_fill - tcp->recv_taken;
	const uint8_t *at = tcp->recv + tcp->recv_taken;
	struct data_response response;
	struct op *op;
	size_t payload;
	int status;

	if (there < sizeof response)
		return 0;
	memcpy(&response, at, sizeof response);
	payload = le32_get(response.length_bytes);
	status = wire_status_error(le16_get(response.status));
	if (in_flight(tcp) == tcp->unsent)
		return -EPROTO;
	op = tcp->ring[tcp->head % TRANSPORT_INFLIGHT_MAX];
	if (response.opcode != op->opcode ||
	    payload != (op->opcode == DATA_READ && status == 0 ? op->length_bytes : 0))
		return -EPROTO;
	if (!is_outcome(status))
		return status;
	if (there < sizeof response + payload)
		return 0;
	if (payload)
		memcpy(op->buffer, at + sizeof response, payload);
	op->value = le64_get(response.value);
	op->status = status;
	tcp->head++;
	return (ssize_t)(sizeof response + payload);
}

static void received(struct transport_tcp *tcp, size_t bytes)
{
	ssize_t taken;

	tcp->yield.has_found = true;
	tcp->recv_fill += bytes;
	tcp->timeout.until_ns = 0;
	while ((taken = take_response(tcp)) > 0)
		tcp->recv_taken += (size_t)taken;
	if (taken < 0) {
		break_up(tcp, taken == -EIO ? TRANSPORT_DEVICE_FAILED
					    : "storaged broke the protocol of the data connection");
		return;
	}
	if (tcp->recv_taken == tcp->recv_fill)
		tcp->recv_taken = tcp->recv_fill = 0;
	else if (RECV_BYTES - tcp->recv_fill < RECV_BYTES / 2) {
		memmove(tcp->recv, tcp->recv + tcp->recv_taken, tcp->recv_fill - tcp->recv_taken);
		tcp->recv_fill -= tcp->recv_taken;
		tcp->recv_taken = 0;
	}
}

/* Send the filled buffer, unless the kernel still has the other one. */
static void start_send(struct transport_tcp *tcp)
{
	if (tcp->fill_bytes == 0 || tcp->stream.pending & 1 << IO_SEND)
		return;
	io_ops(tcp->engine)
		->send(tcp->engine, &tcp->stream, tcp->send[tcp->filling], tcp->fill_bytes);
	tcp->filling ^= 1;
	tcp->fill_bytes = 0;
	tcp->unsent = 0;
}

/* Wait for events and take them. Breaks the transport on any error. */
static void take_events(struct transport_tcp *tcp, int64_t wait_ns)
{
	struct io_event events[4];
	int count = io_ops(tcp->engine)->wait(tcp->engine, events, 4, wait_ns);

	tcp->yield.has_found = false;
	if (count < 0 && count != -EINTR && count != -ETIME)
		break_up_with(tcp, "the I/O engine of the data connection failed", count);
	for (int i = 0; i < count && !tcp->broken; i++) {
		if (events[i].kind == IO_RECV && events[i].result > 0)
			received(tcp, (size_t)events[i].result);
		else if (events[i].result < 0)
			break_up_with(tcp, "the data connection broke", events[i].result);
		else if (events[i].kind == IO_RECV)
			break_up(tcp, "storaged has closed the data connection");
	}
}

/* Start what can be started, wait for events and take them. */
static void turn(struct transport_tcp *tcp, int64_t wait_ns)
{
	start_send(tcp);
	if (!(tcp->stream.pending & 1 << IO_RECV))
		io_ops(tcp->engine)
			->recv(tcp->engine, &tcp->stream, tcp->recv + tcp->recv_fill,
			       RECV_BYTES - tcp->recv_fill);
	take_events(tcp, wait_ns);
}

static int tcp_flush(struct transport *transport)
{
	struct transport_tcp *tcp = tcp_of(transport);

	if (tcp->broken)
		return -ENOTCONN;
	if (tcp->fill_bytes) {
		/* Nothing has answered yet: only send. */
		start_send(tcp);
		take_events(tcp, 0);
	}
	return tcp->broken ? -ENOTCONN : 0;
}

/* Whether storaged has been silent for too long, or the control plane gave up. */
static bool given_up(struct transport_tcp *tcp, int64_t now_ns)
{
	if (tcp->timeout.until_ns == 0)
		peer_timeout_begin(&tcp->timeout, now_ns, tcp->timeout_ns);
	return peer_timeout_is_over(&tcp->timeout, now_ns) ||
	       atomic_load_explicit(tcp->health, memory_order_relaxed) != 0;
}

/* How long the next turn may sleep. */
static int64_t sleep_ns(const struct transport_tcp *tcp, int64_t now_ns, int64_t begin_ns,
			int64_t end_ns)
{
	int64_t left_ns = end_ns - now_ns;

	if (tcp->poll == TRANSPORT_POLL_BUSY ||
	    (tcp->poll == TRANSPORT_POLL_ADAPTIVE && now_ns - begin_ns < TRANSPORT_SPIN_NS))
		return 0;
	return left_ns < TRANSPORT_SLEEP_NS ? left_ns : TRANSPORT_SLEEP_NS;
}

static int tcp_progress(struct transport *transport, int64_t wait_ns)
{
	struct transport_tcp *tcp = tcp_of(transport);
	uint32_t head = tcp->head;
	int64_t now_ns, begin_ns;

	if (in_flight(tcp) == 0)
		return tcp->broken ? -ENOTCONN : 0;
	if (wait_ns && tcp->poll == TRANSPORT_POLL_ADAPTIVE && yield_comes_first(&tcp->yield))
		yield_processor(&tcp->yield, clock_now_ns());
	if (wait_ns == 0 || tcp->poll != TRANSPORT_POLL_BLOCK)
		turn(tcp, 0);
	if (tcp->head != head)
		return 0;
	for (begin_ns = now_ns = clock_now_ns(); tcp->head == head; now_ns = clock_now_ns()) {
		if (given_up(tcp, now_ns)) {
			break_up(tcp, "storaged is silent on the data connection");
			break;
		}
		if (now_ns - begin_ns >= wait_ns)
			break;
		if (tcp->poll == TRANSPORT_POLL_ADAPTIVE ||
		    now_ns - begin_ns > TRANSPORT_SPIN_ALONE_NS)
			now_ns = yield_processor(&tcp->yield, now_ns);
		turn(tcp, sleep_ns(tcp, now_ns, begin_ns, begin_ns + wait_ns));
	}
	return 0;
}

static int tcp_fd(struct transport *transport)
{
	struct transport_tcp *tcp = tcp_of(transport);

	if (!tcp->broken)
		turn(tcp, 0);
	return io_ops(tcp->engine)->fd(tcp->engine);
}

static void free_tcp(struct transport_tcp *tcp)
{
	if (tcp->stream.fd >= 0)
		close(tcp->stream.fd);
	free(tcp->ring);
	free(tcp->send[0]);
	free(tcp->send[1]);
	free(tcp->recv);
	free(tcp);
}

static void tcp_close(struct transport *transport)
{
	struct transport_tcp *tcp = tcp_of(transport);

	/* Closing the engine gives our buffers back. */
	if (tcp->engine)
		io_ops(tcp->engine)->close(tcp->engine);
	free_tcp(tcp);
}

static void tcp_forget(struct transport *transport)
{
	struct transport_tcp *tcp = tcp_of(transport);

	io_ops(tcp->engine)->forget(tcp->engine);
	free_tcp(tcp);
}

static const struct transport_ops tcp_ops = {
	.name = "tcp",
	.submit = tcp_submit,
	.flush = tcp_flush,
	.progress = tcp_progress,
	.fd = tcp_fd,
	.close = tcp_close,
	.forget = tcp_forget,
};

static int connect_data(const struct attachment *attachment)
{
	int64_t deadline_ns = attachment->connect_deadline_ns;
	char port[6];
	int fd, r;

	if (attachment->unix_path) {
		fd = dial_unix(attachment->unix_path, deadline_ns, attachment->reason,
			       attachment->reason_bytes);
	} else {
		snprintf(port, sizeof port, "%u", attachment->port);
		fd = dial_tcp(attachment->host, port, deadline_ns, NULL, 0, attachment->reason,
			      attachment->reason_bytes);
	}
	if (fd < 0)
		return fd;
	keep_alive(fd);
	r = dial_attach(fd, attachment, CONTROL_TCP, NULL, 0, deadline_ns);
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

int transport_tcp_connect(const struct attachment *attachment, struct transport **ret_transport)
{
	/* A single connection that is polled all the time gains nothing from a ring: plain
	 * non-blocking calls are about a tenth faster a round trip. In every other case the batched
	 * calls gain. */
	const char *io = attachment->poll != TRANSPORT_POLL_BLOCK && !strcmp(attachment->io, "auto")
				 ? "poll"
				 : attachment->io;
	struct transport_tcp *tcp;
	int r;

	tcp = calloc(1, sizeof *tcp);
	if (!tcp)
		return -ENOMEM;
	*tcp = (struct transport_tcp){.base = {&tcp_ops},
				      .stream.fd = -1,
				      .health = attachment->health,
				      .poll = attachment->poll,
				      .timeout_ns = transport_data_timeout_ns(attachment),
				      .breakage = attachment->breakage};
	r = io_engine_open(io, 1, &tcp->engine);
	if (r) {
		snprintf(attachment->reason, attachment->reason_bytes, "the I/O engine %s: %s", io,
			 strerror(-r));
		goto failed;
	}
	r = -ENOMEM;
	tcp->ring = calloc(TRANSPORT_INFLIGHT_MAX, sizeof *tcp->ring);
	tcp->send[0] = malloc(SEND_BYTES);
	tcp->send[1] = malloc(SEND_BYTES);
	tcp->recv = malloc(RECV_BYTES);
	if (!tcp->ring || !tcp->send[0] || !tcp->send[1] || !tcp->recv)
		goto failed;
	r = tcp->stream.fd = connect_data(attachment);
	if (r < 0)
		goto failed;
	r = io_ops(tcp->engine)->add(tcp->engine, &tcp->stream);
	if (r)
		goto failed;
	*ret_transport = (struct transport *)tcp;
	return 0;
failed:
	tcp_close((struct transport *)tcp);
	return r;
}
