/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A requester whose far side answers as it likes: early, late, never, about what was not asked,
 * with any syndrome and length. Whatever comes, operations complete in their order and once, as
 * done only by a packet that can say so, nothing is written beside a READ's buffer or after its
 * end, and there is always something to wait for until the far side is honest or given up.
 */
#include "lib/roce/requester.h"
#include "tests/fuzz/feed.h"

#include <errno.h>
#include <string.h>

#define QPN            0x00abcd
#define RKEY           0x1234567
#define OPERATIONS_MAX 3000
#define STEPS_MAX      600
#define BYTES_MAX      (2 << 20) /* of all buffers at once */
#define TIMEOUT_NS     INT64_C(3000000000)
#define READ_PSNS      16                 /* of a request to a device, as in requester.c */
#define TIMER_NS_MAX   INT64_C(655360000) /* of an RNR NAK; retransmission timers are shorter */

struct operation {
	enum roce_operation kind;
	uint32_t length_bytes, psn, psn_count;
	uint64_t address, operand, swap;
	unsigned reads_before, atomics_before; /* posted before it */
	uint8_t *buffer; /* exactly as long as it says, until completion: red zones all around */
};

static struct roce_requester requester;
static struct roce_counters counters;
static struct roce_batch batch;
static struct roce_path back; /* the responder's */
static struct operation operations[OPERATIONS_MAX];
static unsigned posted, completed, posts_by_completion;
static uint32_t psn_posted, psn_sent; /* behind the last one, as seen from outside */
static uint64_t buffer_bytes;
static int64_t now_ns;
static struct feed feed;

/* For completions to be judged by: the packet being received, NULL when there is none. */
static const struct roce_packet *received;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static bool has_bytes(const struct operation *operation)
{
	return operation->kind == ROCE_READ || operation->kind == ROCE_WRITE;
}

/* What a READ's response with @psn holds, or a WRITE's packet: up to a bit more than the longest
 * MTU. */
static const uint8_t *content(uint32_t psn)
{
	static uint8_t bytes[ROCE_MTU_MAX + 16 + 251];

	if (!bytes[1])
		for (unsigned i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(i * 7 + i / 256);
	return bytes + psn % 251;
}

/* Of packet @number of a READ or WRITE. */
static uint32_t payload_bytes_of(const struct operation *operation, uint32_t number)
{
	uint32_t mtu = requester.config.mtu, left = operation->length_bytes - number * mtu;

	return left < mtu ? left : mtu;
}

/* The operation under way that @psn belongs to, NULL: none. */
static struct operation *operation_of(uint32_t psn)
{
	unsigned low = completed, high = posted;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int32_t distance = roce_psn_distance(psn, operations[middle].psn);

		if (distance >= 0 && (uint32_t)distance < operations[middle].psn_count)
			return &operations[middle];
		if (distance < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The oldest PSN without an answer. */
static uint32_t oldest_psn(void)
{
	const struct roce_slot *slot = &requester.slots[requester.head % ROCE_REQUESTS_MAX];

	return completed == posted ? psn_posted : roce_psn_add(slot->psn, slot->done);
}

/* ---- operations ---- */

static void give_buffer(struct operation *operation)
{
	operation->buffer = malloc(operation->length_bytes ? operation->length_bytes : 1);
	memset(operation->buffer, 0, operation->length_bytes);
	if (operation->kind != ROCE_WRITE || operation->length_bytes == 0)
		return;
	for (uint32_t i = 0; i < operation->psn_count; i++)
		memcpy(operation->buffer + i * requester.config.mtu,
		       content(roce_psn_add(operation->psn, i)), payload_bytes_of(operation, i));
}

static void post(enum roce_operation kind)
{
	struct operation *operation = &operations[posted];
	const struct operation *before = posted ? operation - 1 : NULL;
	uint32_t mtu = requester.config.mtu;
	struct roce_request request;
	int r;

	if (posted == OPERATIONS_MAX || buffer_bytes > BYTES_MAX)
		return;
	*operation = (struct operation){
		.kind = kind, .length_bytes = 8, .psn = psn_posted, .psn_count = 1};
	operation->address = feed8(&feed) * UINT64_C(0x101010101010101);
	operation->operand = (posted + 1) * UINT64_C(0x9e3779b97f4a7c15);
	operation->swap = ~operation->operand;
	if (before) {
		operation->reads_before = before->reads_before + (before->kind == ROCE_READ);
		operation->atomics_before = before->atomics_before + !has_bytes(before);
	}
	if (has_bytes(operation)) {
		operation->length_bytes =
			feed8(&feed) & 1 ? feed16(&feed) % (5 * mtu) : feed8(&feed) % 5 * mtu;
		operation->psn_count = roce_psn_count(operation->length_bytes, mtu);
		give_buffer(operation);
	}
	request = (struct roce_request){
		.operation = kind,
		.length_bytes = operation->length_bytes,
		.address = operation->address,
		.operand = operation->operand,
		.swap = operation->swap,
		.buffer = operation->buffer,
		.owner = operation,
	};
	r = roce_requester_post(&requester, &request);
	if (requester.broken)
		MUST(r == -ENOTCONN);
	else
		MUST(r == (posted - completed == ROCE_REQUESTS_MAX ? -EAGAIN : 0));
	if (r) {
		free(operation->buffer);
		return;
	}
	buffer_bytes += operation->length_bytes;
	psn_posted = roce_psn_add(psn_posted, operation->psn_count);
	posted++;
}

/* One that takes more PSNs than there may be. */
static void post_too_long(enum roce_operation kind)
{
	struct roce_request request = {.operation = kind, .length_bytes = UINT32_MAX};

	if (requester.config.mtu <= 512 && (kind == ROCE_READ || kind == ROCE_WRITE))
		MUST(roce_requester_post(&requester, &request) ==
		     (requester.broken ? -ENOTCONN : -EMSGSIZE));
}

/* ---- completions ---- */

static void check_done(const struct operation *operation, uint64_t original)
{
	uint32_t end = roce_psn_add(operation->psn, operation->psn_count);
	uint32_t last = roce_psn_add(end, ROCE_PSN_MASK);
	bool acknowledges;

	MUST(received && !requester.broken);
	acknowledges =
		received->opcode == ROCE_ACKNOWLEDGE && roce_syndrome_is_ack(received->syndrome);
	MUST(roce_psn_distance(received->psn, psn_sent) < 0);
	switch (operation->kind) {
	case ROCE_WRITE: /* by itself, or by whatever is said of one behind it */
		MUST(roce_psn_distance(received->psn, acknowledges ? last : end) >= 0);
		break;
	case ROCE_READ:
		MUST(received->opcode >= ROCE_READ_RESPONSE_FIRST &&
		     received->opcode <= ROCE_READ_RESPONSE_ONLY && received->psn == last);
		for (uint32_t i = 0; i < operation->psn_count && operation->length_bytes; i++)
			MUST(!memcmp(operation->buffer + i * requester.config.mtu,
				     content(roce_psn_add(operation->psn, i)),
				     payload_bytes_of(operation, i)));
		break;
	default:
		MUST(received->opcode == ROCE_ATOMIC_ACKNOWLEDGE && received->psn == last);
		MUST(original == received->original);
	}
}

static void check_refused(const struct operation *operation, enum roce_outcome outcome)
{
	MUST(requester.broken && received && received->opcode == ROCE_ACKNOWLEDGE);
	MUST(operation == operation_of(received->psn));
	switch (received->syndrome) {
	case ROCE_SYNDROME_NAK_ACCESS:
		MUST(outcome == ROCE_REFUSED_ACCESS);
		break;
	case ROCE_SYNDROME_NAK_OPERATION:
		MUST(outcome == ROCE_REFUSED_OPERATION);
		break;
	default: /* and what no specification knows */
		MUST(outcome == ROCE_REFUSED_REQUEST && received->syndrome >> 5 > 1 &&
		     received->syndrome != ROCE_SYNDROME_NAK_SEQUENCE);
	}
}

static void complete(void *context, const struct roce_request *request, enum roce_outcome outcome,
		     uint64_t original)
{
	struct operation *operation = request->owner;
	bool was_sent = roce_psn_distance(psn_sent, operation->psn) > 0;

	(void)context;
	MUST(completed < posted && operation == &operations[completed]);
	switch (outcome) {
	case ROCE_DONE:
		check_done(operation, original);
		break;
	case ROCE_UNKNOWN:
	case ROCE_NEVER_SENT:
		MUST(requester.broken && was_sent == (outcome == ROCE_UNKNOWN));
		break;
	default:
		check_refused(operation, outcome);
	}
	completed++;
	buffer_bytes -= has_bytes(operation) ? operation->length_bytes : 0;
	free(operation->buffer);
	if (posts_by_completion) {
		posts_by_completion--;
		post((enum roce_operation)(feed8(&feed) % 4));
	}
}

/* ---- the books ---- */

static void check_books(void)
{
	uint32_t mtu = requester.config.mtu, rd_atomics = 0;
	uint64_t under_way_bytes = 0;

	MUST(roce_requester_outstanding(&requester) == posted - completed);
	MUST(requester.head <= requester.sending && requester.sending <= requester.tail);
	MUST(requester.psn_posted == psn_posted && requester.psn_sent == psn_sent);
	for (uint64_t number = requester.head; number < requester.tail; number++) {
		const struct roce_slot *slot = &requester.slots[number % ROCE_REQUESTS_MAX];
		uint32_t bytes = slot->request.length_bytes;

		MUST(slot->done <= slot->sent && slot->sent <= slot->psn_count);
		MUST(number == requester.head || slot->done == 0);
		under_way_bytes += (slot->sent - slot->done) *
				   (uint64_t)(ROCE_PACKET_COST + (bytes < mtu ? bytes : mtu));
		rd_atomics += slot->under_way;
	}
	if (requester.broken)
		return;
	MUST(requester.under_way_bytes == under_way_bytes);
	MUST(requester.rd_atomics == rd_atomics && rd_atomics <= requester.config.rd_atomic_max);
	/* A READ from a device is not divided by the window. */
	MUST(under_way_bytes <= requester.config.window_bytes_max +
					(requester.config.path.to_device
						 ? READ_PSNS * (uint64_t)(mtu + ROCE_PACKET_COST)
						 : 0));
	MUST(requester.window_bytes >= ROCE_PACKET_COST &&
	     requester.window_bytes <= requester.config.window_bytes_max);
}

static void check_timer(void)
{
	int64_t due_ns = roce_requester_due(&requester);

	MUST(due_ns > 0);
	if (requester.broken || completed == posted)
		MUST(due_ns == INT64_MAX);
	else if (roce_psn_distance(psn_sent, oldest_psn()) > 0)
		MUST(due_ns != INT64_MAX);
	MUST(due_ns == INT64_MAX || due_ns <= now_ns + TIMER_NS_MAX);
	MUST(!requester.broken || completed == posted);
}

/* ---- packets out ---- */

static void check_request(const struct roce_packet *request)
{
	const struct operation *operation = operation_of(request->psn);
	uint32_t mtu = requester.config.mtu, number, left, count = 1;
	bool begins, ends;

	MUST(operation && request->qpn == QPN);
	MUST(roce_psn_distance(request->psn, psn_sent) <= 0); /* none is left out */
	MUST(roce_psn_distance(request->psn, oldest_psn()) >= 0);
	number = (request->psn - operation->psn) & ROCE_PSN_MASK;
	begins = number == 0;
	ends = number + 1 == operation->psn_count;
	left = operation->length_bytes - number * mtu;
	/* A READ that is repeated must not see what was asked for after it. */
	if (operation->kind != ROCE_READ)
		MUST(operation->reads_before == operations[completed].reads_before);
	if (operation->kind == ROCE_WRITE && requester.config.path.to_device)
		MUST(operation->atomics_before == operations[completed].atomics_before);
	switch (operation->kind) {
	case ROCE_READ:
		MUST(request->opcode == ROCE_READ_REQUEST && request->length_bytes <= left);
		MUST(request->length_bytes == left || request->length_bytes % mtu == 0);
		MUST(request->address == operation->address + (uint64_t)number * mtu);
		count = roce_psn_count(request->length_bytes, mtu);
		break;
	case ROCE_WRITE:
		MUST(request->opcode == (begins ? ends ? ROCE_WRITE_ONLY : ROCE_WRITE_FIRST
					 : ends ? ROCE_WRITE_LAST
						: ROCE_WRITE_MIDDLE));
		MUST(!begins || (request->length_bytes == operation->length_bytes &&
				 request->address == operation->address));
		MUST(request->payload_bytes == payload_bytes_of(operation, number));
		MUST(!memcmp(request->payload, content(request->psn), request->payload_bytes));
		break;
	case ROCE_FAA:
		MUST(request->opcode == ROCE_FETCH_ADD &&
		     request->swap_or_add == operation->operand);
		break;
	case ROCE_CAS:
		MUST(request->opcode == ROCE_COMPARE_SWAP &&
		     request->compare == operation->operand &&
		     request->swap_or_add == operation->swap);
		break;
	}
	MUST(request->rkey == RKEY || (operation->kind == ROCE_WRITE && !begins));
	MUST(has_bytes(operation) || request->address == operation->address);
	if (roce_psn_distance(roce_psn_add(request->psn, count), psn_sent) > 0)
		psn_sent = roce_psn_add(request->psn, count);
}

static void take_batch(void)
{
	MUST(batch.fill <= ROCE_BATCH_BYTES && batch.run_count <= ROCE_BATCH_RUNS_MAX);
	for (unsigned i = 0; i < batch.run_count; i++) {
		const struct roce_run *run = &batch.runs[i];
		uint32_t end = run->offset + run->length_bytes;

		for (uint32_t at = run->offset; at < end; at += run->segment_bytes) {
			uint32_t bytes =
				end - at < run->segment_bytes ? end - at : run->segment_bytes;
			struct roce_packet request;

			MUST(roce_decode(batch.bytes + at, bytes, &request) == ROCE_WELL_FORMED);
			MUST(roce_icrc_holds(&back, back.remote.port, batch.bytes + at, bytes));
			check_request(&request);
		}
	}
	roce_batch_clear(&batch);
}

static void emit(void)
{
	bool waits = requester.resume_ns;

	while (roce_requester_emit(&requester, now_ns, &batch)) {
		MUST(batch.run_count && !requester.broken && !waits);
		take_batch();
	}
	MUST(batch.run_count == 0);
	/* Whatever is not sent now waits for an answer or the timer. */
	if (completed < posted)
		MUST(roce_requester_due(&requester) != INT64_MAX);
}

/* ---- packets in ---- */

static void receive(uint8_t *bytes, size_t count)
{
	struct roce_packet packet;
	bool is_nak, was_broken = requester.broken;

	if (roce_decode(bytes, count, &packet) != ROCE_WELL_FORMED)
		return;
	memcpy(bytes + (packet.payload - bytes), content(packet.psn), packet.payload_bytes);
	is_nak = packet.opcode == ROCE_ACKNOWLEDGE && !roce_syndrome_is_ack(packet.syndrome);
	received = &packet;
	roce_requester_receive(&requester, now_ns, &packet);
	received = NULL;
	MUST(!requester.broken || was_broken || is_nak);
}

static void answer(const struct roce_packet *packet)
{
	uint8_t *bytes = malloc(ROCE_OVERHEAD_BYTES + packet->payload_bytes);
	size_t end = roce_encode(packet, bytes);

	memset(bytes + end, 0, packet->payload_bytes);
	end = roce_pad(bytes, end, packet->payload_bytes);
	bytes = realloc(bytes, end + ROCE_ICRC_BYTES);
	memset(bytes + end, 0, ROCE_ICRC_BYTES);
	receive(bytes, end + ROCE_ICRC_BYTES);
	free(bytes);
}

/* What a honest far side says of @psn. */
static struct roce_packet honest_answer(uint32_t psn)
{
	const struct operation *operation = operation_of(psn);
	struct roce_packet packet = {
		.opcode = ROCE_ACKNOWLEDGE, .psn = psn, .syndrome = ROCE_SYNDROME_ACK};

	if (!operation || operation->kind == ROCE_WRITE)
		return packet;
	packet.opcode = ROCE_ATOMIC_ACKNOWLEDGE;
	packet.original = operation->operand + 1;
	if (operation->kind == ROCE_READ) {
		uint32_t number = (psn - operation->psn) & ROCE_PSN_MASK;

		packet.opcode = ROCE_READ_RESPONSE_MIDDLE;
		packet.payload_bytes = payload_bytes_of(operation, number);
	}
	return packet;
}

static uint32_t choose_psn(void)
{
	uint8_t choice = feed8(&feed);
	uint32_t oldest = oldest_psn(), sent = (psn_sent - oldest) & ROCE_PSN_MASK;

	if (choice < 128)
		return oldest;
	if (choice < 192 && sent && sent <= ROCE_PSNS_MAX)
		return roce_psn_add(oldest, feed16(&feed) % sent);
	if (choice < 224)
		return roce_psn_add(oldest, (uint32_t)feed_near(&feed));
	if (choice < 250)
		return roce_psn_add(psn_sent, (uint32_t)feed_near(&feed));
	return feed32(&feed) & ROCE_PSN_MASK;
}

static void answer_made(void)
{
	static const uint8_t syndromes[] = {
		ROCE_SYNDROME_NAK_SEQUENCE, ROCE_SYNDROME_NAK_SEQUENCE,  ROCE_SYNDROME_RNR | 1,
		ROCE_SYNDROME_RNR,          ROCE_SYNDROME_RNR | 12,      ROCE_SYNDROME_NAK_REQUEST,
		ROCE_SYNDROME_NAK_ACCESS,   ROCE_SYNDROME_NAK_OPERATION,
	};
	struct roce_packet packet = honest_answer(choose_psn());
	uint8_t choice = feed8(&feed);

	if (choice < 128) {
		;
	} else if (choice < 176) {
		packet.opcode = (uint8_t)(ROCE_READ_RESPONSE_FIRST + choice % 6);
	} else if (choice < 240) {
		packet.opcode = ROCE_ACKNOWLEDGE;
		packet.syndrome = syndromes[choice % 8];
		if (choice % 8 > 4) /* the fatal ones end it: seldom */
			packet.syndrome =
				feed8(&feed) < 16 ? packet.syndrome : ROCE_SYNDROME_NAK_SEQUENCE;
	} else {
		packet.syndrome = feed8(&feed);
		packet.payload_bytes = feed16(&feed) % (ROCE_MTU_MAX + 16);
	}
	if (packet.opcode < ROCE_READ_RESPONSE_FIRST || packet.opcode > ROCE_READ_RESPONSE_ONLY)
		packet.payload_bytes = 0;
	answer(&packet);
}

static void answer_raw(void)
{
	size_t count = feed8(&feed);
	uint8_t *bytes = malloc(count ? count : 1);

	for (size_t i = 0; i < count; i++)
		bytes[i] = feed8(&feed);
	receive(bytes, count);
	free(bytes);
}

/* ---- time ---- */

static void tick(void)
{
	int64_t due_ns = roce_requester_due(&requester);

	roce_requester_tick(&requester, now_ns);
	if (due_ns <= now_ns)
		MUST(roce_requester_due(&requester) > now_ns);
	else
		MUST(roce_requester_due(&requester) == due_ns);
}

static void let_time_pass(void)
{
	uint8_t choice = feed8(&feed);
	int64_t due_ns = roce_requester_due(&requester);

	if (choice < 128 && due_ns != INT64_MAX && due_ns > now_ns)
		now_ns = due_ns;
	else
		now_ns += INT64_C(1) << choice % 33;
	tick();
}

/* ---- a run ---- */

static void begin(void)
{
	static const uint16_t rd_atomics[] = {1, 2, 16, ROCE_RD_ATOMIC_MAX};
	uint8_t flags = feed8(&feed), flags2 = feed8(&feed);
	struct roce_requester_config config = {
		.path = {.local = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 40000},
			 .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = ROCE_PORT},
			 .to_device = flags & 1},
		.remote_qpn = QPN,
		.psn = flags & 2 ? feed32(&feed) & ROCE_PSN_MASK : 0xfffff0,
		.mtu = (uint32_t)ROCE_MTU_MIN << (flags2 & 7) % 5,
		.rkey = RKEY,
		.rd_atomic_max = rd_atomics[flags >> 2 & 3],
		.timeout_ns = TIMEOUT_NS,
		.complete = complete,
	};

	/* At least a packet of the longest, as whoever configures it gives it. */
	config.window_bytes_max =
		config.mtu + ROCE_PACKET_COST + (flags & 16 ? 400000 : feed16(&feed));
	posts_by_completion = flags2 >> 3;
	posted = completed = 0;
	psn_posted = psn_sent = config.psn;
	buffer_bytes = 0;
	now_ns = 1;
	counters = (struct roce_counters){0};
	batch.single = flags & 32;
	roce_batch_clear(&batch);
	roce_requester_init(&requester, &config, &counters);
	back = (struct roce_path){.local = config.path.remote,
				  .remote = config.path.local,
				  .to_device = config.path.to_device};
	roce_path_prepare(&back);
}

static void step(void)
{
	uint8_t action = feed8(&feed);

	if (action < 0x40) {
		post((enum roce_operation)(action % 4));
	} else if (action < 0x42) {
		for (unsigned count = feed16(&feed) % (ROCE_REQUESTS_MAX + 100); count; count--)
			post(action & 1 ? ROCE_FAA : ROCE_WRITE);
	} else if (action < 0x46) {
		post_too_long((enum roce_operation)(action % 4));
	} else if (action < 0x70) {
		emit();
	} else if (action < 0xd0) {
		answer_made();
	} else if (action < 0xd8) {
		answer_raw();
	} else if (action < 0xff || feed8(&feed) > 16) {
		let_time_pass();
	} else {
		roce_requester_break(&requester);
		MUST(requester.broken);
	}
	check_books();
	check_timer();
}

/* The far side is honest from now on: everything completes, unless it was given up. */
static void end_well(void)
{
	for (unsigned i = 0; completed < posted; i++) {
		struct roce_packet packet = honest_answer(oldest_psn());

		MUST(i < 100000);
		emit();
		if (roce_psn_distance(packet.psn, psn_sent) < 0) {
			answer(&packet);
			continue;
		}
		now_ns = roce_requester_due(&requester);
		tick();
	}
	check_books();
	check_timer();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	feed = (struct feed){bytes, bytes + count};
	begin();
	for (unsigned i = 0; feed.at < feed.end && i < STEPS_MAX; i++)
		step();
	end_well();
	return 0;
}
