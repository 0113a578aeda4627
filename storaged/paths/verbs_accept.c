/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/verbs_accept.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* A queue pair's owner is the id of a session, not the session, which the id outlives. */
_Static_assert(sizeof(void *) == sizeof(uint64_t), "a session's id fits into an owner");

static struct verbs_region *admit(void *context, const struct verbs_hello *hello, void **ret_owner)
{
	const struct verbs_accept *accept = context;
	struct session *session =
		sessions_find(accept->sessions, le64_get(hello->session), hello->cookie);

	if (!session || device_peers_full(session))
		return NULL;
	session->verbs_left = false;
	*ret_owner = (void *)(uintptr_t)session->id;
	return session->space->region;
}

static void joined(void *context, void *owner, struct verbs_peer *peer)
{
	const struct verbs_accept *accept = context;
	struct session *session = sessions_at(accept->sessions, (uintptr_t)owner);

	if (session)
		device_peers_add(accept->peers, session, peer, CONTROL_VERBS);
	else
		verbs_peer_destroy(peer);
}

static void left(void *context, void *owner, struct verbs_peer *peer)
{
	const struct verbs_accept *accept = context;
	struct session *session = sessions_at(accept->sessions, (uintptr_t)owner);

	/* Another queue pair that is left may be from an earlier attempt. */
	if (session && device_peers_remove(session, peer, CONTROL_VERBS)) {
		session->verbs_left = true;
		session_path_ended(session, CONTROL_VERBS, END_queue_pair_closed, 0);
	}
}

static void listener_ready(struct source *source, uint32_t events)
{
	struct verbs_accept *accept = container_of(source, struct verbs_accept, source);

	(void)events;
	verbs_listener_dispatch(accept->listener);
}

int verbs_accept_open(struct verbs_accept *accept, struct loop *loop, struct verbs_device *device,
		      uint16_t port, struct sessions *sessions, struct device_peers *peers,
		      char *reason, size_t reason_bytes)
{
	static const struct verbs_listener_callbacks callbacks = {admit, joined, left};
	int fd, r;

	*accept = (struct verbs_accept){
		.sessions = sessions, .peers = peers, .loop = loop, .source.fd = -1};
	r = verbs_listener_open(device, port, &callbacks, accept, &accept->listener, reason,
				reason_bytes);
	if (r)
		return r;
	/* A copy of the descriptor, because a source closes its own. */
	fd = dup(verbs_listener_fd(accept->listener));
	r = fd < 0 ? -errno : loop_add(loop, &accept->source, fd, EPOLLIN, listener_ready);
	if (r) {
		if (fd >= 0)
			close(fd);
		snprintf(reason, reason_bytes, "%s", strerrordesc_np(-r));
	}
	return r;
}

void verbs_accept_close(struct verbs_accept *accept)
{
	if (accept->loop)
		loop_end(accept->loop, &accept->source);
	verbs_listener_close(accept->listener);
	accept->listener = NULL;
}
