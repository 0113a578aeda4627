/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian integers as byte arrays, as RoCEv2's headers have them: see le.h. */
#ifndef PROTO_BE_H
#define PROTO_BE_H

#include <stdint.h>

typedef struct {
	uint8_t byte[2];
} be16_t;
typedef struct {
	uint8_t byte[3];
} be24_t;
typedef struct {
	uint8_t byte[4];
} be32_t;
typedef struct {
	uint8_t byte[8];
} be64_t;

static inline uint16_t be16_get(be16_t stored)
{
	return (uint16_t)(stored.byte[0] << 8 | stored.byte[1]);
}

static inline be16_t be16_of(uint16_t value)
{
	return (be16_t){{(uint8_t)(value >> 8), (uint8_t)value}};
}

static inline uint32_t be24_get(be24_t stored)
{
	return (uint32_t)stored.byte[0] << 16 | (uint32_t)stored.byte[1] << 8 | stored.byte[2];
}

static inline be24_t be24_of(uint32_t value)
{
	return (be24_t){{(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value}};
}

static inline uint32_t be32_get(be32_t stored)
{
	uint32_t value;

	__builtin_memcpy(&value, stored.byte, sizeof value);
	return __builtin_bswap32(value);
}

static inline be32_t be32_of(uint32_t value)
{
	be32_t stored;

	value = __builtin_bswap32(value);
	__builtin_memcpy(stored.byte, &value, sizeof value);
	return stored;
}

static inline uint64_t be64_get(be64_t stored)
{
	uint64_t value;

	__builtin_memcpy(&value, stored.byte, sizeof value);
	return __builtin_bswap64(value);
}

static inline be64_t be64_of(uint64_t value)
{
	be64_t stored;

	value = __builtin_bswap64(value);
	__builtin_memcpy(stored.byte, &value, sizeof value);
	return stored;
}

#endif
