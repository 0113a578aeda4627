/* SPDX-License-Identifier: Apache-2.0 */
/* Starting storaged, part by part, and taking it down again in reverse. */
#include "storaged/server.h"
#include "storaged/control/handlers.h"
#include "storaged/log.h"
#include "storaged/memory.h"
#include "lib/core/boot_id.h"
#include "lib/core/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Descriptors that are not connections: listeners, arenas, rings. */
#define FILES_RESERVED 512

/* Where a part that fails leaves its sentence. */
struct reason {
	char *text;
	size_t bytes;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct reason *reason, int error,
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason->text, reason->bytes, format, arguments);
	va_end(arguments);
	return error;
}

/* ---- the process ---- */

static void set_limits(struct server *server)
{
	uint64_t wanted = server->settings->connections_max;
	struct rlimit limit;

	server->room = (struct room){.connections_max = wanted, .files_max = UINT64_MAX};
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	server->room.files_max = limit.rlim_cur > 2 * FILES_RESERVED
					 ? limit.rlim_cur - FILES_RESERVED
					 : limit.rlim_cur / 2;
	if (server->room.files_max < wanted) {
		server->room.connections_max = server->room.files_max;
		log_warning("%llu open files leave room for %llu connections, not %llu",
			    (unsigned long long)limit.rlim_cur,
			    (unsigned long long)server->room.connections_max,
			    (unsigned long long)wanted);
	}
}

static void signal_ready(struct source *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof info) == sizeof info) {
		if (server->signal_count++ == 0)
			continue;
		unix_socket_remove(&server->listeners.unix_socket);
		_exit(EXIT_FAILURE);
	}
}

/* Before any thread starts, so that signals arrive only at the descriptor. */
static int open_signals(struct server *server)
{
	sigset_t set;
	int fd, r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = loop_add(&server->loop, &server->signals, fd, EPOLLIN, signal_ready);
	if (r)
		close(fd);
	return r;
}

/* ---- parts ---- */

static bool is_none(const char *text)
{
	return text && !strcmp(text, "none");
}

static int open_tcp_listeners(struct server *server, const struct reason *reason)
{
	const struct settings *settings = server->settings;
	int r = 0;

	for (unsigned i = 0; i < settings->listen.count && r == 0; i++) {
		if (is_none(settings->listen.item[i]) && settings->listen.count > 1)
			return fail(reason, -EINVAL,
				    "--listen none stands alone, or not at all beside an address");
		if (!is_none(settings->listen.item[i]))
			r = listen_tcp(settings->listen.item[i], settings->plaintext,
				       &server->listeners, reason->text, reason->bytes);
	}
	return r;
}

static int open_listeners(struct server *server, const struct reason *reason)
{
	const struct settings *settings = server->settings;
	int r = open_tcp_listeners(server, reason);

	if (r)
		return r;
	if (is_none(settings->unix_socket))
		return server->listeners.count
			       ? 0
			       : fail(reason, -EINVAL,
				      "--listen none and --unix-socket none: nobody "
				      "could reach it");
	return listen_unix(settings, &server->listeners, reason->text, reason->bytes);
}

/* Open the RDMA device, if the settings want one. *no_device says why there is none after all. */
static int open_device(struct server *server, const struct reason *reason, char *no_device,
		       size_t no_device_bytes)
{
	const struct settings *settings = server->settings;
	int r;

	if (settings->domain == DOMAIN_CPU) {
		snprintf(no_device, no_device_bytes, "the setting domain says cpu");
		return 0;
	}
	if (settings->domain == DOMAIN_AUTO &&
	    !(settings->transports & (CONTROL_VERBS | CONTROL_ROCE))) {
		snprintf(no_device, no_device_bytes,
			 "the setting transports leaves verbs and roce out");
		return 0;
	}
	r = verbs_device_open(settings->device, &server->device, no_device, no_device_bytes);
	if (r == 0)
		return 0;
	if (settings->domain == DOMAIN_DEVICE || settings->device)
		return fail(reason, r, "the RDMA device: %s", no_device);
	strncat(no_device, "; looked for at the start only: restart storaged",
		no_device_bytes - strlen(no_device) - 1);
	return 0;
}

/* Whether there is memory for the arenas. A device's are taken whole: its pages are pinned. */
static int check_memory(const struct server *server, const struct memory *memory,
			const struct reason *reason)
{
	const struct settings *settings = server->settings;
	bool is_taken = server->device || settings->memory_reserve;
	int r = memory_check(memory, settings->memory_bytes, settings->namespaces.count, is_taken,
			     reason->text, reason->bytes);

	if (r == 0 && *reason->text)
		log_warning("%s; storaged may be ended by the kernel when they fill", reason->text);
	if (r == 0)
		*reason->text = 0;
	return r;
}

static int open_namespaces(struct server *server, const struct reason *reason)
{
	const struct settings_list *names = &server->settings->namespaces;
	char no_device[REASON_BYTES] = "";
	struct memory memory;
	int r = open_device(server, reason, no_device, sizeof no_device);

	memory_look("", &memory);
	if (r == 0)
		r = check_memory(server, &memory, reason);
	for (unsigned i = 0; i < names->count && r == 0; i++) {
		struct name_space *space = &server->namespaces.table[i];

		if (namespaces_find(&server->namespaces, names->item[i]))
			return fail(reason, -EEXIST, "there are two namespaces %s", names->item[i]);
		r = namespace_open(space, names->item[i], server->settings,
				   server->settings->memory_reserve || memory.is_strict,
				   server->device, no_device, reason->text, reason->bytes);
		if (r == 0) {
			server->namespaces.count++;
			log_info("namespace %s: atomics by the %s: %s", space->name,
				 space->domain == CONTROL_DOMAIN_DEVICE ? "device" : "cpu",
				 space->domain_reason);
		}
	}
	return r;
}

/* Start each kind of path to memory. */
static int open_paths(struct server *server, const struct reason *reason)
{
	const struct settings *settings = server->settings;
	const struct listener *first = &server->listeners.table[0];
	uint16_t port = server->listeners.count && !first->is_unix ? first->port : 0;
	int r = data_connections_open(&server->data_connections, &server->loop, &server->room,
				      &server->namespaces, settings, reason->text, reason->bytes);

	if (r == 0)
		r = queue_pairs_open(&server->queue_pairs, &server->loop, &server->listeners,
				     &server->namespaces, settings, reason->text, reason->bytes);
	if (r)
		return r;
	r = device_pairs_open(&server->device_pairs, &server->loop, &server->device_peers);
	if (r)
		return fail(reason, r, "%s", strerrordesc_np(-r));
	if (!server->device || !(settings->transports & CONTROL_VERBS))
		return 0;
	return verbs_accept_open(&server->verbs_accept, &server->loop, server->device, port,
				 &server->sessions, &server->device_peers, reason->text,
				 reason->bytes);
}

/* The path of the marker: beside the unix socket, or named after the first address. Returns whether
 * there is a place that the next storaged finds. */
static bool find_marker_path(const struct server *server, char *path, size_t path_bytes)
{
	const char *url = server->listeners.count ? server->listeners.table[0].url : "";
	const char *port = server->settings->listen.count
				   ? strrchr(server->settings->listen.item[0], ':')
				   : NULL;
	char directory[108];

	if (server->listeners.unix_socket.path[0]) {
		snprintf(path, path_bytes, "%s" MARKER_SUFFIX, server->listeners.unix_socket.path);
		return true;
	}
	/* The kernel chooses another port the next time. */
	if (!*url || (port && !strcmp(port, ":0")))
		return false;
	unix_socket_default_path(directory, sizeof directory);
	*strrchr(directory, '/') = 0;
	snprintf(path, path_bytes, "%s/%s" MARKER_SUFFIX, directory, url + strlen("dso://"));
	return true;
}

static void open_restart(struct server *server)
{
	char path[256], reason[256];

	if (!find_marker_path(server, path, sizeof path))
		return;
	if (!server->listeners.unix_socket.path[0] &&
	    unix_socket_make_directory(path, reason, sizeof reason))
		log_warning("after a restart locks will be granted at once: %s", reason);
	else
		restart_open(&server->restart, path);
}

/* ---- all of it ---- */

/* Give the parts what they need of each other, before any of them is opened, so that all can be
 * closed. */
static void wire(struct server *server)
{
	const struct settings *settings = server->settings;

	restart_init(&server->restart, settings, server->boot_id, &server->namespaces,
		     &server->futexes);
	holds_init(&server->holds, &server->sessions, &server->namespaces);
	device_peers_init(&server->device_peers);
	mappings_init(&server->mappings, &server->loop, &server->room,
		      settings->shm_fence == SHM_FENCE_KILL);
	controls_init(&server->controls, &server->loop, &server->room, handlers, handler_count,
		      &server->context);
	accept_init(&server->acceptor, &server->loop, &server->listeners, &server->controls,
		    &server->room);
	server->context = (struct context){
		.settings = settings,
		.boot_id = server->boot_id,
		.started_ns = clock_now_ns(),
		.listeners = &server->listeners,
		.namespaces = &server->namespaces,
		.sessions = &server->sessions,
		.futexes = &server->futexes,
		.restart = &server->restart,
		.holds = &server->holds,
		.data_connections = &server->data_connections,
		.queue_pairs = &server->queue_pairs,
		.device_pairs = &server->device_pairs,
		.verbs_accept = &server->verbs_accept,
		.mappings = &server->mappings,
	};
}

static int open_sessions(struct server *server)
{
	uint32_t max = (uint32_t)server->settings->sessions_max;
	int r = sessions_open(&server->sessions, max, (int64_t)server->settings->ttl_ns,
			      &server->futexes, &server->restart);

	return r ? r : futexes_open(&server->futexes, &server->loop, max);
}

int server_open(struct server *server, const struct settings *settings, char *text,
		size_t text_bytes)
{
	struct reason reason = {text, text_bytes};
	int r;

	*server = (struct server){.settings = settings, .signals.fd = -1};
	/* Without a boot id it is zero: then clients find no equal host, and use tcp. */
	boot_id_read(server->boot_id);
	set_limits(server);
	wire(server);
	r = loop_open(&server->loop);
	if (r == 0)
		r = open_signals(server);
	if (r == 0)
		r = open_sessions(server);
	if (r)
		return fail(&reason, r, "%s", strerrordesc_np(-r));
	r = open_listeners(server, &reason);
	if (r == 0)
		r = open_namespaces(server, &reason);
	if (r)
		return r;
	server->context.device = server->device;
	r = device_watch_open(&server->device_watch, &server->loop, server->device,
			      &server->namespaces);
	if (r)
		return fail(&reason, r, "%s", strerrordesc_np(-r));
	r = open_paths(server, &reason);
	if (r)
		return r;
	open_restart(server);
	r = accept_start(&server->acceptor);
	return r ? fail(&reason, r, "%s", strerrordesc_np(-r)) : 0;
}

static void destroy_peers(struct server *server)
{
	struct budget budget;

	do
		budget = budget_begin();
	while (device_peers_destroy(&server->device_peers, &budget));
}

void server_close(struct server *server)
{
	controls_close(&server->controls);
	accept_stop(&server->acceptor);
	device_pairs_close(&server->device_pairs);
	destroy_peers(server);
	verbs_accept_close(&server->verbs_accept);
	device_watch_close(&server->device_watch);
	queue_pairs_close(&server->queue_pairs);
	restart_close(&server->restart);
	data_connections_close(&server->data_connections);
	/* Processes that have the arena mapped are not waited for. */
	mappings_close(&server->mappings);
	if (server->sessions.table)
		sessions_close(&server->sessions);
	futexes_close(&server->futexes);
	while (server->namespaces.count)
		namespace_close(&server->namespaces.table[--server->namespaces.count]);
	verbs_device_close(server->device);
	loop_end(&server->loop, &server->signals);
	if (server->loop.epoll_fd >= 0)
		loop_close(&server->loop);
}
