/* SPDX-License-Identifier: Apache-2.0 */
/* Transport roce where this CPU is the responder, the main thread's side: ports, workers, and the
 * making of queue pairs. */
#ifndef STORAGED_PATHS_QUEUE_PAIRS_H
#define STORAGED_PATHS_QUEUE_PAIRS_H

#include "storaged/namespace.h"
#include "storaged/paths/inbox.h"
#include "storaged/paths/roce_worker.h"

#define SESSION_QUEUE_PAIRS_MAX 8 /* of a session */

struct session;

struct queue_pairs {
	struct roce_worker *workers;
	/* the workers that run; 0: this CPU does not offer roce */
	unsigned worker_count;
	struct roce_address ports[LISTENERS_MAX];
	unsigned port_count;
	/* a bit each */
	uint8_t *qpns_taken;
	/* of queue pairs */
	unsigned count;
	struct inbox inbox;
};

/* Bind the UDP ports and start the workers, where roce is to be offered by this CPU. Returns 0 or a
 * negative errno with *reason filled; queue_pairs_close is due either way. */
int queue_pairs_open(struct queue_pairs *pairs, struct loop *loop,
		     const struct listeners *listeners, const struct namespaces *namespaces,
		     const struct settings *settings, char *reason, size_t reason_bytes);
void queue_pairs_close(struct queue_pairs *pairs);

/* The sum of a counter, ROCE_COUNTER_COUNT of which there are, over all workers. */
uint64_t queue_pairs_counter(const struct queue_pairs *pairs, unsigned counter);

/* The address of a socket or, with @peer, of the other end of a connection. Returns 0 or a negative
 * errno: it has none, being a unix socket. */
int socket_address(int fd, bool peer, struct roce_address *ret_address);

/* Whether @session has as many queue pairs as it may. */
bool queue_pairs_full(const struct session *session);
/* Fill in the port at which clients reach the address in @local. Returns 0 or -EADDRNOTAVAIL. */
int queue_pairs_find_port(const struct queue_pairs *pairs, struct roce_address *local);
/* Create a queue pair for the other end @theirs and give it to its worker. Returns 0 or a negative
 * errno. */
int queue_pairs_make(struct queue_pairs *pairs, struct session *session,
		     const struct control_queue_pair *theirs, const struct roce_address *local,
		     struct roce_queue_pair **ret_pair);

#endif
