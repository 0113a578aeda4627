/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array that grows by chunks: its elements stay in place, and are never copied. With everything
 * but element_bytes zero it is empty.
 */
#ifndef LIB_STORE_CHUNKS_H
#define LIB_STORE_CHUNKS_H

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNKS_ELEMENTS 64

struct chunks {
	void **chunk;
	uint32_t chunk_count_max; /* of the array of pointers */
	uint32_t count;           /* of elements */
	uint32_t element_bytes;
};

static inline void *chunks_at(const struct chunks *chunks, uint32_t index)
{
	assert(index < chunks->count);
	return (uint8_t *)chunks->chunk[index / CHUNKS_ELEMENTS] +
	       (size_t)(index % CHUNKS_ELEMENTS) * chunks->element_bytes;
}

/* Add a zeroed element. Its index is the count before. Returns 0 or -ENOMEM. */
static inline int chunks_append(struct chunks *chunks)
{
	uint32_t chunk = chunks->count / CHUNKS_ELEMENTS;

	if (chunks->count % CHUNKS_ELEMENTS == 0) {
		if (chunk == chunks->chunk_count_max) {
			uint32_t wider = chunk ? 2 * chunk : 4;
			void **moved = reallocarray(chunks->chunk, wider, sizeof *moved);

			if (!moved)
				return -ENOMEM;
			chunks->chunk = moved;
			chunks->chunk_count_max = wider;
		}
		chunks->chunk[chunk] = calloc(CHUNKS_ELEMENTS, chunks->element_bytes);
		if (!chunks->chunk[chunk])
			return -ENOMEM;
	}
	chunks->count++;
	return 0;
}

/* Free every element; then the array is empty. */
static inline void chunks_clear(struct chunks *chunks)
{
	for (uint32_t chunk = 0; chunk * CHUNKS_ELEMENTS < chunks->count; chunk++)
		free(chunks->chunk[chunk]);
	free(chunks->chunk);
	chunks->chunk = NULL;
	chunks->chunk_count_max = 0;
	chunks->count = 0;
}

#endif
