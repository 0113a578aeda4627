/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splitting a segment. Clients that split it at the same time do the same things, each on its own;
 * each step is a CAS that one of them succeeds with. The slots go through their steps in lock step,
 * MAP_MANY at a time.
 */
#include "lib/objects/map.h"

#include <stdlib.h>
#include <xxhash.h>

_Static_assert(2 * MAP_MANY <= SPACE_INTENTS_MAX, "blocks of a split, and those of the changes");

/* A slot of the segment that is split. */
struct mover {
	unsigned bucket, index;
	uint64_t slot; /* as last seen */
	enum {
		MOVER_EXAMINE, /* READ the entry */
		MOVER_RELOAD,  /* what was read was none: load the slot */
		MOVER_MARK,    /* there -> leaving, provisional -> empty */
		MOVER_SEE,     /* READ the bucket that the entry of a cell goes to */
		MOVER_CLAIM,   /* a cell there */
		MOVER_COPY,    /* into the new segment */
		MOVER_SETTLE,  /* the copy of another client, arriving -> there */
		MOVER_DONE,
	} step;
	uint64_t damaged;           /* the slot, when what was read was no entry */
	struct map_cell cell;       /* the entry, where it is in a cell */
	struct map_content content; /* of it */
	uint8_t prefix[sizeof(struct map_entry) + MAP_KEY_BYTES_MAX];
	uint8_t target[8 * MAP_SLOTS + MAP_CELLS * sizeof(struct map_cell)];
	uint64_t copy; /* the slot in the new segment */
	unsigned claimed;
	uint64_t cell_before, cell_word;
	struct space_block block;
	struct map_cell staged_cell;
	uint8_t stage[sizeof(struct map_entry) + MAP_CELL_DATA_BYTES];
	unsigned op;
};

struct split {
	struct dso_map *map;
	struct map_segment from, to;
	struct mover movers[MAP_MANY];
	unsigned count;
	uint8_t image[MAP_SEGMENT_BYTES(true)];
};

static uint64_t from_offset(const struct split *split, const struct mover *mover)
{
	return map_slot_offset(&split->from, mover->bucket, mover->index);
}

static uint64_t to_offset(const struct split *split, const struct mover *mover)
{
	return map_slot_offset(&split->to, mover->bucket, mover->index);
}

static uint64_t empty(const struct split *split)
{
	return map_slot_with(map_number(split->map), MAP_EMPTY);
}

/* ---- does it move? ---- */

static void begin_with(struct mover *mover, uint64_t slot)
{
	static const int steps[] = {
		[MAP_EMPTY] = MOVER_DONE,
		[MAP_PROVISIONAL] = MOVER_MARK,
		[MAP_THERE] = MOVER_EXAMINE,
		[MAP_LEAVING] = MOVER_EXAMINE,
		[MAP_ARRIVING] = MOVER_DONE, /* of no segment that is split */
		[MAP_ARRIVING + 1 ... 7] = MOVER_DONE,
	};

	mover->slot = slot;
	mover->step = steps[map_slot_state(slot)];
}

static void examine(struct split *split, struct mover *mover)
{
	struct dso_map *map = split->map;
	uint64_t reference = map_slot_reference(mover->slot), offset;

	memset(mover->prefix, 0, sizeof(struct map_entry));
	if (map_slot_is_inline(mover->slot)) {
		if (reference && split->from.has_cells)
			map_op(map, map_read_op(map_cell_offset(&split->from, mover->bucket,
								(unsigned)reference - 1),
						&mover->cell, sizeof mover->cell));
	} else if (space_find(&map->space, reference, sizeof(struct map_entry), &offset) == 0) {
		const struct space_place *extent =
			&map->space.extents[space_reference_extent(reference)];
		uint64_t left = extent->offset + extent->bytes - offset;

		map_op(map, map_read_op(offset, mover->prefix,
					left < sizeof mover->prefix ? left : sizeof mover->prefix));
	}
}

static bool is_entry(const struct split *split, struct mover *mover)
{
	if (!map_slot_is_inline(mover->slot))
		return map_entry_content(mover->prefix, sizeof mover->prefix, mover->slot,
					 &mover->content);
	return map_slot_reference(mover->slot) && split->from.has_cells &&
	       map_cell_content(&mover->cell, mover->slot, &mover->content);
}

/* What is leaving was found to move by a client before. */
static void examined(struct split *split, struct mover *mover)
{
	struct map_key key;

	if (map_slot_state(mover->slot) == MAP_LEAVING && !map_slot_is_inline(mover->slot)) {
		mover->step = MOVER_COPY;
		return;
	}
	if (!is_entry(split, mover)) {
		mover->step = MOVER_RELOAD;
		return;
	}
	key = map_key(split->map, mover->content.key, mover->content.key_bytes);
	if (map_slot_state(mover->slot) == MAP_LEAVING)
		mover->step = split->to.has_cells ? MOVER_SEE : MOVER_COPY;
	else
		mover->step = key.hash >> split->from.depth & 1 ? MOVER_MARK : MOVER_DONE;
}

static void reload(struct split *split, struct mover *mover)
{
	map_op(split->map, op_load(from_offset(split, mover)));
}

/* An entry that is damaged stays where it is: nobody finds out where it belongs. */
static void reloaded(struct split *split, struct mover *mover)
{
	uint64_t slot = split->map->ops[mover->op].value;
	bool was_damaged = mover->damaged == slot;

	mover->damaged = slot;
	begin_with(mover, slot);
	if (was_damaged)
		mover->step = MOVER_DONE;
}

static void mark(struct split *split, struct mover *mover)
{
	uint64_t value = map_slot_state(mover->slot) == MAP_PROVISIONAL
				 ? empty(split)
				 : map_slot_with(mover->slot, MAP_LEAVING);

	map_op(split->map, map_cas_op(from_offset(split, mover), mover->slot, value));
}

static void marked(struct split *split, struct mover *mover)
{
	uint64_t before = split->map->ops[mover->op].value;

	if (before != mover->slot) {
		begin_with(mover, before);
	} else if (map_slot_state(before) == MAP_PROVISIONAL) {
		mover->step = MOVER_DONE;
	} else {
		mover->slot = map_slot_with(before, MAP_LEAVING);
		mover->step =
			map_slot_is_inline(before) && split->to.has_cells ? MOVER_SEE : MOVER_COPY;
	}
}

/* ---- a cell in the new segment ---- */

static void see(struct split *split, struct mover *mover)
{
	map_op(split->map, map_read_op(map_bucket_offset(&split->to, mover->bucket), mover->target,
				       sizeof mover->target));
}

static void seen(struct split *split, struct mover *mover)
{
	const struct map_cell *cells = (const struct map_cell *)(mover->target + 8 * MAP_SLOTS);

	(void)split;
	mover->step = MOVER_COPY;
	if (map_slot_at(mover->target, mover->index) != 0)
		return; /* it has been copied: a copy in a block would be given back */
	for (unsigned i = 0; i < MAP_CELLS && mover->step == MOVER_COPY; i++) {
		unsigned cell = (mover->index + i) % MAP_CELLS;

		mover->cell_before = le64_get(cells[cell].word);
		mover->claimed = cell + 1;
		if (map_cell_is_free(mover->cell_before))
			mover->step = MOVER_CLAIM;
	}
	if (mover->step == MOVER_COPY)
		mover->claimed = 0;
}

static void claim(struct split *split, struct mover *mover)
{
	uint32_t lease = 0;

	(void)space_lease(&split->map->space, &lease); /* it has one: see split_segment */
	mover->cell_word = map_cell_claimed(map_number(split->map), lease);
	map_op(split->map,
	       map_cas_op(map_cell_offset(&split->to, mover->bucket, mover->claimed - 1),
			  mover->cell_before, mover->cell_word));
}

static void claimed(struct split *split, struct mover *mover)
{
	mover->step = MOVER_COPY;
	if (split->map->ops[mover->op].value == mover->cell_before)
		return;
	mover->claimed = 0;
	mover->step = MOVER_SEE;
}

/* ---- the copy ---- */

/* The entry of a cell for which there is none in the new segment takes a block. */
static int take_block(struct split *split, struct mover *mover)
{
	size_t bytes =
		sizeof(struct map_entry) + mover->content.key_bytes + mover->content.value_bytes;

	if (mover->step != MOVER_COPY || !map_slot_is_inline(mover->slot) || mover->claimed ||
	    mover->block.bytes)
		return 0;
	return space_take(&split->map->space, bytes, &mover->block);
}

static void write_block(struct split *split, struct mover *mover)
{
	struct map_entry *entry = (struct map_entry *)mover->stage;
	const struct map_content *content = &mover->content;
	size_t bytes = content->key_bytes + content->value_bytes;

	memcpy(mover->stage + sizeof *entry, content->key, bytes);
	map_entry_fill(entry, mover->block.name.state, content->version, content->key_bytes,
		       mover->stage + sizeof *entry + content->key_bytes, content->value_bytes);
	map_op(split->map, map_write_op(mover->block.offset + sizeof entry->state,
					mover->stage + sizeof entry->state,
					sizeof *entry - sizeof entry->state + bytes));
}

static void write_cell(struct split *split, struct mover *mover)
{
	const struct map_content *content = &mover->content;
	struct map_cell *cell = &mover->staged_cell;

	map_cell_fill(cell, content->version, content->key, content->key_bytes, content->value,
		      content->value_bytes);
	map_op(split->map,
	       map_write_op(map_cell_offset(&split->to, mover->bucket, mover->claimed - 1) +
				    sizeof cell->word,
			    (uint8_t *)cell + sizeof cell->word, sizeof *cell - sizeof cell->word));
}

static void copy(struct split *split, struct mover *mover)
{
	struct dso_map *map = split->map;
	uint64_t reference = map_slot_reference(mover->slot);

	if (mover->claimed) {
		write_cell(split, mover);
		reference = mover->claimed;
	} else if (mover->block.bytes) {
		write_block(split, mover);
		reference = mover->block.name.reference;
	}
	mover->copy =
		map_slot_with((mover->slot & ~SPACE_REFERENCE_MASK) | reference, MAP_ARRIVING);
	mover->op = map->op_count;
	map_op(map, map_cas_op(to_offset(split, mover), 0, mover->copy));
	/* A copy is there now, this one or another client's. */
	map_op(map, map_cas_op(from_offset(split, mover), mover->slot, empty(split)));
	map_op(map, map_cas_op(to_offset(split, mover), mover->copy,
			       map_slot_with(mover->copy, MAP_THERE)));
}

static void give_back(struct split *split, struct mover *mover)
{
	if (mover->claimed)
		map_free_cell(split->map,
			      map_cell_offset(&split->to, mover->bucket, mover->claimed - 1),
			      mover->cell_word);
	if (mover->block.bytes)
		space_give(&split->map->space, &mover->block);
	mover->claimed = 0;
	mover->block.bytes = 0;
}

static void copied(struct split *split, struct mover *mover)
{
	const struct op *ops = split->map->ops + mover->op;
	uint64_t before = ops[0].value;
	bool has_moved = ops[1].value == mover->slot;

	if (before == 0)
		mover->claimed = mover->block.bytes = 0;
	else
		give_back(split, mover);
	if (has_moved && map_slot_is_inline(mover->slot))
		map_free_cell(split->map,
			      map_cell_offset(&split->from, mover->bucket,
					      (unsigned)map_slot_reference(mover->slot) - 1),
			      le64_get(mover->cell.word));
	mover->step = MOVER_DONE;
	if (before && before != mover->copy && map_slot_state(before) == MAP_ARRIVING) {
		mover->copy = before;
		mover->step = MOVER_SETTLE;
	}
}

static void settle(struct split *split, struct mover *mover)
{
	map_op(split->map, map_cas_op(to_offset(split, mover), mover->copy,
				      map_slot_with(mover->copy, MAP_THERE)));
}

static void settled(struct split *split, struct mover *mover)
{
	(void)split;
	mover->step = MOVER_DONE;
}

static const struct {
	void (*ask)(struct split *split, struct mover *mover);
	void (*have)(struct split *split, struct mover *mover);
} steps[MOVER_DONE + 1] = {
	[MOVER_EXAMINE] = {examine, examined}, [MOVER_RELOAD] = {reload, reloaded},
	[MOVER_MARK] = {mark, marked},         [MOVER_SEE] = {see, seen},
	[MOVER_CLAIM] = {claim, claimed},      [MOVER_COPY] = {copy, copied},
	[MOVER_SETTLE] = {settle, settled},
};

/* ---- some slots, in lock step ---- */

static int take_blocks(struct split *split)
{
	for (unsigned i = 0; i < split->count; i++) {
		int r = take_block(split, &split->movers[i]);

		if (r)
			return r;
	}
	return 0;
}

static void begin(struct split *split)
{
	struct space_block *taken[2 * MAP_MANY];
	struct space_change about = {.taken = taken,
				     .taken_count = map_claimed_blocks(split->map, taken)};

	for (unsigned i = 0; i < split->count; i++)
		if (split->movers[i].block.bytes)
			taken[about.taken_count++] = &split->movers[i].block;
	map_begin(split->map, &about);
}

/* One batch. *ret_is_done: all slots are. */
static int turn(struct split *split, bool *ret_is_done)
{
	int r = take_blocks(split);

	*ret_is_done = true;
	if (r)
		return r;
	begin(split);
	for (unsigned i = 0; i < split->count; i++) {
		struct mover *mover = &split->movers[i];

		mover->op = split->map->op_count;
		if (steps[mover->step].ask)
			steps[mover->step].ask(split, mover);
	}
	r = map_execute(split->map);
	for (unsigned i = 0; r == 0 && i < split->count; i++) {
		struct mover *mover = &split->movers[i];

		if (steps[mover->step].have)
			steps[mover->step].have(split, mover);
		*ret_is_done &= mover->step == MOVER_DONE;
	}
	return r;
}

static int move_some(struct split *split)
{
	bool is_done = split->count == 0;
	int r = 0;

	while (r == 0 && !is_done)
		r = turn(split, &is_done);
	for (unsigned i = 0; i < split->count; i++)
		give_back(split, &split->movers[i]);
	split->count = 0;
	return r;
}

static int move_all(struct split *split)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < MAP_BUCKETS * MAP_SLOTS; i++) {
		const uint8_t *bucket = split->image + sizeof(struct map_segment_header) +
					i / MAP_SLOTS * MAP_BUCKET_BYTES(split->from.has_cells);
		struct mover *mover = &split->movers[split->count];

		mover->bucket = i / MAP_SLOTS;
		mover->index = i % MAP_SLOTS;
		mover->damaged = 0;
		mover->claimed = mover->block.bytes = 0;
		begin_with(mover, map_slot_at(bucket, mover->index));
		split->count += mover->step != MOVER_DONE;
		if (split->count == MAP_MANY)
			r = move_some(split);
	}
	return r ? r : move_some(split);
}

/* ---- the segments ---- */

static int read_image(struct split *split, const struct map_segment *segment)
{
	struct dso_map *map = split->map;

	map_begin(map, NULL);
	map_ops_long(map, DATA_READ, segment->offset, split->image,
		     MAP_SEGMENT_BYTES(segment->has_cells));
	return map_execute(map);
}

/* Nothing leaves any more: what has arrived is there. A client may have ended in between. */
static int settle_all(struct split *split)
{
	struct dso_map *map = split->map;
	int r = read_image(split, &split->to);

	if (r)
		return r;
	map_begin(map, NULL);
	for (unsigned i = 0; r == 0 && i < MAP_BUCKETS * MAP_SLOTS; i++) {
		unsigned bucket = i / MAP_SLOTS, index = i % MAP_SLOTS;
		uint64_t slot = map_slot_at(split->image + sizeof(struct map_segment_header) +
						    bucket * MAP_BUCKET_BYTES(split->to.has_cells),
					    index);

		if (map_slot_state(slot) != MAP_ARRIVING)
			continue;
		map_op(map, map_cas_op(map_slot_offset(&split->to, bucket, index), slot,
				       map_slot_with(slot, MAP_THERE)));
		if (map->op_count < MAP_OPS_MAX)
			continue;
		r = map_execute(map);
		if (r == 0)
			map_begin(map, NULL);
	}
	return r ? r : map_execute(map);
}

/* Whether the new segment needs cells: where a quarter of the entries are in some. */
static bool needs_cells(const struct split *split)
{
	unsigned all = 0, in_cells = 0;

	for (unsigned i = 0; split->from.has_cells && i < MAP_BUCKETS * MAP_SLOTS; i++) {
		uint64_t slot = map_slot_at(split->image + sizeof(struct map_segment_header) +
						    i / MAP_SLOTS * MAP_BUCKET_BYTES(true),
					    i % MAP_SLOTS);

		all += map_slot_state(slot) >= MAP_THERE;
		in_cells += map_slot_state(slot) >= MAP_THERE && map_slot_is_inline(slot);
	}
	return 4 * in_cells > all;
}

/* Make a new segment, and have the old one's word name it. Returns 0 also where another client was
 * quicker. */
static int begin_split(struct split *split)
{
	struct dso_map *map = split->map;
	const struct map_segment *from = &split->from;
	bool has_cells = needs_cells(split);
	size_t bytes = MAP_SEGMENT_BYTES(has_cells);
	struct map_segment_header *header = (struct map_segment_header *)map->room;
	struct space_block block, *taken[MAP_MANY + 1];
	struct space_change about = {.taken = taken, .taken_count = map_claimed_blocks(map, taken)};
	int r = from->depth < MAP_DEPTH_MAX ? space_take(&map->space, bytes, &block) : -ENOSPC;

	if (r)
		return r;
	taken[about.taken_count++] = &block;
	map_begin(map, &about);
	memset(header, 0, bytes);
	*header = (struct map_segment_header){
		.parent = le64_of(from->reference),
		.word = le64_of(
			map_segment_word(MAP_FRESH, from->depth + 1U, false, from->reference)),
		.suffix = le32_of(from->suffix | 1U << from->depth),
		.depth = (uint8_t)(from->depth + 1),
		.has_cells = has_cells,
		.kind = le16_of(MAP_SEGMENT),
	};
	map_ops_long(map, DATA_WRITE, block.offset + sizeof header->state,
		     map->room + sizeof header->state, bytes - sizeof header->state);
	map_op(map, map_cas_op(from->offset + MAP_SEGMENT_WORD_OFFSET,
			       map_segment_word(MAP_STABLE, from->depth, false, 0),
			       map_segment_word(MAP_SPLITTING, from->depth, has_cells,
						block.name.reference)));
	r = map_execute(map);
	if (r || map->ops[map->op_count - 1].value !=
			 map_segment_word(MAP_STABLE, from->depth, false, 0))
		space_give(&map->space, &block);
	return r;
}

static int end_split(struct split *split, uint64_t word)
{
	struct dso_map *map = split->map;
	const struct map_segment *from = &split->from, *to = &split->to;
	unsigned depth = to->depth;

	map_begin(map, NULL);
	map_op(map,
	       map_cas_op(from->offset + MAP_SEGMENT_SIBLINGS_OFFSET + 8 * (uint64_t)from->depth, 0,
			  map_segment_word(0, 0, to->has_cells, to->reference)));
	map_op(map, map_cas_op(from->offset + MAP_SEGMENT_WORD_OFFSET, word,
			       map_segment_word(MAP_STABLE, depth, false, 0)));
	map_op(map, map_cas_op(to->offset + MAP_SEGMENT_WORD_OFFSET,
			       map_segment_word(MAP_FRESH, depth, false, from->reference),
			       map_segment_word(MAP_STABLE, depth, false, 0)));
	return map_execute(map);
}

/* The split has ended, but for the word of the new segment. */
static int end_fresh(struct split *split, uint64_t word)
{
	struct op op = map_cas_op(split->from.offset + MAP_SEGMENT_WORD_OFFSET, word,
				  map_segment_word(MAP_STABLE, split->from.depth, false, 0));

	return session_execute_one(&split->map->object, &op);
}

static int help(struct split *split, uint64_t word)
{
	int r = map_sibling(split->map, &split->from, word, &split->to);

	if (r == 0)
		r = read_image(split, &split->from);
	if (r == 0)
		r = move_all(split);
	if (r == 0)
		r = settle_all(split);
	return r ? r : end_split(split, word);
}

static int load_word(struct split *split, uint64_t *ret_word)
{
	return map_load(split->map, split->from.offset + MAP_SEGMENT_WORD_OFFSET, ret_word);
}

static int split_segment(struct split *split)
{
	uint32_t lease;
	uint64_t word;
	int r = space_lease(&split->map->space, &lease);

	if (r == 0)
		r = load_word(split, &word);
	if (r == 0 && word == map_segment_word(MAP_STABLE, split->from.depth, false, 0)) {
		r = read_image(split, &split->from);
		if (r == 0)
			r = begin_split(split);
		if (r == 0)
			r = load_word(split, &word);
	}
	if (r || map_segment_depth(word) != split->from.depth)
		return r;
	if (map_segment_state(word) == MAP_FRESH)
		return end_fresh(split, word);
	return map_segment_state(word) == MAP_SPLITTING ? help(split, word) : 0;
}

int map_split(struct dso_map *map, uint64_t hash)
{
	struct split *split = malloc(sizeof *split);
	int r;

	if (!split)
		return -ENOMEM;
	split->map = map;
	split->from = *map_segment_of(map, hash);
	split->count = 0;
	r = split_segment(split);
	free(split);
	return r ? r : map_learn(map, hash);
}
