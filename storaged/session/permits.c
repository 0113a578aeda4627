/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/permits.h"
#include "proto/layout.h"

#define BATCH 64

/* Count the free ones among the @count permits from @first on. */
static uint32_t free_of(struct transport *transport, uint64_t first, unsigned count)
{
	struct op ops[BATCH];
	uint32_t free = 0;

	for (unsigned i = 0; i < count; i++)
		ops[i] = op_load(first + 8 * (uint64_t)i);
	transport_execute(transport, ops, count);
	for (unsigned i = 0; i < count; i++)
		free += ops[i].status == 0 && owned_word_owner(ops[i].value) == 0;
	return free;
}

uint32_t permits_free(const struct waiter *waiter, uint32_t handle, uint64_t *ret_object)
{
	struct transport *transport = waiter->space->transport;
	struct store_reference reference;
	uint64_t permits, first;
	uint32_t free = 0;
	bool deleted;

	if (!store_refer(waiter->opener, handle, &reference, &deleted) || deleted ||
	    reference.type != OBJECT_SEMAPHORE)
		return 0;
	*ret_object = reference.offset;
	permits = reference.parameters[SEMAPHORE_PARAMETER_PERMITS];
	first = reference.offset + SEMAPHORE_PERMIT_OFFSET(0);
	for (uint64_t done = 0; done < permits; done += BATCH) {
		uint64_t left = permits - done;

		free += free_of(transport, first + 8 * done, left < BATCH ? (unsigned)left : BATCH);
	}
	return free;
}
