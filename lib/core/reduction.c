/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/reduction.h"
#include "lib/core/region.h"

#include <xxhash.h>

#define BATCH 64
/* Contributions that were replaced while they were to be frozen. A client that does so again and
 * again keeps its own round from its end, and nobody else. */
#define FREEZE_FAILURES_MAX 4096

void reduction_prepare(struct reduction *reduction, const uint64_t parameters[4],
		       struct transport *transport, uint64_t offset, uint8_t *memory,
		       uint16_t owner)
{
	static const enum reduce_operation operations[] = {
		[AGGREGATOR_SUM] = REDUCE_SUM,           [AGGREGATOR_MIN] = REDUCE_MIN,
		[AGGREGATOR_MAX] = REDUCE_MAX,           [AGGREGATOR_MEAN] = REDUCE_MEAN,
		[AGGREGATOR_VARIANCE] = REDUCE_VARIANCE, [AGGREGATOR_COUNT] = REDUCE_COUNT,
		[AGGREGATOR_ARGMIN] = REDUCE_ARGMIN,     [AGGREGATOR_ARGMAX] = REDUCE_ARGMAX,
	};
	uint64_t kind = parameters[AGGREGATOR_PARAMETER_KIND];

	reduction->transport = transport;
	reduction->offset = offset;
	reduction->memory = memory;
	reduction->length = parameters[AGGREGATOR_PARAMETER_LENGTH];
	reduction->contributors = parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS];
	reduction->flags = parameters[AGGREGATOR_PARAMETER_FLAGS];
	reduction->operation = operations[AGGREGATOR_KIND_OPERATION(kind)];
	reduction->element =
		AGGREGATOR_KIND_ELEMENT(kind) == AGGREGATOR_DOUBLE ? REDUCE_DOUBLE : REDUCE_INT64;
	reduction->owner = owner;
}

static struct op word_op(const struct reduction *reduction, uint8_t opcode, uint64_t offset,
			 uint64_t operand, uint64_t swap)
{
	return (struct op){.opcode = opcode,
			   .length_bytes = 8,
			   .offset = reduction->offset + offset,
			   .operand = operand,
			   .swap = swap};
}

static struct op load(const struct reduction *reduction, uint64_t offset)
{
	return word_op(reduction, DATA_FAA, offset, 0, 0);
}

static struct op id_op(const struct reduction *reduction, uint8_t opcode, uint64_t id,
		       uint64_t operand, uint64_t swap)
{
	return word_op(reduction, opcode, aggregator_id_offset(reduction->contributors, id),
		       operand, swap);
}

static bool is_open(const struct reduction *reduction)
{
	return aggregator_round(reduction->word) == reduction->round &&
	       !(reduction->word & AGGREGATOR_BROKEN);
}

static bool is_contributed(const struct reduction *reduction, uint64_t word)
{
	return aggregator_round(word) == reduction->round && aggregator_place_and_1(word);
}

/* ---- the beginning ---- */

/* Read the contributions' words. Returns how many there are in this round, or a negative errno. */
static int count_contributions(struct reduction *reduction)
{
	int count = 0;

	for (uint64_t done = 0; done < reduction->contributors;) {
		struct op ops[BATCH];
		uint64_t left = reduction->contributors - done;
		unsigned batch = left < BATCH ? (unsigned)left : BATCH;
		int r;

		for (unsigned i = 0; i < batch; i++)
			ops[i] = id_op(reduction, DATA_FAA, done + i, 0, 0);
		r = transport_execute(reduction->transport, ops, batch);
		if (r)
			return r;
		for (unsigned i = 0; i < batch; i++) {
			reduction->words[done + i] = ops[i].value;
			count += is_contributed(reduction, ops[i].value);
		}
		done += batch;
	}
	return count;
}

/* Whether the round can be reduced: 1 or 0, or a negative errno. */
static int is_complete(struct reduction *reduction)
{
	int count = count_contributions(reduction);

	if (count < 0 || reduction->word & AGGREGATOR_CLOSED)
		return count < 0 ? count : 1;
	return !(reduction->flags & AGGREGATOR_OPEN_END) &&
	       (uint64_t)count == reduction->contributors;
}

/* Become the only reducer. What is left of an earlier reduction in the same name is no obstacle: it
 * has failed. Returns 1, 0 when another is, or a negative errno. */
static int claim(struct reduction *reduction, uint64_t reducer)
{
	uint16_t owner = owned_word_owner(reducer);
	struct op ops[3];
	int r;

	if (owner && owner != reduction->owner)
		return 0;
	reduction->claim = owned_word(owned_word_token(reducer) + 1, reduction->owner);
	ops[0] = word_op(reduction, DATA_CAS, AGGREGATOR_REDUCER_OFFSET, reducer, reduction->claim);
	ops[1] = load(reduction, AGGREGATOR_ROUND_OFFSET);
	ops[2] = load(reduction, AGGREGATOR_ARRIVED_OFFSET);
	r = transport_execute(reduction->transport, ops, 3);
	reduction->word = ops[1].value;
	reduction->arrived = ops[2].value;
	return r ? r : ops[0].value == reducer;
}

/* The word of a contribution after this round takes nothing more from its id. */
static uint64_t frozen(const struct reduction *reduction, uint64_t word)
{
	if (is_contributed(reduction, word))
		return word | AGGREGATOR_FROZEN;
	return aggregator_contribution(reduction->round, 0) | AGGREGATOR_FROZEN;
}

/* Freeze @count contributions from @first on. Returns how many were replaced meanwhile, or a
 * negative errno. */
static int freeze_some(struct reduction *reduction, uint64_t first, unsigned count)
{
	struct op ops[BATCH];
	uint64_t ids[BATCH];
	unsigned n = 0;
	int r, failures = 0;

	for (uint64_t id = first; id < first + count; id++) {
		uint64_t word = reduction->words[id];

		if (word == frozen(reduction, word))
			continue;
		ids[n] = id;
		ops[n++] = id_op(reduction, DATA_CAS, id, word, frozen(reduction, word));
	}
	r = transport_execute(reduction->transport, ops, n);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		bool done = ops[i].value == ops[i].operand;

		reduction->words[ids[i]] = done ? ops[i].swap : ops[i].value;
		failures += !done;
	}
	return r ? r : failures;
}

/* Returns 1, 0 when clients do not let it be done, or a negative errno. */
static int freeze(struct reduction *reduction)
{
	int failures = 0;

	for (uint64_t done = 0; done < reduction->contributors;) {
		uint64_t left = reduction->contributors - done;
		unsigned batch = left < BATCH ? (unsigned)left : BATCH;
		int r = freeze_some(reduction, done, batch);

		if (r < 0)
			return r;
		failures += r;
		if (failures > FREEZE_FAILURES_MAX)
			return 0;
		if (r == 0)
			done += batch;
	}
	return 1;
}

/* Find the vectors of what was frozen. */
static void find_vectors(struct reduction *reduction)
{
	uint64_t places = aggregator_places(reduction->contributors);

	reduction->vector_count = 0;
	for (uint64_t id = 0; id < reduction->contributors; id++) {
		uint64_t place_and_1 = aggregator_place_and_1(reduction->words[id]);

		if (!is_contributed(reduction, reduction->words[id]) || place_and_1 > places)
			continue;
		reduction->vectors[reduction->vector_count++] = (struct reduce_vector){
			.values = reduction->memory +
				  aggregator_vector_offset(reduction->contributors,
							   reduction->length, place_and_1 - 1),
			.id = id,
		};
	}
}

/* Let another reducer begin. Not for an object that was deleted or a session that is over. */
static void abandon(struct reduction *reduction)
{
	struct op op = word_op(reduction, DATA_CAS, AGGREGATOR_REDUCER_OFFSET, reduction->claim,
			       owned_word_without_owner(reduction->claim));

	transport_execute(reduction->transport, &op, 1);
}

int reduction_begin(struct reduction *reduction, uint64_t round, void *copy)
{
	struct op ops[2] = {load(reduction, AGGREGATOR_ROUND_OFFSET),
			    load(reduction, AGGREGATOR_REDUCER_OFFSET)};
	int r = transport_execute(reduction->transport, ops, 2);

	reduction->round = round;
	reduction->copy = copy;
	reduction->word = ops[0].value;
	reduction->waiters = 0;
	reduction->is_done = false;
	if (r || !is_open(reduction))
		return r;
	r = is_complete(reduction);
	if (r == 1)
		r = claim(reduction, ops[1].value);
	if (r != 1)
		return r;
	r = is_open(reduction) ? freeze(reduction) : 0;
	if (r != 1) {
		abandon(reduction);
		return r;
	}
	find_vectors(reduction);
	reduction->next = 0;
	reduction->checksum = round;
	return 1;
}

/* ---- the steps ---- */

uint64_t reduction_checksum(uint64_t round, const void *values, uint64_t length)
{
	const uint8_t *at = values;
	uint64_t checksum = round;

	while (length) {
		uint64_t count = length < REDUCTION_CHUNK ? length : REDUCTION_CHUNK;

		checksum = XXH3_64bits_withSeed(at, 8 * count, checksum);
		at += 8 * count;
		length -= count;
	}
	return checksum;
}

static void reduce_chunk(struct reduction *reduction)
{
	uint64_t values[REDUCTION_CHUNK], left = reduction->length - reduction->next;
	size_t count = left < REDUCTION_CHUNK ? left : REDUCTION_CHUNK;
	uint64_t at = aggregator_result_offset(reduction->contributors, reduction->length,
					       reduction->round) +
		      sizeof(struct aggregator_result) + 8 * reduction->next;

	reduce_range(reduction->operation, reduction->element, reduction->vectors,
		     reduction->vector_count, reduction->next, count, values);
	region_write(reduction->memory + at, values, 8 * count);
	if (reduction->copy)
		memcpy(reduction->copy + 8 * reduction->next, values, 8 * count);
	reduction->checksum = XXH3_64bits_withSeed(values, 8 * count, reduction->checksum);
	reduction->next += count;
}

static void write_header(struct reduction *reduction)
{
	struct aggregator_result header = {
		.round = le64_of(reduction->round),
		.contributors = le64_of(reduction->vector_count),
		.checksum = le64_of(reduction->checksum),
	};

	header.header_checksum =
		le64_of(XXH3_64bits(&header, offsetof(struct aggregator_result, header_checksum)));
	region_write(reduction->memory + aggregator_result_offset(reduction->contributors,
								  reduction->length,
								  reduction->round),
		     &header, sizeof header);
	atomic_thread_fence(memory_order_release);
}

/* End the round, unless it was broken or reset meanwhile. */
static int publish(struct reduction *reduction)
{
	while (is_open(reduction)) {
		uint64_t next = aggregator_next_round(reduction->word, false);
		struct op op = word_op(reduction, DATA_CAS, AGGREGATOR_ROUND_OFFSET,
				       reduction->word, next);
		int r = transport_execute(reduction->transport, &op, 1);

		if (r)
			return r;
		reduction->is_done = op.value == reduction->word;
		reduction->word = reduction->is_done ? next : op.value;
	}
	return 0;
}

/* The arrivals that were counted were those of this round. The event is raised last, so that
 * whoever is woken by it finds the rest done. */
static int finish(struct reduction *reduction)
{
	struct op ops[4] = {
		word_op(reduction, DATA_FAA, AGGREGATOR_ARRIVED_OFFSET, 0 - reduction->arrived, 0),
		word_op(reduction, DATA_CAS, AGGREGATOR_REDUCER_OFFSET, reduction->claim,
			owned_word_without_owner(reduction->claim)),
		word_op(reduction, DATA_FAA, AGGREGATOR_EVENT_OFFSET, 1, 0),
		load(reduction, AGGREGATOR_EVENT_OFFSET + EVENT_WAITERS_OFFSET),
	};
	int r;

	write_header(reduction);
	r = publish(reduction);
	if (r == 0)
		r = transport_execute(reduction->transport, ops, 4);
	reduction->waiters = ops[3].value;
	return r;
}

int reduction_step(struct reduction *reduction, uint64_t elements_max)
{
	uint64_t each = reduction->vector_count ? reduction->vector_count : 1;

	do {
		uint64_t cost = REDUCTION_CHUNK * each;

		reduce_chunk(reduction);
		elements_max -= cost < elements_max ? cost : elements_max;
	} while (elements_max && reduction->next < reduction->length);
	return reduction->next < reduction->length ? 1 : finish(reduction);
}
