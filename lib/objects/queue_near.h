/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a queue in memory that this processor reaches: the steps of queue_push.c and
 * queue_pop.c, without requests. An item costs a producer the claim and the publication of its slot
 * and a consumer the taking, each one atomic beside that of the tickets. What is only looked at is
 * loaded: region_load has its place in the one order of all atomics.
 *
 * These functions go on while everything is as it mostly is, and leave the rest to their callers.
 */
#ifndef LIB_OBJECTS_QUEUE_NEAR_H
#define LIB_OBJECTS_QUEUE_NEAR_H

#include "lib/objects/queue.h"

/* Whether there is such memory. */
static inline bool queue_is_near(const struct dso_queue *queue)
{
	return transport_ops(queue->object.session->transport)->at;
}

struct queue_near {
	uint64_t first; /* ticket */
	unsigned count;
	bool are_awaited; /* set: sessions wait for what was done */
};

/* Claim the slots of the tickets and publish @items in them. Returns how many were published, the
 * first ones. */
unsigned queue_near_push(struct dso_queue *queue, struct queue_near *near,
			 const struct dso_queue_item *items);

/* Copy the items of the tickets into @items, and take them; with @flags as in struct pop. Returns
 * how many were taken, the first ones. */
unsigned queue_near_pop(struct dso_queue *queue, struct queue_near *near,
			struct dso_queue_item *items, uint8_t flags);

#endif
