/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena's allocator: extents of a range of offsets, 64-byte granules, taken and given back in
 * constant time. It never touches the arena: what it knows lies in private memory, where no client
 * can write.
 *
 * Two-level segregated fit: M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory
 * allocator for real-time systems", ECRTS 2004.
 *
 * Threads: one at a time; the user locks.
 */
#ifndef LIB_STORE_EXTENTS_H
#define LIB_STORE_EXTENTS_H

#include <stdint.h>

#define EXTENTS_GRANULE_BYTES 64

struct extents;

struct extent {
	uint64_t offset;
	uint64_t bytes; /* a multiple of the granule */
	uint32_t block; /* the allocator's */
};

/*
 * Manage the offsets from @begin to before @end, multiples of the granule. At most @count_max
 * extents are taken at a time. Returns 0 or -ENOMEM.
 */
int extents_new(uint64_t begin, uint64_t end, uint32_t count_max, struct extents **ret_extents);
void extents_free(struct extents *extents); /* also while extents are taken; NULL does nothing */

/*
 * Take @bytes (at least 1), rounded up to granules. The search is bounded: where more than
 * EXTENTS_SEARCH_MAX free extents have a length within 1/32 of the length asked for, and none is
 * longer, it may miss one that fits. Returns 0, -ENOSPC (no free extent is as long), -ENOMEM (there
 * is none for the allocator's own notes).
 */
#define EXTENTS_SEARCH_MAX 64
int extents_take(struct extents *extents, uint64_t bytes, struct extent *ret_extent);

/* Give back what extents_take returned. Anything else is a mistake of ours, and asserted. */
void extents_give(struct extents *extents, const struct extent *extent);

uint64_t extents_used_bytes(const struct extents *extents);
uint64_t extents_free_bytes(const struct extents *extents);
/* The longest free extent that the bounded search of extents_take finds: after its -ENOSPC this is
 * always less than was asked for. */
uint64_t extents_largest_bytes(const struct extents *extents);

#endif
