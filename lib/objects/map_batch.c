/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of a map: what its calls have in common. */
#include "lib/objects/map.h"

#include <time.h>
#include <xxhash.h>

#define TIMES_PUT_OFF 16 /* that looks may leave the frees of cells to a change */

#define BACK_OFF_NS_MIN     500
#define BACK_OFF_NS_LONGEST (DSO_MILLISECOND / 2)

/* ---- numbers and keys ---- */

uint64_t map_number(struct dso_map *map)
{
	/* S. Vigna's splitmix64, which gives each number once. */
	uint64_t z = map->number += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return z ? z : map_number(map);
}

/* @bits of chance as one of @count numbers. */
static uint8_t one_of(uint32_t bits, unsigned count)
{
	return (uint8_t)((uint64_t)bits * count >> 32);
}

struct map_key map_key(const struct dso_map *map, const void *bytes, size_t length)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, length, map->seed);
	unsigned first = one_of((uint32_t)(hash.low64 >> 32), MAP_BUCKETS);
	unsigned further = one_of((uint32_t)(hash.high64 >> 32), MAP_BUCKETS - 1);

	return (struct map_key){
		.bytes = bytes,
		.length = length,
		.hash = hash.low64,
		.fingerprint = (uint8_t)hash.high64,
		.bucket = {(uint8_t)first, (uint8_t)((first + 1 + further) % MAP_BUCKETS)},
	};
}

/* ---- batches ---- */

void map_ops_long(struct dso_map *map, uint8_t opcode, uint64_t offset, const void *buffer,
		  size_t bytes)
{
	const uint8_t *at = buffer;

	while (bytes) {
		size_t part = bytes < DATA_TRANSFER_BYTES_MAX ? bytes : DATA_TRANSFER_BYTES_MAX;

		map_op(map, (struct op){.opcode = opcode,
					.length_bytes = (uint32_t)part,
					.offset = offset,
					.buffer = (void *)(uintptr_t)at});
		at += part, offset += part, bytes -= part;
	}
}

/* Of a batch that changes no block. */
static const struct space_change nothing;

static void prepare_space(struct dso_map *map, const struct space_change *change)
{
	map->prepared = map->op_count;
	map->op_count += space_prepare(&map->space, change, map->ops + map->prepared);
}

void map_prepare(struct dso_map *map, const struct space_change *change)
{
	prepare_space(map, change);
	for (unsigned i = 0; i < map->later_count; i++)
		map_op(map, map->later[i]);
	map->later_count = map->put_off = 0;
}

void map_begin(struct dso_map *map, const struct space_change *change)
{
	map->op_count = 0;
	/* A look READs: atomics before its READs would leave in a run of their own. */
	if (!change && map->later_count && map->put_off++ < TIMES_PUT_OFF)
		prepare_space(map, &nothing);
	else
		map_prepare(map, change ? change : &nothing);
}

int map_execute(struct dso_map *map)
{
	int r = 0;

	if (map->op_count)
		r = session_execute(&map->object, map->ops, map->op_count);
	if (r == 0)
		space_executed(&map->space, map->ops + map->prepared);
	return r;
}

void map_free_cell(struct dso_map *map, uint64_t offset, uint64_t word)
{
	/* Where there is no room the cell stays claimed until this handle's lease is over. */
	if (map->later_count < MAP_LATER_MAX)
		map->later[map->later_count++] =
			map_cas_op(offset, word, map_cell_freed(map_number(map)));
}

int map_flush(struct dso_map *map)
{
	map->op_count = 0;
	map_prepare(map, &nothing);
	return map_execute(map);
}

void map_back_off(struct dso_map *map, unsigned attempts)
{
	unsigned shift = attempts < 10 ? attempts : 10;
	int64_t most = BACK_OFF_NS_MIN << shift;
	struct timespec pause;

	most = most < BACK_OFF_NS_LONGEST ? most : BACK_OFF_NS_LONGEST;
	pause.tv_sec = 0;
	pause.tv_nsec = (int64_t)(map_number(map) % (uint64_t)most);
	if (attempts > 1)
		nanosleep(&pause, NULL);
}
