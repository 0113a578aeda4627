/* SPDX-License-Identifier: Apache-2.0 */
/* Transport tcp, the main thread's side: its workers. Data connections are given to workers, and
 * come back when nothing of them can be executed any more. */
#ifndef STORAGED_PATHS_DATA_CONNECTIONS_H
#define STORAGED_PATHS_DATA_CONNECTIONS_H

#include "storaged/namespace.h"
#include "storaged/paths/inbox.h"
#include "storaged/paths/worker.h"
#include "storaged/room.h"

#define WORKERS_MAX      64
#define SESSION_DATA_MAX 8 /* data connections of a session */

struct session;

struct data_connections {
	const struct namespaces *namespaces;
	struct room *room;
	struct worker workers[WORKERS_MAX];
	/* gets the next connection */
	unsigned worker_count, next;
	struct inbox inbox;
	/* connections that were ended for what they sent */
	uint64_t protocol_errors;
};

/* Start the workers. Returns 0 or a negative errno with *reason filled; data_connections_close is
 * due either way. */
int data_connections_open(struct data_connections *connections, struct loop *loop,
			  struct room *room, const struct namespaces *namespaces,
			  const struct settings *settings, char *reason, size_t reason_bytes);
void data_connections_close(struct data_connections *connections);

/* Whether @session has as many data connections as it may. */
bool data_connections_full(const struct session *session);
/* Give the socket @fd, with @bytes received already, to a worker. Returns 0, -EMFILE, -ENOMEM; the
 * socket is the session's only after 0. */
int data_connections_add(struct data_connections *connections, struct session *session, int fd,
			 const void *bytes, size_t byte_count);

/* How many operations were executed. */
uint64_t data_connections_operations(const struct data_connections *connections);

#endif
