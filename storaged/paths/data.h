/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data connection of transport tcp: requests come in, are executed through a responder, and are
 * answered in order, one send for as many as there were. Bytes are executed where they were
 * received, and read to where they are sent from.
 *
 * A client that does not read its responses stalls itself alone: while its responses are unsent
 * nothing more is executed, and nothing more is received once the buffer is full.
 */
#ifndef STORAGED_PATHS_DATA_H
#define STORAGED_PATHS_DATA_H

#include "lib/io/engine.h"
#include "lib/core/transport.h"
#include "storaged/session/fence.h"
#include "lib/core/list.h"
#include "storaged/paths/mailbox.h"

/* Room for the largest request, and for a batch of small ones behind it. */
#define DATA_RECV_BYTES 131072
#define DATA_SEND_BYTES 131072
/* Operations of one connection in flight on a device. */
#define DATA_OPS_MAX 64

struct worker;

/* What executes the requests for one namespace in one worker. */
struct data_responder {
	struct transport *transport;
	uint64_t region_bytes;
	/* executed */
	uint64_t operations;
	/* The rest is for transports with a queue, which are those of the domain `device`. */
	/* data connections, in the order of submission */
	struct list executing;
	/* something since the last flush */
	bool submitted;
	/* the transport's descriptor */
	struct io_stream ready;
	/* For both: connections that have ended, to look at after a batch of events. */
	struct list ended;
};

/* Mail to a worker: */
#define DATA_BEGIN 1u /* serve this connection */
#define DATA_END   2u /* serve it no more; answered by DATA_GONE */
/* Mail from a worker: */
#define DATA_ENDED 1u /* it ended by itself; the main thread has to say DATA_END */
#define DATA_GONE  2u /* nothing of it can be executed any more; the worker has forgotten it */

struct data_connection {
	/* the main thread's */
	/* has ended: DATA_END was posted */
	struct fence fence;
	struct worker *worker;
	struct mail to_worker, to_main;
	/* valid with DATA_ENDED; so is */
	enum session_end why;
	/* errno, or 0 */
	int error;

	/* the worker's */
	struct data_responder *responder;
	struct io_stream stream;
	bool begun, ended, end_asked;
	/* the next send is the last: it broke the protocol */
	bool last_response;
	/* What was asked for, and whose event was not taken yet: the stream's pending bits are
	 * cleared earlier. */
	bool receiving, sending;
	/* of recv */
	uint32_t fill, taken;
	uint32_t send_fill;
	/* in responder->executing */
	struct list executing;
	/* in responder->ended */
	struct list ending;
	uint32_t op_count;
	/* DATA_OPS_MAX; NULL where operations execute at once */
	struct op *ops;
	/* where each op's response is */
	struct data_response **responses;
	uint8_t *recv, *send;
};

/* Create a data connection for @fd, which it owns from then on, with @bytes received already. */
int data_connection_new(int fd, bool queued, const void *bytes, size_t byte_count,
			struct data_connection **ret_connection);
void data_connection_free(struct data_connection *connection);

/* ---- the worker's side ---- */

/* Do whatever can be done now. */
void data_turn(struct io_engine *engine, struct data_connection *connection);
/* Take an event of its stream. */
void data_event(struct io_engine *engine, struct data_connection *connection,
		const struct io_event *event);
/* Answer the operations in flight of the responder's oldest connections, if they are complete.
 * Returns whether there were any. */
bool data_complete(struct io_engine *engine, struct data_responder *responder);

/* Give the connection up: nothing more of it is executed or answered. It goes to responder->ended,
 * now and whenever something of it that was under way is over. */
void data_end(struct io_engine *engine, struct data_connection *connection, enum session_end why);
void data_look_at_later(struct data_connection *connection);
/* Whether nothing of an ended connection is under way any more. */
bool data_is_over(const struct data_connection *connection);

#endif
