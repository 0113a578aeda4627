/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an item that a consumer has leased. */
#include "lib/objects/queue.h"
#include "lib/client/check.h"
#include "lib/objects/word.h"

/* Where @ticket is among what this handle has leased; its count: nowhere. */
static uint32_t find_lease(const struct dso_queue *queue, uint64_t ticket)
{
	uint32_t i = 0;

	while (i < queue->leases && queue->leased[i] != ticket)
		i++;
	return i;
}

bool queue_has_leased(const struct dso_queue *queue, uint64_t ticket)
{
	return find_lease(queue, ticket) < queue->leases;
}

/* A return is counted before the word shows it. */
int queue_is_leased(struct dso_queue *queue, uint64_t ticket, uint32_t deliveries, bool *ret_is)
{
	INSIDE_OF(queue);
	uint64_t offset = queue_slot_offset(queue, ticket), word, returns = 0;
	uint64_t lap = queue_lap(queue, ticket);
	int r = word_load(&queue->object, offset, &word);

	if (r == 0)
		r = word_load(&queue->object, offset + QUEUE_RETURNS_OFFSET, &returns);
	if (owned_word_token(returns) != lap)
		returns = 0;
	*ret_is = r == 0 && owned_word_token(word) == lap && owned_word_owner(word) &&
		  (returns & QUEUE_RETURNS_MASK) + 1 == deliveries;
	return r;
}

/* The operation by which the slot of @ticket, which this session has leased, goes on as @next of
 * its word says. */
static struct op end_with(const struct dso_queue *queue, uint64_t ticket,
			  uint64_t (*next)(uint64_t word))
{
	uint64_t leased = queue_word(queue, ticket, queue->object.session->owner, OWNED_DONE);

	return word_op(&queue->object, DATA_CAS, queue_slot_offset(queue, ticket), leased,
		       next(leased));
}

/* The same with the @count operations @ops, of which that is the first. */
static int end_lease(struct dso_queue *queue, uint64_t ticket, struct op *ops, unsigned count)
{
	uint32_t index = find_lease(queue, ticket);
	int r;

	if (index == queue->leases)
		return -EPERM;
	r = session_execute(&queue->object, ops, count);
	if (r)
		return r;
	queue->leased[index] = queue->leased[--queue->leases];
	return ops[0].value == ops[0].operand ? 0 : -EPERM;
}

int queue_end_lease(struct dso_queue *queue, uint64_t ticket, uint64_t (*next)(uint64_t word))
{
	struct op op = end_with(queue, ticket, next);

	return end_lease(queue, ticket, &op, 1);
}

/* Producers may wait for the room. */
int dso_queue_acknowledge(struct dso_queue *queue, uint64_t ticket)
{
	INSIDE_OF(queue);
	struct op ops[2] = {
		end_with(queue, ticket, queue_word_emptied),
		word_op(&queue->object, DATA_FAA, QUEUE_SPACE_OFFSET + EVENT_WAITERS_OFFSET, 0, 0)};
	int r = end_lease(queue, ticket, ops, 2);

	if (r == 0 && ops[1].value)
		r = object_half_done(queue_raise(queue, QUEUE_SPACE_OFFSET, 1));
	return r ? object_fail(&queue->object, "acknowledge", r) : 0;
}

int queue_leave_leased(struct dso_queue *queue, uint64_t ticket)
{
	int r = queue_end_lease(queue, ticket, queue_word_without_owner);

	return r ? object_half_done(r) : queue_count_left(queue);
}

/* Before it comes back: who takes it next sees how often it has. */
static int count_return(struct dso_queue *queue, uint64_t ticket)
{
	uint64_t offset = queue_slot_offset(queue, ticket) + offsetof(struct queue_slot, returns);
	uint64_t value, before;
	int r = word_load(&queue->object, offset, &value);

	while (r == 0) {
		r = word_cas(&queue->object, offset, value,
			     queue_returns_next(value, queue_lap(queue, ticket)), &before);
		if (r || before == value)
			break;
		value = before;
	}
	return r;
}

static int give_back(struct dso_queue *queue, uint64_t ticket)
{
	int r = queue_has_leased(queue, ticket) ? count_return(queue, ticket) : -EPERM;

	return r ? r : queue_leave_leased(queue, ticket);
}

int dso_queue_give_back(struct dso_queue *queue, uint64_t ticket)
{
	INSIDE_OF(queue);
	int r = give_back(queue, ticket);

	return r ? object_fail(&queue->object, "give back", r) : 0;
}

void dso_queue_close(struct dso_queue *queue)
{
	INSIDE(check_session(queue));
	int r = 0;

	/* -EPERM: that one was written over, and is forgotten. */
	while (queue && queue->leases && (r == 0 || r == -EPERM))
		r = give_back(queue, *queue->leased);
	object_close((struct object *)queue);
}
