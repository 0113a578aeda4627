/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/park.h"
#include "proto/layout.h"

#include <errno.h>

bool park_is_over(const struct park *park, uint64_t value)
{
	if (park->until == CONTROL_WAIT_CHANGED)
		return value != park->expected;
	/* Without the flag its owner does not know that there is somebody to wake. */
	return owned_word_owner(value) == 0 || !(value & OWNED_WAITED);
}

int park_look(struct transport *transport, const struct park *park, uint64_t word)
{
	struct op op = op_load(word);
	int r = transport_execute(transport, &op, 1);

	if (r)
		return r;
	if (park->until == CONTROL_WAIT_CHANGED)
		return park_is_over(park, op.value) ? -EAGAIN : 0;
	for (unsigned tries = 0; tries < PARK_FLAG_TRIES; tries++) {
		uint64_t value = op.value;

		if (owned_word_owner(value) == 0)
			break;
		if (value & OWNED_WAITED)
			return 0;
		op = (struct op){.opcode = DATA_CAS,
				 .length_bytes = 8,
				 .offset = word,
				 .operand = value,
				 .swap = value | OWNED_WAITED};
		r = transport_execute(transport, &op, 1);
		if (r || op.value == value)
			return r;
	}
	return -EAGAIN;
}
