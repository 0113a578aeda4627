/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes through a whole map, a segment at a time. The cursor is the bits of the hashes from the
 * lowest on, as a fraction, so that a split of a segment divides what it covers: a cursor between
 * two segments stays between two.
 */
#ifndef LIB_OBJECTS_MAP_SNAPSHOT_H
#define LIB_OBJECTS_MAP_SNAPSHOT_H

#include "lib/objects/map.h"

/* A segment as it was at one time. Where it was being split, entries are in its sibling, too. */
struct map_snapshot {
	struct map_segment segment, sibling;
	bool has_sibling;
	uint8_t *image, *sibling_image;
	uint8_t *room; /* for entries */
	size_t room_bytes;
};

/* An entry of a snapshot. */
struct map_place {
	const struct map_segment *segment;
	const uint8_t *bucket_image;
	unsigned bucket, index;
	uint64_t slot;
};

static inline uint64_t map_place_offset(const struct map_place *place)
{
	return map_slot_offset(place->segment, place->bucket, place->index);
}

/* Read the segment at @cursor into map->room. Returns 0 or an errno. */
int map_take_snapshot(struct dso_map *map, uint64_t cursor, struct map_snapshot *snapshot);

/* Slot @number of the snapshot. Where it is in both segments, it has moved while they were read,
 * and the copy does not count. Returns whether there is an entry. */
bool map_find_place(const struct map_snapshot *snapshot, unsigned number, struct map_place *ret);

/* A hash of the segment at @cursor. */
uint64_t map_cursor_hash(uint64_t cursor);
/* The cursor behind @segment; 0 behind the last one. */
uint64_t map_behind(const struct map_segment *segment);

/* Into the batch: READ @bytes of the block of the slot, or what there is of it. */
int map_ask_for_block(struct dso_map *map, uint64_t slot, uint8_t *room, size_t bytes,
		      size_t *ret_bytes);
/* Read all entries of the snapshot, many in a batch, and call @have for each, with NULL where what
 * was read is not the whole of it. Returns 0, what @have returned when that was another, or an
 * errno. */
int map_read_entries(struct dso_map *map, const struct map_snapshot *snapshot,
		     int (*have)(void *context, const struct map_place *place,
				 const struct map_content *content),
		     void *context);
/* Read the whole entry of one slot into @room of MAP_ROOM_BYTES. Returns 0; 1 where it is none; or
 * an errno. */
int map_read_entry(struct dso_map *map, const struct map_place *place, uint8_t *room,
		   struct map_content *ret);

/* ---- the check (map_check.c) ---- */

/*
 * Look at everything, while no session changes the map. The last members are faults; what a session
 * has left behind that has ended and was not recovered yet may show among those of the space.
 */
struct map_report {
	uint64_t entries, segments;
	uint64_t provisional, unfinished; /* slots; segments and entries in the middle of a split */
	uint64_t damaged;                 /* entries that are none */
	uint64_t misplaced;               /* where nobody finds them */
	uint64_t doubled;                 /* entries of a key, beyond the first */
	struct space_report space;
};
int map_check(struct dso_map *map, struct map_report *ret_report);

#endif
