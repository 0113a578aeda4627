/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the index refers to a block that a session left behind which has ended. What a block says
 * of itself is only a hint: where to look. A block that the index refers to is whole.
 */
#include "lib/objects/map.h"

/* Enough for the header of a segment, and that of an entry with its key. */
#define HEAD_BYTES (sizeof(struct map_entry) + MAP_KEY_BYTES_MAX)

static int read_head(struct space *space, const struct space_name *block, uint8_t *head)
{
	const struct space_place *extent =
		&space->extents[space_reference_extent(block->reference)];
	uint64_t offset, left;
	struct op op;
	int r = space_find(space, block->reference, sizeof(struct map_entry), &offset);

	if (r)
		return r;
	left = extent->offset + extent->bytes - offset;
	op = map_read_op(offset, head, left < HEAD_BYTES ? left : HEAD_BYTES);
	return session_execute_one(space->object, &op);
}

/* ---- a segment: its parent has its reference ---- */

static int parent_offset(struct space *space, const struct dso_map *map,
			 const struct map_segment_header *header, uint64_t *ret_offset)
{
	uint64_t parent = le64_get(header->parent);

	*ret_offset = map->known->segments[0].offset;
	return parent ? space_find(space, parent, MAP_SEGMENT_BYTES(false), ret_offset) : 0;
}

static int segment_is_referenced(struct dso_map *map, const uint8_t *head, uint64_t reference)
{
	struct map_segment_header header;
	struct op ops[2];
	uint64_t offset;
	int r;

	memcpy(&header, head, sizeof header);
	if (header.depth == 0 || header.depth > MAP_DEPTH_MAX)
		return 0;
	r = parent_offset(&map->space, map, &header, &offset);
	if (r)
		return r == -EBADMSG ? 0 : r;
	ops[0] = op_load(offset + MAP_SEGMENT_WORD_OFFSET);
	ops[1] = op_load(offset + MAP_SEGMENT_SIBLINGS_OFFSET + 8 * (header.depth - 1U));
	r = session_execute(&map->object, ops, 2);
	return r ? r
		 : (map_segment_state(ops[0].value) == MAP_SPLITTING &&
		    map_slot_reference(ops[0].value) == reference) ||
			       map_slot_reference(ops[1].value) == reference;
}

/* ---- an entry: a slot of its key has its reference ---- */

/* In one segment. *ret_word is the segment's, loaded behind the slots. */
static int slots_refer(struct dso_map *map, const struct map_segment *segment,
		       const struct map_key *key, uint64_t reference, uint64_t *ret_word)
{
	struct op ops[2 * MAP_SLOTS + 1];
	bool refer = false;
	int r;

	for (unsigned i = 0; i < 2 * MAP_SLOTS; i++)
		ops[i] = op_load(
			map_slot_offset(segment, key->bucket[i / MAP_SLOTS], i % MAP_SLOTS));
	ops[2 * MAP_SLOTS] = op_load(segment->offset + MAP_SEGMENT_WORD_OFFSET);
	r = session_execute(&map->object, ops, 2 * MAP_SLOTS + 1);
	for (unsigned i = 0; r == 0 && i < 2 * MAP_SLOTS; i++)
		refer |= map_slot_state(ops[i].value) >= MAP_THERE &&
			 map_slot_reference(ops[i].value) == reference;
	*ret_word = ops[2 * MAP_SLOTS].value;
	return r ? r : refer;
}

/* In the segment for the key, and the one that it is being split into. */
static int entry_is_referenced(struct dso_map *map, const uint8_t *head, uint64_t reference)
{
	struct map_entry entry;
	struct map_segment segment, sibling;
	struct map_key key;
	uint64_t word;
	int r;

	memcpy(&entry, head, sizeof entry);
	if (le16_get(entry.key_bytes) > MAP_KEY_BYTES_MAX)
		return 0;
	key = map_key(map, head + sizeof entry, le16_get(entry.key_bytes));
	for (;;) {
		segment = *map_segment_of(map, key.hash);
		r = slots_refer(map, &segment, &key, reference, &word);
		if (r)
			return r;
		if (map_segment_state(word) == MAP_SPLITTING) {
			r = map_sibling(map, &segment, word, &sibling);
			if (r == 0)
				r = slots_refer(map, &sibling, &key, reference, &word);
			if (r)
				return r;
		}
		r = map_learn(map, key.hash);
		if (r || map_segment_of(map, key.hash)->depth == segment.depth)
			return r;
	}
}

int map_is_referenced(struct space *space, const struct space_name *block)
{
	struct dso_map *map = (struct dso_map *)space->object;
	uint8_t head[HEAD_BYTES] = {0};
	le16_t kind;
	le64_t state;
	int r = read_head(space, block, head);

	if (r)
		return r;
	memcpy(&state, head, sizeof state);
	memcpy(&kind, head + MAP_KIND_OFFSET, sizeof kind);
	if (le64_get(state) != block->state)
		return 0;
	if (le16_get(kind) == MAP_SEGMENT)
		return segment_is_referenced(map, head, block->reference);
	return le16_get(kind) == MAP_ENTRY ? entry_is_referenced(map, head, block->reference) : 0;
}
