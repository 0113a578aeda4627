/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/map_snapshot.h"

#define IMAGE_BYTES ((MAP_SEGMENT_BYTES(true) + 63) & ~(size_t)63)
#define SOME        64 /* entries that are read at once */
_Static_assert((MAP_ROOM_BYTES - 2 * IMAGE_BYTES) / SOME >= MAP_GUESS_MAX, "each has room");

/* ---- the cursor ---- */

static uint64_t reversed(uint64_t bits)
{
	uint64_t result = 0;

	for (unsigned i = 0; i < MAP_DEPTH_MAX; i++)
		result |= (bits >> i & 1) << (MAP_DEPTH_MAX - 1 - i);
	return result;
}

uint64_t map_cursor_hash(uint64_t cursor)
{
	return reversed(cursor);
}

uint64_t map_behind(const struct map_segment *segment)
{
	uint64_t next =
		reversed(segment->suffix) + (UINT64_C(1) << (MAP_DEPTH_MAX - segment->depth));

	return next >> MAP_DEPTH_MAX ? 0 : next;
}

/* ---- a segment ---- */

static void begin(struct dso_map *map, struct map_snapshot *snapshot)
{
	*snapshot = (struct map_snapshot){
		.image = map->room,
		.sibling_image = map->room + IMAGE_BYTES,
		.room = map->room + 2 * IMAGE_BYTES,
		.room_bytes = MAP_ROOM_BYTES - 2 * IMAGE_BYTES,
	};
}

/* READ @segment, and behind that its word. */
static int read_image(struct dso_map *map, const struct map_segment *segment, uint8_t *image,
		      uint64_t *ret_word)
{
	int r;

	map_begin(map, NULL);
	map_ops_long(map, DATA_READ, segment->offset, image, MAP_SEGMENT_BYTES(segment->has_cells));
	map_op(map, op_load(segment->offset + MAP_SEGMENT_WORD_OFFSET));
	r = map_execute(map);
	if (r)
		return r;
	*ret_word = map->ops[map->op_count - 1].value;
	return 0;
}

int map_take_snapshot(struct dso_map *map, uint64_t cursor, struct map_snapshot *snapshot)
{
	uint64_t hash = map_cursor_hash(cursor), word, sibling_word;
	int r;

	begin(map, snapshot);
	for (;;) {
		snapshot->segment = *map_segment_of(map, hash);
		r = read_image(map, &snapshot->segment, snapshot->image, &word);
		if (r)
			return r;
		if (map_segment_depth(word) == snapshot->segment.depth)
			break;
		r = map_learn(map, hash);
		if (r == 0 && map_segment_of(map, hash)->depth == snapshot->segment.depth)
			r = -EBADMSG;
		if (r)
			return r;
	}
	snapshot->has_sibling = map_segment_state(word) == MAP_SPLITTING;
	if (!snapshot->has_sibling)
		return 0;
	r = map_sibling(map, &snapshot->segment, word, &snapshot->sibling);
	return r ? r : read_image(map, &snapshot->sibling, snapshot->sibling_image, &sibling_word);
}

static const uint8_t *image_bucket(const struct map_segment *segment, const uint8_t *image,
				   unsigned bucket)
{
	return image + sizeof(struct map_segment_header) +
	       (size_t)bucket * MAP_BUCKET_BYTES(segment->has_cells);
}

bool map_find_place(const struct map_snapshot *snapshot, unsigned number, struct map_place *ret)
{
	const struct map_segment *segment = &snapshot->segment;
	const uint8_t *image = snapshot->image;

	for (unsigned i = 0; i < 1U + snapshot->has_sibling; i++) {
		*ret = (struct map_place){
			.segment = segment,
			.bucket_image = image_bucket(segment, image, number / MAP_SLOTS),
			.bucket = number / MAP_SLOTS,
			.index = number % MAP_SLOTS,
		};
		ret->slot = map_slot_at(ret->bucket_image, ret->index);
		if (map_slot_state(ret->slot) >= MAP_THERE)
			return true;
		segment = &snapshot->sibling;
		image = snapshot->sibling_image;
	}
	return false;
}

/* ---- size ---- */

int map_size(struct dso_map *map, const char *verb, uint64_t *ret_size)
{
	struct map_snapshot snapshot;
	struct map_place place;
	uint64_t cursor = 0, size = 0;
	int r;

	do {
		r = map_take_snapshot(map, cursor, &snapshot);
		if (r)
			return map_fail(map, verb, r);
		for (unsigned i = 0; i < MAP_BUCKETS * MAP_SLOTS; i++)
			size += map_find_place(&snapshot, i, &place);
		cursor = map_behind(&snapshot.segment);
	} while (cursor);
	if (ret_size)
		*ret_size = size;
	return 0;
}

/* ---- entries ---- */

int map_ask_for_block(struct dso_map *map, uint64_t slot, uint8_t *room, size_t bytes,
		      size_t *ret_bytes)
{
	uint64_t reference = map_slot_reference(slot), offset, left;
	const struct space_place *extent;
	int r = space_find(&map->space, reference, sizeof(struct map_entry), &offset);

	*ret_bytes = 0;
	if (r)
		return r == -EBADMSG ? 0 : r;
	extent = &map->space.extents[space_reference_extent(reference)];
	left = extent->offset + extent->bytes - offset;
	*ret_bytes = bytes < left ? bytes : left;
	map_ops_long(map, DATA_READ, offset, room, *ret_bytes);
	return 0;
}

int map_read_entry(struct dso_map *map, const struct map_place *place, uint8_t *room,
		   struct map_content *ret)
{
	size_t bytes = map->guess_bytes, have = 0;
	bool is_inline = map_slot_is_inline(place->slot);
	unsigned cell = (unsigned)map_slot_reference(place->slot) - 1;
	int r = 0;

	if (is_inline && (cell >= MAP_CELLS || !place->segment->has_cells))
		return 1;
	for (;;) {
		map_begin(map, NULL);
		if (is_inline)
			map_op(map,
			       map_read_op(map_cell_offset(place->segment, place->bucket, cell),
					   room, sizeof(struct map_cell)));
		else
			r = map_ask_for_block(map, place->slot, room, bytes, &have);
		if (r == 0)
			r = map_execute(map);
		if (r)
			return r;
		if (is_inline)
			return !map_cell_content((const struct map_cell *)room, place->slot, ret);
		if (!map_entry_content(room, have, place->slot, ret))
			return 1;
		if (map_content_bytes(ret) <= have)
			return !map_entry_is_whole(room, ret);
		if (have < bytes)
			return 1;
		bytes = map_content_bytes(ret);
	}
}

/* What was READ of an entry, @bytes of its block: NULL where it is not the whole. */
static const struct map_content *content_of(const struct map_place *place, const uint8_t *room,
					    size_t bytes, struct map_content *content)
{
	unsigned cell = (unsigned)map_slot_reference(place->slot) - 1;
	const struct map_cell *cells =
		(const struct map_cell *)(place->bucket_image + 8 * MAP_SLOTS);
	bool is_whole;

	if (map_slot_is_inline(place->slot))
		is_whole = cell < MAP_CELLS && place->segment->has_cells &&
			   map_cell_content(&cells[cell], place->slot, content);
	else
		is_whole = map_entry_content(room, bytes, place->slot, content) &&
			   map_content_bytes(content) <= bytes && map_entry_is_whole(room, content);
	return is_whole ? content : NULL;
}

/* The entries of @count places, in one batch. */
static int read_some(struct dso_map *map, const struct map_snapshot *snapshot,
		     const struct map_place *places, unsigned count,
		     int (*have)(void *context, const struct map_place *place,
				 const struct map_content *content),
		     void *context)
{
	size_t share = (snapshot->room_bytes / SOME) & ~(size_t)7, bytes[SOME] = {0};
	struct map_content content;
	int r = 0;

	map_begin(map, NULL);
	for (unsigned i = 0; r == 0 && i < count; i++)
		if (!map_slot_is_inline(places[i].slot))
			r = map_ask_for_block(map, places[i].slot, snapshot->room + i * share,
					      map->guess_bytes, &bytes[i]);
	if (r == 0)
		r = map_execute(map);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = have(context, &places[i],
			 content_of(&places[i], snapshot->room + i * share, bytes[i], &content));
	return r;
}

int map_read_entries(struct dso_map *map, const struct map_snapshot *snapshot,
		     int (*have)(void *context, const struct map_place *place,
				 const struct map_content *content),
		     void *context)
{
	struct map_place places[SOME];
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < MAP_BUCKETS * MAP_SLOTS; i++) {
		count += map_find_place(snapshot, i, &places[count]);
		if (count < SOME)
			continue;
		r = read_some(map, snapshot, places, count, have, context);
		count = 0;
	}
	return r ? r : read_some(map, snapshot, places, count, have, context);
}
