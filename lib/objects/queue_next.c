/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/queue_next.h"
#include "lib/objects/word.h"

#include <string.h>

/* The operations, in this order, behind that by which the session leaves the event. */
enum {
	OP_HEAD,   /* takes the ticket */
	OP_MISSED, /* read before the item is leased: what was missed then is older */
	OP_LEASE,
	OP_READ,
	OP_ROOM, /* whether producers wait for it */
	OP_BESIDE,
	OPS
};

/* Fill in @ops. Returns how many those are. */
static unsigned take_with(struct dso_queue *queue, uint64_t ticket, struct op *ops)
{
	uint64_t full = queue_word(queue, ticket, 0, OWNED_DONE);

	ops[OP_HEAD] = word_op(&queue->object, DATA_CAS, QUEUE_HEAD_OFFSET, ticket, ticket + 1);
	ops[OP_MISSED] = word_op(&queue->object, DATA_FAA, QUEUE_MISSED_OFFSET, 0, 0);
	ops[OP_LEASE] = word_op(&queue->object, DATA_CAS, queue_slot_offset(queue, ticket), full,
				queue_taken(queue, full, OWNED_DONE));
	ops[OP_READ] = queue_read_slot(queue, ticket, 0);
	ops[OP_ROOM] =
		word_op(&queue->object, DATA_FAA, QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET, 0, 0);
	if (!queue->beside)
		return OP_BESIDE;
	ops[OP_BESIDE] = *queue->beside;
	return OPS;
}

/* Read what the READ of the slot had no room for. */
static int read_rest(struct dso_queue *queue, uint64_t ticket, struct dso_queue_item *item)
{
	struct op op = {.opcode = DATA_READ,
			.length_bytes = (uint32_t)item->length_bytes,
			.offset = queue->object.offset + queue_slot_offset(queue, ticket) +
				  sizeof(struct queue_slot),
			.buffer = item->bytes};

	return object_half_done(session_execute_one(&queue->object, &op));
}

/* The item of @ticket is leased, and its slot was read then. */
static int take_item(struct dso_queue *queue, uint64_t ticket, struct dso_queue_item *item,
		     bool *ret_is_bad)
{
	const struct queue_slot *slot = queue_staged(queue, 0);
	int r = 0;

	queue_describe(queue, ticket, slot, item);
	*ret_is_bad = item->length_bytes > queue->item_bytes;
	if (*ret_is_bad)
		return 0;
	if (item->length_bytes <= queue->staged_bytes)
		memcpy(item->bytes, slot + 1, item->length_bytes);
	else
		r = read_rest(queue, ticket, item);
	*ret_is_bad =
		r == 0 && le64_get(slot->checksum) !=
				  queue_checksum(ticket, item->bytes, (uint32_t)item->length_bytes);
	return r;
}

int queue_take_next(struct dso_queue *queue, struct dso_queue_item *item,
		    struct queue_next *ret_next)
{
	struct queue_next next = {.ticket = queue->head};
	struct op all[1 + OPS], *ops = all + queue_leave_with(queue, all);
	unsigned count = (unsigned)(ops - all) + take_with(queue, next.ticket, ops);
	int r = object_half_done(session_execute(&queue->object, all, count));

	*ret_next = next;
	if (r)
		return r;
	next.has_ticket = ops[OP_HEAD].value == next.ticket;
	next.has_item = ops[OP_LEASE].value == ops[OP_LEASE].operand;
	queue->head = next.has_ticket ? next.ticket + 1 : ops[OP_HEAD].value;
	queue->missed = ops[OP_MISSED].value;
	if (next.has_item) {
		queue->leased[queue->leases++] = next.ticket;
		if (queue->beside)
			queue->beside->value = ops[OP_BESIDE].value;
		r = take_item(queue, next.ticket, item, &next.is_bad);
		if (r == 0 && next.is_bad)
			r = queue_end_lease(queue, next.ticket, queue_word_emptied);
		if (r == 0 && ops[OP_ROOM].value)
			r = object_half_done(queue_raise(queue, QUEUE_SPACE_OFFSET, 1));
	}
	*ret_next = next;
	return r;
}
