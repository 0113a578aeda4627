/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a map: in a block, or in a cell (proto/map.h). */
#include "lib/objects/map.h"

#include <xxhash.h>

/* ---- in a cell ---- */

static uint64_t cell_checksum(const struct map_cell *cell, uint64_t version)
{
	size_t bytes = (size_t)cell->key_bytes + cell->value_bytes;

	return XXH3_64bits_withSeed(cell->data, bytes,
				    version ^ ((uint64_t)cell->key_bytes << 8 | cell->value_bytes));
}

bool map_cell_content(const struct map_cell *cell, uint64_t slot, struct map_content *ret)
{
	uint64_t version = le64_get(cell->version), checksum;

	if (!map_slot_has_version(slot, version) ||
	    !map_fits_cell(cell->key_bytes, cell->value_bytes))
		return false;
	checksum = cell_checksum(cell, version);
	if (memcmp(cell->checksum, &checksum, sizeof cell->checksum) != 0)
		return false;
	*ret = (struct map_content){
		.key = cell->data,
		.value = cell->data + cell->key_bytes,
		.key_bytes = cell->key_bytes,
		.value_bytes = cell->value_bytes,
		.version = version,
	};
	return true;
}

void map_cell_fill(struct map_cell *cell, uint64_t version, const void *key, size_t key_bytes,
		   const void *value, size_t value_bytes)
{
	uint64_t checksum;

	*cell = (struct map_cell){
		.version = le64_of(version),
		.key_bytes = (uint8_t)key_bytes,
		.value_bytes = (uint8_t)value_bytes,
	};
	if (key_bytes)
		memcpy(cell->data, key, key_bytes);
	if (value_bytes)
		memcpy(cell->data + key_bytes, value, value_bytes);
	checksum = cell_checksum(cell, version);
	memcpy(cell->checksum, &checksum, sizeof cell->checksum);
}

/* ---- in a block ---- */

/* Of all but the state and itself, seeded by the state: of the header with the key, and that seeds
 * the one of the value. */
static uint64_t entry_checksum(const struct map_entry *entry, uint64_t state, const void *value)
{
	struct {
		uint64_t version, lengths, key;
	} head;
	const uint8_t *key = (const uint8_t *)(entry + 1);
	size_t key_bytes = le16_get(entry->key_bytes);
	size_t value_bytes = le32_get(entry->value_bytes);

	head.version = le64_get(entry->version);
	head.lengths = (uint64_t)key_bytes << 32 | value_bytes;
	head.key = XXH3_64bits_withSeed(key, key_bytes, state);
	return XXH3_64bits_withSeed(value, value_bytes, XXH3_64bits(&head, sizeof head));
}

bool map_entry_content(const uint8_t *block, size_t bytes, uint64_t slot, struct map_content *ret)
{
	struct map_entry entry;
	uint64_t version;

	if (bytes < sizeof entry)
		return false;
	memcpy(&entry, block, sizeof entry);
	version = le64_get(entry.version);
	if (le16_get(entry.kind) != MAP_ENTRY || !map_slot_has_version(slot, version) ||
	    le16_get(entry.key_bytes) > MAP_KEY_BYTES_MAX ||
	    le32_get(entry.value_bytes) > MAP_VALUE_BYTES_MAX ||
	    !(le64_get(entry.state) & SPACE_STATE_USED))
		return false;
	*ret = (struct map_content){
		.key = block + sizeof entry,
		.value = block + sizeof entry + le16_get(entry.key_bytes),
		.key_bytes = le16_get(entry.key_bytes),
		.value_bytes = le32_get(entry.value_bytes),
		.version = version,
		.state = le64_get(entry.state),
	};
	return true;
}

bool map_entry_is_whole(const uint8_t *block, const struct map_content *content)
{
	const struct map_entry *entry = (const struct map_entry *)block;

	return le64_get(entry->checksum) == entry_checksum(entry, content->state, content->value);
}

void map_entry_fill(struct map_entry *entry, uint64_t state, uint64_t version, size_t key_bytes,
		    const void *value, size_t value_bytes)
{
	entry->state = le64_of(state);
	entry->version = le64_of(version);
	entry->value_bytes = le32_of((uint32_t)value_bytes);
	entry->key_bytes = le16_of((uint16_t)key_bytes);
	entry->kind = le16_of(MAP_ENTRY);
	entry->checksum = le64_of(entry_checksum(entry, state, value));
}
