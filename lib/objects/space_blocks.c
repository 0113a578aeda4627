/* SPDX-License-Identifier: Apache-2.0 */
/* The space of an object: its extents, and blocks from their taking to their retirement. */
#include "lib/objects/space_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define EXTENTS_SHORT 128
#define TIMES_PUT_OFF 16 /* that operations which change no block may leave one to others */

void space_open(struct space *space, struct object *object, const struct space_ops *ops,
		uint64_t members_offset, uint32_t members)
{
	*space = (struct space){
		.object = object,
		.ops = ops,
		.members_offset = members_offset,
		.members_max = members,
	};
}

void space_close(struct space *space)
{
	if (!space->member)
		return;
	space_flush(space);
	space_members_leave(space);
	space_lose(space);
}

void space_lose(struct space *space)
{
	free(space->member);
	space->object->memory[2] = space->member = NULL;
	memset(space->extents, 0, sizeof space->extents);
	space->extent_count = 0;
}

/* ---- extents ---- */

static int know(struct space *space, unsigned number, const struct directory_extent *extents,
		unsigned count)
{
	for (unsigned i = 0; i < count && number + i < CONTROL_EXTENTS_MAX; i++) {
		if (extents[i].bytes > CONTROL_EXTENT_BYTES_MAX)
			return -EBADMSG;
		space->extents[number + i] =
			(struct space_place){extents[i].offset, extents[i].bytes};
	}
	while (space->extent_count < SPACE_RECORD_EXTENT &&
	       space->extents[space->extent_count].bytes)
		space->extent_count++;
	return 0;
}

int space_extent(struct space *space, unsigned number, uint64_t bytes)
{
	struct dso_session *session = space->object->session;
	struct directory_extent extents[CONTROL_GROWN_MAX];
	unsigned count = 0;
	int r;

	if (space->extents[number].bytes)
		return 0;
	*space->reason = '\0';
	r = session->directory->grow(session, space->object, number, bytes, extents, &count,
				     space->reason, sizeof space->reason);
	if (r == 0)
		r = know(space, number, extents, count);
	if (r == -ENFILE)
		return -ENOSPC;
	return r == 0 && count == 0 ? -EBADMSG : r;
}

int space_find(struct space *space, uint64_t reference, uint64_t bytes, uint64_t *ret_offset)
{
	uint64_t extent = space_reference_extent(reference);
	uint64_t offset = space_reference_offset(reference);
	const struct space_place *place;
	int r;

	if (extent >= SPACE_RECORD_EXTENT)
		return -EBADMSG;
	place = &space->extents[extent];
	r = place->bytes ? 0 : space_extent(space, (unsigned)extent, 0);
	if (r)
		return r;
	if (offset > place->bytes || bytes > place->bytes - offset ||
	    offset / SPACE_PAGE_BYTES < space_first_page(space, (unsigned)extent))
		return -EBADMSG;
	*ret_offset = place->offset + offset;
	return 0;
}

int space_change_word(struct space *space, uint64_t offset, uint64_t *word, uint64_t value,
		      uint64_t ignored)
{
	for (unsigned i = 0; i < SPACE_TRIES; i++) {
		uint64_t next = (value & ~ignored) | (*word & ignored);
		struct op op = space_op(DATA_CAS, offset, *word, next);
		int r = session_execute_one(space->object, &op);

		if (r)
			return r;
		if (space_op_succeeded(&op)) {
			*word = next;
			return 0;
		}
		if ((op.value ^ *word) & ~ignored) {
			*word = op.value;
			return -EAGAIN;
		}
		*word = op.value;
	}
	return -EBADMSG;
}

/* ---- taking ---- */

static uint64_t draw_use(struct space_member *member)
{
	member->drawn++;
	return XXH3_64bits_withSeed(&member->drawn, sizeof member->drawn, member->seed);
}

/* The block that is kept, if it is of @class. */
static bool take_kept(struct space_member *member, const struct space_class *class,
		      struct space_block *ret_block)
{
	const struct space_kept *kept = &member->kept;

	if (kept->name.reference == 0 || kept->bytes != class->block_bytes)
		return false;
	*ret_block = (struct space_block){.name = kept->name,
					  .offset = kept->offset,
					  .bytes = kept->bytes,
					  .is_claimed = true};
	member->kept.name.reference = 0;
	return true;
}

static void take_from(struct space *space, struct space_span *span, struct space_block *ret_block)
{
	unsigned i = --span->free_count;
	uint64_t inside = (uint64_t)span->free[i] * span->class.block_bytes;
	uint64_t offset = (uint64_t)span->page * SPACE_PAGE_BYTES + inside;

	span->taken++;
	*ret_block = (struct space_block){
		.name = {.reference = space_reference(span->extent, offset),
			 .state = space_state(draw_use(space->member), inside / SPACE_PAGE_BYTES)},
		.offset = space->extents[span->extent].offset + offset,
		.bytes = span->class.block_bytes,
		.before = span->states[i],
	};
}

/* The bytes of the next extent: a sixteenth of what there is, so that little is for nothing, and a
 * quarter when many of the extents that there can be are used; with room for @class at least. */
static uint64_t extent_bytes(const struct space *space, const struct space_class *class,
			     uint64_t *ret_least)
{
	unsigned part = space->extent_count < EXTENTS_SHORT ? 16 : 4;
	uint64_t pages = class->pages, bytes = 0, least;

	least = (pages + 1 + pages * 8 / SPACE_PAGE_BYTES) * SPACE_PAGE_BYTES;
	for (unsigned i = 0; i < space->extent_count; i++)
		bytes += space->extents[i].bytes / part;
	if (bytes < SPACE_RECORD_EXTENT_BYTES)
		bytes = SPACE_RECORD_EXTENT_BYTES;
	if (bytes < least)
		bytes = least;
	*ret_least = least;
	return bytes < CONTROL_EXTENT_BYTES_MAX ? bytes & ~(uint64_t)(SPACE_PAGE_BYTES - 1)
						: CONTROL_EXTENT_BYTES_MAX;
}

/* Have another extent, which may be one that another session made. The arena may have no room for
 * as many bytes as would be good. */
static int grow(struct space *space, const struct space_class *class)
{
	unsigned number = space->extent_count;
	uint64_t least, bytes = extent_bytes(space, class, &least);
	int r;

	if (number == SPACE_RECORD_EXTENT)
		return -ENOSPC;
	while ((r = space_extent(space, number, bytes)) == -ENOSPC && bytes > least) {
		bytes = bytes / 2 & ~(uint64_t)(SPACE_PAGE_BYTES - 1);
		bytes = bytes < least ? least : bytes;
	}
	if (r == 0) {
		space->member->extent = number;
		space->member->page = 0;
	}
	return r;
}

/* There is no room in the arena. What others hold back may be found: pages that the search has
 * passed by, own spans of other classes, what sessions left behind that have ended. */
static int find_last(struct space *space, const struct space_class *class)
{
	bool any = false;
	int r = space_flush(space);

	if (r == 0)
		r = space_spans_release(space, true);
	if (r == 0)
		r = space_spans_find(space, class, true);
	if (r != -EAGAIN)
		return r;
	r = space_members_recover(space, &any);
	if (r == 0 && any)
		r = space_spans_find(space, class, true);
	else if (r == 0)
		r = -EAGAIN;
	return r == -EAGAIN ? -ENOSPC : r;
}

/* Lease spans of @class. */
static int refill(struct space *space, const struct space_class *class)
{
	int r = space_spans_release(space, false);

	if (r || space_span_with(space->member, class))
		return r;
	r = space_spans_find(space, class, false);
	for (unsigned i = 0; r == -EAGAIN && i < SPACE_TRIES; i++) {
		r = grow(space, class);
		if (r == -ENOSPC)
			return find_last(space, class);
		if (r == 0)
			r = space_spans_find(space, class, false);
	}
	return r == -EAGAIN ? -ENOSPC : r;
}

int space_take(struct space *space, uint64_t bytes, struct space_block *ret_block)
{
	struct space_class class;
	struct space_span *span;
	int r;

	*space->reason = '\0';
	if (bytes > SPACE_BLOCK_BYTES_MAX)
		return -EMSGSIZE;
	r = space->member ? 0 : space_members_join(space);
	if (r)
		return r;
	class = space_class_of(bytes);
	if (take_kept(space->member, &class, ret_block))
		return 0;
	span = space_span_with(space->member, &class);
	if (!span) {
		r = refill(space, &class);
		if (r)
			return r;
		span = space_span_with(space->member, &class);
		if (!span)
			return -EBADMSG;
	}
	take_from(space, span, ret_block);
	return 0;
}

static struct space_span *span_of_name(struct space *space, const struct space_name *name)
{
	return space_span_of(space->member, (unsigned)space_reference_extent(name->reference),
			     space_reference_offset(name->reference));
}

static unsigned block_of(const struct space_span *span, const struct space_name *name)
{
	return (unsigned)((space_reference_offset(name->reference) -
			   (uint64_t)span->page * SPACE_PAGE_BYTES) /
			  span->class.block_bytes);
}

void space_give(struct space *space, const struct space_block *block)
{
	struct space_span *span;

	if (block->is_claimed) {
		space_retire(space, &block->name);
		return;
	}
	span = span_of_name(space, &block->name);
	if (!span)
		return;
	span->taken--;
	space_span_put(span, block_of(span, &block->name), block->before);
}

/* ---- retirement ---- */

void space_retire(struct space *space, const struct space_name *block)
{
	struct space_member *member = space->member;
	uint64_t offset;

	if (!member || space_find(space, block->reference, 8, &offset))
		return;
	if (member->due_count == SPACE_INTENTS_MAX && space_flush(space))
		return;
	member->due[member->due_count++] = (struct space_due){.name = *block, .offset = offset};
}

/* What is kept is retired after all, if there is room. */
static void retire_kept(struct space_member *member)
{
	struct space_kept *kept = &member->kept;

	if (kept->name.reference == 0 || member->due_count == SPACE_INTENTS_MAX)
		return;
	member->due[member->due_count++] =
		(struct space_due){.name = kept->name, .offset = kept->offset};
	kept->name.reference = 0;
}

/* The word that counts the free blocks of the span that the block is in. */
static uint64_t count_offset(const struct space *space, const struct space_name *name)
{
	uint64_t page = space_reference_offset(name->reference) / SPACE_PAGE_BYTES -
			space_state_distance(name->state);

	return space_page_offset(space, (unsigned)space_reference_extent(name->reference), page);
}

/* First the block becomes free, and then that is counted: so the count is never too low, unless
 * this session ends between the two, whose intents tell it. */
static unsigned prepare_due(struct space *space, struct op *ops)
{
	struct space_member *member = space->member;
	unsigned count = 0;

	for (unsigned i = 0; i < member->due_count; i++) {
		struct space_due *due = &member->due[i];

		due->op = count;
		due->is_prepared = true;
		ops[count++] = space_op(DATA_CAS, due->offset, due->name.state,
					space_state_freed(due->name.state));
		if (!span_of_name(space, &due->name))
			ops[count++] = space_op(DATA_FAA, count_offset(space, &due->name),
						SPACE_PAGE_COUNT, 0);
	}
	return count;
}

static void intend(struct space_record *staged, unsigned *count, uint64_t reference, uint64_t state)
{
	staged->intents[(*count)++] = (struct space_intent){le64_of(reference), le64_of(state)};
}

static struct op prepare_intents(struct space_member *member, const struct space_change *change)
{
	struct space_record *staged = &member->staged;
	const struct space_keeping *keeping = &member->keeping;
	unsigned count = 0;

	for (unsigned i = 0; i < change->taken_count; i++)
		intend(staged, &count, change->taken[i]->name.reference,
		       change->taken[i]->name.state);
	for (unsigned i = 0; i < change->outgoing_count; i++)
		intend(staged, &count, change->outgoing[i].reference, change->outgoing[i].state);
	if (member->kept.name.reference && count < SPACE_INTENTS_MAX)
		intend(staged, &count, member->kept.name.reference, member->kept.name.state);
	if (keeping->due.name.reference) {
		intend(staged, &count, keeping->due.name.reference, keeping->due.name.state);
		intend(staged, &count, keeping->due.name.reference, keeping->state);
	}
	staged->count = le64_of(count);
	staged->checksum = le64_of(
		XXH3_64bits_withSeed(staged->intents, count * sizeof *staged->intents, count));
	return space_write_op(member->record_offset, staged,
			      (uint32_t)(offsetof(struct space_record, intents) +
					 count * sizeof *staged->intents));
}

static unsigned prepare_claims(struct space *space, const struct space_change *change,
			       struct op *ops)
{
	unsigned count = 0;

	for (unsigned i = 0; i < change->taken_count; i++) {
		struct space_block *block = change->taken[i];
		struct space_span *span = span_of_name(space, &block->name);

		if (block->is_claimed)
			continue;
		ops[count++] = space_op(DATA_CAS, block->offset, block->before, block->name.state);
		block->is_claimed = true;
		if (span)
			span->claiming++;
	}
	return count;
}

/* Whether what is due is to be kept. A block of a span that this member leases is free for it at
 * once. The three names are those of the blocks, kept and to be kept. */
static bool may_keep(struct space *space, unsigned names)
{
	struct space_member *member = space->member;

	return names && names + 3 <= SPACE_INTENTS_MAX && member->due_count == 1 &&
	       member->kept.name.reference == 0 && !span_of_name(space, &member->due[0].name);
}

static void begin_to_keep(struct space_member *member)
{
	struct space_keeping *keeping = &member->keeping;

	keeping->due = member->due[0];
	keeping->state =
		space_state(draw_use(member), space_state_distance(keeping->due.name.state));
	member->due_count = 0;
}

/* The batch failed that would have told whether it has changed the state. */
static void abandon_keeping(struct space *space)
{
	struct space_keeping *keeping = &space->member->keeping;
	struct space_name names[] = {keeping->due.name,
				     {keeping->due.name.reference, keeping->state}};

	keeping->due.name.reference = 0;
	for (unsigned i = 0; i < 2 && names[i].reference; i++)
		space_retire(space, &names[i]);
}

/* Behind the intents, which have both states. */
static unsigned prepare_keeping(struct space *space, struct op *ops, unsigned first)
{
	struct space_keeping *keeping = &space->member->keeping;

	keeping->due.op = first;
	ops[0] = space_op(DATA_CAS, keeping->due.offset, keeping->due.name.state, keeping->state);
	/* The word of the first page of its span: how long it is. */
	ops[1] = op_load(count_offset(space, &keeping->due.name));
	return 2;
}

unsigned space_prepare(struct space *space, const struct space_change *change, struct op *ops)
{
	struct space_member *member = space->member;
	unsigned names = change->taken_count + change->outgoing_count, count;

	/* The intents of the last operation name what it has retired, until there are others. */
	if (!member)
		return 0;
	abandon_keeping(space);
	if (names == 0 && member->due_count <= 1 && member->put_off++ < TIMES_PUT_OFF)
		return 0;
	member->put_off = 0;
	if (names + 3 > SPACE_INTENTS_MAX)
		retire_kept(member);
	else if (may_keep(space, names))
		begin_to_keep(member);
	count = prepare_due(space, ops);
	if (names)
		ops[count++] = prepare_intents(member, change);
	count += prepare_claims(space, change, ops + count);
	if (member->keeping.due.name.reference)
		count += prepare_keeping(space, ops + count, count);
	return count;
}

/* The blocks that became free, of spans that this member leases, can be taken again. */
static void settle_due(struct space *space, const struct op *ops)
{
	struct space_member *member = space->member;
	unsigned left = 0;

	for (unsigned i = 0; i < member->due_count; i++) {
		const struct space_due *due = &member->due[i];
		struct space_span *span = span_of_name(space, &due->name);

		if (!due->is_prepared)
			member->due[left++] = *due;
		else if (span && space_op_succeeded(&ops[due->op]))
			space_span_put(span, block_of(span, &due->name),
				       space_state_freed(due->name.state));
	}
	member->due_count = left;
}

/* Where the CAS failed another session has freed the block. */
static void settle_keeping(struct space *space, const struct op *ops)
{
	struct space_member *member = space->member;
	struct space_keeping *keeping = &member->keeping;
	struct space_name name = {keeping->due.name.reference, keeping->state};
	struct space_class class;

	if (name.reference == 0)
		return;
	keeping->due.name.reference = 0;
	if (!space_op_succeeded(&ops[keeping->due.op]))
		return;
	/* A long block is not kept from others. */
	if (space_class_of_page(ops[keeping->due.op + 1].value, &class) &&
	    class.number != SPACE_PAGE_LONG)
		member->kept = (struct space_kept){name, keeping->due.offset, class.block_bytes};
	else
		space_retire(space, &name);
}

void space_executed(struct space *space, const struct op *ops)
{
	struct space_member *member = space->member;

	if (!member)
		return;
	settle_due(space, ops);
	settle_keeping(space, ops);
	for (unsigned i = 0; i < member->span_count; i++) {
		struct space_span *span = &member->spans[member->used[i]];

		span->taken -= span->claiming;
		span->claiming = 0;
	}
}

int space_flush(struct space *space)
{
	struct space_member *member = space->member;
	struct op ops[2 * SPACE_INTENTS_MAX];
	unsigned count;
	int r = 0;

	if (!member)
		return 0;
	/* Of a batch that was not executed. */
	abandon_keeping(space);
	do {
		retire_kept(member);
		count = prepare_due(space, ops);
		r = count ? session_execute(space->object, ops, count) : 0;
		if (r == 0)
			space_executed(space, ops);
	} while (r == 0 && member->kept.name.reference);
	return r;
}

/* ---- leases ---- */

static uint32_t lease_of(uint32_t member, uint64_t word)
{
	return (uint32_t)(owned_word_token(word) << 12 | (member + 1));
}

int space_lease(struct space *space, uint32_t *ret_lease)
{
	int r = space->member ? 0 : space_members_join(space);

	if (r == 0)
		*ret_lease = lease_of(space->member->index, space->member->word);
	return r;
}

int space_lease_is_over(struct space *space, uint32_t lease, bool *ret_over)
{
	uint32_t member = (lease & 0xfff) - 1;
	uint64_t word;
	int r;

	if (member >= space->members_max) {
		*ret_over = true;
		return 0;
	}
	r = word_load(space->object, space->members_offset + 8 * member, &word);
	if (r == 0)
		*ret_over = owned_word_owner(word) == 0 || lease_of(member, word) != lease;
	return r;
}
