/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/sweep.h"
#include "proto/layout.h"

#include <assert.h>

#define BATCH 64

/* The owned words of a type: the first, how far apart, and how many. */
struct swept {
	uint64_t offset;
	uint64_t stride;
	int count_parameter; /* of the object; -1: there is one word */
	uint64_t died_flags; /* set where a session is taken out */
	uint64_t event;      /* offset of an event that is counted up then; 0: there is none */
	bool is_place;       /* in a queue, and no hold */
};

static const struct swept *swept_of(enum object_type type, unsigned index)
{
	/* Who was parked is woken anyway, so that OWNED_WAITED goes. */
	static const struct swept table[][2] = {
		[OBJECT_REGISTER] = {{REGISTER_HEAD_OFFSET, 8, -1, 0, 0, false}},
		[OBJECT_MUTEX] = {{MUTEX_WORD_OFFSET, 8, -1, OWNED_DIED, 0, false}},
		[OBJECT_RWLOCK] = {{RWLOCK_WORD_OFFSET, 8, -1, OWNED_DIED, 0, false},
				   {RWLOCK_SLOT_OFFSET(0), LAYOUT_LINE_BYTES,
				    RWLOCK_PARAMETER_READERS, 0, 0, false}},
		[OBJECT_SEMAPHORE] = {{SEMAPHORE_PERMIT_OFFSET(0), 8, SEMAPHORE_PARAMETER_PERMITS,
				       0, SEMAPHORE_EVENT_OFFSET, false},
				      {SEMAPHORE_TURN_OFFSET, 8, -1, 0, SEMAPHORE_EVENT_OFFSET,
				       true}},
		[OBJECT_ONCE] = {{ONCE_WORD_OFFSET, 8, -1, 0, 0, false}},
		[OBJECT_FUTURE] = {{FUTURE_WORD_OFFSET, 8, -1, OWNED_DIED, 0, false}},
	};

	if (type >= sizeof table / sizeof *table || index >= 2 || table[type][index].stride == 0)
		return NULL;
	return &table[type][index];
}

static uint64_t word_count(const struct swept *swept, const uint64_t parameters[4])
{
	return swept->count_parameter < 0 ? 1 : parameters[swept->count_parameter];
}

static void count_up(struct transport *transport, uint64_t offset, struct sweep_tally *tally)
{
	struct op op = op_load(offset);

	op.operand = 1;
	if (transport_execute(transport, &op, 1))
		tally->failures++;
}

/* The word without its owner, which has ended. One that was given the word and had not taken it up
 * leaves it as it was before: what the owner before it left is told to the next. So does storaged,
 * which guards nothing. */
static uint64_t without_the_dead(const struct swept *swept, uint64_t value)
{
	uint64_t left = value & (OWNED_DIED | OWNED_LOST | OWNED_DONE | OWNED_ERROR);

	return owned_word(owned_word_token(value), 0) |
	       (value & OWNED_GRANTED || owned_word_owner(value) == OWNED_BY_STORAGED
			? left
			: swept->died_flags);
}

/* Take @owner out of the word that was @value when it was looked at; others may set flags
 * meanwhile. */
static bool let_go(struct transport *transport, const struct swept *swept, uint64_t offset,
		   uint64_t value, uint16_t owner, struct sweep_tally *tally)
{
	struct op op = {.opcode = DATA_CAS, .length_bytes = 8, .offset = offset};

	while (owned_word_owner(value) == owner) {
		op.operand = value;
		op.swap = without_the_dead(swept, value);
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
			const struct swept *swept, uint16_t owner, bool died,
			struct sweep_tally *tally)
{
	uint64_t count = word_count(swept, reference->parameters);
	bool any = false;

	for (uint64_t done = 0; done < count;) {
		struct op ops[BATCH];
		unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;

		for (unsigned i = 0; i < batch; i++)
			ops[i] = op_load(reference->offset + swept->offset +
					 (done + i) * swept->stride);
		transport_execute(transport, ops, batch);
		for (unsigned i = 0; i < batch; i++) {
			if (ops[i].status)
				tally->failures++;
			else
				any |= let_go(transport, swept, ops[i].offset, ops[i].value, owner,
					      tally);
		}
		done += batch;
	}
	/* A waiter that has looked and means to park finds another value. A session that died, or
	 * the sweep before, may have given words back and not come to say so. */
	if ((any || died || tally->again) && swept->event)
		count_up(transport, reference->offset + swept->event, tally);
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

/* Nobody else changes this bit, now that the session is fenced. */
static void leave_barrier(struct transport *transport, const struct store_reference *reference,
			  uint16_t owner, struct sweep_tally *tally)
{
	struct op op = op_load(reference->offset + BARRIER_PARTY_OFFSET(owner));

	op.operand = 0 - BARRIER_PARTY(owner);
	if (transport_execute(transport, &op, 1))
		tally->failures++;
}

/* Nobody is to wait any more. */
static void break_barrier(struct transport *transport, const struct store_reference *reference,
			  struct sweep_tally *tally)
{
	struct op op = {.opcode = DATA_CAS,
			.length_bytes = 8,
			.offset = reference->offset + BARRIER_WORD_OFFSET,
			.swap = BARRIER_BROKEN};

	for (;;) {
		if (transport_execute(transport, &op, 1)) {
			tally->failures++;
			return;
		}
		if (op.value == op.operand)
			break;
		op.operand = op.value;
		op.swap = op.value | BARRIER_BROKEN;
	}
	count_up(transport, reference->offset + BARRIER_EVENT_OFFSET, tally);
}

/* The session is no party any more. One that ended without a goodbye breaks the barrier, and stays
 * a party until that is done: the next sweep finds it where this one fails. Returns whether the
 * barrier was broken. */
static bool sweep_barrier(struct transport *transport, const struct store_reference *reference,
			  uint16_t owner, bool died, struct sweep_tally *tally)
{
	if (!is_party(transport, reference, owner, tally))
		return false;
	if (died)
		break_barrier(transport, reference, tally);
	if (tally->failures == 0)
		leave_barrier(transport, reference, owner, tally);
	return died;
}

bool sweep_object(struct transport *transport, const struct store_reference *reference,
		  uint16_t owner, bool died, struct sweep_tally *tally)
{
	const struct swept *swept;
	bool any = tally->again;

	if (reference->type == OBJECT_BARRIER)
		any |= sweep_barrier(transport, reference, owner, died, tally);
	for (unsigned i = 0; (swept = swept_of(reference->type, i)); i++)
		any |= sweep_words(transport, reference, swept, owner, died, tally);
	return any;
}

bool sweep_owes_wakes(const struct store_reference *reference, bool died)
{
	return died || reference->type == OBJECT_MEMORY;
}

/* ---- without changing anything ---- */

uint64_t sweep_count(enum object_type type, const uint64_t parameters[4])
{
	const struct swept *swept;
	uint64_t count = 0;

	for (unsigned i = 0; (swept = swept_of(type, i)) && !swept->is_place; i++)
		count += word_count(swept, parameters);
	return count;
}

struct sweep_word sweep_word(enum object_type type, const uint64_t parameters[4], uint64_t object,
			     uint64_t index)
{
	const struct swept *swept;
	unsigned part = 0;

	while ((swept = swept_of(type, part)) && index >= word_count(swept, parameters)) {
		index -= word_count(swept, parameters);
		part++;
	}
	assert(swept);
	return (struct sweep_word){
		.offset = object + swept->offset + index * swept->stride,
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
