/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requesters and responders over a network that loses, doubles, reorders, delays and corrupts
 * packets, in virtual time: one schedule a seed. Every operation must complete with the value that
 * one execution found between its beginning and its end, every atomic must have been executed once,
 * or at most once where the network was cut; what a session WRITEs it must READ. A failing seed is
 * printed:
 *
 *   ROCE_SEED=N simulation_test          that schedule alone
 *   ROCE_SCHEDULES=N simulation_test     so many instead of 12,000
 */
#include "lib/roce/requester.h"
#include "lib/roce/responder.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX    3
#define OPS_MAX        60
#define WORDS          4 /* shared by all */
#define PRIVATE_BYTES  24576
#define MEMORY_BYTES   (4096 + CLIENTS_MAX * PRIVATE_BYTES)
#define ADDRESS        0x7f0000001000ULL
#define RKEY           0x12345678
#define FLYING_MAX     16384
#define EXECUTIONS_MAX 512
#define TIMEOUT_NS     INT64_C(3000000000)

struct operation {
	enum roce_operation kind;
	uint64_t offset;
	uint64_t unique;                  /* FAA: the addend; CAS: the value swapped in */
	unsigned posted_at, completed_at; /* in executions */
	unsigned executed;
	unsigned execution;
	enum roce_outcome outcome;
	bool completed;
	uint64_t original;
	uint32_t length_bytes;
	uint8_t *buffer, *expected;
};

struct client {
	struct simulation *simulation;
	unsigned index;
	struct roce_requester requester;
	struct roce_responder responder;
	struct operation operations[OPS_MAX];
	unsigned operation_count, posted, completed;
	uint8_t shadow
		[PRIVATE_BYTES]; /* what its own part must hold for the next operation posted */
	uint64_t guess[WORDS];
};

struct flying {
	int64_t at_ns;
	uint64_t serial;
	bool to_responder;
	unsigned client;
	uint32_t bytes;
	uint8_t packet[ROCE_PACKET_BYTES_MAX];
};

struct execution {
	unsigned word;
	uint64_t value; /* behind it */
};

struct simulation {
	uint64_t seed, random;
	int64_t now_ns;
	unsigned loss, duplication, corruption; /* in 1,000 */
	int64_t delay_ns, jitter_ns, cut_ns;
	uint32_t mtu;
	unsigned client_count;
	struct client clients[CLIENTS_MAX];
	uint64_t memory[MEMORY_BYTES / 8];
	struct execution executions[EXECUTIONS_MAX];
	unsigned execution_count;
	struct flying *flying[FLYING_MAX]; /* a heap by time */
	unsigned flying_count;
	uint64_t serial;
	struct roce_batch batch;
	struct roce_counters counters;
};

static struct simulation simulation;
static struct flying pool[FLYING_MAX];

#define EXPECT(simulation, condition)                                                    \
	do {                                                                             \
		if (!(condition))                                                        \
			ck_abort_msg("seed %llu: %s (try ROCE_SEED=%llu)",               \
				     (unsigned long long)(simulation)->seed, #condition, \
				     (unsigned long long)(simulation)->seed);            \
	} while (0)

/* xorshift64* */
static uint64_t draw(struct simulation *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(struct simulation *s, uint64_t limit)
{
	return (draw(s) >> 16) % limit;
}

static bool happens(struct simulation *s, unsigned in_1000)
{
	return below(s, 1000) < in_1000;
}

/* ---- memory ---- */

static void note_execution(struct client *client, uint64_t offset, uint64_t unique)
{
	struct simulation *s = client->simulation;
	unsigned word = (unsigned)(offset / 8);

	EXPECT(s, s->execution_count < EXECUTIONS_MAX);
	s->executions[s->execution_count] = (struct execution){word, s->memory[word]};
	for (unsigned i = 0; i < client->posted; i++) {
		struct operation *operation = &client->operations[i];

		if (operation->unique != unique)
			continue;
		operation->executed++;
		operation->execution = s->execution_count++;
		return;
	}
	EXPECT(s, !"nobody asked for what was executed");
}

static void memory_read(void *context, uint64_t offset, void *buffer, uint32_t bytes)
{
	struct client *client = context;

	memcpy(buffer, (uint8_t *)client->simulation->memory + offset, bytes);
}

static void memory_write(void *context, uint64_t offset, const void *buffer, uint32_t bytes)
{
	struct client *client = context;

	memcpy((uint8_t *)client->simulation->memory + offset, buffer, bytes);
}

static uint64_t memory_compare_swap(void *context, uint64_t offset, uint64_t compare, uint64_t swap)
{
	struct client *client = context;
	uint64_t *word = &client->simulation->memory[offset / 8], original = *word;

	if (original == compare)
		*word = swap;
	note_execution(client, offset, swap);
	return original;
}

static uint64_t memory_fetch_add(void *context, uint64_t offset, uint64_t addend)
{
	struct client *client = context;
	uint64_t *word = &client->simulation->memory[offset / 8], original = *word;

	*word += addend;
	note_execution(client, offset, addend);
	return original;
}

static const struct roce_memory_ops memory_ops = {memory_read, memory_write, memory_compare_swap,
						  memory_fetch_add};

/* ---- the network ---- */

static bool is_before(const struct flying *left, const struct flying *right)
{
	return left->at_ns < right->at_ns ||
	       (left->at_ns == right->at_ns && left->serial < right->serial);
}

static void swap(struct simulation *s, unsigned i, unsigned j)
{
	struct flying *other = s->flying[i];

	s->flying[i] = s->flying[j];
	s->flying[j] = other;
}

static void push(struct simulation *s, bool to_responder, unsigned client, const uint8_t *packet,
		 uint32_t bytes)
{
	unsigned at = s->flying_count++;
	struct flying *flying;

	EXPECT(s, at < FLYING_MAX);
	flying = s->flying[at];
	flying->at_ns = s->now_ns + s->delay_ns +
			(s->jitter_ns ? (int64_t)below(s, (uint64_t)s->jitter_ns) : 0);
	flying->serial = s->serial++;
	flying->to_responder = to_responder;
	flying->client = client;
	flying->bytes = bytes;
	memcpy(flying->packet, packet, bytes);
	if (happens(s, s->corruption))
		flying->packet[below(s, bytes)] ^= (uint8_t)(1 << below(s, 8));
	for (; at && is_before(s->flying[at], s->flying[(at - 1) / 2]); at = (at - 1) / 2)
		swap(s, at, (at - 1) / 2);
}

/* The first one. It stays valid until the next push. */
static struct flying *pop(struct simulation *s)
{
	unsigned at = 0;

	swap(s, 0, --s->flying_count);
	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= s->flying_count)
			return s->flying[s->flying_count];
		if (child + 1 < s->flying_count &&
		    is_before(s->flying[child + 1], s->flying[child]))
			child++;
		if (!is_before(s->flying[child], s->flying[at]))
			return s->flying[s->flying_count];
		swap(s, at, child);
		at = child;
	}
}

/* Send what is in the batch. */
static void transmit(struct simulation *s, bool to_responder, unsigned client)
{
	for (unsigned i = 0; i < s->batch.run_count; i++) {
		const struct roce_run *run = &s->batch.runs[i];
		uint32_t end = run->offset + run->length_bytes;

		for (uint32_t at = run->offset; at < end; at += run->segment_bytes) {
			uint32_t bytes =
				end - at < run->segment_bytes ? end - at : run->segment_bytes;

			if (happens(s, s->loss) || (s->cut_ns && s->now_ns > s->cut_ns))
				continue;
			push(s, to_responder, client, s->batch.bytes + at, bytes);
			if (happens(s, s->duplication))
				push(s, to_responder, client, s->batch.bytes + at, bytes);
		}
	}
	roce_batch_clear(&s->batch);
}

/* ---- clients ---- */

static void complete(void *context, const struct roce_request *request, enum roce_outcome outcome,
		     uint64_t original)
{
	struct client *client = context;
	struct simulation *s = client->simulation;
	struct operation *operation = request->owner;

	EXPECT(s, operation == &client->operations[client->completed]); /* in order, and once */
	client->completed++;
	operation->completed = true;
	operation->outcome = outcome;
	operation->original = original;
	operation->completed_at = s->execution_count;
}

static void choose_bytes(struct client *client, struct operation *operation)
{
	struct simulation *s = client->simulation;
	uint32_t limit = happens(s, 700) ? 64 : PRIVATE_BYTES;
	uint32_t length = (uint32_t)below(s, limit + 1);
	uint64_t begin = below(s, PRIVATE_BYTES - length + 1);

	operation->length_bytes = length;
	operation->offset = 4096 + client->index * PRIVATE_BYTES + begin;
	operation->buffer = malloc(length + 1);
	operation->expected = malloc(length + 1);
	if (operation->kind == ROCE_WRITE) {
		for (uint32_t i = 0; i < length; i++)
			operation->buffer[i] = (uint8_t)draw(s);
		memcpy(client->shadow + begin, operation->buffer, length);
	} else {
		memset(operation->buffer, 0xee, length);
		memcpy(operation->expected, client->shadow + begin, length);
	}
}

static void post(struct client *client)
{
	struct simulation *s = client->simulation;
	struct operation *operation = &client->operations[client->posted];
	struct roce_request request;
	unsigned dice = (unsigned)below(s, 10), word = (unsigned)below(s, WORDS);

	*operation = (struct operation){
		.kind = dice < 4   ? ROCE_FAA
			: dice < 6 ? ROCE_CAS
			: dice < 8 ? ROCE_READ
				   : ROCE_WRITE,
		.posted_at = s->execution_count,
	};
	if (operation->kind == ROCE_READ || operation->kind == ROCE_WRITE) {
		choose_bytes(client, operation);
	} else {
		operation->offset = word * 8;
		operation->length_bytes = 8;
		operation->unique = (uint64_t)(client->index + 1) << 32 | (client->posted + 1);
	}
	request = (struct roce_request){
		.operation = operation->kind,
		.length_bytes = operation->length_bytes,
		.address = ADDRESS + operation->offset,
		.operand = operation->kind == ROCE_CAS ? s->memory[word] : operation->unique,
		.swap = operation->unique,
		.buffer = operation->buffer,
		.owner = operation,
	};
	client->posted++;
	if (roce_requester_post(&client->requester, &request))
		complete(client, &request, ROCE_NEVER_SENT, 0);
}

static void client_turn(struct client *client)
{
	struct simulation *s = client->simulation;

	while (client->posted < client->operation_count && !happens(s, 300))
		post(client);
	while (roce_requester_emit(&client->requester, s->now_ns, &s->batch))
		transmit(s, true, client->index);
}

static void deliver(struct simulation *s, const struct flying *flying)
{
	struct client *client = &s->clients[flying->client];
	const struct roce_path *path = flying->to_responder ? &client->responder.config.path
							    : &client->requester.config.path;
	struct roce_packet packet;
	bool more = true;

	if (roce_decode(flying->packet, flying->bytes, &packet) != ROCE_WELL_FORMED ||
	    !roce_icrc_holds(path, path->remote.port, flying->packet, flying->bytes))
		return;
	if (!flying->to_responder) {
		roce_requester_receive(&client->requester, s->now_ns, &packet);
		client_turn(client);
		return;
	}
	roce_responder_receive(&client->responder, &packet, &s->batch);
	/* Now and then the worker has more packets before it finishes. */
	while (more && !happens(s, 200)) {
		more = roce_responder_finish(&client->responder, &s->batch);
		transmit(s, false, client->index);
	}
	transmit(s, false, client->index);
}

/* ---- schedules ---- */

static void client_open(struct simulation *s, unsigned index)
{
	static const unsigned counts[] = {1, 2, 4, 16, ROCE_RD_ATOMIC_MAX};
	struct client *client = &s->clients[index];
	struct roce_address requester = {.ip = {[10] = 0xff, 0xff, 10, 1, 0, (uint8_t)(index + 1)},
					 .port = 40000};
	struct roce_address responder = {.ip = {[10] = 0xff, 0xff, 10, 1, 1, 1}, .port = ROCE_PORT};
	uint32_t psn = happens(s, 500) ? (ROCE_PSN_MASK - (uint32_t)below(s, 40)) & ROCE_PSN_MASK
				       : (uint32_t)below(s, 1 << 24);
	uint32_t count = counts[below(s, 5)];
	bool to_device = happens(s, 300);
	struct roce_requester_config requester_config = {
		.path = {.local = requester, .remote = responder, .to_device = to_device},
		.remote_qpn = 17 + index,
		.psn = psn,
		.mtu = s->mtu,
		.rkey = RKEY,
		.rd_atomic_max = count,
		.window_bytes_max = s->mtu + ROCE_PACKET_COST + (uint32_t)below(s, 100000),
		.timeout_ns = TIMEOUT_NS,
		.complete = complete,
		.context = client,
	};
	struct roce_responder_config responder_config = {
		.path = {.local = responder, .remote = requester, .to_device = to_device},
		.memory = {&memory_ops, client, ADDRESS, MEMORY_BYTES, RKEY,
			   ROCE_ACCESS_READ | ROCE_ACCESS_WRITE | ROCE_ACCESS_ATOMIC},
		.remote_qpn = 170 + index,
		.psn = psn,
		.mtu = s->mtu,
		.replay_count = count,
	};

	if (happens(s, 200)) { /* IPv6 */
		memset(requester_config.path.local.ip, 0xfd, 12);
		memset(requester_config.path.remote.ip, 0xfd, 12);
		responder_config.path.local = requester_config.path.remote;
		responder_config.path.remote = requester_config.path.local;
	}
	client->simulation = s;
	client->index = index;
	client->operation_count = 1 + (unsigned)below(s, OPS_MAX);
	client->posted = client->completed = 0;
	memset(client->shadow, 0, sizeof client->shadow);
	roce_requester_init(&client->requester, &requester_config, &s->counters);
	roce_responder_init(&client->responder, &responder_config, &s->counters);
}

static void begin(struct simulation *s, uint64_t seed)
{
	static const unsigned rates[] = {0, 0, 10, 50, 200};

	s->seed = seed;
	s->random = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	s->now_ns = 1;
	s->loss = rates[below(s, 5)];
	s->duplication = rates[below(s, 5)];
	s->corruption = rates[below(s, 4)];
	s->delay_ns = 1000 + (int64_t)below(s, 1000000);
	s->jitter_ns = happens(s, 500) ? (int64_t)below(s, 5000000) : 0;
	s->cut_ns = happens(s, 50) ? 1 + (int64_t)below(s, 20000000) : 0;
	s->mtu = (uint32_t)ROCE_MTU_MIN << below(s, 5);
	s->client_count = 1 + (unsigned)below(s, CLIENTS_MAX);
	s->execution_count = 0;
	s->flying_count = 0;
	memset(s->memory, 0, sizeof s->memory);
	memset(&s->counters, 0, sizeof s->counters);
	roce_batch_clear(&s->batch);
	for (unsigned i = 0; i < FLYING_MAX; i++)
		s->flying[i] = &pool[i];
	for (unsigned i = 0; i < s->client_count; i++)
		client_open(s, i);
}

static int64_t next_due_ns(const struct simulation *s)
{
	int64_t due_ns = INT64_MAX;

	for (unsigned i = 0; i < s->client_count; i++)
		if (roce_requester_due(&s->clients[i].requester) < due_ns)
			due_ns = roce_requester_due(&s->clients[i].requester);
	return due_ns;
}

/* Let time go on to the next packet or timer. Returns false when there is neither. */
static bool step(struct simulation *s)
{
	int64_t due_ns = next_due_ns(s);

	if (s->flying_count && s->flying[0]->at_ns <= due_ns) {
		const struct flying *flying = pop(s);

		s->now_ns = flying->at_ns;
		deliver(s, flying);
		return true;
	}
	if (due_ns == INT64_MAX)
		return false;
	s->now_ns = due_ns;
	for (unsigned i = 0; i < s->client_count; i++) {
		roce_requester_tick(&s->clients[i].requester, s->now_ns);
		client_turn(&s->clients[i]);
	}
	return true;
}

/* Whether @value is what the word held at some time between two executions, the ends included. */
static void check_atomic(const struct simulation *s, const struct client *client, unsigned number)
{
	const struct operation *operation = &client->operations[number];
	uint64_t before = 0;

	if (operation->outcome == ROCE_NEVER_SENT)
		EXPECT(s, operation->executed == 0);
	if (operation->outcome != ROCE_DONE) {
		EXPECT(s, s->cut_ns || operation->outcome == ROCE_UNKNOWN ||
				  operation->outcome == ROCE_NEVER_SENT);
		EXPECT(s, operation->executed <= 1);
		return;
	}
	EXPECT(s, operation->executed == 1);
	EXPECT(s, operation->execution >= operation->posted_at);
	EXPECT(s, operation->execution < operation->completed_at);
	for (unsigned i = 0; i < operation->execution; i++)
		if (s->executions[i].word == operation->offset / 8)
			before = s->executions[i].value;
	EXPECT(s, operation->original == before);
	for (unsigned i = 0; i < number; i++) /* in the order of the program */
		if (client->operations[i].executed)
			EXPECT(s, client->operations[i].execution < operation->execution);
}

static void check(struct simulation *s)
{
	for (unsigned c = 0; c < s->client_count; c++) {
		struct client *client = &s->clients[c];
		bool broken = client->requester.broken;

		EXPECT(s, client->completed == client->operation_count);
		for (unsigned i = 0; i < client->completed; i++) {
			struct operation *operation = &client->operations[i];

			if (operation->unique)
				check_atomic(s, client, i);
			else if (operation->kind == ROCE_READ && operation->outcome == ROCE_DONE)
				EXPECT(s, !memcmp(operation->buffer, operation->expected,
						  operation->length_bytes));
			free(operation->buffer);
			free(operation->expected);
		}
		if (!broken)
			EXPECT(s, !memcmp((uint8_t *)s->memory + 4096 + c * PRIVATE_BYTES,
					  client->shadow, PRIVATE_BYTES));
		EXPECT(s, !broken || s->cut_ns || s->loss >= 200 || s->corruption >= 50);
	}
}

static void run(struct simulation *s, uint64_t seed)
{
	unsigned steps = 0;

	begin(s, seed);
	for (unsigned i = 0; i < s->client_count; i++)
		client_turn(&s->clients[i]);
	for (;;) {
		bool idle = !step(s), over = true;

		for (unsigned i = 0; i < s->client_count; i++) {
			if (idle)
				client_turn(&s->clients[i]);
			over &= s->clients[i].completed == s->clients[i].operation_count;
		}
		if (over)
			break;
		EXPECT(s, ++steps < 3000000);
	}
	check(s);
}

START_TEST(whatever_the_network_does_operations_are_linearizable_and_atomics_executed_once)
{
	const char *seed = getenv("ROCE_SEED"), *schedules = getenv("ROCE_SCHEDULES");
	uint64_t count = schedules ? strtoull(schedules, NULL, 10) : 12000;
	struct roce_counters total = {0};

	if (seed) {
		run(&simulation, strtoull(seed, NULL, 10));
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		run(&simulation, i);
		total.packets_retransmitted += simulation.counters.packets_retransmitted;
		total.duplicates += simulation.counters.duplicates;
		total.naks_sequence += simulation.counters.naks_sequence;
		total.timeouts += simulation.counters.timeouts;
	}
	printf("# %llu schedules: %llu packets sent again, %llu duplicates, %llu NAKs, %llu "
	       "timeouts\n",
	       (unsigned long long)count, (unsigned long long)total.packets_retransmitted,
	       (unsigned long long)total.duplicates, (unsigned long long)total.naks_sequence,
	       (unsigned long long)total.timeouts);
	ck_assert(total.packets_retransmitted && total.duplicates && total.naks_sequence &&
		  total.timeouts);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roce simulation");
	TCase *tcase = tcase_create("schedules");

	tcase_set_timeout(tcase, 600);
	tcase_add_test(
		tcase,
		whatever_the_network_does_operations_are_linearizable_and_atomics_executed_once);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
