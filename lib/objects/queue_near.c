/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/queue_near.h"
#include "lib/core/region.h"

/* The slot of a ticket, in its lap. */
struct place {
	uint8_t *slots, *at;
	uint64_t index, lap;
};

/* The queue's header, or NULL. */
static uint8_t *begin(struct dso_queue *queue)
{
	struct transport *transport = queue->object.session->transport;
	uint64_t bytes = QUEUE_SLOTS_OFFSET + queue->capacity * queue->stride;

	return session_enter(&queue->object) == 0
		       ? transport_ops(transport)->at(transport, queue->object.offset, bytes)
		       : NULL;
}

static struct place place_of(const struct dso_queue *queue, uint8_t *header, uint64_t ticket)
{
	uint8_t *slots = header + QUEUE_SLOTS_OFFSET;
	uint64_t index = ticket % queue->capacity;

	return (struct place){slots, slots + index * queue->stride, index,
			      queue_lap(queue, ticket)};
}

static void go_on(const struct dso_queue *queue, struct place *place)
{
	place->at += queue->stride;
	if (++place->index < queue->capacity)
		return;
	place->index = 0;
	place->at = place->slots;
	place->lap = (place->lap + 1) & FENCING_COUNT_MASK;
}

/* Of all slots at once, instead of each when its atomic comes to it. */
static void fetch(const struct dso_queue *queue, struct place place, unsigned count)
{
	while (count-- > 1) {
		go_on(queue, &place);
		__builtin_prefetch(place.at, 1);
		if (queue->stride > LAYOUT_LINE_BYTES)
			__builtin_prefetch(place.at + LAYOUT_LINE_BYTES, 1);
	}
}

/* ---- push ---- */

static unsigned claim(const struct dso_queue *queue, struct place place, unsigned count)
{
	uint16_t owner = queue->object.session->owner;
	unsigned i = 0;

	for (; i < count; i++, go_on(queue, &place)) {
		uint64_t empty = owned_word(place.lap, 0);

		if (region_execute_cas(place.at, empty, owned_word(place.lap, owner)) != empty)
			break;
	}
	return i;
}

static void write_item(const struct place *place, uint64_t ticket,
		       const struct dso_queue_item *item)
{
	uint32_t length = (uint32_t)item->length_bytes;
	struct queue_slot slot = {.checksum = le64_of(queue_checksum(ticket, item->bytes, length)),
				  .length_bytes = le32_of(length)};
	const size_t skipped = offsetof(struct queue_slot, checksum);

	region_execute_write(place->at + skipped, &slot.checksum, sizeof slot - skipped);
	region_execute_write(place->at + sizeof slot, item->bytes, length);
}

static unsigned publish(const struct dso_queue *queue, struct place place,
			const struct queue_near *near, unsigned count,
			const struct dso_queue_item *items)
{
	uint16_t owner = queue->object.session->owner;
	unsigned i = 0;

	for (; i < count; i++, go_on(queue, &place)) {
		uint64_t claimed = owned_word(place.lap, owner);

		write_item(&place, near->first + i, &items[i]);
		if (region_execute_cas(place.at, claimed, owned_word(place.lap, 0) | OWNED_DONE) !=
		    claimed)
			break;
	}
	return i;
}

unsigned queue_near_push(struct dso_queue *queue, struct queue_near *near,
			 const struct dso_queue_item *items)
{
	uint8_t *header = begin(queue);
	unsigned count = 0;

	if (header) {
		struct place place = place_of(queue, header, near->first);

		fetch(queue, place, near->count);
		count = claim(queue, place, near->count);
		if (near->first < region_load(header + QUEUE_VOID_OFFSET))
			count = 0;
		count = publish(queue, place, near, count, items);
		near->are_awaited = region_load(header + QUEUE_ITEMS_OFFSET + EVENT_WAITERS_OFFSET);
	}
	session_leave(queue->object.session);
	return count;
}

/* ---- pop ---- */

/* Copy the item of @ticket, whose slot is full, into @item. Returns whether it is whole. */
static bool read_item(const struct dso_queue *queue, const struct place *place, uint64_t ticket,
		      struct dso_queue_item *item)
{
	struct queue_slot slot;
	uint32_t length;

	region_execute_read(place->at, &slot, sizeof slot);
	length = le32_get(slot.length_bytes);
	if (length > queue->item_bytes)
		return false;
	region_execute_read(place->at + sizeof slot, item->bytes, length);
	queue_describe(queue, ticket, &slot, item);
	return le64_get(slot.checksum) == queue_checksum(ticket, item->bytes, length);
}

unsigned queue_near_pop(struct dso_queue *queue, struct queue_near *near,
			struct dso_queue_item *items, uint8_t flags)
{
	uint8_t *header = begin(queue);
	unsigned i = 0;

	if (header) {
		struct place place = place_of(queue, header, near->first);

		fetch(queue, place, near->count);
		for (; i < near->count; i++, go_on(queue, &place)) {
			uint64_t full = owned_word(place.lap, 0) | OWNED_DONE;
			uint64_t word = region_load(place.at);

			if (word != full || !read_item(queue, &place, near->first + i, &items[i]) ||
			    region_execute_cas(place.at, word, queue_taken(queue, word, flags)) !=
				    word)
				break;
		}
		near->are_awaited = region_load(header + QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET);
	}
	session_leave(queue->object.session);
	return i;
}
