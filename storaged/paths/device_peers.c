/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/device_peers.h"
#include "storaged/session/session.h"

#include <stdlib.h>

#define DESTROY_STEPS 64 /* of a queue pair: calls of the kernel and the device */

struct device_peer {
	struct fence fence;
	struct list destroying; /* in peers->destroying */
	struct device_peers *peers;
	struct verbs_peer *peer;
};

static void close_path(struct fence *fence, enum session_end why)
{
	struct device_peer *own = container_of(fence, struct device_peer, fence);

	(void)why;
	list_append(&own->peers->destroying, &own->destroying);
}

static const struct fence_ops fence_ops = {.close = close_path};

void device_peers_init(struct device_peers *peers)
{
	list_init(&peers->destroying);
}

bool device_peers_full(const struct session *session)
{
	return fences_count(&session->fences, &fence_ops) == SESSION_PEERS_MAX;
}

void device_peers_add(struct device_peers *peers, struct session *session, struct verbs_peer *peer,
		      enum control_transport transport)
{
	struct device_peer *own = device_peers_full(session) ? NULL : calloc(1, sizeof *own);

	if (!own) {
		verbs_peer_destroy(peer);
		return;
	}
	own->peers = peers;
	own->peer = peer;
	list_init(&own->destroying);
	fence_open(&session->fences, &own->fence, &fence_ops, transport);
}

/* From here on nothing of it can land. */
static void destroy(struct device_peer *own)
{
	verbs_peer_destroy(own->peer);
	list_remove(&own->destroying);
	fence_closed(&own->fence);
	free(own);
}

bool device_peers_remove(struct session *session, struct verbs_peer *peer,
			 enum control_transport transport)
{
	struct list *open = &session->fences.open;

	for (struct list *link = open->next; link != open; link = link->next) {
		struct fence *fence = container_of(link, struct fence, link);
		struct device_peer *own = container_of(fence, struct device_peer, fence);

		if (fence->ops == &fence_ops && own->peer == peer) {
			destroy(own);
			break;
		}
	}
	return !fences_carry(&session->fences, transport);
}

bool device_peers_destroy(struct device_peers *peers, struct budget *budget)
{
	while (!list_empty(&peers->destroying)) {
		if (!budget_take(budget, DESTROY_STEPS))
			return true;
		destroy(container_of(peers->destroying.next, struct device_peer, destroying));
	}
	return false;
}
