/* SPDX-License-Identifier: Apache-2.0 */
/* storaged as a whole: its parts, which know each other no further than they are handed to each
 * other here. All of it belongs to the main thread; workers are reached through mailboxes. */
#ifndef STORAGED_SERVER_H
#define STORAGED_SERVER_H

#include "lib/core/starvation.h"
#include "storaged/control/accept.h"
#include "storaged/control/context.h"
#include "storaged/control/controls.h"
#include "storaged/loop.h"
#include "storaged/paths/device_watch.h"
#include "storaged/room.h"

struct server {
	const struct settings *settings;
	uint8_t boot_id[16];
	struct loop loop;
	/* of the loop's thread */
	struct starvation starvation;
	struct source signals;
	unsigned signal_count;
	/* of the loop, ever */
	unsigned turns;
	/* there was more to do than one turn allows */
	bool busy;
	struct room room;

	struct namespaces namespaces;
	struct verbs_device *device;
	struct device_watch device_watch;

	/* sessions */
	struct sessions sessions;
	struct futexes futexes;
	struct restart restart;
	struct holds holds;

	/* their paths to memory */
	struct data_connections data_connections;
	struct queue_pairs queue_pairs;
	struct device_peers device_peers;
	struct device_pairs device_pairs;
	struct verbs_accept verbs_accept;
	struct mappings mappings;

	/* their clients */
	struct listeners listeners;
	struct acceptor acceptor;
	struct controls controls;
	struct context context;
};

/* Start everything. Returns 0 or a negative errno with *reason filled; server_close is due either
 * way. */
int server_open(struct server *server, const struct settings *settings, char *reason,
		size_t reason_bytes);
/* Serve until the signals say otherwise, then drain. Returns 0 or a negative errno. */
int server_run(struct server *server);
void server_close(struct server *server);

/* "storaged 0.1.0 ready: ...", newline-terminated. */
void server_ready_line(const struct server *server, char *line, size_t line_bytes);

#endif
