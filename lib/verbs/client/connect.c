/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function's side: a queue pair that rdma_cm connects to storaged's listener.
 *
 * The end of the other side is noticed while something is in flight. storaged destroys a peer with
 * a disconnect, which arrives as an event that every wait looks for; the kernel of a killed
 * storaged sends the same. That a host fell silent the session's health says, which is what the
 * control connection found out. Where the control connection goes on and the path of the queue pair
 * does not, the device's retries fail, which take at least the session's timeout: late is not dead.
 * In each case the queue pair goes to the error state at once, and what is in flight ends.
 */
#include "lib/core/clock.h"
#include "lib/verbs/address.h"
#include "lib/verbs/hello.h"
#include "lib/verbs/queue_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The longest sleep in a wait for rdma_cm, so that a change of health is seen. */
#define SLEEP_NS_MAX 20000000

/* The reasons of a rejection, which rdma_cm passes on as they are sent (IBTA 12.6.7.2). */
#define REJECTED_NO_LISTENER 8
#define REJECTED_BY_LISTENER 28

struct connection {
	struct queue_pair queue_pair;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	bool connecting; /* rdma_connect was called, and no disconnect since */
};

struct attempt {
	const struct attachment *attachment;
	struct connection *connection;
	char address[VERBS_ADDRESS_BYTES];
	uint16_t port;
	int64_t deadline_ns;
};

/* ---- the connection, once there ---- */

static const char *connection_lost(struct queue_pair *queue_pair)
{
	struct connection *connection = (struct connection *)queue_pair;
	struct rdma_cm_event *event;
	enum rdma_cm_event_type type;

	if (verbs_api.cm.get_cm_event(connection->channel, &event))
		return NULL;
	type = event->event;
	verbs_api.cm.ack_cm_event(event);
	switch (type) {
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
	/* storaged went before it had heard that this end is connected, and rdma_get_cm_event has
	 * put the queue pair into the error state. */
	case RDMA_CM_EVENT_REJECTED:
		return "storaged's end of the queue pair was disconnected";
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return "this host's RDMA device was removed";
	case RDMA_CM_EVENT_CONNECT_ERROR:
		return "rdma_cm could not finish connecting the queue pair";
	default:
		return NULL;
	}
}

static void connection_sever(struct queue_pair *queue_pair)
{
	struct connection *connection = (struct connection *)queue_pair;

	if (connection->connecting)
		verbs_api.cm.disconnect(connection->id);
	connection->connecting = false;
}

static void connection_close(struct queue_pair *queue_pair)
{
	struct connection *connection = (struct connection *)queue_pair;

	connection_sever(queue_pair);
	if (connection->id && connection->id->qp)
		verbs_api.cm.destroy_qp(connection->id);
	queue_pair_fini(queue_pair);
	if (connection->pd)
		verbs_api.ibv.dealloc_pd(connection->pd);
	if (connection->id)
		verbs_api.cm.destroy_id(connection->id);
	if (connection->channel)
		verbs_api.cm.destroy_event_channel(connection->channel);
	free(connection);
}

static const struct queue_pair_hooks connection_hooks = {
	.lost = connection_lost,
	.sever = connection_sever,
	.close = connection_close,
};

/* ---- connecting ---- */

#define EXPLAIN(attempt, ...) \
	snprintf((attempt)->attachment->reason, (attempt)->attachment->reason_bytes, __VA_ARGS__)

static int explain_errno(const struct attempt *attempt, const char *what)
{
	int error = errno ? errno : EIO;

	EXPLAIN(attempt, "%s %s failed: %s%s", what, attempt->address, strerror(error),
		verbs_memory_hint(error));
	return -error;
}

static int explain_late(const struct attempt *attempt, const char *awaited)
{
	EXPLAIN(attempt, "%s did not answer over RDMA in time (%s)", attempt->address, awaited);
	return -ETIMEDOUT;
}

/* Another event than the awaited one came. */
static int explain_event(const struct attempt *attempt, enum rdma_cm_event_type type, int status)
{
	switch (type) {
	case RDMA_CM_EVENT_ADDR_ERROR:
		EXPLAIN(attempt, "no RDMA device of this host leads to %s", attempt->address);
		return -ENODEV;
	case RDMA_CM_EVENT_ROUTE_ERROR:
		EXPLAIN(attempt, "there is no RDMA route to %s", attempt->address);
		return -EHOSTUNREACH;
	case RDMA_CM_EVENT_UNREACHABLE:
		EXPLAIN(attempt, "%s does not answer over RDMA", attempt->address);
		return -ETIMEDOUT;
	case RDMA_CM_EVENT_REJECTED:
		if (status == REJECTED_BY_LISTENER) {
			EXPLAIN(attempt, "storaged at %s refused the session a queue pair",
				attempt->address);
			return -EACCES;
		}
		if (status == REJECTED_NO_LISTENER) {
			EXPLAIN(attempt, "nobody listens at %s port %u over RDMA", attempt->address,
				attempt->port);
			return -ECONNREFUSED;
		}
		/* fall through */
	default:
		EXPLAIN(attempt, "%s: %s, status %d", attempt->address,
			verbs_api.cm.event_str(type), status);
		return -ECONNREFUSED;
	}
}

static int await(const struct attempt *attempt, enum rdma_cm_event_type wanted)
{
	const _Atomic int *health = attempt->attachment->health;
	struct rdma_event_channel *channel = attempt->connection->channel;

	for (;;) {
		struct pollfd descriptor = {.fd = channel->fd, .events = POLLIN};
		struct rdma_cm_event *event;
		int64_t left = attempt->deadline_ns - clock_now_ns();
		struct timespec timeout = {.tv_nsec = left < SLEEP_NS_MAX ? left : SLEEP_NS_MAX};

		if (verbs_api.cm.get_cm_event(channel, &event) == 0) {
			enum rdma_cm_event_type type = event->event;
			int status = event->status;

			verbs_api.cm.ack_cm_event(event);
			return type == wanted ? 0 : explain_event(attempt, type, status);
		}
		if (errno != EAGAIN && errno != EINTR)
			return explain_errno(attempt, "waiting for rdma_cm to reach");
		if (health && atomic_load_explicit(health, memory_order_acquire)) {
			EXPLAIN(attempt, "the session ended while connecting");
			return -ECONNRESET;
		}
		if (left <= 0)
			return explain_late(attempt, verbs_api.cm.event_str(wanted));
		ppoll(&descriptor, 1, &timeout, NULL);
	}
}

static int open_channel(struct attempt *attempt)
{
	struct connection *connection = attempt->connection;
	int flags;

	connection->channel = verbs_api.cm.create_event_channel();
	if (!connection->channel) {
		EXPLAIN(attempt, "this host has no RDMA device that rdma_cm knows: %s",
			strerror(errno));
		return -ENODEV;
	}
	flags = fcntl(connection->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(connection->channel->fd, F_SETFL, flags | O_NONBLOCK) ||
	    verbs_api.cm.create_id(connection->channel, &connection->id, NULL, RDMA_PS_TCP))
		return explain_errno(attempt, "an rdma_cm identifier to reach");
	return 0;
}

struct source {
	const char *device;
	int family;
	struct sockaddr_storage address;
};

static int is_source(void *context, struct rdma_cm_id **id, const struct sockaddr *address)
{
	struct source *source = context;

	if (address->sa_family != source->family ||
	    strcmp(verbs_api.ibv.get_device_name((*id)->verbs->device), source->device) != 0)
		return 0;
	verbs_address_with_port(&source->address, address, 0);
	return 1;
}

static int resolve(struct attempt *attempt)
{
	struct rdma_cm_id *id = attempt->connection->id;
	struct source source = {.device = attempt->attachment->device};
	struct sockaddr_storage target;
	int timeout_ms = clock_poll_ms(attempt->attachment->connect_deadline_ns);
	uint8_t ack_timeout = queue_pair_ack_timeout(attempt->attachment->timeout_ns);
	int status;

	if (verbs_address_parse(attempt->address, attempt->port, &target)) {
		EXPLAIN(attempt, "storaged's RDMA address is not a numeric address");
		return -EPROTO;
	}
	/* To the kernel a timeout of 0 is an invalid argument of resolve_route. */
	if (timeout_ms == 0)
		return explain_late(attempt, "resolving");
	if (source.device) {
		source.family = target.ss_family;
		if (verbs_each_address(attempt->connection->channel, is_source, &source) != 1) {
			EXPLAIN(attempt,
				"there is no RDMA device %s with an address to reach %s from",
				source.device, attempt->address);
			return -ENODEV;
		}
	}
	if (verbs_api.cm.resolve_addr(id, source.device ? (struct sockaddr *)&source.address : NULL,
				      (struct sockaddr *)&target, timeout_ms)) {
		if (errno == ENODEV || errno == EADDRNOTAVAIL || errno == ENETUNREACH)
			return explain_event(attempt, RDMA_CM_EVENT_ADDR_ERROR, 0);
		return explain_errno(attempt, "resolving");
	}
	status = await(attempt, RDMA_CM_EVENT_ADDR_RESOLVED);
	if (status)
		return status;
	if (verbs_api.cm.set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &ack_timeout,
				    sizeof ack_timeout))
		return explain_errno(attempt, "setting the ack timeout towards");
	if (verbs_api.cm.resolve_route(id, timeout_ms))
		return explain_errno(attempt, "finding the RDMA route to");
	return await(attempt, RDMA_CM_EVENT_ROUTE_RESOLVED);
}

static int make_queue_pair(struct attempt *attempt, uint32_t *ret_inline_bytes)
{
	const struct attachment *attachment = attempt->attachment;
	struct connection *connection = attempt->connection;
	struct queue_pair_config config = {
		.context = connection->id->verbs,
		.region_address = le64_get(attachment->welcome->region_address),
		.region_bytes = le64_get(attachment->welcome->region_bytes),
		.rkey = le32_get(attachment->welcome->region_rkey),
		.poll = attachment->poll,
		.timeout_ns = transport_data_timeout_ns(attachment),
		.health = attachment->health,
		.breakage = attachment->breakage,
		.event_fd = connection->channel->fd,
	};
	struct ibv_qp_init_attr attributes;
	int status;

	connection->pd = verbs_api.ibv.alloc_pd(connection->id->verbs);
	if (!connection->pd)
		return explain_errno(attempt, "a protection domain for the queue pair to");
	config.pd = connection->pd;
	status = queue_pair_init(&connection->queue_pair, &connection_hooks, &config,
				 attachment->reason, attachment->reason_bytes);
	if (status)
		return status;
	attributes = queue_pair_attributes(&connection->queue_pair);
	if (verbs_api.cm.create_qp(connection->id, connection->pd, &attributes))
		return explain_errno(attempt, "making a queue pair to");
	*ret_inline_bytes = attributes.cap.max_inline_data;
	return 0;
}

static int establish(struct attempt *attempt)
{
	const struct control_welcome *welcome = attempt->attachment->welcome;
	struct rdma_cm_id *id = attempt->connection->id;
	struct verbs_hello hello = {.session = welcome->session};
	struct ibv_device_attr attributes;
	struct rdma_conn_param parameters = {
		.private_data = &hello,
		.private_data_len = sizeof hello,
		.retry_count = QUEUE_PAIR_RETRY_COUNT,
		.rnr_retry_count = QUEUE_PAIR_RETRY_COUNT,
	};

	memcpy(hello.magic, CONTROL_MAGIC, sizeof hello.magic);
	memcpy(hello.cookie, welcome->cookie, sizeof hello.cookie);
	if (verbs_api.ibv.query_device(id->verbs, &attributes))
		return explain_errno(attempt, "asking the device that leads to");
	/* rdma_cm lowers it to what storaged accepts. This side serves no READs itself. */
	parameters.initiator_depth = attributes.max_qp_init_rd_atom < VERBS_RD_ATOMIC_MAX
					     ? attributes.max_qp_init_rd_atom
					     : VERBS_RD_ATOMIC_MAX;
	if (verbs_api.cm.connect(id, &parameters))
		return explain_errno(attempt, "connecting to");
	attempt->connection->connecting = true;
	return await(attempt, RDMA_CM_EVENT_ESTABLISHED);
}

int transport_verbs_connect(const struct attachment *attachment, struct transport **ret_transport)
{
	const struct control_welcome *welcome = attachment->welcome;
	struct attempt attempt = {
		.attachment = attachment,
		.port = le16_get(welcome->verbs_port),
		.deadline_ns = attachment->connect_deadline_ns,
	};
	uint32_t inline_bytes = 0;
	int status = verbs_api_load(attachment->reason, attachment->reason_bytes);

	if (status)
		return status;
	_Static_assert(sizeof attempt.address == sizeof welcome->verbs_address, "address");
	memcpy(attempt.address, welcome->verbs_address, sizeof attempt.address);
	attempt.address[sizeof attempt.address - 1] = '\0';
	attempt.connection = calloc(1, sizeof *attempt.connection);
	if (!attempt.connection) {
		EXPLAIN(&attempt, "no memory");
		return -ENOMEM;
	}
	status = open_channel(&attempt);
	if (status == 0)
		status = resolve(&attempt);
	if (status == 0)
		status = make_queue_pair(&attempt, &inline_bytes);
	if (status == 0)
		status = establish(&attempt);
	if (status) {
		connection_close(&attempt.connection->queue_pair);
		return status;
	}
	queue_pair_start(&attempt.connection->queue_pair, attempt.connection->id->qp, inline_bytes);
	*ret_transport = (struct transport *)attempt.connection;
	return 0;
}
