/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/queue_pairs.h"
#include "lib/core/cpu.h"
#include "lib/core/region.h"
#include "storaged/paths/device_pairs.h"
#include "storaged/log.h"
#include "storaged/server.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define QPN_COUNT (ROCE_PSN_MASK + 1) /* 24 bits */

/* ---- memory, as the responder reaches it: by this CPU ---- */

static void memory_read(void *context, uint64_t offset, void *buffer, uint32_t bytes)
{
	/* What an atomic before this one has seen published is read, not something older. */
	cpu_fence_read();
	region_read(buffer, (const uint8_t *)context + offset, bytes);
	atomic_thread_fence(memory_order_acquire);
}

static void memory_write(void *context, uint64_t offset, const void *buffer, uint32_t bytes)
{
	atomic_thread_fence(memory_order_release);
	region_write((uint8_t *)context + offset, buffer, bytes);
	atomic_thread_fence(memory_order_release);
}

static uint64_t memory_compare_swap(void *context, uint64_t offset, uint64_t compare, uint64_t swap)
{
	uint64_t *word = (uint64_t *)(void *)((uint8_t *)context + offset);

	__atomic_compare_exchange_n(word, &compare, swap, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return compare;
}

static uint64_t memory_fetch_add(void *context, uint64_t offset, uint64_t addend)
{
	uint64_t *word = (uint64_t *)(void *)((uint8_t *)context + offset);

	return __atomic_fetch_add(word, addend, __ATOMIC_SEQ_CST);
}

static const struct roce_memory_ops memory_ops = {memory_read, memory_write, memory_compare_swap,
						  memory_fetch_add};

/* ---- the fence ---- */

static void close_path(struct fence *fence, enum session_end why)
{
	struct roce_queue_pair *pair = container_of(fence, struct roce_queue_pair, fence);

	(void)why;
	mailbox_post(&pair->worker->inbox, &pair->to_worker, QUEUE_PAIR_END);
}

static const struct fence_ops fence_ops = {.close = close_path};

/* ---- ports and workers ---- */

/* The address of a listening socket or, with @peer, of the other end of a connection. Returns 0 or
 * a negative errno: it has none, being a unix socket. */
static int address_of(int fd, bool peer, struct roce_address *ret_address)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	int r = peer ? getpeername(fd, (struct sockaddr *)&address, &bytes)
		     : getsockname(fd, (struct sockaddr *)&address, &bytes);

	if (r)
		return -errno;
	if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	roce_address_from((struct sockaddr *)&address, ret_address);
	return 0;
}

/* A socket for the first worker at @local: on the port wanted or, where that is taken, on any. */
static int open_first(const struct server *server, struct roce_address *local,
		      struct roce_socket **ret_socket)
{
	struct roce_socket_options options = {.local = local};
	char text[64];
	int r;

	local->port = (uint16_t)server->settings->roce_port;
	r = roce_socket_open(&options, ret_socket);
	if (r == -EADDRINUSE && local->port) {
		log_info("UDP port %u of %s is taken: roce uses another one", local->port,
			 roce_address_text(local, text, sizeof text));
		local->port = 0;
		r = roce_socket_open(&options, ret_socket);
	}
	return r;
}

/* A port at the address of @listener, shared by all workers. */
static int open_port(struct server *server, const struct listener *listener)
{
	struct roce_address local;
	struct roce_socket_options options = {.local = &local, .share_port = true};
	unsigned count = server->worker_count, place = server->roce_port_count;
	int r = address_of(listener->source.fd, false, &local);

	if (r)
		return r == -EAFNOSUPPORT ? 0 : r;
	for (unsigned i = 0; i < count && r == 0; i++) {
		struct roce_socket **socket = &server->roce_workers[i].sockets[place];

		r = i ? roce_socket_open(&options, socket) : open_first(server, &local, socket);
		if (r)
			break;
		server->roce_workers[i].socket_count++;
		roce_socket_fragment(*socket);
		local = roce_socket_local(*socket);
		if (i == 0 && count > 1)
			r = roce_socket_share(*socket);
	}
	if (r == 0 && count > 1)
		r = roce_socket_steer(server->roce_workers[0].sockets[place], count);
	server->roce_ports[place] = local;
	server->roce_port_count += r == 0;
	return r;
}

static void close_ports(struct server *server)
{
	for (unsigned i = 0; i < server->worker_count; i++) {
		struct roce_worker *worker = &server->roce_workers[i];

		while (worker->socket_count)
			roce_socket_close(worker->sockets[--worker->socket_count]);
	}
	server->roce_port_count = 0;
}

/* Returns 0 or a negative errno: then nothing is open. */
static int open_ports(struct server *server)
{
	int r = 0;

	for (unsigned i = 0; i < server->listener_count && r == 0; i++)
		r = open_port(server, &server->listeners[i]);
	if (r)
		close_ports(server);
	return r;
}

static bool is_wanted(const struct server *server)
{
	bool wanted = false;

	for (unsigned i = 0; i < server->namespace_count; i++)
		wanted |= server->namespaces[i].domain == CONTROL_DOMAIN_CPU;
	return wanted && server->settings->transports & CONTROL_ROCE;
}

int queue_pairs_open(struct server *server, char *reason, size_t reason_bytes)
{
	unsigned count = server->settings->workers;
	int r = 0;

	if (!is_wanted(server))
		return 0;
	server->qpns_taken = calloc(QPN_COUNT / 8, 1);
	server->roce_workers = calloc(count, sizeof *server->roce_workers);
	if (!server->qpns_taken || !server->roce_workers)
		r = -ENOMEM;
	if (r == 0)
		r = open_ports(server);
	if (r && server->settings->transports != CONTROL_ROCE) {
		/* The others will do: a kernel or a profile may refuse what this one takes. */
		log_warning("transport roce is not offered, its sockets cannot be had: %s",
			    strerrordesc_np(-r));
		return 0;
	}
	for (unsigned i = 0; i < count && r == 0; i++) {
		r = roce_worker_start(&server->roce_workers[i],
				      (enum transport_poll)server->settings->poll,
				      server->sessions.max / count, &server->roce_inbox);
		server->roce_worker_count += r == 0;
	}
	if (r)
		snprintf(reason, reason_bytes, "transport roce cannot be served: %s",
			 strerrordesc_np(-r));
	return r;
}

/* How many numbers are taken. */
static unsigned taken_count(const struct server *server)
{
	const uint64_t *words = (const uint64_t *)(const void *)server->qpns_taken;
	unsigned count = 0;

	for (unsigned i = 0; words && i < QPN_COUNT / 64; i++)
		count += (unsigned)__builtin_popcountll(words[i]);
	return count;
}

/* Every queue pair has a number, and no other number is taken. */
static bool agree(const struct server *server)
{
	unsigned count = 0;

	for (unsigned i = 1; server->sessions.table && i <= server->sessions.max; i++)
		if (server->sessions.table[i].state != SESSION_FREE)
			count += fences_count(&server->sessions.table[i].fences, &fence_ops);
	return count == taken_count(server);
}

void queue_pairs_close(struct server *server)
{
	while (server->roce_worker_count)
		roce_worker_stop(&server->roce_workers[--server->roce_worker_count]);
	free(server->roce_workers);
	assert(agree(server));
	free(server->qpns_taken);
	server->roce_workers = NULL;
	server->qpns_taken = NULL;
}

/* ---- queue pairs ---- */

static bool take_qpn(struct server *server, uint32_t qpn)
{
	uint8_t *byte = &server->qpns_taken[qpn / 8], bit = (uint8_t)(1 << qpn % 8);

	if (qpn < 2 || qpn == ROCE_PSN_MASK || *byte & bit) /* 0, 1 and the last one are special */
		return false;
	*byte |= bit;
	return true;
}

/* A free queue pair number, by which the kernel will find the worker. */
static int draw_qpn(struct server *server, uint32_t *ret_qpn)
{
	do
		if (getrandom(ret_qpn, sizeof *ret_qpn, 0) != sizeof *ret_qpn)
			return -EIO;
	while (!take_qpn(server, *ret_qpn &= ROCE_PSN_MASK));
	return 0;
}

void queue_pairs_take_mail(struct server *server)
{
	struct mail *mail;
	uint32_t bits;

	mailbox_quiet(&server->roce_inbox);
	while ((mail = mailbox_take(&server->roce_inbox, &bits))) {
		struct roce_queue_pair *pair = container_of(mail, struct roce_queue_pair, to_main);

		if (bits & QUEUE_PAIR_FAILED) {
			pair->fence.has_ended = true;
			session_path_ended(session_of_fence(&pair->fence), CONTROL_ROCE,
					   END_queue_pair_refused, 0);
		}
		if (!(bits & QUEUE_PAIR_GONE))
			continue;
		server->qpns_taken[pair->qpn / 8] &= (uint8_t) ~(1 << pair->qpn % 8);
		fence_closed(&pair->fence);
		free(pair);
	}
}

static bool is_link_local(const struct roce_address *address)
{
	return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

/* Where the client of @control reached storaged; over a unix socket, where WELCOME sent it. */
static int find_address(const struct server *server, const struct control *control,
			struct roce_address *ret_local)
{
	if (!control->is_unix)
		return address_of(control->source.fd, false, ret_local);
	return listener_named(server->listeners, server->listener_count, ret_local->ip)
		       ? 0
		       : -EADDRNOTAVAIL;
}

/* The same, and the port there. */
static int find_port(const struct server *server, const struct control *control,
		     struct roce_address *ret_local)
{
	int r = find_address(server, control, ret_local);

	if (r)
		return r;
	if (is_link_local(ret_local))
		return -EADDRNOTAVAIL; /* it takes an interface, too */
	for (unsigned i = 0; i < server->roce_port_count; i++) {
		const struct roce_address *port = &server->roce_ports[i];

		ret_local->port = port->port;
		if (roce_address_same_ip(port, ret_local) ||
		    (roce_address_is_any(port) &&
		     roce_address_is_ipv4(port) == roce_address_is_ipv4(ret_local)))
			return 0;
	}
	return -EADDRNOTAVAIL;
}

/* The MTU for packets to @remote: as the client says, and as far as this host's way there goes. */
static uint32_t mtu_for(const struct control_queue_pair *theirs, const struct roce_address *remote)
{
	struct roce_address local;
	int here = roce_route(remote, &local), there = le16_get(theirs->mtu);

	return (uint32_t)(here > 0 && here < there ? here : there);
}

/* Make a queue pair for the other end @theirs and give it to its worker. */
static int make(struct session *session, const struct control_queue_pair *theirs,
		const struct roce_address *local, struct roce_queue_pair **ret_pair)
{
	struct server *server = session->server;
	struct store *store = session->space->store;
	unsigned rd_atomic = le16_get(theirs->rd_atomic);
	struct roce_responder_config config = {
		.path.local = *local,
		.memory = {.ops = &memory_ops,
			   .context = store_base(store),
			   .bytes = store_region_bytes(store),
			   .access = ROCE_ACCESS_READ | ROCE_ACCESS_WRITE | ROCE_ACCESS_ATOMIC},
		.remote_qpn = le32_get(theirs->qpn),
		.psn = le32_get(theirs->psn),
		.read_bytes_max = DATA_TRANSFER_BYTES_MAX,
		.replay_count = rd_atomic < ROCE_RD_ATOMIC_MAX ? rd_atomic : ROCE_RD_ATOMIC_MAX,
	};
	struct roce_queue_pair *pair = calloc(1, sizeof *pair);
	uint64_t random;
	int r;

	if (!pair)
		return -ENOMEM;
	memcpy(config.path.remote.ip, theirs->ip, sizeof theirs->ip);
	config.path.remote.port = le16_get(theirs->port);
	config.mtu = mtu_for(theirs, &config.path.remote);
	/* The address tells nothing of where the arena lies, and an old rkey opens nothing new. */
	r = getrandom(&config.memory.rkey, sizeof config.memory.rkey, 0) < 0 ||
			    getrandom(&random, sizeof random, 0) < 0
		    ? -EIO
		    : draw_qpn(server, &pair->qpn);
	if (r) {
		free(pair);
		return r;
	}
	config.memory.address = (random & 0x7fff) << 46;
	pair->worker = &server->roce_workers[pair->qpn % server->roce_worker_count];
	list_init(&pair->busy);
	roce_responder_init(&pair->responder, &config, NULL);
	fence_open(&session->fences, &pair->fence, &fence_ops, CONTROL_ROCE);
	mailbox_post(&pair->worker->inbox, &pair->to_worker, QUEUE_PAIR_BEGIN);
	*ret_pair = pair;
	return 0;
}

static void reply_with(struct control *control, const struct control_header *header,
		       const struct roce_queue_pair *pair)
{
	const struct roce_responder_config *config = &pair->responder.config;
	struct control_queue_pair ours = {
		.port = le16_of(config->path.local.port),
		.mtu = le16_of((uint16_t)config->mtu),
		.rd_atomic = le16_of((uint16_t)config->replay_count),
		.qpn = le32_of(pair->qpn),
		.rkey = le32_of(config->memory.rkey),
		.region_address = le64_of(config->memory.address),
	};

	memcpy(ours.ip, config->path.local.ip, sizeof ours.ip);
	control_reply(control, header, &ours, sizeof ours);
}

/* Whether @address is one of this host's own: packets to it come from it. */
static bool is_of_this_host(const struct roce_address *address)
{
	struct roce_address local;

	return roce_route(address, &local) > 0 && roce_address_same_ip(address, &local);
}

/* Whether the client is where it says that packets are to be sent to: nobody directs them at
 * others. Behind a unix socket there is no address to compare, but a process of this host. One with
 * a network of its own cannot show where it is: it begins its session over TCP. */
static bool is_own_address(const struct control *control, const struct control_queue_pair *theirs)
{
	struct roce_address peer, named = {.port = le16_get(theirs->port)};

	memcpy(named.ip, theirs->ip, sizeof named.ip);
	if (control->is_unix)
		return is_of_this_host(&named);
	return address_of(control->source.fd, true, &peer) == 0 &&
	       roce_address_same_ip(&peer, &named);
}

void handle_queue_pair(struct control *control, const struct control_header *header,
		       const uint8_t *body)
{
	const struct control_queue_pair *theirs = (const void *)body;
	struct session *session = control->session;
	struct roce_queue_pair *pair;
	struct roce_address local;
	int r;

	if (!(server_transports(control->server, session->space) & CONTROL_ROCE)) {
		control_refuse(control, header, WIRE_TRANSPORT, NULL);
	} else if (!is_own_address(control, theirs)) {
		control_refuse(control, header, WIRE_ACCESS,
			       "packets would come from another address than this connection: is "
			       "there address translation on the way?");
	} else if (session->space->domain == CONTROL_DOMAIN_DEVICE) {
		device_pair_handle(control, header, theirs);
	} else if (fences_count(&session->fences, &fence_ops) == SESSION_QUEUE_PAIRS_MAX) {
		control_refuse(control, header, WIRE_ACCESS,
			       "the session has %d queue pairs, as many as it may",
			       SESSION_QUEUE_PAIRS_MAX);
	} else if ((r = find_port(control->server, control, &local)) != 0 ||
		   (r = make(session, theirs, &local, &pair)) != 0) {
		control_refuse(control, header, WIRE_INTERNAL, "no queue pair can be made: %s",
			       strerrordesc_np(-r));
	} else {
		reply_with(control, header, pair);
	}
}
