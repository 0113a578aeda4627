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

static uint32_t semaphore_free(struct transport *transport, const struct store_reference *reference)
{
	uint64_t permits = reference->parameters[SEMAPHORE_PARAMETER_PERMITS];
	uint64_t first = reference->offset + SEMAPHORE_PERMIT_OFFSET(0);
	uint32_t free = 0;

	for (uint64_t done = 0; done < permits; done += BATCH) {
		uint64_t left = permits - done;

		free += free_of(transport, first + 8 * done, left < BATCH ? (unsigned)left : BATCH);
	}
	return free;
}

/* One at least: an item that was left behind is not between head and tail. A session that is woken
 * for nothing parks again. */
static uint32_t queue_free(struct transport *transport, const struct store_reference *reference,
			   uint64_t event)
{
	uint64_t capacity = reference->parameters[QUEUE_PARAMETER_CAPACITY], items;
	struct op ops[2] = {op_load(reference->offset + QUEUE_HEAD_OFFSET),
			    op_load(reference->offset + QUEUE_TAIL_OFFSET)};

	if (transport_execute(transport, ops, 2))
		return 0;
	items = (ops[1].value & ~QUEUE_SHUT) - ops[0].value;
	items = items < capacity ? items : capacity;
	if (event == QUEUE_SPACE_OFFSET)
		items = capacity - items;
	return items ? (uint32_t)items : 1;
}

uint32_t permits_free(const struct waiter *waiter, struct waitlist_word *ret_event)
{
	struct transport *transport = waiter->space->transport;
	uint64_t event = waiter->grant.word - waiter->grant.object;
	struct store_reference reference;
	bool deleted;

	if (!store_refer(waiter->opener, waiter->grant.handle, &reference, &deleted) || deleted ||
	    !permits_are_of(reference.type))
		return 0;
	if (reference.type == OBJECT_SEMAPHORE)
		event = SEMAPHORE_EVENT_OFFSET;
	*ret_event = (struct waitlist_word){transport, reference.offset, reference.offset + event};
	return reference.type == OBJECT_SEMAPHORE ? semaphore_free(transport, &reference)
						  : queue_free(transport, &reference, event);
}
