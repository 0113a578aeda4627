/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a store: a memfd whose size nobody can change any more, its header page, and the
 * extents of the rest.
 */
#ifndef LIB_STORE_ARENA_H
#define LIB_STORE_ARENA_H

#include "lib/store/extents.h"

struct arena {
	int fd;
	uint8_t *base;
	uint64_t bytes;
	struct extents *extents;
	uint64_t touched_end; /* no object ever lay here or behind: zero, as memfds are */
};

/* Returns 0, -ENOMEM, or memfd_create's, ftruncate's, fcntl's or mmap's errno. @bytes are pages. */
int arena_open(struct arena *arena, uint64_t bytes, uint32_t extent_count_max);
void arena_close(struct arena *arena); /* also after a failed open; not twice */

/* Take zeroed memory. Returns as extents_take. */
int arena_take(struct arena *arena, uint64_t bytes, struct extent *ret_extent);

#endif
