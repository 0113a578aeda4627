/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a whole map. */
#include "lib/objects/map_snapshot.h"

#include <stdlib.h>

struct numbers {
	uint64_t *all;
	size_t count, max;
};

struct check {
	struct dso_map *map;
	struct map_report *report;
	struct numbers references, hashes;
};

static int add(struct numbers *numbers, uint64_t number)
{
	size_t max = numbers->max ? 2 * numbers->max : 1024;
	uint64_t *all;

	if (numbers->count == numbers->max) {
		all = reallocarray(numbers->all, max, sizeof *all);
		if (!all)
			return -ENOMEM;
		numbers->all = all;
		numbers->max = max;
	}
	numbers->all[numbers->count++] = number;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static void sort(struct numbers *numbers)
{
	if (numbers->count)
		qsort(numbers->all, numbers->count, sizeof *numbers->all, compare);
}

/* ---- entries ---- */

static bool is_in_place(const struct map_place *place, uint64_t hash)
{
	const struct map_segment *segment = place->segment;
	uint32_t mask = (1U << segment->depth) - 1;

	return ((uint32_t)hash & mask) == (segment->suffix & mask);
}

/* What was not read whole with others is read alone. */
static int check_entry(void *context, const struct map_place *place,
		       const struct map_content *content)
{
	struct check *check = context;
	struct map_content alone;
	struct map_key key;
	int r = content ? 0 : map_read_entry(check->map, place, check->map->merged, &alone);

	if (r == 1)
		check->report->damaged++;
	if (r)
		return r == 1 ? 0 : r;
	check->report->entries++;
	content = content ? content : &alone;
	key = map_key(check->map, content->key, content->key_bytes);
	if ((key.bucket[0] != place->bucket && key.bucket[1] != place->bucket) ||
	    key.fingerprint != map_slot_fingerprint(place->slot) || !is_in_place(place, key.hash))
		check->report->misplaced++;
	return add(&check->hashes, key.hash);
}

/* What the slots of one image refer to. */
static int check_slots(struct check *check, const struct map_segment *segment, const uint8_t *image)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < MAP_BUCKETS * MAP_SLOTS; i++) {
		uint64_t slot = map_slot_at(image + sizeof(struct map_segment_header) +
						    (size_t)(i / MAP_SLOTS) *
							    MAP_BUCKET_BYTES(segment->has_cells),
					    i % MAP_SLOTS);

		check->report->provisional += map_slot_state(slot) == MAP_PROVISIONAL;
		check->report->unfinished += map_slot_state(slot) > MAP_THERE;
		if (map_slot_state(slot) >= MAP_THERE && !map_slot_is_inline(slot))
			r = add(&check->references, map_slot_reference(slot));
	}
	return r;
}

static int check_segment(struct check *check, const struct map_segment *segment,
			 const uint8_t *image)
{
	check->report->segments++;
	if (segment->reference && add(&check->references, segment->reference))
		return -ENOMEM;
	return check_slots(check, segment, image);
}

static int check_snapshot(struct check *check, const struct map_snapshot *snapshot)
{
	int r = check_segment(check, &snapshot->segment, snapshot->image);

	check->report->unfinished += snapshot->has_sibling;
	if (r == 0 && snapshot->has_sibling)
		r = check_segment(check, &snapshot->sibling, snapshot->sibling_image);
	return r ? r : map_read_entries(check->map, snapshot, check_entry, check);
}

static void count_doubled(struct check *check)
{
	sort(&check->hashes);
	for (size_t i = 1; i < check->hashes.count; i++)
		check->report->doubled += check->hashes.all[i] == check->hashes.all[i - 1];
}

/* ---- blocks ---- */

static bool is_referenced(void *context, const struct space_name *block)
{
	const struct numbers *references = context;

	return references->count && bsearch(&block->reference, references->all, references->count,
					    sizeof *references->all, compare);
}

int map_check(struct dso_map *map, struct map_report *ret_report)
{
	struct check check = {.map = map, .report = ret_report};
	struct map_snapshot snapshot;
	uint64_t cursor = 0;
	int r;

	*ret_report = (struct map_report){0};
	do {
		r = map_take_snapshot(map, cursor, &snapshot);
		if (r == 0)
			r = check_snapshot(&check, &snapshot);
		cursor = map_behind(&snapshot.segment);
	} while (r == 0 && cursor);
	count_doubled(&check);
	sort(&check.references);
	if (r == 0)
		r = space_check(&map->space, is_referenced, &check.references, &ret_report->space);
	free(check.references.all);
	free(check.hashes.all);
	return r;
}
