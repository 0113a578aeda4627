/* SPDX-License-Identifier: Apache-2.0 */
/* Starting storaged, part by part, and taking it down again in reverse. */
#include "storaged/server.h"
#include "storaged/control/accept.h"
#include "storaged/control/control.h"
#include "storaged/paths/device_pairs.h"
#include "storaged/paths/device_watch.h"
#include "storaged/log.h"
#include "storaged/memory.h"
#include "storaged/paths/verbs_accept.h"
#include "storaged/paths/queue_pairs.h"
#include "lib/core/clock.h"

#include <ctype.h>
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

static void read_boot_id(uint8_t host[16])
{
	FILE *stream = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned digits = 0;
	int c;

	/* Without it (no /proc) the id is zero: clients then find no equal host, and use tcp. */
	while (stream && digits < 32 && (c = fgetc(stream)) != EOF) {
		if (!isxdigit(c))
			continue;
		c = isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
		host[digits / 2] = (uint8_t)(host[digits / 2] << 4 | c);
		digits++;
	}
	if (stream)
		fclose(stream);
}

static void set_limits(struct server *server)
{
	uint64_t wanted = server->settings->connections_max;
	struct rlimit limit;

	server->connections_max = wanted;
	server->files_max = UINT64_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	server->files_max = limit.rlim_cur > 2 * FILES_RESERVED ? limit.rlim_cur - FILES_RESERVED
								: limit.rlim_cur / 2;
	if (server->files_max < wanted) {
		server->connections_max = server->files_max;
		log_warning("%llu open files leave room for %llu connections, not %llu",
			    (unsigned long long)limit.rlim_cur,
			    (unsigned long long)server->connections_max,
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
		unix_socket_remove(&server->unix_socket);
		_exit(EXIT_FAILURE);
	}
}

/* Before any thread starts, so that the signals come to the descriptor alone. */
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
				       server->listeners, &server->listener_count, reason->text,
				       reason->bytes);
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
		return server->listener_count ? 0
					      : fail(reason, -EINVAL,
						     "--listen none and --unix-socket none: nobody "
						     "could reach it");
	if (server->listener_count == LISTENERS_MAX)
		return fail(reason, -ENOSPC, "more than %d addresses to listen at", LISTENERS_MAX);
	r = listen_unix(settings, &server->unix_socket, &server->listeners[server->listener_count],
			reason->text, reason->bytes);
	if (r == 0)
		server->listener_count++;
	return r;
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

/* Whether the arenas can be had. A device's are taken whole: its pages are pinned. */
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
		struct name_space *space = &server->namespaces[i];

		if (server_namespace(server, names->item[i]))
			return fail(reason, -EEXIST, "there are two namespaces %s", names->item[i]);
		r = namespace_open(space, names->item[i], server->settings,
				   server->settings->memory_reserve || memory.is_strict,
				   server->device, no_device, reason->text, reason->bytes);
		if (r == 0) {
			server->namespace_count++;
			log_info("namespace %s: atomics by the %s: %s", space->name,
				 space->domain == CONTROL_DOMAIN_DEVICE ? "device" : "cpu",
				 space->domain_reason);
		}
	}
	return r;
}

static int open_worker(struct server *server, const struct reason *reason)
{
	const struct settings *settings = server->settings;
	unsigned count = server->namespace_count, opened = 0;
	struct executor *executors = calloc(count, sizeof *executors);
	uint64_t stream_count_max;
	int r = executors ? 0 : fail(reason, -ENOMEM, "out of memory");

	for (; opened < count && r == 0; opened += r == 0) {
		const struct name_space *space = &server->namespaces[opened];

		executors[opened].region_bytes = store_region_bytes(space->store);
		r = namespace_transport(space, (enum transport_poll)settings->poll,
					&executors[opened].transport, reason->text, reason->bytes);
	}
	if (r) {
		while (opened--)
			transport_ops(executors[opened].transport)
				->close(executors[opened].transport);
		free(executors);
		return r;
	}
	/* One stream a connection, one for its mail, one for each device. */
	stream_count_max = server->connections_max + 1 + count;
	if (stream_count_max > IO_STREAM_COUNT_MAX)
		stream_count_max = IO_STREAM_COUNT_MAX;
	r = worker_start(&server->workers[server->worker_count], settings,
			 (unsigned)stream_count_max, executors, count, &server->inbox);
	if (r)
		return fail(reason, r, "a worker with the I/O engine %s cannot start: %s%s",
			    settings_io[settings->io], strerrordesc_np(-r),
			    r == -EPERM || r == -ENOSYS
				    ? " (the kernel or a container's seccomp profile "
				      "refuses io_uring: try --io poll)"
				    : "");
	server->worker_count++;
	return 0;
}

static void inbox_ready(struct source *source, uint32_t events)
{
	(void)events;
	data_connections_take_mail(container_of(source, struct server, inbox_source));
}

static void roce_inbox_ready(struct source *source, uint32_t events)
{
	(void)events;
	queue_pairs_take_mail(container_of(source, struct server, roce_inbox_source));
}

static int open_inbox(struct server *server, struct mailbox *inbox, struct source *source,
		      void (*ready)(struct source *source, uint32_t events))
{
	int r = mailbox_open(inbox);

	return r ? r : loop_add(&server->loop, source, inbox->event_fd, EPOLLIN, ready);
}

static void close_inbox(struct server *server, struct mailbox *inbox, struct source *source)
{
	if (source->fd >= 0)
		loop_take(&server->loop, source);
	if (inbox->event_fd >= 0)
		mailbox_close(inbox);
}

static int open_workers(struct server *server, const struct reason *reason)
{
	int r = open_inbox(server, &server->inbox, &server->inbox_source, inbox_ready);

	if (r == 0)
		r = open_inbox(server, &server->roce_inbox, &server->roce_inbox_source,
			       roce_inbox_ready);
	if (r)
		return fail(reason, r, "%s", strerrordesc_np(-r));
	for (unsigned i = 0; i < server->settings->workers && r == 0; i++)
		r = open_worker(server, reason);
	return r;
}

/* ---- all of it ---- */

int server_open(struct server *server, const struct settings *settings, char *text,
		size_t text_bytes)
{
	struct reason reason = {text, text_bytes};
	int r;

	*server = (struct server){.settings = settings,
				  .started_ns = clock_now_ns(),
				  .inbox.event_fd = -1,
				  .roce_inbox.event_fd = -1,
				  .roce_inbox_source.fd = -1,
				  .made_inbox.event_fd = -1,
				  .made_source.fd = -1,
				  .signals.fd = -1,
				  .inbox_source.fd = -1,
				  .device_source.fd = -1,
				  .verbs_source.fd = -1};
	device_peers_init(&server->device_peers);
	list_init(&server->controls);
	list_init(&server->ready);
	list_init(&server->doomed);
	list_init(&server->unflushed);
	server->hellos.whole_ns = CONTROL_HELLO_NS;
	deadlines_init(&server->closings, CONTROL_CLOSING_NS);
	deadlines_init(&server->pauses, ACCEPT_PAUSE_NS);
	deadlines_init(&server->mapping_looks, MAPPING_LOOK_NS);
	read_boot_id(server->host);
	set_limits(server);
	r = loop_open(&server->loop);
	if (r == 0)
		r = open_signals(server);
	if (r == 0)
		r = sessions_open(&server->sessions, (uint32_t)settings->sessions_max,
				  (int64_t)settings->ttl_ns);
	if (r == 0)
		r = futexes_open(&server->futexes, &server->loop, (uint32_t)settings->sessions_max);
	if (r)
		return fail(&reason, r, "%s", strerrordesc_np(-r));
	r = open_listeners(server, &reason);
	if (r == 0)
		r = open_namespaces(server, &reason);
	if (r == 0 && (r = device_watch_open(server)) != 0)
		fail(&reason, r, "%s", strerrordesc_np(-r));
	if (r == 0)
		r = open_workers(server, &reason);
	if (r == 0)
		r = queue_pairs_open(server, text, text_bytes);
	if (r == 0 && (r = device_pairs_open(server)) != 0)
		fail(&reason, r, "%s", strerrordesc_np(-r));
	if (r == 0)
		r = verbs_accept_open(server, text, text_bytes);
	if (r)
		return r;
	restart_open(server);
	r = accept_start(server);
	return r ? fail(&reason, r, "%s", strerrordesc_np(-r)) : 0;
}

static void destroy_peers(struct server *server)
{
	struct budget budget;

	if (!server->sessions.table)
		return;
	do
		budget = budget_begin();
	while (device_peers_destroy(&server->device_peers, &budget));
}

void server_close(struct server *server)
{
	while (!list_empty(&server->controls))
		control_close(container_of(server->controls.next, struct control, link));
	accept_stop(server);
	device_pairs_close(server);
	destroy_peers(server);
	verbs_accept_close(server);
	device_watch_close(server);
	queue_pairs_close(server);
	restart_close(server);
	while (server->worker_count)
		worker_stop(&server->workers[--server->worker_count]);
	if (server->sessions.table)
		sessions_close(&server->sessions);
	futexes_close(&server->futexes);
	while (server->namespace_count)
		namespace_close(&server->namespaces[--server->namespace_count]);
	verbs_device_close(server->device);
	loop_end(&server->loop, &server->signals);
	close_inbox(server, &server->inbox, &server->inbox_source);
	close_inbox(server, &server->roce_inbox, &server->roce_inbox_source);
	if (server->loop.epoll_fd >= 0)
		loop_close(&server->loop);
}
