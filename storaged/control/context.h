/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of requests can reach of storaged. */
#ifndef STORAGED_CONTROL_CONTEXT_H
#define STORAGED_CONTROL_CONTEXT_H

#include "storaged/listen.h"
#include "storaged/namespace.h"
#include "storaged/paths/data_connections.h"
#include "storaged/paths/device_pairs.h"
#include "storaged/paths/mappings.h"
#include "storaged/paths/queue_pairs.h"
#include "storaged/paths/verbs_accept.h"
#include "storaged/session/holds.h"
#include "storaged/session/session.h"
#include "storaged/settings.h"

struct context {
	const struct settings *settings;
	const uint8_t *boot_id;
	int64_t started_ns;
	/* no session begins any more */
	bool is_draining;

	struct listeners *listeners;
	struct namespaces *namespaces;
	/* NULL: there is none */
	struct verbs_device *device;

	struct sessions *sessions;
	struct futexes *futexes;
	struct restart *restart;
	struct holds *holds;

	struct data_connections *data_connections;
	struct queue_pairs *queue_pairs;
	struct device_pairs *device_pairs;
	struct verbs_accept *verbs_accept;
	struct mappings *mappings;
};

/* What @space offers to clients: bits of enum control_transport. */
uint8_t context_transports(const struct context *context, const struct name_space *space);

#endif
