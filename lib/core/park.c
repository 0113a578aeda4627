/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/park.h"
#include "proto/layout.h"

#include <errno.h>

/* Without the flag the word's owner does not know that there is a waiter to wake. */
bool park_is_over(const struct park *park, uint64_t value)
{
	if (park->until == CONTROL_WAIT_CHANGED)
		return value != park->expected;
	return owned_word_owner(value) == 0 || !(value & OWNED_WAITED);
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
	int r = transport_execute(transport, &op, 1);

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
