/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: a thread that serves data connections. It and the main thread share nothing but
 * mailboxes and the counter.
 */
#ifndef STORAGED_PATHS_WORKER_H
#define STORAGED_PATHS_WORKER_H

#include "storaged/paths/data.h"
#include "storaged/settings.h"

#include <semaphore.h>
#include <stdatomic.h>

struct worker {
	pthread_t thread;
	struct mailbox inbox;
	/* of the main thread */
	struct mailbox *outbox;
	_Atomic bool stop;
	/* executed; written by the worker alone */
	_Atomic uint64_t operations;

	/* set before the thread starts */
	const char *io;
	enum transport_poll poll;
	unsigned stream_count_max;
	/* one for each namespace */
	struct data_responder *responders;
	unsigned responder_count;

	/* the thread's */
	struct io_engine *engine;
	/* from start on */
	const char *engine_name;
	struct io_stream inbox_ready;
	unsigned connection_count;
	int start_error;
	sem_t started;
};

/* Start the thread. Takes ownership of @responders (and their transports), also on failure. Returns
 * 0 or a negative errno, of the I/O engine for one. */
int worker_start(struct worker *worker, const struct settings *settings, unsigned stream_count_max,
		 struct data_responder *responders, unsigned responder_count,
		 struct mailbox *outbox);

/* Stop and free it. Its connections are gone by then. */
void worker_stop(struct worker *worker);

#endif
