/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting queue pairs. A peer belongs to its owner as soon as its connection request was
 * accepted, before the client has confirmed. Whatever becomes of it, `left` or the end of the
 * owner's session takes it down, so half-open connections are limited by what `admit` lets in.
 *
 * Threads: one thread calls everything of a listener and its peers. An event is acknowledged before
 * a callback learns of it, so that the callback may destroy the peer.
 */
#include "lib/verbs/host/device.h"
#include "lib/verbs/queue_pair.h"
#include "lib/verbs/host/peer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The connection requests that the kernel keeps for us; it drops more, and their senders repeat
 * them. */
#define BACKLOG 256
/* The events of one dispatch: the caller has other work, too. */
#define DISPATCH_MAX 64
/* Nothing is ever posted on this side; a device needs some size. */
#define COMPLETIONS_MAX 16

struct verbs_listener {
	struct verbs_device *device;
	struct verbs_listener_callbacks callbacks;
	void *context;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	uint16_t port;
};

/* ---- connection requests ---- */

struct request {
	struct rdma_cm_id *id;
	struct verbs_hello hello;
	bool well_formed;
	uint8_t responder_resources; /* the outstanding READs and atomics asked for */
};

static int create_queue_pair(struct verbs_listener *listener, struct rdma_cm_id *id,
			     struct verbs_region *region)
{
	struct ibv_qp_init_attr attributes = {
		.send_cq = listener->cq,
		.recv_cq = listener->cq,
		.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1},
		.qp_type = IBV_QPT_RC,
	};

	assert(region->device == listener->device);
	return verbs_api.cm.create_qp(id, region->pd, &attributes);
}

static int accept_request(struct verbs_listener *listener, const struct request *request)
{
	int resources_max = listener->device->attributes.max_qp_rd_atom;
	struct rdma_conn_param parameters = {.rnr_retry_count = 6};

	if (resources_max > VERBS_RD_ATOMIC_MAX)
		resources_max = VERBS_RD_ATOMIC_MAX;
	parameters.responder_resources = request->responder_resources < resources_max
						 ? request->responder_resources
						 : resources_max;
	return verbs_api.cm.accept(request->id, &parameters);
}

/* Returns false when the request is to be refused. */
static bool take_in(struct verbs_listener *listener, const struct request *request)
{
	struct verbs_peer *peer;
	struct verbs_region *region;
	void *owner = NULL;

	/* Device addresses only: a request through another device could not use the region's. */
	if (!request->well_formed || request->id->verbs != listener->device->context)
		return false;
	peer = calloc(1, sizeof *peer);
	if (!peer)
		return false;
	region = listener->callbacks.admit(listener->context, &request->hello, &owner);
	if (!region || create_queue_pair(listener, request->id, region))
		goto refused;
	peer->id = request->id;
	peer->owner = owner;
	peer->id->context = peer;
	if (accept_request(listener, request)) {
		verbs_api.cm.destroy_qp(request->id);
		goto refused;
	}
	listener->callbacks.joined(listener->context, owner, peer);
	return true;
refused:
	free(peer);
	return false;
}

static void connect_request(struct verbs_listener *listener, const struct request *request)
{
	if (take_in(listener, request))
		return;
	verbs_api.cm.reject(request->id, NULL, 0);
	verbs_api.cm.destroy_id(request->id);
}

static struct request copy_request(const struct rdma_cm_event *event)
{
	const struct rdma_conn_param *parameters = &event->param.conn;
	struct request request = {
		.id = event->id,
		.responder_resources = parameters->responder_resources,
	};

	/* rdma_cm pads private data to the greatest length: only less is a mistake. */
	if (!parameters->private_data || parameters->private_data_len < sizeof request.hello)
		return request;
	memcpy(&request.hello, parameters->private_data, sizeof request.hello);
	request.well_formed =
		memcmp(request.hello.magic, CONTROL_MAGIC, sizeof request.hello.magic) == 0;
	return request;
}

/* ---- events ---- */

static void peer_event(struct verbs_listener *listener, struct verbs_peer *peer,
		       enum rdma_cm_event_type type)
{
	switch (type) {
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		if (peer->left)
			return;
		peer->left = true;
		listener->callbacks.left(listener->context, peer->owner, peer);
		return;
	default:
		return;
	}
}

void verbs_listener_dispatch(struct verbs_listener *listener)
{
	struct rdma_cm_event *event;

	for (unsigned i = 0;
	     i < DISPATCH_MAX && verbs_api.cm.get_cm_event(listener->channel, &event) == 0; i++) {
		enum rdma_cm_event_type type = event->event;
		struct verbs_peer *peer = event->id->context;

		if (type == RDMA_CM_EVENT_CONNECT_REQUEST) {
			struct request request = copy_request(event);

			verbs_api.cm.ack_cm_event(event);
			connect_request(listener, &request);
			continue;
		}
		verbs_api.cm.ack_cm_event(event);
		if (peer) /* NULL: the listening id */
			peer_event(listener, peer, type);
	}
}

/* ---- life ---- */

static int fill(struct verbs_listener *listener, uint16_t port)
{
	struct sockaddr_storage address;
	int flags;

	listener->channel = verbs_api.cm.create_event_channel();
	if (!listener->channel)
		return -errno;
	flags = fcntl(listener->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(listener->channel->fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	errno = 0;
	listener->cq =
		verbs_api.ibv.create_cq(listener->device->context, COMPLETIONS_MAX, NULL, NULL, 0);
	if (!listener->cq)
		return errno ? -errno : -EIO;
	verbs_address_with_port(&address, (struct sockaddr *)&listener->device->sockaddr, port);
	if (verbs_api.cm.create_id(listener->channel, &listener->id, NULL, RDMA_PS_TCP) ||
	    verbs_api.cm.bind_addr(listener->id, (struct sockaddr *)&address) ||
	    verbs_api.cm.listen(listener->id, BACKLOG))
		return -errno;
	listener->port = ntohs(verbs_api.cm.get_src_port(listener->id));
	return 0;
}

int verbs_listener_open(struct verbs_device *device, uint16_t port,
			const struct verbs_listener_callbacks *callbacks, void *context,
			struct verbs_listener **ret_listener, char *reason, size_t reason_bytes)
{
	struct verbs_listener *listener = calloc(1, sizeof *listener);
	int status = -ENOMEM;

	if (listener) {
		listener->device = device;
		listener->callbacks = *callbacks;
		listener->context = context;
		status = fill(listener, port);
	}
	if (status) {
		snprintf(reason, reason_bytes,
			 "listening on the RDMA device %s at %s port %u failed: %s", device->name,
			 device->address, port, strerror(-status));
		verbs_listener_close(listener);
		return status;
	}
	*ret_listener = listener;
	return 0;
}

void verbs_listener_close(struct verbs_listener *listener)
{
	if (!listener)
		return;
	if (listener->id)
		verbs_api.cm.destroy_id(listener->id);
	if (listener->cq)
		verbs_api.ibv.destroy_cq(listener->cq);
	if (listener->channel)
		verbs_api.cm.destroy_event_channel(listener->channel);
	free(listener);
}

uint16_t verbs_listener_port(const struct verbs_listener *listener)
{
	return listener->port;
}

int verbs_listener_fd(const struct verbs_listener *listener)
{
	return listener->channel->fd;
}
