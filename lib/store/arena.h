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
};

/* Returns 0, -ENOMEM, or memfd_create's, ftruncate's, fcntl's or mmap's errno. @bytes are pages. */
int arena_open(struct arena *arena, uint64_t bytes, uint32_t extent_count_max);
void arena_close(struct arena *arena); /* also after a failed open; not twice */
/* Put private zeroed memory in its place: store_detach. */
int arena_detach(struct arena *arena);

/*
 * The next bytes, a page at most, from the offset @from to before @end, multiples of 8, that may
 * differ from zero: pages that nobody ever touched do not exist, and are passed over. Returns how
 * many, 0 when there is none; *ret_begin is where they begin.
 */
uint64_t arena_touched(const struct arena *arena, uint64_t from, uint64_t end, uint64_t *ret_begin);

/* Zero @bytes from the offset @from on, both multiples of 8. What is given back must be zero, as a
 * new memfd is. */
void arena_zero(struct arena *arena, uint64_t from, uint64_t bytes);

#endif
