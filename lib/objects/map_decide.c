/* SPDX-License-Identifier: Apache-2.0 */
/* What a change does, after it has looked for its key: the step that comes next, or its end. */
#include "lib/objects/map_change.h"

void map_change_write_over(struct dso_map *map, struct map_change *change)
{
	int r;

	change->side = change->look->side;
	change->index = change->look->index;
	change->before = change->look->slot;
	r = map_find_place_for(map, change, MAP_THERE);
	if (r)
		map_change_finish(map, change, r);
	else
		change->step = change->cell ? MAP_CHANGE_CLAIM : MAP_CHANGE_SWAP;
}

static void erase(struct dso_map *map, struct map_change *change)
{
	uint32_t lease;
	int r = space_lease(&map->space, &lease);

	change->side = change->look->side;
	change->index = change->look->index;
	change->before = change->look->slot;
	change->slot = map_slot_with(map_number(map), MAP_EMPTY);
	change->cell = 0;
	change->step = MAP_CHANGE_SWAP;
	if (r)
		map_change_finish(map, change, r);
}

/* The number of empty slots; *ret_index is one of them. */
static unsigned count_empty(struct dso_map *map, const struct map_change *change, unsigned side,
			    unsigned *ret_index)
{
	unsigned begin = (unsigned)(map_number(map) % MAP_SLOTS), count = 0;

	for (unsigned i = 0; i < MAP_SLOTS; i++) {
		unsigned index = (begin + i) % MAP_SLOTS;

		if (map_slot_state(map_image_slot(change->look, side, index)) != MAP_EMPTY)
			continue;
		*ret_index = index;
		count++;
	}
	return count;
}

/* Both buckets are full. An insertion that does not go on keeps a slot for nothing: one that was
 * there at the attempt before is set to empty. */
static bool find_stale(struct map_change *change)
{
	bool any = false;

	for (unsigned bit = 0; bit < 2 * MAP_SLOTS; bit++) {
		uint64_t slot = map_image_slot(change->look, bit / MAP_SLOTS, bit % MAP_SLOTS);

		if (map_slot_state(slot) != MAP_PROVISIONAL)
			continue;
		any = true;
		if (change->stale[bit] == slot) {
			change->seen[bit] = slot;
			change->unsettled |= 1U << bit;
		}
		change->stale[bit] = slot;
	}
	return any;
}

/* Split the segment that the look was in, unless another change of the batch has. */
static int split(struct dso_map *map, const struct map_change *change)
{
	uint64_t hash = change->look->key.hash;

	return map_segment_of(map, hash)->depth == change->depth ? map_split(map, hash) : 0;
}

static void make_room(struct dso_map *map, struct map_change *change)
{
	int r;

	change->unsettled = 0;
	if (find_stale(change)) {
		change->step = MAP_CHANGE_CLEAR;
		if (change->unsettled == 0)
			map_change_again(map, change);
		return;
	}
	r = split(map, change);
	if (r)
		map_change_finish(map, change, r);
}

static void insert(struct dso_map *map, struct map_change *change)
{
	unsigned index[2];
	unsigned empty[2] = {count_empty(map, change, 0, &index[0]),
			     count_empty(map, change, 1, &index[1])};
	int r;

	if (empty[0] + empty[1] == 0) {
		make_room(map, change);
		return;
	}
	change->side = empty[1] > empty[0];
	change->index = index[change->side];
	change->before = map_image_slot(change->look, change->side, change->index);
	change->step = MAP_CHANGE_INSERT;
	r = map_find_place_for(map, change, MAP_PROVISIONAL);
	if (r)
		map_change_finish(map, change, r);
}

/* The value that a merge makes of the one that is there. */
static int merge(struct dso_map *map, struct map_change *change)
{
	const struct map_content *there = &change->look->content;

	change->is_written = false;
	return map_merge(map, change, there->value, there->value_bytes);
}

static void found(struct dso_map *map, struct map_change *change)
{
	int r = 0;

	if (change->request.kind == MAP_PUT && map_look_is_put_since(change->look)) {
		change->version = change->entry_version;
		map_change_finish(map, change, change->look->has_waiters ? map_wake(map) : 0);
		return;
	}
	change->version = change->look->content.version;
	if (change->request.kind == MAP_PUT_IF_ABSENT)
		r = -EEXIST;
	else if (change->request.kind == MAP_REPLACE && change->version != change->request.expected)
		r = -EAGAIN;
	else if (change->request.kind == MAP_MERGE)
		r = merge(map, change);
	if (r == -EAGAIN && !change->look->wants_sure && change->look->block.reference) {
		/* Look again, and be sure of the version. */
		change->look->wants_sure = true;
		return;
	}
	if (r == MAP_MERGE_KEEPS)
		map_change_finish(map, change, 0);
	else if (r)
		map_change_finish(map, change, r);
	else if (change->request.kind == MAP_REMOVE)
		erase(map, change);
	else
		map_change_write_over(map, change);
}

static void absent(struct dso_map *map, struct map_change *change)
{
	if (change->entry_value != change->request.value)
		change->is_written = false;
	change->entry_value = change->request.value;
	change->entry_bytes = change->request.value_bytes;
	if (change->request.kind == MAP_REPLACE || change->request.kind == MAP_REMOVE)
		map_change_finish(map, change, -ENOENT);
	else
		insert(map, change);
}

void map_change_decide(struct dso_map *map, struct map_change *change)
{
	struct map_look *look = change->look;
	int r = 0;

	switch (look->state) {
	case MAP_LOOK_FOUND:
		found(map, change);
		return;
	case MAP_LOOK_ABSENT:
		absent(map, change);
		return;
	case MAP_LOOK_SPLIT:
		r = split(map, change);
		break;
	default:
		r = look->error;
	}
	if (r)
		map_change_finish(map, change, r);
}
