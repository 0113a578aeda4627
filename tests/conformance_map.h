/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of a map share: keys that are numbers, and values that tell key, seed and place.
 * */
#ifndef TESTS_CONFORMANCE_MAP_H
#define TESTS_CONFORMANCE_MAP_H

#include "tests/conformance_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tests of what goes through the whole map, and of sets. */
TCase *conformance_map_whole(void);
TCase *conformance_map_growing(void);
/* Waiting for a key. */
TCase *conformance_map_wait(void);
/* Its memory, from behind. */
TCase *conformance_map_behind(void);
/* Threads that change a map at the same time. */
TCase *conformance_map_parties(void);

static inline struct dso_map *map_in(struct dso_session *in)
{
	struct dso_map *map;

	OK(in, dso_map_open(in, name, NULL, &map));
	return map;
}

static inline void fill(uint8_t *bytes, size_t length, uint64_t seed)
{
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < length; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		bytes[i] = (uint8_t)(state >> 56);
	}
}

/* Small values lie in cells, the others in blocks: by the key. */
static inline size_t length_of(uint32_t key)
{
	return key % 3 ? 16 : 100;
}

static inline int put_number(struct dso_map *map, uint32_t key, uint64_t seed)
{
	uint8_t value[100];

	fill(value, length_of(key), key ^ seed << 32);
	return dso_map_put(map, &key, sizeof key, value, length_of(key), NULL);
}

/* Whether the map has the key; its value is that of @seed. */
static inline bool has_number(struct dso_map *map, uint32_t key, uint64_t seed)
{
	uint8_t value[100], back[100];
	size_t length = 0;
	int r = dso_map_get(map, &key, sizeof key, back, sizeof back, &length, NULL);

	if (r == -ENOENT)
		return false;
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(length, length_of(key));
	fill(value, length, key ^ seed << 32);
	ck_assert(memcmp(value, back, length) == 0);
	return true;
}

static inline uint64_t size_of(struct dso_map *map)
{
	uint64_t size = ~UINT64_C(0);

	ck_assert_int_eq(dso_map_size(map, &size), 0);
	return size;
}

#endif
