/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A responder that is sent packets by somebody who means no good but knows the rkey and the PSN:
 * requests around every edge, and bytes that are none. A model of the specification's rules says
 * for each packet what must come of it; memory is touched where it says, an atomic is executed once
 * and answered with the same original ever after, and whatever the responder says is well-formed
 * and true.
 */
#include "lib/roce/arrival.h"
#include "lib/roce/responder.h"
#include "tests/fuzz/feed.h"

#include <string.h>

#define RKEY             0x1234567
#define QPN              0x00abcd
#define ATOMICS_MAX      4096
#define REGION_BYTES_MAX 131072
#define STEPS_MAX        1000
#define ANSWERS_MAX      20000

enum verdict {
	DROPPED, /* the queue pair is dead, it is no request, or a READ is being answered */
	AHEAD,
	DUPLICATE,
	BAD_REQUEST,
	BAD_ACCESS,
	EXECUTED,
};

struct atomic {
	uint64_t position; /* its PSN, counted from the first one without a wrap */
	uint64_t original;
};

struct reading {
	bool active, begun;
	uint32_t psn, left_bytes;
	uint64_t offset;
};

/* What the specification says of the queue pair. */
struct model {
	uint32_t psn; /* expected */
	uint64_t position;
	bool dead, writing, nak_sent, ack_due;
	uint32_t ack_psn;
	uint64_t offset; /* of a WRITE */
	uint32_t left_bytes;
	struct reading reading;
	struct atomic atomics[ATOMICS_MAX];
	unsigned atomic_count;
};

static struct roce_responder responder;
static struct roce_counters counters;
static struct roce_batch batch;
static struct roce_path back; /* the requester's */
static struct model model;
static uint8_t *region; /* exactly as long as it says: behind it is a red zone */
static uint64_t packets_sent;

/* The packet being received, NULL in roce_responder_finish; what it led to. */
static const struct roce_packet *received;
static unsigned atomics_executed, writes_executed, answers;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* ---- memory ---- */

static uint8_t *touch(uint64_t offset, uint64_t bytes)
{
	uint64_t size = responder.config.memory.bytes;

	MUST(bytes > 0 && offset < size && bytes <= size - offset);
	return region + offset;
}

static void memory_read(void *context, uint64_t offset, void *buffer, uint32_t bytes)
{
	(void)context;
	MUST(model.reading.active || (received && received->opcode == ROCE_READ_REQUEST));
	memcpy(buffer, touch(offset, bytes), bytes);
}

static void memory_write(void *context, uint64_t offset, const void *buffer, uint32_t bytes)
{
	(void)context;
	MUST(received && received->psn == model.psn && received->opcode <= ROCE_WRITE_ONLY);
	MUST(buffer == received->payload && bytes == received->payload_bytes);
	writes_executed++;
	memcpy(touch(offset, bytes), buffer, bytes);
}

static uint64_t execute_atomic(uint64_t offset, uint64_t compare, uint64_t operand)
{
	uint64_t original, value;
	uint8_t *at = touch(offset, 8);

	MUST(received && received->psn == model.psn && received->address % 8 == 0);
	MUST(offset == received->address - responder.config.memory.address);
	MUST(operand == received->swap_or_add && compare == received->compare);
	MUST(atomics_executed++ == 0);
	memcpy(&original, at, 8);
	value = received->opcode == ROCE_FETCH_ADD ? original + operand
		: original == compare              ? operand
						   : original;
	memcpy(at, &value, 8);
	MUST(model.atomic_count < ATOMICS_MAX);
	model.atomics[model.atomic_count++] = (struct atomic){model.position, original};
	return original;
}

static uint64_t memory_compare_swap(void *context, uint64_t offset, uint64_t compare, uint64_t swap)
{
	(void)context;
	MUST(received->opcode == ROCE_COMPARE_SWAP);
	return execute_atomic(offset, compare, swap);
}

static uint64_t memory_fetch_add(void *context, uint64_t offset, uint64_t addend)
{
	(void)context;
	MUST(received->opcode == ROCE_FETCH_ADD);
	return execute_atomic(offset, received->compare, addend);
}

static const struct roce_memory_ops memory_ops = {memory_read, memory_write, memory_compare_swap,
						  memory_fetch_add};

/* ---- the rules ---- */

static bool is_atomic(uint8_t opcode)
{
	return opcode == ROCE_COMPARE_SWAP || opcode == ROCE_FETCH_ADD;
}

static bool is_write(uint8_t opcode)
{
	return opcode >= ROCE_WRITE_FIRST && opcode <= ROCE_WRITE_ONLY;
}

static bool covers(const struct roce_packet *packet, uint32_t bytes, unsigned access)
{
	const struct roce_memory *memory = &responder.config.memory;
	unsigned __int128 begin = packet->address, end = begin + bytes, first = memory->address;

	return bytes == 0 || (packet->rkey == memory->rkey && memory->access & access &&
			      begin >= first && end <= first + memory->bytes);
}

static enum verdict judge_write(const struct roce_packet *packet)
{
	uint32_t mtu = responder.config.mtu;
	bool begins = packet->opcode == ROCE_WRITE_FIRST || packet->opcode == ROCE_WRITE_ONLY;
	bool ends = packet->opcode == ROCE_WRITE_LAST || packet->opcode == ROCE_WRITE_ONLY;
	uint32_t left = begins ? packet->length_bytes : model.left_bytes;

	if (packet->payload_bytes > mtu || packet->payload_bytes > left ||
	    (!ends && packet->payload_bytes < mtu) || ends != (packet->payload_bytes == left))
		return BAD_REQUEST;
	return begins && !covers(packet, left, ROCE_ACCESS_WRITE) ? BAD_ACCESS : EXECUTED;
}

static uint32_t psns_of(const struct roce_packet *packet)
{
	return packet->opcode == ROCE_READ_REQUEST
		       ? roce_psn_count(packet->length_bytes, responder.config.mtu)
		       : 1;
}

static enum verdict judge(const struct roce_packet *packet)
{
	int32_t distance = roce_psn_distance(packet->psn, model.psn);
	bool is_middle = packet->opcode == ROCE_WRITE_MIDDLE || packet->opcode == ROCE_WRITE_LAST;

	if (model.dead || model.reading.active ||
	    !(is_write(packet->opcode) || is_atomic(packet->opcode) ||
	      packet->opcode == ROCE_READ_REQUEST))
		return DROPPED;
	if (distance)
		return distance > 0 ? AHEAD : DUPLICATE;
	if (is_middle != model.writing)
		return BAD_REQUEST;
	if (is_write(packet->opcode))
		return judge_write(packet);
	if (is_atomic(packet->opcode))
		return packet->address % 8                     ? BAD_REQUEST
		       : covers(packet, 8, ROCE_ACCESS_ATOMIC) ? EXECUTED
							       : BAD_ACCESS;
	if (packet->length_bytes > INT32_MAX || psns_of(packet) > ROCE_PSN_MASK / 2)
		return BAD_REQUEST;
	return covers(packet, packet->length_bytes, ROCE_ACCESS_READ) ? EXECUTED : BAD_ACCESS;
}

static void begin_read(const struct roce_packet *packet)
{
	model.reading = (struct reading){
		.active = true,
		.psn = packet->psn,
		.left_bytes = packet->length_bytes,
		.offset = packet->address - responder.config.memory.address,
	};
}

/* The atomic that a duplicate of it must be answered from, NULL: none. */
static const struct atomic *find_atomic(uint32_t psn)
{
	uint64_t position = model.position + (uint64_t)roce_psn_distance(psn, model.psn);
	unsigned kept = responder.config.replay_count, count = model.atomic_count;

	for (unsigned i = count; i > 0 && count - i < kept; i--)
		if (model.atomics[i - 1].position == position)
			return &model.atomics[i - 1];
	return NULL;
}

static bool is_answerable_read(const struct roce_packet *packet)
{
	uint32_t count = psns_of(packet);

	return packet->length_bytes <= INT32_MAX && count <= ROCE_PSN_MASK / 2 && !model.writing &&
	       covers(packet, packet->length_bytes, ROCE_ACCESS_READ);
}

/* What the packet does to the queue pair, before its answer is looked at. */
static void follow(const struct roce_packet *packet, enum verdict verdict)
{
	uint32_t count = psns_of(packet);

	if (verdict == BAD_REQUEST || verdict == BAD_ACCESS) {
		model.dead = true;
	} else if (verdict == DUPLICATE && packet->opcode == ROCE_READ_REQUEST) {
		if (is_answerable_read(packet)) {
			int32_t beyond =
				roce_psn_distance(roce_psn_add(packet->psn, count), model.psn);

			/* What it asks for behind the newest request is new. */
			if (beyond > 0) {
				model.psn = roce_psn_add(model.psn, (uint32_t)beyond);
				model.position += (uint32_t)beyond;
				model.nak_sent = false;
			}
			begin_read(packet);
		}
	} else if (verdict == DUPLICATE && is_write(packet->opcode)) {
		/* Itself, or what is newer and to be acknowledged as well. */
		if (!model.ack_due || roce_psn_distance(packet->psn, model.ack_psn) > 0)
			model.ack_psn = packet->psn;
		model.ack_due = true;
	} else if (verdict == EXECUTED) {
		model.psn = roce_psn_add(model.psn, count);
		model.position += count;
		model.nak_sent = false;
		if (packet->opcode == ROCE_READ_REQUEST)
			begin_read(packet);
		if (!is_write(packet->opcode)) {
			model.ack_due = false;
			return;
		}
		if (packet->opcode == ROCE_WRITE_FIRST)
			model.left_bytes = packet->length_bytes;
		model.left_bytes -= packet->payload_bytes;
		model.writing =
			packet->opcode == ROCE_WRITE_FIRST || packet->opcode == ROCE_WRITE_MIDDLE;
		model.ack_due |= packet->ack_request;
		model.ack_psn = packet->psn;
	}
}

/* ---- what it says ---- */

static void check_acknowledge(const struct roce_packet *answer, enum verdict verdict)
{
	switch (answer->syndrome) {
	case ROCE_SYNDROME_ACK:
		MUST(!received && model.ack_due && !model.dead);
		MUST(answer->psn == model.ack_psn);
		break;
	case ROCE_SYNDROME_NAK_SEQUENCE:
		MUST(received && verdict == AHEAD && !model.nak_sent);
		MUST(answer->psn == model.psn);
		model.nak_sent = true;
		break;
	default:
		MUST(received && answer->psn == received->psn);
		MUST(answer->syndrome == (verdict == BAD_REQUEST ? ROCE_SYNDROME_NAK_REQUEST
								 : ROCE_SYNDROME_NAK_ACCESS));
		MUST(verdict == BAD_REQUEST || verdict == BAD_ACCESS);
	}
	model.ack_due = false;
}

static void check_atomic_answer(const struct roce_packet *answer)
{
	const struct atomic *atomic = find_atomic(answer->psn);

	MUST(received && is_atomic(received->opcode) && answer->psn == received->psn);
	MUST(atomic && answer->original == atomic->original);
}

static void check_read_answer(const struct roce_packet *answer)
{
	struct reading *reading = &model.reading;
	uint32_t mtu = responder.config.mtu;
	bool ends = reading->left_bytes <= mtu;

	MUST(reading->active && answer->psn == reading->psn);
	MUST(answer->opcode == (reading->begun
					? ends ? ROCE_READ_RESPONSE_LAST : ROCE_READ_RESPONSE_MIDDLE
				: ends ? ROCE_READ_RESPONSE_ONLY
				       : ROCE_READ_RESPONSE_FIRST));
	MUST(answer->payload_bytes == (ends ? reading->left_bytes : mtu));
	if (answer->payload_bytes)
		MUST(!memcmp(answer->payload, touch(reading->offset, answer->payload_bytes),
			     answer->payload_bytes));
	reading->begun = true;
	reading->psn = roce_psn_add(reading->psn, 1);
	reading->offset += answer->payload_bytes;
	reading->left_bytes -= answer->payload_bytes;
	reading->active = !ends;
}

static void check_answer(const uint8_t *bytes, size_t count, enum verdict verdict)
{
	struct roce_packet answer;

	MUST(roce_decode(bytes, count, &answer) == ROCE_WELL_FORMED);
	MUST(roce_icrc_holds(&back, back.remote.port, bytes, count));
	MUST(answer.qpn == QPN && !answer.ack_request);
	if (answer.opcode == ROCE_ACKNOWLEDGE) {
		check_acknowledge(&answer, verdict);
	} else if (answer.opcode == ROCE_ATOMIC_ACKNOWLEDGE) {
		check_atomic_answer(&answer);
	} else {
		check_read_answer(&answer);
	}
	MUST(answer.opcode == ROCE_READ_RESPONSE_MIDDLE || answer.opcode == ROCE_ACKNOWLEDGE ||
	     roce_syndrome_is_ack(answer.syndrome));
	answers++;
	packets_sent++;
}

/* Look at everything in the batch, and leave room for @room packets in it. */
static void check_answers(enum verdict verdict, uint32_t room)
{
	MUST(batch.fill <= ROCE_BATCH_BYTES && batch.run_count <= ROCE_BATCH_RUNS_MAX);
	for (unsigned i = 0; i < batch.run_count; i++) {
		const struct roce_run *run = &batch.runs[i];
		uint32_t end = run->offset + run->length_bytes;

		MUST(run->count <= ROCE_RUN_COUNT_MAX && run->length_bytes <= ROCE_RUN_BYTES_MAX);
		for (uint32_t at = run->offset; at < end; at += run->segment_bytes)
			check_answer(batch.bytes + at,
				     end - at < run->segment_bytes ? end - at : run->segment_bytes,
				     verdict);
	}
	MUST(counters.packets_sent == packets_sent);
	roce_batch_clear(&batch);
	batch.fill = ROCE_BATCH_BYTES - room * ROCE_PACKET_BYTES_MAX;
}

/* ---- packets ---- */

static void check_state(void)
{
	MUST(responder.psn == model.psn);
	MUST(responder.state == (model.dead             ? ROCE_RESPONDER_ERROR
				 : model.reading.active ? ROCE_RESPONDER_READING
				 : model.writing        ? ROCE_RESPONDER_WRITING
							: ROCE_RESPONDER_READY));
}

static void receive(const struct roce_packet *packet, uint32_t room)
{
	enum verdict verdict = judge(packet);
	bool atomic = is_atomic(packet->opcode), written;

	received = packet;
	atomics_executed = writes_executed = answers = 0;
	roce_responder_receive(&responder, packet, &batch);
	MUST(atomics_executed == (verdict == EXECUTED && atomic));
	written = verdict == EXECUTED && is_write(packet->opcode) && packet->payload_bytes;
	MUST(writes_executed == written);
	follow(packet, verdict);
	check_answers(verdict, room);
	if (verdict == BAD_REQUEST || verdict == BAD_ACCESS || (verdict == EXECUTED && atomic))
		MUST(answers == 1);
	if (verdict == DUPLICATE && atomic)
		MUST(answers == (find_atomic(packet->psn) != NULL));
	if (verdict == DROPPED && !model.reading.active && model.dead)
		MUST(answers == 0);
	MUST(verdict != AHEAD || model.nak_sent);
	received = NULL;
	check_state();
}

static void finish(uint32_t room)
{
	bool due = model.ack_due && !model.dead, more;

	answers = 0;
	more = roce_responder_finish(&responder, &batch);
	check_answers(DROPPED, room);
	MUST(!more || answers > 0);
	MUST(more || !model.ack_due || model.dead);
	MUST(more || !due || answers > 0);
	check_state();
}

/* As a packet comes from the wire. */
static void arrive(const uint8_t *bytes, size_t count, uint32_t room)
{
	const struct roce_path *path = &responder.config.path;
	struct roce_packet packet;

	if (!roce_arrival_decode(bytes, count, &packet, &counters))
		return;
	MUST(roce_arrival_holds(path, &path->remote, bytes, count, &counters));
	receive(&packet, room);
}

static uint8_t opcode_of(struct feed *feed)
{
	static const uint8_t opcodes[] = {
		ROCE_WRITE_FIRST,  ROCE_WRITE_MIDDLE, ROCE_WRITE_LAST, ROCE_WRITE_ONLY,
		ROCE_READ_REQUEST, ROCE_COMPARE_SWAP, ROCE_FETCH_ADD,  ROCE_ACKNOWLEDGE,
	};

	return opcodes[feed8(feed) % sizeof opcodes];
}

static uint32_t psn_of(struct feed *feed)
{
	uint8_t choice = feed8(feed);

	if (choice < 160)
		return model.psn;
	if (choice < 200 && model.atomic_count) { /* one of the newest atomics again */
		unsigned back_count = 1 + feed8(feed) % model.atomic_count;
		uint64_t behind =
			model.position - model.atomics[model.atomic_count - back_count].position;

		return roce_psn_add(model.psn, 0u - (uint32_t)behind);
	}
	if (choice < 250)
		return roce_psn_add(model.psn, (uint32_t)feed_near(feed));
	return feed32(feed) & ROCE_PSN_MASK;
}

static uint64_t address_of(struct feed *feed)
{
	const struct roce_memory *memory = &responder.config.memory;
	uint8_t choice = feed8(feed);
	uint64_t near = (uint64_t)feed_near(feed);

	if (choice & 0x80)
		near *= 8;
	switch (choice % 8) {
	case 0:
		return near;
	case 1:
		return memory->address + memory->bytes + near;
	case 2:
		return memory->address + memory->bytes - responder.config.mtu + near;
	case 3:
		return memory->address + near;
	default:
		return memory->address + feed16(feed) % memory->bytes / 8 * 8;
	}
}

static uint32_t length_of(struct feed *feed)
{
	const struct roce_memory *memory = &responder.config.memory;
	uint8_t choice = feed8(feed);

	switch (choice % 8) {
	case 0:
		return (uint32_t)feed_near(feed); /* around 0 and 2^32 */
	case 1:
		return 0x80000000u + (uint32_t)feed_near(feed);
	case 2:
		return (uint32_t)memory->bytes + (uint32_t)feed_near(feed);
	case 3:
		return responder.config.mtu + (uint32_t)feed_near(feed);
	case 4:
		return 2 * responder.config.mtu + (uint32_t)feed_near(feed);
	default:
		return feed16(feed) % ((uint32_t)memory->bytes + 1);
	}
}

/* Of the payload: what the rules want, most of the time. */
static uint32_t payload_bytes_of(struct feed *feed, const struct roce_packet *packet)
{
	uint32_t mtu = responder.config.mtu;
	bool begins = packet->opcode == ROCE_WRITE_FIRST || packet->opcode == ROCE_WRITE_ONLY;
	uint32_t left = begins ? packet->length_bytes : model.left_bytes;
	uint8_t choice = feed8(feed);

	if (!is_write(packet->opcode))
		return 0;
	if (choice < 200)
		return left < mtu ? left : mtu;
	return choice < 230 ? mtu - 8 + choice % 16 : choice;
}

static void send_made(struct feed *feed, uint32_t room)
{
	struct roce_packet packet = {.opcode = opcode_of(feed), .qpn = 1, .psn = psn_of(feed)};
	uint8_t flags = feed8(feed), *bytes;
	size_t end;

	packet.rkey = flags & 7 ? RKEY : feed32(feed);
	packet.ack_request = flags & 8;
	packet.address = address_of(feed);
	packet.length_bytes = length_of(feed);
	packet.swap_or_add = flags & 16 ? feed64(feed) : 1;
	packet.compare = flags & 32 ? feed64(feed) : 0;
	packet.payload_bytes = payload_bytes_of(feed, &packet);
	bytes = malloc(ROCE_OVERHEAD_BYTES + packet.payload_bytes);
	end = roce_encode(&packet, bytes);
	memset(bytes + end, feed8(feed), packet.payload_bytes);
	end = roce_pad(bytes, end, packet.payload_bytes);
	bytes = realloc(bytes, end + ROCE_ICRC_BYTES);
	roce_icrc_seal(&back, bytes, end, 0);
	arrive(bytes, end + ROCE_ICRC_BYTES, room);
	free(bytes);
}

static void send_raw(struct feed *feed, uint32_t room)
{
	size_t count = feed8(feed);
	uint8_t *bytes = malloc(count ? count : 1);

	for (size_t i = 0; i < count; i++)
		bytes[i] = feed8(feed);
	if (count >= sizeof(struct roce_bth) + ROCE_ICRC_BYTES)
		roce_icrc_seal(&back, bytes, count - ROCE_ICRC_BYTES, 0);
	arrive(bytes, count, room);
	free(bytes);
}

/* ---- a run ---- */

/* What a region holds at first. */
static const uint8_t *pattern(void)
{
	static uint8_t bytes[REGION_BYTES_MAX];

	if (!bytes[1])
		for (unsigned i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)(i * 7 + i / 256);
	return bytes;
}

static uint64_t region_bytes_of(struct feed *feed)
{
	uint8_t choice = feed8(feed);

	if (choice < 64)
		return 1 + choice;
	return choice < 240 ? 1 + feed16(feed) % 20000
			    : UINT64_C(65536) + feed16(feed); /* more than a turn's worth */
}

static void begin(struct feed *feed)
{
	static const uint64_t addresses[] = {0, 0x7f0000001000, UINT64_C(1) << 63};
	static const uint16_t replay_counts[] = {1, 2, 16, ROCE_RD_ATOMIC_MAX};
	uint8_t flags = feed8(feed), flags2 = feed8(feed);
	struct roce_responder_config config = {
		.path = {.local = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = ROCE_PORT},
			 .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 40000},
			 .to_device = flags & 4},
		.memory = {.ops = &memory_ops, .rkey = RKEY, .access = 7},
		.remote_qpn = QPN,
		.psn = flags & 0x80 ? feed32(feed) & ROCE_PSN_MASK : 0xfffff0,
		.mtu = (uint32_t)ROCE_MTU_MIN << (flags2 & 7) % 5,
		.replay_count = replay_counts[flags >> 5 & 3],
	};

	config.memory.bytes = region_bytes_of(feed);
	config.memory.address = flags & 3 ? addresses[(flags & 3) - 1]
					  : 0 - ((config.memory.bytes + 7) & ~UINT64_C(7));
	if (flags2 >= 0xf0)
		config.memory.access = flags2 & 7;
	region = malloc(config.memory.bytes);
	memcpy(region, pattern(), config.memory.bytes);
	counters = (struct roce_counters){0};
	packets_sent = 0;
	model.psn = config.psn;
	model.position = 0;
	model.dead = model.writing = model.nak_sent = model.ack_due = false;
	model.reading.active = false;
	model.atomic_count = 0;
	roce_responder_init(&responder, &config, &counters);
	batch.single = flags & 8;
	roce_batch_clear(&batch);
	back = (struct roce_path){.local = config.path.remote,
				  .remote = config.path.local,
				  .to_device = config.path.to_device};
	roce_path_prepare(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct feed feed = {bytes, bytes + count};
	uint32_t room;

	begin(&feed);
	room = ROCE_RESPONDER_ROOM + feed8(&feed) % 62;
	for (unsigned i = 0; feed.at < feed.end && i < STEPS_MAX && packets_sent < ANSWERS_MAX;
	     i++) {
		uint8_t action = feed8(&feed);

		if (action < 0xc0)
			send_made(&feed, room);
		else if (action < 0xd0)
			send_raw(&feed, room);
		else
			finish(room);
	}
	for (unsigned i = 0; model.reading.active || (model.ack_due && !model.dead); i++) {
		MUST(i < 100000);
		finish(room);
	}
	free(region);
	return 0;
}
