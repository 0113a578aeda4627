/* SPDX-License-Identifier: Apache-2.0 */
/* What a client knows of a map's segments. */
#include "lib/objects/map.h"

#include <stdlib.h>

/* ---- the table ---- */

static size_t known_bytes(uint32_t max, unsigned depth)
{
	return sizeof(struct map_known) + max * sizeof(struct map_segment) +
	       ((size_t)1 << depth) * sizeof(uint32_t);
}

/* The same with room for @max segments, and for hashes of @depth bits. */
static int known_grow(struct dso_map *map, uint32_t max, unsigned depth)
{
	const struct map_known *from = map->known;
	struct map_known *to = malloc(known_bytes(max, depth));

	if (!to)
		return -ENOMEM;
	*to = (struct map_known){.depth = depth, .max = max};
	to->directory = (uint32_t *)(to->segments + max);
	if (from) {
		to->count = from->count;
		memcpy(to->segments, from->segments, from->count * sizeof *to->segments);
		for (uint32_t i = 0; i < 1U << depth; i++)
			to->directory[i] = from->directory[i & ((1U << from->depth) - 1)];
	}
	free(map->known);
	map->known = map->object.memory[1] = to;
	return 0;
}

int map_know_root(struct dso_map *map)
{
	int r = known_grow(map, 8, 0);

	if (r)
		return r;
	map->known->segments[0] = (struct map_segment){
		.offset = map->object.offset +
			  MAP_ROOT_OFFSET(map->object.parameters[MAP_PARAMETER_MEMBERS]),
		.has_cells = true,
	};
	map->known->directory[0] = 0;
	map->known->count = 1;
	return 0;
}

/* The hashes that end with the suffix of @segment, in its depth, are in it. */
static int know(struct dso_map *map, const struct map_segment *segment)
{
	struct map_known *known = map->known;
	int r = 0;

	if (segment->depth > known->depth || known->count == known->max)
		r = known_grow(map, known->count == known->max ? 2 * known->max : known->max,
			       segment->depth > known->depth ? segment->depth : known->depth);
	if (r)
		return r;
	known = map->known;
	known->segments[known->count] = *segment;
	for (uint32_t i = segment->suffix; i < 1U << known->depth; i += 1U << segment->depth)
		known->directory[i] = known->count;
	known->count++;
	return 0;
}

/* ---- what the memory says ---- */

int map_load(struct dso_map *map, uint64_t offset, uint64_t *ret_value)
{
	struct op op = op_load(offset);
	int r = session_execute_one(&map->object, &op);

	*ret_value = op.value;
	return r;
}

int map_sibling(struct dso_map *map, const struct map_segment *segment, uint64_t word,
		struct map_segment *ret_sibling)
{
	bool has_cells = map_segment_has_cells(word);
	struct map_segment sibling = {
		.reference = map_slot_reference(word),
		.suffix = segment->suffix | 1U << segment->depth,
		.depth = (uint8_t)(segment->depth + 1),
		.has_cells = has_cells,
	};
	int r = space_find(&map->space, sibling.reference, MAP_SEGMENT_BYTES(has_cells),
			   &sibling.offset);

	if (r == 0)
		*ret_sibling = sibling;
	return r;
}

/* Load the word of the segment, and then its siblings from its depth on: each is there before the
 * word says so. */
static int load_siblings(struct dso_map *map, const struct map_segment *segment, uint64_t *ret_word,
			 uint64_t siblings[MAP_DEPTH_MAX])
{
	struct op ops[1 + MAP_DEPTH_MAX] = {op_load(segment->offset + MAP_SEGMENT_WORD_OFFSET)};
	int r;

	for (unsigned i = 0; i < MAP_DEPTH_MAX; i++)
		ops[1 + i] =
			op_load(segment->offset + MAP_SEGMENT_SIBLINGS_OFFSET + 8 * (uint64_t)i);
	r = session_execute(&map->object, ops, 1 + MAP_DEPTH_MAX);
	*ret_word = ops[0].value;
	for (unsigned i = 0; i < MAP_DEPTH_MAX; i++)
		siblings[i] = ops[1 + i].value;
	return r;
}

int map_learn(struct dso_map *map, uint64_t hash)
{
	struct map_segment segment = *map_segment_of(map, hash), sibling;
	uint32_t index = (uint32_t)(map_segment_of(map, hash) - map->known->segments);
	uint64_t word, siblings[MAP_DEPTH_MAX];
	unsigned depth;
	int r = load_siblings(map, &segment, &word, siblings);

	if (r)
		return r;
	depth = map_segment_depth(word);
	if (depth < segment.depth || depth > MAP_DEPTH_MAX)
		return -EBADMSG;
	for (; segment.depth < depth; segment.depth++) {
		r = map_sibling(map, &segment, siblings[segment.depth], &sibling);
		if (r == 0)
			r = know(map, &sibling);
		if (r)
			return r;
		map->known->segments[index].depth = (uint8_t)(segment.depth + 1);
	}
	return 0;
}
