/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An I/O engine: stream sockets with one receive and one send under way each, started in batches
 * and completed as events. Two of them: io_uring (a batch is one system call) and poll (plain
 * sockets and poll(2), where io_uring is refused). Users never ask which.
 *
 * Threads: an engine and its streams are used by one thread at a time. They may be opened in one
 * and used in another, and handed over later, while nothing is pending. What is pending may belong
 * to the thread that started it (io_uring makes completions in that thread): then wait in another
 * one returns -EEXIST, and goes on where it was in its own. The poll engine does not care.
 *
 * To wake a thread that waits, watch an eventfd and write to it.
 */
#ifndef LIB_IO_ENGINE_H
#define LIB_IO_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most streams of an engine: six completions for each fit into the largest completion queue. */
#define IO_STREAM_COUNT_MAX 8192

struct io_engine; /* begins with struct io_engine_base */

enum io_kind { IO_RECV = 1, IO_SEND = 2, IO_READABLE = 3 };

/* A socket or, for watch, any pollable descriptor. Embedded in the user's struct, which stays in
 * place until its last event was delivered. Zero-initialised, then added. A descriptor is in one
 * stream of an engine at most. */
struct io_stream {
	int fd;
	/* Bits 1 << enum io_kind of what is under way; the user reads them. A bit is cleared as
	 * soon as wait has the event, also for events of the same batch that the user has not
	 * reached yet. */
	uint8_t pending;
	/* the engine's from here on */
	uint8_t cancelling; /* the part of pending that was asked to end */
	uint8_t starting;   /* what the next wait has to start or cancel */
	uint32_t slot;
	void *recv_buffer;
	size_t recv_bytes;
	const void *send_buffer; /* what is still to be sent */
	size_t send_bytes;
	struct io_stream *next; /* in the list of streams with something to start */
};

struct io_event {
	struct io_stream *stream;
	enum io_kind kind;
	/* RECV: bytes, 0 at end of stream; SEND: 0, all was sent; READABLE: 0; or a negative errno
	 * (-ECANCELED after cancel) */
	int32_t result;
};

struct io_engine_ops {
	const char *name; /* "io_uring", "poll" */

	/* Make an engine for at most @stream_count_max streams, 1 to IO_STREAM_COUNT_MAX. Returns
	 * 0, -EINVAL (their number), -EPERM or -ENOSYS (the kernel or a seccomp profile refuses
	 * it),
	 * -ENOMEM, -EMFILE. */
	int (*open)(unsigned stream_count_max, struct io_engine **ret_engine);

	/* Free the engine. What is pending ends without an event, and the streams and buffers are
	 * the caller's again. NULL does nothing. */
	void (*close)(struct io_engine *engine);

	/* In a forked child: free the engine and close the child's copies of its descriptors. What
	 * is pending stays the parent's. */
	void (*forget)(struct io_engine *engine);

	/* Add @stream, with its fd set, in either blocking mode. Returns 0 or -ENOSPC. */
	int (*add)(struct io_engine *engine, struct io_stream *stream);

	/* Remove @stream. Nothing may be pending. Does not close the fd, which must not have been
	 * closed before. */
	void (*remove)(struct io_engine *engine, struct io_stream *stream);

	/* Receive up to @bytes, not 0, into @buffer: an event RECV when at least one byte has come,
	 * or the stream has ended or failed. Starts at wait. */
	void (*recv)(struct io_engine *engine, struct io_stream *stream, void *buffer,
		     size_t bytes);

	/* Send all of @bytes, not 0: an event SEND when the last byte was taken, or the send has
	 * failed. Starts at wait, before a receive that was asked for with it. Never raises
	 * SIGPIPE. */
	void (*send)(struct io_engine *engine, struct io_stream *stream, const void *buffer,
		     size_t bytes);

	/* Wait until the descriptor polls readable: one event READABLE. Starts at wait. */
	void (*watch)(struct io_engine *engine, struct io_stream *stream);

	/* Ask for the end of everything pending on @stream. Its events still come, with -ECANCELED
	 * or what happened first; only after them may the stream be removed. A cancelled send may
	 * have sent a part. */
	void (*cancel)(struct io_engine *engine, struct io_stream *stream);

	/*
	 * Start what was asked for, and take up to @event_count_max events, not 0; the rest stay
	 * for the next call. @timeout_ns 0: only look, with as few system calls as possible (busy
	 * polling calls this in a loop); negative: wait for ever; otherwise wait for at most that
	 * long. Returns the number of events. It is 0 when the time has passed, or early, when a
	 * signal was caught or the kernel has no memory at this moment. After a negative errno
	 * there are no events, and the engine cannot be used any more, except after -EEXIST (see
	 * Threads).
	 */
	int (*wait)(struct io_engine *engine, struct io_event *events, unsigned event_count_max,
		    int64_t timeout_ns);

	/* A descriptor that polls readable when wait may return events. It is the engine's, and
	 * stays the same until another thread calls wait. Before it is polled, a wait must have
	 * returned fewer events than it had room for, so that everything was started. Or -EMFILE,
	 * -ENOMEM, -EEXIST. */
	int (*fd)(struct io_engine *engine);
};

struct io_engine_base {
	const struct io_engine_ops *ops;
};

static inline const struct io_engine_ops *io_ops(struct io_engine *engine)
{
	return ((struct io_engine_base *)engine)->ops;
}

extern const struct io_engine_ops io_engine_uring;
extern const struct io_engine_ops io_engine_poll;

/*
 * Open the engine called @name: "io_uring", "poll" or "auto" (io_uring, or poll where that is
 * refused). Returns 0, -EINVAL (another name), or as open.
 */
int io_engine_open(const char *name, unsigned stream_count_max, struct io_engine **ret_engine);

#endif
