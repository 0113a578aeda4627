/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/data_connections.h"
#include "storaged/server.h"

#include <errno.h>

static void end(struct data_connection *connection)
{
	if (connection->fence.has_ended)
		return;
	connection->fence.has_ended = true;
	mailbox_post(&connection->worker->inbox, &connection->to_worker, DATA_END);
}

static void close_path(struct fence *fence, enum session_end why)
{
	(void)why;
	end(container_of(fence, struct data_connection, fence));
}

static const struct fence_ops fence_ops = {.close = close_path};

bool data_connections_full(const struct session *session)
{
	return fences_count(&session->fences, &fence_ops) == SESSION_DATA_MAX;
}

int data_connections_add(struct session *session, int fd, const void *bytes, size_t byte_count)
{
	struct server *server = session->server;
	struct name_space *space = session->space;
	struct worker *worker = &server->workers[server->worker_next++ % server->worker_count];
	struct data_connection *connection;
	int r;

	if (data_connections_full(session))
		return -EMFILE;
	r = data_connection_new(fd, space->domain == CONTROL_DOMAIN_DEVICE, bytes, byte_count,
				&connection);
	if (r)
		return r;
	connection->worker = worker;
	connection->executor = &worker->executors[space - server->namespaces];
	fence_open(&session->fences, &connection->fence, &fence_ops, CONTROL_TCP);
	server->connection_count++;
	mailbox_post(&worker->inbox, &connection->to_worker, DATA_BEGIN);
	return 0;
}

void data_connections_take_mail(struct server *server)
{
	struct mail *mail;
	uint32_t bits;

	mailbox_quiet(&server->inbox);
	while ((mail = mailbox_take(&server->inbox, &bits))) {
		struct data_connection *connection =
			container_of(mail, struct data_connection, to_main);
		struct fence *fence = &connection->fence;

		if (bits & DATA_ENDED) {
			end(connection);
			session_path_ended(session_of_fence(fence), CONTROL_TCP, connection->why,
					   connection->error);
		}
		if (bits & DATA_GONE) {
			server->connection_count--;
			server->protocol_errors += connection->last_response;
			fence_closed(fence);
			data_connection_free(connection);
		}
	}
}
