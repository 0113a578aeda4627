/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/data_connections.h"
#include "storaged/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the fence ---- */

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

static void expect(struct fence *fence)
{
	mailbox_poke(&container_of(fence, struct data_connection, fence)->worker->inbox);
}

static const struct fence_ops fence_ops = {.close = close_path, .expect = expect};

bool data_connections_full(const struct session *session)
{
	return fences_count(&session->fences, &fence_ops) == SESSION_DATA_MAX;
}

int data_connections_add(struct data_connections *connections, struct session *session, int fd,
			 const void *bytes, size_t byte_count)
{
	const struct name_space *space = session->space;
	struct worker *worker =
		&connections->workers[connections->next++ % connections->worker_count];
	struct data_connection *connection;
	int r;

	if (data_connections_full(session))
		return -EMFILE;
	r = data_connection_new(fd, space->domain == CONTROL_DOMAIN_DEVICE, bytes, byte_count,
				&connection);
	if (r)
		return r;
	connection->worker = worker;
	connection->responder =
		&worker->responders[namespaces_place(connections->namespaces, space)];
	fence_open(&session->fences, &connection->fence, &fence_ops, CONTROL_TCP);
	room_take(connections->room, 1);
	mailbox_post(&worker->inbox, &connection->to_worker, DATA_BEGIN);
	return 0;
}

/* ---- workers ---- */

static void inbox_ready(struct source *source, uint32_t events)
{
	struct data_connections *connections =
		container_of(source, struct data_connections, inbox.source);
	struct mail *mail;
	uint32_t bits;

	(void)events;
	mailbox_quiet(&connections->inbox.mailbox);
	while ((mail = mailbox_take(&connections->inbox.mailbox, &bits))) {
		struct data_connection *connection =
			container_of(mail, struct data_connection, to_main);
		struct fence *fence = &connection->fence;

		if (bits & DATA_ENDED) {
			end(connection);
			session_path_ended(session_of_fence(fence), CONTROL_TCP, connection->why,
					   connection->error);
		}
		if (bits & DATA_GONE) {
			room_give_back(connections->room, 1);
			connections->protocol_errors += connection->last_response;
			fence_closed(fence);
			data_connection_free(connection);
		}
	}
}

static int open_worker(struct data_connections *connections, const struct settings *settings,
		       char *reason, size_t reason_bytes)
{
	const struct namespaces *namespaces = connections->namespaces;
	unsigned count = namespaces->count, opened = 0;
	struct data_responder *responders = calloc(count, sizeof *responders);
	uint64_t stream_count_max;
	int r = 0;

	if (!responders) {
		snprintf(reason, reason_bytes, "out of memory");
		return -ENOMEM;
	}
	for (; opened < count && r == 0; opened += r == 0) {
		const struct name_space *space = &namespaces->table[opened];

		responders[opened].region_bytes = store_region_bytes(space->store);
		r = namespace_transport(space, (enum transport_poll)settings->poll,
					&responders[opened].transport, reason, reason_bytes);
	}
	if (r) {
		while (opened--)
			transport_ops(responders[opened].transport)
				->close(responders[opened].transport);
		free(responders);
		return r;
	}
	/* One stream for each connection, one for its mail, one for each device. */
	stream_count_max = connections->room->connections_max + 1 + count;
	if (stream_count_max > IO_STREAM_COUNT_MAX)
		stream_count_max = IO_STREAM_COUNT_MAX;
	r = worker_start(&connections->workers[connections->worker_count], settings,
			 (unsigned)stream_count_max, responders, count,
			 &connections->inbox.mailbox);
	if (r) {
		snprintf(reason, reason_bytes, "a worker with the I/O engine %s cannot start: %s%s",
			 settings_io[settings->io], strerrordesc_np(-r),
			 r == -EPERM || r == -ENOSYS
				 ? " (the kernel or a container's seccomp profile "
				   "refuses io_uring: try --io poll)"
				 : "");
		return r;
	}
	connections->worker_count++;
	return 0;
}

int data_connections_open(struct data_connections *connections, struct loop *loop,
			  struct room *room, const struct namespaces *namespaces,
			  const struct settings *settings, char *reason, size_t reason_bytes)
{
	int r;

	connections->namespaces = namespaces;
	connections->room = room;
	r = inbox_open(&connections->inbox, loop, inbox_ready);
	if (r) {
		snprintf(reason, reason_bytes, "%s", strerrordesc_np(-r));
		return r;
	}
	for (unsigned i = 0; i < settings->workers && r == 0; i++)
		r = open_worker(connections, settings, reason, reason_bytes);
	return r;
}

void data_connections_close(struct data_connections *connections)
{
	while (connections->worker_count)
		worker_stop(&connections->workers[--connections->worker_count]);
	inbox_close(&connections->inbox);
}

uint64_t data_connections_operations(const struct data_connections *connections)
{
	uint64_t operations = 0;

	for (unsigned i = 0; i < connections->worker_count; i++)
		operations += atomic_load_explicit(&connections->workers[i].operations,
						   memory_order_relaxed);
	return operations;
}
