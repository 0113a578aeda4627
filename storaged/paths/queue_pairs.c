/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/queue_pairs.h"
#include "lib/core/region.h"
#include "storaged/log.h"
#include "storaged/session/session.h"

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
	region_execute_read((const uint8_t *)context + offset, buffer, bytes);
}

static void memory_write(void *context, uint64_t offset, const void *buffer, uint32_t bytes)
{
	region_execute_write((uint8_t *)context + offset, buffer, bytes);
}

static uint64_t memory_compare_swap(void *context, uint64_t offset, uint64_t compare, uint64_t swap)
{
	return region_execute_cas((uint8_t *)context + offset, compare, swap);
}

static uint64_t memory_fetch_add(void *context, uint64_t offset, uint64_t addend)
{
	return region_execute_faa((uint8_t *)context + offset, addend);
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

static void expect(struct fence *fence)
{
	mailbox_poke(&container_of(fence, struct roce_queue_pair, fence)->worker->inbox);
}

static const struct fence_ops fence_ops = {.close = close_path, .expect = expect};

/* ---- ports and workers ---- */

int socket_address(int fd, bool peer, struct roce_address *ret_address)
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

/* Open a socket for the first worker at @local: at the wanted port or, where that is taken, at
 * any. */
static int open_first(uint16_t port, struct roce_address *local, struct roce_socket **ret_socket)
{
	struct roce_socket_options options = {.local = local};
	char text[64];
	int r;

	local->port = port;
	r = roce_socket_open(&options, ret_socket);
	if (r == -EADDRINUSE && local->port) {
		log_info("UDP port %u of %s is taken: roce uses another one", local->port,
			 roce_address_text(local, text, sizeof text));
		local->port = 0;
		r = roce_socket_open(&options, ret_socket);
	}
	return r;
}

/* Open a port at the address of @listener, @wanted if that is free, which all @count workers
 * share. */
static int open_port(struct queue_pairs *pairs, const struct listener *listener, uint16_t wanted,
		     unsigned count)
{
	struct roce_address local;
	struct roce_socket_options options = {.local = &local, .share_port = true};
	unsigned place = pairs->port_count;
	int r = socket_address(listener->source.fd, false, &local);

	if (r)
		return r == -EAFNOSUPPORT ? 0 : r;
	for (unsigned i = 0; i < count && r == 0; i++) {
		struct roce_socket **socket = &pairs->workers[i].sockets[place];

		r = i ? roce_socket_open(&options, socket) : open_first(wanted, &local, socket);
		if (r)
			break;
		pairs->workers[i].socket_count++;
		roce_socket_fragment(*socket);
		local = roce_socket_local(*socket);
		if (i == 0 && count > 1)
			r = roce_socket_share(*socket);
	}
	if (r == 0 && count > 1)
		r = roce_socket_steer(pairs->workers[0].sockets[place], count);
	pairs->ports[place] = local;
	pairs->port_count += r == 0;
	return r;
}

static void close_ports(struct queue_pairs *pairs, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct roce_worker *worker = &pairs->workers[i];

		while (worker->socket_count)
			roce_socket_close(worker->sockets[--worker->socket_count]);
	}
	pairs->port_count = 0;
}

/* Returns 0 or a negative errno: then nothing is open. */
static int open_ports(struct queue_pairs *pairs, const struct listeners *listeners, uint16_t wanted,
		      unsigned count)
{
	int r = 0;

	for (unsigned i = 0; i < listeners->count && r == 0; i++)
		r = open_port(pairs, &listeners->table[i], wanted, count);
	if (r)
		close_ports(pairs, count);
	return r;
}

static bool is_wanted(const struct namespaces *namespaces, const struct settings *settings)
{
	bool wanted = false;

	for (unsigned i = 0; i < namespaces->count; i++)
		wanted |= namespaces->table[i].domain == CONTROL_DOMAIN_CPU;
	return wanted && settings->transports & CONTROL_ROCE;
}

static void inbox_ready(struct source *source, uint32_t events)
{
	struct queue_pairs *pairs = container_of(source, struct queue_pairs, inbox.source);
	struct mail *mail;
	uint32_t bits;

	(void)events;
	mailbox_quiet(&pairs->inbox.mailbox);
	while ((mail = mailbox_take(&pairs->inbox.mailbox, &bits))) {
		struct roce_queue_pair *pair = container_of(mail, struct roce_queue_pair, to_main);

		if (bits & QUEUE_PAIR_FAILED) {
			pair->fence.has_ended = true;
			session_path_ended(session_of_fence(&pair->fence), CONTROL_ROCE,
					   END_queue_pair_refused, 0);
		}
		if (!(bits & QUEUE_PAIR_GONE))
			continue;
		pairs->qpns_taken[pair->qpn / 8] &= (uint8_t) ~(1 << pair->qpn % 8);
		pairs->count--;
		fence_closed(&pair->fence);
		free(pair);
	}
}

/* Returns 0 or a negative errno. */
static int start_workers(struct queue_pairs *pairs, const struct settings *settings)
{
	unsigned count = settings->workers;
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		r = roce_worker_start(&pairs->workers[i], (enum transport_poll)settings->poll,
				      (uint32_t)settings->sessions_max / count,
				      &pairs->inbox.mailbox);
		pairs->worker_count += r == 0;
	}
	return r;
}

int queue_pairs_open(struct queue_pairs *pairs, struct loop *loop,
		     const struct listeners *listeners, const struct namespaces *namespaces,
		     const struct settings *settings, char *reason, size_t reason_bytes)
{
	int r;

	if (!is_wanted(namespaces, settings))
		return 0;
	pairs->qpns_taken = calloc(QPN_COUNT / 8, 1);
	pairs->workers = calloc(settings->workers, sizeof *pairs->workers);
	r = pairs->qpns_taken && pairs->workers ? inbox_open(&pairs->inbox, loop, inbox_ready)
						: -ENOMEM;
	if (r == 0)
		r = open_ports(pairs, listeners, (uint16_t)settings->roce_port,
			       (unsigned)settings->workers);
	if (r && settings->transports != CONTROL_ROCE) {
		/* The other sockets will do: a kernel or a profile may refuse what this one
		 * needs. */
		log_warning("transport roce is not offered, its sockets cannot be had: %s",
			    strerrordesc_np(-r));
		return 0;
	}
	if (r == 0)
		r = start_workers(pairs, settings);
	if (r)
		snprintf(reason, reason_bytes, "transport roce cannot be served: %s",
			 strerrordesc_np(-r));
	return r;
}

uint64_t queue_pairs_counter(const struct queue_pairs *pairs, unsigned counter)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < pairs->worker_count; i++)
		value += atomic_load_explicit(&pairs->workers[i].figures[counter],
					      memory_order_relaxed);
	return value;
}

/* How many numbers are taken. */
static unsigned taken_count(const struct queue_pairs *pairs)
{
	const uint64_t *words = (const uint64_t *)(const void *)pairs->qpns_taken;
	unsigned count = 0;

	for (unsigned i = 0; words && i < QPN_COUNT / 64; i++)
		count += (unsigned)__builtin_popcountll(words[i]);
	return count;
}

void queue_pairs_close(struct queue_pairs *pairs)
{
	while (pairs->worker_count)
		roce_worker_stop(&pairs->workers[--pairs->worker_count]);
	free(pairs->workers);
	/* Every queue pair has a number, and no other number is taken. */
	assert(pairs->count == taken_count(pairs));
	free(pairs->qpns_taken);
	pairs->workers = NULL;
	pairs->qpns_taken = NULL;
	inbox_close(&pairs->inbox);
}

/* ---- queue pairs ---- */

bool queue_pairs_full(const struct session *session)
{
	return fences_count(&session->fences, &fence_ops) == SESSION_QUEUE_PAIRS_MAX;
}

static bool take_qpn(struct queue_pairs *pairs, uint32_t qpn)
{
	uint8_t *byte = &pairs->qpns_taken[qpn / 8], bit = (uint8_t)(1 << qpn % 8);

	if (qpn < 2 || qpn == ROCE_PSN_MASK || *byte & bit) /* 0, 1 and the last one are special */
		return false;
	*byte |= bit;
	return true;
}

/* Choose a free queue pair number, by which the kernel will find the worker. */
static int draw_qpn(struct queue_pairs *pairs, uint32_t *ret_qpn)
{
	do
		if (getrandom(ret_qpn, sizeof *ret_qpn, 0) != sizeof *ret_qpn)
			return -EIO;
	while (!take_qpn(pairs, *ret_qpn &= ROCE_PSN_MASK));
	return 0;
}

static bool is_link_local(const struct roce_address *address)
{
	return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

int queue_pairs_find_port(const struct queue_pairs *pairs, struct roce_address *local)
{
	if (is_link_local(local))
		return -EADDRNOTAVAIL; /* it takes an interface, too */
	for (unsigned i = 0; i < pairs->port_count; i++) {
		const struct roce_address *port = &pairs->ports[i];

		local->port = port->port;
		if (roce_address_same_ip(port, local) ||
		    (roce_address_is_any(port) &&
		     roce_address_is_ipv4(port) == roce_address_is_ipv4(local)))
			return 0;
	}
	return -EADDRNOTAVAIL;
}

/* The MTU for packets to @remote: what the client says, as far as this host's path there allows. */
static uint32_t mtu_for(const struct control_queue_pair *theirs, const struct roce_address *remote)
{
	struct roce_address local;
	int here = roce_route(remote, &local), there = le16_get(theirs->mtu);

	return (uint32_t)(here > 0 && here < there ? here : there);
}

int queue_pairs_make(struct queue_pairs *pairs, struct session *session,
		     const struct control_queue_pair *theirs, const struct roce_address *local,
		     struct roce_queue_pair **ret_pair)
{
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
	/* A random address says nothing about where the arena is, and an old rkey opens nothing
	 * new. */
	r = getrandom(&config.memory.rkey, sizeof config.memory.rkey, 0) < 0 ||
			    getrandom(&random, sizeof random, 0) < 0
		    ? -EIO
		    : draw_qpn(pairs, &pair->qpn);
	if (r) {
		free(pair);
		return r;
	}
	config.memory.address = (random & 0x7fff) << 46;
	pair->worker = &pairs->workers[pair->qpn % pairs->worker_count];
	list_init(&pair->busy);
	roce_responder_init(&pair->responder, &config, NULL);
	fence_open(&session->fences, &pair->fence, &fence_ops, CONTROL_ROCE);
	pairs->count++;
	mailbox_post(&pair->worker->inbox, &pair->to_worker, QUEUE_PAIR_BEGIN);
	*ret_pair = pair;
	return 0;
}
