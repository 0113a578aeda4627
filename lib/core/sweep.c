/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/sweep.h"
#include "lib/store/types.h"

#include <assert.h>

#define BATCH 64

static void count_up(struct transport *transport, uint64_t offset, uint64_t count,
		     struct sweep_tally *tally)
{
	struct op op = op_load(offset);

	op.operand = count;
	if (transport_execute(transport, &op, 1))
		tally->failures++;
}

/* The word without its owner, which has ended. An owner that was given the word and had not taken
 * it up leaves it as it was before, with what the owner before it left for the next. So does
 * storaged, which guards nothing. */
static uint64_t without_the_dead(const struct type_words *words, uint64_t value)
{
	uint64_t left = value & (OWNED_DIED | OWNED_LOST | OWNED_DONE | OWNED_ERROR);

	if (words->is_slot)
		return queue_word_without_owner(value);
	return owned_word(owned_word_token(value), 0) |
	       (value & OWNED_GRANTED || owned_word_owner(value) == OWNED_BY_STORAGED
			? left
			: words->died_flags);
}

/* A leased item comes back: count that before anybody else can take it. */
static void count_return(struct transport *transport, uint64_t offset, uint64_t lap,
			 struct sweep_tally *tally)
{
	struct op op = op_load(offset + QUEUE_RETURNS_OFFSET);

	for (;;) {
		if (transport_execute(transport, &op, 1)) {
			tally->failures++;
			return;
		}
		if (op.opcode == DATA_CAS && op.value == op.operand)
			return;
		op.opcode = DATA_CAS;
		op.operand = op.value;
		op.swap = queue_returns_next(op.value, lap);
	}
}

/* Take @owner out of the word, which was @value when it was looked at; others may set flags in it
 * meanwhile. */
static bool let_go(struct transport *transport, const struct type_words *words, uint64_t offset,
		   uint64_t value, uint16_t owner, struct sweep_tally *tally)
{
	struct op op = {.opcode = DATA_CAS, .length_bytes = 8, .offset = offset};

	if (words->is_slot && owned_word_owner(value) == owner && value & OWNED_DONE)
		count_return(transport, offset, owned_word_token(value), tally);
	while (owned_word_owner(value) == owner) {
		op.operand = value;
		op.swap = without_the_dead(words, value);
		if (transport_execute(transport, &op, 1)) {
			tally->failures++;
			return false;
		}
		if (op.value == value) {
			tally->taken++;
			return true;
		}
		value = op.value;
	}
	return false;
}

static bool sweep_words(struct transport *transport, const struct store_reference *reference,
			const struct type_words *words, uint16_t owner, bool died,
			struct sweep_tally *tally)
{
	uint64_t count = type_word_count(words, reference->parameters);
	bool any = false;

	for (uint64_t done = 0; done < count;) {
		struct op ops[BATCH];
		unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;

		for (unsigned i = 0; i < batch; i++)
			ops[i] = op_load(reference->offset + words->offset +
					 (done + i) *
						 type_word_stride(words, reference->parameters));
		transport_execute(transport, ops, batch);
		for (unsigned i = 0; i < batch; i++) {
			if (ops[i].status)
				tally->failures++;
			else
				any |= let_go(transport, words, ops[i].offset, ops[i].value, owner,
					      tally);
		}
		done += batch;
	}
	/* Raise the event, so that a waiter that has looked and is about to park finds another
	 * count. The dead session, or a sweep before this one, may have given words back without
	 * raising it. */
	if ((any || died || tally->again) && words->event)
		count_up(transport, reference->offset + words->event, 1, tally);
	return any;
}

static bool is_party(struct transport *transport, const struct store_reference *reference,
		     uint16_t owner, struct sweep_tally *tally)
{
	struct op op = op_load(reference->offset + BARRIER_PARTY_OFFSET(owner));

	if (transport_execute(transport, &op, 1)) {
		tally->failures++;
		return false;
	}
	return op.value & BARRIER_PARTY(owner);
}

/* No session changes this bit, now that this one is fenced. */
static void leave_barrier(struct transport *transport, const struct store_reference *reference,
			  uint16_t owner, struct sweep_tally *tally)
{
	struct op op = op_load(reference->offset + BARRIER_PARTY_OFFSET(owner));

	op.operand = 0 - BARRIER_PARTY(owner);
	if (transport_execute(transport, &op, 1))
		tally->failures++;
}

/* Set @flag in the word at @word of the object, and raise the event at @event: nobody is to wait
 * any more. */
static void break_for_all(struct transport *transport, const struct store_reference *reference,
			  uint64_t word, uint64_t flag, uint64_t event, struct sweep_tally *tally)
{
	struct op op = {.opcode = DATA_CAS,
			.length_bytes = 8,
			.offset = reference->offset + word,
			.swap = flag};

	for (;;) {
		if (transport_execute(transport, &op, 1)) {
			tally->failures++;
			return;
		}
		if (op.value == op.operand)
			break;
		op.operand = op.value;
		op.swap = op.value | flag;
	}
	count_up(transport, reference->offset + event, 1, tally);
}

/* The session is no party any more. A session that ended without a goodbye breaks the barrier, and
 * stays a party until that is done, so that the next sweep finds it where this one fails. Returns
 * whether the barrier was broken. */
static bool sweep_barrier(struct transport *transport, const struct store_reference *reference,
			  uint16_t owner, bool died, struct sweep_tally *tally)
{
	if (!is_party(transport, reference, owner, tally))
		return false;
	if (died)
		break_for_all(transport, reference, BARRIER_WORD_OFFSET, BARRIER_BROKEN,
			      BARRIER_EVENT_OFFSET, tally);
	if (tally->failures == 0)
		leave_barrier(transport, reference, owner, tally);
	return died;
}

/* Whether a word of @words names @owner. */
static bool is_in(struct transport *transport, const struct store_reference *reference,
		  const struct type_words *words, uint16_t owner, struct sweep_tally *tally)
{
	uint64_t count = type_word_count(words, reference->parameters);
	bool found = false;

	for (uint64_t done = 0; done < count && !found;) {
		struct op ops[BATCH];
		unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;

		for (unsigned i = 0; i < batch; i++)
			ops[i] = op_load(reference->offset + words->offset +
					 (done + i) *
						 type_word_stride(words, reference->parameters));
		if (transport_execute(transport, ops, batch))
			tally->failures++;
		for (unsigned i = 0; i < batch; i++)
			found |= ops[i].status == 0 && owned_word_owner(ops[i].value) == owner;
		done += batch;
	}
	return found;
}

/* A session that has contributed and ended without a goodbye breaks the round, or, where retries
 * are allowed, may not have counted its arrival. Its places still name it, so that the next sweep
 * finds that out where this one fails. Returns whether it had contributed. */
static bool sweep_aggregator(struct transport *transport, const struct store_reference *reference,
			     uint16_t owner, struct sweep_tally *tally)
{
	const struct type_words *places = type_words(OBJECT_AGGREGATOR, 0);

	if (!is_in(transport, reference, places, owner, tally))
		return false;
	if (reference->parameters[AGGREGATOR_PARAMETER_FLAGS] & AGGREGATOR_RETRIES)
		count_up(transport, reference->offset + AGGREGATOR_ARRIVED_OFFSET, 1, tally);
	else
		break_for_all(transport, reference, AGGREGATOR_ROUND_OFFSET, AGGREGATOR_BROKEN,
			      AGGREGATOR_EVENT_OFFSET, tally);
	return true;
}

bool sweep_object(struct transport *transport, const struct store_reference *reference,
		  uint16_t owner, bool died, struct sweep_tally *tally)
{
	const struct type_words *words;
	bool any = tally->again;

	if (reference->type == OBJECT_BARRIER)
		any |= sweep_barrier(transport, reference, owner, died, tally);
	if (reference->type == OBJECT_AGGREGATOR && died) {
		any |= sweep_aggregator(transport, reference, owner, tally);
		if (tally->failures)
			return any;
	}
	for (unsigned i = 0; (words = type_words(reference->type, i)); i++)
		any |= sweep_words(transport, reference, words, owner, died, tally);
	if (reference->type == OBJECT_QUEUE && (any || died)) {
		count_up(transport, reference->offset + QUEUE_MISSED_OFFSET, QUEUE_MISSED_ENDED,
			 tally);
		count_up(transport, reference->offset + QUEUE_ITEMS_OFFSET, 1, tally);
		count_up(transport, reference->offset + QUEUE_SPACE_OFFSET, 1, tally);
	}
	return any;
}

bool sweep_owes_wakes(const struct store_reference *reference, bool died)
{
	return died || reference->type == OBJECT_MEMORY;
}

/* ---- without changing anything ---- */

uint64_t sweep_count(enum object_type type, const uint64_t parameters[4])
{
	const struct type_words *words;
	uint64_t count = 0;

	for (unsigned i = 0; (words = type_words(type, i)) && !words->is_place; i++)
		count += type_word_count(words, parameters);
	return count;
}

struct sweep_word sweep_word(enum object_type type, const uint64_t parameters[4], uint64_t object,
			     uint64_t index)
{
	const struct type_words *words;
	unsigned part = 0;

	while ((words = type_words(type, part)) && index >= type_word_count(words, parameters)) {
		index -= type_word_count(words, parameters);
		part++;
	}
	assert(words);
	return (struct sweep_word){
		.offset = object + words->offset + index * type_word_stride(words, parameters),
		.part = part,
	};
}

int sweep_load(struct transport *transport, struct sweep_word *words, unsigned count)
{
	int r = 0;

	for (unsigned done = 0; r == 0 && done < count; done += BATCH) {
		struct op ops[BATCH];
		unsigned batch = count - done < BATCH ? count - done : BATCH;

		for (unsigned i = 0; i < batch; i++)
			ops[i] = op_load(words[done + i].offset);
		r = transport_execute(transport, ops, batch);
		for (unsigned i = 0; i < batch; i++)
			words[done + i].value = ops[i].value;
	}
	return r;
}
