/* SPDX-License-Identifier: Apache-2.0 */
/* The consumers' end of a queue: a ticket with a look at its slot, and the taking of the item. Each
 * is a round trip, for up to QUEUE_BATCH items. */
#include "lib/objects/queue_near.h"
#include "lib/objects/queue_next.h"
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/word.h"

#include <string.h>

#define QUEUE_LOOKS 4 /* at an item that is not what its producer wrote */

/* Of items that are popped in one go. */
struct pop {
	struct dso_queue_item *items; /* to be filled */
	size_t count;
	size_t popped;
	uint8_t flags;  /* of a slot whose item was taken: 0, or OWNED_DONE where it is leased */
	uint64_t first; /* ticket */
	unsigned tickets;
	unsigned done;   /* of them dealt with */
	bool are_staged; /* their slots were read */
	bool is_bad;     /* an item was taken off that is not what its producer wrote */
	/* how long items that are being written are waited for at least, all of them; 0: not yet */
	int64_t claims_until_ns;
};

/* For who has the other half of what this consumer waits for. */
struct item_wait {
	int64_t until_ns;    /* that it comes */
	int64_t deadline_ns; /* that it ends what it has begun: a moment at least */
};

static uint64_t items_seen(const struct dso_queue *queue)
{
	int64_t items = (int64_t)(queue->tail - queue->head);

	return items > 0 ? (uint64_t)items : 0;
}

/* Whether there is something to pop, or to look for. */
static int has_items(struct dso_queue *queue)
{
	if (items_seen(queue) || queue->missed != queue->looked_for)
		return 0;
	return queue->is_shut ? -EPIPE : -EAGAIN;
}

/* ---- tickets ---- */

/* How many of @count slots from that of @ticket on one READ is for: those that lie in a row and fit
 * into it, where whole slots are staged. */
static unsigned slots_in_a_row(const struct dso_queue *queue, uint64_t ticket, unsigned count)
{
	uint64_t left = queue->capacity - ticket % queue->capacity;
	unsigned room = 1 + (DATA_TRANSFER_BYTES_MAX - (uint32_t)sizeof(struct queue_slot) -
			     queue->staged_bytes) /
				    queue->staged_stride;

	if (queue->staged_stride != queue->stride)
		return 1;
	count = count < room ? count : room;
	return left < count ? (unsigned)left : count;
}

/* The operations that read the slots of @count tickets from @first on. Returns how many. */
static unsigned read_slots(const struct dso_queue *queue, uint64_t first, unsigned count,
			   struct op *ops)
{
	unsigned op_count = 0, in_a_row;

	for (unsigned i = 0; i < count; i += in_a_row) {
		struct op *op = &ops[op_count++];

		in_a_row = slots_in_a_row(queue, first + i, count - i);
		*op = queue_read_slot(queue, first + i, i);
		op->length_bytes += (in_a_row - 1) * queue->staged_stride;
	}
	return op_count;
}

/* The ticket, and what was missed; with the slots that are most likely theirs where it takes a
 * round trip to read them. */
static int try_tickets(struct dso_queue *queue, struct pop *pop, unsigned count)
{
	uint64_t items = items_seen(queue), head = queue->head;
	bool is_added = queue_has_many(items, count);
	struct op ops[QUEUE_BATCH + 3], *taken;
	unsigned op_count;
	int r;

	if (items == 0)
		return -EAGAIN;
	pop->tickets = count < items ? count : (unsigned)items;
	op_count = queue_leave_with(queue, ops);
	taken = &ops[op_count];
	taken[0] = is_added ? word_op(&queue->object, DATA_FAA, QUEUE_HEAD_OFFSET, pop->tickets, 0)
			    : word_op(&queue->object, DATA_CAS, QUEUE_HEAD_OFFSET, head,
				      head + pop->tickets);
	taken[1] = word_op(&queue->object, DATA_FAA, QUEUE_MISSED_OFFSET, 0, 0);
	op_count += 2;
	if (!queue_is_near(queue))
		op_count += read_slots(queue, head, pop->tickets, ops + op_count);
	r = session_execute(&queue->object, ops, op_count);
	if (r)
		return r;
	pop->first = queue->head = taken[0].value;
	pop->are_staged = pop->first == head && !queue_is_near(queue);
	queue->missed = taken[1].value;
	if (!is_added && pop->first != head)
		return -EAGAIN;
	queue->head += pop->tickets;
	return 0;
}

/* Take tickets of those that there seem to be items for, as many as there is room for items.
 * Returns 0, -EAGAIN (there are none, or others were quicker), or an error. */
static int take_tickets(struct dso_queue *queue, struct pop *pop)
{
	size_t left = pop->count - pop->popped;
	int r = try_tickets(queue, pop, left < QUEUE_BATCH ? (unsigned)left : QUEUE_BATCH);

	pop->done = r ? pop->tickets : 0;
	return r;
}

/* ---- an item ---- */

/* Whether @slot, as it was read, has the whole item of @ticket, which was not left behind. */
static bool is_whole(const struct dso_queue *queue, uint64_t ticket, const struct queue_slot *slot)
{
	uint32_t length = le32_get(slot->length_bytes);

	return le64_get(slot->word) == queue_word(queue, ticket, 0, OWNED_DONE) &&
	       length <= queue->staged_bytes &&
	       le64_get(slot->checksum) == queue_checksum(ticket, slot + 1, length);
}

/* Read the item of @ticket into @item. Returns 0; 1: what was read is not what a producer wrote; or
 * an error. */
static int read_item(struct dso_queue *queue, uint64_t ticket, struct dso_queue_item *item)
{
	struct queue_slot *slot = queue_staged(queue, 0);
	struct op ops[2] = {queue_read_slot(queue, ticket, 0)};
	uint32_t length;
	int r = session_execute_one(&queue->object, &ops[0]);

	if (r)
		return r;
	length = le32_get(slot->length_bytes);
	if (length > queue->item_bytes)
		return 1;
	ops[1] = (struct op){.opcode = DATA_READ,
			     .length_bytes = length,
			     .offset = ops[0].offset + sizeof *slot,
			     .buffer = item->bytes};
	if (length <= queue->staged_bytes)
		memcpy(item->bytes, slot + 1, length);
	else
		r = session_execute_one(&queue->object, &ops[1]);
	if (r)
		return r;
	queue_describe(queue, ticket, slot, item);
	return le64_get(slot->checksum) != queue_checksum(ticket, item->bytes, length);
}

/* Take the items of @count tickets from @first on, whose full slots have @words, and let producers
 * go on that wait. Those that have other words by now are set to 0. */
static int take(struct dso_queue *queue, uint64_t first, uint64_t *words, unsigned count,
		uint8_t flags)
{
	struct op ops[QUEUE_BATCH + 3];
	unsigned op_count = count;
	int r;

	for (unsigned i = 0; i < count; i++)
		ops[i] = word_op(&queue->object, DATA_CAS, queue_slot_offset(queue, first + i),
				 words[i], queue_taken(queue, words[i], flags));
	if (queue->beside)
		ops[op_count++] = *queue->beside;
	op_count += queue_raise_with(queue, QUEUE_SPACE_OFFSET, ops + op_count);
	r = object_half_done(session_execute(&queue->object, ops, op_count));
	if (r)
		return r;
	if (queue->beside)
		queue->beside->value = ops[count].value;
	for (unsigned i = 0; i < count; i++) {
		if (ops[i].value != words[i])
			words[i] = 0;
		else if (flags)
			queue->leased[queue->leases++] = first + i;
	}
	return ops[op_count - 1].value ? queue_wake(queue, QUEUE_SPACE_OFFSET, count) : 0;
}

/* It is leased: it does not come back meanwhile. Another consumer may have leased it and given it
 * back after it was read, which leaves the same word. */
static int count_deliveries(struct dso_queue *queue, uint64_t ticket, struct dso_queue_item *item)
{
	uint64_t offset = queue_slot_offset(queue, ticket) + QUEUE_RETURNS_OFFSET, returns = 0;
	int r = word_load(&queue->object, offset, &returns);

	if (owned_word_token(returns) == queue_lap(queue, ticket))
		item->deliveries = 1 + (uint32_t)(returns & QUEUE_RETURNS_MASK);
	return object_half_done(r);
}

/* Take the item of @ticket alone, whose slot was seen full. Where it is not what its producer
 * wrote, pop->is_bad tells: the tickets behind it are to be settled all the same. Returns 0,
 * -EAGAIN (it has changed: another consumer has taken it, or marked it), or an error. */
static int take_one(struct dso_queue *queue, struct pop *pop, uint64_t ticket)
{
	uint64_t word;
	int r = 1, s;

	for (unsigned looks = 0; r == 1 && looks < QUEUE_LOOKS; looks++)
		r = read_item(queue, ticket, &pop->items[pop->popped]);
	if (r < 0)
		return r;
	word = le64_get(queue_staged(queue, 0)->word);
	if (!queue_is_full(queue, word, ticket))
		return -EAGAIN;
	s = take(queue, ticket, &word, 1, r ? 0 : pop->flags);
	if (s || word == 0)
		return s ? s : -EAGAIN;
	if (r)
		pop->is_bad = true;
	else if (pop->flags)
		s = count_deliveries(queue, ticket, &pop->items[pop->popped++]);
	else
		pop->popped++;
	return s;
}

/* ---- slots that are not full ---- */

/* Until when the item of @ticket may come yet, as the word of its slot is; 0: it is there, or does
 * not come. A producer that has claimed the slot is waited for as long as it takes: it is alive, or
 * storaged tells. */
static int64_t may_come_until(const struct dso_queue *queue, uint64_t word, uint64_t ticket,
			      const struct item_wait *wait)
{
	int64_t ahead = queue_laps_ahead(queue, word, ticket);

	if (ahead > 0 || (ahead == 0 && word & (OWNED_DONE | OWNED_DIED)))
		return 0;
	return ahead == 0 && owned_word_owner(word) ? wait->deadline_ns : wait->until_ns;
}

static int wait_for_item(struct dso_queue *queue, uint64_t ticket, uint64_t *word,
			 const struct item_wait *wait)
{
	int r = word_load(&queue->object, queue_slot_offset(queue, ticket), word);

	while (r == 0) {
		int64_t until_ns = may_come_until(queue, *word, ticket, wait);
		int64_t now_ns = clock_now_ns();

		if (now_ns >= until_ns)
			break;
		if (until_ns > now_ns + QUEUE_SLOT_WAIT_NS)
			until_ns = now_ns + QUEUE_SLOT_WAIT_NS;
		r = queue_wait_slot(queue, ticket, word, until_ns);
	}
	return r;
}

/* Until when items that are being written are waited for. A pop that does not wait would else go on
 * past one, and its producer's later items come first. A call waits so long once: many may be those
 * of one producer that is frozen. */
static int64_t claims_until_ns(struct pop *pop, int64_t deadline_ns)
{
	if (pop->claims_until_ns == 0)
		pop->claims_until_ns = clock_now_ns() + QUEUE_CLAIM_WAIT_NS;
	return deadline_ns > pop->claims_until_ns ? deadline_ns : pop->claims_until_ns;
}

/* Take the item of @ticket, or go on without. With @leave a full slot is left as it is, and 1 is
 * returned. */
static int settle(struct dso_queue *queue, struct pop *pop, uint64_t ticket, bool leave,
		  int64_t deadline_ns)
{
	struct item_wait wait = {.until_ns = queue_wait_until_ns(queue, deadline_ns),
				 .deadline_ns = claims_until_ns(pop, deadline_ns)};
	uint64_t word;
	int r;

	do {
		r = wait_for_item(queue, ticket, &word, &wait);
		if (r)
			return r;
		if (queue_is_full(queue, word, ticket)) {
			if (leave)
				return 1;
			r = take_one(queue, pop, ticket);
			continue;
		}
		r = queue_go_on_without(queue, ticket, word);
	} while (r == -EAGAIN);
	return r;
}

/* ---- what was left behind ---- */

/* Take the oldest item that was left behind, if there is one. What was counted, and the tickets of
 * sessions that were counted, are below the head as it is read behind the count: the one that was
 * read along with the count may be older. */
static int take_left(struct dso_queue *queue, struct pop *pop)
{
	uint64_t missed = queue->missed, below, ticket;
	bool any = missed / QUEUE_MISSED_ENDED != queue->looked_for / QUEUE_MISSED_ENDED;
	int r = word_load(&queue->object, QUEUE_HEAD_OFFSET, &below);

	if (r == 0 && any)
		r = queue_void_abandoned(queue, below);
	if (r)
		return r;
	do {
		r = queue_find_left(queue, below, any, &ticket);
		if (r == 0)
			r = take_one(queue, pop, ticket);
	} while (r == -EAGAIN);
	if (r == -ENOENT)
		queue->looked_for = missed;
	return r == -ENOENT ? 0 : r;
}

/* ---- pop ---- */

/* Hand over @count staged items from the next ticket on, whose words are not 0; the others are
 * looked at again. */
static int hand_over(struct dso_queue *queue, struct pop *pop, const uint64_t *words,
		     unsigned count, int64_t deadline_ns)
{
	uint64_t first = pop->first + pop->done;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		const struct queue_slot *slot = queue_staged(queue, i);
		struct dso_queue_item *item = &pop->items[pop->popped];

		if (words[i] == 0) {
			r = settle(queue, pop, first + i, false, deadline_ns);
			continue;
		}
		queue_describe(queue, first + i, slot, item);
		memcpy(item->bytes, slot + 1, item->length_bytes);
		pop->popped++;
	}
	return r;
}

/* Take those of the staged items that are whole, from the next ticket on up to the first that is
 * not. *ret_count is how many. */
static int take_staged(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns,
		       unsigned *ret_count)
{
	uint64_t words[QUEUE_BATCH], first = pop->first + pop->done;
	unsigned count = 0;
	int r;

	while (pop->done + count < pop->tickets &&
	       is_whole(queue, first + count, queue_staged(queue, count))) {
		words[count] = le64_get(queue_staged(queue, count)->word);
		count++;
	}
	*ret_count = count;
	if (count == 0)
		return 0;
	r = take(queue, first, words, count, pop->flags);
	return r ? r : hand_over(queue, pop, words, count, deadline_ns);
}

/* Where this processor reaches them, take those that are as they mostly are. */
static int take_near(struct dso_queue *queue, struct pop *pop)
{
	struct queue_near near = {.first = pop->first, .count = pop->tickets};
	unsigned count = queue_near_pop(queue, &near, pop->items + pop->popped, pop->flags);

	for (unsigned i = 0; pop->flags && i < count; i++)
		queue->leased[queue->leases++] = pop->first + i;
	pop->popped += count;
	pop->done = count;
	return count && near.are_awaited
		       ? object_half_done(queue_raise(queue, QUEUE_SPACE_OFFSET, count))
		       : 0;
}

/* Settle the next ticket, whose slot was read and has no whole item. Where a producer was writing
 * it, it is read again with those behind it, which mostly are there then, too. */
static int settle_next(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns)
{
	uint64_t ticket = pop->first + pop->done, word = le64_get(queue_staged(queue, 0)->word);
	bool leave = pop->tickets - pop->done > 1 && !queue_is_full(queue, word, ticket);
	int r = settle(queue, pop, ticket, leave, deadline_ns);

	pop->done += r == 0;
	return r < 0 ? r : 0;
}

/* The same with a round trip for reading them, unless they were read, and one for taking them. */
static int take_far(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns)
{
	struct op ops[QUEUE_BATCH];
	unsigned count;
	int r = 0;

	while (r == 0 && pop->done < pop->tickets) {
		if (!pop->are_staged)
			r = session_execute(&queue->object, ops,
					    read_slots(queue, pop->first + pop->done,
						       pop->tickets - pop->done, ops));
		pop->are_staged = false;
		if (r)
			break;
		r = take_staged(queue, pop, deadline_ns, &count);
		pop->done += count;
		if (r == 0 && count == 0)
			r = settle_next(queue, pop, deadline_ns);
	}
	return r;
}

/* Take the items of the tickets that were taken, in order. */
static int take_all(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns)
{
	int r = 0;

	if (!queue_is_near(queue))
		return take_far(queue, pop, deadline_ns);
	if (pop->done == 0)
		r = take_near(queue, pop);
	for (; r == 0 && pop->done < pop->tickets; pop->done++)
		r = settle(queue, pop, pop->first + pop->done, false, deadline_ns);
	return r;
}

/* Something was missed when tickets were taken: an older item is first. Returns 0 with the tickets
 * left behind, or -EAGAIN: there is none. */
static int take_older(struct dso_queue *queue, struct pop *pop)
{
	size_t before = pop->popped;
	int r = take_left(queue, pop);

	if (r || (pop->popped == before && !pop->is_bad))
		return r ? r : -EAGAIN;
	pop->done = pop->tickets;
	for (unsigned i = 0; r == 0 && i < pop->tickets; i++) {
		uint64_t word;

		do {
			r = word_load(&queue->object, queue_slot_offset(queue, pop->first + i),
				      &word);
			if (r == 0)
				r = queue_go_on_without(queue, pop->first + i, word);
		} while (r == -EAGAIN);
	}
	return r;
}

static int pop_once(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns)
{
	size_t before = pop->popped;
	int r = 0;

	if (pop->done == pop->tickets) {
		if (queue->missed != queue->looked_for)
			r = take_left(queue, pop);
		if (r || pop->popped > before || pop->is_bad)
			return r;
		r = take_tickets(queue, pop);
	}
	if (r == 0 && pop->done == 0 && queue->missed != queue->looked_for) {
		r = take_older(queue, pop);
		if (r != -EAGAIN)
			return r;
		r = 0;
	}
	return r ? r : take_all(queue, pop, deadline_ns);
}

/* Pop what is there, with no look at a clock. */
static int pop_near(struct dso_queue *queue, struct pop *pop)
{
	int r = 0;

	while (r == 0 && pop->popped < pop->count && pop->done == pop->tickets &&
	       queue->missed == queue->looked_for) {
		r = take_tickets(queue, pop);
		if (r == 0 && queue->missed == queue->looked_for)
			r = take_near(queue, pop);
	}
	return r == -EAGAIN ? 0 : r;
}

static bool has_taken(const struct pop *pop)
{
	return pop->popped || pop->done < pop->tickets || pop->is_bad;
}

/* Whether there are tickets to settle, the first item to wait for, or items that are there with
 * it. */
static bool has_to_go_on(const struct dso_queue *queue, const struct pop *pop)
{
	return pop->done < pop->tickets || pop->popped == 0 ||
	       (pop->popped < pop->count && items_seen(queue));
}

/* Whether tickets are taken along with the items, where a look has just shown which is next. */
static bool leases_at_once(const struct dso_queue *queue, const struct pop *pop)
{
	return pop->flags && !queue_is_near(queue) && !queue_has_many(items_seen(queue), 1);
}

/* Lease the next item. Returns 0 (it has an item, or a ticket to settle), -EAGAIN, or an error. */
static int lease_next(struct dso_queue *queue, void *context)
{
	struct pop *pop = context;
	struct queue_next next;
	int r = queue_take_next(queue, &pop->items[pop->popped], &next);

	pop->first = next.ticket;
	pop->tickets = next.has_ticket;
	pop->done = next.has_item ? pop->tickets : 0;
	pop->are_staged = false;
	pop->is_bad = next.is_bad;
	if (r || next.is_bad || !next.has_item)
		return r || next.is_bad || next.has_ticket ? r : -EAGAIN;
	if (queue->missed == queue->looked_for)
		pop->popped++;
	else
		r = queue_leave_leased(queue, next.ticket);
	return r;
}

/* Whether the ticket of the head is that of the next item. */
static bool is_next(const struct dso_queue *queue)
{
	return items_seen(queue) && queue->missed == queue->looked_for;
}

static int wait_for_items(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns)
{
	struct queue_wait wait = {.offset = QUEUE_ITEMS_OFFSET, .is_there = has_items};

	if (leases_at_once(queue, pop)) {
		wait.woken = lease_next;
		wait.context = pop;
	}
	return queue_wait(queue, &wait, deadline_ns);
}

/* Wait for the first item, and take those that are there with it. */
static int pop_until(struct dso_queue *queue, struct pop *pop, int64_t deadline_ns)
{
	unsigned vain = 0, beaten = 0;
	int r = 0;

	while (r == 0 && !pop->is_bad && has_to_go_on(queue, pop)) {
		size_t before = pop->popped;

		r = pop_once(queue, pop, deadline_ns);
		if (r == 0) {
			vain = pop->popped > before ? 0 : vain + 1;
			r = queue_check_vain(vain, deadline_ns);
		}
		beaten = r == -EAGAIN ? beaten + 1 : 0;
		if (r != -EAGAIN)
			continue;
		r = queue_check_beaten(queue, beaten, deadline_ns);
		if (r || items_seen(queue) || pop->popped)
			continue;
		r = queue_look(queue);
		if (r == 0)
			r = has_items(queue);
		if (r == 0 && leases_at_once(queue, pop) && is_next(queue)) {
			r = lease_next(queue, pop);
			r = r == -EAGAIN ? 0 : r;
			continue;
		}
		if (r == -EAGAIN) {
			/* An item that comes after the wait has its time anew. */
			pop->claims_until_ns = 0;
			r = wait_for_items(queue, pop, deadline_ns);
		}
		if (r == 0 && items_seen(queue) == 0 && !has_taken(pop))
			r = take_left(queue, pop);
	}
	return queue_leave(queue, r);
}

static int pop_all(struct dso_queue *queue, struct pop *pop, int64_t timeout)
{
	int64_t deadline_ns;
	int r = queue_is_near(queue) ? pop_near(queue, pop) : 0;

	if (r == 0 && has_to_go_on(queue, pop)) {
		r = futex_deadline(timeout, &deadline_ns);
		r = r ? r : pop_until(queue, pop, deadline_ns);
	}
	if (r == -ETIMEDOUT && pop->popped)
		r = 0;
	return r == 0 && pop->is_bad ? -EBADMSG : r;
}

/* Pop up to @count items into @items. */
static int pop_items(struct dso_queue *queue, const char *verb, struct pop *pop, int64_t timeout)
{
	int r = timeout < DSO_FOREVER ? -EINVAL : 0;

	for (size_t i = 0; i < pop->count; i++)
		if (pop->items[i].bytes_max < queue->item_bytes)
			return object_refuse(&queue->object, verb, -EMSGSIZE,
					     "there is room for %zu bytes, an item may have %u",
					     pop->items[i].bytes_max, queue->item_bytes);
	if (r == 0 && pop->count)
		r = pop_all(queue, pop, timeout);
	if (r == -EBADMSG)
		return object_refuse(&queue->object, verb, r,
				     "an item is not what its producer wrote; it is taken off");
	if (r == -EPIPE)
		return object_refuse(&queue->object, verb, r,
				     "it is shut down, and has no more items");
	return r ? object_fail_wait(&queue->object, verb, timeout, r) : 0;
}

int dso_queue_pop_many(struct dso_queue *queue, struct dso_queue_item *items, size_t count,
		       int64_t timeout, size_t *ret_popped)
{
	INSIDE_OF(queue);
	struct pop pop = {.items = items, .count = count};
	int r = pop_items(queue, "pop", &pop, timeout);

	if (ret_popped)
		*ret_popped = pop.popped;
	return r;
}

int dso_queue_pop(struct dso_queue *queue, void *buffer, size_t buffer_bytes, int64_t timeout,
		  size_t *ret_length)
{
	INSIDE_OF(queue);
	struct dso_queue_item item = {.bytes = buffer, .bytes_max = buffer_bytes};
	struct pop pop = {.items = &item, .count = 1};
	int r = pop_items(queue, "pop", &pop, timeout);

	if (r == 0 && ret_length)
		*ret_length = item.length_bytes;
	return r;
}

int dso_queue_lease(struct dso_queue *queue, struct dso_queue_item *item, int64_t timeout)
{
	INSIDE_OF(queue);
	struct pop pop = {.items = item, .count = 1, .flags = OWNED_DONE};

	if (queue->leases == DSO_QUEUE_LEASES_MAX)
		return object_refuse(&queue->object, "lease", -ENOBUFS,
				     "the handle has %u leases, which is the most",
				     DSO_QUEUE_LEASES_MAX);
	return pop_items(queue, "lease", &pop, timeout);
}

int queue_lease_beside(struct dso_queue *queue, struct dso_queue_item *item, int64_t timeout,
		       struct op *beside)
{
	int r;

	queue->beside = beside;
	r = dso_queue_lease(queue, item, timeout);
	queue->beside = NULL;
	/* Such memory is not asked in requests. */
	return r == 0 && queue_is_near(queue)
		       ? object_half_done(session_execute_one(&queue->object, beside))
		       : r;
}
