/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll engine. An operation is tried when it is started. One that would block is kept in
 * compact arrays, beside its struct pollfd, until poll(2) finds it ready. The flags of descriptors
 * are not changed: every call says MSG_DONTWAIT.
 */
#include "lib/core/clock.h"
#include "lib/io/engine.h"
#include "lib/io/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Up to this many streams a busy poll finds bytes sooner by trying each than by asking poll(2)
 * first. */
#define TRY_STREAMS_MAX 4

#define SLOT_NONE UINT32_MAX

struct poll_engine {
	struct io_engine_base base;
	struct io_starts starts;
	/* Operations that would block: blocked[i] waits for fds[i]; a stream's slot is its
	 * place. */
	struct io_stream **blocked;
	struct pollfd *fds;
	unsigned blocked_count;
	unsigned stream_count;
	unsigned stream_count_max;
	int epoll; /* watches what is blocked, from the first call of fd on; -1 before */
	int error; /* the epoll descriptor could not be kept up to date */
	bool full; /* the last wait had no room left */
	/* alternates while there is no room; otherwise a stream's send goes first */
	bool receive_first;
};

/* The place for the events of one wait. */
struct sink {
	struct io_event *next;
	struct io_event *end;
	bool receive_first;
};

static struct poll_engine *poll_of(struct io_engine *engine)
{
	return (struct poll_engine *)engine;
}

/* ---- what is blocked ---- */

static unsigned blocked_kinds(const struct io_stream *stream)
{
	return stream->pending & ~stream->starting & ~stream->cancelling;
}

static short poll_events_of(const struct io_stream *stream)
{
	unsigned kinds = blocked_kinds(stream);
	short events = 0;

	if (kinds & (1u << IO_RECV | 1u << IO_READABLE))
		events |= POLLIN;
	if (kinds & 1u << IO_SEND)
		events |= POLLOUT;
	return events;
}

/* POLLIN and POLLOUT have the numbers of EPOLLIN and EPOLLOUT. */
static void update_epoll(struct poll_engine *engine, struct io_stream *stream, short before,
			 short events)
{
	struct epoll_event event = {.events = (uint32_t)events, .data.ptr = stream};
	int operation = !before ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

	if (epoll_ctl(engine->epoll, operation, stream->fd, &event))
		engine->error = -errno;
}

/* Update the arrays for what of @stream is blocked. */
static void update_blocked(struct poll_engine *engine, struct io_stream *stream)
{
	short events = poll_events_of(stream);
	uint32_t slot = stream->slot;
	short before = slot == SLOT_NONE ? 0 : engine->fds[slot].events;

	if (events == before)
		return;
	if (engine->epoll >= 0)
		update_epoll(engine, stream, before, events);
	if (!before) {
		slot = stream->slot = engine->blocked_count++;
		engine->blocked[slot] = stream;
		engine->fds[slot].fd = stream->fd;
		engine->fds[slot].revents = 0;
	}
	if (events) {
		engine->fds[slot].events = events;
		return;
	}
	stream->slot = SLOT_NONE;
	if (slot == --engine->blocked_count)
		return;
	engine->fds[slot] = engine->fds[engine->blocked_count];
	engine->blocked[slot] = engine->blocked[engine->blocked_count];
	engine->blocked[slot]->slot = slot;
}

/* ---- operations ---- */

/* Each of these returns the result of the event, or -EAGAIN when it would block. */
static int try_send(struct io_stream *stream)
{
	ssize_t sent;

	do
		sent = send(stream->fd, stream->send_buffer, stream->send_bytes,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	stream->send_buffer = (const char *)stream->send_buffer + sent;
	stream->send_bytes -= (size_t)sent;
	return stream->send_bytes ? -EAGAIN : 0;
}

static int try_kind(struct io_stream *stream, enum io_kind kind, short revents)
{
	if (kind == IO_SEND)
		return try_send(stream);
	if (kind == IO_RECV)
		return io_try_recv(stream);
	if (revents & POLLNVAL)
		return -EBADF;
	return revents & (POLLIN | POLLERR | POLLHUP) ? 0 : -EAGAIN;
}

/* Try @kinds of @stream, as far as there is room. Returns the kinds for which there was none. */
static unsigned try_kinds(struct io_stream *stream, unsigned kinds, short revents,
			  struct sink *sink)
{
	static const enum io_kind order[2][3] = {{IO_SEND, IO_RECV, IO_READABLE},
						 {IO_READABLE, IO_RECV, IO_SEND}};

	for (int i = 0; i < 3; i++) {
		enum io_kind kind = order[sink->receive_first][i];
		int result = -ECANCELED;

		if (!(kinds & 1u << kind))
			continue;
		if (sink->next == sink->end)
			return kinds;
		if (!(stream->cancelling & 1u << kind))
			result = try_kind(stream, kind, revents);
		if (result != -EAGAIN)
			*sink->next++ = io_finish(stream, kind, result);
		kinds &= ~(1u << kind);
	}
	return 0;
}

/* Start and cancel what was asked for since the last call. */
static void work_off_starts(struct poll_engine *engine, struct sink *sink)
{
	struct io_stream *stream;

	while ((stream = engine->starts.first)) {
		/* A cancelled operation ends here, started or not. */
		unsigned kinds = (stream->starting & IO_STARTS) | stream->cancelling;
		unsigned left = try_kinds(stream, kinds, 0, sink);

		if (left) {
			stream->starting = left;
			return;
		}
		stream->starting = 0;
		io_starts_pop(&engine->starts);
		update_blocked(engine, stream);
	}
}

static bool may_just_try(const struct poll_engine *engine)
{
	if (engine->blocked_count > TRY_STREAMS_MAX)
		return false;
	for (unsigned i = 0; i < engine->blocked_count; i++)
		if (engine->blocked[i]->pending & 1u << IO_READABLE)
			return false;
	return true;
}

/*
 * Try what is blocked: all of it, or what poll(2) finds ready within @timeout_ns. An operation
 * without room for its event stays where it is. The loop goes from the end, because a stream that
 * leaves is replaced by the last one. No stream starves, because none joins before every ready one
 * had its turn (see poll_wait).
 */
static int try_blocked(struct poll_engine *engine, struct sink *sink, int64_t timeout_ns)
{
	bool just_try = timeout_ns == 0 && may_just_try(engine);
	int ready = (int)engine->blocked_count;

	if (!just_try) {
		struct timespec time = {
			.tv_sec = timeout_ns / 1000000000,
			.tv_nsec = timeout_ns % 1000000000,
		};

		ready = ppoll(engine->fds, engine->blocked_count, timeout_ns < 0 ? NULL : &time,
			      NULL);
		if (ready < 0)
			return errno == EINTR || errno == ENOMEM ? -EAGAIN : -errno;
	}
	for (unsigned i = engine->blocked_count; i-- > 0 && ready > 0 && sink->next < sink->end;) {
		struct io_stream *stream = engine->blocked[i];
		short revents = engine->fds[i].revents;

		if (!just_try && !revents)
			continue;
		ready--;
		try_kinds(stream, blocked_kinds(stream), revents, sink);
		update_blocked(engine, stream);
	}
	return 0;
}

/* ---- the engine ---- */

static void poll_recv(struct io_engine *engine, struct io_stream *stream, void *buffer,
		      size_t bytes)
{
	io_starts_recv(&poll_of(engine)->starts, stream, buffer, bytes);
}

static void poll_send(struct io_engine *engine, struct io_stream *stream, const void *buffer,
		      size_t bytes)
{
	io_starts_send(&poll_of(engine)->starts, stream, buffer, bytes);
}

static void poll_watch(struct io_engine *engine, struct io_stream *stream)
{
	io_starts_op(&poll_of(engine)->starts, stream, IO_READABLE);
}

static void poll_cancel(struct io_engine *engine, struct io_stream *stream)
{
	io_starts_cancel(&poll_of(engine)->starts, stream);
}

/*
 * New operations go first, because they most likely succeed at once. What is blocked comes after
 * them, in the same call, or first in the next one when there was no room left.
 */
static int poll_wait(struct io_engine *base, struct io_event *events, unsigned event_count_max,
		     int64_t timeout_ns)
{
	struct poll_engine *engine = poll_of(base);
	int64_t deadline_ns = timeout_ns > 0 ? clock_now_ns() + timeout_ns : 0;
	struct sink sink = {events, events + event_count_max, engine->receive_first};
	bool looked = engine->full && engine->blocked_count > 0;
	int error = looked ? try_blocked(engine, &sink, 0) : 0;

	while (!error) {
		work_off_starts(engine, &sink);
		if (sink.next > events)
			timeout_ns = 0;
		if (sink.next == sink.end ||
		    (timeout_ns == 0 && (looked || !engine->blocked_count)))
			break;
		error = try_blocked(engine, &sink, timeout_ns);
		if (sink.next > events || timeout_ns == 0)
			break;
		/* It polled ready and was not: a part of a send was taken, or another process took
		 * the bytes. */
		if (timeout_ns > 0 && (timeout_ns = deadline_ns - clock_now_ns()) <= 0)
			break;
	}
	engine->full = sink.next == sink.end;
	engine->receive_first = engine->full && !engine->receive_first;
	if (!error)
		error = engine->error;
	if (sink.next > events || error == -EAGAIN)
		return (int)(sink.next - events);
	return error;
}

static int poll_fd(struct io_engine *base)
{
	struct poll_engine *engine = poll_of(base);

	if (engine->epoll >= 0)
		return engine->epoll;
	engine->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (engine->epoll < 0)
		return -errno;
	for (unsigned i = 0; i < engine->blocked_count; i++)
		update_epoll(engine, engine->blocked[i], 0, engine->fds[i].events);
	return engine->epoll;
}

static int poll_add(struct io_engine *base, struct io_stream *stream)
{
	struct poll_engine *engine = poll_of(base);

	if (engine->stream_count == engine->stream_count_max)
		return -ENOSPC;
	engine->stream_count++;
	stream->slot = SLOT_NONE;
	return 0;
}

static void poll_remove(struct io_engine *base, struct io_stream *stream)
{
	assert(!stream->pending && !stream->starting && stream->slot == SLOT_NONE);
	poll_of(base)->stream_count--;
}

static void poll_close(struct io_engine *base)
{
	struct poll_engine *engine = poll_of(base);

	if (!engine)
		return;
	if (engine->epoll >= 0)
		close(engine->epoll);
	free(engine->blocked);
	free(engine->fds);
	free(engine);
}

static int poll_open(unsigned stream_count_max, struct io_engine **ret_engine)
{
	struct poll_engine *engine;

	if (stream_count_max == 0 || stream_count_max > IO_STREAM_COUNT_MAX)
		return -EINVAL;
	engine = calloc(1, sizeof *engine);
	if (!engine)
		return -ENOMEM;
	engine->base.ops = &io_engine_poll;
	engine->stream_count_max = stream_count_max;
	engine->epoll = -1;
	engine->blocked = calloc(stream_count_max, sizeof *engine->blocked);
	engine->fds = calloc(stream_count_max, sizeof *engine->fds);
	if (!engine->blocked || !engine->fds) {
		poll_close((struct io_engine *)engine);
		return -ENOMEM;
	}
	*ret_engine = (struct io_engine *)engine;
	return 0;
}

const struct io_engine_ops io_engine_poll = {
	.name = "poll",
	.open = poll_open,
	.close = poll_close,
	.forget = poll_close,
	.add = poll_add,
	.remove = poll_remove,
	.recv = poll_recv,
	.send = poll_send,
	.watch = poll_watch,
	.cancel = poll_cancel,
	.wait = poll_wait,
	.fd = poll_fd,
};
