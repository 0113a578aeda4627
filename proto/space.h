/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the extents of an object that grows (lib/objects/space.h). storaged never looks at
 * it. Words are changed by compare-and-swap and fetch-and-add alone, but for the states of a span
 * that no session can know of yet.
 *
 * An extent begins with a *page word* for each of its pages, so that its first pages hold page
 * words and nothing else. Pages are free, or make *spans*: a span is divided into blocks of one
 * length. A session leases spans; only the member that the page word of a span's first page names
 * takes blocks of that span.
 *
 * Extents from SPACE_RECORD_EXTENT on hold the *records* of members instead. A member has an owned
 * word in the object's head, out of which storaged takes a session that has ended.
 */
#ifndef PROTO_SPACE_H
#define PROTO_SPACE_H

#include "proto/control.h"
#include "proto/layout.h"

#define SPACE_PAGE_BYTES    CONTROL_EXTENT_UNIT_BYTES
#define SPACE_GRANULE_BYTES 16
#define SPACE_RECORD_EXTENT 223

/* ---- references ---- */

/* A reference to a block: its extent, and its granule in there. No block has the reference 0. */
#define SPACE_REFERENCE_BITS 36
#define SPACE_GRANULE_BITS   28
#define SPACE_REFERENCE_MASK ((UINT64_C(1) << SPACE_REFERENCE_BITS) - 1)

static inline uint64_t space_reference(unsigned extent, uint64_t offset)
{
	return (uint64_t)extent << SPACE_GRANULE_BITS | offset / SPACE_GRANULE_BYTES;
}

static inline uint64_t space_reference_extent(uint64_t reference)
{
	return reference >> SPACE_GRANULE_BITS;
}

/* From the extent's begin. */
static inline uint64_t space_reference_offset(uint64_t reference)
{
	return (reference & ((UINT64_C(1) << SPACE_GRANULE_BITS) - 1)) * SPACE_GRANULE_BYTES;
}

/* ---- blocks ---- */

/*
 * The state of a block, its first word: {use:60, distance:3, used:1}. The use is drawn by chance
 * whenever the block is claimed. The distance is that of the block's page from the first one of its
 * span.
 */
#define SPACE_STATE_USED UINT64_C(1)

static inline uint64_t space_state(uint64_t use, uint64_t distance)
{
	return use << 4 | distance << 1 | SPACE_STATE_USED;
}

static inline uint64_t space_state_distance(uint64_t state)
{
	return state >> 1 & 7;
}

/* The state of a block that was used, with @state, and is free. */
static inline uint64_t space_state_freed(uint64_t state)
{
	return state & ~SPACE_STATE_USED;
}

/* ---- pages ---- */

/*
 * A page word: {count:12, span:12, zero:19, touched:1, class:8, member + 1:12}.
 *
 *   SPACE_PAGE_FREE      nobody's; if it was touched, its bytes may be anything, else they are zero
 *   SPACE_PAGE_RESERVED  the first of a span that its member makes, or dissolves
 *   SPACE_PAGE_TAIL      of a span, not the first: span is its distance from that, and the member
 *                        the one that made the span
 *   SPACE_PAGE_LONG      the first of a span of one block
 *   from SPACE_PAGE_CLASS on: the first of a span of blocks of that class
 *
 * Of the first page of a span, span is its length in pages, and the member the one that leases it.
 * The count is how many of its blocks have become free since somebody looked, or more; in other
 * words it means nothing.
 */
enum space_page_class {
	SPACE_PAGE_FREE = 0,
	SPACE_PAGE_RESERVED = 1,
	SPACE_PAGE_TAIL = 2,
	SPACE_PAGE_LONG = 3,
	SPACE_PAGE_CLASS = 4,
};

#define SPACE_PAGE_TOUCHED    (UINT64_C(1) << 20)
#define SPACE_PAGE_COUNT      (UINT64_C(1) << 52)
#define SPACE_PAGE_COUNT_MASK (~UINT64_C(0) << 52)
#define SPACE_SPAN_PAGES_MAX  4095

static inline uint64_t space_page(unsigned class, uint64_t span, uint64_t member)
{
	return span << 40 | (uint64_t) class << 12 | member;
}

static inline uint64_t space_page_member(uint64_t word)
{
	return word & 0xfff;
}

static inline unsigned space_page_class(uint64_t word)
{
	return (unsigned)(word >> 12 & UINT8_MAX);
}

static inline uint64_t space_page_span(uint64_t word)
{
	return word >> 40 & 0xfff;
}

static inline uint64_t space_page_count(uint64_t word)
{
	return word >> 52;
}

/* ---- members ---- */

#define SPACE_MEMBERS_MAX 1024
#define SPACE_INTENTS_MAX 64
#define SPACE_LEASES_MAX  64

struct space_intent {
	le64_t reference;
	le64_t state; /* of the block when it is used */
};
_Static_assert(sizeof(struct space_intent) == 16, "space intent");

struct space_record {
	/* the blocks that the member's last operation was about */
	le64_t checksum; /* XXH3 of the intents that count, seeded by how many they are */
	le64_t count;
	struct space_intent intents[SPACE_INTENTS_MAX];
	/* spans that it leases, or has leased: {zero:24, extent:8, page:20, pages:12} */
	le64_t leases[SPACE_LEASES_MAX];
	uint8_t reserved[496];
};
_Static_assert(sizeof(struct space_record) == 2048, "space record");

#define SPACE_RECORD_EXTENT_BYTES 65536
#define SPACE_RECORDS             (SPACE_RECORD_EXTENT_BYTES / sizeof(struct space_record))
_Static_assert(SPACE_MEMBERS_MAX / SPACE_RECORDS == CONTROL_EXTENTS_MAX - SPACE_RECORD_EXTENT,
	       "every member has a record");

static inline uint64_t space_lease_word(uint64_t extent, uint64_t page, uint64_t pages)
{
	return extent << 32 | page << 12 | pages;
}

#endif
