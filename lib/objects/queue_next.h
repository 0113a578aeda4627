/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer over a network that leases one item, and has just looked: it is about to take the next
 * ticket, or it has waited for one and was woken. It takes that ticket, leases the item and reads
 * it in one round trip. It may get
 *
 * - both: that is all.
 * - the item alone: the consumer with the ticket goes on without, as it does where an item was left
 *   behind and another consumer has taken it. Items behind this one may have been popped, by calls
 *   that overlap with this one, since it was the next one when this call looked.
 * - the ticket alone: its item is being written, or no producer has such a ticket. That is settled
 *   as with every ticket.
 * - neither: another consumer was quicker, or it was woken for something else.
 */
#ifndef LIB_OBJECTS_QUEUE_NEXT_H
#define LIB_OBJECTS_QUEUE_NEXT_H

#include "lib/objects/queue.h"

struct queue_next {
	uint64_t ticket;
	bool has_ticket, has_item;
	bool is_bad; /* the item is not what its producer wrote, and is taken off */
};

/* Fills in @item where it has one. Returns 0, or an error. */
int queue_take_next(struct dso_queue *queue, struct dso_queue_item *item,
		    struct queue_next *ret_next);

#endif
