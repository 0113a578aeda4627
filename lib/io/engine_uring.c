/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io_uring engine. Every operation is a submission queue entry, which the kernel tries at once
 * and otherwise arms on the socket's wait queue. wait enters the kernel once, to submit and to
 * collect.
 *
 * There is one exception. A busy poll of one or two streams holds their receives back and tries
 * them itself, because a receive that completes from the wait queue takes 8 % of a TCP round trip
 * longer. They are handed to the kernel as soon as they have to wake a thread.
 */
#include "lib/core/clock.h"
#include "lib/io/engine.h"
#include "lib/io/stream.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A stream has at most three operations and their three cancellations under way. */
#define ENTRIES_PER_STREAM 6
#define SQ_ENTRIES_MAX     256
#define TRANSFER_BYTES_MAX (1u << 30) /* an entry's length has 32 bits */
#define CLOSE_TIMEOUT_NS   1000000000
#define HELD_MAX           2
#define HELD_TURNS         16
#define KIND_MASK          7u /* of user_data, in the low bits of the stream's address */

struct uring {
	struct io_engine_base base;
	struct io_uring ring;
	struct io_starts starts;
	struct io_stream **streams; /* compact; a stream's slot is its place */
	unsigned stream_count;
	unsigned stream_count_max;
	unsigned under_way; /* entries without a completion, also those not submitted yet */
	bool enabled;
	struct io_stream *held[HELD_MAX]; /* their receives are held back */
	unsigned held_count;
	unsigned turns;  /* of a busy poll with something held */
	bool hold;       /* receives, in this wait */
	bool held_first; /* the last wait had no room for what is held */
	int event_fd;    /* of fd(), signalled by the ring; -1 until it is asked for */
};

static struct uring *uring_of(struct io_engine *engine)
{
	return (struct uring *)engine;
}

/* ---- the ring ---- */

/*
 * Flags, in sets; the first set that the kernel takes is used. With DEFER_TASKRUN (6.1) completions
 * are made when this thread enters the kernel, and not by interrupting it, which makes round trips
 * several times shorter. It requires SINGLE_ISSUER: the ring belongs to the thread that enables it.
 * COOP_TASKRUN is from 5.19.
 */
static const unsigned setup_flags[] = {
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,
	0,
};

static unsigned power_of_two_from(unsigned value)
{
	unsigned power = 1;

	while (power < value)
		power *= 2;
	return power;
}

/* Whether the kernel has our operations, and a seccomp profile allows them: one that refuses only
 * io_uring_enter or io_uring_register must be noticed here, not at the first wait. */
static int ring_probe(struct io_uring *ring, const struct io_uring_params *params)
{
	static const int opcodes[] = {IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD,
				      IORING_OP_ASYNC_CANCEL};
	unsigned features = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
	struct io_uring_probe *probe;
	bool supported = (params->features & features) == features;
	int error = io_uring_enter(ring->ring_fd, 0, 0, 0, NULL);

	if (error != -EBADFD) /* the ring is not enabled yet */
		return error < 0 ? error : -ENOSYS;
	probe = io_uring_get_probe_ring(ring);
	if (!probe)
		return -EPERM;
	for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++)
		supported = supported && io_uring_opcode_supported(probe, opcodes[i]);
	io_uring_free_probe(probe);
	return supported ? 0 : -ENOSYS;
}

/* The ring is created disabled. The first wait enables it, and from then on it belongs to that
 * thread. */
static int ring_open(struct uring *engine)
{
	unsigned entries = engine->stream_count_max * ENTRIES_PER_STREAM;
	unsigned sq_entries = entries < SQ_ENTRIES_MAX ? entries : SQ_ENTRIES_MAX;
	struct io_uring_params params;
	int error = -EINVAL;

	for (size_t i = 0; error == -EINVAL && i < sizeof setup_flags / sizeof *setup_flags; i++) {
		params = (struct io_uring_params){
			.flags = setup_flags[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
			.cq_entries = power_of_two_from(entries),
		};
		error = io_uring_queue_init_params(power_of_two_from(sq_entries), &engine->ring,
						   &params);
	}
	if (error)
		return error;
	engine->enabled = false;
	engine->under_way = 0;
	error = ring_probe(&engine->ring, &params);
	if (!error && engine->event_fd >= 0)
		error = io_uring_register_eventfd(&engine->ring, engine->event_fd);
	if (error)
		io_uring_queue_exit(&engine->ring);
	return error;
}

static int ring_enable(struct uring *engine)
{
	/* liburing 2.3 forgets to export io_uring_enable_rings. */
	int error = io_uring_register(engine->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	engine->enabled = error == 0;
	return error;
}

/* A thread other than the ring's waits. If nothing is in the kernel, it gets a ring of its own. */
static int ring_move(struct uring *engine)
{
	struct io_uring old = engine->ring;
	int error;

	if (engine->under_way > io_uring_sq_ready(&old))
		return -EEXIST;
	error = ring_open(engine);
	if (error) {
		engine->ring = old;
		return error;
	}
	io_uring_queue_exit(&old);
	engine->held_count = 0; /* started again like the others */
	for (unsigned i = 0; i < engine->stream_count; i++) {
		struct io_stream *stream = engine->streams[i];
		unsigned bits = stream->pending + stream->cancelling * IO_START_CANCEL(0);

		io_starts_add(&engine->starts, stream, bits & ~(unsigned)stream->starting);
	}
	return 0;
}

/*
 * Submit what is queued and let completions be made: waits for one, unless @timeout_ns is 0. A busy
 * poll enters without need on purpose: to look for IORING_SQ_TASKRUN in memory and enter only then
 * was measured 5 % of a round trip slower.
 */
static int ring_enter(struct uring *engine, int64_t timeout_ns)
{
	struct io_uring *ring = &engine->ring;
	struct io_uring_cqe *cqe;
	struct __kernel_timespec time = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	int result;

	if (timeout_ns == 0)
		result = io_uring_submit_and_get_events(ring);
	else if (timeout_ns < 0)
		result = io_uring_submit_and_wait(ring, 1);
	else
		result = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &time, NULL);
	return result == -ETIME ? 0 : result;
}

/* ---- what is held back ---- */

static void release_held(struct uring *engine)
{
	while (engine->held_count > 0)
		io_starts_add(&engine->starts, engine->held[--engine->held_count],
			      IO_START(IO_RECV));
}

static unsigned try_held(struct uring *engine, struct io_event *events, unsigned event_count_max)
{
	unsigned count = 0;

	for (unsigned i = engine->held_count; i-- > 0 && count < event_count_max;) {
		struct io_stream *stream = engine->held[i];
		int result = io_try_recv(stream);

		if (result == -EAGAIN)
			continue;
		engine->held[i] = engine->held[--engine->held_count];
		events[count++] = io_finish(stream, IO_RECV, result);
	}
	return count;
}

/* ---- entries and completions ---- */

static void fill_entry(struct io_uring_sqe *sqe, struct io_stream *stream, enum io_kind kind)
{
	size_t bytes;

	switch (kind) {
	case IO_RECV:
		bytes = stream->recv_bytes;
		io_uring_prep_recv(sqe, stream->fd, stream->recv_buffer,
				   bytes < TRANSFER_BYTES_MAX ? bytes : TRANSFER_BYTES_MAX, 0);
		break;
	case IO_SEND:
		/* With WAITALL the kernel (6.0) continues a short send by itself. */
		bytes = stream->send_bytes;
		io_uring_prep_send(sqe, stream->fd, stream->send_buffer,
				   bytes < TRANSFER_BYTES_MAX ? bytes : TRANSFER_BYTES_MAX,
				   MSG_NOSIGNAL | MSG_WAITALL);
		break;
	case IO_READABLE:
		io_uring_prep_poll_add(sqe, stream->fd, POLLIN);
		break;
	}
	io_uring_sqe_set_data64(sqe, (uintptr_t)stream | kind);
}

/* An operation's entry comes before that of its cancellation, so that the kernel finds what to
 * cancel. After the cancellation no new operation of the kind is queued until the old one's event
 * has come. */
static bool queue_starts_of(struct uring *engine, struct io_stream *stream)
{
	static const enum io_kind order[] = {IO_SEND, IO_RECV, IO_READABLE};
	struct io_uring_sqe *sqe;

	for (size_t i = 0; i < 2 * sizeof order / sizeof *order; i++) {
		enum io_kind kind = order[i % 3];
		unsigned bit = i < 3 ? IO_START(kind) : IO_START_CANCEL(kind);

		/* What completed before its cancellation was queued needs none. */
		if (i >= 3 && !(stream->cancelling & 1u << kind))
			stream->starting &= ~bit;
		if (!(stream->starting & bit))
			continue;
		if (bit == IO_START(IO_RECV) && engine->hold && !stream->cancelling) {
			engine->held[engine->held_count++] = stream;
			stream->starting &= ~bit;
			continue;
		}
		sqe = io_uring_get_sqe(&engine->ring);
		if (!sqe)
			return false;
		if (i < 3) {
			fill_entry(sqe, stream, kind);
		} else {
			io_uring_prep_cancel64(sqe, (uintptr_t)stream | kind, 0);
			io_uring_sqe_set_data64(sqe, 0);
		}
		stream->starting &= ~bit;
		engine->under_way++;
	}
	return true;
}

/* Until all is queued or the submission queue is full. */
static void queue_starts(struct uring *engine)
{
	struct io_stream *stream;

	while ((stream = engine->starts.first)) {
		if (!queue_starts_of(engine, stream))
			return;
		io_starts_pop(&engine->starts);
	}
}

/* Whether the operation is over; then *ret_event is its event. Otherwise it has to go on. */
static bool complete(struct uring *engine, const struct io_uring_cqe *cqe,
		     struct io_event *ret_event)
{
	enum io_kind kind = cqe->user_data & KIND_MASK;
	struct io_stream *stream = (struct io_stream *)(uintptr_t)(cqe->user_data - kind);
	bool cancelling = stream->cancelling & 1u << kind;
	int result = cqe->res;
	bool again = result == -EINTR || result == -EAGAIN;

	if (kind == IO_SEND && result > 0) {
		stream->send_buffer = (const char *)stream->send_buffer + result;
		stream->send_bytes -= result;
		again = stream->send_bytes > 0;
	}
	if (again && !cancelling) {
		io_starts_add(&engine->starts, stream, IO_START(kind));
		return false;
	}
	if (again)
		result = -ECANCELED;
	else if (kind != IO_RECV && result > 0)
		result = 0;
	*ret_event = io_finish(stream, kind, result);
	return true;
}

static unsigned reap(struct uring *engine, struct io_event *events, unsigned event_count_max)
{
	struct io_uring_cqe *cqe;
	unsigned head;
	unsigned seen = 0;
	unsigned count = 0;

	if (event_count_max == 0)
		return 0;
	io_uring_for_each_cqe (&engine->ring, head, cqe) {
		seen++;
		if (cqe->user_data != 0 && complete(engine, cqe, &events[count]))
			count++;
		if (count == event_count_max)
			break;
	}
	io_uring_cq_advance(&engine->ring, seen);
	engine->under_way -= seen;
	return count;
}

/* ---- the engine ---- */

static void uring_recv(struct io_engine *engine, struct io_stream *stream, void *buffer,
		       size_t bytes)
{
	io_starts_recv(&uring_of(engine)->starts, stream, buffer, bytes);
}

static void uring_send(struct io_engine *engine, struct io_stream *stream, const void *buffer,
		       size_t bytes)
{
	io_starts_send(&uring_of(engine)->starts, stream, buffer, bytes);
}

static void uring_watch(struct io_engine *engine, struct io_stream *stream)
{
	io_starts_op(&uring_of(engine)->starts, stream, IO_READABLE);
}

static void uring_cancel(struct io_engine *base, struct io_stream *stream)
{
	struct uring *engine = uring_of(base);

	release_held(engine);
	io_starts_cancel(&engine->starts, stream);
}

/* Take events from the kernel and from the held receives, in turn when there is no room for
 * both. */
static unsigned collect(struct uring *engine, struct io_event *events, unsigned event_count_max)
{
	unsigned count = 0;

	if (engine->held_first)
		count = try_held(engine, events, event_count_max);
	count += reap(engine, events + count, event_count_max - count);
	if (!engine->held_first)
		count += try_held(engine, events + count, event_count_max - count);
	engine->held_first = count == event_count_max && !engine->held_first;
	return count;
}

/* A busy poll that tries held receives looks only now and then at what else is under way, a wake-up
 * or a blocked send: to enter the kernel twice a turn costs half a turn of latency. */
static bool look_at_ring(struct uring *engine)
{
	return engine->held_count == 0 || ++engine->turns % HELD_TURNS == 0;
}

/* One turn: queue, enter when there is a reason to, collect. Returns 0, -EAGAIN (nothing can be
 * started or waited for at this moment: try again) or a negative errno. */
static int turn(struct uring *engine, struct io_event *events, unsigned event_count_max,
		int64_t timeout_ns, unsigned *count)
{
	bool ready;
	int error = 0;

	queue_starts(engine);
	ready = io_uring_cq_ready(&engine->ring) != 0;
	if (ready || *count > 0 || engine->starts.first)
		timeout_ns = 0;
	if (io_uring_sq_ready(&engine->ring) ||
	    (!ready && (timeout_ns || (engine->under_way > 0 && look_at_ring(engine)))))
		error = ring_enter(engine, timeout_ns);
	*count += collect(engine, events + *count, event_count_max - *count);
	if (error == -EEXIST)
		error = ring_move(engine);
	if (error == -EINTR || error == -EBUSY)
		return -EAGAIN;
	return error < 0 ? error : 0;
}

static int uring_wait(struct io_engine *base, struct io_event *events, unsigned event_count_max,
		      int64_t timeout_ns)
{
	struct uring *engine = uring_of(base);
	int64_t deadline_ns = timeout_ns > 0 ? clock_now_ns() + timeout_ns : 0;
	eventfd_t signals;
	unsigned count = 0;
	int error;

	/* Before the completions are looked at, so that what is signalled from here on is seen
	 * again. */
	if (engine->event_fd >= 0)
		eventfd_read(engine->event_fd, &signals);
	engine->hold = timeout_ns == 0 && engine->stream_count <= HELD_MAX && engine->event_fd < 0;
	if (!engine->hold)
		release_held(engine);
	for (;;) {
		error = engine->enabled ? 0 : ring_enable(engine);
		if (!error)
			error = turn(engine, events, event_count_max, timeout_ns, &count);
		if (error)
			break;
		/* There is more than the submission queue holds, or an operation has to go on. */
		if (engine->starts.first || io_uring_sq_ready(&engine->ring))
			continue;
		if (count > 0 || timeout_ns == 0)
			break;
		if (timeout_ns > 0 && (timeout_ns = deadline_ns - clock_now_ns()) <= 0)
			break;
	}
	if (count > 0 || error == -EAGAIN)
		return (int)count;
	return error;
}

/*
 * An eventfd, not the ring's own descriptor. With DEFER_TASKRUN a completion that is not made yet
 * signals an eventfd but need not wake a thread that polls the ring (seen on 6.18). Every receive
 * has to wake that thread, so none is held back from here on.
 */
static int uring_fd(struct io_engine *base)
{
	struct uring *engine = uring_of(base);
	bool fresh = engine->event_fd < 0;
	int error = 0;

	if (fresh) {
		engine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (engine->event_fd < 0)
			return -errno;
		error = io_uring_register_eventfd(&engine->ring, engine->event_fd);
	}
	engine->hold = false;
	if (!error && engine->under_way + engine->held_count > 0) {
		release_held(engine);
		queue_starts(engine);
		error = ring_enter(engine, 0);
	}
	/* What completed before the eventfd was registered would signal nothing. */
	if (fresh && io_uring_cq_ready(&engine->ring))
		eventfd_write(engine->event_fd, 1);
	return error < 0 ? error : engine->event_fd;
}

static int uring_add(struct io_engine *base, struct io_stream *stream)
{
	struct uring *engine = uring_of(base);

	if (engine->stream_count == engine->stream_count_max)
		return -ENOSPC;
	stream->slot = engine->stream_count++;
	engine->streams[stream->slot] = stream;
	return 0;
}

static void uring_remove(struct io_engine *base, struct io_stream *stream)
{
	struct uring *engine = uring_of(base);
	struct io_stream *last = engine->streams[--engine->stream_count];

	assert(!stream->pending);
	if (stream->starting)
		io_starts_remove(&engine->starts, stream);
	engine->streams[stream->slot] = last;
	last->slot = stream->slot;
}

static int uring_open(unsigned stream_count_max, struct io_engine **ret_engine)
{
	struct uring *engine;
	int error;

	if (stream_count_max == 0 || stream_count_max > IO_STREAM_COUNT_MAX)
		return -EINVAL;
	engine = calloc(1, sizeof *engine);
	if (!engine)
		return -ENOMEM;
	engine->base.ops = &io_engine_uring;
	engine->event_fd = -1;
	engine->stream_count_max = stream_count_max;
	engine->streams = calloc(stream_count_max, sizeof *engine->streams);
	error = engine->streams ? ring_open(engine) : -ENOMEM;
	if (error) {
		free(engine->streams);
		free(engine);
		return error;
	}
	*ret_engine = (struct io_engine *)engine;
	return 0;
}

/* The operations of a closed ring end some time later. The buffers are the caller's only when each
 * has completed, for which only the ring's thread can wait. */
static void end_all(struct uring *engine)
{
	int64_t deadline_ns = clock_now_ns() + CLOSE_TIMEOUT_NS;
	struct io_event events[16];

	for (unsigned i = 0; i < engine->stream_count; i++)
		io_starts_cancel(&engine->starts, engine->streams[i]);
	while (engine->under_way > 0 && clock_now_ns() < deadline_ns)
		if (uring_wait((struct io_engine *)engine, events, 16, CLOSE_TIMEOUT_NS / 16) < 0)
			break;
}

/* To unmap the rings and close the descriptor in a forked child ends nothing that the parent has
 * pending. */
static void uring_forget(struct io_engine *base)
{
	struct uring *engine = uring_of(base);

	io_uring_queue_exit(&engine->ring);
	if (engine->event_fd >= 0)
		close(engine->event_fd);
	free(engine->streams);
	free(engine);
}

static void uring_close(struct io_engine *base)
{
	struct uring *engine = uring_of(base);

	if (!engine)
		return;
	if (engine->under_way > 0)
		end_all(engine);
	uring_forget(base);
}

const struct io_engine_ops io_engine_uring = {
	.name = "io_uring",
	.open = uring_open,
	.close = uring_close,
	.forget = uring_forget,
	.add = uring_add,
	.remove = uring_remove,
	.recv = uring_recv,
	.send = uring_send,
	.watch = uring_watch,
	.cancel = uring_cancel,
	.wait = uring_wait,
	.fd = uring_fd,
};
