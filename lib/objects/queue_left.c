/* SPDX-License-Identifier: Apache-2.0 */
/* Items that consumers have gone on without, and tickets that nobody may come for. */
#include "lib/objects/queue.h"
#include "lib/objects/word.h"

#include <time.h>

int queue_make_void(struct dso_queue *queue, uint64_t ticket)
{
	uint64_t value = 0, before;
	int r;

	for (;;) {
		r = word_cas(&queue->object, QUEUE_VOID_OFFSET, value, ticket + 1, &before);
		if (r || before == value || before > ticket)
			return r;
		value = before;
	}
}

/* What becomes of a slot with @word that this consumer goes on without: in its ticket's lap. */
static uint64_t left_behind(uint64_t word)
{
	return owned_word_owner(word) || word & OWNED_DONE ? word | QUEUE_LEFT
							   : queue_word_emptied(word);
}

/* Go on without the item of @ticket, whose slot has @word. Returns 0, -EAGAIN (it has another one
 * by now, or may have), or an error. */
static int leave_behind(struct dso_queue *queue, uint64_t ticket, uint64_t word)
{
	uint64_t offset = queue_slot_offset(queue, ticket), left = left_behind(word), before;
	int64_t ahead = queue_laps_ahead(queue, word, ticket);
	int r;

	/* Others went on, or have leased it. */
	if (ahead > 0 || (ahead == 0 && owned_word_owner(word) && word & OWNED_DONE))
		return 0;
	if (ahead < 0) {
		r = queue_make_void(queue, ticket);
		if (r == 0)
			r = word_load(&queue->object, offset, &word);
		return r == 0 && queue_laps_ahead(queue, word, ticket) >= 0 ? -EAGAIN : r;
	}
	r = word_cas(&queue->object, offset, word, left, &before);
	if (r || before != word)
		return r ? r : -EAGAIN;
	return left & OWNED_DONE ? queue_count_left(queue) : 0;
}

int queue_go_on_without(struct dso_queue *queue, uint64_t ticket, uint64_t word)
{
	int r = leave_behind(queue, ticket, word);

	return r ? r : queue_tell(queue, QUEUE_SPACE_OFFSET);
}

int queue_void_abandoned(struct dso_queue *queue, uint64_t below)
{
	nanosleep(&(struct timespec){.tv_nsec = QUEUE_SLOT_WAIT_NS}, NULL);
	return below ? queue_make_void(queue, below - 1) : 0;
}

/* Mark the slot of @ticket, where a producer is writing an item that nobody may come for: the
 * producer counts it when it is there. Returns 0, -EAGAIN (the slot has changed), or an error. */
static int mark_claimed(struct dso_queue *queue, uint64_t ticket, uint64_t word)
{
	if (owned_word_owner(word) == 0 || word & OWNED_DONE)
		return 0;
	return word_flag(&queue->object, queue_slot_offset(queue, ticket), QUEUE_LEFT, &word);
}

/* Among @count slots from @slot on, the oldest full one whose ticket is below @below and which is
 * marked, or @any: *ret_ticket, which is *oldest below. With @any, claimed ones are marked. Returns
 * 0, -EAGAIN (look again), or an error. */
static int look_for_left(struct dso_queue *queue, uint64_t slot, unsigned count, uint64_t below,
			 bool any, int64_t *oldest, uint64_t *ret_ticket)
{
	struct op ops[QUEUE_BATCH];
	int r;

	for (unsigned i = 0; i < count; i++)
		ops[i] =
			word_op(&queue->object, DATA_FAA, queue_slot_offset(queue, slot + i), 0, 0);
	r = session_execute(&queue->object, ops, count);
	for (unsigned i = 0; r == 0 && i < count; i++) {
		uint64_t word = ops[i].value;
		/* The word has the low 40 bits of the lap. */
		uint64_t lap =
			below / queue->capacity + (uint64_t)queue_laps_ahead(queue, word, below);
		uint64_t ticket = queue->capacity * lap + slot + i;
		int64_t age = (int64_t)(below - ticket);

		if (queue_is_full(queue, word, ticket) && (any || word & QUEUE_LEFT) &&
		    age > *oldest) {
			*oldest = age;
			*ret_ticket = ticket;
		} else if (any && age > 0) {
			r = mark_claimed(queue, ticket, word);
		}
	}
	return r;
}

int queue_find_left(struct dso_queue *queue, uint64_t below, bool any, uint64_t *ret_ticket)
{
	int64_t oldest = 0;
	int r = 0;

	for (uint64_t slot = 0; r == 0 && slot < queue->capacity; slot += QUEUE_BATCH) {
		uint64_t left = queue->capacity - slot;

		r = look_for_left(queue, slot, left < QUEUE_BATCH ? (unsigned)left : QUEUE_BATCH,
				  below, any, &oldest, ret_ticket);
	}
	return r ? r : oldest ? 0 : -ENOENT;
}
