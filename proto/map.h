/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a map and in a set, which is a map without values. lib/objects/map.h says how it is
 * used. The head has words, the table of members (proto/space.h) and the root segment; everything
 * else is in blocks of the space.
 *
 * A segment is a header and MAP_BUCKETS buckets, each of MAP_SLOTS slots and, where the segment has
 * them, MAP_CELLS cells, which small entries lie in.
 */
#ifndef PROTO_MAP_H
#define PROTO_MAP_H

#include "proto/space.h"

/* map, set: parameter 0 how many sessions can change it at a time. */
#define MAP_PARAMETER_MEMBERS 0
#define MAP_MEMBERS_MIN       16
/* A word: what keys are hashed with, drawn by chance by the first client. */
#define MAP_SEED_OFFSET LAYOUT_LINE_BYTES
/* An event (proto/layout.h), which clients that wait for a key wait for. Writers raise it when they
 * have put an entry, if any client waits. */
#define MAP_EVENT_OFFSET   (MAP_SEED_OFFSET + 8)
#define MAP_MEMBERS_OFFSET (2 * LAYOUT_LINE_BYTES)
#define MAP_ROOT_OFFSET(members) \
	(MAP_MEMBERS_OFFSET + ((8 * (uint64_t)(members) + LAYOUT_LINE_BYTES - 1) & ~UINT64_C(63)))
#define MAP_HEAD_BYTES(members) (MAP_ROOT_OFFSET(members) + MAP_SEGMENT_BYTES(true))

#define MAP_KEY_BYTES_MAX   1024
#define MAP_VALUE_BYTES_MAX (1U << 20)

/* ---- segments ---- */

#define MAP_BUCKETS   125
#define MAP_SLOTS     8
#define MAP_CELLS     7
#define MAP_DEPTH_MAX 18
#define MAP_BUCKET_BYTES(has_cells) \
	(8U * MAP_SLOTS + ((has_cells) ? MAP_CELLS * (uint32_t)sizeof(struct map_cell) : 0))
#define MAP_SEGMENT_BYTES(has_cells) \
	(sizeof(struct map_segment_header) + MAP_BUCKETS * MAP_BUCKET_BYTES(has_cells))

/* Of a block: what it is. At the same place in each. */
enum map_kind { MAP_ENTRY = 0x6e65, MAP_SEGMENT = 0x6773 };

struct map_segment_header {
	le64_t state;  /* of the block, the space's */
	le64_t parent; /* the reference of the segment that it was split off, 0: the root */
	le64_t word;   /* a word, see below */
	le32_t suffix; /* the low bits of the hashes in it, when it was new */
	uint8_t depth; /* how many those were */
	uint8_t has_cells;
	le16_t kind;
	/* Words: for each bit from depth on, the segment that was split off when it became another
	 * one by that bit; 0: none yet. */
	le64_t siblings[MAP_DEPTH_MAX];
	uint8_t reserved[16];
};
_Static_assert(sizeof(struct map_segment_header) == 192, "map segment header");

#define MAP_SEGMENT_WORD_OFFSET     16
#define MAP_SEGMENT_SIBLINGS_OFFSET 32

/*
 * The word of a segment: {state:2, depth:6, has_cells:1, 0:19, reference:36}. Each value is there
 * once. A sibling is {has_cells, reference} of the same form.
 */
enum map_segment_state {
	MAP_STABLE = 0,    /* no reference */
	MAP_FRESH = 1,     /* being filled by a split; the reference is the parent's */
	MAP_SPLITTING = 2, /* into itself and the segment of the reference */
};

static inline uint64_t map_segment_word(enum map_segment_state state, unsigned depth,
					bool has_cells, uint64_t reference)
{
	return (uint64_t)state << 62 | (uint64_t)depth << 56 | (uint64_t)has_cells << 55 |
	       reference;
}

static inline enum map_segment_state map_segment_state(uint64_t word)
{
	return (enum map_segment_state)(word >> 62);
}

static inline unsigned map_segment_depth(uint64_t word)
{
	return word >> 56 & 63;
}

static inline bool map_segment_has_cells(uint64_t word)
{
	return word >> 55 & 1;
}

/* ---- slots ---- */

/*
 * The word of a slot: {state:3, fingerprint:8, version:17, reference:36}. The state is in one byte,
 * which no READ tears. The reference is a block's, or 1 to MAP_CELLS: a cell of the same bucket;
 * no block has one of these, since an extent begins with page words. An empty slot has a number
 * instead that no other value of it has or had; 0 is the one that it begins with.
 */
enum map_slot_state {
	MAP_EMPTY = 0,
	MAP_PROVISIONAL = 1, /* of an insertion that is under way; readers pass it by */
	MAP_THERE = 2,
	MAP_LEAVING = 3,  /* of a split: it does not change until it is in the other segment */
	MAP_ARRIVING = 4, /* its copy there, until the one that leaves is gone */
};

#define MAP_SLOT_VERSION_BITS 17
/* Of an entry's version, and not of what the slot has of it: the entry was put, whatever was there
 * before. */
#define MAP_VERSION_PUT  (UINT64_C(1) << 63)
#define MAP_SLOT_PAYLOAD ((UINT64_C(1) << 61) - 1)

static inline enum map_slot_state map_slot_state(uint64_t slot)
{
	return (enum map_slot_state)(slot >> 61);
}

static inline uint64_t map_slot_with(uint64_t slot, enum map_slot_state state)
{
	return (slot & MAP_SLOT_PAYLOAD) | (uint64_t)state << 61;
}

static inline uint8_t map_slot_fingerprint(uint64_t slot)
{
	return (uint8_t)(slot >> 53);
}

static inline uint64_t map_slot_reference(uint64_t slot)
{
	return slot & SPACE_REFERENCE_MASK;
}

static inline bool map_slot_is_inline(uint64_t slot)
{
	return map_slot_reference(slot) <= MAP_CELLS;
}

/* The part of an entry's version that its slot has. */
static inline uint64_t map_slot_version(uint64_t version)
{
	return version & ((UINT64_C(1) << MAP_SLOT_VERSION_BITS) - 1);
}

static inline bool map_slot_has_version(uint64_t slot, uint64_t version)
{
	return map_slot_version(slot >> SPACE_REFERENCE_BITS) == map_slot_version(version);
}

static inline uint64_t map_slot(enum map_slot_state state, uint8_t fingerprint, uint64_t version,
				uint64_t reference)
{
	return (uint64_t)state << 61 | (uint64_t)fingerprint << 53 |
	       map_slot_version(version) << SPACE_REFERENCE_BITS | reference;
}

/* ---- entries ---- */

/* In a block. The key follows, then the value. */
struct map_entry {
	le64_t state;    /* of the block, the space's */
	le64_t version;  /* of the entry: another one for each time that it was written */
	le64_t checksum; /* see map_entry_checksum */
	le32_t value_bytes;
	le16_t key_bytes;
	le16_t kind;
};
_Static_assert(sizeof(struct map_entry) == 32, "map entry");

#define MAP_ENTRY_BYTES_LONGEST (sizeof(struct map_entry) + MAP_KEY_BYTES_MAX + MAP_VALUE_BYTES_MAX)
#define MAP_KIND_OFFSET         30

/* In a cell. */
#define MAP_CELL_DATA_BYTES 40

struct map_cell {
	/* a word {claimed:2, number:30, lease:32}: whose lease it is or was, that may write to it.
	 * 0 and the like: it is free, and no slot refers to it. */
	le64_t word;
	le64_t version;
	uint8_t key_bytes, value_bytes;
	uint8_t checksum[6];
	uint8_t data[MAP_CELL_DATA_BYTES]; /* the key, then the value */
};
_Static_assert(sizeof(struct map_cell) == 64, "map cell");

static inline bool map_cell_is_free(uint64_t word)
{
	return word >> 62 == 0;
}

static inline uint64_t map_cell_claimed(uint64_t number, uint32_t lease)
{
	return UINT64_C(1) << 62 | (number & 0x3fffffff) << 32 | lease;
}

static inline uint64_t map_cell_freed(uint64_t number)
{
	return (number & 0x3fffffff) << 32;
}

#endif
