/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of entries that this client has seen. A set of MAP_RECALL_WAYS places for some hashes,
 * the one that was used last first.
 */
#include "lib/objects/map.h"

_Static_assert(2 * MAP_SLOTS == 16, "a place in two buckets has four bits");

static struct map_recall *set_of(const struct dso_map *map, const struct map_key *key)
{
	uint64_t sets = MAP_RECALL_MAX / MAP_RECALL_WAYS;

	return map->recalls + (key->hash >> 32) % sets * MAP_RECALL_WAYS;
}

/* The place for @key in its set; MAP_RECALL_WAYS: there is none. */
static unsigned find(const struct map_recall *set, const struct map_key *key)
{
	unsigned i = 0;

	while (i < MAP_RECALL_WAYS && (set[i].slot == 0 || (set[i].hash_place ^ key->hash) > 15 ||
				       map_slot_fingerprint(set[i].slot) != key->fingerprint))
		i++;
	return i;
}

/* The places before @number go one back. */
static void put_first(struct map_recall *set, unsigned number, const struct map_recall *recall)
{
	memmove(set + 1, set, number * sizeof *set);
	set[0] = *recall;
}

bool map_recall(struct dso_map *map, struct map_look *look)
{
	struct map_recall *set = set_of(map, &look->key), recall;
	unsigned i = find(set, &look->key);

	look->is_recalled = i < MAP_RECALL_WAYS;
	if (!look->is_recalled)
		return false;
	recall = set[i];
	put_first(set, i, &recall);
	look->segment = *map_segment_of(map, look->key.hash);
	look->side = (recall.hash_place & 15) / MAP_SLOTS;
	look->index = (recall.hash_place & 15) % MAP_SLOTS;
	look->slot = recall.slot;
	look->block = (struct space_name){map_slot_reference(recall.slot), recall.state};
	return true;
}

void map_remember(struct dso_map *map, const struct map_key *key, unsigned side, unsigned index,
		  uint64_t slot, uint64_t state)
{
	struct map_recall *set = set_of(map, key);
	struct map_recall recall = {(key->hash & ~UINT64_C(15)) | (side * MAP_SLOTS + index), slot,
				    state};
	unsigned i = find(set, key);

	put_first(set, i < MAP_RECALL_WAYS ? i : MAP_RECALL_WAYS - 1, &recall);
}

void map_forget(struct dso_map *map, const struct map_key *key)
{
	struct map_recall *set = set_of(map, key);
	unsigned i = find(set, key);

	if (i < MAP_RECALL_WAYS)
		set[i].slot = 0;
}
