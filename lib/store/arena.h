/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a store: a memfd whose size is sealed, its header page, and the extents of the
 * rest.
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

/* Returns 0, -ENOMEM, or the errno of memfd_create, ftruncate, fcntl or mmap. @bytes is a multiple
 * of the page size. */
int arena_open(struct arena *arena, uint64_t bytes, uint32_t extent_count_max);
void arena_close(struct arena *arena); /* Once, also after a failed open. */
/* Put private zeroed memory in the arena's place: store_detach. */
int arena_detach(struct arena *arena);

/*
 * The next bytes, at most a page, that may differ from zero, from the offset @from to before @end,
 * which are multiples of 8. Pages that were never touched do not exist, and are passed over.
 * *ret_begin is where the bytes begin. Returns how many, 0 when there are none.
 */
uint64_t arena_touched(const struct arena *arena, uint64_t from, uint64_t end, uint64_t *ret_begin);

/* Zero @bytes from the offset @from on, both multiples of 8. Memory has to be zero when it is given
 * back, as in a new memfd. */
void arena_zero(struct arena *arena, uint64_t from, uint64_t bytes);

#endif
