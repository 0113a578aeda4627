/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/requester.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define RTO_NS_SHORTEST INT64_C(2000000)
/* The longest: a part of the silence that is borne, in which the other end is to be asked often
 * enough whatever the loss, within these. Thousands of sessions may ask one end at a time, which
 * answers late: those who ask again too soon keep it from everybody's first questions. */
#define RTO_PART       16
#define RTO_NS_LONG    INT64_C(200000000)
#define RTO_NS_LONGEST INT64_C(1000000000)
#define RTO_NS_INITIAL INT64_C(20000000) /* before the first round trip was measured */

/* Packets that a queue pair may begin with, as TCP does (RFC 6928: ten). */
#define WINDOW_PACKETS_INITIAL 10

/* How many operations behind a WRITE are looked at for one whose answer acknowledges it. */
#define ANSWER_AHEAD 4

/* Packets of a READ's response that one request to a device asks for, whatever the window. */
#define READ_PSNS 16

static struct roce_slot *slot_at(struct roce_requester *requester, uint64_t number)
{
	return &requester->slots[number % ROCE_REQUESTS_MAX];
}

static bool is_atomic(const struct roce_slot *slot)
{
	return slot->request.operation == ROCE_CAS || slot->request.operation == ROCE_FAA;
}

/* The bytes of the window that a PSN of the operation takes. */
static uint32_t cost_of(const struct roce_requester *requester, const struct roce_slot *slot)
{
	uint32_t bytes = slot->request.length_bytes, mtu = requester->config.mtu;

	return ROCE_PACKET_COST + (bytes < mtu ? bytes : mtu);
}

/* The oldest PSN without an answer; without operations, the next one's. */
static uint32_t oldest_psn(struct roce_requester *requester)
{
	struct roce_slot *slot = slot_at(requester, requester->head);

	return requester->head == requester->tail ? requester->psn_posted
						  : roce_psn_add(slot->psn, slot->done);
}

void roce_requester_init(struct roce_requester *requester,
			 const struct roce_requester_config *config, struct roce_counters *counters)
{
	assert(config->mtu >= ROCE_MTU_MIN && config->mtu <= ROCE_MTU_MAX);
	assert(config->rd_atomic_max >= 1);
	memset(requester, 0, sizeof *requester);
	requester->config = *config;
	requester->counters = counters;
	requester->psn_posted = requester->psn_sent = config->psn;
	requester->window_bytes =
		WINDOW_PACKETS_INITIAL * (uint64_t)(config->mtu + ROCE_PACKET_COST);
	if (requester->window_bytes > config->window_bytes_max)
		requester->window_bytes = config->window_bytes_max;
	requester->slow_start_bytes = config->window_bytes_max;
	requester->rto_ns = RTO_NS_INITIAL;
	requester->may_go_back = true;
	roce_path_prepare(&requester->config.path);
}

int roce_requester_post(struct roce_requester *requester, const struct roce_request *request)
{
	struct roce_slot *slot = slot_at(requester, requester->tail);
	bool has_bytes = request->operation == ROCE_READ || request->operation == ROCE_WRITE;
	uint32_t count =
		has_bytes ? roce_psn_count(request->length_bytes, requester->config.mtu) : 1;
	uint32_t posted = (requester->psn_posted - oldest_psn(requester)) & ROCE_PSN_MASK;

	if (requester->broken)
		return -ENOTCONN;
	if (count > ROCE_PSNS_MAX)
		return -EMSGSIZE;
	if (roce_requester_outstanding(requester) == ROCE_REQUESTS_MAX ||
	    posted + count > ROCE_PSNS_MAX)
		return -EAGAIN;
	*slot = (struct roce_slot){
		.request = *request, .psn = requester->psn_posted, .psn_count = count};
	requester->psn_posted = roce_psn_add(requester->psn_posted, slot->psn_count);
	requester->tail++;
	return 0;
}

/* ---- completion ---- */

/* The oldest operation ends. */
static void finish(struct roce_requester *requester, enum roce_outcome outcome, uint64_t original)
{
	/* A copy: the function that is called may post into the slot. */
	struct roce_request request = slot_at(requester, requester->head)->request;

	requester->rd_atomics -= slot_at(requester, requester->head)->under_way;
	requester->head++;
	if (requester->sending < requester->head)
		requester->sending = requester->head;
	requester->config.complete(requester->config.context, &request, outcome, original);
}

static void break_with(struct roce_requester *requester, enum roce_outcome first)
{
	uint64_t end = requester->tail;
	uint32_t sent = requester->psn_sent;

	if (requester->broken)
		return;
	requester->broken = true;
	requester->due_ns = requester->resume_ns = 0;
	for (; requester->head < end; first = ROCE_UNKNOWN) {
		bool was_sent =
			roce_psn_distance(sent, slot_at(requester, requester->head)->psn) > 0;

		finish(requester, was_sent ? first : ROCE_NEVER_SENT, 0);
	}
}

void roce_requester_break(struct roce_requester *requester)
{
	break_with(requester, ROCE_UNKNOWN);
}

/* ---- sending ---- */

/*
 * Whether the operation must wait until others are answered. A READ whose response is lost is
 * executed again, and must not find what operations behind it have written; and a device may let a
 * WRITE overtake an atomic.
 */
static bool is_fenced(struct roce_requester *requester, const struct roce_slot *slot)
{
	if (slot->request.operation == ROCE_READ)
		return false;
	return requester->reads_end > requester->head ||
	       (requester->config.path.to_device && slot->request.operation == ROCE_WRITE &&
		requester->atomics_end > requester->head);
}

static bool fits_window(const struct roce_requester *requester, uint64_t bytes)
{
	return requester->under_way_bytes + bytes <= requester->window_bytes ||
	       requester->under_way_bytes == 0;
}

/* Note that @count PSNs of the slot were sent. */
static void book(struct roce_requester *requester, struct roce_slot *slot, uint32_t count,
		 int64_t now_ns)
{
	uint32_t end = roce_psn_add(slot->psn, slot->sent + count);
	int32_t beyond = roce_psn_distance(end, requester->psn_sent);

	if (beyond < (int32_t)count)
		requester->counters->packets_retransmitted++;
	if (beyond > 0) {
		requester->psn_sent = end;
		/* Never measure a packet that was sent twice: the answer may be to either
		 * (Karn). */
		if (!requester->sampling && beyond == (int32_t)count) {
			requester->sampling = true;
			requester->sample_psn = roce_psn_add(end, ROCE_PSN_MASK);
			requester->sample_ns = now_ns;
		}
	}
	slot->sent += count;
	requester->under_way_bytes += (uint64_t)count * cost_of(requester, slot);
	requester->counters->packets_sent++;
	if (slot->request.operation != ROCE_WRITE) {
		slot->under_way++;
		requester->rd_atomics++;
	}
}

/* The PSNs of a READ that its next request packet asks for: as many as the window has room for. */
static uint32_t read_count(const struct roce_requester *requester, const struct roce_slot *slot)
{
	uint32_t left = slot->psn_count - slot->sent, cost = cost_of(requester, slot);
	uint64_t room = requester->window_bytes > requester->under_way_bytes
				? (requester->window_bytes - requester->under_way_bytes) / cost
				: 0;

	if (room == 0)
		room = 1;
	/* A device answers a repeated request only if it asks for no more than the first one did,
	 * so the length of a request must not depend on the window. */
	if (requester->config.path.to_device)
		room = READ_PSNS - slot->sent % READ_PSNS;
	return left < room ? left : (uint32_t)room;
}

static struct roce_packet packet_of(const struct roce_requester *requester,
				    const struct roce_slot *slot, uint32_t count)
{
	uint32_t mtu = requester->config.mtu, length = slot->request.length_bytes;
	uint64_t begin = (uint64_t)slot->sent * mtu, end = begin + (uint64_t)count * mtu;
	bool begins = slot->sent == 0, ends = slot->sent + count == slot->psn_count;
	struct roce_packet packet = {
		.qpn = requester->config.remote_qpn,
		.psn = roce_psn_add(slot->psn, slot->sent),
		.rkey = requester->config.rkey,
		.address = slot->request.address + begin,
	};

	if (end > length)
		end = length;
	switch (slot->request.operation) {
	case ROCE_READ:
		packet.opcode = ROCE_READ_REQUEST;
		packet.length_bytes = (uint32_t)(end - begin);
		break;
	case ROCE_WRITE:
		packet.opcode = begins ? ends ? ROCE_WRITE_ONLY : ROCE_WRITE_FIRST
				: ends ? ROCE_WRITE_LAST
				       : ROCE_WRITE_MIDDLE;
		packet.length_bytes = length;
		packet.payload_bytes = (uint32_t)(end - begin);
		break;
	case ROCE_CAS:
		packet.opcode = ROCE_COMPARE_SWAP;
		packet.compare = slot->request.operand;
		packet.swap_or_add = slot->request.swap;
		break;
	case ROCE_FAA:
		packet.opcode = ROCE_FETCH_ADD;
		packet.swap_or_add = slot->request.operand;
		break;
	}
	return packet;
}

/* Whether the slot's next packet may go now. */
static bool may_send(struct roce_requester *requester, const struct roce_slot *slot)
{
	bool answered = slot->request.operation != ROCE_WRITE;

	return fits_window(requester, cost_of(requester, slot)) &&
	       !(answered && requester->rd_atomics >= requester->config.rd_atomic_max) &&
	       !is_fenced(requester, slot);
}

/* Whether the answer to a READ or an atomic that leaves right behind the WRITE acknowledges it. */
static bool is_answered_ahead(struct roce_requester *requester)
{
	uint64_t cost = 0;

	for (uint64_t i = requester->sending + 1;
	     i < requester->tail && i - requester->sending <= ANSWER_AHEAD; i++) {
		struct roce_slot *slot = slot_at(requester, i);

		cost += cost_of(requester, slot);
		if (!fits_window(requester, cost))
			return false;
		if (slot->request.operation != ROCE_WRITE)
			return may_send(requester, slot);
		if (slot->psn_count > 1)
			return false;
	}
	return false;
}

static void send_next(struct roce_requester *requester, struct roce_slot *slot, int64_t now_ns,
		      struct roce_batch *batch)
{
	uint32_t count = slot->request.operation == ROCE_READ ? read_count(requester, slot) : 1;
	struct roce_packet packet = packet_of(requester, slot, count);
	uint8_t *at = roce_batch_next(batch);
	size_t end;

	book(requester, slot, count, now_ns);
	/* The last packet that may be sent for now asks for an answer: the next one may be a long
	 * time off. */
	packet.ack_request =
		slot->request.operation == ROCE_WRITE &&
		(slot->sent == slot->psn_count ? !is_answered_ahead(requester)
					       : !fits_window(requester, cost_of(requester, slot)));
	end = roce_encode(&packet, at);
	if (packet.payload_bytes) {
		uint64_t begin = (uint64_t)(slot->sent - 1) * requester->config.mtu;

		memcpy(at + end, (const uint8_t *)slot->request.buffer + begin,
		       packet.payload_bytes);
	}
	roce_batch_commit(batch, &requester->config.path, roce_pad(at, end, packet.payload_bytes));
}

bool roce_requester_emit(struct roce_requester *requester, int64_t now_ns, struct roce_batch *batch)
{
	bool any = false;

	if (requester->resume_ns)
		return false;
	while (requester->sending < requester->tail && roce_batch_has_room(batch, 1)) {
		struct roce_slot *slot = slot_at(requester, requester->sending);

		if (!may_send(requester, slot))
			break;
		send_next(requester, slot, now_ns, batch);
		any = true;
		if (slot->sent < slot->psn_count)
			continue;
		requester->sending++;
		if (slot->request.operation == ROCE_READ)
			requester->reads_end = requester->sending;
		else if (is_atomic(slot))
			requester->atomics_end = requester->sending;
	}
	if (any && requester->due_ns == 0) {
		requester->due_ns = now_ns + requester->rto_ns;
		peer_timeout_begin(&requester->timeout, now_ns, requester->config.timeout_ns);
	}
	return any;
}

void roce_requester_emit_duplicate(struct roce_requester *requester, struct roce_batch *batch)
{
	const struct roce_requester_config *config = &requester->config;
	struct roce_packet packet = {
		.opcode = ROCE_WRITE_ONLY,
		.qpn = config->remote_qpn,
		.psn = config->psn,
		.ack_request = true,
		.rkey = ~config->rkey,
		.length_bytes = config->mtu,
		.payload_bytes = config->mtu,
	};
	uint8_t *at = roce_batch_next(batch);
	size_t end = roce_encode(&packet, at);

	assert(oldest_psn(requester) != config->psn);
	memset(at + end, 0, packet.payload_bytes);
	roce_batch_commit(batch, &config->path, roce_pad(at, end, packet.payload_bytes));
	requester->counters->packets_sent++;
}

/* ---- loss ---- */

/* Send everything again from the oldest packet without an answer on. */
static void go_back(struct roce_requester *requester, int64_t now_ns)
{
	for (uint64_t number = requester->head;
	     number < requester->tail && number <= requester->sending; number++) {
		struct roce_slot *slot = slot_at(requester, number);

		slot->sent = slot->done;
		slot->under_way = 0;
	}
	requester->sending = requester->head;
	requester->under_way_bytes = 0;
	requester->rd_atomics = 0;
	requester->reads_end = requester->atomics_end = 0;
	requester->may_go_back = false;
	requester->sampling = false;
	requester->due_ns = now_ns + requester->rto_ns;
}

static void shrink(struct roce_requester *requester, uint64_t window_bytes)
{
	uint64_t packet_bytes = requester->config.mtu + ROCE_PACKET_COST;
	uint64_t half = requester->window_bytes / 2;

	requester->slow_start_bytes = half < 2 * packet_bytes ? 2 * packet_bytes : half;
	requester->window_bytes = window_bytes < packet_bytes ? packet_bytes : window_bytes;
}

static void lost(struct roce_requester *requester, int64_t now_ns)
{
	/* Packets that were under way when it went back report the same loss again. */
	if (!requester->may_go_back)
		return;
	requester->counters->losses_detected++;
	shrink(requester, requester->window_bytes / 2);
	go_back(requester, now_ns);
}

static void grow(struct roce_requester *requester, uint64_t bytes)
{
	uint64_t packet_bytes = requester->config.mtu + ROCE_PACKET_COST;

	if (requester->window_bytes < requester->slow_start_bytes)
		requester->window_bytes += bytes;
	else
		requester->window_bytes += packet_bytes * bytes / requester->window_bytes;
	if (requester->window_bytes > requester->config.window_bytes_max)
		requester->window_bytes = requester->config.window_bytes_max;
}

/* ---- answers ---- */

static int64_t clamp(int64_t ns, int64_t least_ns, int64_t most_ns)
{
	return ns < least_ns ? least_ns : ns > most_ns ? most_ns : ns;
}

static void set_rto(struct roce_requester *requester, int64_t ns)
{
	int64_t longest_ns =
		clamp(requester->config.timeout_ns / RTO_PART, RTO_NS_LONG, RTO_NS_LONGEST);

	requester->rto_ns = clamp(ns, RTO_NS_SHORTEST, longest_ns);
}

static void take_sample(struct roce_requester *requester, int64_t now_ns)
{
	int64_t rtt_ns = now_ns - requester->sample_ns, error_ns;

	requester->sampling = false;
	if (requester->srtt_ns == 0) {
		requester->srtt_ns = rtt_ns + 1;
		requester->rttvar_ns = rtt_ns / 2;
	} else {
		error_ns = rtt_ns - requester->srtt_ns;
		requester->srtt_ns += error_ns / 8;
		requester->rttvar_ns +=
			((error_ns < 0 ? -error_ns : error_ns) - requester->rttvar_ns) / 4;
	}
	set_rto(requester, requester->srtt_ns + 4 * requester->rttvar_ns);
}

/* @count more PSNs of the oldest operation were answered. */
static void advance(struct roce_requester *requester, struct roce_slot *slot, uint32_t count)
{
	uint64_t bytes = (uint64_t)count * cost_of(requester, slot);
	uint32_t sent = slot->sent > slot->done ? slot->sent - slot->done : 0;
	uint64_t sent_bytes = (uint64_t)(count < sent ? count : sent) * cost_of(requester, slot);

	slot->done += count;
	if (slot->sent < slot->done)
		slot->sent = slot->done;
	requester->under_way_bytes -= sent_bytes;
	if (slot->done == slot->sent) {
		requester->rd_atomics -= slot->under_way;
		slot->under_way = 0;
	}
	grow(requester, bytes);
}

/* There was progress: the timer starts anew. */
static void progressed(struct roce_requester *requester, int64_t now_ns)
{
	uint32_t oldest = oldest_psn(requester);

	requester->may_go_back = true;
	requester->retries = 0;
	requester->resume_ns = 0; /* the responder that was not ready has gone on */
	peer_timeout_begin(&requester->timeout, now_ns, requester->config.timeout_ns);
	if (requester->sampling && roce_psn_distance(oldest, requester->sample_psn) > 0)
		take_sample(requester, now_ns);
	requester->due_ns =
		roce_psn_distance(requester->psn_sent, oldest) > 0 ? now_ns + requester->rto_ns : 0;
}

/*
 * Everything before @psn was executed. Returns whether every answer among that has come: a READ or
 * an atomic that was passed over has lost its answer.
 */
static bool acknowledge_until(struct roce_requester *requester, uint32_t psn)
{
	while (requester->head < requester->tail) {
		struct roce_slot *slot = slot_at(requester, requester->head);
		int32_t count = roce_psn_distance(psn, roce_psn_add(slot->psn, slot->done));

		if (count <= 0)
			return true;
		if (slot->request.operation != ROCE_WRITE)
			return false;
		if ((uint32_t)count < slot->psn_count - slot->done) {
			advance(requester, slot, (uint32_t)count);
			return true;
		}
		advance(requester, slot, slot->psn_count - slot->done);
		finish(requester, ROCE_DONE, 0);
	}
	return true;
}

/* The operation of @psn, if that is the oldest PSN without an answer. */
static struct roce_slot *expected(struct roce_requester *requester, uint32_t psn)
{
	if (requester->head == requester->tail || oldest_psn(requester) != psn)
		return NULL;
	return slot_at(requester, requester->head);
}

static void take_read_response(struct roce_requester *requester, const struct roce_packet *packet)
{
	struct roce_slot *slot = expected(requester, packet->psn);
	uint32_t mtu = requester->config.mtu;
	uint64_t begin, left;

	if (!slot || slot->request.operation != ROCE_READ) {
		requester->counters->acknowledges_stale++;
		return;
	}
	begin = (uint64_t)slot->done * mtu;
	left = slot->request.length_bytes - begin;
	if (packet->payload_bytes != (left < mtu ? left : mtu)) {
		requester->counters->dropped_length++;
		return;
	}
	if (packet->payload_bytes)
		memcpy((uint8_t *)slot->request.buffer + begin, packet->payload,
		       packet->payload_bytes);
	advance(requester, slot, 1);
	if (slot->done == slot->psn_count)
		finish(requester, ROCE_DONE, 0);
}

static void take_atomic_acknowledge(struct roce_requester *requester,
				    const struct roce_packet *packet)
{
	struct roce_slot *slot = expected(requester, packet->psn);

	if (!slot || !is_atomic(slot)) {
		requester->counters->acknowledges_stale++;
		return;
	}
	advance(requester, slot, 1);
	finish(requester, ROCE_DONE, packet->original);
}

/* A fatal NAK, of the oldest operation: the far queue pair is in its error state. */
static void take_refusal(struct roce_requester *requester, uint8_t syndrome)
{
	static const enum roce_outcome outcomes[] = {ROCE_REFUSED_REQUEST, ROCE_REFUSED_ACCESS,
						     ROCE_REFUSED_OPERATION};
	unsigned index = (unsigned)syndrome - ROCE_SYNDROME_NAK_REQUEST;

	if (index >= sizeof outcomes / sizeof *outcomes)
		index = 0;
	requester->counters->naks_request += index == 0;
	requester->counters->naks_access += index == 1;
	requester->counters->naks_operation += index == 2;
	break_with(requester, outcomes[index]);
}

/* Timers of an RNR NAK in units of 10 us (9.7.5.2.8, table 45); 0 stands for 655.36 ms. */
static int64_t rnr_ns(uint8_t syndrome)
{
	static const uint32_t units[32] = {65536, 1,    2,    3,     4,     6,     8,     12,
					   16,    24,   32,   48,    64,    96,    128,   192,
					   256,   384,  512,  768,   1024,  1536,  2048,  3072,
					   4096,  6144, 8192, 12288, 16384, 24576, 32768, 49152};

	return units[syndrome & 0x1f] * INT64_C(10000);
}

/* Take a negative acknowledge at the oldest PSN; everything before it is acknowledged. */
static void take_nak(struct roce_requester *requester, int64_t now_ns, uint8_t syndrome)
{
	if (syndrome == ROCE_SYNDROME_NAK_SEQUENCE) {
		requester->counters->naks_sequence++;
		lost(requester, now_ns);
	} else if (roce_syndrome_is_rnr(syndrome)) {
		requester->counters->naks_receiver_not_ready++;
		go_back(requester, now_ns);
		requester->resume_ns = now_ns + rnr_ns(syndrome);
	} else {
		take_refusal(requester, syndrome);
	}
}

static void take_answer(struct roce_requester *requester, const struct roce_packet *packet)
{
	switch (packet->opcode) {
	case ROCE_ACKNOWLEDGE:
		break; /* it only acknowledges */
	case ROCE_ATOMIC_ACKNOWLEDGE:
		take_atomic_acknowledge(requester, packet);
		break;
	case ROCE_READ_RESPONSE_FIRST:
	case ROCE_READ_RESPONSE_MIDDLE:
	case ROCE_READ_RESPONSE_LAST:
	case ROCE_READ_RESPONSE_ONLY:
		take_read_response(requester, packet);
		break;
	}
}

static bool is_answer(uint8_t opcode)
{
	return opcode >= ROCE_READ_RESPONSE_FIRST && opcode <= ROCE_ATOMIC_ACKNOWLEDGE;
}

void roce_requester_receive(struct roce_requester *requester, int64_t now_ns,
			    const struct roce_packet *packet)
{
	bool acknowledges = packet->opcode == ROCE_ACKNOWLEDGE;
	bool is_nak = acknowledges && !roce_syndrome_is_ack(packet->syndrome);
	uint32_t oldest = oldest_psn(requester);
	bool whole;

	requester->counters->packets_received++;
	if (!is_answer(packet->opcode)) {
		requester->counters->dropped_opcode++;
		return;
	}
	/* It answers what was already answered, or what was never sent. */
	if (requester->broken || roce_psn_distance(packet->psn, oldest) < 0 ||
	    roce_psn_distance(packet->psn, requester->psn_sent) >= 0) {
		requester->duplicate_acknowledged |= acknowledges && !is_nak;
		requester->counters->acknowledges_stale++;
		return;
	}
	whole = acknowledge_until(requester, acknowledges && !is_nak ? roce_psn_add(packet->psn, 1)
								     : packet->psn);
	if (whole && !is_nak)
		take_answer(requester, packet);
	if (oldest_psn(requester) != oldest)
		progressed(requester, now_ns);
	if (!whole)
		lost(requester, now_ns);
	else if (is_nak)
		take_nak(requester, now_ns, packet->syndrome);
}

/* ---- time ---- */

int64_t roce_requester_due(const struct roce_requester *requester)
{
	if (requester->resume_ns)
		return requester->resume_ns;
	return requester->due_ns ? requester->due_ns : INT64_MAX;
}

void roce_requester_tick(struct roce_requester *requester, int64_t now_ns)
{
	bool over;

	if (requester->broken || now_ns < roce_requester_due(requester))
		return;
	if (requester->resume_ns) {
		requester->resume_ns = 0;
		requester->due_ns = now_ns + requester->rto_ns;
	} else {
		requester->counters->timeouts++;
		shrink(requester, 0);
		set_rto(requester, 2 * requester->rto_ns);
		go_back(requester, now_ns);
	}
	over = peer_timeout_is_over(&requester->timeout, now_ns);
	if (++requester->retries > ROCE_RETRY_MAX && over)
		break_with(requester, ROCE_UNKNOWN);
}
