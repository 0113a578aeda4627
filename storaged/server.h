/* SPDX-License-Identifier: Apache-2.0 */
/* storaged as a whole. All of it belongs to the main thread; workers are reached through
 * mailboxes. */
#ifndef STORAGED_SERVER_H
#define STORAGED_SERVER_H

#include "lib/core/peer_timeout.h"
#include "lib/core/starvation.h"
#include "storaged/control/listen.h"
#include "storaged/loop.h"
#include "storaged/namespace.h"
#include "storaged/session/restart.h"
#include "storaged/paths/roce_worker.h"
#include "storaged/session/session.h"
#include "storaged/settings.h"
#include "storaged/paths/data_connections.h"
#include "storaged/paths/device_peers.h"
#include "storaged/session/mappings.h"
#include "storaged/paths/worker.h"

#define WORKERS_MAX 64

struct server {
	const struct settings *settings;
	struct loop loop;
	bool draining;
	struct starvation starvation; /* of the loop's thread */
	int64_t started_ns;
	uint8_t host[16]; /* boot id */

	struct listener listeners[LISTENERS_MAX];
	unsigned listener_count;
	struct unix_socket unix_socket;
	struct source signals;
	unsigned signal_count;

	struct name_space namespaces[SETTINGS_ITEMS_MAX];
	unsigned namespace_count;
	unsigned turns; /* of the loop, ever */
	bool busy;      /* there was more to do than a turn has room for */

	struct verbs_device *device;
	struct source device_source;
	bool device_is_gone; /* it failed or was removed */
	struct device_peers device_peers;
	struct verbs_listener *verbs_listener;
	struct source verbs_source;

	struct worker workers[WORKERS_MAX];
	unsigned worker_count, worker_next;
	struct mailbox inbox; /* from workers */
	struct source inbox_source;

	/* transport roce, where this CPU is the responder */
	struct roce_worker *roce_workers;
	unsigned roce_worker_count;
	struct roce_address roce_ports[LISTENERS_MAX];
	unsigned roce_port_count;
	uint8_t *qpns_taken;       /* a bit each */
	struct mailbox roce_inbox; /* from its workers */
	struct source roce_inbox_source;
	/* transport roce, where the device is */
	struct mailbox made_inbox; /* from threads that make queue pairs */
	struct source made_source;
	unsigned making_count;

	struct sessions sessions;
	struct futexes futexes;
	struct restart restart;
	int64_t looked_ns;         /* at who holds what, last */
	unsigned look_space;       /* the namespace whose turn it is */
	struct list controls;      /* control connections */
	struct list ready;         /* of them, those with a whole request left for the next turn */
	struct list doomed;        /* of them, those to be dropped at the end of this turn */
	struct list unflushed;     /* of them, those with notices that were not sent yet */
	struct peer_timers hellos; /* connections whose first message has not come yet */
	struct deadlines closings; /* connections whose last reply is on its way */
	struct deadlines pauses;   /* listeners that do not accept for a while */
	struct deadlines mapping_looks;
	uint64_t connection_count; /* control, data, and mappings */
	uint64_t mapping_count;    /* of them */
	uint64_t connections_max;
	uint64_t files_max;       /* descriptors that all of these may have */
	uint64_t protocol_errors; /* of control and data connections */
};

/* Start everything. Returns 0 or a negative errno with *reason filled; server_close is due either
 * way. */
int server_open(struct server *server, const struct settings *settings, char *reason,
		size_t reason_bytes);
/* Serve until the signals say otherwise, then drain. Returns 0 or a negative errno. */
int server_run(struct server *server);
void server_close(struct server *server);

/* Whether there may be another connection, of @files descriptors. */
bool server_has_room(const struct server *server, unsigned files);
/* The namespace called @name; NULL: there is none. */
struct name_space *server_namespace(struct server *server, const char *name);

/* "storaged 0.1.0 ready: ...", newline-terminated. */
void server_ready_line(const struct server *server, char *line, size_t line_bytes);

/* What @space offers to clients: bits of enum control_transport. */
uint8_t server_transports(const struct server *server, const struct name_space *space);
uint64_t server_operations(const struct server *server);
/* Control and data connections and queue pairs that were ended for what they sent. */
uint64_t server_protocol_errors(const struct server *server);

#endif
