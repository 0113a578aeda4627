/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a cell for a small entry. */
#include "lib/objects/map.h"

static bool is_referred_to(const uint8_t *bucket, unsigned cell)
{
	for (unsigned i = 0; i < MAP_SLOTS; i++) {
		uint64_t slot = map_slot_at(bucket, i);

		if (map_slot_state(slot) != MAP_EMPTY && map_slot_reference(slot) == cell + 1)
			return true;
	}
	return false;
}

/* A claimed cell that no slot refers to is free, if the lease is over that it was claimed with. To
 * be sure, claim it and look again. It is free from the next batch on. Errors do not matter: the
 * entry takes a block. */
static void reclaim(struct dso_map *map, const struct map_look *look, unsigned side, unsigned cell,
		    uint32_t lease)
{
	uint64_t bucket = map_bucket_offset(&look->segment, look->key.bucket[side]);
	uint64_t offset = map_cell_offset(&look->segment, look->key.bucket[side], cell);
	uint64_t word = le64_get(map_image_cell(look, side, cell)->word);
	uint64_t mine = map_cell_claimed(map_number(map), lease);
	uint8_t slots[8 * MAP_SLOTS];
	struct op ops[] = {map_cas_op(offset, word, mine),
			   map_read_op(bucket, slots, sizeof slots)};
	bool is_over;

	if (map->suspect == word || space_lease_is_over(&map->space, (uint32_t)word, &is_over) != 0)
		return;
	map->suspect = is_over ? 0 : word;
	if (is_over && session_execute(&map->object, ops, 2) == 0 && ops[0].value == word &&
	    !is_referred_to(slots, cell))
		map_free_cell(map, offset, mine);
}

unsigned map_find_cell(struct dso_map *map, const struct map_look *look, unsigned side,
		       uint32_t lease)
{
	for (unsigned cell = 0; cell < MAP_CELLS; cell++)
		if (map_cell_is_free(le64_get(map_image_cell(look, side, cell)->word)))
			return cell + 1;
	for (unsigned cell = 0; cell < MAP_CELLS; cell++) {
		uint32_t other = (uint32_t)le64_get(map_image_cell(look, side, cell)->word);

		if (other != lease && !is_referred_to(look->image[side], cell))
			reclaim(map, look, side, cell, lease);
	}
	return 0;
}
