/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker of transport roce: a thread that is the responder of many queue pairs, over UDP sockets.
 * It and the main thread share nothing but mailboxes and the figures. Several workers share each
 * port: the kernel gives a packet to worker QPN % count.
 */
#ifndef STORAGED_PATHS_ROCE_WORKER_H
#define STORAGED_PATHS_ROCE_WORKER_H

#include "lib/roce/responder.h"
#include "lib/roce/socket.h"
#include "lib/core/transport.h"
#include "lib/core/list.h"
#include "storaged/listen.h"
#include "storaged/paths/mailbox.h"
#include "storaged/session/fence.h"

#include <pthread.h>
#include <stdatomic.h>

/* Mail to a worker: */
#define QUEUE_PAIR_BEGIN 1u /* serve it */
#define QUEUE_PAIR_END   2u /* serve it no more; answered by QUEUE_PAIR_GONE */
/* Mail from a worker: */
#define QUEUE_PAIR_GONE   1u /* nothing of it can be executed any more; the worker forgot it */
#define QUEUE_PAIR_FAILED 2u /* it is in the error state: it executes nothing more */

struct roce_queue_pair {
	/* the main thread's */
	/* has ended: the worker said QUEUE_PAIR_FAILED */
	struct fence fence;
	struct roce_worker *worker;
	uint32_t qpn;
	struct mail to_worker, to_main;
	/* the worker's */
	struct roce_socket *socket;
	/* the main thread has been told */
	bool failed;
	/* in worker->busy: it has something to send or to go on with */
	struct list busy;
	/* in its bucket */
	struct roce_queue_pair *next;
	struct roce_responder responder;
};

struct roce_worker {
	pthread_t thread;
	struct mailbox inbox;
	/* of the main thread */
	struct mailbox *outbox;
	_Atomic bool stop;
	/* written by the worker alone */
	_Atomic uint64_t figures[ROCE_COUNTER_COUNT];

	/* set before the thread starts */
	enum transport_poll poll;
	struct roce_socket *sockets[LISTENERS_MAX];
	unsigned socket_count;

	/* the thread's */
	struct roce_queue_pair **buckets;
	uint32_t bucket_mask;
	unsigned queue_pair_count;
	struct list busy;
	struct roce_socket *receiving;
	int64_t published_ns;
	struct roce_counters counters;
	struct roce_batch batch;
};

/* Start the thread, for about @queue_pairs of them. Takes ownership of worker->sockets, also on
 * failure. Returns 0 or a negative errno. */
int roce_worker_start(struct roce_worker *worker, enum transport_poll poll, uint32_t queue_pairs,
		      struct mailbox *outbox);

/* Stop and free it. Its queue pairs are gone by then. */
void roce_worker_stop(struct roce_worker *worker);

#endif
