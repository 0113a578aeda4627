/* SPDX-License-Identifier: Apache-2.0 */
/* Transport verbs: queue pairs of clients are accepted for a session, and are the session's from
 * then on. */
#ifndef STORAGED_PATHS_VERBS_ACCEPT_H
#define STORAGED_PATHS_VERBS_ACCEPT_H

#include "storaged/loop.h"
#include "storaged/paths/device_peers.h"
#include "storaged/session/session.h"

struct verbs_accept {
	struct sessions *sessions;
	struct device_peers *peers;
	struct loop *loop;
	/* NULL: none are accepted */
	struct verbs_listener *listener;
	struct source source;
};

/* Accept queue pairs on @device, at @port (0: any). Returns 0 or a negative errno with *reason
 * filled; verbs_accept_close is due either way, and does nothing on one of zeroes. */
int verbs_accept_open(struct verbs_accept *accept, struct loop *loop, struct verbs_device *device,
		      uint16_t port, struct sessions *sessions, struct device_peers *peers,
		      char *reason, size_t reason_bytes);
/* Accept no more. The peers are gone by then, with their sessions. */
void verbs_accept_close(struct verbs_accept *accept);

#endif
