/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both engines do with a stream. recv, send, watch and cancel only note the request in the
 * stream, and put the stream at the end of a list. wait works the list off and tells the kernel. So
 * these functions cannot fail, and a batch of them costs no system call before wait.
 */
#ifndef LIB_IO_STREAM_H
#define LIB_IO_STREAM_H

#include "lib/io/engine.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

/* In io_stream.starting: an operation to start, and a pending one to cancel. */
#define IO_START(kind)        (1u << (kind))
#define IO_START_CANCEL(kind) (16u << (kind))
#define IO_STARTS             (IO_START(IO_RECV) | IO_START(IO_SEND) | IO_START(IO_READABLE))

struct io_starts {
	struct io_stream *first;
	struct io_stream *last; /* undefined while first is NULL */
};

static inline void io_starts_add(struct io_starts *starts, struct io_stream *stream, unsigned bits)
{
	bool listed = stream->starting != 0;

	stream->starting |= bits;
	if (listed || !bits)
		return;
	stream->next = NULL;
	if (starts->first)
		starts->last->next = stream;
	else
		starts->first = stream;
	starts->last = stream;
}

/* Take the first stream off the list. The caller clears its starting. */
static inline void io_starts_pop(struct io_starts *starts)
{
	starts->first = starts->first->next;
}

/* Take @stream off the list, wherever it is. It searches the list, so it is for rare cases. */
static inline void io_starts_remove(struct io_starts *starts, struct io_stream *stream)
{
	struct io_stream *before = NULL;

	for (struct io_stream *at = starts->first; at != stream; at = at->next)
		before = at;
	if (before)
		before->next = stream->next;
	else
		starts->first = stream->next;
	if (starts->last == stream)
		starts->last = before;
	stream->starting = 0;
}

static inline void io_starts_op(struct io_starts *starts, struct io_stream *stream,
				enum io_kind kind)
{
	assert(!(stream->pending & 1u << kind));
	stream->pending |= 1u << kind;
	io_starts_add(starts, stream, IO_START(kind));
}

static inline void io_starts_recv(struct io_starts *starts, struct io_stream *stream, void *buffer,
				  size_t bytes)
{
	assert(bytes > 0);
	stream->recv_buffer = buffer;
	stream->recv_bytes = bytes;
	io_starts_op(starts, stream, IO_RECV);
}

static inline void io_starts_send(struct io_starts *starts, struct io_stream *stream,
				  const void *buffer, size_t bytes)
{
	assert(bytes > 0);
	stream->send_buffer = buffer;
	stream->send_bytes = bytes;
	io_starts_op(starts, stream, IO_SEND);
}

static inline void io_starts_cancel(struct io_starts *starts, struct io_stream *stream)
{
	unsigned kinds = stream->pending & ~stream->cancelling;

	stream->cancelling |= kinds;
	io_starts_add(starts, stream, kinds * IO_START_CANCEL(0));
}

/* What was pending is over. */
static inline struct io_event io_finish(struct io_stream *stream, enum io_kind kind, int result)
{
	stream->pending &= ~(1u << kind);
	stream->cancelling &= ~(1u << kind);
	return (struct io_event){.stream = stream, .kind = kind, .result = result};
}

/* Receive without waiting. Returns the result of the event, or -EAGAIN. */
static inline int io_try_recv(struct io_stream *stream)
{
	size_t bytes = stream->recv_bytes < INT32_MAX ? stream->recv_bytes : INT32_MAX;
	ssize_t got;

	do
		got = recv(stream->fd, stream->recv_buffer, bytes, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : (int)got;
}

#endif
