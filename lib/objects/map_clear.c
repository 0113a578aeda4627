/* SPDX-License-Identifier: Apache-2.0 */
/* Removing all entries. */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/map_snapshot.h"

#define SOME 32 /* entries that are removed at once */

struct removal {
	struct map_place place;
	uint64_t word; /* of its block or cell */
};

struct clearing {
	bool is_moving;   /* an entry of the segment is of a split */
	bool has_removed; /* any */
};

static uint64_t word_offset(struct dso_map *map, const struct map_place *place)
{
	unsigned reference = (unsigned)map_slot_reference(place->slot);
	uint64_t offset = 0;

	if (!map_slot_is_inline(place->slot))
		(void)space_find(&map->space, map_slot_reference(place->slot),
				 sizeof(struct map_entry), &offset);
	else if (reference && place->segment->has_cells)
		offset = map_cell_offset(place->segment, place->bucket, reference - 1);
	return offset;
}

/* READ the words of blocks and cells. */
static int read_words(struct dso_map *map, struct removal *removals, unsigned count)
{
	map_begin(map, NULL);
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = word_offset(map, &removals[i].place);

		removals[i].word = 0;
		if (offset)
			map_op(map, map_read_op(offset, &removals[i].word, 8));
	}
	return map_execute(map);
}

/* The slot is empty: what it referred to is free. */
static void removed(struct dso_map *map, const struct removal *removal)
{
	struct space_name block = {map_slot_reference(removal->place.slot), removal->word};
	uint64_t offset = word_offset(map, &removal->place);

	if (!map_slot_is_inline(removal->place.slot))
		space_retire(&map->space, &block);
	else if (offset)
		map_free_cell(map, offset, removal->word);
}

static int empty_slots(struct dso_map *map, const struct removal *removals, unsigned count,
		       unsigned *ret_first)
{
	struct space_name outgoing[SOME];
	struct space_change about = {.outgoing = outgoing};

	for (unsigned i = 0; i < count; i++)
		if (!map_slot_is_inline(removals[i].place.slot))
			outgoing[about.outgoing_count++] = (struct space_name){
				map_slot_reference(removals[i].place.slot), removals[i].word};
	map_begin(map, &about);
	*ret_first = map->op_count;
	for (unsigned i = 0; i < count; i++)
		map_op(map, map_cas_op(map_place_offset(&removals[i].place), removals[i].place.slot,
				       map_slot_with(map_number(map), MAP_EMPTY)));
	return map_execute(map);
}

/* What became of @count of them, whose CAS operations begin with the @first one of the batch.
 * Returns how many are still there, since they were written over; those come first then. */
static unsigned keep_rest(struct dso_map *map, struct removal *removals, unsigned count,
			  unsigned first, struct clearing *clearing)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t before = map->ops[first + i].value;

		if (before == removals[i].place.slot) {
			removed(map, &removals[i]);
			clearing->has_removed = true;
			continue;
		}
		clearing->is_moving |= map_slot_state(before) > MAP_THERE;
		if (map_slot_state(before) != MAP_THERE)
			continue;
		removals[left] = removals[i];
		removals[left++].place.slot = before;
	}
	return left;
}

/* Writers may be quicker each time: no longer than for any change. */
static int remove_some(struct dso_map *map, struct removal *removals, unsigned count,
		       struct clearing *clearing)
{
	int64_t deadline_ns = clock_now_ns() + map->object.session->timeout_ns;
	unsigned attempts = 0;

	while (count) {
		unsigned first;
		int r = read_words(map, removals, count);

		if (r == 0)
			r = empty_slots(map, removals, count, &first);
		if (r)
			return r;
		count = keep_rest(map, removals, count, first, clearing);
		if (count && clock_now_ns() > deadline_ns)
			return -ETIMEDOUT;
		if (count)
			map_back_off(map, ++attempts);
	}
	return 0;
}

static int remove_all(struct dso_map *map, const struct map_snapshot *snapshot,
		      struct clearing *clearing)
{
	struct removal removals[SOME];
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < MAP_BUCKETS * MAP_SLOTS; i++) {
		count += map_find_place(snapshot, i, &removals[count].place);
		if (count < SOME)
			continue;
		r = remove_some(map, removals, count, clearing);
		count = 0;
	}
	return r ? r : remove_some(map, removals, count, clearing);
}

static int clear_segment(struct dso_map *map, uint64_t *cursor, struct clearing *clearing)
{
	struct map_snapshot snapshot;
	int r = map_take_snapshot(map, *cursor, &snapshot);

	if (r)
		return r;
	clearing->is_moving = snapshot.has_sibling;
	if (!clearing->is_moving)
		r = remove_all(map, &snapshot, clearing);
	if (r)
		return r;
	/* Where it is being split, first help. */
	if (clearing->is_moving)
		return map_split(map, map_cursor_hash(*cursor));
	*cursor = map_behind(&snapshot.segment);
	return 0;
}

int map_clear(struct dso_map *map, const char *verb)
{
	struct clearing clearing = {0};
	uint64_t cursor = 0;
	uint32_t lease;
	int r = space_lease(&map->space, &lease);

	do {
		if (r == 0)
			r = clear_segment(map, &cursor, &clearing);
	} while (r == 0 && cursor);
	if (r == 0)
		r = map_flush(map);
	if (clearing.has_removed)
		r = object_half_done(r);
	return r ? map_fail(map, verb, r) : 0;
}

int dso_map_clear(struct dso_map *map)
{
	INSIDE_OF(map);

	return map_clear(map, "clear");
}
