/* SPDX-License-Identifier: Apache-2.0 */
/* Where the entry of a change goes: to a cell or a block, and into a batch. */
#include "lib/objects/map.h"

static int take_block(struct dso_map *map, struct map_change *change)
{
	size_t bytes = sizeof(struct map_entry) + change->look->key.length + change->entry_bytes;
	int r;

	if (change->block.bytes >= bytes)
		return 0;
	if (change->block.bytes)
		space_give(&map->space, &change->block);
	change->block.bytes = 0;
	change->is_written = false;
	r = space_take(&map->space, bytes, &change->block);
	if (r)
		change->block.bytes = 0;
	return r;
}

static uint64_t new_version(struct dso_map *map, const struct map_change *change)
{
	uint64_t number = map_number(map);

	return change->request.kind == MAP_PUT ? number | MAP_VERSION_PUT
					       : number & ~MAP_VERSION_PUT;
}

int map_find_place_for(struct dso_map *map, struct map_change *change, enum map_slot_state state)
{
	uint64_t reference;
	uint32_t lease;
	int r = space_lease(&map->space, &lease);

	change->is_robbed = false;
	if (r)
		return r;
	change->cell = !change->look->is_recalled && change->look->segment.has_cells &&
				       map_fits_cell(change->look->key.length, change->entry_bytes)
			       ? map_find_cell(map, change->look, change->side, lease)
			       : 0;
	if (change->cell) {
		change->cell_before = le64_get(
			map_image_cell(change->look, change->side, change->cell - 1)->word);
		change->cell_word = map_cell_claimed(map_number(map), lease);
		change->entry_version = new_version(map, change);
		reference = change->cell;
	} else {
		r = take_block(map, change);
		if (r)
			return r;
		if (!change->is_written)
			change->entry_version = new_version(map, change);
		reference = change->block.name.reference;
	}
	change->slot =
		map_slot(state, change->look->key.fingerprint, change->entry_version, reference);
	return 0;
}

void map_write_block(struct dso_map *map, struct map_change *change)
{
	struct map_entry *entry = (struct map_entry *)change->stage;
	size_t bytes = sizeof *entry + change->look->key.length;
	uint64_t offset = change->block.offset;

	if (change->is_written)
		return;
	if (change->look->key.length)
		memcpy(change->stage + sizeof *entry, change->look->key.bytes,
		       change->look->key.length);
	map_entry_fill(entry, change->block.name.state, change->entry_version,
		       change->look->key.length, change->entry_value, change->entry_bytes);
	if (change->entry_bytes && change->entry_bytes <= MAP_STAGE_MAX) {
		memcpy(change->stage + bytes, change->entry_value, change->entry_bytes);
		bytes += change->entry_bytes;
	}
	/* The state is the space's, and changed by atomics alone. */
	map_op(map, map_write_op(offset + sizeof entry->state, change->stage + sizeof entry->state,
				 bytes - sizeof entry->state));
	if (change->entry_bytes > MAP_STAGE_MAX)
		map_ops_long(map, DATA_WRITE, offset + bytes, change->entry_value,
			     change->entry_bytes);
	change->is_written = true;
}

void map_write_cell(struct dso_map *map, struct map_change *change)
{
	struct map_cell *cell = &change->staged_cell;
	size_t bytes = change->look->key.length + change->entry_bytes;

	map_cell_fill(cell, change->entry_version, change->look->key.bytes,
		      change->look->key.length, change->entry_value, change->entry_bytes);
	map_op(map,
	       map_write_op(map_change_cell(change, change->side, change->cell) + sizeof cell->word,
			    (uint8_t *)cell + sizeof cell->word,
			    sizeof *cell - sizeof cell->word - sizeof cell->data + bytes));
}

void map_write_entry(struct dso_map *map, struct map_change *change)
{
	if (change->cell)
		map_write_cell(map, change);
	else
		map_write_block(map, change);
}
