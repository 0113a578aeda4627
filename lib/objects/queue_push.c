/* SPDX-License-Identifier: Apache-2.0 */
/* The producers' end of a queue: a ticket and the claim of its slot, which are two round trips
 * where others take tickets as well, and the item with its publication, which are another one; for
 * up to QUEUE_BATCH items. Consumers are told when the slots are claimed. */
#include "lib/objects/queue_near.h"
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/word.h"

#include <string.h>

/* Of items that are pushed in one go. */
struct push {
	const struct dso_queue_item *items; /* not pushed yet */
	size_t count;
	uint64_t first;              /* ticket */
	unsigned tickets, done;      /* of which so many are dealt with */
	uint64_t words[QUEUE_BATCH]; /* of their slots */
	uint64_t waiters;            /* for items, when the slots were claimed */
	bool are_claimed;            /* as far as they could be */
	bool is_blocked;             /* the slot of the next ticket is not free */
};

/* ---- tickets ---- */

static uint64_t room_seen(const struct dso_queue *queue)
{
	int64_t taken = (int64_t)(queue->tail - queue->head);

	return taken < 0                           ? queue->capacity
	       : (uint64_t)taken < queue->capacity ? queue->capacity - (uint64_t)taken
						   : 0;
}

/* Whether somebody has the slot of an older lap, with @word, than that of @ticket. */
static bool is_in_use(const struct dso_queue *queue, uint64_t word, uint64_t ticket)
{
	return queue_laps_ahead(queue, word, ticket) < 0 &&
	       (owned_word_owner(word) || word & OWNED_DONE);
}

/* Whether the next ticket is for a slot that can be had: it may be leased, or its consumer slow. */
static int has_room(struct dso_queue *queue)
{
	uint64_t word;
	int r;

	if (queue->is_shut || room_seen(queue) == 0)
		return queue->is_shut ? -EPIPE : -EAGAIN;
	r = word_load(&queue->object, queue_slot_offset(queue, queue->tail), &word);
	return r == 0 && is_in_use(queue, word, queue->tail) ? -EAGAIN : r;
}

/* ---- claims ---- */

/* The word of an empty slot that had @word, claimed. */
static uint64_t claimed(const struct dso_queue *queue, uint64_t word)
{
	return word | owned_word(0, queue->object.session->owner);
}

static bool is_claimed(const struct dso_queue *queue, const struct push *push, unsigned i)
{
	return queue_is(queue, push->words[i], push->first + i, queue->object.session->owner, 0);
}

/* Let a slot go that was claimed with a void ticket. A producer of the next lap may wait for it. */
static int unclaim(struct dso_queue *queue, struct push *push, unsigned i)
{
	uint64_t *word = &push->words[i], before;
	int r = 0;

	while (r == 0 && is_claimed(queue, push, i)) {
		r = word_cas(&queue->object, queue_slot_offset(queue, push->first + i), *word,
			     queue_word_emptied(*word), &before);
		*word = before == *word ? queue_word_emptied(*word) : before;
	}
	return r ? r : queue_tell(queue, QUEUE_SPACE_OFFSET);
}

/* Operations that go with those of the slots. */
#define CLAIM_LOOKS 3
/* The operations that claim the slots of @count tickets as far as they are as they mostly are, look
 * whether the tickets are void, and raise the event of the consumers, which wait for tickets: those
 * that are parked wake up while the items are written. Returns how many operations. */
static unsigned claim_with(struct dso_queue *queue, uint64_t first, unsigned count, struct op *ops)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t empty = owned_word(queue_lap(queue, first + i), 0);

		ops[i] = word_op(&queue->object, DATA_CAS, queue_slot_offset(queue, first + i),
				 empty, claimed(queue, empty));
	}
	ops[count++] = word_op(&queue->object, DATA_FAA, QUEUE_VOID_OFFSET, 0, 0);
	return count + queue_raise_with(queue, QUEUE_ITEMS_OFFSET, ops + count);
}

/* What these came to, for the tickets from @from on. */
static int learn_claims(struct dso_queue *queue, struct push *push, unsigned from,
			const struct op *ops)
{
	const struct op *below = &ops[push->tickets - from];
	int r = 0;

	push->are_claimed = true;
	push->waiters = below[CLAIM_LOOKS - 1].value;
	for (unsigned i = from; r == 0 && i < push->tickets; i++, ops++) {
		push->words[i] = ops->value == ops->operand ? ops->swap : ops->value;
		if (push->first + i < below->value)
			r = unclaim(queue, push, i);
	}
	return r;
}

/* Consumers may come for @count items whose slots are claimed. */
static int tell_consumers(struct dso_queue *queue, const struct push *push, unsigned count)
{
	return push->waiters && count ? queue_wake(queue, QUEUE_ITEMS_OFFSET, count) : 0;
}

static int tell_of_claims(struct dso_queue *queue, const struct push *push, unsigned from)
{
	unsigned count = 0;

	for (unsigned i = from; i < push->tickets; i++)
		count += is_claimed(queue, push, i);
	return tell_consumers(queue, push, count);
}

static int claim_all(struct dso_queue *queue, struct push *push, unsigned from)
{
	struct op ops[QUEUE_BATCH + CLAIM_LOOKS];
	unsigned count = claim_with(queue, push->first + from, push->tickets - from, ops);
	int r = session_execute(&queue->object, ops, count);

	if (r == 0)
		r = learn_claims(queue, push, from, ops);
	return r ? r : tell_of_claims(queue, push, from);
}

/* The slots were claimed for tickets that others have, or nobody yet: those that have them wait for
 * that, or it is still to come. Nothing is published with the ticket of another, who may give it
 * back: the item would not be below the tail. */
static int let_go(struct dso_queue *queue, struct push *push)
{
	struct op ops[QUEUE_BATCH];
	unsigned index[QUEUE_BATCH], count = 0;
	int r = 0;

	for (unsigned i = 0; i < push->tickets; i++) {
		if (!is_claimed(queue, push, i))
			continue;
		ops[count] =
			word_op(&queue->object, DATA_CAS, queue_slot_offset(queue, push->first + i),
				push->words[i], queue_word(queue, push->first + i, 0, 0));
		index[count++] = i;
	}
	if (count)
		r = session_execute(&queue->object, ops, count);
	for (unsigned k = 0; r == 0 && k < count; k++) {
		push->words[index[k]] = ops[k].value == ops[k].operand ? ops[k].swap : ops[k].value;
		if (is_claimed(queue, push, index[k]))
			r = unclaim(queue, push, index[k]);
	}
	return r || count == 0 ? r : queue_tell(queue, QUEUE_SPACE_OFFSET);
}

/* What becomes of the slot of @ticket, which has @word; the same word where it cannot be claimed. A
 * slot that nobody has filled in an older lap is claimed at once, though it be many laps behind:
 * the producers with the tickets of those laps find that, and take others. */
static uint64_t claimed_late(const struct dso_queue *queue, uint64_t word, uint64_t ticket)
{
	if (queue_is_empty(queue, word, ticket))
		return claimed(queue, word);
	if (queue_laps_ahead(queue, word, ticket) < 0 && !is_in_use(queue, word, ticket))
		return queue_word(queue, ticket, queue->object.session->owner, 0);
	return word;
}

/* Whether the slot of @ticket, with @word, may yet be free for it: its consumer is on its way, or
 * another producer, that has claimed it without the ticket, lets it go. */
static bool may_come(const struct dso_queue *queue, uint64_t word, uint64_t ticket)
{
	return queue_laps_ahead(queue, word, ticket) < 0 ||
	       (owned_word_owner(word) && queue_is(queue, word, ticket, owned_word_owner(word), 0));
}

/* Claim the slot of ticket @i, which was not as it mostly is. */
static int claim_late(struct dso_queue *queue, struct push *push, unsigned i, int64_t deadline_ns)
{
	uint64_t ticket = push->first + i, next, before;
	int64_t until_ns = queue_wait_until_ns(queue, deadline_ns);
	uint64_t *word = &push->words[i];
	int r = 0;

	while (r == 0 && may_come(queue, *word, ticket) && clock_now_ns() < until_ns)
		r = queue_wait_slot(queue, ticket, word, until_ns);
	while (r == 0 && !is_claimed(queue, push, i)) {
		next = claimed_late(queue, *word, ticket);
		if (next == *word)
			break;
		r = word_cas(&queue->object, queue_slot_offset(queue, ticket), *word, next,
			     &before);
		*word = before == *word ? next : before;
	}
	if (r == 0 && is_claimed(queue, push, i))
		r = word_load(&queue->object, QUEUE_VOID_OFFSET, &before);
	if (r || !is_claimed(queue, push, i))
		return r;
	return ticket < before ? unclaim(queue, push, i) : tell_consumers(queue, push, 1);
}

/* ---- tickets ---- */

/* Take up to @count tickets, as many as there seems to be room for. Where nobody else did the last
 * time, claim their slots in the same round trip. Returns 0, -EAGAIN (there is none, or others were
 * quicker), -EPIPE, or an error. */
static int try_tickets(struct dso_queue *queue, struct push *push, unsigned count)
{
	uint64_t room = room_seen(queue), tail = queue->tail;
	bool claims = !queue_is_near(queue) && !queue->has_rivals, are_others;
	bool is_added = queue_has_many(room, count) && !claims;
	struct op ops[2 + QUEUE_BATCH + CLAIM_LOOKS], *taken;
	unsigned op_count;
	int r;

	if (queue->is_shut)
		return -EPIPE;
	if (room == 0)
		return -EAGAIN;
	push->tickets = count < room ? count : (unsigned)room;
	push->are_claimed = false;
	op_count = queue_leave_with(queue, ops);
	taken = &ops[op_count++];
	*taken = is_added ? word_op(&queue->object, DATA_FAA, QUEUE_TAIL_OFFSET, push->tickets, 0)
			  : word_op(&queue->object, DATA_CAS, QUEUE_TAIL_OFFSET, tail,
				    tail + push->tickets);
	if (claims)
		op_count += claim_with(queue, tail, push->tickets, ops + op_count);
	r = op_count == 1 ? session_execute_one(&queue->object, taken)
			  : session_execute(&queue->object, ops, op_count);
	if (r)
		return r;
	push->first = queue->tail = taken->value & ~QUEUE_SHUT;
	queue->is_shut = taken->value & QUEUE_SHUT;
	queue->has_rivals = push->first != tail;
	are_others = !is_added && taken->value != tail;
	if (!are_others && !queue->is_shut)
		queue->tail += push->tickets;
	if (claims) {
		push->first = tail;
		r = learn_claims(queue, push, 0, taken + 1);
		if (r == 0)
			r = are_others ? let_go(queue, push) : tell_of_claims(queue, push, 0);
	}
	if (r || queue->is_shut)
		return r ? r : -EPIPE;
	return are_others ? -EAGAIN : 0;
}

static int take_tickets(struct dso_queue *queue, struct push *push)
{
	int r = try_tickets(queue, push,
			    push->count < QUEUE_BATCH ? (unsigned)push->count : QUEUE_BATCH);

	push->done = r ? push->tickets : 0;
	return r;
}

/* The same, and wait for room. */
static int get_tickets(struct dso_queue *queue, struct push *push, int64_t deadline_ns)
{
	static const struct queue_wait for_room = {.offset = QUEUE_SPACE_OFFSET,
						   .is_there = has_room};
	unsigned beaten = 0;
	int r;

	while (push->is_blocked || (r = take_tickets(queue, push)) == -EAGAIN) {
		if (room_seen(queue) && !push->is_blocked) {
			r = queue_check_beaten(queue, ++beaten, deadline_ns);
			if (r)
				break;
			continue;
		}
		push->is_blocked = false;
		r = queue_look(queue);
		if (r == 0)
			r = has_room(queue);
		if (r == -EAGAIN)
			r = queue_wait(queue, &for_room, deadline_ns);
		if (r)
			break;
	}
	return r;
}

/* ---- publication ---- */

/* The operations that write @item into the slot of @ticket. Returns how many. */
static unsigned write_item(struct dso_queue *queue, uint64_t ticket,
			   const struct dso_queue_item *item, struct queue_slot *staged,
			   struct op *ops)
{
	uint64_t offset = queue->object.offset + queue_slot_offset(queue, ticket);
	uint32_t length = (uint32_t)item->length_bytes;
	uint32_t together = length <= queue->staged_bytes ? length : 0;
	const uint32_t header = sizeof *staged - offsetof(struct queue_slot, checksum);

	staged->checksum = le64_of(queue_checksum(ticket, item->bytes, length));
	staged->length_bytes = le32_of(length);
	staged->reserved = le32_of(0);
	if (together)
		memcpy(staged + 1, item->bytes, together);
	ops[0] = (struct op){.opcode = DATA_WRITE,
			     .length_bytes = header + together,
			     .offset = offset + offsetof(struct queue_slot, checksum),
			     .buffer = &staged->checksum};
	if (length == together)
		return 1;
	ops[1] = (struct op){.opcode = DATA_WRITE,
			     .length_bytes = length,
			     .offset = offset + sizeof *staged,
			     .buffer = item->bytes};
	return 2;
}

/* The slot of @ticket was marked while its item was written: it had @word when it was published. */
static int publish_marked(struct dso_queue *queue, uint64_t ticket, uint64_t word)
{
	uint16_t owner = queue->object.session->owner;
	uint64_t before = word;
	int r = 0;

	do {
		word = before;
		/* A claimed slot is this session's until it lets it go; only storaged takes it
		 * away, from a session that is over. */
		if (!queue_is(queue, word, ticket, owner, 0))
			return -ESHUTDOWN;
		r = word_cas(&queue->object, queue_slot_offset(queue, ticket), word,
			     owned_word_without_owner(word) | OWNED_DONE, &before);
	} while (r == 0 && before != word);
	if (r == 0 && word & QUEUE_LEFT)
		r = queue_count_left(queue);
	return r;
}

/* Write the next @count items into the slots from ticket @i on, which are claimed, and publish
 * them. All are written first: packets of equal length leave in one run, and a device holds a WRITE
 * back that comes behind an atomic. */
static int publish(struct dso_queue *queue, struct push *push, unsigned i, unsigned count)
{
	struct op ops[3 * QUEUE_BATCH], *published;
	unsigned op_count = 0;
	int r;

	for (unsigned k = 0; k < count; k++)
		op_count += write_item(queue, push->first + i + k, &push->items[k],
				       queue_staged(queue, k), ops + op_count);
	published = &ops[op_count];
	for (unsigned k = 0; k < count; k++) {
		uint64_t word = push->words[i + k];

		ops[op_count++] = word_op(&queue->object, DATA_CAS,
					  queue_slot_offset(queue, push->first + i + k), word,
					  owned_word_without_owner(word) | OWNED_DONE);
	}
	r = session_execute(&queue->object, ops, op_count);
	for (unsigned k = 0; r == 0 && k < count; k++)
		if (published[k].value != published[k].operand)
			r = publish_marked(queue, push->first + i + k, published[k].value);
	if (r)
		return object_half_done(r);
	push->items += count;
	push->count -= count;
	return 0;
}

/* Go on without ticket @i, whose slot is not this session's. Where it has not come to its lap, give
 * the ticket back, if it is the last. Otherwise a consumer has to find that nobody comes, unless
 * one has: the slot has come to its lap too late, or another producer has claimed it without a
 * ticket and not let it go yet. */
static int give_up(struct dso_queue *queue, struct push *push, unsigned i)
{
	uint64_t ticket = push->first + i, before;
	int64_t ahead = queue_laps_ahead(queue, push->words[i], ticket);
	int r;

	if (ahead > 0)
		return 0;
	if (ahead < 0) {
		push->is_blocked = true;
		r = word_cas(&queue->object, QUEUE_TAIL_OFFSET, ticket + 1, ticket, &before);
		if (r || before == ticket + 1)
			return r;
	}
	return queue_tell(queue, QUEUE_ITEMS_OFFSET);
}

/* Where this processor reaches them, fill those that are as they mostly are. */
static int fill_near(struct dso_queue *queue, struct push *push)
{
	struct queue_near near = {.first = push->first, .count = push->tickets};
	unsigned count = queue_near_push(queue, &near, push->items);

	push->items += count;
	push->count -= count;
	push->done = count;
	return count && near.are_awaited
		       ? object_half_done(queue_raise(queue, QUEUE_ITEMS_OFFSET, count))
		       : 0;
}

/* Fill the slots of the tickets that were taken, in order. Those whose consumers went on without
 * them, or have not come to their lap, are left out. */
static int fill(struct dso_queue *queue, struct push *push, int64_t deadline_ns)
{
	int r = queue_is_near(queue) && push->done == 0 ? fill_near(queue, push) : 0;

	if (r == 0 && !push->are_claimed && push->done < push->tickets)
		r = claim_all(queue, push, push->done);
	while (r == 0 && push->done < push->tickets) {
		unsigned i = push->done, count = 0;

		if (!is_claimed(queue, push, i))
			r = claim_late(queue, push, i, deadline_ns);
		if (r == 0 && !is_claimed(queue, push, i))
			r = give_up(queue, push, i);
		while (i + count < push->tickets && is_claimed(queue, push, i + count))
			count++;
		if (r == 0 && count)
			r = publish(queue, push, i, count);
		push->done += count ? count : 1;
	}
	return r;
}

/* Push what can be pushed with no look at a clock. */
static int push_near(struct dso_queue *queue, struct push *push)
{
	int r = 0;

	while (r == 0 && push->count && push->done == push->tickets) {
		r = take_tickets(queue, push);
		if (r == 0)
			r = fill_near(queue, push);
	}
	return r == -EAGAIN ? 0 : r;
}

static int push_until(struct dso_queue *queue, struct push *push, int64_t deadline_ns)
{
	unsigned vain = 0;
	int r = 0;

	while (r == 0 && push->count) {
		size_t before = push->count;

		if (push->done == push->tickets)
			r = get_tickets(queue, push, deadline_ns);
		if (r == 0)
			r = fill(queue, push, deadline_ns);
		vain = push->count < before ? 0 : vain + 1;
		if (r == 0)
			r = queue_check_vain(vain, deadline_ns);
	}
	return queue_leave(queue, r);
}

/* ---- rendezvous ---- */

/* Whether a consumer has taken the item that the push waits for: -EAGAIN, not yet. */
static int is_taken(struct dso_queue *queue)
{
	uint64_t word;
	int r = word_load(&queue->object, queue_slot_offset(queue, queue->awaited), &word);

	if (r || !queue_is_full(queue, word, queue->awaited))
		return r;
	return queue->is_shut ? -EPIPE : -EAGAIN;
}

/* Take the item back, as a consumer would. Returns -EALREADY (a consumer was quicker), or as any
 * operation. */
static int withdraw(struct dso_queue *queue)
{
	uint64_t offset = queue_slot_offset(queue, queue->awaited), word, before;
	int r = word_load(&queue->object, offset, &word);

	while (r == 0 && queue_is_full(queue, word, queue->awaited)) {
		r = word_cas(&queue->object, offset, word, queue_word_emptied(word), &before);
		if (r || before == word)
			return r ? r : queue_tell(queue, QUEUE_SPACE_OFFSET);
		word = before;
	}
	return r ? r : -EALREADY;
}

/* The item of the ticket queue->awaited was published. */
static int await_taken(struct dso_queue *queue, int64_t deadline_ns)
{
	static const struct queue_wait until_taken = {.offset = QUEUE_SPACE_OFFSET,
						      .is_there = is_taken};
	int64_t least_ns = clock_now_ns() + QUEUE_SLOT_WAIT_NS;
	int r, s;

	deadline_ns = deadline_ns > least_ns ? deadline_ns : least_ns;
	r = queue_leave(queue, queue_wait(queue, &until_taken, deadline_ns));
	if (r == 0 || object_session_is_over(r))
		return object_half_done(r);
	s = withdraw(queue);
	return s == 0 ? r : s == -EALREADY ? 0 : object_half_done(s);
}

/* One after the other. */
static int push_each(struct dso_queue *queue, struct push *push, int64_t deadline_ns)
{
	int r = 0;

	while (r == 0 && push->count) {
		struct push one = {.items = push->items, .count = 1};

		r = push_until(queue, &one, deadline_ns);
		queue->awaited = one.first;
		if (r == 0)
			r = await_taken(queue, deadline_ns);
		if (r == 0) {
			push->items++;
			push->count--;
		}
	}
	return r;
}

static int push_all(struct dso_queue *queue, struct push *push, int64_t timeout)
{
	int64_t deadline_ns;
	int r;

	/* Before the near path, which reads no clock and no timeout. */
	if (timeout < DSO_FOREVER)
		return -EINVAL;
	r = queue_is_near(queue) && !queue->is_rendezvous ? push_near(queue, push) : 0;
	if (r || push->count == 0)
		return r;
	r = futex_deadline(timeout, &deadline_ns);
	if (r)
		return r;
	return queue->is_rendezvous ? push_each(queue, push, deadline_ns)
				    : push_until(queue, push, deadline_ns);
}

static int too_long(struct dso_queue *queue, size_t length_bytes)
{
	return object_refuse(&queue->object, "push", -EMSGSIZE,
			     "the item has %zu bytes, the queue takes %u at most", length_bytes,
			     queue->item_bytes);
}

int dso_queue_push_many(struct dso_queue *queue, const struct dso_queue_item *items, size_t count,
			int64_t timeout, size_t *ret_pushed)
{
	INSIDE_OF(queue);
	struct push push = {.items = items, .count = count};
	int r;

	if (ret_pushed)
		*ret_pushed = 0;
	for (size_t i = 0; i < count; i++)
		if (items[i].length_bytes > queue->item_bytes)
			return too_long(queue, items[i].length_bytes);
	r = push_all(queue, &push, timeout);
	if (ret_pushed)
		*ret_pushed = count - push.count;
	if (r == -EPIPE)
		return object_refuse(&queue->object, "push", r, "it is shut down");
	if (r == -EBADMSG)
		return object_refuse(&queue->object, "push", r,
				     "its words are not what producers and consumers wrote");
	return r ? object_fail_wait(&queue->object, "push", timeout, r) : 0;
}

int dso_queue_push(struct dso_queue *queue, const void *bytes, size_t length_bytes, int64_t timeout)
{
	struct dso_queue_item item = {.bytes = (void *)(uintptr_t)bytes,
				      .length_bytes = length_bytes};

	return dso_queue_push_many(queue, &item, 1, timeout, NULL);
}
