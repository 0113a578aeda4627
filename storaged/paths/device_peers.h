/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs of sessions on the RDMA device, of transports verbs and roce. They are destroyed in
 * turns of the loop: each takes calls of the kernel and of the device. */
#ifndef STORAGED_PATHS_DEVICE_PEERS_H
#define STORAGED_PATHS_DEVICE_PEERS_H

#include "lib/verbs/host/host.h"
#include "proto/control.h"
#include "lib/core/list.h"
#include "storaged/session/budget.h"

struct session;

#define SESSION_PEERS_MAX 8 /* queue pairs of a session on the device */

struct device_peers {
	/* queue pairs of sessions that are over */
	struct list destroying;
};

void device_peers_init(struct device_peers *peers);

/* Whether @session has as many queue pairs as it may. */
bool device_peers_full(const struct session *session);
/* Give @peer to the session; it is destroyed at once if the session has enough of them. */
void device_peers_add(struct device_peers *peers, struct session *session, struct verbs_peer *peer,
		      enum control_transport transport);
/* The client of @session has disconnected @peer. Returns whether no other of @transport is left. */
bool device_peers_remove(struct session *session, struct verbs_peer *peer,
			 enum control_transport transport);
/* Destroy the queue pairs of ended sessions. Returns whether there are more. */
bool device_peers_destroy(struct device_peers *peers, struct budget *budget);

#endif
