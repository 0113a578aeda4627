/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members: the word of a member, and the recovery of what one left behind that has ended.
 *
 * storaged takes a session that has ended out of its member word, and leaves OWNED_DIED there. A
 * session that takes that word keeps the flag until it has recovered all: so where it ends before
 * that, the next one begins again. Every step may be done twice.
 */
#include "lib/objects/space_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

static uint64_t word_offset(const struct space *space, uint32_t index)
{
	return space->members_offset + 8 * (uint64_t)index;
}

/* ---- the table ---- */

/* Read it, as a hint. */
static int read_table(struct space *space, le64_t table[SPACE_MEMBERS_MAX])
{
	struct op op = space_read_op(space->object->offset + space->members_offset, table,
				     8 * space->members_max);

	return session_execute_one(space->object, &op);
}

/* A word that nobody has: one with OWNED_DIED, so that what was left there is recovered soon, else
 * one that no other session looks at first. Returns members_max where there is none. */
static uint32_t find_vacant(const struct space *space, const le64_t *table)
{
	uint32_t first = space->object->session->owner % space->members_max;
	uint32_t vacant = space->members_max;

	for (uint32_t i = 0; i < space->members_max; i++) {
		uint32_t index = (first + i) % space->members_max;
		uint64_t word = le64_get(table[index]);

		if (owned_word_owner(word))
			continue;
		if (word & OWNED_DIED)
			return index;
		if (vacant == space->members_max)
			vacant = index;
	}
	return vacant;
}

/* Take the word of member @index, last seen as *word, which is then what it is. Returns 0, -EAGAIN,
 * or an error. */
static int take_word(struct space *space, uint32_t index, uint64_t *word)
{
	uint64_t taken = owned_word((owned_word_token(*word) + 1) & FENCING_COUNT_MASK,
				    space->object->session->owner) |
			 (*word & OWNED_DIED);
	uint64_t before;
	int r = word_cas(space->object, word_offset(space, index), *word, taken, &before);

	if (r)
		return r;
	if (before != *word) {
		*word = before;
		return -EAGAIN;
	}
	*word = taken;
	return 0;
}

/* Change the word, which this session has. */
static int change_word(struct space *space, uint32_t index, uint64_t *word, uint64_t value)
{
	uint64_t before;
	int r = word_cas(space->object, word_offset(space, index), *word, value, &before);

	if (r)
		return r;
	if (before != *word)
		return -EBADMSG;
	*word = value;
	return 0;
}

/* ---- recovery ---- */

static uint64_t record_offset(const struct space *space, uint32_t index)
{
	return space->extents[SPACE_RECORD_EXTENT + index / SPACE_RECORDS].offset +
	       index % SPACE_RECORDS * sizeof(struct space_record);
}

static int know_record(struct space *space, uint32_t index)
{
	unsigned extent = SPACE_RECORD_EXTENT + (unsigned)(index / SPACE_RECORDS);
	int r = space_extent(space, extent, SPACE_RECORD_EXTENT_BYTES);

	return r == 0 && space->extents[extent].bytes < SPACE_RECORD_EXTENT_BYTES ? -EBADMSG : r;
}

/* The block may be one that was taken and not published, or made unreachable and not freed. */
static int recover_block(struct space *space, const struct space_name *name)
{
	uint64_t page = space_reference_offset(name->reference) / SPACE_PAGE_BYTES -
			space_state_distance(name->state);
	unsigned extent = (unsigned)space_reference_extent(name->reference);
	struct op ops[2];
	uint64_t offset;
	int r = space_find(space, name->reference, 8, &offset);

	if (r || page < space_first_page(space, extent) ||
	    page >= space_extent_pages(space, extent))
		return r == -EBADMSG ? 0 : r;
	ops[0] = space_op(DATA_FAA, offset, 0, 0);
	r = session_execute_one(space->object, &ops[0]);
	if (r)
		return r;
	if (ops[0].value == name->state) {
		r = space->ops->is_referenced(space, name);
		if (r)
			return r == -EBADMSG || r > 0 ? 0 : r;
	} else if (ops[0].value != space_state_freed(name->state)) {
		return 0;
	}
	/* It may have become free and not been counted. */
	ops[0] = space_op(DATA_CAS, offset, name->state, space_state_freed(name->state));
	ops[1] = space_op(DATA_FAA, space_page_offset(space, extent, page), SPACE_PAGE_COUNT, 0);
	return session_execute(space->object, ops, 2);
}

static int recover_blocks(struct space *space, const struct space_record *record)
{
	uint64_t count = le64_get(record->count);
	int r = 0;

	/* Intents that are not whole belong to an operation of which nothing else was done, and
	 * those before them to one that was done to its end. */
	if (count > SPACE_INTENTS_MAX ||
	    le64_get(record->checksum) !=
		    XXH3_64bits_withSeed(record->intents, count * sizeof *record->intents, count))
		return 0;
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		struct space_name name = {le64_get(record->intents[i].reference),
					  le64_get(record->intents[i].state)};

		if (name.reference && name.state & SPACE_STATE_USED)
			r = recover_block(space, &name);
	}
	return r;
}

/* Recover what the member @index left behind that has ended, whose word this session has now. The
 * space has a member, for its buffers. */
static int recover(struct space *space, uint32_t index)
{
	struct space_record *record;
	struct op op;
	int r = know_record(space, index);

	if (r)
		return r;
	record = malloc(sizeof *record);
	if (!record)
		return -ENOMEM;
	op = space_read_op(record_offset(space, index), record, sizeof *record);
	r = session_execute_one(space->object, &op);
	if (r == 0)
		r = recover_blocks(space, record);
	for (unsigned i = 0; r == 0 && i < SPACE_LEASES_MAX; i++)
		r = space_spans_recover(space, le64_get(record->leases[i]), index);
	free(record);
	return r;
}

/* The same, and its word has no OWNED_DIED then. Where that fails it is given back with that. */
static int recover_word(struct space *space, uint32_t index, uint64_t *word)
{
	int r = *word & OWNED_DIED ? recover(space, index) : 0;

	if (r == 0 && *word & OWNED_DIED)
		r = change_word(space, index, word, *word & ~(uint64_t)OWNED_DIED);
	if (r)
		change_word(space, index, word, owned_word_without_owner(*word));
	return r;
}

int space_members_recover(struct space *space, bool *ret_any)
{
	le64_t table[SPACE_MEMBERS_MAX];
	int r = read_table(space, table);

	for (uint32_t i = 0; r == 0 && i < space->members_max; i++) {
		uint64_t word = le64_get(table[i]);

		if (owned_word_owner(word) || !(word & OWNED_DIED))
			continue;
		r = take_word(space, i, &word);
		if (r == -EAGAIN) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = recover_word(space, i, &word);
		if (r == 0)
			r = change_word(space, i, &word, owned_word_without_owner(word));
		*ret_any |= r == 0;
	}
	return r;
}

/* ---- joining and leaving ---- */

static int take_any_word(struct space *space, uint32_t *ret_index, uint64_t *ret_word)
{
	le64_t table[SPACE_MEMBERS_MAX];

	for (unsigned i = 0; i < SPACE_TRIES; i++) {
		int r = read_table(space, table);
		uint32_t index;

		if (r)
			return r;
		index = find_vacant(space, table);
		if (index == space->members_max) {
			snprintf(space->reason, sizeof space->reason,
				 "as many sessions change it as may at a time (%u)",
				 space->members_max);
			return -EUSERS;
		}
		*ret_word = le64_get(table[index]);
		r = take_word(space, index, ret_word);
		if (r != -EAGAIN) {
			*ret_index = index;
			return r;
		}
	}
	return -EBADMSG;
}

static uint64_t draw_seed(const struct space *space, uint64_t word)
{
	uint64_t drawn[3] = {space->object->session->owner, word, (uintptr_t)space};

	(void)!getrandom(&drawn[2], sizeof drawn[2], GRND_NONBLOCK);
	return XXH3_64bits(drawn, sizeof drawn);
}

int space_members_join(struct space *space)
{
	struct space_member *member = calloc(1, sizeof *member);
	int r;

	if (!member)
		return -ENOMEM;
	for (unsigned i = 0; i < SPACE_LEASES_MAX; i++)
		member->used[i] = (uint8_t)i;
	r = take_any_word(space, &member->index, &member->word);
	if (r) {
		free(member);
		return r;
	}
	space->object->memory[2] = space->member = member;
	member->seed = draw_seed(space, member->word);
	r = know_record(space, member->index);
	member->record_offset = record_offset(space, member->index);
	if (r == 0)
		r = recover_word(space, member->index, &member->word);
	else
		change_word(space, member->index, &member->word,
			    owned_word_without_owner(member->word));
	if (r) {
		free(member);
		space->object->memory[2] = space->member = NULL;
	}
	return r;
}

void space_members_leave(struct space *space)
{
	struct space_member *member = space->member;

	if (space_spans_release(space, true) == 0 && member->span_count == 0)
		change_word(space, member->index, &member->word,
			    owned_word_without_owner(member->word));
}
