/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a region: a header page, then objects. Every object begins with a 64-byte header and
 * has its words on 64-byte lines of their own. Words (8 bytes, aligned, little-endian) are changed by
 * compare-and-swap and fetch-and-add alone and read by a fetch-and-add of 0; the rest is bytes.
 * storaged never reads these structures to decide anything: clients can write them.
 */
#ifndef PROTO_LAYOUT_H
#define PROTO_LAYOUT_H

#include "proto/le.h"

#include <stdbool.h>

#define LAYOUT_LINE_BYTES          64
#define LAYOUT_VERSION             1
#define LAYOUT_REGION_HEADER_BYTES 4096
#define LAYOUT_MAGIC               "DSOARENA"

struct region_header {
	uint8_t magic[8];
	le16_t version;
	le16_t node;
	le16_t region;
	le16_t reserved;
	le64_t features_compatible;   /* unknown bits: still readable */
	le64_t features_incompatible; /* unknown bits: not to be opened */
	le64_t region_bytes;
	uint8_t reserved2[24];
};
_Static_assert(sizeof(struct region_header) == 64, "region header");

struct object_header {
	le16_t type;  /* enum object_type */
	le16_t flags; /* zero */
	le32_t generation;
	le64_t length_bytes; /* with this header */
	le64_t parameter[4];
	uint8_t reserved[16];
};
_Static_assert(sizeof(struct object_header) == LAYOUT_LINE_BYTES, "object header");

/*
 * memory: parameter 0 its size in bytes. The bytes follow the header.
 */
#define MEMORY_PARAMETER_BYTES 0
#define MEMORY_BYTES_MAX       (1ULL << 40)
#define MEMORY_DATA_OFFSET     LAYOUT_LINE_BYTES

/*
 * counter: parameter 0 the initial value (int64, in stripe 0), parameter 1 the number of stripes.
 * Stripe i is the first word of the line i + 1. The counter's value is the sum of its stripes.
 */
#define COUNTER_PARAMETER_INITIAL     0
#define COUNTER_PARAMETER_STRIPES     1
#define COUNTER_STRIPES_MAX           64
#define COUNTER_STRIPE_OFFSET(stripe) (LAYOUT_LINE_BYTES * (1 + (uint64_t)(stripe)))

/*
 * register: parameter 0 its capacity in bytes. A head word on the line after the header, then two
 * slots, each a header line and the bytes. The head is {version:40, owner:16, flags:8}: version v is
 * in slot v % 2; owner is the session (its low 16 bits) that is writing version v + 1 into the other
 * slot, 0 when nobody is. Version 0 is the empty value and is in no slot.
 */
#define REGISTER_PARAMETER_CAPACITY 0
#define REGISTER_CAPACITY_BYTES_MAX (64ULL << 20)
#define REGISTER_HEAD_OFFSET        LAYOUT_LINE_BYTES
#define REGISTER_SLOT_OFFSET(slot, capacity) \
	(2 * LAYOUT_LINE_BYTES + (uint64_t)(slot)*REGISTER_SLOT_BYTES(capacity))
#define REGISTER_SLOT_BYTES(capacity) \
	(LAYOUT_LINE_BYTES +          \
	 (((uint64_t)(capacity) + LAYOUT_LINE_BYTES - 1) & ~(uint64_t)(LAYOUT_LINE_BYTES - 1)))

struct register_slot {
	le64_t version; /* that the writer meant to publish */
	le64_t length_bytes;
	le64_t checksum;        /* XXH3 of the bytes, seeded by the version */
	le64_t header_checksum; /* XXH3 of the three fields before it */
	uint8_t reserved[32];
};
_Static_assert(sizeof(struct register_slot) == LAYOUT_LINE_BYTES, "register slot");

/* A lock-like word: {token or version:40, owner:16, flags:8}, from the top. */
static inline uint64_t owned_word(uint64_t token, uint16_t owner)
{
	return token << 24 | (uint64_t)owner << 8;
}

static inline uint64_t owned_word_token(uint64_t word)
{
	return word >> 24;
}

static inline uint16_t owned_word_owner(uint64_t word)
{
	return (uint16_t)(word >> 8);
}

#endif
