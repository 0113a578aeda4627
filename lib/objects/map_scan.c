/* SPDX-License-Identifier: Apache-2.0 */
/* Reading all entries, a segment with each call. */
#include "lib/objects/map_snapshot.h"

/* ---- reading entries ---- */

struct visit {
	int (*each)(const struct dso_map_entry *entry, void *context);
	void *context;
	struct dso_map *map;
	uint8_t *room; /* for any entry */
	bool was_stopped;
};

static int tell(struct visit *visit, const struct map_content *content)
{
	struct dso_map_entry entry = {
		.key = content->key,
		.key_bytes = content->key_bytes,
		.value = content->value,
		.length_bytes = content->value_bytes,
		.version = content->version,
	};
	int r = visit->each(&entry, visit->context);

	visit->was_stopped = r != 0;
	return r;
}

static int follow(struct visit *visit, const struct map_place *place);

/* The slot of the same number in the segments that were split off since. */
static int follow_siblings(struct visit *visit, const struct map_place *place)
{
	const struct map_segment *segment = place->segment;
	struct map_segment at = *segment, sibling;
	struct map_place next = *place;
	uint64_t word, reference;
	int r = map_load(visit->map, segment->offset + MAP_SEGMENT_WORD_OFFSET, &word);

	for (; r == 0 && at.depth <= map_segment_depth(word) && at.depth < MAP_DEPTH_MAX;
	     at.depth++) {
		if (at.depth == map_segment_depth(word) && map_segment_state(word) == MAP_SPLITTING)
			reference = word;
		else
			r = map_load(visit->map,
				     segment->offset + MAP_SEGMENT_SIBLINGS_OFFSET + 8U * at.depth,
				     &reference);
		if (r || map_slot_reference(reference) == 0)
			continue;
		r = map_sibling(visit->map, &at, reference, &sibling);
		next.segment = &sibling;
		if (r == 0)
			r = follow(visit, &next);
	}
	return r;
}

/* What was read of the slot was no entry of it: it was changed, or moved. What is there by now may
 * be the entry. */
static int follow(struct visit *visit, const struct map_place *place)
{
	struct dso_map *map = visit->map;
	struct map_place now = *place;
	struct map_content content;
	uint64_t damaged = 0;
	int r;

	for (;;) {
		r = map_load(map, map_place_offset(place), &now.slot);
		if (r || map_slot_state(now.slot) < MAP_THERE)
			break;
		if (now.slot == damaged)
			return -EBADMSG;
		r = map_read_entry(map, &now, visit->room, &content);
		if (r <= 0)
			break;
		damaged = now.slot;
	}
	if (r == 0 && map_slot_state(now.slot) >= MAP_THERE)
		r = tell(visit, &content);
	return r ? r : follow_siblings(visit, place);
}

/* ---- scan ---- */

static int visit_one(void *context, const struct map_place *place,
		     const struct map_content *content)
{
	struct visit *visit = context;

	return content ? tell(visit, content) : follow(visit, place);
}

int map_scan(struct dso_map *map, const char *verb, uint64_t *cursor,
	     int (*each)(const struct dso_map_entry *entry, void *context), void *context)
{
	struct visit visit = {.each = each, .context = context, .map = map, .room = map->merged};
	struct map_snapshot snapshot;
	int r;

	if (!cursor || *cursor >> MAP_DEPTH_MAX)
		return object_refuse(&map->object, verb, -EINVAL, "the cursor is none");
	r = map_take_snapshot(map, *cursor, &snapshot);
	if (r == 0)
		r = map_read_entries(map, &snapshot, visit_one, &visit);
	if (visit.was_stopped)
		return r;
	if (r)
		return map_fail(map, verb, r);
	*cursor = map_behind(&snapshot.segment);
	return 0;
}
