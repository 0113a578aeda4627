/* SPDX-License-Identifier: Apache-2.0 */
/* Of a queue: first in, first out, whatever was leased and came back in between. */
#include "tests/linearizability/specs.h"
#include "tests/linearizability/step.h"

#include <string.h>

/* The items in order, a word each {value:32, who has it:8}; {capacity, whether items may be passed
 * by}; who died. */
#define ITEMS_MAX 6
#define CAPACITY  ITEMS_MAX
#define DEAD      (ITEMS_MAX + 1)
#define PASSABLE  (UINT64_C(1) << 32)

/* Who has an item: nobody, or the client with that number + 1; or nobody, and it came back; or it
 * may be gone: a consumer may have been killed in the middle of a pop. */
#define NOBODY   0
#define RETURNED 254
#define MAYBE    255

static uint64_t item_of(int64_t value, uint64_t who)
{
	return (uint64_t)value << 8 | who;
}

static uint64_t who_has(uint64_t item)
{
	return item & 255;
}

static const struct operation_kind queue_kinds[] = {
	[DIE] = {"die", 0, 0},
	[QUEUE_PUSH] = {"push", 2, 0},
	[QUEUE_POP] = {"pop", 1, 1},
	[QUEUE_LEASE] = {"lease", 1, 1},
	[QUEUE_ACKNOWLEDGE] = {"acknowledge", 0, 0},
	[QUEUE_GIVE_BACK] = {"give_back", 0, 0},
};

static void queue_begin(struct state *state, int64_t parameter)
{
	state->words[CAPACITY] = (uint64_t)parameter;
}

static unsigned length_of(const struct state *state)
{
	unsigned length = 0;

	while (length < ITEMS_MAX && state->words[length])
		length++;
	return length;
}

static void take_out(struct state *state, unsigned at)
{
	memmove(&state->words[at], &state->words[at + 1],
		(ITEMS_MAX - 1 - at) * sizeof *state->words);
	state->words[ITEMS_MAX - 1] = 0;
}

/* The first item from @at on that @who has; ITEMS_MAX: there is none. */
static unsigned find(const struct state *state, unsigned at, uint64_t who)
{
	while (at < ITEMS_MAX && (state->words[at] == 0 || who_has(state->words[at]) != who))
		at++;
	return at;
}

/* The first one that a consumer can take. */
static unsigned find_first(const struct state *state)
{
	unsigned fresh = find(state, 0, NOBODY), returned = find(state, 0, RETURNED);

	return fresh < returned ? fresh : returned;
}

static void come_back(struct state *state, unsigned at)
{
	state->words[at] = (state->words[at] & ~UINT64_C(255)) | RETURNED;
	state->words[CAPACITY] |= PASSABLE;
}

/*
 * A push finds the queue full where all slots are in use, or the slot whose turn it is: by an item
 * that is leased, or that was left behind for one that came back.
 */
static bool queue_push(struct state *state, const struct operation *operation)
{
	unsigned length = length_of(state);

	if (timed_out(operation, 1))
		return operation->disturbed || (length && find(state, 0, NOBODY)) ||
		       (length && state->words[CAPACITY] & PASSABLE) ||
		       length == (uint32_t)state->words[CAPACITY];
	if (failed(operation) || length == ITEMS_MAX)
		return false;
	state->words[length] = item_of(operation->arguments[0], NOBODY);
	return true;
}

/*
 * Which item was taken: the first one, or one that was thought gone. A consumer that has its ticket
 * and sees an item that came back takes that one, and one that gives up takes none; until it has
 * left its own ticket's item behind, others pass that one by.
 */
static unsigned find_taken(const struct state *state, const struct operation *operation)
{
	unsigned first = find_first(state);
	bool may_pass = operation->disturbed && state->words[CAPACITY] & PASSABLE;

	if (first < ITEMS_MAX && agrees(operation, 0, state->words[first] >> 8))
		return first;
	for (unsigned at = 0; at < ITEMS_MAX; at++) {
		uint64_t who = who_has(state->words[at]);

		if (state->words[at] && agrees(operation, 0, state->words[at] >> 8) &&
		    (who == MAYBE || (may_pass && (who == NOBODY || who == RETURNED))))
			return at;
	}
	return ITEMS_MAX;
}

/* It is taken off, or @who has it then. */
static bool queue_take(struct state *state, const struct operation *operation, uint64_t who)
{
	unsigned at = find_taken(state, operation);

	if (timed_out(operation, 0)) {
		if (operation->disturbed)
			state->words[CAPACITY] |= PASSABLE;
		return find_first(state) == ITEMS_MAX || operation->disturbed;
	}
	if (failed(operation) || at == ITEMS_MAX)
		return false;
	if (!operation->known && who == NOBODY)
		who = MAYBE;
	if (who == NOBODY)
		take_out(state, at);
	else
		state->words[at] = (state->words[at] & ~UINT64_C(255)) | who;
	return true;
}

static bool queue_step(struct state *state, const struct operation *operation)
{
	uint64_t me = operation->client + 1;
	unsigned mine = find(state, 0, me);

	if (!is_alive(&state->words[DEAD], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		if (mine < ITEMS_MAX)
			come_back(state, mine);
		return true;
	case QUEUE_PUSH:
		return queue_push(state, operation);
	case QUEUE_POP:
		return queue_take(state, operation, NOBODY);
	case QUEUE_LEASE:
		return queue_take(state, operation, me);
	case QUEUE_ACKNOWLEDGE:
		if (mine == ITEMS_MAX || failed(operation))
			return false;
		take_out(state, mine);
		return true;
	case QUEUE_GIVE_BACK:
		if (mine == ITEMS_MAX || failed(operation))
			return false;
		come_back(state, mine);
		return true;
	}
	return false;
}

/* A session that has a ticket and is about to push or pop: its item is neither there nor gone. */
static bool queue_disturbs(const struct operation *other, const struct operation *operation)
{
	return operation->kind == QUEUE_PUSH || other->kind != QUEUE_PUSH;
}

const struct specification queue_specification = {
	.name = "queue",
	.kinds = queue_kinds,
	.begin = queue_begin,
	.step = queue_step,
	.disturbs = queue_disturbs,
};
