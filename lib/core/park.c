/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/park.h"
#include "proto/layout.h"

#include <errno.h>

/* Without the flag the word's owner does not know that there is a waiter to wake. */
bool park_is_over(const struct park *park, uint64_t value)
{
	if (park_is_sum(park))
		return false;
	if (park->until == CONTROL_WAIT_CHANGED)
		return value != park->expected;
	if (park->until == CONTROL_WAIT_NEWER)
		return owned_word_token(value) > park->expected || !(value & OWNED_WAITED);
	return owned_word_owner(value) == 0 || !(value & OWNED_WAITED);
}

void park_load_words(const struct park *park, uint64_t word, struct op *ops)
{
	for (unsigned i = 0; i < park->words; i++)
		ops[i] = op_load(word + (uint64_t)i * LAYOUT_LINE_BYTES);
}

uint64_t park_sum(const struct park *park, const struct op *ops)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < park->words; i++)
		sum += ops[i].value;
	return sum;
}

static int look_at_sum(struct transport *transport, const struct park *park, uint64_t word,
		       uint64_t *ret_sum)
{
	struct op ops[PARK_WORDS_MAX];
	int r;

	park_load_words(park, word, ops);
	r = transport_execute(transport, ops, park->words);
	if (r)
		return r;
	*ret_sum = park_sum(park, ops);
	return park_sum_is_reached(park, *ret_sum) ? PARK_OVER : PARK_STAYS;
}

bool park_is_woken(const struct park *park, uint64_t *left, unsigned *passes)
{
	uint64_t share = park->share ? park->share : 1;

	if (share <= *left) {
		*left -= share;
		return true;
	}
	return share > 1 && ++*passes >= PARK_PASSES_MAX;
}

bool park_others_stay(const struct park *park, int verdict, uint64_t value)
{
	return verdict == PARK_STAYS || verdict == PARK_TAKEN ||
	       (verdict == PARK_OVER && !(value & park->expected));
}

/* Decide what to make of the word @value, for the verdict that is returned. */
static enum park_verdict decide(const struct park *park, uint64_t value, bool others,
				uint64_t *ret_value)
{
	uint64_t rest = value & UINT8_MAX & ~(uint64_t)(OWNED_WAITED | OWNED_QUEUED);

	*ret_value = value;
	if (park->until == CONTROL_WAIT_CHANGED)
		return value == park->expected ? PARK_STAYS : PARK_OVER;
	if (park->until == CONTROL_WAIT_NEWER) {
		if (owned_word_token(value) > park->expected)
			return PARK_OVER;
		*ret_value = value | park->flags;
		return PARK_STAYS;
	}
	if (owned_word_owner(value)) {
		*ret_value = (value & ~(uint64_t)OWNED_QUEUED) | park->flags;
		return PARK_STAYS;
	}
	if (park->until == CONTROL_WAIT_GIVEN_BACK || value & park->expected)
		return PARK_OVER;
	*ret_value = owned_word(owned_word_token(value) + 1, park->owner) | rest | park->grant |
		     (others ? park->flags : 0);
	return PARK_TAKEN;
}

int park_look(struct transport *transport, const struct park *park, uint64_t word, bool others,
	      uint64_t *ret_value)
{
	struct op op = op_load(word);
	int r;

	if (park_is_sum(park))
		return look_at_sum(transport, park, word, ret_value);
	r = transport_execute(transport, &op, 1);
	for (unsigned tries = 0; r == 0 && tries < PARK_TRIES; tries++) {
		uint64_t value = op.value;
		enum park_verdict verdict = decide(park, value, others, ret_value);

		if (*ret_value == value)
			return verdict;
		op = (struct op){.opcode = DATA_CAS,
				 .length_bytes = 8,
				 .offset = word,
				 .operand = value,
				 .swap = *ret_value};
		r = transport_execute(transport, &op, 1);
		if (r == 0 && op.value == value)
			return verdict;
	}
	return r ? r : -EBUSY;
}
