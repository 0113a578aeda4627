/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/responder.h"

#include <assert.h>
#include <string.h>

void roce_responder_init(struct roce_responder *responder,
			 const struct roce_responder_config *config, struct roce_counters *counters)
{
	assert(config->replay_count >= 1 && config->replay_count <= ROCE_RD_ATOMIC_MAX);
	assert(config->mtu >= ROCE_MTU_MIN && config->mtu <= ROCE_MTU_MAX);
	*responder = (struct roce_responder){
		.config = *config, .counters = counters, .psn = config->psn};
	roce_path_prepare(&responder->config.path);
}

/* ---- responses ---- */

static void respond(struct roce_responder *responder, struct roce_batch *batch,
		    const struct roce_packet *response)
{
	uint8_t *at = roce_batch_next(batch);
	size_t bytes = roce_encode(response, at);

	roce_batch_commit(batch, &responder->config.path, bytes);
	responder->counters->packets_sent++;
}

static void acknowledge(struct roce_responder *responder, struct roce_batch *batch, uint32_t psn,
			uint8_t syndrome)
{
	struct roce_packet response = {
		.opcode = ROCE_ACKNOWLEDGE,
		.qpn = responder->config.remote_qpn,
		.psn = psn,
		.syndrome = syndrome,
		.msn = responder->msn,
	};

	/* A negative acknowledge acknowledges what came before it, too. */
	responder->ack_due = false;
	respond(responder, batch, &response);
}

static void answer_atomic(struct roce_responder *responder, struct roce_batch *batch, uint32_t psn,
			  uint64_t original)
{
	struct roce_packet response = {
		.opcode = ROCE_ATOMIC_ACKNOWLEDGE,
		.qpn = responder->config.remote_qpn,
		.psn = psn,
		.syndrome = ROCE_SYNDROME_ACK,
		.msn = responder->msn,
		.original = original,
	};

	respond(responder, batch, &response);
}

/* Give the queue pair up over the request at @psn. */
static void refuse(struct roce_responder *responder, struct roce_batch *batch, uint8_t syndrome,
		   uint32_t psn)
{
	if (syndrome == ROCE_SYNDROME_NAK_REQUEST)
		responder->counters->naks_request++;
	else
		responder->counters->naks_access++;
	acknowledge(responder, batch, psn, syndrome);
	responder->state = ROCE_RESPONDER_ERROR;
}

/* ---- checks ---- */

/* Whether @packet may touch @bytes at its address. A message of no bytes touches nothing
 * (9.7.4.1.5). */
static bool may_touch(const struct roce_responder *responder, const struct roce_packet *packet,
		      uint32_t bytes, unsigned access)
{
	const struct roce_memory *memory = &responder->config.memory;
	uint64_t offset = packet->address - memory->address;

	if (bytes == 0)
		return true;
	return packet->rkey == memory->rkey && memory->access & access &&
	       packet->address >= memory->address && offset < memory->bytes &&
	       bytes <= memory->bytes - offset;
}

static uint64_t offset_of(const struct roce_responder *responder, const struct roce_packet *packet)
{
	return packet->address - responder->config.memory.address;
}

/* ---- requests in their order ---- */

static void expect_next(struct roce_responder *responder, uint32_t count)
{
	responder->psn = roce_psn_add(responder->psn, count);
	responder->position += count;
}

static void write_payload(struct roce_responder *responder, const struct roce_packet *packet)
{
	const struct roce_memory *memory = &responder->config.memory;

	if (packet->payload_bytes)
		memory->ops->write(memory->context, responder->offset, packet->payload,
				   packet->payload_bytes);
	responder->offset += packet->payload_bytes;
	responder->left_bytes -= packet->payload_bytes;
}

static void take_write(struct roce_responder *responder, const struct roce_packet *packet,
		       struct roce_batch *batch)
{
	uint32_t mtu = responder->config.mtu;
	bool begins = packet->opcode == ROCE_WRITE_FIRST || packet->opcode == ROCE_WRITE_ONLY;
	bool ends = packet->opcode == ROCE_WRITE_LAST || packet->opcode == ROCE_WRITE_ONLY;
	uint32_t left = begins ? packet->length_bytes : responder->left_bytes;

	/* All but the last packet are full, and the last has what is left (9.7.4.1.6). */
	if (ends ? packet->payload_bytes != left || left > mtu
		 : packet->payload_bytes != mtu || left <= mtu) {
		refuse(responder, batch, ROCE_SYNDROME_NAK_REQUEST, packet->psn);
		return;
	}
	if (begins) {
		if (!may_touch(responder, packet, left, ROCE_ACCESS_WRITE)) {
			refuse(responder, batch, ROCE_SYNDROME_NAK_ACCESS, packet->psn);
			return;
		}
		responder->offset = offset_of(responder, packet);
		responder->left_bytes = left;
	}
	write_payload(responder, packet);
	responder->state = ends ? ROCE_RESPONDER_READY : ROCE_RESPONDER_WRITING;
	expect_next(responder, 1);
	if (ends)
		responder->msn = roce_psn_add(responder->msn, 1);
	responder->ack_due |= packet->ack_request;
	responder->ack_psn = packet->psn;
}

static void begin_read(struct roce_responder *responder, const struct roce_packet *packet)
{
	responder->state = ROCE_RESPONDER_READING;
	responder->offset = offset_of(responder, packet);
	responder->left_bytes = packet->length_bytes;
	responder->read_psn = packet->psn;
	responder->read_begun = false;
}

static bool is_readable(const struct roce_responder *responder, uint32_t length_bytes)
{
	uint32_t bytes_max = responder->config.read_bytes_max;

	return length_bytes <= (bytes_max ? bytes_max : INT32_MAX) &&
	       roce_psn_count(length_bytes, responder->config.mtu) <= ROCE_PSN_MASK / 2;
}

static void take_read(struct roce_responder *responder, const struct roce_packet *packet,
		      struct roce_batch *batch)
{
	uint32_t count = roce_psn_count(packet->length_bytes, responder->config.mtu);

	if (!is_readable(responder, packet->length_bytes)) {
		refuse(responder, batch, ROCE_SYNDROME_NAK_REQUEST, packet->psn);
		return;
	}
	if (!may_touch(responder, packet, packet->length_bytes, ROCE_ACCESS_READ)) {
		refuse(responder, batch, ROCE_SYNDROME_NAK_ACCESS, packet->psn);
		return;
	}
	expect_next(responder, count);
	responder->msn = roce_psn_add(responder->msn, 1);
	responder->ack_due = false; /* the response acknowledges all before it */
	begin_read(responder, packet);
}

static void take_atomic(struct roce_responder *responder, const struct roce_packet *packet,
			struct roce_batch *batch)
{
	const struct roce_memory *memory = &responder->config.memory;
	struct roce_replay *replay;
	uint64_t offset = offset_of(responder, packet), original;

	if (packet->address % 8) {
		refuse(responder, batch, ROCE_SYNDROME_NAK_REQUEST, packet->psn);
		return;
	}
	if (!may_touch(responder, packet, 8, ROCE_ACCESS_ATOMIC)) {
		refuse(responder, batch, ROCE_SYNDROME_NAK_ACCESS, packet->psn);
		return;
	}
	original = packet->opcode == ROCE_FETCH_ADD
			   ? memory->ops->fetch_add(memory->context, offset, packet->swap_or_add)
			   : memory->ops->compare_swap(memory->context, offset, packet->compare,
						       packet->swap_or_add);
	replay = &responder->replay[responder->replay_total++ % responder->config.replay_count];
	*replay = (struct roce_replay){responder->position, original};
	expect_next(responder, 1);
	responder->msn = roce_psn_add(responder->msn, 1);
	responder->ack_due = false; /* the response acknowledges all before it */
	answer_atomic(responder, batch, packet->psn, original);
}

static bool is_middle_of_write(uint8_t opcode)
{
	return opcode == ROCE_WRITE_MIDDLE || opcode == ROCE_WRITE_LAST;
}

static void take_request(struct roce_responder *responder, const struct roce_packet *packet,
			 struct roce_batch *batch)
{
	responder->nak_sent = false;
	if (is_middle_of_write(packet->opcode) != (responder->state == ROCE_RESPONDER_WRITING)) {
		refuse(responder, batch, ROCE_SYNDROME_NAK_REQUEST, packet->psn);
		return;
	}
	switch (packet->opcode) {
	case ROCE_READ_REQUEST:
		take_read(responder, packet, batch);
		break;
	case ROCE_COMPARE_SWAP:
	case ROCE_FETCH_ADD:
		take_atomic(responder, packet, batch);
		break;
	default:
		take_write(responder, packet, batch);
		break;
	}
}

/* ---- duplicates (9.7.5.1.3) ---- */

static const struct roce_replay *find_replay(const struct roce_responder *responder, uint32_t psn)
{
	uint32_t count = responder->config.replay_count;
	uint64_t newest = responder->replay_total, oldest = newest > count ? newest - count : 0;

	uint64_t position =
		responder->position + (uint64_t)(int64_t)roce_psn_distance(psn, responder->psn);

	/* Positions grow along the ring, PSNs but for their wrap. */
	while (oldest < newest) {
		uint64_t middle = oldest + (newest - oldest) / 2;
		const struct roce_replay *replay = &responder->replay[middle % count];

		if (replay->position == position)
			return replay;
		if (position < replay->position)
			newest = middle;
		else
			oldest = middle + 1;
	}
	return NULL;
}

static void take_duplicate_read(struct roce_responder *responder, const struct roce_packet *packet)
{
	uint32_t count = roce_psn_count(packet->length_bytes, responder->config.mtu);
	uint32_t end = roce_psn_add(packet->psn, count);
	int32_t beyond;

	/* Otherwise the place where a WRITE under way goes on would be lost. */
	if (!is_readable(responder, packet->length_bytes) ||
	    responder->state == ROCE_RESPONDER_WRITING ||
	    !may_touch(responder, packet, packet->length_bytes, ROCE_ACCESS_READ)) {
		responder->counters->dropped_unanswerable++;
		return;
	}
	/* The request may begin behind what was asked for before: then the request for that was
	 * lost, and a requester whose window has changed splits a READ in another way when it asks
	 * again. */
	beyond = roce_psn_distance(end, responder->psn);
	if (beyond > 0) {
		expect_next(responder, (uint32_t)beyond);
		responder->nak_sent = false;
	}
	begin_read(responder, packet);
}

static void take_duplicate(struct roce_responder *responder, const struct roce_packet *packet,
			   struct roce_batch *batch)
{
	const struct roce_replay *replay;

	responder->counters->duplicates++;
	switch (packet->opcode) {
	case ROCE_READ_REQUEST:
		take_duplicate_read(responder, packet);
		return;
	case ROCE_COMPARE_SWAP:
	case ROCE_FETCH_ADD:
		replay = find_replay(responder, packet->psn);
		if (replay)
			answer_atomic(responder, batch, packet->psn, replay->original);
		else
			responder->counters->dropped_unanswerable++;
		return;
	default:
		/* Acknowledge only this, and nothing that came behind it: rdma_rxe takes the
		 * acknowledge of a READ or an atomic, whose response was lost, for its response
		 * (rxe_comp.c, check_ack). */
		if (!responder->ack_due || roce_psn_distance(packet->psn, responder->ack_psn) > 0)
			responder->ack_psn = packet->psn;
		responder->ack_due = true;
		return;
	}
}

/* ---- the response to a READ ---- */

static uint8_t response_opcode(bool begins, bool ends)
{
	return begins ? ends ? ROCE_READ_RESPONSE_ONLY : ROCE_READ_RESPONSE_FIRST
	       : ends ? ROCE_READ_RESPONSE_LAST
		      : ROCE_READ_RESPONSE_MIDDLE;
}

static void respond_read(struct roce_responder *responder, struct roce_batch *batch)
{
	const struct roce_memory *memory = &responder->config.memory;
	uint32_t left = responder->left_bytes, mtu = responder->config.mtu;
	uint32_t bytes = left < mtu ? left : mtu;
	struct roce_packet response = {
		.opcode = response_opcode(!responder->read_begun, bytes == left),
		.qpn = responder->config.remote_qpn,
		.psn = responder->read_psn,
		.syndrome = ROCE_SYNDROME_ACK,
		.msn = responder->msn,
		.payload_bytes = bytes,
	};
	uint8_t *at = roce_batch_next(batch);
	size_t headers_end = roce_encode(&response, at);

	if (bytes)
		memory->ops->read(memory->context, responder->offset, at + headers_end, bytes);
	roce_batch_commit(batch, &responder->config.path, roce_pad(at, headers_end, bytes));
	responder->counters->packets_sent++;
	responder->read_begun = true;
	responder->offset += bytes;
	responder->left_bytes -= bytes;
	responder->read_psn = roce_psn_add(responder->read_psn, 1);
	if (responder->left_bytes == 0)
		responder->state = ROCE_RESPONDER_READY;
}

/* Send as much of the response as the turn and the batch have room for. */
static void go_on_reading(struct roce_responder *responder, struct roce_batch *batch)
{
	unsigned count = 0;

	while (responder->state == ROCE_RESPONDER_READING && count++ < ROCE_READ_TURN_MAX &&
	       roce_batch_has_room(batch, 1))
		respond_read(responder, batch);
}

/* ---- the interface ---- */

static bool is_request(uint8_t opcode)
{
	switch (opcode) {
	case ROCE_WRITE_FIRST:
	case ROCE_WRITE_MIDDLE:
	case ROCE_WRITE_LAST:
	case ROCE_WRITE_ONLY:
	case ROCE_READ_REQUEST:
	case ROCE_COMPARE_SWAP:
	case ROCE_FETCH_ADD:
		return true;
	default:
		return false;
	}
}

void roce_responder_receive(struct roce_responder *responder, const struct roce_packet *packet,
			    struct roce_batch *batch)
{
	int32_t distance = roce_psn_distance(packet->psn, responder->psn);

	responder->counters->packets_received++;
	if (responder->state == ROCE_RESPONDER_ERROR) {
		responder->counters->dropped_in_error_state++;
	} else if (!is_request(packet->opcode)) {
		responder->counters->dropped_opcode++;
	} else if (responder->state == ROCE_RESPONDER_READING) {
		responder->counters->dropped_out_of_order++;
	} else if (distance == 0) {
		take_request(responder, packet, batch);
	} else if (distance < 0) {
		take_duplicate(responder, packet, batch);
	} else {
		responder->counters->dropped_out_of_order++;
		/* Once for each gap: until it is closed every packet behind it would say the
		 * same. */
		if (!responder->nak_sent) {
			responder->counters->naks_sequence++;
			acknowledge(responder, batch, responder->psn, ROCE_SYNDROME_NAK_SEQUENCE);
		}
		responder->nak_sent = true;
	}
	/* A READ that fits in is answered at once, so that requests may follow it in the same
	 * batch. */
	if (responder->state == ROCE_RESPONDER_READING &&
	    responder->left_bytes <= ROCE_READ_AT_ONCE_BYTES)
		go_on_reading(responder, batch);
}

void roce_responder_abandon_read(struct roce_responder *responder)
{
	if (responder->state == ROCE_RESPONDER_READING)
		responder->state = ROCE_RESPONDER_READY;
}

bool roce_responder_finish(struct roce_responder *responder, struct roce_batch *batch)
{
	go_on_reading(responder, batch);
	if (responder->state == ROCE_RESPONDER_READING)
		return true;
	if (responder->ack_due && responder->state != ROCE_RESPONDER_ERROR &&
	    roce_batch_has_room(batch, 1))
		acknowledge(responder, batch, responder->ack_psn, ROCE_SYNDROME_ACK);
	return responder->ack_due;
}
