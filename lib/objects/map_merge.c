/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of dso_map_merge(). */
#include "lib/objects/map.h"

static void sum_int64(uint8_t result[8], const uint8_t there[8], const uint8_t given[8])
{
	uint64_t a, b;

	memcpy(&a, there, sizeof a);
	memcpy(&b, given, sizeof b);
	a += b;
	memcpy(result, &a, sizeof a);
}

static bool is_less_int64(const uint8_t there[8], const uint8_t given[8])
{
	int64_t a, b;

	memcpy(&a, there, sizeof a);
	memcpy(&b, given, sizeof b);
	return a < b;
}

static void min_int64(uint8_t result[8], const uint8_t there[8], const uint8_t given[8])
{
	memcpy(result, is_less_int64(given, there) ? given : there, 8);
}

static void max_int64(uint8_t result[8], const uint8_t there[8], const uint8_t given[8])
{
	memcpy(result, is_less_int64(there, given) ? given : there, 8);
}

static void sum_double(uint8_t result[8], const uint8_t there[8], const uint8_t given[8])
{
	double a, b;

	memcpy(&a, there, sizeof a);
	memcpy(&b, given, sizeof b);
	a += b;
	memcpy(result, &a, sizeof a);
}

/* Whether @given takes the place of @there: it is less, or a NaN, and that is not one. */
static bool is_less_double(double given, double there)
{
	return given < there || (given != given && there == there);
}

static void min_double(uint8_t result[8], const uint8_t there[8], const uint8_t given[8])
{
	double a, b;

	memcpy(&a, there, sizeof a);
	memcpy(&b, given, sizeof b);
	memcpy(result, is_less_double(b, a) ? given : there, 8);
}

static void max_double(uint8_t result[8], const uint8_t there[8], const uint8_t given[8])
{
	double a, b;

	memcpy(&a, there, sizeof a);
	memcpy(&b, given, sizeof b);
	memcpy(result, is_less_double(-b, -a) ? given : there, 8);
}

static void (*const numbers[])(uint8_t result[8], const uint8_t there[8],
			       const uint8_t given[8]) = {
	[DSO_SUM_INT64] = sum_int64,   [DSO_MIN_INT64] = min_int64,   [DSO_MAX_INT64] = max_int64,
	[DSO_SUM_DOUBLE] = sum_double, [DSO_MIN_DOUBLE] = min_double, [DSO_MAX_DOUBLE] = max_double,
};

static int append(struct dso_map *map, struct map_change *change, const void *there,
		  size_t there_bytes)
{
	if (change->request.value_bytes > MAP_VALUE_BYTES_MAX - there_bytes)
		return -EMSGSIZE;
	if (there_bytes)
		memcpy(map->merged, there, there_bytes);
	if (change->request.value_bytes)
		memcpy(map->merged + there_bytes, change->request.value,
		       change->request.value_bytes);
	change->entry_value = map->merged;
	change->entry_bytes = there_bytes + change->request.value_bytes;
	return 0;
}

int map_merge(struct dso_map *map, struct map_change *change, const void *there, size_t there_bytes)
{
	if (change->request.merge == DSO_FIRST)
		return MAP_MERGE_KEEPS;
	if (change->request.merge == DSO_APPEND)
		return append(map, change, there, there_bytes);
	if (there_bytes != sizeof change->number)
		return -EINVAL;
	numbers[change->request.merge](change->number, there, change->request.value);
	change->entry_value = change->number;
	change->entry_bytes = sizeof change->number;
	return 0;
}

bool map_merge_is_number(enum dso_merge function)
{
	return (unsigned)function < sizeof numbers / sizeof *numbers && numbers[function];
}
