/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"
#include "lib/objects/queue.h"

#include <inttypes.h>

/* No ticket that a producer or consumer has taken is as large. */
#define TICKETS (INT64_C(1) << 62)
/* The tickets that all sessions together have at most beyond those that there are items or slots
 * for, counted twice: each takes a batch before it sees that there are none. */
#define OVERSHOOT (INT64_C(2) * QUEUE_BATCH * UINT16_MAX)

struct state {
	const struct image *image;
	struct findings *findings;
	struct dso_queue queue; /* of which only the parameters are used */
	int64_t head, tail;
	uint32_t ended, left;
};

#define DAMAGE(state, offset, ...) \
	findings_add((state)->findings, DSO_FINDING_DAMAGE, offset, __VA_ARGS__)

static bool check_counters(const struct state *state)
{
	int64_t head = state->head, tail = state->tail;
	uint64_t voided = image_word(state->image, QUEUE_VOID_OFFSET);

	if (head < 0 || head >= TICKETS || tail >= TICKETS ||
	    tail - head > (int64_t)state->queue.capacity + OVERSHOOT || head - tail > OVERSHOOT) {
		DAMAGE(state, QUEUE_TAIL_OFFSET,
		       "its tail is %" PRId64 " and its head %" PRId64
		       ": they are never so far apart",
		       tail, head);
		return false;
	}
	if (voided > (uint64_t)head)
		DAMAGE(state, QUEUE_VOID_OFFSET,
		       "tickets are void below %" PRIu64 ", beyond its head, which is %" PRId64,
		       voided, head);
	return true;
}

/* The ticket of the item of slot @index whose word is @word. */
static int64_t ticket_of(const struct state *state, uint64_t index, uint64_t word)
{
	int64_t capacity = (int64_t)state->queue.capacity;
	int64_t lap = state->head / capacity +
		      queue_laps_ahead(&state->queue, word, (uint64_t)state->head);

	return lap * capacity + (int64_t)index;
}

static bool has_state(uint64_t word)
{
	unsigned flags = word & UINT8_MAX;

	return owned_word_owner(word) ? flags == 0 || flags == QUEUE_LEFT || flags == OWNED_DONE
				      : flags == 0 || flags == OWNED_DIED || flags == OWNED_DONE ||
						flags == (OWNED_DONE | QUEUE_LEFT);
}

static void check_item(const struct state *state, uint64_t offset, int64_t ticket)
{
	const uint8_t *at = state->image->bytes + offset;
	struct queue_slot slot;
	uint32_t length;

	memcpy(&slot, at, sizeof slot);
	length = le32_get(slot.length_bytes);
	if (length > state->queue.item_bytes || length > state->queue.stride - sizeof slot)
		DAMAGE(state, offset,
		       "the item of ticket %" PRId64 " has %u bytes, %u are the most", ticket,
		       length, state->queue.item_bytes);
	else if (le64_get(slot.checksum) !=
		 queue_checksum((uint64_t)ticket, at + sizeof slot, length))
		DAMAGE(state, offset,
		       "the item of ticket %" PRId64 " is not what its producer wrote", ticket);
}

/* Who comes for a full slot whose ticket is below the head. */
static void check_consumer(const struct state *state, uint64_t offset, uint64_t word,
			   int64_t ticket)
{
	if (!state->image->is_alone || state->ended)
		return;
	if (!(word & QUEUE_LEFT))
		DAMAGE(state, offset,
		       "the item of ticket %" PRId64 " is below the head, and no consumer has it",
		       ticket);
	else if (state->left == 0)
		DAMAGE(state, offset,
		       "the item of ticket %" PRId64 " was left behind, and nobody has counted it",
		       ticket);
}

static void check_returns(const struct state *state, uint64_t offset, uint64_t word)
{
	uint64_t returns = image_word(state->image, offset + QUEUE_RETURNS_OFFSET);
	int64_t ahead = (int64_t)((owned_word_token(returns) - owned_word_token(word)) << 24);

	if (ahead > 0)
		DAMAGE(state, offset,
		       "items came back to the slot in a lap that it has not come to");
}

/* Whether nobody has settled the ticket of the lap before that of the slot. A producer that has its
 * ticket may have passed by that one; but one that claims a slot before it has a ticket may not. */
static bool is_early(const struct state *state, uint64_t word, int64_t ticket)
{
	int64_t before = ticket - (int64_t)state->queue.capacity;

	if (word & OWNED_DONE || before < 0 || before < state->head)
		return false;
	return (owned_word_owner(word) == 0 && !(word & OWNED_DIED)) || ticket >= state->tail;
}

/* Where the slot is, against head and tail. */
static void check_place(const struct state *state, uint64_t offset, uint64_t word, int64_t ticket)
{
	bool had_consumer = word & QUEUE_LEFT || (owned_word_owner(word) && word & OWNED_DONE);

	if (ticket < 0)
		DAMAGE(state, offset, "the slot is in a lap before the first");
	else if (is_early(state, word, ticket))
		DAMAGE(state, offset,
		       "the slot is in the lap of ticket %" PRId64 ", and the one before that was "
		       "not settled: the head is %" PRId64,
		       ticket, state->head);
	else if (word & OWNED_DONE && ticket >= state->tail)
		DAMAGE(state, offset,
		       "the slot has the item of ticket %" PRId64 ", which no producer has taken: "
		       "the tail is %" PRId64,
		       ticket, state->tail);
	else if (had_consumer && ticket >= state->head)
		DAMAGE(state, offset,
		       "a consumer with ticket %" PRId64
		       " was at the slot, which none has taken: the head is %" PRId64,
		       ticket, state->head);
}

static void check_slot(const struct state *state, uint64_t index)
{
	uint64_t offset = queue_slot_offset(&state->queue, index);
	uint64_t word = image_word(state->image, offset);
	int64_t ticket = ticket_of(state, index, word);

	if (!has_state(word)) {
		DAMAGE(state, offset,
		       "the word of the slot, 0x%" PRIx64 ", is in no state of a slot", word);
		return;
	}
	check_place(state, offset, word, ticket);
	check_returns(state, offset, word);
	if (ticket < 0 || !(word & OWNED_DONE))
		return;
	check_item(state, offset, ticket);
	if (owned_word_owner(word) == 0 && ticket < state->head)
		check_consumer(state, offset, word, ticket);
}

void queue_check(const struct image *image, struct findings *findings)
{
	uint64_t missed = image_word(image, QUEUE_MISSED_OFFSET);
	struct state state = {
		.image = image,
		.findings = findings,
		.queue = {.capacity = image->parameters[QUEUE_PARAMETER_CAPACITY],
			  .stride = image->parameters[QUEUE_PARAMETER_STRIDE],
			  .item_bytes = (uint32_t)image->parameters[QUEUE_PARAMETER_ITEM_BYTES]},
		.head = (int64_t)image_word(image, QUEUE_HEAD_OFFSET),
		.tail = (int64_t)(image_word(image, QUEUE_TAIL_OFFSET) & ~QUEUE_SHUT),
		.ended = (uint32_t)(missed / QUEUE_MISSED_ENDED),
		.left = (uint32_t)missed,
	};

	image_check_event(image, QUEUE_ITEMS_OFFSET, false, findings);
	image_check_event(image, QUEUE_SPACE_OFFSET, false, findings);
	if (!check_counters(&state))
		return;
	for (uint64_t i = 0; i < state.queue.capacity; i++)
		check_slot(&state, i);
}
