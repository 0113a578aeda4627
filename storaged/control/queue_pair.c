/* SPDX-License-Identifier: Apache-2.0 */
/* QUEUE_PAIR: the ends of transport roce are exchanged. */
#include "storaged/control/handlers.h"

#include <errno.h>

/* The address at which the client of @control reached storaged; over a unix socket, the one that
 * WELCOME named. */
static int find_address(const struct control *control, struct roce_address *ret_local)
{
	if (!control->is_unix)
		return socket_address(control->source.fd, false, ret_local);
	return listener_named(control->context->listeners, ret_local->ip) ? 0 : -EADDRNOTAVAIL;
}

/* The same, and the port there. */
static int find_port(const struct control *control, struct roce_address *ret_local)
{
	int r = find_address(control, ret_local);

	return r ? r : queue_pairs_find_port(control->context->queue_pairs, ret_local);
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

/* Whether @address is one of this host's own, from which packets to it come. */
static bool is_of_this_host(const struct roce_address *address)
{
	struct roce_address local;

	return roce_route(address, &local) > 0 && roce_address_same_ip(address, &local);
}

/* Whether the client is at the address that it gives for packets, so that no client directs packets
 * at others. Over a unix socket there is no address to compare, but the client is a process of this
 * host. A process with a network of its own cannot show where it is: it has to begin its session
 * over TCP. */
static bool is_own_address(const struct control *control, const struct control_queue_pair *theirs)
{
	struct roce_address peer, named = {.port = le16_get(theirs->port)};

	memcpy(named.ip, theirs->ip, sizeof named.ip);
	if (control->is_unix)
		return is_of_this_host(&named);
	return socket_address(control->source.fd, true, &peer) == 0 &&
	       roce_address_same_ip(&peer, &named);
}

static void refuse_more(struct control *control, const struct control_header *header, int most)
{
	control_refuse(control, header, WIRE_ACCESS,
		       "the session has %d queue pairs, as many as it may", most);
}

/* Answer with the queue pair that was made on the device. */
static void answer_made(struct control *control, const struct control_header *header)
{
	char reason[CONTROL_SENTENCE_BYTES_MAX];
	struct control_queue_pair ours;
	int r = device_pairs_take(control->context->device_pairs, control->session, &ours, reason,
				  sizeof reason);

	if (r == 0)
		control_reply(control, header, &ours, sizeof ours);
	else if (r > 0)
		refuse_more(control, header, SESSION_PEERS_MAX);
	else
		control_refuse(control, header, WIRE_DEVICE, "%s", reason);
}

/* In the domain `device`: begin to make the queue pair, and answer when called again. */
static void make_on_device(struct control *control, const struct control_header *header,
			   const struct control_queue_pair *theirs)
{
	struct session *session = control->session;
	int r;

	if (device_pairs_have(session)) {
		answer_made(control, header);
	} else if (device_peers_full(session)) {
		refuse_more(control, header, SESSION_PEERS_MAX);
	} else if ((r = device_pairs_begin(control->context->device_pairs, session, theirs)) ==
		   -EAGAIN) {
		/* A neighbour that does not answer takes a second: then the client uses tcp
		 * instead. */
		control_refuse(control, header, WIRE_DEVICE,
			       "storaged is making %d queue pairs, as many as it may at a time",
			       DEVICE_PAIRS_MAKING_MAX);
	} else if (r) {
		control_refuse(control, header, WIRE_INTERNAL, "no queue pair can be made: %s",
			       strerrordesc_np(-r));
	} else {
		control->waits = true;
	}
}

void handle_queue_pair(struct control *control, const struct control_header *header,
		       const uint8_t *body)
{
	const struct control_queue_pair *theirs = (const void *)body;
	const struct context *context = control->context;
	struct session *session = control->session;
	struct roce_queue_pair *pair;
	struct roce_address local;
	int r;

	if (!(context_transports(context, session->space) & CONTROL_ROCE)) {
		control_refuse(control, header, WIRE_TRANSPORT, NULL);
	} else if (!is_own_address(control, theirs)) {
		control_refuse(control, header, WIRE_ACCESS,
			       "packets would come from another address than this connection: is "
			       "there address translation on the way?");
	} else if (session->space->domain == CONTROL_DOMAIN_DEVICE) {
		make_on_device(control, header, theirs);
	} else if (queue_pairs_full(session)) {
		refuse_more(control, header, SESSION_QUEUE_PAIRS_MAX);
	} else if ((r = find_port(control, &local)) != 0 ||
		   (r = queue_pairs_make(context->queue_pairs, session, theirs, &local, &pair)) !=
			   0) {
		control_refuse(control, header, WIRE_INTERNAL, "no queue pair can be made: %s",
			       strerrordesc_np(-r));
	} else {
		reply_with(control, header, pair);
	}
}
