/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/verbs_accept.h"
#include "storaged/server.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The owner of a queue pair is not the session but its id, which outlives it. */
_Static_assert(sizeof(void *) == sizeof(uint64_t), "a session's id fits into an owner");

static struct verbs_region *admit(void *context, const struct verbs_hello *hello, void **ret_owner)
{
	struct session *session = session_find(context, le64_get(hello->session), hello->cookie);

	if (!session || device_peers_full(session))
		return NULL;
	session->verbs_left = false;
	*ret_owner = (void *)(uintptr_t)session->id;
	return session->space->region;
}

static void joined(void *context, void *owner, struct verbs_peer *peer)
{
	struct server *server = context;
	struct session *session = session_at(server, (uintptr_t)owner);

	if (session)
		device_peers_add(&server->device_peers, session, peer, CONTROL_VERBS);
	else
		verbs_peer_destroy(peer);
}

static void left(void *context, void *owner, struct verbs_peer *peer)
{
	struct session *session = session_at(context, (uintptr_t)owner);

	/* Another that is left may be the one that an attempt before made. */
	if (session && device_peers_remove(session, peer, CONTROL_VERBS)) {
		session->verbs_left = true;
		session_path_ended(session, CONTROL_VERBS, END_queue_pair_closed, 0);
	}
}

static void listener_ready(struct source *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, verbs_source);

	(void)events;
	verbs_listener_dispatch(server->verbs_listener);
}

int verbs_accept_open(struct server *server, char *reason, size_t reason_bytes)
{
	static const struct verbs_listener_callbacks callbacks = {admit, joined, left};
	const struct listener *first = &server->listeners[0];
	uint16_t port = server->listener_count && !first->is_unix ? first->port : 0;
	int fd, r;

	if (!server->device || !(server->settings->transports & CONTROL_VERBS))
		return 0;
	r = verbs_listener_open(server->device, port, &callbacks, server, &server->verbs_listener,
				reason, reason_bytes);
	if (r)
		return r;
	/* A descriptor of its own, because a source closes what it has. */
	fd = dup(verbs_listener_fd(server->verbs_listener));
	r = fd < 0 ? -errno
		   : loop_add(&server->loop, &server->verbs_source, fd, EPOLLIN, listener_ready);
	if (r) {
		if (fd >= 0)
			close(fd);
		snprintf(reason, reason_bytes, "%s", strerrordesc_np(-r));
	}
	return r;
}

void verbs_accept_close(struct server *server)
{
	loop_end(&server->loop, &server->verbs_source);
	verbs_listener_close(server->verbs_listener);
	server->verbs_listener = NULL;
}
